//! A database for one test: made on the server that the machine has, and gone when the test ends.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

use super::{PostgresOptions, PostgresStore};

const SERVER: &str = "postgres://postgres@127.0.0.1:5432/postgres";

/// A database of its own, with the schema.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// None = there is no server, which is said aloud, and is a failure where `ORDERWAY_TEST_REQUIRE` lists `postgres`.
    pub(crate) async fn make() -> Option<Self> {
        let server = variable("ORDERWAY_TEST_POSTGRES").unwrap_or_else(|| SERVER.to_owned());
        let mut connection = match connect(&server).await {
            Ok(connection) => connection,
            Err(error) => {
                skip(&error);
                return None;
            }
        };
        let name = format!("orderway_test_{}", Uuid::new_v4().simple());
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let database = Self { server, name };
        PostgresStore::migrate(&database.options()).await.unwrap();
        Some(database)
    }

    /// With short leases: a test does not wait long for a takeover. And with time for locks that a slow machine holds for long.
    pub(crate) fn options(&self) -> PostgresOptions {
        let server = PostgresOptions::new(&self.server).server().unwrap();
        let url = server.database(&self.name).to_url_lossy();
        PostgresOptions {
            connections: 8,
            statement_time: Duration::from_secs(40),
            sequencer_lease: Duration::from_secs(2),
            ..PostgresOptions::new(url)
        }
    }

    /// An instance on it.
    pub(crate) async fn open(&self) -> Arc<PostgresStore> {
        Arc::new(PostgresStore::open(&self.options()).await.unwrap())
    }

    /// A connection beside the store's own.
    pub(crate) async fn connect(&self) -> PgConnection {
        self.options().server().unwrap().connect().await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = connect(&server).await.unwrap();
                let sql = format!("DROP DATABASE {name} WITH (FORCE)");
                sqlx::query(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            });
        });
        drop(gone.join());
    }
}

async fn connect(server: &str) -> Result<PgConnection, sqlx::Error> {
    PostgresOptions::new(server)
        .server()
        .unwrap()
        .connect()
        .await
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn skip(error: &sqlx::Error) {
    static SAID: AtomicBool = AtomicBool::new(false);
    let required = variable("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|one| one.trim() == "postgres");
    assert!(
        !is_required,
        "needs postgres: set ORDERWAY_TEST_POSTGRES ({error})"
    );
    if !SAID.swap(true, Ordering::Relaxed) {
        // Past the capture of the test runner: a skip that nobody sees would look like a pass.
        drop(writeln!(
            std::io::stderr(),
            "skipped: needs postgres (set ORDERWAY_TEST_POSTGRES)"
        ));
    }
}
