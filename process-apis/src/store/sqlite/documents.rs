//! Channel documents: stored before they are acknowledged, owed with their control number, rendered under a lease.

use base64::{Engine, engine::general_purpose::STANDARD};
use canonical_model::{AccountId, CompanyId, DocumentId, OrderId, document::Document};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    super::{Cause, DocumentChange, DocumentFilter, DocumentLease, NewDocument, StoreError},
    query::Query,
    value::{At, Id, Json, Text, Word, broken, count, list},
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
        DocumentChange::Answer { id, lease } => {
            if answer(connection, cause, *id, *lease)? {
                return reload(connection, cause, *id).map(Applied::Repeated);
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
    let found = find(connection, &cause.company, DocumentId(id), Content::Take)?;
    Ok(found.map(|document| Document {
        lease: None,
        ..document
    }))
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
             WHERE company = ?1 AND id = ?2 AND lease = ?3 AND state IN ('received', 'due')",
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
    // The same bytes under the same lease once more: the first answer was lost on its way.
    let changed = connection
        .prepare_cached(
            "UPDATE document SET state = CASE state WHEN 'due' THEN 'ready' ELSE state END, content = ?4,
                media_type = ?5
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
            "UPDATE document SET state = 'delivered' WHERE company = ?1 AND id = ?2 AND state IN ('ready', 'delivered')",
        )?
        .execute(params![cause.company.as_str(), Id(id.0)])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

/// Leases what nobody holds, oldest first.
pub(super) fn lease(
    connection: &Connection,
    asked: &DocumentLease,
) -> Result<Vec<Document>, StoreError> {
    let mut query =
        Query::new("SELECT id FROM document WHERE state IN ('received', 'due') AND company = ?");
    query.bind(asked.company.as_str())?;
    query.and("channel = ?", asked.channel.as_str())?;
    query.and("direction = ?", Word(asked.direction))?;
    query.and("(lease_until IS NULL OR lease_until <= ?)", At(asked.now))?;
    if let Some(accounts) = &asked.accounts {
        query.and(
            "account IN (SELECT value FROM json_each(?))",
            list(accounts),
        )?;
    }
    if let Some(answers) = asked.answers {
        query.and("answers = ?", Id(answers.0))?;
    }
    query.push(" ORDER BY seq LIMIT ?");
    query.bind(asked.limit)?;
    let mut leased = Vec::new();
    for Id(id) in query.all(connection, |row| row.get(0))? {
        connection
            .prepare_cached("UPDATE document SET lease = ?2, lease_until = ?3 WHERE id = ?1")?
            .execute(params![Id(id), Id(Uuid::new_v4()), At(asked.until)])?;
        let document = find(connection, &asked.company, DocumentId(id), Content::Take)?;
        leased.extend(document);
    }
    Ok(leased)
}

const COLUMNS: &str = "id, channel, partner, account, direction, kind, state, control_number, answers, order_id, created_at,
    media_type, context, lease";

pub(super) fn documents(
    connection: &Connection,
    company: &CompanyId,
    filter: &DocumentFilter,
) -> Result<Vec<Document>, StoreError> {
    let mut query = Query::new(&format!("SELECT {COLUMNS} FROM document WHERE company = ?"));
    query.bind(company.as_str())?;
    query.and("channel = ?", filter.channel.as_str())?;
    query.and("partner = ?", filter.partner.as_str())?;
    query.and("direction = ?", Word(filter.direction))?;
    if let Some(state) = filter.state {
        query.and("state = ?", Word(state))?;
    }
    if let Some(accounts) = &filter.accounts {
        query.and(
            "account IN (SELECT value FROM json_each(?))",
            list(accounts),
        )?;
    }
    if let Some(answers) = filter.answers {
        query.and("answers = ?", Id(answers.0))?;
    }
    if let Some(after) = filter.after {
        query.and("seq > (SELECT seq FROM document WHERE id = ?)", Id(after.0))?;
    }
    query.push(" ORDER BY seq LIMIT ?");
    query.bind(filter.limit)?;
    // A lease is shown only to whom it was given.
    query.all(connection, |row| {
        read_document(row).map(|document| Document {
            lease: None,
            ..document
        })
    })
}

/// Whether the content is read too.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Take,
    Leave,
}

pub(super) fn find(
    connection: &Connection,
    company: &CompanyId,
    id: DocumentId,
    content: Content,
) -> Result<Option<Document>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM document WHERE company = ?1 AND id = ?2");
    let found = connection
        .prepare_cached(&sql)?
        .query_row(params![company.as_str(), Id(id.0)], read_document)
        .optional()?;
    let (Some(mut document), Content::Take) = (found.clone(), content) else {
        return Ok(found);
    };
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("SELECT content FROM document WHERE id = ?1")?
        .query_row([Id(id.0)], |row| row.get(0))?;
    document.content_base64 = bytes.map(|bytes| STANDARD.encode(bytes));
    Ok(Some(document))
}

fn read_document(row: &Row<'_>) -> rusqlite::Result<Document> {
    let (Id(id), Text(account), At(created_at)): (Id, Text<AccountId>, At) =
        (row.get(0)?, row.get(3)?, row.get(10)?);
    let (Word(direction), Word(kind), Word(state)) = (row.get(4)?, row.get(5)?, row.get(6)?);
    let control_number: Option<i64> = row.get(7)?;
    let (answers, order_id, lease): (Option<Id>, Option<Id>, Option<Id>) =
        (row.get(8)?, row.get(9)?, row.get(13)?);
    let context: Option<Json<serde_json::Value>> = row.get(12)?;
    Ok(Document {
        document_id: DocumentId(id),
        channel: row.get(1)?,
        partner: row.get(2)?,
        account,
        direction,
        kind,
        state,
        control_number: control_number.map(count),
        answers: answers.map(|id| DocumentId(id.0)),
        order_id: order_id.map(|id| OrderId(id.0)),
        context: context.map(|context| context.0),
        outcome: None,
        created_at,
        media_type: row.get(11)?,
        content_base64: None,
        lease: lease.map(|id| id.0),
    })
}
