//! Brings the schema up. Migrations are compiled in, applied in order, one transaction each, and remembered with their
//! checksum: a released one that was edited is refused, and so is a file that a newer release has written.
//!
//! Not `sqlx::migrate!`: it would need a second driver and pool on the same file only to run this one.

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest;
use rusqlite::{Connection, OptionalExtension, params};

/// `ORWY`: what `file` and a careful operator tell our files by.
const APPLICATION_ID: i32 = 0x4F52_5759;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "init",
        include_str!("../../../migrations/sqlite/0001_init.sql"),
    ),
    (
        2,
        "sending",
        include_str!("../../../migrations/sqlite/0002_sending.sql"),
    ),
    (
        3,
        "session",
        include_str!("../../../migrations/sqlite/0003_session.sql"),
    ),
    (
        4,
        "bounds",
        include_str!("../../../migrations/sqlite/0004_bounds.sql"),
    ),
    (
        5,
        "intake",
        include_str!("../../../migrations/sqlite/0005_intake.sql"),
    ),
    (
        6,
        "subscription",
        include_str!("../../../migrations/sqlite/0006_subscription.sql"),
    ),
    (
        7,
        "effect_order",
        include_str!("../../../migrations/sqlite/0007_effect_order.sql"),
    ),
];

pub(super) fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    claim_file(connection)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migration (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT;",
    )?;
    let newest: Option<i64> =
        connection.query_row("SELECT max(version) FROM schema_migration", (), |row| {
            row.get(0)
        })?;
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    ensure!(
        newest.unwrap_or(0) <= known,
        "the data file was written by a newer release; start that one"
    );
    for (version, name, sql) in MIGRATIONS {
        apply(connection, *version, name, sql)
            .with_context(|| format!("migration {version} ({name})"))?;
    }
    Ok(())
}

/// Refuses to write into a database of someone else.
fn claim_file(connection: &Connection) -> anyhow::Result<()> {
    let found: i32 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    match (found, tables) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0) => Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => bail!("the data file is not one of Orderway; name another in the configuration"),
    }
}

fn apply(connection: &mut Connection, version: i64, name: &str, sql: &str) -> anyhow::Result<()> {
    let checksum = digest::digest(&digest::SHA256, sql.as_bytes());
    let applied: Option<Vec<u8>> = connection
        .query_row(
            "SELECT checksum FROM schema_migration WHERE version = ?1",
            [version],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(applied) = applied {
        ensure!(
            applied == checksum.as_ref(),
            "it was changed after it had been applied; restore its text"
        );
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.execute(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (?1, ?2, ?3)",
        params![version, name, checksum.as_ref()],
    )?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_migration_and_a_newer_file_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection
            .execute("UPDATE schema_migration SET checksum = x'00'", ())
            .unwrap();
        assert!(format!("{:#}", migrate(&mut connection).unwrap_err()).contains("changed after"));
        connection
            .execute(
                "INSERT INTO schema_migration VALUES (9999, 'later', x'00')",
                (),
            )
            .unwrap();
        assert!(format!("{:#}", migrate(&mut connection).unwrap_err()).contains("newer release"));
    }

    #[test]
    fn a_database_of_someone_else_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(
            migrate(&mut connection)
                .unwrap_err()
                .to_string()
                .contains("not one of Orderway")
        );
    }
}
