//! How far readers have come, and the news that wait.

use canonical_model::CompanyId;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    super::{CursorMove, ParkChange, ParkStage, ParkedNews, StoreError},
    commit::Parts,
    value::{Columns as _, broken, count, instant, integer, nanoseconds},
};

const COLUMNS: &str = "id, company, source, key, version, stage, reason, detail, parked_at, due_at, closed_at, \
                       closed_by, note, news";

/// The moves as `commit_cursors` takes them.
pub(super) fn cursors_given(moves: &[CursorMove]) -> Result<Value, StoreError> {
    let given =
        |step: &CursorMove| json!({ "reader": step.reader, "from": step.from, "to": step.to });
    Ok(moves.iter().map(given).collect())
}

/// The changes as `commit_parked` takes them.
pub(super) fn parked_given(changes: &[ParkChange], parts: &mut Parts) -> Result<Value, StoreError> {
    let given = changes.iter().map(|change| match change {
        ParkChange::Unpark {
            source,
            key,
            version,
        } => Ok(json!({
            "change": "unpark", "source": source, "key": key, "version": integer(*version),
        })),
        ParkChange::Park { news, most } => {
            let dismissal = news.stage.dismissal();
            Ok(json!({
                "change": "park",
                "most": most,
                "id": news.id,
                "company": news.company,
                "source": news.source,
                "key": news.key,
                "version": integer(news.version),
                "stage": news.stage.word(),
                "reason": news.reason,
                "detail": news.detail,
                "parked_at": nanoseconds(news.parked_at),
                "due_at": news.stage.due_at().map(nanoseconds),
                "closed_at": dismissal.map(|(at, ..)| nanoseconds(at)),
                "closed_by": dismissal.map(|(_, principal, _)| principal),
                "note": dismissal.map(|(.., note)| note),
                "news": parts.text(&news.news)?,
            }))
        }
    });
    given.collect()
}

pub(super) async fn cursor(pool: &PgPool, reader: &str) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar("SELECT position FROM reader_cursor WHERE reader = $1")
        .bind(reader)
        .fetch_optional(pool);
    Ok(found.await?)
}

pub(super) async fn parked(
    pool: &PgPool,
    source: &str,
    key: &str,
) -> Result<Option<ParkedNews>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM parked_news WHERE source = $1 AND key = $2");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(source)
        .bind(key)
        .fetch_optional(pool)
        .await?;
    found.as_ref().map(read).transpose()
}

pub(super) async fn parked_by_id(
    pool: &PgPool,
    company: &CompanyId,
    id: Uuid,
) -> Result<Option<ParkedNews>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM parked_news WHERE id = $1 AND company = $2");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .bind(company.as_str())
        .fetch_optional(pool)
        .await?;
    found.as_ref().map(read).transpose()
}

pub(super) async fn quarantined(
    pool: &PgPool,
    company: &CompanyId,
    after: Option<Uuid>,
    limit: u16,
) -> Result<Vec<ParkedNews>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM parked_news
         WHERE company = $1 AND stage = 'quarantined' AND id > $2 ORDER BY id LIMIT $3"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(company.as_str())
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    found.iter().map(read).collect()
}

/// Takes what is due, oldest first, and puts it off until then; what another instance takes meanwhile is passed over.
pub(super) async fn lease(
    pool: &PgPool,
    now: Timestamp,
    until: Timestamp,
    limit: u16,
) -> Result<Vec<ParkedNews>, StoreError> {
    let rows = sqlx::query(
        "WITH due AS (
            SELECT id AS of_due, due_at AS was_due FROM parked_news WHERE due_at <= $1
            ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         UPDATE parked_news SET due_at = $2 FROM due WHERE id = of_due
         RETURNING parked_news.*, was_due",
    )
    .bind(nanoseconds(now))
    .bind(nanoseconds(until))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in &rows {
        let was_due: i64 = row.try_get("was_due")?;
        due.push((was_due, read(row)?));
    }
    due.sort_by_key(|(was_due, _)| *was_due);
    Ok(due.into_iter().map(|(_, news)| news).collect())
}

pub(super) async fn next_due(pool: &PgPool) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> =
        sqlx::query_scalar("SELECT min(due_at) FROM parked_news WHERE due_at IS NOT NULL")
            .fetch_one(pool)
            .await?;
    due.map(instant).transpose()
}

fn read(row: &PgRow) -> Result<ParkedNews, StoreError> {
    let closed = (
        row.maybe_at("closed_at")?,
        row.try_get("closed_by")?,
        row.try_get("note")?,
    );
    let stage = ParkStage::of_columns(row.word("stage")?, row.maybe_at("due_at")?, closed);
    Ok(ParkedNews {
        id: row.try_get("id")?,
        company: row.parsed("company")?,
        source: row.try_get("source")?,
        key: row.try_get("key")?,
        version: count(row.try_get("version")?),
        news: row.json("news")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        parked_at: row.at("parked_at")?,
        stage: stage.ok_or_else(|| broken("the columns of a stage hold together"))?,
    })
}
