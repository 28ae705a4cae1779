//! Orders that survive, tried out: the layers run as processes, are killed, stopped, cut off and misled, and what is left
//! is judged from outside, by the records of ERP and WMS and the log of what was acknowledged.
//!
//! `cargo run --profile ci -p chaos -- short` is a part of `.ci/run`; `-- long` is for a person with an hour to spare.

mod ack_log;
mod actions;
mod bus;
mod callers;
mod cluster;
mod estate;
mod events;
mod faults;
mod floor;
mod histories;
mod judge;
mod linear;
mod load;
mod orders;
mod outside;
mod report;
mod run;
mod scenarios;
mod suites;
mod trace;
mod twice;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum as _};
use futures_util::future;
use rand::Rng as _;
use sandbox::CreateClass;
use tests::processes::{Binaries, Build};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    estate::StorePlace,
    report::Report,
    scenarios::{Options, Scenario},
};

/// The layers are killed there.
const CRASH_POINTS: [&str; 2] = ["process-apis/crash-points", "system-apis/crash-points"];

/// Kills and misleads a running estate, and judges from outside what became of its orders.
#[derive(Debug, Parser)]
struct Arguments {
    /// `short`, `long`, `list`, or a scenario.
    what: String,
    /// Chooses orders and faults; by chance, and told, unless it is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many orders.
    #[arg(long)]
    orders: Option<u32>,
    /// How many orders a second.
    #[arg(long)]
    rate: Option<u32>,
    /// How many faults of processes.
    #[arg(long)]
    faults: Option<usize>,
    /// How long an outage lasts, or what else a scenario does for a time.
    #[arg(long)]
    seconds: Option<u64>,
    /// What the ERP does with a repeated create: staged, unique or searchable.
    #[arg(long, default_value = "staged")]
    class: String,
    /// The store is a `PostgreSQL` server, started for this, in place of an `SQLite` file.
    #[arg(long)]
    postgres: bool,
    /// Every case, where luck would choose some.
    #[arg(long)]
    all: bool,
    /// A folder for the reports, as JSON.
    #[arg(long)]
    reports: Option<PathBuf>,
    /// A folder with binaries that are built already, with their crash points.
    #[arg(long)]
    binaries: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.what == "list" {
        for scenario in Scenario::value_variants() {
            say(scenario.name())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Whoever is interrupted drops all it has: processes, servers, disks and folders go with it.
    let mut told = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ]
    .map(signal);
    let interrupted = future::select_all(told.iter_mut().map(|told| {
        Box::pin(async {
            match told {
                Ok(told) => told.recv().await,
                Err(_) => future::pending().await,
            }
        })
    }));
    tokio::select! {
        came = all(arguments) => came,
        _ = interrupted => anyhow::bail!("interrupted"),
    }
}

async fn all(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let binaries = Binaries::get(
        arguments.binaries.as_deref(),
        Build {
            profile: None,
            features: &CRASH_POINTS,
        },
    )
    .await?;
    let options = options(&arguments)?;
    let parts = match arguments.what.as_str() {
        "short" => suites::short(&options),
        "long" => suites::long(&options),
        what => {
            let chosen = Scenario::from_str(what, true);
            let scenario = chosen.map_err(|_unknown| {
                anyhow::anyhow!(
                    "{what:?} is no scenario: `list` names them, beside `short` and `long`"
                )
            })?;
            vec![vec![vec![(scenario, options)]]]
        }
    };
    verdict(&suites::run(&binaries, parts).await?)
}

fn options(arguments: &Arguments) -> anyhow::Result<Options> {
    let class = match arguments.class.as_str() {
        "staged" => CreateClass::Staged,
        "unique" => CreateClass::Unique,
        "searchable" => CreateClass::Searchable,
        other => {
            anyhow::bail!("{other:?} is no class that can be tried: staged, unique, searchable")
        }
    };
    let seed = arguments.seed;
    Ok(Options {
        seed: seed.unwrap_or_else(|| rand::rng().random_range(1..1_000_000)),
        orders: arguments.orders,
        rate: arguments.rate,
        faults: arguments.faults,
        seconds: arguments.seconds,
        class,
        store: if arguments.postgres {
            StorePlace::Postgres
        } else {
            StorePlace::Sqlite
        },
        all: arguments.all,
        reports: arguments.reports.clone(),
    })
}

fn verdict(reports: &[Report]) -> anyhow::Result<ExitCode> {
    say("")?;
    for report in reports {
        say(&format!(
            "{:<28} {:>5} s  {}",
            report.scenario,
            report.seconds,
            report.verdict()
        ))?;
    }
    let good = reports.iter().all(Report::is_good);
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
