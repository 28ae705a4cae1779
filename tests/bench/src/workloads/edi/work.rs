//! What is measured of X12 in a process of its own: `bench edi …`.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Subcommand;
use edi::x12::{
    self, Delimiters, Interchange, Limits, OutboundEnvelope, PartyId, ReadOptions, Reply, Usage,
    Verdict,
    po_acknowledgment::{
        AcknowledgedLine, LineStatus, PurchaseOrderAcknowledgment, ScheduleAcknowledgment,
    },
    purchase_order::{self, Line, PurchaseOrder},
};
use jiff::civil::{Date, DateTime, date};
use memchr::{memchr, memchr_iter};
use rustix::time::{ClockId, clock_gettime};

use crate::say;

/// When all of it happens.
const TODAY: Date = date(2026, 11, 22);

/// What is done with a file.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Reads it as a purchase order, and writes its 997 and 855, again and again.
    Answer { file: PathBuf, millis: u64 },
    /// Reads its envelope and segments alone, again and again.
    Read { file: PathBuf, millis: u64 },
    /// Reads it, and the order that it is, with the verdict over both.
    Judge { file: PathBuf, millis: u64 },
    /// As `answer`, the way the channel runs: it reads a file to find the interchanges in it, and once more to judge each.
    AnswerAsRun { file: PathBuf, millis: u64 },
    /// Splits it into segments and elements, and does nothing with them.
    Split { file: PathBuf, millis: u64 },
    /// Reads it once, and tells the most memory that it took.
    Once {
        file: PathBuf,
        /// To the orders and the 997, and not the envelope and segments alone.
        #[arg(long)]
        to_orders: bool,
        /// As many segments as there are, where the reader has a limit.
        #[arg(long)]
        unlimited: bool,
    },
}

/// Does it, and prints what it took.
pub(crate) fn work(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Answer { file, millis } => timed(&file, millis, |bytes| answer(bytes, false)),
        Task::Read { file, millis } => timed(&file, millis, |bytes| {
            Ok(x12::read(bytes, &ReadOptions::default()).interchanges.len())
        }),
        Task::Judge { file, millis } => timed(&file, millis, |bytes| {
            let outcome = x12::read(bytes, &ReadOptions::default());
            let interchange = outcome.interchanges.first().context("no interchange")?;
            Ok(black_box(judged(interchange)).1.len())
        }),
        Task::AnswerAsRun { file, millis } => timed(&file, millis, |bytes| answer(bytes, true)),
        Task::Split { file, millis } => timed(&file, millis, |bytes| Ok(split(bytes))),
        Task::Once {
            file,
            to_orders,
            unlimited,
        } => once(&file, to_orders, unlimited),
    }
}

/// Prints the processor time of a document in ns, after as much time to warm up.
fn timed(
    file: &Path,
    millis: u64,
    one: impl Fn(&[u8]) -> anyhow::Result<usize>,
) -> anyhow::Result<()> {
    let bytes = std::fs::read(file)?;
    let lasts = Duration::from_millis(millis);
    let warm_up = Instant::now();
    let mut batch = 0_u64;
    while warm_up.elapsed() < lasts {
        black_box(one(black_box(&bytes))?);
        batch = batch.saturating_add(1);
    }
    // The clock is looked at rarely, so that it is no part of a small document's cost.
    batch = (batch / 100).max(1);
    let begun = Instant::now();
    let before = processor_time()?;
    let mut documents = 0_u64;
    while begun.elapsed() < lasts {
        for _ in 0..batch {
            black_box(one(black_box(&bytes))?);
        }
        documents = documents.saturating_add(batch);
    }
    let nanos = processor_time()?.saturating_sub(before);
    say(&nanos.checked_div(documents).unwrap_or_default().to_string())
}

/// The processor time that this process has used, in ns.
fn processor_time() -> anyhow::Result<u64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec)?.saturating_mul(1_000_000_000);
    Ok(seconds.saturating_add(u64::try_from(time.tv_nsec)?))
}

/// The limit: where every element begins and ends is found, and counted.
fn split(bytes: &[u8]) -> usize {
    let mut elements = 0_usize;
    let mut rest = bytes;
    while let Some((segment, after)) =
        memchr(b'~', rest).and_then(|end| Some((rest.get(..end)?, rest.get(end..)?.get(1..)?)))
    {
        let mut begin = 0_usize;
        for end in memchr_iter(b'*', segment) {
            black_box(segment.get(begin..end));
            begin = end.saturating_add(1);
            elements = elements.saturating_add(1);
        }
        black_box(segment.get(begin..));
        elements = elements.saturating_add(1);
        rest = after;
    }
    elements
}

/// From the bytes of an 850 to those of its 997 and 855; how many these are.
fn answer(bytes: &[u8], as_run: bool) -> anyhow::Result<usize> {
    let options = ReadOptions::default();
    if as_run {
        black_box(x12::read(bytes, &options).interchanges.len());
    }
    let outcome = x12::read(bytes, &options);
    let interchange = outcome.interchanges.first().context("no interchange")?;
    let (verdict, orders) = judged(interchange);
    if as_run {
        // To know whether one is due, before it has its number.
        black_box(verdict.reply(&reply())?);
    }
    let functional = verdict.reply(&reply())?.context("no 997 is due")?;
    let mut written = functional.len();
    let envelope = envelope(interchange);
    for order in &orders {
        let bytes = acknowledged(order).write(&envelope)?;
        written = written.saturating_add(black_box(bytes).len());
    }
    anyhow::ensure!(!orders.is_empty(), "no order");
    Ok(written)
}

/// The verdict over an interchange, and its orders.
fn judged(interchange: &Interchange<'_>) -> (Verdict, Vec<PurchaseOrder>) {
    let mut verdict = Verdict::of(interchange);
    let mut orders = Vec::new();
    for (group, group_verdict) in interchange.groups.iter().zip(&mut verdict.groups) {
        for (set, set_verdict) in group.sets.iter().zip(&mut group_verdict.sets) {
            let reading = purchase_order::read(set, &group.version, Limits::default().faults);
            set_verdict.segments = reading.faults;
            orders.extend(reading.order);
        }
    }
    (verdict, orders)
}

fn noon() -> DateTime {
    TODAY.at(12, 0, 0, 0)
}

fn reply() -> Reply {
    Reply {
        interchange_control_number: 1,
        group_control_number: 1,
        set_control_number: 1,
        date_time: noon(),
        delimiters: Delimiters::default(),
    }
}

fn envelope(interchange: &Interchange<'_>) -> OutboundEnvelope {
    let party = |party: &PartyId| party.clone();
    OutboundEnvelope {
        sender: party(&interchange.header.receiver),
        receiver: party(&interchange.header.sender),
        application_sender: "NORTHWIND".into(),
        application_receiver: "ACMEMFG".into(),
        usage: Usage::Production,
        interchange_version: interchange.header.version.clone(),
        version: "004010".into(),
        interchange_control_number: 2,
        group_control_number: 2,
        set_control_number: 1,
        acknowledgment_requested: false,
        date_time: noon(),
        delimiters: Delimiters::default(),
    }
}

/// What is said of an order that is taken as it is: every line, with its price and its day.
fn acknowledged(order: &PurchaseOrder) -> PurchaseOrderAcknowledgment<'_> {
    PurchaseOrderAcknowledgment {
        purpose: "00",
        acknowledgment_type: "AD",
        purchase_order_number: &order.purchase_order_number,
        purchase_order_date: order.date.unwrap_or(TODAY),
        release_number: order.release_number.as_deref(),
        sales_order_number: Some("SO-1".into()),
        acknowledgment_date: Some(TODAY),
        currency: order.currency.as_deref(),
        references: Vec::new(),
        messages: Vec::new(),
        lines: order.lines.iter().map(acknowledged_line).collect(),
    }
}

fn acknowledged_line(line: &Line) -> AcknowledgedLine<'_> {
    AcknowledgedLine {
        assigned_id: line.assigned_id.as_deref(),
        quantity: line.quantity,
        unit: line.unit.as_deref().unwrap_or_default(),
        unit_price: line.unit_price,
        price_basis: line.price_basis.as_deref(),
        product_ids: &line.product_ids,
        schedules: vec![ScheduleAcknowledgment {
            status: LineStatus::Accepted,
            quantity: line.quantity,
            date: Some(("068", TODAY)),
        }],
    }
}

/// Prints the most memory of this process in KiB, the segments that were read, and what became of the interchange.
fn once(file: &Path, to_orders: bool, unlimited: bool) -> anyhow::Result<()> {
    let bytes = std::fs::read(file)?;
    let mut options = ReadOptions::default();
    if unlimited {
        options.limits.segments = usize::MAX;
    }
    let outcome = x12::read(&bytes, &options);
    let interchange = outcome.interchanges.first().context("no interchange")?;
    let sets = interchange.groups.iter().flat_map(|group| &group.sets);
    let segments: usize = sets.map(|set| set.segments.len()).sum();
    let mut lines = 0_usize;
    if to_orders {
        let (verdict, orders) = judged(interchange);
        black_box(verdict.reply(&reply())?);
        lines = orders.iter().map(|order| order.lines.len()).sum();
    }
    let status = interchange.status().code();
    let most = most_resident_kib("self").context("the kernel tells no peak")?;
    say(&format!("{most} {segments} {lines} {status}"))
}

/// The most memory that a process has had, in KiB.
pub(super) fn most_resident_kib(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
