//! The schema: brought up by a command of its own, checked at start and while instances run.

use std::{borrow::Cow, time::Duration};

use anyhow::{Context as _, bail, ensure};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool,
    migrate::{MigrateError, Migration, Migrator},
};
use tokio::time::sleep;

use super::{super::StoreError, fault::is_blocked, open::PostgresOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A step waits no longer for a lock: who comes after it waits as long, and orders are among them.
const LOCK_TIME: &str = "1s";
/// One that did not get its locks is tried so often.
const TRIES: u32 = 60;
/// The wait before it is tried again, and between two looks whether another migrates.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings the schema up; two that do it at once wait for each other.
pub(super) async fn migrate(options: &PostgresOptions) -> anyhow::Result<()> {
    use sqlx::ConnectOptions as _;
    let mut connection = options
        .server()?
        .connect()
        .await
        .context("PostgreSQL cannot be used; see `store.url`")?;
    wait_for_turn(&mut connection).await?;
    if !fits(&mut connection).await? {
        return Err(StoreError::NewerRelease.into());
    }
    apply(&mut connection, &MIGRATIONS.migrations).await?;
    connection.close().await?;
    Ok(())
}

/// By asking, not by waiting in the server: a statement that waits keeps an index from being built beside it.
async fn wait_for_turn(connection: &mut PgConnection) -> anyhow::Result<()> {
    let ours =
        "SELECT pg_try_advisory_lock(hashtextextended('orderway migrate ' || current_schema(), 0))";
    while !sqlx::query_scalar::<_, bool>(ours)
        .fetch_one(&mut *connection)
        .await?
    {
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Applies what is missing, each step on its own: what was applied stays whatever becomes of the next.
async fn apply(connection: &mut PgConnection, migrations: &[Migration]) -> anyhow::Result<()> {
    let mut migrator = Migrator {
        migrations: Cow::Owned(migrations.to_vec()),
        ..Migrator::DEFAULT
    };
    migrator.set_ignore_missing(true).set_locking(false);
    for migration in migrations {
        let mut tries = 1;
        loop {
            prepare(connection, migration).await?;
            match migrator
                .run_direct(Some(migration.version), connection, false)
                .await
            {
                Ok(()) => break,
                Err(error) if !waited_in_vain(&error) => return Err(error.into()),
                Err(_) if tries < TRIES => sleep(PAUSE).await,
                Err(error) => bail!(
                    "migration {} did not get its locks; end what reads or writes for long (pg_stat_activity names it) \
                     and run it again: {error}",
                    migration.version
                ),
            }
            tries += 1;
        }
    }
    Ok(())
}

/// A step in a transaction waits briefly for its locks. One without builds an index beside all work, so it may wait; what
/// such a step left half-built is removed first.
async fn prepare(connection: &mut PgConnection, migration: &Migration) -> anyhow::Result<()> {
    let lock_time = if migration.no_tx { "0" } else { LOCK_TIME };
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(lock_time)
        .execute(&mut *connection)
        .await?;
    if !migration.no_tx {
        return Ok(());
    }
    let half_built: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', current_schema(), relname) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace AND position(relname IN $1) > 0",
    )
    .bind(migration.sql.as_str())
    .fetch_all(&mut *connection)
    .await?;
    for index in half_built {
        sqlx::query(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY {index}")))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn waited_in_vain(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            is_blocked(error)
        }
        _ => false,
    }
}

/// Whether this release may work on the schema: it has what this one knows, and nothing that this one would spoil.
pub(super) async fn check(pool: &PgPool) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    let needs = needs(&mut connection)
        .await?
        .context("the database has no schema yet; run `process-apis migrate`")?;
    if needs > newest() {
        return Err(StoreError::NewerRelease.into());
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut *connection)
            .await?;
    for migration in MIGRATIONS.iter() {
        let checksum = applied
            .iter()
            .find(|(version, _)| *version == migration.version)
            .map(|(_, checksum)| checksum)
            .context(
                "the schema of the database is older than this release; run `process-apis migrate`",
            )?;
        ensure!(
            *checksum == migration.checksum.as_ref(),
            "migration {} ({}) was changed after it had been applied; restore its text",
            migration.version,
            migration.description
        );
    }
    Ok(())
}

/// Whether no newer release has made the schema one that this release would spoil.
pub(super) async fn fits(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let needs = needs(connection).await?;
    Ok(needs.is_none_or(|needs| needs <= newest()))
}

/// The oldest schema that a release must know; None = there is no schema yet.
async fn needs(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('schema_needs') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT version FROM schema_needs")
        .fetch_optional(connection)
        .await
}

/// The newest migration that this release knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use sqlx::{SqlSafeStr as _, migrate::MigrationType};
    use tokio::time::timeout;

    use super::{super::testing::TestDatabase, *};

    /// A generous deadline: nothing here is expected to come near it.
    const DEADLINE: Duration = Duration::from_secs(30);

    fn step(sql: &'static str) -> Migration {
        Migration::new(
            9_999,
            "a_step".into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            sql.starts_with("-- no-transaction"),
        )
    }

    /// What takes something away, makes it another, or refuses what could be written before: the release before would
    /// not go on with it.
    const NOT_ADDED: [&str; 6] = [
        "DROP ",
        "RENAME ",
        "ALTER COLUMN",
        "SET NOT NULL",
        "ADD CONSTRAINT",
        "CREATE TRIGGER",
    ];

    /// What only adds, and is not to be passed over: 10, since a release that does not know that the store was set back
    /// does again what was done before.
    const NOT_TO_BE_PASSED_OVER: [i64; 1] = [10];

    fn only_adds(sql: &str) -> bool {
        let lines = sql.lines().filter(|line| !line.starts_with("--"));
        let sql = lines.collect::<Vec<_>>().join(" ");
        sql.split(';').all(|statement| {
            let new_table = |on: &str| {
                let table = on.split([' ', '(']).next().unwrap();
                sql.contains(&format!("CREATE TABLE {table} "))
            };
            let refuses_twice = statement.contains("UNIQUE INDEX")
                && !statement
                    .split_once(" ON ")
                    .is_some_and(|(_, on)| new_table(on));
            let mut columns = statement.split("ADD COLUMN").skip(1);
            let asks_for_more =
                columns.any(|column| column.contains("NOT NULL") && !column.contains("DEFAULT"));
            !NOT_ADDED.iter().any(|word| statement.contains(word))
                && !refuses_twice
                && !asks_for_more
        })
    }

    /// Why a step is not as `schema_needs` says of it.
    fn wrong(version: i64, sql: &str) -> Option<&'static str> {
        let raised = sql.contains("schema_needs");
        let only_adds = only_adds(sql) && !NOT_TO_BE_PASSED_OVER.contains(&version);
        let to_itself = format!("UPDATE schema_needs SET version = {version};");
        match (raised, only_adds) {
            (true, true) => Some("it only adds, and yet shuts out the release before"),
            (false, false) => Some("it lets the release before go on with what it cannot"),
            (true, false) if !sql.contains(&to_itself) => Some("it raises to another version"),
            (true, false) | (false, true) => None,
        }
    }

    #[test]
    fn a_step_shuts_out_the_release_before_unless_it_only_adds() {
        for migration in MIGRATIONS.iter().filter(|one| one.version > 1) {
            let version = migration.version;
            assert_eq!(wrong(version, migration.sql.as_str()), None, "{version}");
        }
    }

    #[test]
    fn what_the_release_before_would_not_go_on_with_is_known() {
        for (sql, adds) in [
            ("ALTER TABLE effect ADD COLUMN later text;", true),
            (
                "ALTER TABLE effect ADD COLUMN n bigint NOT NULL DEFAULT 0;",
                true,
            ),
            (
                "CREATE TABLE new (id uuid NOT NULL);\nCREATE UNIQUE INDEX once ON new (id);",
                true,
            ),
            ("-- DROP nothing\nCREATE INDEX later ON effect (id);", true),
            ("ALTER TABLE effect DROP COLUMN payload;", false),
            (
                "ALTER TABLE effect RENAME COLUMN payload TO content;",
                false,
            ),
            ("ALTER TABLE effect ADD COLUMN later text NOT NULL;", false),
            (
                "ALTER TABLE effect ADD CONSTRAINT known CHECK (attempt >= 0);",
                false,
            ),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS once ON effect (order_id);",
                false,
            ),
            (
                "CREATE TRIGGER looks BEFORE INSERT ON effect EXECUTE FUNCTION look();",
                false,
            ),
        ] {
            assert_eq!(only_adds(sql), adds, "{sql}");
            assert_eq!(wrong(2, sql).is_none(), adds, "{sql}");
            let raised = format!("{sql}UPDATE schema_needs SET version = 2;");
            assert_eq!(wrong(2, &raised).is_none(), !adds, "{sql}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_step_that_waits_for_a_reader_does_not_keep_others_waiting() {
        let Some(database) = TestDatabase::make().await else {
            return;
        };
        let (mut reader, mut other) = (database.connect().await, database.connect().await);
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM effect")
            .execute(&mut reader)
            .await
            .unwrap();
        let mut migrating = database.connect().await;
        let migrated = tokio::spawn(async move {
            let added = step("ALTER TABLE effect ADD COLUMN later text");
            apply(&mut migrating, &[added]).await
        });
        let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'effect'::regclass)";
        let read_meanwhile = async {
            while !sqlx::query_scalar::<_, bool>(waits)
                .fetch_one(&mut other)
                .await
                .unwrap()
            {
                tokio::task::yield_now().await;
            }
            sqlx::query("SELECT count(*) FROM effect")
                .execute(&mut other)
                .await
                .unwrap();
        };
        timeout(DEADLINE, read_meanwhile)
            .await
            .expect("reads go on while the step waits");
        assert!(!migrated.is_finished());
        sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
        timeout(DEADLINE, migrated)
            .await
            .expect("it is tried again")
            .unwrap()
            .unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_index_that_was_left_half_built_is_built_anew() {
        let Some(database) = TestDatabase::make().await else {
            return;
        };
        let mut connection = database.connect().await;
        sqlx::raw_sql(
            "CREATE TABLE added (id integer);
             INSERT INTO added VALUES (1), (1)",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        let steps = [step(
            "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS added_once ON added (id);",
        )];
        apply(&mut connection, &steps)
            .await
            .expect_err("one is there twice");
        let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'added_once'::regclass";
        let is_valid = async |connection: &mut PgConnection| {
            sqlx::query_scalar::<_, bool>(valid)
                .fetch_one(connection)
                .await
                .unwrap()
        };
        assert!(!is_valid(&mut connection).await, "left half-built");
        sqlx::query("TRUNCATE added")
            .execute(&mut connection)
            .await
            .unwrap();
        apply(&mut connection, &steps).await.unwrap();
        assert!(is_valid(&mut connection).await);
    }
}
