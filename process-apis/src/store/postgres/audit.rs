//! The audit trail: the lines of a commit are stored with it and chained after it, by the sequencer, in the form that the
//! embedded store has.

use serde_json::Value;
use sqlx::{PgPool, Row as _};

use super::{
    super::{
        AuditEntry, Cause, StoreError,
        audit::{chain, line},
    },
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
    let lines = entries.iter().map(|entry| parts.text(&line(cause, entry)));
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
