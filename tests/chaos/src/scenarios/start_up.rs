//! A store of very many orders, some hundreds of them under way, is started: it is ready soon, and does what was left.
//!
//! The store is made by the estate itself, of a few hundred orders; each settled one is then copied until there are enough
//! (`tests::multiply`), and the layer takes orders on top of them and is killed before the ERP has got them.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    fs::{Advice, fadvise, statvfs},
    process::Signal,
};
use sandbox::{
    CreateClass,
    fault::{Fault, FaultPlan, FaultRule},
};
use tests::{
    multiply::{Facts, Multiplied, multiply, open_effects, orders_under_way},
    processes::{Binaries, Binary},
};
use tokio::{process::Command, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    estate::{Layer, Plan, StorePlace},
    judge::{Case, Judgment, judge},
    load::{Load, until_settled},
    orders::{Mix, PlannedOrder, planned},
    outside::Records,
    report::Report,
    run::Run,
    scenarios::Options,
};

const ORDERS: u32 = 1_000_000;
/// Of them under way at the start.
const UNDER_WAY: u32 = 500;
/// Made by the estate, to be copied.
const ORIGINALS: u32 = 300;
/// Up to so many the product examines the file afterwards, and more with `--all`: it reads everything, and copies it.
const EXAMINED: u32 = 100_000;
/// What an order takes of the disk, and more.
const ORDER_BYTES: u64 = 25_000;
const RATE: u32 = 25;
const SETTLED_WITHIN: Duration = Duration::from_secs(600);
/// What is asked of the product.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// A deadline of liveness.
const UP_WITHIN: Duration = Duration::from_secs(300);
/// How much more memory a start may take with all orders than with the originals alone.
const GROWTH_KIB: u64 = 64 * 1024;
const CREATE: &str = "/erp/call/SALESORDER_CREATE";
const CONCURRENCY: &str = "ORDERWAY_PROCESS__EFFECTS__CONCURRENCY";
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    anyhow::ensure!(
        options.store == StorePlace::Sqlite,
        "the store that is multiplied is a file"
    );
    let total = options.orders.unwrap_or(ORDERS);
    let under_way = UNDER_WAY.min(total / 4);
    let originals = ORIGINALS.min(total / 4);
    let is_examined = options.all || total <= EXAMINED;
    room(total, is_examined)?;
    let run = Run::start(binaries, plan(options.class), 40).await?;
    let mut report = Report::new("start-up", options.seed);
    let process = run.estate.layer(Binary::Process)?;
    let store = run.estate.folder().join("process-apis.sqlite");
    let mut orders = planned(
        options.seed,
        "STARTUP",
        originals.saturating_add(under_way),
        Mix::ALL,
    );
    let rest = orders.split_off(usize::try_from(originals)?);
    made(&run, process, &store, orders).await?;
    let small = started(&run, process, &mut report, "with the originals alone").await?;
    process.process.put_down(Signal::TERM).await;

    let more = total.saturating_sub(originals.saturating_add(under_way));
    let begun = Instant::now();
    // Whoever is interrupted does not wait for it.
    let stop = CancellationToken::new();
    let (file, stopped, _stops) = (store.clone(), stop.clone(), stop.drop_guard());
    let multiplying =
        tokio::task::spawn_blocking(move || multiply(&file, more, Facts::Shared, &stopped));
    let made = multiplying.await??;
    note_made(&mut report, &made, begun.elapsed());

    process.process.set_environment(CONCURRENCY, Some("2"));
    started(&run, process, &mut report, "after a copy").await?;
    run.crowd.log_in(&run.estate.outside).await?;
    left_under_way(&run, &store, rest).await?;
    process.process.put_down(Signal::KILL).await;
    process.process.set_environment(CONCURRENCY, None);
    let open = orders_under_way(&store)?;
    report.note("orders that the ERP is to get", open);
    report.must(open >= under_way, || {
        format!("{open} orders were left under way, and {under_way} were wanted")
    });
    run.estate.outside.erp_proxy.heal().await?;
    report.note("MiB of the file", size(&store)? / 1_048_576);
    forgotten(&store)?;

    let large = started(&run, process, &mut report, "with all orders").await?;
    report.must(large.took <= READY_WITHIN, || {
        format!("ready after {} ms", large.took.as_millis())
    });
    report.must(
        large.memory.saturating_sub(small.memory) <= GROWTH_KIB,
        || {
            format!(
                "a start takes {} KiB with all orders, and {} KiB with the originals",
                large.memory, small.memory
            )
        },
    );
    let (found, took) = settled(&run).await?;
    run.note(&mut report, &found, took);
    answers(&run, options.seed, &mut report).await?;
    let memory = process.process.resident_kib();
    report.note("memory when all was settled and read, KiB", memory);
    run.finish(&mut report, &found).await;
    process.process.put_down(Signal::TERM).await;
    if is_examined {
        examined(&run, binaries, &store, &mut report).await?;
    }
    Ok(report)
}

fn plan(class: CreateClass) -> Plan {
    Plan {
        class,
        ..Plan::default()
    }
    // So many at once of so few items.
    .far_bounds()
    // Nothing is left to do for an original soon.
    .with("ORDERWAY_PROCESS__EFFECTS__GHOST_SWEEP", "[\"1s\"]")
    .usual_times()
}

/// Nobody is served by a disk that is full after half an hour.
fn room(orders: u32, is_copied: bool) -> anyhow::Result<()> {
    let place = statvfs(std::env::temp_dir())?;
    let free = place.f_bavail.saturating_mul(place.f_frsize);
    let copies = if is_copied { 2 } else { 1 };
    let wanted = u64::from(orders)
        .saturating_mul(ORDER_BYTES)
        .saturating_mul(copies);
    anyhow::ensure!(
        free >= wanted,
        "{orders} orders take {} MiB of the disk, and {} are free: free some, or try fewer with --orders",
        wanted / 1_048_576,
        free / 1_048_576
    );
    Ok(())
}

/// Orders of every channel, a third of them shipped, with nothing left to do.
async fn made(
    run: &Run,
    process: &Layer,
    store: &Path,
    orders: Vec<PlannedOrder>,
) -> anyhow::Result<()> {
    Load::start(&run.crowd, &run.log, orders, RATE)
        .settled(SETTLED_WITHIN)
        .await;
    let (found, records, _) = run.settle(SETTLED_WITHIN).await?;
    anyhow::ensure!(found.is_settled(), "the originals do not settle");
    for pick in records.picks.iter().step_by(3) {
        for step in ["pick", "pack", "ship"] {
            run.estate.outside.work(&pick.pick_request_id, step).await?;
        }
    }
    let begun = Instant::now();
    let shipped = records.picks.len().div_ceil(3) / 2;
    loop {
        let told = run.told().await?;
        let told = told.values().filter(|status| *status == "shipped").count();
        let open = open_effects(store)?;
        if told >= shipped && open == 0 {
            break;
        }
        anyhow::ensure!(
            begun.elapsed() < SETTLED_WITHIN,
            "{told} originals are shipped, and {open} effects open"
        );
        tokio::time::sleep(PAUSE).await;
    }
    process.process.put_down(Signal::TERM).await;
    Ok(())
}

fn note_made(report: &mut Report, made: &Multiplied, took: Duration) {
    report.note("originals", made.originals);
    report.note("copies", made.copies);
    report.note("made in, s", took.as_secs());
    report.note("rows", &made.rows);
}

/// The ERP does not answer to creates while orders are taken; everything else goes on.
async fn left_under_way(run: &Run, store: &Path, orders: Vec<PlannedOrder>) -> anyhow::Result<()> {
    let silent = Fault::BlackHole { hold_ms: 600_000 };
    let plan = FaultPlan::of_rules(vec![FaultRule::new(CREATE, silent)]);
    run.estate.outside.erp_proxy.set(&plan).await?;
    let count = u32::try_from(orders.len())?;
    let begun = Instant::now();
    Load::start(&run.crowd, &run.log, orders, RATE)
        .settled(SETTLED_WITHIN)
        .await;
    // A document is acknowledged when it is stored, and its order taken a little later.
    while orders_under_way(store)? < count && begun.elapsed() < SETTLED_WITHIN {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// A start.
struct Started {
    took: Duration,
    memory: u64,
}

/// Starts the layer, and waits until it says that it has started and is ready.
async fn started(
    run: &Run,
    process: &Layer,
    report: &mut Report,
    what: &str,
) -> anyhow::Result<Started> {
    let begun = Instant::now();
    process.process.put_up().await?;
    for probe in ["startupz", "readyz"] {
        let url = format!("{}/{probe}", process.url);
        let says_yes = async || {
            let asked = run.estate.http.get(&url).timeout(PAUSE).send().await;
            asked.is_ok_and(|answer| answer.status().is_success())
        };
        while !says_yes().await {
            anyhow::ensure!(begun.elapsed() < UP_WITHIN, "{url} does not say yes");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    let took = begun.elapsed();
    let memory = process.process.resident_kib().unwrap_or(0);
    report.note(&format!("ready {what}, ms"), took.as_millis());
    report.note(&format!("memory {what}, KiB"), memory);
    Ok(Started { took, memory })
}

/// Nothing of the file is in memory when it is opened.
fn forgotten(store: &Path) -> anyhow::Result<()> {
    for file in with_log(store) {
        if let Ok(file) = File::open(&file) {
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn with_log(store: &Path) -> [PathBuf; 2] {
    let mut log = store.as_os_str().to_owned();
    log.push("-wal");
    [store.to_owned(), log.into()]
}

fn size(store: &Path) -> anyhow::Result<u64> {
    let sizes = with_log(store).map(|file| file.metadata().map_or(0, |found| found.len()));
    anyhow::ensure!(sizes.iter().any(|size| *size > 0), "there is no file");
    Ok(sizes.iter().sum())
}

/// Waits until every order that was sent is settled. Each is asked for by its number: nobody lists a million.
async fn settled(run: &Run) -> anyhow::Result<(Judgment, Duration)> {
    let begun = Instant::now();
    loop {
        let (found, _) = judged(run).await?;
        if found.is_settled() || begun.elapsed() > SETTLED_WITHIN {
            return Ok((found, begun.elapsed()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn judged(run: &Run) -> anyhow::Result<(Judgment, Records)> {
    let courses = run.log.courses();
    let callers = run.crowd.turn(0)?;
    let mut told = BTreeMap::new();
    for course in &courses {
        let (account, number) = course.key();
        let path = format!("/orders?purchase_order_number={number}");
        let seen = callers.get(&account, &path).await?;
        anyhow::ensure!(seen.status == 200, "{}", seen.text);
        let status = match seen.at("/items/0/held").as_str() {
            "true" => "held".to_owned(),
            _ => seen.at("/items/0/status"),
        };
        if !status.is_empty() {
            told.insert((account, number), status);
        }
    }
    let records = run.estate.outside.records().await?;
    let found = judge(&Case {
        class: run.plan.class,
        courses: &courses,
        records: &records,
        told: &told,
        holds: &BTreeMap::new(),
        stock: &run.stock,
        from_stock_before: run.stock_horizon()?,
    });
    Ok((found, records))
}

/// An order is taken, and the lists and the feed answer, as they do in a small store.
async fn answers(run: &Run, seed: u64, report: &mut Report) -> anyhow::Result<()> {
    run.crowd.log_in(&run.estate.outside).await?;
    let order = planned(seed, "AFTERWARDS", 1, Mix::PORTAL).pop();
    let order: PlannedOrder = order.context("one was planned")?;
    let begun = Instant::now();
    let taking = until_settled(&run.crowd, &run.log, &order);
    let taken = tokio::time::timeout(SETTLED_WITHIN, taking).await;
    report.note("an order is taken in, ms", begun.elapsed().as_millis());
    report.must(taken.is_ok(), || "no order is taken".to_owned());
    let callers = run.crowd.turn(0)?;
    for path in [
        "/orders?limit=200",
        "/orders?limit=200&status=shipped",
        "/events?limit=200",
    ] {
        let begun = Instant::now();
        let page = callers.get(order.account, path).await?;
        report.note(&format!("GET {path}, ms"), begun.elapsed().as_millis());
        let body = page.json();
        let listed = body.get("items").or_else(|| body.get("events"));
        let listed = listed.and_then(|listed| listed.as_array()).map(Vec::len);
        report.must(listed.is_some_and(|listed| listed > 0), || {
            format!("{path} lists {listed:?}: {}", page.status)
        });
    }
    let begun = Instant::now();
    let all = callers.operator().get("/v1/orders?limit=200").await?;
    report.note("all accounts, ms", begun.elapsed().as_millis());
    report.must(all.status == 200, || all.text.clone());
    let begun = Instant::now();
    let held = callers.operator().get("/v1/holds?limit=200").await?;
    report.note("what is held, ms", begun.elapsed().as_millis());
    report.must(held.status == 200, || held.text.clone());
    Ok(())
}

/// The product's own word on the file: each order's log makes its row, the pages are whole, and so is the audit trail.
async fn examined(
    run: &Run,
    binaries: &Binaries,
    store: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let copy = run.estate.folder().join("backup.sqlite");
    let to: [&Path; 3] = [Path::new("backup"), Path::new("--to"), &copy];
    for (what, arguments) in [
        ("replay", [Path::new("replay")].as_slice()),
        ("backup", &to),
    ] {
        let begun = Instant::now();
        let done = Command::new(binaries.path(Binary::Process)?)
            .arg("--config-dir")
            .arg(run.estate.folder().join("config"))
            .args(arguments)
            .env("ORDERWAY_PROCESS__STORE__PATH", store)
            .kill_on_drop(true)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&done.stdout);
        let last = said.lines().last().unwrap_or_default().to_owned();
        // The file's place is the run's own.
        let last = last.replace(&*copy.to_string_lossy(), "the copy");
        report.note(&format!("process-apis {what}"), last);
        let name = format!("process-apis {what} took, s");
        report.note(&name, begun.elapsed().as_secs());
        report.must(done.status.success(), || {
            format!(
                "{what} ended with {}: {} {}",
                done.status,
                said.lines().next().unwrap_or_default(),
                String::from_utf8_lossy(&done.stderr)
            )
        });
    }
    Ok(())
}
