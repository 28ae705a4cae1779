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
        let is_here = |id| orders.iter().any(|order| order.order_id == id);
        let mut coming = orders
            .iter()
            .filter(|order| order.replaced_by.is_some_and(|id| !is_here(id)));
        if let Some(order) = open.next().or_else(|| coming.next()) {
            return Self::Open(Box::new(order.clone()));
        }
        match orders.into_iter().next() {
            Some(order) => Self::Ended(Box::new(order)),
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use canonical_model::{
        DocumentId,
        document::{Direction, DocumentKind, DocumentState},
        order::SalesOrderRequest,
    };
    use serde_json::json;

    use super::*;
    use crate::testing::facts::taken;

    fn order(status: OrderStatus) -> SalesOrder {
        let request: SalesOrderRequest = serde_json::from_value(json!({
            "account": "ACME", "purchase_order_number": "PO-1",
            "lines": [{"identifiers": [{"scheme": "seller_part_number", "value": "SKU-0001"}], "quantity": "1"}],
        }))
        .unwrap();
        SalesOrder {
            status,
            ..taken(&request, "punchout")
        }
    }

    fn document() -> Document {
        Document {
            document_id: DocumentId::generate(),
            channel: "punchout".to_owned(),
            partner: "acme-punchout".to_owned(),
            account: "ACME".parse().unwrap(),
            direction: Direction::Inbound,
            kind: DocumentKind::Interchange,
            state: DocumentState::Received,
            control_number: None,
            answers: None,
            order_id: None,
            context: None,
            outcome: None,
            created_at: "2026-11-21T12:00:00Z".parse().unwrap(),
            media_type: None,
            content_base64: None,
            lease: None,
        }
    }

    #[test]
    fn an_order_stands_until_it_and_what_takes_its_place_have_ended() {
        let said = |orders: Vec<SalesOrder>| match Standing::of(orders, &document()) {
            Standing::Ours => "ours",
            Standing::Open(_) => "open",
            Standing::Ended(_) => "ended",
            Standing::Unknown => "unknown",
        };
        let next = order(OrderStatus::Accepted);
        let mut first = order(OrderStatus::Cancelled);
        assert_eq!(said(Vec::new()), "unknown");
        assert_eq!(said(vec![first.clone()]), "ended");
        first.replaced_by = Some(next.order_id);
        assert_eq!(said(vec![first.clone()]), "open", "the next is to come");
        assert_eq!(said(vec![next.clone(), first.clone()]), "open");
        let cancelled = SalesOrder {
            status: OrderStatus::Cancelled,
            ..next
        };
        assert_eq!(said(vec![cancelled, first]), "ended");
    }
}
