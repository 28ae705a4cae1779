//! Deletes what has expired, a bounded number of rows at a time; instances that sweep at once pass over each other's.

use jiff::Timestamp;
use sqlx::PgPool;

use super::{
    super::{DEAD_LETTERS_KEPT, DISMISSED_NEWS_KEPT, SESSION_KNOWN_FOR, StoreError},
    value::nanoseconds,
};

/// So many rows of a kind at a time.
const SWEEP: i64 = 500;
/// Sessions hold more than a row.
const SWEEP_SESSIONS: i64 = 100;

pub(super) async fn sweep(pool: &PgPool, now: Timestamp) -> Result<u64, StoreError> {
    let ended = now
        .saturating_sub(SESSION_KNOWN_FOR)
        .unwrap_or(Timestamp::MIN);
    let dead = now
        .saturating_sub(DEAD_LETTERS_KEPT)
        .unwrap_or(Timestamp::MIN);
    let aside = now
        .saturating_sub(DISMISSED_NEWS_KEPT)
        .unwrap_or(Timestamp::MIN);
    let mut deleted = 0_u64;
    for (sql, until, limit) in [
        (
            "DELETE FROM idempotency WHERE (scope, key) IN (SELECT scope, key FROM idempotency
                WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            now,
            SWEEP,
        ),
        (
            "DELETE FROM document_key WHERE (company, channel, partner, key) IN (
                SELECT company, channel, partner, key FROM document_key
                WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            now,
            SWEEP,
        ),
        (
            "DELETE FROM session WHERE seq IN (SELECT seq FROM session
                WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            ended,
            SWEEP_SESSIONS,
        ),
        (
            "DELETE FROM subscription_delivery WHERE (subscription, position) IN (
                SELECT subscription, position FROM subscription_delivery
                WHERE state = 'dead' AND dead_since <= $1 ORDER BY dead_since LIMIT $2 FOR UPDATE SKIP LOCKED)",
            dead,
            SWEEP,
        ),
        (
            "DELETE FROM parked_news WHERE id IN (SELECT id FROM parked_news
                WHERE closed_at <= $1 ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            aside,
            SWEEP,
        ),
    ] {
        let rows = sqlx::query(sql)
            .bind(nanoseconds(until))
            .bind(limit)
            .execute(pool)
            .await?;
        deleted = deleted.saturating_add(rows.rows_affected());
    }
    Ok(deleted)
}
