//! The workloads: each sets up who takes part, drives them, and judges what came of it by its goals.

pub(crate) mod edi;
mod events;
mod growth;
mod memory;
mod orders;
mod page_peers;
mod pages;
mod portal;
mod slow_erp;

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use service_runtime::clock::Clock;
use tests::processes::Binaries;

pub(crate) use self::growth::STORED;
use crate::{machine::Machine, report::Report};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum Workload {
    /// A page of 20 products with price and availability, warm, through three layers.
    W1,
    /// The ERP protected: 150 ms a call, 20 calls a second, 500 requests a second over 200 skewed pages.
    W2,
    /// Orders of 5 and 200 lines, taken for good and drained to the ERP.
    W3,
    /// Purchase orders by X12 of 5 and 1,000 lines, to 997 and 855.
    W4,
    /// 10,000 shipment events to order state, feed and signed webhook, and once more across kill -9.
    W5,
    /// Growth: orders over 10,000 and over 1,000,000 stored ones, stock over 200 and over 100,000 items.
    W6,
    /// Memory: idle, with 10,000 open streams, with 10,000 slow clients.
    W7,
}

impl Workload {
    /// Those that show something within minutes.
    pub(crate) const QUICK: [Self; 4] = [Self::W1, Self::W2, Self::W3, Self::W4];
}

/// How it is measured.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Beside the floors, other software.
    pub(crate) peers: bool,
    /// How often each has its turn.
    pub(crate) rounds: usize,
    /// How long a turn lasts.
    pub(crate) lasts: Duration,
    /// How many shipment events a turn of W5 has.
    pub(crate) events: u32,
    /// Of the larger store of W6.
    pub(crate) stored: u32,
    /// Where peers are installed.
    pub(crate) cache: PathBuf,
}

/// Measures a workload.
pub(crate) async fn run(
    workload: Workload,
    binaries: &Binaries,
    options: &Options,
) -> anyhow::Result<Report> {
    let machine = Machine::now(Clock::system().now());
    match workload {
        Workload::W1 => Box::pin(pages::run(binaries, options, machine)).await,
        Workload::W2 => Box::pin(slow_erp::run(binaries, options, machine)).await,
        Workload::W3 => Box::pin(orders::run(binaries, options, machine)).await,
        Workload::W4 => Box::pin(edi::run(binaries, options, machine)).await,
        Workload::W5 => Box::pin(events::run(binaries, options, machine)).await,
        Workload::W6 => Box::pin(growth::run(binaries, options, machine)).await,
        Workload::W7 => Box::pin(memory::run(binaries, options, machine)).await,
    }
}
