//! What there is under an order's number. Pure.

use canonical_model::{
    document::Document,
    order::{OrderStatus, SalesOrder},
};

/// What there is under an order's number.
pub(super) enum Standing {
    /// The order that this very document brought.
    Ours,
    /// An order that has not ended, or in whose place another one is still to come.
    Open(Box<SalesOrder>),
    /// Orders that have ended; the newest.
    Ended(Box<SalesOrder>),
    /// None.
    Unknown,
}

impl Standing {
    /// Of orders, newest first.
    pub(super) fn of(orders: Vec<SalesOrder>, document: &Document) -> Self {
        let is_ours = |order: &&SalesOrder| {
            let source = order.document.as_ref();
            source.is_some_and(|source| source.document_id == document.document_id)
        };
        if orders.iter().any(|order| is_ours(&order)) {
            return Self::Ours;
        }
        let has_ended = |order: &SalesOrder| {
            matches!(order.status, OrderStatus::Rejected | OrderStatus::Cancelled)
        };
        let mut open = orders.iter().filter(|order| !has_ended(order));
        let mut coming = orders.iter().filter(|order| order.replaced_by.is_some());
        if let Some(order) = open.next().or_else(|| coming.next()) {
            return Self::Open(Box::new(order.clone()));
        }
        match orders.into_iter().next() {
            Some(order) => Self::Ended(Box::new(order)),
            None => Self::Unknown,
        }
    }
}
