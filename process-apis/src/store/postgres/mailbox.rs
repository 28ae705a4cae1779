//! Channel documents as they are read, and leased to who works on them.

use base64::{Engine, engine::general_purpose::STANDARD};
use canonical_model::{
    AccountId, CompanyId, DocumentId, OrderId,
    document::{Direction, Document, DocumentKind, DocumentState},
};
use serde::Deserialize;
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::{
    super::{DocumentFilter, DocumentLease, DocumentWork, StoreError},
    value::{count, failed, instant, nanoseconds, word},
};

/// A document as `document_as_read` gives it.
#[derive(Debug, Deserialize)]
pub(super) struct DocumentRow {
    document_id: DocumentId,
    channel: String,
    partner: String,
    account: AccountId,
    direction: Direction,
    kind: DocumentKind,
    state: DocumentState,
    control_number: Option<i64>,
    answers: Option<DocumentId>,
    order_id: Option<OrderId>,
    context: Option<String>,
    outcome: Option<String>,
    created_at: i64,
    media_type: Option<String>,
    lease: Option<Uuid>,
}

impl DocumentRow {
    pub(super) fn read(self) -> Result<Document, StoreError> {
        let json = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Document {
            document_id: self.document_id,
            channel: self.channel,
            partner: self.partner,
            account: self.account,
            direction: self.direction,
            kind: self.kind,
            state: self.state,
            control_number: self.control_number.map(count),
            answers: self.answers,
            order_id: self.order_id,
            context: json(self.context).map_err(failed)?,
            outcome: json(self.outcome).map_err(failed)?,
            created_at: instant(self.created_at)?,
            media_type: self.media_type,
            content_base64: None,
            lease: self.lease,
        })
    }
}

/// Where the documents to lease are found; each text fits the index made for it.
fn workable(work: DocumentWork) -> &'static str {
    match work {
        DocumentWork::CarryOn => "state IN ('received', 'due') AND direction = 'inbound'",
        DocumentWork::Render => "state IN ('received', 'due') AND direction = 'outbound'",
        DocumentWork::Send => {
            "state = 'ready' AND NOT EXISTS (SELECT FROM document AS earlier
                WHERE earlier.order_id = document.order_id AND earlier.state IN ('due', 'ready')
                    AND earlier.channel = document.channel AND earlier.seq < document.seq)"
        }
    }
}

/// Leases what nobody holds, oldest first. Whoever changes one of them at that moment is waited for: passed over, it
/// would lie until somebody asks again. `lock_documents` locks in the same order.
pub(super) async fn lease(
    pool: &PgPool,
    asked: &DocumentLease,
) -> Result<Vec<Document>, StoreError> {
    let mut query: QueryBuilder<Postgres> =
        QueryBuilder::new("WITH free AS (SELECT id FROM document WHERE ");
    query.push(workable(asked.work));
    query
        .push(" AND company = ")
        .push_bind(asked.company.as_str());
    query
        .push(" AND channel = ")
        .push_bind(asked.channel.as_str());
    query
        .push(" AND (lease_until IS NULL OR lease_until <= ")
        .push_bind(nanoseconds(asked.now))
        .push(")");
    within(&mut query, asked.accounts.as_deref(), asked.answers);
    query
        .push(" ORDER BY seq LIMIT ")
        .push_bind(i64::from(asked.limit))
        .push(
            " FOR UPDATE),
            leased AS (UPDATE document SET lease = gen_random_uuid(), lease_until = ",
        )
        .push_bind(nanoseconds(asked.until))
        .push(
            " FROM free WHERE document.id = free.id
                RETURNING document.id, document.seq, document.lease, document.content)
            SELECT document_as_read(id) AS document, lease, content FROM leased ORDER BY seq",
        );
    let rows = query.build().fetch_all(pool).await?;
    let read = |row: &PgRow| {
        let lease = row.try_get("lease")?;
        Ok(Document {
            lease,
            ..read_with_content(row)?
        })
    };
    rows.iter().map(read).collect()
}

/// Adds what narrows to accounts, and to the answers of one document.
fn within(
    query: &mut QueryBuilder<Postgres>,
    accounts: Option<&[AccountId]>,
    answers: Option<DocumentId>,
) {
    if let Some(accounts) = accounts {
        let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        query
            .push(" AND account = ANY(")
            .push_bind(accounts)
            .push(")");
    }
    if let Some(answers) = answers {
        query.push(" AND answers = ").push_bind(answers.0);
    }
}

pub(super) async fn documents(
    pool: &PgPool,
    company: &CompanyId,
    filter: &DocumentFilter,
) -> Result<Vec<Document>, StoreError> {
    let mut query: QueryBuilder<Postgres> =
        QueryBuilder::new("SELECT document_as_read(id) AS document FROM document WHERE company = ");
    query.push_bind(company.as_str());
    query
        .push(" AND channel = ")
        .push_bind(filter.channel.as_str());
    query
        .push(" AND partner = ")
        .push_bind(filter.partner.as_str());
    query
        .push(" AND direction = ")
        .push_bind(word(&filter.direction)?);
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(word(&state)?);
    }
    within(&mut query, filter.accounts.as_deref(), filter.answers);
    if let Some(after) = filter.after {
        query
            .push(" AND seq > (SELECT seq FROM document WHERE id = ")
            .push_bind(after.0)
            .push(")");
    }
    query
        .push(" ORDER BY seq LIMIT ")
        .push_bind(i64::from(filter.limit));
    let rows = query.build().fetch_all(pool).await?;
    // A lease is shown only to whom it was given.
    let read = |row: &PgRow| {
        Ok(Document {
            lease: None,
            ..read_document(row)?
        })
    };
    rows.iter().map(read).collect()
}

/// A document with its content and without its lease.
pub(super) async fn find(
    pool: &PgPool,
    company: &CompanyId,
    id: DocumentId,
) -> Result<Option<Document>, StoreError> {
    let found = sqlx::query(
        "SELECT document_as_read(id) AS document, content FROM document WHERE company = $1 AND id = $2",
    )
    .bind(company.as_str())
    .bind(id.0)
    .fetch_optional(pool)
    .await?;
    let document = found.as_ref().map(read_with_content).transpose()?;
    // A lease is shown only to whom it was given.
    Ok(document.map(|document| Document {
        lease: None,
        ..document
    }))
}

/// The documents of these ids, in their order, with the lease of each.
pub(super) async fn named(
    pool: &PgPool,
    company: &CompanyId,
    ids: &[DocumentId],
) -> Result<Vec<Document>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query(
        "SELECT document_as_read(id) AS document
         FROM unnest($2::uuid[]) WITH ORDINALITY AS asked (id, place) JOIN document USING (id)
         WHERE company = $1 ORDER BY place",
    )
    .bind(company.as_str())
    .bind(ids)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_document).collect()
}

fn read_document(row: &PgRow) -> Result<Document, StoreError> {
    let Json(document): Json<DocumentRow> = row.try_get("document")?;
    document.read()
}

fn read_with_content(row: &PgRow) -> Result<Document, StoreError> {
    let content: Option<&[u8]> = row.try_get("content")?;
    Ok(Document {
        content_base64: content.map(|bytes| STANDARD.encode(bytes)),
        ..read_document(row)?
    })
}
