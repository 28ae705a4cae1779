//! An empty database that is filled from a data file of the embedded store, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use tokio::sync::mpsc;

use super::{
    super::moving::{Digest, Table},
    PostgresOptions, migrate, open,
};

/// Filled beside what is copied, or never empty.
const OWN: [&str; 4] = [
    "_sqlx_migrations",
    "schema_needs",
    "sequencer",
    "store_check",
];

/// The database, within the transaction.
#[derive(Debug)]
pub(in super::super) struct Target {
    connection: PgConnection,
}

impl Target {
    /// Brings the schema up and begins; refused where an instance works on the database, or it is not empty.
    pub(in super::super) async fn begin(options: &PostgresOptions) -> anyhow::Result<Self> {
        migrate::migrate(options).await?;
        let connection = options.server()?.connect().await;
        let mut connection = connection.context("PostgreSQL cannot be used")?;
        open::check(&mut connection).await?;
        // However long it takes; what is given back is compared as text.
        let set = "SET statement_timeout = 0; SET lock_timeout = '10s'; SET datestyle = 'ISO, YMD';
            SET bytea_output = 'hex'; BEGIN";
        sqlx::raw_sql(set).execute(&mut connection).await?;
        let mut target = Self { connection };
        target.is_left_alone().await?;
        target.is_empty().await?;
        Ok(target)
    }

    /// Whoever works on it has the lease of the feed; while it is locked here, nobody takes it.
    async fn is_left_alone(&mut self) -> anyhow::Result<()> {
        let works: bool =
            sqlx::query_scalar("SELECT until > clock_timestamp() FROM sequencer FOR UPDATE")
                .fetch_one(&mut self.connection)
                .await?;
        ensure!(
            !works,
            "an instance of process-apis works on the database, or did a moment ago; stop it"
        );
        Ok(())
    }

    async fn is_empty(&mut self) -> anyhow::Result<()> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
        )
        .fetch_all(&mut self.connection)
        .await?;
        for table in tables.iter().filter(|table| !OWN.contains(&table.as_str())) {
            self.run(format!("LOCK TABLE {table} IN EXCLUSIVE MODE"))
                .await?;
            let sql = format!("SELECT EXISTS (SELECT FROM {table})");
            let filled: bool = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut self.connection)
                .await?;
            ensure!(
                !filled,
                "the database is not empty: {table} has rows; name a new one"
            );
        }
        let given: bool = sqlx::query_scalar("SELECT position > 0 FROM sequencer")
            .fetch_one(&mut self.connection)
            .await?;
        ensure!(!given, "the feed of the database has begun; name a new one");
        Ok(())
    }

    /// The columns of a table and their types; none = there is no such table.
    pub(in super::super) async fn columns(
        &mut self,
        table: &str,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
        .bind(table)
        .fetch_all(&mut self.connection)
        .await?;
        Ok(columns)
    }

    /// The tables, each behind those that it refers to.
    pub(in super::super) async fn order(
        &mut self,
        tables: Vec<Table>,
    ) -> anyhow::Result<Vec<Table>> {
        let references: Vec<(String, String)> = sqlx::query_as(
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
             WHERE contype = 'f' AND connamespace = current_schema()::regnamespace",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let (mut ordered, mut waiting) = (Vec::with_capacity(tables.len()), tables);
        while !waiting.is_empty() {
            let open: BTreeSet<String> = waiting.iter().map(|table| table.name.clone()).collect();
            let is_free = |table: &Table| {
                !references
                    .iter()
                    .any(|(from, to)| *from == table.name && from != to && open.contains(to))
            };
            let (free, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_free);
            ensure!(
                !free.is_empty(),
                "the tables refer to each other in a circle"
            );
            ordered.extend(free);
            waiting = rest;
        }
        Ok(ordered)
    }

    /// Writes the lines that come.
    pub(in super::super) async fn fill(
        &mut self,
        table: &Table,
        mut pieces: mpsc::Receiver<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let sql = format!("COPY {} ({}) FROM STDIN", table.name, columns(table));
        let mut copy = self.connection.copy_in_raw(&sql).await?;
        while let Some(piece) = pieces.recv().await {
            copy.send(piece).await?;
        }
        copy.finish().await?;
        Ok(())
    }

    /// What the table now holds, read back.
    pub(in super::super) async fn digest(&mut self, table: &Table) -> anyhow::Result<Digest> {
        let sql = format!("COPY {} ({}) TO STDOUT", table.name, columns(table));
        let mut pieces = self.connection.copy_out_raw(&sql).await?;
        let (mut digest, mut rest) = (Digest::default(), Vec::new());
        while let Some(piece) = pieces.next().await {
            rest.extend_from_slice(&piece?);
            let mut lines = rest.split(|byte| *byte == b'\n').peekable();
            let mut unfinished = Vec::new();
            while let Some(line) = lines.next() {
                if lines.peek().is_some() {
                    digest.add(line);
                } else {
                    unfinished = line.to_vec();
                }
            }
            rest = unfinished;
        }
        ensure!(rest.is_empty(), "a line was cut");
        Ok(digest)
    }

    /// Puts the events into the feed at the positions that they have, lets every number go on behind the last one given,
    /// and looks at the audit trail. Answers the newest position.
    pub(in super::super) async fn go_on(
        &mut self,
        given: BTreeMap<String, i64>,
    ) -> anyhow::Result<i64> {
        self.run(
            "INSERT INTO feed (position, seq, company, account) SELECT seq, seq, company, account FROM event"
                .to_owned(),
        )
        .await?;
        let position = given.get("event").copied().unwrap_or(0);
        sqlx::query("UPDATE sequencer SET position = $1")
            .bind(position)
            .execute(&mut self.connection)
            .await?;
        let identities: Vec<(String, String)> = sqlx::query_as(
            "SELECT attrelid::regclass::text, attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE attidentity <> '' AND relkind = 'r' AND relnamespace = current_schema()::regnamespace",
        )
        .fetch_all(&mut self.connection)
        .await?;
        for (table, column) in identities {
            let last = given.get(&table).copied().unwrap_or(0);
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), last) FROM (
                    SELECT greatest({last}, max({column})) AS last FROM {table}) AS numbers WHERE last > 0"
            );
            self.run(sql).await?;
        }
        let broken: Option<i64> = sqlx::query_scalar(
            "SELECT min(place) FROM (
                SELECT seq, line, hash, row_number() OVER trail AS place, lag(hash, 1, '') OVER trail AS before
                FROM audit WINDOW trail AS (ORDER BY seq)) AS chained
             WHERE seq <> place OR hash <> sha256(before || convert_to(line, 'UTF8'))",
        )
        .fetch_one(&mut self.connection)
        .await?;
        if let Some(line) = broken {
            bail!("line {line} of the audit trail does not follow from the one before");
        }
        // The planner knows nothing yet of tables that were filled at once.
        self.run("ANALYZE".to_owned()).await?;
        Ok(position)
    }

    /// Makes it so. Before this, nothing of it is there for anybody.
    pub(in super::super) async fn commit(mut self) -> anyhow::Result<()> {
        self.run("COMMIT".to_owned()).await
    }

    async fn run(&mut self, sql: String) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

fn columns(table: &Table) -> String {
    let names = table.columns.iter();
    let names: Vec<&str> = names.map(|column| column.name.as_str()).collect();
    names.join(", ")
}
