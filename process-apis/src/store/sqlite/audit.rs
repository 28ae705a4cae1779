//! The audit trail: each line carries the hash of the one before, so that none can be changed, removed or slipped in
//! without all that follow it showing it. Triggers refuse what would.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{
    AuditEntry, Cause, StoreError,
    audit::{self, chain},
};

pub(super) fn write(
    connection: &Connection,
    cause: &Cause,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let before: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row((), |row| row.get(0))
        .optional()?;
    let line = audit::line(cause, entry).to_string();
    let hash = chain(&before.unwrap_or_default(), &line);
    connection
        .prepare_cached("INSERT INTO audit (line, hash) VALUES (?1, ?2)")?
        .execute(params![line, hash])?;
    Ok(())
}

/// The number of the first line whose hash is not what its text and the line before it make; None = the trail is whole.
pub(super) fn first_broken(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, line, hash FROM audit ORDER BY seq")?;
    let mut lines = statement.query(())?;
    let (mut before, mut expected) = (Vec::new(), 1_i64);
    while let Some(row) = lines.next()? {
        let (seq, line, hash): (i64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if seq != expected || chain(&before, &line) != hash {
            return Ok(Some(expected));
        }
        (before, expected) = (hash, expected.saturating_add(1));
    }
    Ok(None)
}
