//! Streams: their events, and the rows of their current states.

use canonical_model::{AccountId, CompanyId, OrderId, PurchaseOrderNumber};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    super::{
        Cause, OrderFilter, OrderRow, QuoteRow, ReservationRow, StateRow, StoreError, StoredEvent,
        StreamChange, StreamKind, Versioned, Written,
    },
    query::Query,
    value::{At, Id, Word, broken, count, integer, list},
};

type State = Versioned<Written>;

/// Writes the events and the state after them, if the stream is at the expected version. Answers the position of the
/// last event.
pub(super) fn change(
    connection: &Connection,
    cause: &Cause,
    change: &StreamChange,
) -> Result<u64, StoreError> {
    let version = version(connection, change.kind, change.id)?;
    if version != change.expected_version {
        return Err(StoreError::VersionConflict {
            kind: change.kind,
            id: change.id,
        });
    }
    let mut version = version;
    let mut statement = connection.prepare_cached(
        "INSERT INTO event (id, stream_kind, stream_id, version, type, type_version, company, account, time, principal,
            channel, correlation_id, traceparent, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    for event in &change.events {
        version = version.saturating_add(1);
        statement.execute(params![
            Id(Uuid::now_v7()),
            Word(change.kind),
            Id(change.id),
            integer(version),
            event.event_type,
            event.type_version,
            cause.company.as_str(),
            change.account.as_str(),
            At(cause.at),
            cause.principal,
            cause.channel,
            cause.correlation_id,
            cause.traceparent,
            event.data.as_str(),
        ])?;
    }
    if change.events.is_empty() {
        return Err(broken("a change of a stream brings at least one event"));
    }
    let position = count(connection.last_insert_rowid());
    write_row(connection, cause, change, version)?;
    Ok(position)
}

fn version(connection: &Connection, kind: StreamKind, id: Uuid) -> Result<u64, StoreError> {
    let sql = match kind {
        StreamKind::Order => "SELECT version FROM sales_order WHERE id = ?1",
        StreamKind::Quote => "SELECT version FROM quote WHERE id = ?1",
        StreamKind::Reservation => "SELECT version FROM reservation WHERE id = ?1",
    };
    let found = connection
        .prepare_cached(sql)?
        .query_row([Id(id)], |row| row.get(0))
        .optional()?;
    Ok(found.map_or(0, count))
}

fn write_row(
    connection: &Connection,
    cause: &Cause,
    change: &StreamChange,
    version: u64,
) -> Result<(), StoreError> {
    match (&change.row, change.kind) {
        (StateRow::Order(row), StreamKind::Order) => {
            write_order(connection, cause, change, row, version)
        }
        (StateRow::Quote(row), StreamKind::Quote) => {
            write_quote(connection, cause, change, row, version)
        }
        (StateRow::Reservation(row), StreamKind::Reservation) => {
            write_reservation(connection, cause, change, row, version)
        }
        (StateRow::Order(_) | StateRow::Quote(_) | StateRow::Reservation(_), _) => {
            Err(broken("a row is of the kind of its stream"))
        }
    }
}

fn write_order(
    connection: &Connection,
    cause: &Cause,
    change: &StreamChange,
    row: &OrderRow,
    version: u64,
) -> Result<(), StoreError> {
    let release = row.release_number.as_deref();
    if row.holds_purchase_order
        && let Some(other) = of_purchase_order(
            connection,
            &cause.company,
            &change.account,
            &row.purchase_order_number,
            release,
        )?
        && other.0 != change.id
    {
        return Err(StoreError::PurchaseOrderTaken(other));
    }
    let mut holds = Vec::new();
    for hold in &row.holds {
        holds.push(serde_json::to_value(hold).map_err(|error| StoreError::Failed(error.into()))?);
    }
    let holds = if holds.is_empty() {
        String::new()
    } else {
        serde_json::Value::Array(holds).to_string()
    };
    connection
        .prepare_cached(
            "INSERT INTO sales_order (id, version, company, account, reference, purchase_order_number,
                release_number, holds_purchase_order, status, holds, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version,
                purchase_order_number = excluded.purchase_order_number, release_number = excluded.release_number,
                holds_purchase_order = excluded.holds_purchase_order, status = excluded.status,
                holds = excluded.holds, state = excluded.state",
        )?
        .execute(params![
            Id(change.id),
            integer(version),
            cause.company.as_str(),
            change.account.as_str(),
            row.reference.as_str(),
            row.purchase_order_number.as_str(),
            release.unwrap_or_default(),
            row.holds_purchase_order,
            Word(row.status),
            holds,
            row.state.as_str(),
        ])?;
    Ok(())
}

fn write_quote(
    connection: &Connection,
    cause: &Cause,
    change: &StreamChange,
    row: &QuoteRow,
    version: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO quote (id, version, company, account, expires_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at,
                state = excluded.state",
        )?
        .execute(params![
            Id(change.id),
            integer(version),
            cause.company.as_str(),
            change.account.as_str(),
            At(row.expires_at),
            row.state.as_str(),
        ])?;
    Ok(())
}

fn write_reservation(
    connection: &Connection,
    cause: &Cause,
    change: &StreamChange,
    row: &ReservationRow,
    version: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO reservation (id, version, company, account, expires_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at,
                state = excluded.state",
        )?
        .execute(params![
            Id(change.id),
            integer(version),
            cause.company.as_str(),
            change.account.as_str(),
            row.expires_at.map(At),
            row.state.as_str(),
        ])?;
    Ok(())
}

pub(super) fn changed_state(
    connection: &Connection,
    kind: StreamKind,
    id: Uuid,
    known: u64,
) -> Result<Option<Versioned<Option<Written>>>, StoreError> {
    let sql = match kind {
        StreamKind::Order => {
            "SELECT version, CASE WHEN version <> ?2 THEN state END FROM sales_order WHERE id = ?1"
        }
        StreamKind::Quote => {
            "SELECT version, CASE WHEN version <> ?2 THEN state END FROM quote WHERE id = ?1"
        }
        StreamKind::Reservation => {
            "SELECT version, CASE WHEN version <> ?2 THEN state END FROM reservation WHERE id = ?1"
        }
    };
    let read = |row: &rusqlite::Row<'_>| {
        let state: Option<String> = row.get(1)?;
        Ok(Versioned {
            version: count(row.get(0)?),
            state: state.map(Written::stored),
        })
    };
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![Id(id), integer(known)], read)
        .optional()?)
}

fn read_state(row: &rusqlite::Row<'_>) -> rusqlite::Result<State> {
    Ok(Versioned {
        version: count(row.get(0)?),
        state: Written::stored(row.get(1)?),
    })
}

pub(super) fn ids(
    connection: &Connection,
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
        "SELECT id FROM (SELECT id FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2)
         UNION SELECT id FROM (SELECT DISTINCT stream_id AS id FROM event WHERE stream_id > ?1 AND stream_kind = ?3
            ORDER BY stream_id LIMIT ?2)
         ORDER BY id LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let after = Id(after.unwrap_or(Uuid::nil()));
    let parameters = params![after, limit, Word(kind)];
    let found = statement.query_map(parameters, |row| row.get(0).map(|Id(id)| id))?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn stream(
    connection: &Connection,
    kind: StreamKind,
    id: Uuid,
    after: u64,
    limit: u16,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, type, type_version, data FROM event
         WHERE stream_id = ?1 AND stream_kind = ?2 AND version > ?3 ORDER BY version LIMIT ?4",
    )?;
    let found = statement.query_map(params![Id(id), Word(kind), integer(after), limit], |row| {
        Ok(StoredEvent {
            version: count(row.get(0)?),
            event_type: row.get(1)?,
            type_version: row.get(2)?,
            data: Written::stored(row.get(3)?),
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn of_purchase_order(
    connection: &Connection,
    company: &CompanyId,
    account: &AccountId,
    number: &PurchaseOrderNumber,
    release_number: Option<&str>,
) -> Result<Option<OrderId>, StoreError> {
    let found: Option<Id> = connection
        .prepare_cached(
            "SELECT id FROM sales_order WHERE company = ?1 AND account = ?2 AND purchase_order_number = ?3
                AND release_number = ?4 AND holds_purchase_order = 1",
        )?
        .query_row(
            params![company.as_str(), account.as_str(), number.as_str(), release_number.unwrap_or_default()],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.map(|id| OrderId(id.0)))
}

pub(super) fn orders(
    connection: &Connection,
    company: &CompanyId,
    filter: &OrderFilter,
) -> Result<Vec<State>, StoreError> {
    let found_by = filter.accounts.is_some()
        || filter.purchase_order_number.is_some()
        || filter.status.is_some()
        || filter.held.is_some();
    // With nothing to find them by they are read in their order; the `+` keeps an index from being chosen for the
    // company alone, after which all of its orders would have to be sorted.
    let mut query = Query::new(if found_by {
        "SELECT version, state FROM sales_order WHERE company = ?"
    } else {
        "SELECT version, state FROM sales_order WHERE +company = ?"
    });
    query.bind(company.as_str())?;
    match filter.accounts.as_deref() {
        None => {}
        // By far the most frequent, and in the order of its index.
        Some([account]) => query.and("account = ?", account.as_str())?,
        Some(accounts) => query.and(
            "account IN (SELECT value FROM json_each(?))",
            list(accounts),
        )?,
    }
    if let Some(number) = &filter.purchase_order_number {
        query.and("purchase_order_number = ?", number.as_str())?;
    }
    if let Some(status) = filter.status {
        query.and("status = ?", Word(status))?;
    }
    if let Some(held) = filter.held {
        query.push(" AND holds <> ''");
        if let Some(kind) = held {
            query.and(
                "EXISTS (SELECT 1 FROM json_each(holds) WHERE value = ?)",
                Word(kind),
            )?;
        }
    }
    if let Some(before) = filter.before {
        query.and("id < ?", Id(before.0))?;
    }
    query.push(" ORDER BY id DESC LIMIT ?");
    query.bind(filter.limit)?;
    query.all(connection, read_state)
}

pub(super) fn held_reservations(
    connection: &Connection,
    company: &CompanyId,
    account: &AccountId,
    limit: u32,
) -> Result<Vec<Written>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT state FROM reservation WHERE company = ?1 AND account = ?2 AND expires_at IS NOT NULL LIMIT ?3",
    )?;
    let found = statement.query_map(params![company.as_str(), account.as_str(), limit], |row| {
        row.get(0).map(Written::stored)
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn expired_reservations(
    connection: &Connection,
    now: Timestamp,
    limit: u16,
) -> Result<Vec<Uuid>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM reservation WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    )?;
    let found = statement.query_map(params![At(now), limit], |row| row.get(0).map(|Id(id)| id))?;
    Ok(found.collect::<Result<_, _>>()?)
}
