//! Brings the schema up. Migrations are compiled in, applied in order, one transaction each, and remembered with their
//! checksum: a released one that was edited is refused, and so is a file that a newer release has written.
//!
//! Not `sqlx::migrate!`: it would need a second driver and pool on the same file only to run this one.

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest;
use rusqlite::{Connection, OptionalExtension, params};

/// `ORWY`: what `file` and a careful operator tell our files by.
const APPLICATION_ID: i32 = 0x4F52_5759;

/// One step of the schema.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
    /// The oldest version that a release must know to go on with the file after this step: a step that only adds what
    /// an older release passes over names the version before, so that the release before can be gone back to.
    needs: i64,
}

const fn step(version: i64, name: &'static str, needs: i64, sql: &'static str) -> Migration {
    Migration {
        version,
        name,
        sql,
        needs,
    }
}

const MIGRATIONS: &[Migration] = &[
    step(
        1,
        "init",
        1,
        include_str!("../../../migrations/sqlite/0001_init.sql"),
    ),
    step(
        2,
        "sending",
        2,
        include_str!("../../../migrations/sqlite/0002_sending.sql"),
    ),
    step(
        3,
        "session",
        3,
        include_str!("../../../migrations/sqlite/0003_session.sql"),
    ),
    step(
        4,
        "bounds",
        4,
        include_str!("../../../migrations/sqlite/0004_bounds.sql"),
    ),
    step(
        5,
        "intake",
        5,
        include_str!("../../../migrations/sqlite/0005_intake.sql"),
    ),
    step(
        6,
        "subscription",
        6,
        include_str!("../../../migrations/sqlite/0006_subscription.sql"),
    ),
    step(
        7,
        "effect_order",
        7,
        include_str!("../../../migrations/sqlite/0007_effect_order.sql"),
    ),
    step(
        8,
        "retention",
        8,
        include_str!("../../../migrations/sqlite/0008_retention.sql"),
    ),
    step(
        10,
        "set_back",
        10,
        include_str!("../../../migrations/sqlite/0010_set_back.sql"),
    ),
    step(
        11,
        "decision_fact",
        11,
        include_str!("../../../migrations/sqlite/0011_decision_fact.sql"),
    ),
    step(
        12,
        "parked_open",
        11,
        include_str!("../../../migrations/sqlite/0012_parked_open.sql"),
    ),
    step(
        14,
        "stock_steps",
        14,
        include_str!("../../../migrations/sqlite/0014_stock_steps.sql"),
    ),
    step(
        15,
        "order_reference",
        15,
        include_str!("../../../migrations/sqlite/0015_order_reference.sql"),
    ),
];

pub(super) fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    claim_file(connection)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migration (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL, needs INTEGER NOT NULL) STRICT;",
    )?;
    let has_needs: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_table_info('schema_migration') WHERE name = 'needs')",
        (),
        |row| row.get(0),
    )?;
    if !has_needs {
        // The first files did not say it.
        connection.execute_batch(
            "ALTER TABLE schema_migration ADD COLUMN needs INTEGER NOT NULL DEFAULT 0",
        )?;
    }
    check(connection)?;
    for migration in MIGRATIONS {
        apply(connection, migration)
            .with_context(|| format!("migration {} ({})", migration.version, migration.name))?;
    }
    Ok(())
}

/// Whether this release may work on the file: refused where a newer one has written what this one would spoil.
pub(super) fn check(connection: &Connection) -> anyhow::Result<()> {
    let needs: Option<i64> =
        connection.query_row("SELECT max(needs) FROM schema_migration", (), |row| {
            row.get(0)
        })?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    ensure!(
        needs.unwrap_or(0) <= known,
        "the data file was written by a newer release; start that one"
    );
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

fn apply(connection: &mut Connection, migration: &Migration) -> anyhow::Result<()> {
    let Migration {
        version,
        name,
        sql,
        needs,
    } = migration;
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
        "INSERT INTO schema_migration (version, name, checksum, needs) VALUES (?1, ?2, ?3, ?4)",
        params![version, name, checksum.as_ref(), needs],
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
        later(&connection, 9999);
        assert!(format!("{:#}", migrate(&mut connection).unwrap_err()).contains("newer release"));
    }

    fn later(connection: &Connection, needs: i64) {
        connection
            .execute(
                "INSERT INTO schema_migration (version, name, checksum, needs) VALUES (9999, 'later', x'00', ?1)",
                [needs],
            )
            .unwrap();
    }

    #[test]
    fn a_file_of_the_next_release_is_worked_on_if_that_only_added() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        later(&connection, MIGRATIONS.last().unwrap().version);
        migrate(&mut connection).unwrap();
    }

    #[test]
    fn a_file_from_before_the_steps_said_what_they_need_goes_on() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
            .execute_batch("ALTER TABLE schema_migration DROP COLUMN needs")
            .unwrap();
        migrate(&mut connection).unwrap();
    }

    #[test]
    fn an_order_of_an_earlier_release_has_its_reference() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
            .execute_batch(
                r#"DROP INDEX sales_order_by_reference;
                 ALTER TABLE sales_order DROP COLUMN reference;
                 CREATE INDEX sales_order_by_reference ON sales_order (company, json_extract(state, '$.order.reference'));
                 DELETE FROM schema_migration WHERE version = 15;
                 INSERT INTO sales_order (id, version, company, account, purchase_order_number, holds_purchase_order, status,
                    holds, state)
                 VALUES (x'01', 1, 'C', 'A', 'PO', 1, 'received', '', '{"order":{"reference":"OW0123456789ABCDEF"}}')"#,
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let reference: String = connection
            .query_row("SELECT reference FROM sales_order", (), |row| row.get(0))
            .unwrap();
        assert_eq!(reference, "OW0123456789ABCDEF");
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
