//! Channel documents: stored before they are acknowledged, owed with their control number, rendered under a lease.

use canonical_model::{DocumentId, document::Document};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    super::{Cause, DocumentChange, NewDocument, StoreError},
    mailbox::{Content, find},
    value::{At, Id, Json, Word, broken},
};

/// What a change came to.
pub(super) enum Applied {
    /// The document as it is now.
    Document(Box<Document>),
    /// It had been answered before: what was to be said with the answer was said then.
    Repeated(Box<Document>),
}

pub(super) fn apply(
    connection: &Connection,
    cause: &Cause,
    change: &DocumentChange,
) -> Result<Applied, StoreError> {
    let id = match change {
        DocumentChange::Store(new) => store(connection, cause, new)?,
        DocumentChange::Owe { .. } => owe(connection, cause, change)?,
        DocumentChange::Answer { id, lease, outcome } => {
            if answer(connection, cause, *id, *lease)? {
                return reload(connection, cause, *id).map(Applied::Repeated);
            }
            if let Some(outcome) = outcome {
                keep_outcome(connection, *id, outcome)?;
            }
            *id
        }
        DocumentChange::Render {
            id,
            lease,
            content,
            media_type,
        } => {
            render(connection, cause, *id, *lease, content, media_type)?;
            *id
        }
        DocumentChange::Postpone { id, lease, until } => {
            postpone(connection, cause, *id, *lease, *until)?;
            *id
        }
        DocumentChange::Deliver { id } => {
            deliver(connection, cause, *id)?;
            *id
        }
        DocumentChange::Refuse { id, lease, outcome } => {
            refuse(connection, cause, *id, *lease)?;
            keep_outcome(connection, *id, outcome)?;
            *id
        }
    };
    reload(connection, cause, id).map(Applied::Document)
}

fn reload(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
) -> Result<Box<Document>, StoreError> {
    let found = find(connection, &cause.company, id, Content::Leave)?;
    found
        .map(Box::new)
        .ok_or_else(|| broken("a document vanished in its own transaction"))
}

fn store(
    connection: &Connection,
    cause: &Cause,
    new: &NewDocument,
) -> Result<DocumentId, StoreError> {
    for key in &new.duplicate_keys {
        if let Some(known) = known_by(connection, cause, new, key)? {
            return Err(StoreError::DocumentKnown(Box::new(known)));
        }
    }
    let state = if new.work { "received" } else { "answered" };
    connection
        .prepare_cached(
            "INSERT INTO document (id, company, channel, partner, account, direction, kind, state, created_at, lease,
                lease_until, media_type, context, content)
             VALUES (?1, ?2, ?3, ?4, ?5, 'inbound', 'interchange', ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            Id(new.id.0),
            cause.company.as_str(),
            new.channel,
            new.partner,
            new.account.as_str(),
            state,
            At(cause.at),
            new.lease.map(|(lease, _)| Id(lease)),
            new.lease.map(|(_, until)| At(until)),
            new.media_type,
            new.context.as_ref().map(Json),
            new.content,
        ])?;
    for key in &new.duplicate_keys {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO document_key (company, channel, partner, key, document_id, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                cause.company.as_str(),
                new.channel,
                new.partner,
                key,
                Id(new.id.0),
                At(new.keys_expire_at),
            ])?;
    }
    Ok(new.id)
}

fn known_by(
    connection: &Connection,
    cause: &Cause,
    new: &NewDocument,
    key: &str,
) -> Result<Option<Document>, StoreError> {
    let known: Option<Id> = connection
        .prepare_cached(
            "SELECT document_id FROM document_key
             WHERE company = ?1 AND channel = ?2 AND partner = ?3 AND key = ?4 AND expires_at > ?5",
        )?
        .query_row(
            params![
                cause.company.as_str(),
                new.channel,
                new.partner,
                key,
                At(cause.at)
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(Id(id)) = known else { return Ok(None) };
    without_lease(connection, cause, DocumentId(id))
}

fn without_lease(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
) -> Result<Option<Document>, StoreError> {
    let found = find(connection, &cause.company, id, Content::Take)?;
    Ok(found.map(|document| Document {
        lease: None,
        ..document
    }))
}

/// The refusal for a document that is known, read once the commit is undone.
pub(super) fn told_again(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
) -> Result<StoreError, StoreError> {
    let known = without_lease(connection, cause, id)?
        .ok_or_else(|| broken("a commit stores a document once"))?;
    Ok(StoreError::DocumentKnown(Box::new(known)))
}

fn owe(
    connection: &Connection,
    cause: &Cause,
    owed: &DocumentChange,
) -> Result<DocumentId, StoreError> {
    let DocumentChange::Owe {
        id,
        channel,
        partner,
        account,
        kind,
        answers,
        order_id,
        context,
        lease,
    } = owed
    else {
        return Err(broken("only an owed document is owed"));
    };
    let number: i64 = connection
        .prepare_cached(
            "INSERT INTO control_number (company, channel, partner, last) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (company, channel, partner) DO UPDATE SET last = last + 1 RETURNING last",
        )?
        .query_row([cause.company.as_str(), channel, partner], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO document (id, company, channel, partner, account, direction, kind, state, control_number,
                answers, order_id, created_at, lease, lease_until, context)
             VALUES (?1, ?2, ?3, ?4, ?5, 'outbound', ?6, 'due', ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            Id(id.0),
            cause.company.as_str(),
            channel,
            partner,
            account.as_str(),
            Word(kind),
            number,
            answers.map(|id| Id(id.0)),
            order_id.map(|id| Id(id.0)),
            At(cause.at),
            lease.map(|(lease, _)| Id(lease)),
            lease.map(|(_, until)| At(until)),
            Json(context),
        ])?;
    Ok(*id)
}

/// Answers whether it had been answered before, under the same lease.
fn answer(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
    lease: Uuid,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE document SET state = 'answered'
             WHERE company = ?1 AND id = ?2 AND lease = ?3 AND state = 'received'",
        )?
        .execute(params![cause.company.as_str(), Id(id.0), Id(lease)])?;
    if changed == 1 {
        return Ok(false);
    }
    let repeated: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM document
                WHERE company = ?1 AND id = ?2 AND lease = ?3 AND state = 'answered' AND direction = 'inbound')",
        )?
        .query_row(params![cause.company.as_str(), Id(id.0), Id(lease)], |row| row.get(0))?;
    if repeated {
        Ok(true)
    } else {
        Err(StoreError::LeaseLost)
    }
}

fn postpone(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
    lease: Uuid,
    until: Timestamp,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE document SET lease_until = ?4
             WHERE company = ?1 AND id = ?2 AND lease = ?3 AND lease_until IS NOT NULL
                AND state IN ('received', 'due', 'ready')",
        )?
        .execute(params![
            cause.company.as_str(),
            Id(id.0),
            Id(lease),
            At(until)
        ])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

fn render(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
    lease: Uuid,
    content: &[u8],
    media_type: &str,
) -> Result<(), StoreError> {
    // The same bytes under the same lease once more: the first answer was lost on its way. The lease is known by that
    // until another is given, but holds nothing any more: whoever sends may take the document at once.
    let changed = connection
        .prepare_cached(
            "UPDATE document SET state = CASE state WHEN 'due' THEN 'ready' ELSE state END,
                lease_until = CASE state WHEN 'due' THEN NULL ELSE lease_until END, content = ?4, media_type = ?5
             WHERE company = ?1 AND id = ?2 AND lease = ?3 AND direction = 'outbound'
                AND (state = 'due' OR content = ?4)",
        )?
        .execute(params![cause.company.as_str(), Id(id.0), Id(lease), content, media_type])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

fn deliver(connection: &Connection, cause: &Cause, id: DocumentId) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE document SET state = 'delivered', lease_until = NULL
             WHERE company = ?1 AND id = ?2 AND state IN ('ready', 'delivered')",
        )?
        .execute(params![cause.company.as_str(), Id(id.0)])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

fn refuse(
    connection: &Connection,
    cause: &Cause,
    id: DocumentId,
    lease: Uuid,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE document SET state = 'refused', lease_until = NULL
             WHERE company = ?1 AND id = ?2 AND lease = ?3
                AND (state = 'refused' OR state = 'ready' AND lease_until IS NOT NULL)",
        )?
        .execute(params![cause.company.as_str(), Id(id.0), Id(lease)])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

/// The first one stays.
fn keep_outcome(
    connection: &Connection,
    id: DocumentId,
    outcome: &serde_json::Value,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO document_outcome (document_id, outcome) VALUES (?1, ?2)",
        )?
        .execute(params![Id(id.0), Json(outcome)])?;
    Ok(())
}
