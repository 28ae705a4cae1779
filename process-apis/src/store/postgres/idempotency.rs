//! Answers kept for their idempotency keys.

use serde_json::{Value, json};
use sqlx::{PgPool, Row as _, postgres::PgRow};

use super::{
    super::{Commit, IdempotencyAnswer, StoreError},
    commit::Parts,
    value::{Columns as _, broken, nanoseconds},
};

/// The answer as `commit_idempotency` takes it.
pub(super) fn given(answer: &IdempotencyAnswer, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(json!({
        "scope": answer.scope,
        "key": answer.key,
        "fingerprint": answer.fingerprint,
        "status": answer.status,
        "subject": answer.subject,
        "expires_at": nanoseconds(answer.expires_at),
        "body": parts.text(&answer.body)?,
    }))
}

/// The answer of the key that a commit found used.
pub(super) async fn key_used(pool: &PgPool, commit: &Commit) -> Result<StoreError, StoreError> {
    let asked = commit
        .idempotency
        .as_ref()
        .ok_or_else(|| broken("a key was refused that was not given"))?;
    let earlier = find(pool, &asked.scope, &asked.key)
        .await?
        .ok_or_else(|| broken("an answer vanished after its key was found used"))?;
    Ok(StoreError::KeyUsed(Box::new(earlier)))
}

pub(super) async fn find(
    pool: &PgPool,
    scope: &str,
    key: &str,
) -> Result<Option<IdempotencyAnswer>, StoreError> {
    let found = sqlx::query(
        "SELECT scope, key, fingerprint, status, body, subject, expires_at FROM idempotency WHERE scope = $1 AND key = $2",
    )
    .bind(scope)
    .bind(key)
    .fetch_optional(pool)
    .await?;
    found.as_ref().map(read_answer).transpose()
}

fn read_answer(row: &PgRow) -> Result<IdempotencyAnswer, StoreError> {
    let status: i32 = row.try_get("status")?;
    Ok(IdempotencyAnswer {
        scope: row.try_get("scope")?,
        key: row.try_get("key")?,
        fingerprint: row.try_get("fingerprint")?,
        status: u16::try_from(status).unwrap_or(0),
        body: row.json("body")?,
        subject: row.try_get("subject")?,
        expires_at: row.at("expires_at")?,
    })
}
