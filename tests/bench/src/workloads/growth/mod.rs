//! W6: growth: orders over few and over very many that are stored already, starts, the disk; stock over few and over very many items.

mod atp;
mod stored;

use std::{path::Path, time::Duration};

use rusqlite::Connection;
use rustix::fs::statvfs;
use tests::processes::Binaries;

use self::stored::Stored;
use super::{
    Options,
    orders::{
        CALLERS,
        turn::{Turn, table},
    },
};
use crate::{
    contest::{Contestant, Lap, standings},
    estate::Started,
    figures::{Ratio, Spread, mebibytes, micros},
    machine::{Machine, sync_probe},
    report::{Goal, Report, Table},
    say,
};

/// Orders that are stored when the load comes.
const FEW: u32 = 10_000;
/// The same of the larger store, unless it is said otherwise.
pub(crate) const STORED: u32 = 1_000_000;
/// What an order takes of the disk, and more.
const ORDER_BYTES: u64 = 40_000;
/// Of the processor time of an order over many to that of one over few.
const BOUND: Ratio = Ratio::hundredths(125);

const PROCESS: &str = "process-apis alone";
const THREE: &str = "Orderway, three layers";

fn over(who: &str, orders: u32) -> String {
    format!("{who}, 5 lines, over {orders} stored")
}

/// Takes orders on top of few and of many, and asks for stock of few items and of many.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    let mut report = Report::new(
        "W6",
        "growth: orders over stored orders, starts, disk, stock of many items",
        machine,
    );
    let sizes = [FEW, options.stored];
    room(sizes)?;
    if options.stored != STORED {
        let stored = options.stored;
        report.left_out.push(format!(
            "{STORED} stored orders, which is what the goal asks for: {stored} were asked for in their place"
        ));
    }
    report.settings.extend(settings(options));
    let mut both = Vec::new();
    for orders in sizes {
        let stored = Box::pin(Stored::make(binaries, orders)).await?;
        say(&format!(
            "{orders} orders are stored: {} copies made in {} s",
            stored.made.copies,
            stored.made.took.as_secs()
        ))?;
        both.push(stored);
    }
    let of_tables = both.first().map(rows_table).transpose()?;
    let folder = tempfile::tempdir()?;
    report.sync_probes.push(sync_probe(folder.path())?);
    let (mut contestants, mut turns) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        contestants.clear();
        for stored in &mut both {
            let done = stored.round(options.lasts, round).await?;
            contestants.extend(done.contestants);
            turns.extend(done.turns);
        }
        say(&format!("round {round} of {} is done", options.rounds))?;
    }
    report.sync_probes.push(sync_probe(folder.path())?);
    judge(&mut report, sizes, &contestants, &turns);
    report.laps.extend(turns.into_iter().map(|turn| turn.lap));
    report.tables.push(stores_table(&both)?);
    report.tables.extend(of_tables);
    drop(both);
    if let Err(error) = Box::pin(atp::race(&mut report, binaries, options)).await {
        report
            .left_out
            .push(format!("availability over many items: {error:#}"));
    }
    Ok(report)
}

/// Nobody is served by a disk that is full after some minutes.
fn room(sizes: [u32; 2]) -> anyhow::Result<()> {
    let place = statvfs(std::env::temp_dir())?;
    let free = place.f_bavail.saturating_mul(place.f_frsize);
    let orders: u64 = sizes.into_iter().map(u64::from).sum();
    let wanted = orders.saturating_mul(ORDER_BYTES);
    anyhow::ensure!(
        free >= wanted,
        "the stored orders take up to {} MiB of the disk, and {} are free: free some, set TMPDIR, or try fewer with --stored",
        wanted / 1_048_576,
        free / 1_048_576
    );
    Ok(())
}

fn settings(options: &Options) -> [String; 4] {
    [
        format!(
            "an estate for each store; {} orders of 5 lines through the portal, drained, shipped by the warehouse, and nothing left to \
             do; then each is copied under ids, a reference and a number of its own, older than it: its state, events, effects, \
             decisions, idempotency key, lines of the audit trail (linked and hashed anew), and facts that only its decisions were \
             made from (the same JSON behind blanks, so of another hash)",
            stored::ORIGINALS
        ),
        "what the copies leave out: they are of one account and of the originals' instant, but for their ids; the ERP and the warehouse \
         do not know them; facts that several originals share (rules, products, prices) are stored once for all; nothing of a finished \
         order is left in the ledgers. What they have too much: no key was swept yet, as none is for a day in life"
            .to_owned(),
        format!(
            "{} rounds: process-apis are started on one store, {CALLERS} callers send each its next order when the last is acknowledged, \
             for {} s, until drained, alone and then through three layers, each after a second that is not counted; they are ended, and \
             the other store has its turn. Processor time as in W3",
            options.rounds,
            options.lasts.as_secs()
        ),
        "what the ERP has else of an order is looked for after a day, so that no turn works for one before it".to_owned(),
    ]
}

fn judge(report: &mut Report, sizes: [u32; 2], contestants: &[Contestant], turns: &[Turn]) {
    let laps: Vec<Lap> = turns.iter().map(|turn| turn.lap.clone()).collect();
    let standings = standings(contestants, &laps);
    let [few, many] = sizes;
    for who in [PROCESS, THREE] {
        let cpu = |orders| {
            let name = over(who, orders);
            let found = standings.iter().find(|standing| standing.name == name);
            found.map(|standing| standing.cpu.median)
        };
        let ratio = cpu(many).zip(cpu(few));
        let ratio = ratio.and_then(|(many, few)| Ratio::of(many, few));
        let what = format!("{who}: CPU of an order over {many} stored, to that over {few}");
        report.goals.push(Goal::at_most(what, ratio, BOUND));
    }
    let title = "Orders over stored orders (SQLite)";
    report.tables.push(table(title, &standings, turns));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// KiB with one place.
fn kibibytes(bytes: u64, of: u64) -> String {
    let tenths = bytes.saturating_mul(10).checked_div(of).unwrap_or_default() / 1_024;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn told(of: Spread, write: impl Fn(u64) -> String) -> String {
    let [median, least, most] = [of.median, of.least, of.most].map(write);
    format!("{median} ({least} to {most})")
}

/// A file of `process-apis`, to look into.
fn reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The one number of an answer that has one.
fn number(file: &Path, sql: &str) -> anyhow::Result<u64> {
    let found: i64 = reader(file)?.query_row(sql, (), |row| row.get(0))?;
    Ok(u64::try_from(found)?)
}

fn stores_table(both: &[Stored]) -> anyhow::Result<Table> {
    let row = |stored: &Stored| {
        let made = &stored.made;
        let added = made.bytes.saturating_sub(made.bytes_before);
        let now = stored.measured()?;
        let (grown, taken) = (
            now.bytes.saturating_sub(made.bytes),
            now.orders.saturating_sub(u64::from(stored.orders)),
        );
        let (cold, later) = match stored.starts.split_first() {
            Some((cold, later)) => (Some(cold), later),
            None => (None, [].as_slice()),
        };
        let first =
            |start: &Started| format!("{} ms, CPU {} ms", millis(start.took), millis(start.used));
        let figure = |of: fn(&Started) -> u64| Spread::of(later.iter().map(of));
        anyhow::Ok(vec![
            stored.orders.to_string(),
            mebibytes(made.bytes / 1_024),
            kibibytes(added, u64::from(made.copies)),
            format!("{} ({taken} orders)", kibibytes(grown, taken)),
            cold.map_or_else(String::new, first),
            format!(
                "{} ms, CPU {} ms",
                told(figure(|start| millis(start.took)), |ms| ms.to_string()),
                told(figure(|start| millis(start.used)), |ms| ms.to_string())
            ),
            mebibytes(figure(|start| start.memory_kib).median),
        ])
    };
    Ok(Table {
        title: "Disk, and starts of process-apis until /readyz says yes (looked at every 20 ms)"
            .to_owned(),
        head: [
            "stored orders",
            "MiB of the file",
            "KiB an order: copies",
            "KiB an order: taken in the rounds",
            "first start, nothing of the file in memory",
            "later starts: median (least to most)",
            "MiB (PSS) when ready",
        ]
        .map(str::to_owned)
        .into(),
        rows: both.iter().map(row).collect::<Result<_, _>>()?,
    })
}

/// Where the bytes of an order are.
fn rows_table(stored: &Stored) -> anyhow::Result<Table> {
    let orders = u64::from(stored.orders);
    let row = |part: &stored::Part| {
        let rows = part.rows.map(|rows| {
            let ratio = Ratio::of(rows, orders);
            ratio.map_or_else(String::new, |ratio| ratio.to_string())
        });
        vec![
            part.table.clone(),
            rows.unwrap_or_default(),
            kibibytes(part.bytes, orders),
            kibibytes(part.indexes, orders),
        ]
    };
    let parts = stored.parts()?;
    Ok(Table {
        title: format!("Where the bytes of an order are, over {orders}"),
        head: ["table", "rows an order", "KiB an order", "of its indexes"]
            .map(str::to_owned)
            .into(),
        rows: parts.iter().map(row).collect(),
    })
}

/// Nanoseconds of each of so many, as microseconds.
fn micros_each(time: Duration, of: u64) -> String {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    micros(nanos.checked_div(of).unwrap_or_default())
}
