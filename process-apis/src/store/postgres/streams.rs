//! Streams: their events, and the rows of their current states.

use canonical_model::{AccountId, CompanyId, OrderId, OrderReference, PurchaseOrderNumber};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    super::{
        NewEvent, OrderFilter, StateRow, StoreError, StoredEvent, StreamChange, StreamKind,
        Versioned, Written,
    },
    commit::Parts,
    value::{broken, count, integer, nanoseconds, word},
};

type State = Versioned<Written>;

/// The changes as `commit_streams` takes them.
pub(super) fn given(changes: &[StreamChange], parts: &mut Parts) -> Result<Value, StoreError> {
    changes
        .iter()
        .map(|change| given_one(change, parts))
        .collect()
}

fn given_one(change: &StreamChange, parts: &mut Parts) -> Result<Value, StoreError> {
    if change.events.is_empty() {
        return Err(broken("a change of a stream brings at least one event"));
    }
    let events = change.events.iter().map(|event| given_event(event, parts));
    let events = events.collect::<Result<Value, _>>()?;
    Ok(json!({
        "kind": change.kind,
        "id": change.id,
        "expected_version": change.expected_version,
        "account": change.account,
        "events": events,
        "row": given_row(change, parts)?,
    }))
}

fn given_event(event: &NewEvent, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(json!({
        "id": parts.event_id(),
        "type": event.event_type,
        "type_version": event.type_version,
        "data": parts.written(&event.data),
    }))
}

fn given_row(change: &StreamChange, parts: &mut Parts) -> Result<Value, StoreError> {
    match (&change.row, change.kind) {
        (StateRow::Order(row), StreamKind::Order) => Ok(json!({
            "purchase_order_number": row.purchase_order_number,
            "release_number": row.release_number.as_deref().unwrap_or_default(),
            "reference": row.reference,
            "holds_purchase_order": row.holds_purchase_order,
            "status": row.status,
            "holds": row.holds,
            "state": parts.written(&row.state),
        })),
        (StateRow::Quote(row), StreamKind::Quote) => Ok(json!({
            "expires_at": nanoseconds(row.expires_at),
            "state": parts.written(&row.state),
        })),
        (StateRow::Reservation(row), StreamKind::Reservation) => Ok(json!({
            "expires_at": row.expires_at.map(nanoseconds),
            "state": parts.written(&row.state),
        })),
        (StateRow::Order(_) | StateRow::Quote(_) | StateRow::Reservation(_), _) => {
            Err(broken("a row is of the kind of its stream"))
        }
    }
}

pub(super) async fn changed_state(
    pool: &PgPool,
    kind: StreamKind,
    id: Uuid,
    known: u64,
) -> Result<Option<Versioned<Option<Written>>>, StoreError> {
    let sql = match kind {
        StreamKind::Order => {
            "SELECT version, CASE WHEN version <> $2 THEN state END AS state FROM sales_order WHERE id = $1"
        }
        StreamKind::Quote => {
            "SELECT version, CASE WHEN version <> $2 THEN state END AS state FROM quote WHERE id = $1"
        }
        StreamKind::Reservation => {
            "SELECT version, CASE WHEN version <> $2 THEN state END AS state FROM reservation WHERE id = $1"
        }
    };
    let found = sqlx::query(sql)
        .bind(id)
        .bind(integer(known))
        .fetch_optional(pool)
        .await?;
    let read = |row: PgRow| {
        let state: Option<String> = row.try_get("state")?;
        Ok(Versioned {
            version: count(row.try_get("version")?),
            state: state.map(Written::stored),
        })
    };
    found.map(read).transpose()
}

fn read_state(row: &PgRow) -> Result<State, StoreError> {
    Ok(Versioned {
        version: count(row.try_get("version")?),
        state: Written::stored(row.try_get("state")?),
    })
}

pub(super) async fn ids(
    pool: &PgPool,
    kind: StreamKind,
    after: Option<Uuid>,
    limit: u16,
) -> Result<Vec<Uuid>, StoreError> {
    let table = match kind {
        StreamKind::Order => "sales_order",
        StreamKind::Quote => "quote",
        StreamKind::Reservation => "reservation",
    };
    let sql = format!(
        "(SELECT id FROM {table} WHERE id > $1 ORDER BY id LIMIT $2)
         UNION (SELECT DISTINCT stream_id FROM event WHERE stream_id > $1 AND stream_kind = $3
            ORDER BY stream_id LIMIT $2)
         ORDER BY id LIMIT $2"
    );
    let found = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(i64::from(limit))
        .bind(word(&kind)?)
        .fetch_all(pool)
        .await?;
    Ok(found)
}

pub(super) async fn stream(
    pool: &PgPool,
    kind: StreamKind,
    id: Uuid,
    after: u64,
    limit: u16,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, type, type_version, data FROM event
         WHERE stream_id = $1 AND stream_kind = $2 AND version > $3 ORDER BY version LIMIT $4",
    )
    .bind(id)
    .bind(word(&kind)?)
    .bind(integer(after))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let read = |row: &PgRow| {
        let type_version: i32 = row.try_get("type_version")?;
        Ok(StoredEvent {
            version: count(row.try_get("version")?),
            event_type: row.try_get("type")?,
            type_version: u16::try_from(type_version).unwrap_or(u16::MAX),
            data: Written::stored(row.try_get("data")?),
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn of_purchase_order(
    pool: &PgPool,
    company: &CompanyId,
    account: &AccountId,
    number: &PurchaseOrderNumber,
    release_number: Option<&str>,
) -> Result<Option<OrderId>, StoreError> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM sales_order WHERE company = $1 AND account = $2 AND purchase_order_number = $3
            AND release_number = $4 AND holds_purchase_order",
    )
    .bind(company.as_str())
    .bind(account.as_str())
    .bind(number.as_str())
    .bind(release_number.unwrap_or_default())
    .fetch_optional(pool)
    .await?;
    Ok(found.map(OrderId))
}

pub(super) async fn of_reference(
    pool: &PgPool,
    company: &CompanyId,
    reference: &OrderReference,
) -> Result<Option<OrderId>, StoreError> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM sales_order WHERE company = $1 AND reference = $2 LIMIT 1",
    )
    .bind(company.as_str())
    .bind(reference.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(found.map(OrderId))
}

pub(super) async fn orders(
    pool: &PgPool,
    company: &CompanyId,
    filter: &OrderFilter,
) -> Result<Vec<State>, StoreError> {
    let mut query: QueryBuilder<Postgres> =
        QueryBuilder::new("SELECT version, state FROM sales_order WHERE company = ");
    query.push_bind(company.as_str());
    match filter.accounts.as_deref() {
        None => {}
        // By far the most frequent, and in the order of its index.
        Some([account]) => {
            query.push(" AND account = ").push_bind(account.as_str());
        }
        Some(accounts) => {
            let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
            query
                .push(" AND account = ANY(")
                .push_bind(accounts)
                .push(")");
        }
    }
    if let Some(number) = &filter.purchase_order_number {
        query
            .push(" AND purchase_order_number = ")
            .push_bind(number.as_str());
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(word(&status)?);
    }
    if let Some(held) = filter.held {
        query.push(" AND holds <> '{}'");
        if let Some(kind) = held {
            query
                .push(" AND holds @> ARRAY[")
                .push_bind(word(&kind)?)
                .push("]");
        }
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::from(filter.limit));
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(read_state).collect()
}

pub(super) async fn held_reservations(
    pool: &PgPool,
    company: &CompanyId,
    account: &AccountId,
    limit: u32,
) -> Result<Vec<Written>, StoreError> {
    let rows = sqlx::query(
        "SELECT state FROM reservation WHERE company = $1 AND account = $2 AND expires_at IS NOT NULL LIMIT $3",
    )
    .bind(company.as_str())
    .bind(account.as_str())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let read = |row: &PgRow| Ok(Written::stored(row.try_get("state")?));
    rows.iter().map(read).collect()
}

pub(super) async fn expired_reservations(
    pool: &PgPool,
    now: Timestamp,
    limit: u16,
) -> Result<Vec<Uuid>, StoreError> {
    let found = sqlx::query_scalar(
        "SELECT id FROM reservation WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
    )
    .bind(nanoseconds(now))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    Ok(found)
}
