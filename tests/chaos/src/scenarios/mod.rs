//! The scenarios: each starts an estate of its own, does what its name says to it, and judges from outside.

mod crash_points;
mod flood;
mod kills;
mod nats;
mod outage;
mod postgres;
mod reservations;
mod start_up;
mod storm;
mod syscalls;

use std::path::PathBuf;

use sandbox::CreateClass;
use tests::processes::Binaries;
use tokio::time::Instant;

use crate::{estate::StorePlace, report::Report};

/// What can be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Chooses orders and faults.
    pub(crate) seed: u64,
    /// How many orders.
    pub(crate) orders: Option<u32>,
    /// How many a second.
    pub(crate) rate: Option<u32>,
    /// How many process faults.
    pub(crate) faults: Option<usize>,
    /// For how long something lasts.
    pub(crate) seconds: Option<u64>,
    /// What the ERP does with a repeated create.
    pub(crate) class: CreateClass,
    /// Where the store is.
    pub(crate) store: StorePlace,
    /// Everything, and not a part by luck.
    pub(crate) all: bool,
    /// Where reports go besides.
    pub(crate) reports: Option<PathBuf>,
}

/// The scenarios by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Every named crash point.
    CrashPoints,
    /// Processes are killed and stopped under load, and the backends misbehave.
    Kills,
    /// The ERP allows 5 calls a second, and 50 are wanted.
    Storm,
    /// Each order 50 times over all channels, 64 at once.
    Flood,
    /// 64 buyers want what there is of 20 items.
    Reservations,
    /// The ERP is down, and orders come in.
    Outage,
    /// `PostgreSQL` crashes and comes back under load.
    Postgres,
    /// The bus is killed, purged and deleted under load.
    Nats,
    /// What is acknowledged is on the disk; a disk that fails or is full.
    Syscalls,
    /// A store of a million orders, 500 of them under way, is ready soon.
    StartUp,
}

impl Scenario {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CrashPoints => "crash-points",
            Self::Kills => "kills",
            Self::Storm => "storm",
            Self::Flood => "flood",
            Self::Reservations => "reservations",
            Self::Outage => "outage",
            Self::Postgres => "postgres",
            Self::Nats => "nats",
            Self::Syscalls => "syscalls",
            Self::StartUp => "start-up",
        }
    }

    /// Runs it, and tells how it went.
    pub(crate) async fn run(
        self,
        binaries: &Binaries,
        options: &Options,
    ) -> anyhow::Result<Report> {
        let begun = Instant::now();
        let on_postgres = options.store == StorePlace::Postgres || self == Self::Postgres;
        if on_postgres && tests::needs::postgres_programs().is_none() {
            let report = Report::skipped(self.name(), "needs postgres");
            report.tell(options.reports.as_deref())?;
            return Ok(report);
        }
        let came = match self {
            Self::CrashPoints => crash_points::run(binaries, options).await,
            Self::Kills => kills::run(binaries, options).await,
            Self::Storm => storm::run(binaries, options).await,
            Self::Flood => flood::run(binaries, options).await,
            Self::Reservations => reservations::run(binaries, options).await,
            Self::Outage => outage::run(binaries, options).await,
            Self::Postgres => postgres::run(binaries, options).await,
            Self::Nats => nats::run(binaries, options).await,
            Self::Syscalls => syscalls::run(binaries, options).await,
            Self::StartUp => start_up::run(binaries, options).await,
        };
        // What kept it from being tried is as bad as what it would have found.
        let mut report = came.unwrap_or_else(|error| {
            let mut report = Report::new(self.name(), options.seed);
            report.violations.push(format!("{error:#}"));
            report
        });
        report.seconds = begun.elapsed().as_secs();
        report.tell(options.reports.as_deref())?;
        Ok(report)
    }
}
