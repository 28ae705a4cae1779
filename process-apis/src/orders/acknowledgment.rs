//! What a channel owes its partner about an order that came in a document. Pure: `evolve` keeps which one was the last,
//! `react` owes it.

use canonical_model::{DocumentId, OrderId, document::DocumentKind, order::SourceDocument};
use serde_json::json;
use uuid::Uuid;

use super::{
    event::OrderEvent,
    projection,
    state::{CreateStage, OrderState},
};
use crate::store::DocumentChange;

/// An acknowledgment that an event brings about.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Owed<'a> {
    /// What it says.
    purpose: &'static str,
    /// The document that it answers.
    answers: &'a SourceDocument,
    /// The channel of that document.
    channel: &'a str,
}

/// The id of the acknowledgment that an event brings about, `version` being that of the order after it.
pub fn owed_id(before: &OrderState, event: &OrderEvent, version: u64) -> Option<DocumentId> {
    owed(before, event).map(|owed| id(before.order_id(), owed.purpose, version))
}

fn id(order: OrderId, purpose: &str, version: u64) -> DocumentId {
    let name = format!("{purpose}:{version}");
    DocumentId(Uuid::new_v5(&order.0, name.as_bytes()))
}

fn owed<'a>(before: &'a OrderState, event: &OrderEvent) -> Option<Owed<'a>> {
    let purpose = match event {
        OrderEvent::Held(_) if before.create == CreateStage::Waiting => "held",
        OrderEvent::Accepted(_) if before.cancelling.is_none() => "accepted",
        OrderEvent::Rejected(_) => "rejected",
        OrderEvent::Cancelled(_) => "cancelled",
        _ => return None,
    };
    Some(Owed {
        purpose,
        answers: before.order.document.as_ref()?,
        channel: &before.order.channel,
    })
}

/// The acknowledgment as it is written. The order stands in it as it is now, so that it says the same whenever it is
/// rendered; `previous` names the one before it about the same order, which a partner may have to be told.
pub fn acknowledge(
    before: &OrderState,
    after: &OrderState,
    event: &OrderEvent,
) -> Option<DocumentChange> {
    let owed = owed(before, event)?;
    Some(DocumentChange::Owe {
        id: id(after.order_id(), owed.purpose, after.version),
        channel: owed.channel.to_owned(),
        partner: owed.answers.partner.clone(),
        account: after.order.account.clone(),
        kind: DocumentKind::OrderAcknowledgment,
        answers: Some(owed.answers.document_id),
        order_id: Some(after.order_id()),
        context: json!({
            "purpose": owed.purpose,
            "transaction": owed.answers.transaction,
            "order": projection::sales_order(after),
            "previous": before.acknowledged,
        }),
        lease: None,
    })
}
