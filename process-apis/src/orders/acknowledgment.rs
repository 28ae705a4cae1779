//! What a channel owes its partner about an order that came in a document. Pure: `evolve` keeps which one was the last,
//! `react` owes it.

use canonical_model::{
    DocumentId, OrderId,
    document::DocumentKind,
    order::{OrderStatus, SourceDocument},
};
use serde_json::json;
use service_runtime::problem::FieldError;
use uuid::Uuid;

use super::{
    event::{OrderEvent, Replacement},
    projection,
    state::{CreateStage, OrderState},
};
use crate::store::DocumentChange;

/// An acknowledgment that an event brings about.
#[derive(Debug, Clone, PartialEq)]
struct Owed<'a> {
    /// What it says.
    purpose: &'static str,
    /// The document that it answers.
    answers: &'a SourceDocument,
    /// The channel of that document.
    channel: &'a str,
    /// What it adds to the order as it stands.
    refusal: Option<Refusal<'a>>,
}

/// Why an order is not changed.
#[derive(Debug, Clone, PartialEq)]
struct Refusal<'a> {
    detail: String,
    reasons: &'a [FieldError],
}

/// The id of the acknowledgment that an event brings about, `version` being that of the order after it.
pub fn owed_id(before: &OrderState, event: &OrderEvent, version: u64) -> Option<DocumentId> {
    owed(before, event).map(|owed| id(before.order_id(), owed.purpose, version))
}

fn id(order: OrderId, purpose: &str, version: u64) -> DocumentId {
    let name = format!("{purpose}:{version}");
    DocumentId(Uuid::new_v5(&order.0, name.as_bytes()))
}

fn owed<'a>(before: &'a OrderState, event: &'a OrderEvent) -> Option<Owed<'a>> {
    match event {
        // One that has ended is held for what is to take its place.
        OrderEvent::Held(_) if before.is_closed() => None,
        OrderEvent::Held(_) if before.create == CreateStage::Waiting => of_order(before, "held"),
        OrderEvent::Accepted(_) if before.cancelling.is_none() => of_order(before, "accepted"),
        // The partner asked for another order in its place, and that one answers.
        OrderEvent::Rejected(_) | OrderEvent::Cancelled(_) if replaced_by_document(before) => None,
        OrderEvent::Rejected(_) => of_order(before, "rejected"),
        OrderEvent::Cancelled(_) => of_order(before, "cancelled"),
        // That one does not answer any more: what was left to it is said now.
        OrderEvent::ReplacementDropped(_) => unsaid_end(before),
        OrderEvent::ReplacementRequested(other) if other.request.document.is_none() => {
            unsaid_end(before)
        }
        OrderEvent::CancelRefused(refused) => {
            let detail = format!("The order stands as it was: {}", refused.detail);
            // Without one, the partner may wait for the word that it is cancelled, or never have heard that it was taken.
            of_replacement(before, "change_refused", detail, &[])
                .or_else(|| of_order(before, "accepted"))
        }
        OrderEvent::ReplacementRefused(refused) => {
            let detail = refused.detail.clone();
            of_replacement(before, "replacement_refused", detail, &refused.reasons)
        }
        _ => None,
    }
}

fn replaced_by_document(before: &OrderState) -> bool {
    let replacement = before.replacement.as_ref();
    replacement.is_some_and(|replacement| replacement.request.document.is_some())
}

fn unsaid_end(before: &OrderState) -> Option<Owed<'_>> {
    before.awaited()?.request.document.as_ref()?;
    match before.status() {
        OrderStatus::Rejected => of_order(before, "rejected"),
        _ => of_order(before, "cancelled"),
    }
}

fn of_order<'a>(before: &'a OrderState, purpose: &'static str) -> Option<Owed<'a>> {
    Some(Owed {
        purpose,
        answers: before.order.document.as_ref()?,
        channel: &before.order.channel,
        refusal: None,
    })
}

fn of_replacement<'a>(
    before: &'a OrderState,
    purpose: &'static str,
    detail: String,
    reasons: &'a [FieldError],
) -> Option<Owed<'a>> {
    let Replacement {
        request, channel, ..
    } = before.replacement.as_deref()?;
    Some(Owed {
        purpose,
        answers: request.document.as_ref()?,
        channel,
        refusal: Some(Refusal { detail, reasons }),
    })
}

/// The acknowledgment as it is written.
///
/// The order stands in it as it is now, so that it says the same whenever it is rendered; `previous` names the one before
/// it about the same order, which a partner may have to be told.
pub fn acknowledge(
    before: &OrderState,
    after: &OrderState,
    event: &OrderEvent,
) -> Option<DocumentChange> {
    let owed = owed(before, event)?;
    let mut context = json!({
        "purpose": owed.purpose,
        "transaction": owed.answers.transaction,
        "order": projection::sales_order(after),
        "previous": before.acknowledged,
    });
    if let (Some(refusal), Some(members)) = (owed.refusal, context.as_object_mut()) {
        members.insert("detail".to_owned(), json!(refusal.detail));
        members.insert("reasons".to_owned(), json!(refusal.reasons));
    }
    Some(DocumentChange::Owe {
        id: id(after.order_id(), owed.purpose, after.version),
        channel: owed.channel.to_owned(),
        partner: owed.answers.partner.clone(),
        account: after.order.account.clone(),
        kind: DocumentKind::OrderAcknowledgment,
        answers: Some(owed.answers.document_id),
        order_id: Some(after.order_id()),
        context,
        lease: None,
    })
}
