//! Moves the embedded store to `PostgreSQL`: every row of every table, in one transaction that is compared with the file
//! before it is committed. The file is only read.
//!
//! Rows travel as lines of the server's COPY format: what is sent and what the server gives back are compared as they
//! are, and no table needs code of its own.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, ensure};
use aws_lc_rs::digest;
use tokio::sync::mpsc;

use super::{
    postgres::{PostgresOptions, import::Target},
    sqlite::export::Source,
};

/// So many pieces of a table wait between the file and the server.
const PIECES: usize = 4;

/// What the file has of its own: its migrations, and the row that is written to see whether it can be.
const LEFT_BEHIND: [&str; 2] = ["schema_migration", "store_check"];

/// What came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// The newest feed position; the feed goes on behind it.
    pub position: i64,
}

/// A table of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// A column of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name on the server.
    pub(super) name: String,
    /// How it is read of the file, in its SQL.
    pub(super) read: String,
    pub(super) kind: Kind,
}

/// What a column holds on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, days and whole numbers: written as they are.
    Plain,
    /// A decimal; text in the file.
    Decimal,
    /// True or false; 1 or 0 in the file.
    Flag,
    /// A UUID; 16 bytes in the file.
    Id,
    /// Bytes.
    Bytes,
    /// Decimals, one a day; a JSON list of runs of days in the file.
    Decimals,
    /// Words; a JSON list, or nothing, in the file.
    Words,
}

impl Kind {
    fn of(server_type: &str) -> anyhow::Result<Self> {
        Ok(match server_type {
            "text" | "date" | "bigint" | "integer" => Self::Plain,
            "numeric" => Self::Decimal,
            "boolean" => Self::Flag,
            "uuid" => Self::Id,
            "bytea" => Self::Bytes,
            "numeric[]" => Self::Decimals,
            "text[]" => Self::Words,
            other => anyhow::bail!("a column of type {other} cannot be filled"),
        })
    }
}

/// Rows, in whatever order: how many, and a sum over the hash of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) rows: u64,
    sum: u128,
}

impl Digest {
    /// Adds a row: its line without the end.
    pub(super) fn add(&mut self, line: &[u8]) {
        let hash = digest::digest(&digest::SHA256, line);
        let half = hash.as_ref().first_chunk().copied().unwrap_or_default();
        self.rows = self.rows.saturating_add(1);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
    }
}

/// Moves the file's content to the database, which must be empty; nothing is left there unless all of it is.
///
/// Refused while a process has the file, or works on the database.
pub async fn move_store(path: &Path, to: &PostgresOptions) -> anyhow::Result<Moved> {
    let (target, moved) = fill(path, to).await.context("nothing was moved")?;
    target
        .commit()
        .await
        .context("the commit was not answered; see whether the database is still empty")?;
    Ok(moved)
}

async fn fill(path: &Path, to: &PostgresOptions) -> anyhow::Result<(Target, Moved)> {
    let file = path.to_owned();
    let mut source = tokio::task::spawn_blocking(move || Source::open(&file)).await??;
    let mut target = Target::begin(to).await?;
    let tables = tables(source.columns(LEFT_BEHIND)?, &mut target).await?;
    let mut rows = BTreeMap::new();
    for table in tables {
        let (back, moved) = copy(source, &mut target, &table)
            .await
            .with_context(|| format!("the table {} was not moved", table.name))?;
        source = back;
        rows.insert(table.name, moved);
    }
    let position = target.go_on(source.sequences()?).await?;
    Ok((target, Moved { rows, position }))
}

/// The tables of the file as the server has them, each behind those that it refers to.
async fn tables(
    in_file: BTreeMap<String, Vec<String>>,
    target: &mut Target,
) -> anyhow::Result<Vec<Table>> {
    let mut found = Vec::with_capacity(in_file.len());
    for (name, mut names) in in_file {
        let mut columns = Vec::new();
        for (column, server_type) in target.columns(&name).await? {
            let (named, read) = in_the_file(&name, &column);
            if let Some(named) = named {
                let at = names.iter().position(|name| name == named);
                names.swap_remove(at.with_context(|| {
                    format!(
                        "the file has no {name}.{named}; run `process-apis migrate` on it first"
                    )
                })?);
            }
            columns.push(Column {
                read,
                kind: Kind::of(&server_type)?,
                name: column,
            });
        }
        ensure!(
            names.is_empty(),
            "the database has no place for {} of {name}: it was brought up by another release",
            names.join(", ")
        );
        found.push(Table { name, columns });
    }
    target.order(found).await
}

/// The column of the file that a column of the server has, if it has one, and how it is read.
fn in_the_file<'a>(table: &str, column: &'a str) -> (Option<&'a str>, String) {
    match (table, column) {
        // An event's number is its place in the feed; on the server the feed is a table of its own.
        ("event", "seq") => (Some("position"), "position".to_owned()),
        _ => (Some(column), format!("\"{column}\"")),
    }
}

/// Copies a table and compares what the server then has.
async fn copy(source: Source, target: &mut Target, table: &Table) -> anyhow::Result<(Source, u64)> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let of = table.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let read = source.read(&of, |piece| sender.blocking_send(piece).is_ok());
        (source, read)
    });
    let written = target.fill(table, receiver).await;
    let (source, read) = reading.await?;
    // Where writing failed, reading was cut off by it.
    written?;
    let read = read?;
    let found = target.digest(table).await?;
    ensure!(
        found == read,
        "the database has {} rows, the file {}, or a row is not the same",
        found.rows,
        read.rows
    );
    Ok((source, read.rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_another_order_are_the_same_and_others_are_not() {
        let digest = |lines: &[&str]| {
            let mut digest = Digest::default();
            for line in lines {
                digest.add(line.as_bytes());
            }
            digest
        };
        assert_eq!(digest(&["a", "b"]), digest(&["b", "a"]));
        for other in [vec!["a", "c"], vec!["a"], vec!["a", "b", "b"], vec!["a\tb"]] {
            assert_ne!(digest(&["a", "b"]), digest(&other), "{other:?}");
        }
    }
}
