//! Channel documents as they are read, and leased to who works on them.

use base64::{Engine, engine::general_purpose::STANDARD};
use canonical_model::{AccountId, CompanyId, DocumentId, OrderId, document::Document};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    super::{DocumentFilter, DocumentLease, DocumentWork, StoreError},
    query::Query,
    value::{At, Id, Json, Text, Word, count, list},
};

/// Where the documents to lease are found; each text fits the index made for it.
fn workable(work: DocumentWork) -> &'static str {
    match work {
        DocumentWork::CarryOn => "state IN ('received', 'due') AND direction = 'inbound'",
        DocumentWork::Render => "state IN ('received', 'due') AND direction = 'outbound'",
        DocumentWork::Send => {
            "state = 'ready' AND NOT EXISTS (SELECT 1 FROM document AS earlier
                WHERE earlier.order_id = document.order_id AND earlier.state IN ('due', 'ready')
                    AND earlier.channel = document.channel AND earlier.seq < document.seq)"
        }
    }
}

/// Leases what nobody holds, oldest first.
pub(super) fn lease(
    connection: &Connection,
    asked: &DocumentLease,
) -> Result<Vec<Document>, StoreError> {
    let work = workable(asked.work);
    let mut query = Query::new(&format!(
        "SELECT id FROM document WHERE {work} AND company = ?"
    ));
    query.bind(asked.company.as_str())?;
    query.and("channel = ?", asked.channel.as_str())?;
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
    media_type, context, CASE WHEN lease_until IS NULL THEN NULL ELSE lease END,
    (SELECT outcome FROM document_outcome WHERE document_id = document.id)";

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
    let (context, outcome): (Option<Json<_>>, Option<Json<_>>) = (row.get(12)?, row.get(14)?);
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
        outcome: outcome.map(|outcome| outcome.0),
        created_at,
        media_type: row.get(11)?,
        content_base64: None,
        lease: lease.map(|id| id.0),
    })
}
