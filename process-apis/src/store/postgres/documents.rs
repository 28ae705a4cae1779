//! Channel documents: stored before they are acknowledged, owed with their control number, rendered under a lease.

use canonical_model::{DocumentId, document::Document};
use serde::Deserialize as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    super::{Cause, Commit, DocumentChange, NewDocument, StoreError},
    commit::Parts,
    fault::Refusal,
    mailbox::{self, DocumentRow},
    value::{broken, failed, nanoseconds},
};

/// The changes as `commit_documents` takes them.
pub(super) fn given(changes: &[DocumentChange], parts: &mut Parts) -> Result<Value, StoreError> {
    changes
        .iter()
        .map(|change| given_one(change, parts))
        .collect()
}

fn given_one(change: &DocumentChange, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(match change {
        DocumentChange::Store(new) => stored(new, parts)?,
        DocumentChange::Owe {
            id,
            channel,
            partner,
            account,
            kind,
            answers,
            order_id,
            context,
            lease,
        } => json!({
            "change": "owe",
            "id": id,
            "channel": channel,
            "partner": partner,
            "account": account,
            "kind": kind,
            "answers": answers,
            "order_id": order_id,
            "context": parts.text(context)?,
            "lease": lease.map(|(lease, _)| lease),
            "lease_until": lease.map(|(_, until)| nanoseconds(until)),
        }),
        DocumentChange::Answer { id, lease, outcome } => json!({
            "change": "answer",
            "id": id,
            "lease": lease,
            "outcome": outcome.as_ref().map(|outcome| parts.text(outcome)).transpose()?,
        }),
        DocumentChange::Postpone { id, lease, until } => json!({
            "change": "postpone",
            "id": id,
            "lease": lease,
            "lease_until": nanoseconds(*until),
        }),
        DocumentChange::Render {
            id,
            lease,
            content,
            media_type,
        } => json!({
            "change": "render",
            "id": id,
            "lease": lease,
            "content": parts.content(content),
            "media_type": media_type,
        }),
        DocumentChange::Deliver { id } => json!({"change": "deliver", "id": id}),
        DocumentChange::Refuse { id, lease, outcome } => json!({
            "change": "refuse",
            "id": id,
            "lease": lease,
            "outcome": parts.text(outcome)?,
        }),
    })
}

fn stored(new: &NewDocument, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(json!({
        "change": "store",
        "id": new.id,
        "channel": new.channel,
        "partner": new.partner,
        "account": new.account,
        "content": parts.content(&new.content),
        "media_type": new.media_type,
        "duplicate_keys": new.duplicate_keys,
        "keys_expire_at": nanoseconds(new.keys_expire_at),
        "work": new.work,
        "context": new.context.as_ref().map(|context| parts.text(context)).transpose()?,
        "lease": new.lease.map(|(lease, _)| lease),
        "lease_until": new.lease.map(|(_, until)| nanoseconds(until)),
    }))
}

/// What `commit_documents` answered.
pub(super) fn committed(answer: Option<&Value>) -> Result<Vec<Document>, StoreError> {
    let rows = answer.map(Vec::<DocumentRow>::deserialize).transpose();
    let rows = rows.map_err(failed)?.unwrap_or_default();
    rows.into_iter().map(DocumentRow::read).collect()
}

/// The same, read again after a commit whose answer was lost.
pub(super) async fn again(
    pool: &PgPool,
    cause: &Cause,
    changes: &[DocumentChange],
) -> Result<Vec<Document>, StoreError> {
    let ids: Vec<DocumentId> = changes.iter().map(id).collect();
    mailbox::named(pool, &cause.company, &ids).await
}

fn id(change: &DocumentChange) -> DocumentId {
    match change {
        DocumentChange::Store(new) => new.id,
        DocumentChange::Owe { id, .. }
        | DocumentChange::Answer { id, .. }
        | DocumentChange::Postpone { id, .. }
        | DocumentChange::Render { id, .. }
        | DocumentChange::Deliver { id }
        | DocumentChange::Refuse { id, .. } => *id,
    }
}

/// The document that a commit found stored, with its content.
pub(super) async fn known(
    pool: &PgPool,
    commit: &Commit,
    refused: &Refusal,
) -> Result<StoreError, StoreError> {
    let gone = || broken("a document vanished after it was found stored");
    let cause = commit.cause.as_ref().ok_or_else(gone)?;
    let id = refused.get("document_id")?;
    let document = mailbox::find(pool, &cause.company, id).await?;
    Ok(StoreError::DocumentKnown(Box::new(
        document.ok_or_else(gone)?,
    )))
}
