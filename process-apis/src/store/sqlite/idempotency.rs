//! Answers kept for their idempotency keys.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{IdempotencyAnswer, StoreError},
    value::{At, Id, Json},
};

pub(super) fn find(
    connection: &Connection,
    scope: &str,
    key: &str,
) -> Result<Option<IdempotencyAnswer>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT fingerprint, status, body, subject, expires_at FROM idempotency WHERE scope = ?1 AND key = ?2",
        )?
        .query_row([scope, key], |row| {
            let Json(body) = row.get(2)?;
            let subject: Option<Id> = row.get(3)?;
            let At(expires_at) = row.get(4)?;
            Ok(IdempotencyAnswer {
                scope: scope.to_owned(),
                key: key.to_owned(),
                fingerprint: row.get(0)?,
                status: row.get(1)?,
                body,
                subject: subject.map(|id| id.0),
                expires_at,
            })
        })
        .optional()?;
    Ok(found)
}

/// Keeps the answer, unless the key has one that has not expired.
pub(super) fn keep(
    connection: &Connection,
    now: Option<Timestamp>,
    answer: &IdempotencyAnswer,
) -> Result<(), StoreError> {
    if let Some(earlier) = find(connection, &answer.scope, &answer.key)?
        && now.is_none_or(|now| earlier.expires_at > now)
    {
        return Err(StoreError::KeyUsed(Box::new(earlier)));
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (scope, key, fingerprint, status, subject, expires_at, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            answer.scope,
            answer.key,
            answer.fingerprint,
            answer.status,
            answer.subject.map(Id),
            At(answer.expires_at),
            Json(&answer.body),
        ])?;
    Ok(())
}

/// Deletes what has expired, of answers and of document keys, so many of each at most.
pub(super) fn sweep(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut deleted = 0_u64;
    for sql in [
        "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)",
        "DELETE FROM document_key WHERE (company, channel, partner, key) IN (
            SELECT company, channel, partner, key FROM document_key WHERE expires_at <= ?1 LIMIT ?2)",
    ] {
        let rows = connection.prepare_cached(sql)?.execute(params![At(now), limit])?;
        deleted = deleted.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }
    Ok(deleted)
}
