//! What an operator does with the store at the command line, beside the process that serves.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use canonical_model::OrderId;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use service_runtime::{clock::Clock, config::HumanDuration};

use crate::{
    config::Config,
    orders::replay::{Summary, replay, replay_all},
    store::{
        AuditEntry, Cause, Commit, Engine, Kept, Outdated, Store, move_store,
        postgres::PostgresOptions, sqlite::backup,
    },
};

/// Commands on the store.
#[derive(Debug, Subcommand)]
pub enum Maintenance {
    /// Folds the log of one order, or of all, and compares the state hashes with those of the rows. Reads only; the
    /// process may go on working. Ends with 1 where one differs.
    Replay {
        /// One order only; all unless said.
        #[arg(long)]
        order: Option<OrderId>,
        /// Tells of each order, not only of those that differ.
        #[arg(long)]
        each: bool,
    },
    /// Copies the data file of the embedded store, also while the process works on it, and looks at the copy.
    ///
    /// For `PostgreSQL` use its own tools.
    Backup {
        /// The file to write; never overwritten.
        #[arg(long)]
        to: PathBuf,
    },
    /// Moves the embedded store into an empty `PostgreSQL` database, and compares every row. The process must be
    /// stopped; the file is only read.
    MoveStore {
        /// The database; `store.url` unless said, which keeps its password out of the list of processes.
        #[arg(long)]
        to: Option<String>,
    },
    /// Tells what is older than `retention` in the configuration says, and with --apply removes it.
    Retention {
        /// Removes it. Nothing brings it back.
        #[arg(long)]
        apply: bool,
    },
    /// Puts a backup in the place of the data file. The process must be stopped; the file before is kept.
    Restore {
        /// The backup.
        #[arg(long)]
        from: PathBuf,
    },
    /// Notes that the store was set back to an earlier state by other means than `restore`, such as a point-in-time
    /// recovery of `PostgreSQL`: what was done outside for the orders in it is in doubt. All processes must be stopped.
    SetBack,
}

/// Does it, and tells what came of it on `out`. False = it was done, and found something wrong.
pub async fn run(
    command: Maintenance,
    config: &Config,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    match command {
        Maintenance::Replay { order, each } => {
            let opened = Engine::open_to_read(&config.store).await?;
            let store = opened.store();
            let sound = match order {
                Some(id) => replay_one(store.as_ref(), id, out).await,
                None => replay_each(store.as_ref(), each, out).await,
            };
            opened.close().await;
            sound
        }
        Maintenance::Backup { to } => {
            let path = data_file(config)?;
            let target = to.clone();
            let made =
                tokio::task::spawn_blocking(move || backup::back_up(&path, &target)).await??;
            writeln!(
                out,
                "{} holds {} orders up to feed position {} in {} bytes; it is sound",
                to.display(),
                made.orders,
                made.position,
                made.bytes
            )?;
            Ok(true)
        }
        Maintenance::Retention { apply } => {
            let opened = if apply {
                Engine::open(&config.store).await?
            } else {
                Engine::open_to_read(&config.store).await?
            };
            let done = retain(opened.store().as_ref(), config, apply, out).await;
            opened.close().await;
            done
        }
        Maintenance::MoveStore { to } => move_to_postgres(to, config, out).await,
        Maintenance::Restore { from } => restore(&from, &data_file(config)?, out),
        Maintenance::SetBack => set_back(config, out).await,
    }
}

async fn move_to_postgres(
    to: Option<String>,
    config: &Config,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let to = match to {
        Some(url) => Some(PostgresOptions::new(url)),
        None => config.store.postgres(),
    };
    let to = to.context("say where to: --to postgres://user@host:5432/database, or `store.url`")?;
    let path = &config.store.path;
    let moved = move_store(path, &to).await?;
    for (table, rows) in moved.rows.iter().filter(|(_, rows)| **rows > 0) {
        writeln!(out, "{rows:>12} {table}")?;
    }
    writeln!(
        out,
        "every row is the same, the audit trail is whole, and the feed goes on behind position {}",
        moved.position
    )?;
    writeln!(
        out,
        "next: set `store.url`, run `process-apis replay`, start process-apis, and put {} away: were it served again, \
         orders would be taken and created twice. docs/runbooks/move-to-postgresql.md",
        path.display()
    )?;
    Ok(true)
}

/// The data file of the embedded store.
fn data_file(config: &Config) -> anyhow::Result<PathBuf> {
    ensure!(
        config.store.postgres().is_none(),
        "the store is a PostgreSQL database: use its own tools (pg_basebackup, pg_dump)"
    );
    Ok(config.store.path.clone())
}

async fn replay_one(store: &dyn Store, id: OrderId, out: &mut impl Write) -> anyhow::Result<bool> {
    let Some(replayed) = replay(store, id).await? else {
        bail!("there is no order {id}");
    };
    writeln!(out, "{replayed}")?;
    Ok(!replayed.is_wrong())
}

async fn replay_each(store: &dyn Store, each: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut told = Ok(());
    let summary = replay_all(store, |replayed| {
        if told.is_ok() && (each || replayed.is_wrong()) {
            told = writeln!(out, "{replayed}");
        }
    })
    .await?;
    told?;
    let Summary {
        orders,
        events,
        same,
        later,
        wrong,
    } = summary;
    writeln!(
        out,
        "{orders} orders of {events} events: {same} same, {later} of a later release, {wrong} wrong"
    )?;
    Ok(wrong == 0)
}

/// Rows removed at a time: other commands wait for them.
const SHARE: u16 = 200;

async fn retain(
    store: &dyn Store,
    config: &Config,
    apply: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let now = Clock::system().now();
    let before = |age: HumanDuration| now.checked_sub(age.signed());
    let kept = Kept {
        orders: before(config.retention.orders)?,
        quotes: before(config.retention.quotes)?,
        reservations: before(config.retention.reservations)?,
        documents: before(config.retention.documents)?,
    };
    let outdated = store.outdated(kept).await?;
    for of in &outdated {
        let Outdated {
            company,
            orders,
            quotes,
            reservations,
            documents,
            decisions,
        } = of;
        writeln!(
            out,
            "{company}: {orders} orders, {quotes} quotes, {reservations} reservations, {documents} documents, \
             {decisions} decision records"
        )?;
    }
    if outdated.is_empty() {
        writeln!(
            out,
            "nothing is older than `retention` in the configuration says"
        )?;
    } else if !apply {
        writeln!(
            out,
            "nothing was removed; --apply removes it, and nothing brings it back"
        )?;
    } else {
        for of in &outdated {
            store.commit(announcement(of, now)).await?;
        }
        while store.forget(kept, SHARE).await? > 0 {}
        writeln!(out, "removed")?;
    }
    Ok(true)
}

/// What the audit trail says before anything is removed.
fn announcement(of: &Outdated, at: Timestamp) -> Commit {
    let detail = json!({
        "orders": of.orders,
        "quotes": of.quotes,
        "reservations": of.reservations,
        "documents": of.documents,
        "decisions": of.decisions,
    });
    Commit {
        cause: Some(Cause {
            company: of.company.clone(),
            at,
            principal: "process-apis retention".to_owned(),
            channel: "operator".to_owned(),
            correlation_id: String::new(),
            traceparent: String::new(),
        }),
        audit: vec![AuditEntry {
            action: "retention.applied".to_owned(),
            subject: of.company.to_string(),
            detail,
        }],
        ..Commit::default()
    }
}

fn restore(from: &Path, path: &Path, out: &mut impl Write) -> anyhow::Result<bool> {
    let now = Clock::system().now();
    let kept = format!(".before-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let (restored, before) = backup::restore(from, path, &kept, now)?;
    writeln!(
        out,
        "{} holds {} orders up to feed position {} again",
        path.display(),
        restored.orders,
        restored.position
    )?;
    if let Some(before) = before {
        writeln!(out, "the file before is {}", before.display())?;
    }
    writeln!(
        out,
        "what was acknowledged after the backup is not in it: follow docs/runbooks/backup-and-restore.md before it serves"
    )?;
    Ok(true)
}

async fn set_back(config: &Config, out: &mut impl Write) -> anyhow::Result<bool> {
    let path = &config.store.path;
    ensure!(
        config.store.postgres().is_some() || path.is_file(),
        "there is no {}",
        path.display()
    );
    let opened = Engine::open_for_a_change(&config.store).await?;
    let now = Clock::system().now();
    let noted = opened.store().set_back(now).await;
    opened.close().await;
    noted?;
    writeln!(
        out,
        "orders taken before {now} are looked for in the ERP and the warehouse before anything is created there; go on \
         with docs/runbooks/backup-and-restore.md before it serves"
    )?;
    Ok(true)
}
