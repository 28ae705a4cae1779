//! The audit trail: the lines of a commit are stored with it and chained after it, by the sequencer, in the form that the
//! embedded store has.

use aws_lc_rs::digest;
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _};

use super::{
    super::{AuditEntry, Cause, StoreError},
    commit::Parts,
};

/// So many lines are read at a time.
const PAGE: i64 = 1_000;

/// The lines as `commit_audit` takes them.
pub(super) fn given(
    cause: &Cause,
    entries: &[AuditEntry],
    parts: &mut Parts,
) -> Result<Value, StoreError> {
    let lines = entries.iter().map(|entry| {
        parts.text(&json!({
            "at": cause.at,
            "company": cause.company,
            "principal": cause.principal,
            "channel": cause.channel,
            "correlation_id": cause.correlation_id,
            "action": entry.action,
            "subject": entry.subject,
            "detail": entry.detail,
        }))
    });
    lines.map(|line| line.map(Value::from)).collect()
}

/// The number of the first line whose hash is not what its text and the line before it make; None = the trail is whole.
pub(super) async fn first_broken(pool: &PgPool) -> Result<Option<i64>, StoreError> {
    let (mut before, mut expected) = (Vec::new(), 1_i64);
    loop {
        let rows =
            sqlx::query("SELECT seq, line, hash FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2")
                .bind(expected)
                .bind(PAGE)
                .fetch_all(pool)
                .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in rows {
            let (seq, line): (i64, String) = (row.try_get("seq")?, row.try_get("line")?);
            let hash: Vec<u8> = row.try_get("hash")?;
            if seq != expected || chain(&before, &line) != hash {
                return Ok(Some(expected));
            }
            (before, expected) = (hash, expected.saturating_add(1));
        }
    }
}

/// SHA-256 over the hash before and the line.
fn chain(before: &[u8], line: &str) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(before);
    context.update(line.as_bytes());
    context.finish().as_ref().to_vec()
}
