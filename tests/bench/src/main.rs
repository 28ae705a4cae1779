//! Measurements, all on loopback: Orderway as it is run, beside limits and other software, under the same load in the same minutes.
//! docs/performance.md says what is measured and how; docs/performance/ holds the last run of each workload.
//!
//! `cargo run --release -p bench -- W1 --peers`; `-- quick` shows W1 to W4 in five minutes.

mod contest;
mod estate;
mod figures;
mod floors;
mod load;
mod machine;
mod peers;
#[cfg(feature = "tryton")]
mod protection;
mod report;
mod tree;
mod workloads;

use std::{io::Write as _, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use tests::processes::{Binaries, Build};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use crate::{
    floors::Floor,
    workloads::{Options, Workload},
};

/// As the layers have it: a quarter of the CPU time of an answer went into the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Orderway.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    /// What is measured.
    #[arg(required = true)]
    workloads: Vec<Workload>,
    /// Beside the limits, other software: installed by its name from its registry where it is not there.
    #[arg(long)]
    peers: bool,
    /// How often each contestant has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,
    /// How many seconds a turn lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many shipment events a turn of W5 has, in steps of five.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(5..=100_000))]
    events: u32,
    /// W6: how many orders are stored already, of which each takes up to 40 KB of the temporary folder's disk.
    #[arg(long, default_value_t = workloads::STORED, value_parser = clap::value_parser!(u32).range(20_000..))]
    stored: u32,
    /// Keeps the run in docs/performance.
    #[arg(long)]
    json: bool,
    /// A folder with Orderway's programs, built already; without it they are built with profile `dist`.
    #[arg(long, global = true)]
    binaries: Option<PathBuf>,
    /// Where peers are installed; without it a folder beside what cargo builds.
    #[arg(long)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// W1 to W4 beside their limits, once and briefly: five minutes.
    Quick,
    /// What a real ERP sees of a busy shop: through Orderway, and without it (needs tests/backends/tryton up).
    #[cfg(feature = "tryton")]
    Protection {
        /// Requests a second, whatever becomes of those before.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5_000))]
        rate: u32,
        /// How long each part lasts.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=600))]
        seconds: u64,
        /// Chooses who asks for what.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// X12, read in a process of its own; the workload starts it.
    #[command(hide = true)]
    Edi {
        #[command(subcommand)]
        task: workloads::edi::Task,
    },
    /// A peer of our own making as a process of its own; a workload starts it.
    #[command(hide = true)]
    AxumMoka {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
    },
    /// A limit as a process of its own; the workloads start it.
    #[command(hide = true)]
    Floor {
        #[command(subcommand)]
        floor: Floor,
    },
}

fn main() -> anyhow::Result<()> {
    let mut arguments = Arguments::parse();
    match arguments.what.take() {
        #[cfg(feature = "tryton")]
        Some(What::Protection {
            rate,
            seconds,
            seed,
        }) => {
            let lasts = Duration::from_secs(seconds);
            Builder::new_multi_thread()
                .enable_all()
                .build()?
                .block_on(protection::run(rate, lasts, seed))
        }
        Some(What::Edi { task }) => workloads::edi::work(task),
        Some(What::AxumMoka { listen, to }) => on_one_thread(peers::axum_moka::serve(listen, to)),
        Some(What::Floor { floor }) => on_one_thread(floors::serve(floor)),
        Some(What::Quick) => {
            arguments.workloads = Workload::QUICK.into();
            arguments.rounds = 1;
            arguments.seconds = 2;
            on_one_thread(until_stopped(measure(arguments)))
        }
        None => on_one_thread(until_stopped(measure(arguments))),
    }
}

/// The load has a core of its own, and so has each floor: more threads would only hand work to each other.
fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(Box::pin(work))
}

/// Whoever stops the bench stops what it has started: that would go on, and be in the way of the next run.
async fn until_stopped(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = Box::pin(work) => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped before its end"),
        _ = terminate.recv() => anyhow::bail!("stopped before its end"),
    }
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let how = Build {
        profile: Some("dist"),
        features: &[],
    };
    let built = match &arguments.binaries {
        None => "Orderway's programs are built with profile dist",
        Some(_) => "Orderway's programs are some that were built before, by whatever profile",
    };
    let binaries = Binaries::get(arguments.binaries.as_deref(), how).await?;
    machine::take_the_load_side()?;
    let cache = match arguments.cache {
        Some(cache) => cache,
        None => binaries.target()?.join("peers"),
    };
    let options = Options {
        peers: arguments.peers,
        rounds: arguments.rounds.into(),
        lasts: Duration::from_secs(arguments.seconds),
        events: arguments.events,
        stored: arguments.stored,
        cache,
    };
    for workload in arguments.workloads {
        let mut report = workloads::run(workload, &binaries, &options).await?;
        report.settings.insert(0, built.to_owned());
        report.print()?;
        if arguments.json {
            say(&format!("kept in {}", report.keep()?.display()))?;
        }
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
