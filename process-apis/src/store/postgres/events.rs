//! The log, read as `CloudEvents` in feed order: what the sequencer has stamped.

use canonical_model::{AccountId, CompanyId, event::CloudEvent};
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    super::{EventFilter, StoreError},
    value::{Columns as _, count, integer},
};

pub(super) async fn newest_position(pool: &PgPool) -> Result<u64, StoreError> {
    let newest = sqlx::query_scalar("SELECT position FROM sequencer WHERE id = 1")
        .fetch_one(pool)
        .await?;
    Ok(count(newest))
}

pub(super) async fn events(
    pool: &PgPool,
    filter: &EventFilter,
) -> Result<Vec<CloudEvent>, StoreError> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT position, id, stream_id, version, type, type_version, company, account, time, correlation_id,
            traceparent, data
         FROM feed_event WHERE position > ",
    );
    query.push_bind(integer(filter.after));
    if let Some(subject) = filter.subject {
        query.push(" AND stream_id = ").push_bind(subject);
    }
    if let Some(company) = &filter.company {
        query
            .push(" AND feed_company = ")
            .push_bind(company.as_str());
    }
    if let Some(accounts) = &filter.accounts {
        let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        query
            .push(" AND feed_account = ANY(")
            .push_bind(accounts)
            .push(")");
    }
    if !filter.types.is_empty() {
        query
            .push(" AND type = ANY(")
            .push_bind(filter.types.clone())
            .push(")");
    }
    query
        .push(" ORDER BY position LIMIT ")
        .push_bind(i64::from(filter.limit));
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(read_event).collect()
}

fn read_event(row: &PgRow) -> Result<CloudEvent, StoreError> {
    let subject: Uuid = row.try_get("stream_id")?;
    let word: &str = row.try_get("type")?;
    let type_version: i32 = row.try_get("type_version")?;
    let company: CompanyId = row.parsed("company")?;
    let account: AccountId = row.parsed("account")?;
    Ok(CloudEvent {
        specversion: "1.0".to_owned(),
        id: row.try_get("id")?,
        source: format!("/companies/{company}"),
        event_type: format!("com.orderway.{word}.v{type_version}"),
        subject: subject.to_string(),
        time: row.at("time")?,
        datacontenttype: "application/json".to_owned(),
        sequence: count(row.try_get("version")?),
        position: count(row.try_get("position")?),
        account: Some(account),
        correlationid: row.try_get("correlation_id")?,
        traceparent: row.try_get("traceparent")?,
        data: row.json("data")?,
    })
}
