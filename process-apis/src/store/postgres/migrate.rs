//! The schema: brought up by a command of its own, checked at start.

use anyhow::{Context as _, ensure};
use sqlx::{Connection as _, PgConnection, PgPool, migrate::Migrator};

use super::open::PostgresOptions;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Brings the schema up; two that do it at once wait for each other.
pub(super) async fn migrate(options: &PostgresOptions) -> anyhow::Result<()> {
    use sqlx::ConnectOptions as _;
    let mut connection = options
        .server()?
        .connect()
        .await
        .context("PostgreSQL cannot be used; see `store.url`")?;
    if let Some(needs) = needs(&mut connection).await? {
        ensure!(
            needs <= newest(),
            "the database was brought up by a newer release; use that one"
        );
    }
    let mut migrations = Migrator {
        migrations: MIGRATIONS.migrations.clone(),
        ..Migrator::DEFAULT
    };
    migrations.set_ignore_missing(true);
    migrations.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Whether this release may work on the schema: it has what this one knows, and nothing that this one would spoil.
pub(super) async fn check(pool: &PgPool) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    let needs = needs(&mut connection)
        .await?
        .context("the database has no schema yet; run `process-apis migrate`")?;
    ensure!(
        needs <= newest(),
        "the database was brought up by a newer release that this one cannot work with; start that one"
    );
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

/// The oldest schema that a release must know; None = there is no schema yet.
async fn needs(connection: &mut PgConnection) -> anyhow::Result<Option<i64>> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('schema_needs') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(None);
    }
    let needs = sqlx::query_scalar("SELECT version FROM schema_needs")
        .fetch_optional(connection)
        .await?;
    Ok(needs)
}

fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}
