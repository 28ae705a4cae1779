//! How far readers have come, and the news that wait.

use canonical_model::{CompanyId, OrderId, OrderReference};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    super::{CursorMove, DISMISSED_NEWS_KEPT, ParkChange, ParkStage, ParkedNews, StoreError},
    SWEEP,
    value::{At, Id, Json, Text, Word, broken, count, integer},
};

const COLUMNS: &str = "id, company, source, key, version, stage, reason, detail, parked_at, due_at, closed_at, \
                       closed_by, note, news";

pub(super) fn cursor(connection: &Connection, reader: &str) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT position FROM reader_cursor WHERE reader = ?1")?
        .query_row([reader], |row| row.get(0))
        .optional()?)
}

pub(super) fn move_cursor(connection: &Connection, step: &CursorMove) -> Result<(), StoreError> {
    if cursor(connection, &step.reader)? != step.from {
        return Err(StoreError::CursorMoved(step.reader.clone()));
    }
    connection
        .prepare_cached(
            "INSERT INTO reader_cursor (reader, position) VALUES (?1, ?2)
             ON CONFLICT (reader) DO UPDATE SET position = excluded.position",
        )?
        .execute([&step.reader, &step.to])?;
    Ok(())
}

pub(super) fn apply(connection: &Connection, change: &ParkChange) -> Result<(), StoreError> {
    match change {
        ParkChange::Park { news, most } => park(connection, news, *most),
        ParkChange::Unpark {
            source,
            key,
            version,
        } => {
            connection
                .prepare_cached(
                    "DELETE FROM parked_news WHERE source = ?1 AND key = ?2 AND version <= ?3",
                )?
                .execute(params![source, key, integer(*version)])?;
            Ok(())
        }
    }
}

fn park(connection: &Connection, news: &ParkedNews, most: u32) -> Result<(), StoreError> {
    if parked(connection, &news.source, &news.key)?.is_none() {
        let kept: u32 = connection
            .prepare_cached(
                "SELECT count(*) FROM parked_news WHERE source = ?1 AND stage <> 'dismissed'",
            )?
            .query_row([&news.source], |row| row.get(0))?;
        if kept >= most {
            return Err(StoreError::ParkedFull);
        }
    }
    let dismissal = news.stage.dismissal();
    connection
        .prepare_cached(
            "INSERT INTO parked_news (id, company, source, key, version, stage, reason, detail, parked_at, due_at,
                closed_at, closed_by, note, news)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (source, key) DO UPDATE SET id = excluded.id, company = excluded.company,
                version = excluded.version, stage = excluded.stage, reason = excluded.reason, detail = excluded.detail,
                parked_at = excluded.parked_at, due_at = excluded.due_at, closed_at = excluded.closed_at,
                closed_by = excluded.closed_by, note = excluded.note, news = excluded.news
             WHERE excluded.version >= parked_news.version",
        )?
        .execute(params![
            Id(news.id),
            news.company.as_str(),
            news.source,
            news.key,
            integer(news.version),
            Word(news.stage.word()),
            news.reason,
            news.detail,
            At(news.parked_at),
            news.stage.due_at().map(At),
            dismissal.map(|(at, ..)| At(at)),
            dismissal.map(|(_, principal, _)| principal),
            dismissal.map(|(.., note)| note),
            Json(&news.news),
        ])?;
    Ok(())
}

pub(super) fn parked(
    connection: &Connection,
    source: &str,
    key: &str,
) -> Result<Option<ParkedNews>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM parked_news WHERE source = ?1 AND key = ?2"
        ))?
        .query_row([source, key], read)
        .optional()?)
}

pub(super) fn parked_by_id(
    connection: &Connection,
    company: &CompanyId,
    id: Uuid,
) -> Result<Option<ParkedNews>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM parked_news WHERE id = ?1 AND company = ?2"
        ))?
        .query_row(params![Id(id), company.as_str()], read)
        .optional()?)
}

pub(super) fn quarantined(
    connection: &Connection,
    company: &CompanyId,
    after: Option<Uuid>,
    limit: u16,
) -> Result<Vec<ParkedNews>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM parked_news
         WHERE company = ?1 AND stage = 'quarantined' AND id > ?2 ORDER BY id LIMIT ?3"
    ))?;
    let after = after.unwrap_or_default();
    let found = statement.query_map(params![company.as_str(), Id(after), limit], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Takes what is due, oldest first, and puts it off until then: nobody else takes it meanwhile.
pub(super) fn lease(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: u16,
) -> Result<Vec<ParkedNews>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM parked_news WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2"
    ))?;
    let found = statement.query_map(params![At(now), limit], read)?;
    let due = found.collect::<Result<Vec<_>, _>>()?;
    let mut put_off =
        connection.prepare_cached("UPDATE parked_news SET due_at = ?1 WHERE id = ?2")?;
    for news in &due {
        put_off.execute(params![At(until), Id(news.id)])?;
    }
    Ok(due)
}

pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<At> = connection
        .prepare_cached("SELECT min(due_at) FROM parked_news WHERE due_at IS NOT NULL")?
        .query_row((), |row| row.get(0))?;
    Ok(due.map(|At(due)| due))
}

/// Deletes some of what was put aside long ago.
pub(super) fn sweep(connection: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let closed = now
        .saturating_sub(DISMISSED_NEWS_KEPT)
        .unwrap_or(Timestamp::MIN);
    let rows = connection
        .prepare_cached(
            "DELETE FROM parked_news WHERE id IN (
                SELECT id FROM parked_news WHERE closed_at <= ?1 ORDER BY closed_at LIMIT ?2)",
        )?
        .execute(params![At(closed), SWEEP])?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

pub(super) fn order_of_reference(
    connection: &Connection,
    company: &CompanyId,
    reference: &OrderReference,
) -> Result<Option<OrderId>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT id FROM sales_order WHERE company = ?1 AND reference = ?2")?
        .query_row([company.as_str(), reference.as_str()], |row| {
            row.get(0).map(|Id(id)| OrderId(id))
        })
        .optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ParkedNews> {
    let (Id(id), Text(company)) = (row.get(0)?, row.get(1)?);
    let (Word(word), At(parked_at), Json(news)) = (row.get(5)?, row.get(8)?, row.get(13)?);
    let due_at: Option<At> = row.get(9)?;
    let closed_at: Option<At> = row.get(10)?;
    let closed = (closed_at.map(|At(at)| at), row.get(11)?, row.get(12)?);
    let stage = ParkStage::of_columns(word, due_at.map(|At(due)| due), closed);
    let stage = stage.ok_or_else(|| {
        let cause = broken("the columns of a stage hold together");
        rusqlite::Error::ToSqlConversionFailure(cause.into())
    })?;
    Ok(ParkedNews {
        id,
        company,
        source: row.get(2)?,
        key: row.get(3)?,
        version: count(row.get(4)?),
        news,
        reason: row.get(6)?,
        detail: row.get(7)?,
        parked_at,
        stage,
    })
}
