//! Measurements: what a backend is spared, and what its buyers see meanwhile. docs/performance.md holds the last of each.
//!
//! `cargo run --release -p bench -- protection` needs a running Tryton (`tests/backends/tryton up`). Nothing leaves loopback, and
//! nothing here says good or bad: that is for whoever reads the figures.

mod figures;
mod open_loop;
mod protection;

use std::{io::Write as _, time::Duration};

use clap::{Parser, Subcommand};

/// A quarter of the CPU time of an answer went into the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a running Orderway.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What a real ERP sees of a busy shop: through Orderway, and without it.
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Protection {
            rate,
            seconds,
            seed,
        } => Box::pin(protection::run(rate, Duration::from_secs(seconds), seed)).await,
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
