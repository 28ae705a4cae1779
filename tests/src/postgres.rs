//! A `PostgreSQL` database for one test: made on the server that the machine has, and gone with the test.

use anyhow::Context as _;
use process_apis::store::postgres::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

/// A database with the store's schema.
#[derive(Debug)]
pub struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    /// Makes one on the server that [`needs::postgres`](crate::needs::postgres) has found.
    pub async fn make(server: &str) -> anyhow::Result<Self> {
        let server: PgConnectOptions = server.parse().context("ORDERWAY_TEST_POSTGRES")?;
        let name = format!("orderway_test_{}", Uuid::new_v4().simple());
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        run(&mut server.connect().await?, sql).await?;
        let database = Self { server, name };
        PostgresStore::migrate(&PostgresOptions::new(database.url())).await?;
        Ok(database)
    }

    /// Where it is: what `store.url` takes.
    pub fn url(&self) -> String {
        self.server
            .clone()
            .database(&self.name)
            .to_url_lossy()
            .to_string()
    }

    /// A connection beside those of the layers.
    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(self.server.clone().database(&self.name).connect().await?)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server.clone();
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let gone = std::thread::spawn(move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { run(&mut server.connect().await?, sql).await })
        });
        drop(gone.join());
    }
}

async fn run(connection: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
