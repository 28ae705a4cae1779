//! The log, read as `CloudEvents` in feed order.

use canonical_model::{AccountId, CompanyId, event::CloudEvent};
use rusqlite::{Connection, Row};

use super::{
    super::{EventFilter, StoreError},
    query::Query,
    value::{At, Id, Json, Text, count, integer, list},
};

pub(super) fn newest_position(connection: &Connection) -> Result<u64, StoreError> {
    let newest: Option<i64> = connection.query_row(
        "SELECT max(seq) FROM sqlite_sequence WHERE name = 'event'",
        (),
        |row| row.get(0),
    )?;
    Ok(newest.map_or(0, count))
}

pub(super) fn events(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<CloudEvent>, StoreError> {
    let mut query = Query::new(
        "SELECT position, id, stream_id, version, type, type_version, company, account, time, correlation_id,
            traceparent, data
         FROM event WHERE position > ?",
    );
    query.bind(integer(filter.after))?;
    // A `+` keeps a condition from choosing the index: one stream is read by its own, and without accounts the log is
    // read in its order. The index by account would have all of a company's events, or of an account's, sorted first.
    let by_account = filter.accounts.is_some() && filter.subject.is_none();
    if let Some(subject) = filter.subject {
        query.and("stream_id = ?", Id(subject))?;
    }
    if let Some(company) = &filter.company {
        let condition = if by_account {
            "company = ?"
        } else {
            "+company = ?"
        };
        query.and(condition, company.as_str())?;
    }
    if let Some(accounts) = &filter.accounts {
        let condition = if by_account {
            "account IN (SELECT value FROM json_each(?))"
        } else {
            "+account IN (SELECT value FROM json_each(?))"
        };
        query.and(condition, list(accounts))?;
    }
    if !filter.types.is_empty() {
        query.and(
            "type IN (SELECT value FROM json_each(?))",
            list(&filter.types),
        )?;
    }
    query.push(" ORDER BY position LIMIT ?");
    query.bind(filter.limit)?;
    query.all(connection, read_event)
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<CloudEvent> {
    let Id(id) = row.get(1)?;
    let Id(subject) = row.get(2)?;
    let word: String = row.get(4)?;
    let type_version: u16 = row.get(5)?;
    let Text(company): Text<CompanyId> = row.get(6)?;
    let Text(account): Text<AccountId> = row.get(7)?;
    let At(time) = row.get(8)?;
    let Json(data) = row.get(11)?;
    Ok(CloudEvent {
        specversion: "1.0".to_owned(),
        id,
        source: format!("/companies/{company}"),
        event_type: format!("com.orderway.{word}.v{type_version}"),
        subject: subject.to_string(),
        time,
        datacontenttype: "application/json".to_owned(),
        sequence: count(row.get(3)?),
        position: count(row.get(0)?),
        account: Some(account),
        correlationid: row.get(9)?,
        traceparent: row.get(10)?,
        data,
    })
}
