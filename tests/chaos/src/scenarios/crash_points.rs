//! Every named point at which a layer can be killed: the layer dies there, is started again, and nothing is lost or done
//! twice.
//!
//! First each action is taken once while the layers note which points they pass. Then, a point at a time, the layer is
//! started so that it dies there, and the first action that passes the point is taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use rand::{SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::process::Command;

use crate::{
    actions::Action,
    binaries::{Binaries, Binary},
    estate::{Layer, Plan, StorePlace},
    report::Report,
    run::Run,
    scenarios::Options,
};

const SETTLED_WITHIN: Duration = Duration::from_secs(120);
const DIES_WITHIN: Duration = Duration::from_secs(15);
const OLD_AT_ONCE: &str = "{ fresh = \"1ms\", stale_if_error = \"1h\", entries = 1000 }";
const AT: &str = "ORDERWAY_CRASH_AT";
const LOG: &str = "ORDERWAY_CRASH_LOG";

/// Actions that leave work behind, which another may seem to have passed points for: they are tried last.
const LEAVE_WORK: [Action; 3] = [Action::Strange, Action::Ghost, Action::Replaced];
/// Only a ghost that cannot be cancelled is told to a person: somebody at the ERP would have to release it and ship it
/// first, which the judge would rightly call released twice. There is no bus here: scenario `nats` kills whoever publishes.
const EXCUSED: [&str; 8] = [
    "effect.sweep_erp_order.settle.before_commit",
    "effect.sweep_erp_order.settle.after_commit",
    "bus.lease.before_commit",
    "bus.lease.after_commit",
    "bus.send.before_call",
    "bus.send.after_call",
    "bus.save.before_commit",
    "bus.save.after_commit",
];

/// A point, and the layer that has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    binary: Binary,
    name: String,
}

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let plan = Plan {
        class: options.class,
        // The warehouse that is searched passes more points than the one that refuses.
        searchable_warehouse: true,
        // Whatever is older than a second is asked for again, and is not believed while the ERP does not answer.
        policies: vec![("stock = \"30s\"", "stock = \"1s\"")],
        quiet_period: Duration::from_millis(300),
        store: options.store,
        ..Plan::default()
    }
    .with("ORDERWAY_PROCESS__HOUSEKEEPING__SWEEP_EVERY", "1s")
    // Ghosts are looked for soon.
    .with(
        "ORDERWAY_PROCESS__EFFECTS__GHOST_SWEEP",
        "[\"1s\", \"3s\", \"6s\"]",
    )
    // News that fit no order are asked about soon, and soon left to a person.
    .with("ORDERWAY_PROCESS__INTAKE__PULL_AFTER", "100ms")
    .with("ORDERWAY_PROCESS__INTAKE__PATIENCE", "1s")
    // Backends fail on purpose here, each now and then: nobody is to keep away from them for that.
    .with(
        "ORDERWAY_SYSTEM__ERP__MAIN__BREAKER__MINIMUM_CALLS",
        100_000,
    )
    .with(
        "ORDERWAY_SYSTEM__WMS__WAREHOUSE__BREAKER__MINIMUM_CALLS",
        100_000,
    )
    // Facts grow old at once: newer ones are installed all the time.
    .with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__STOCK", OLD_AT_ONCE)
    .with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__CREDIT", OLD_AT_ONCE);
    let run = Run::start(binaries, plan, 0).await?;
    let kind = match options.store {
        StorePlace::Sqlite => "crash-points sqlite",
        StorePlace::Postgres => "crash-points postgres",
    };
    let mut report = Report::new(kind, options.seed);
    let points = points(binaries).await?;
    let mut number = 0;
    let passed = watched(&run, &points, &mut number).await?;
    let never: Vec<&str> = points
        .iter()
        .map(|point| point.name.as_str())
        .filter(|name| !passed.keys().any(|point| point.name == *name))
        .collect();
    let (excused, never): (Vec<&str>, Vec<&str>) =
        never.into_iter().partition(|name| EXCUSED.contains(name));
    report.note("points", points.len());
    report.note("points that nothing here passes", excused);
    report.must(never.is_empty(), || format!("no action passes {never:?}"));

    let mut chosen: Vec<(&Point, &Vec<Action>)> = passed.iter().collect();
    if options.store != StorePlace::Sqlite && !options.all {
        let third = chosen.len().div_ceil(3);
        let mut luck = StdRng::seed_from_u64(options.seed);
        chosen = chosen.choose_multiple(&mut luck, third).copied().collect();
    }
    let mut died: usize = 0;
    for (point, actions) in &chosen {
        match crash_under_any(&run, point, actions, &mut number).await {
            Ok(true) => died = died.saturating_add(1),
            Ok(false) => {
                let text = format!(
                    "{} was passed before, and by none of {actions:?} now",
                    point.name
                );
                report.violations.push(text);
            }
            Err(error) => report.violations.push(format!("{}: {error:#}", point.name)),
        }
    }
    let (found, _, took) = run.settle(SETTLED_WITHIN).await?;
    report.note("tried", chosen.len());
    report.note("died there", died);
    run.note(&mut report, &found, took);
    run.finish(&mut report, &found).await;
    Ok(report)
}

/// Every point, as the binaries list them.
async fn points(binaries: &Binaries) -> anyhow::Result<BTreeSet<Point>> {
    let mut points = BTreeSet::new();
    for binary in [Binary::System, Binary::Process] {
        let listed = Command::new(binaries.path(binary)?)
            .arg("crash-points")
            .output()
            .await?;
        anyhow::ensure!(
            listed.status.success(),
            "{} has no crash points: build it with the feature crash-points",
            binary.name()
        );
        let listed = String::from_utf8(listed.stdout)?;
        points.extend(listed.lines().map(|name| Point {
            binary,
            name: name.to_owned(),
        }));
    }
    Ok(points)
}

fn layer(run: &Run, binary: Binary) -> anyhow::Result<&Layer> {
    run.estate.layer(binary)
}

fn log_of(run: &Run, binary: Binary) -> PathBuf {
    run.estate
        .folder()
        .join(format!("{}.points", binary.name()))
}

/// Takes each action once, and finds the first that passes each point.
async fn watched(
    run: &Run,
    points: &BTreeSet<Point>,
    number: &mut u32,
) -> anyhow::Result<BTreeMap<Point, Vec<Action>>> {
    for binary in [Binary::System, Binary::Process] {
        let log = log_of(run, binary);
        let process = &layer(run, binary)?.process;
        process.set_environment(LOG, Some(log.to_str().context("a path is UTF-8")?));
        process.restart().await?;
        process.set_environment(LOG, None);
    }
    run.estate.ready().await?;
    let mut passed: BTreeMap<Point, Vec<Action>> = BTreeMap::new();
    for action in Action::ALL {
        *number = number.saturating_add(1);
        for binary in [Binary::System, Binary::Process] {
            // It is opened for appending: an empty file is where the next line goes.
            drop(std::fs::File::create(log_of(run, binary))?);
        }
        action.take(run, *number).await?;
        for point in points {
            let log = std::fs::read_to_string(log_of(run, point.binary))?;
            if log.lines().any(|line| line == point.name) {
                passed.entry(point.clone()).or_default().push(action);
            }
        }
    }
    Ok(passed)
}

/// The first action that passed a point may have done so for what an earlier one had left to do: then another does.
async fn crash_under_any(
    run: &Run,
    point: &Point,
    actions: &[Action],
    number: &mut u32,
) -> anyhow::Result<bool> {
    for action in actions.iter().chain(&LEAVE_WORK) {
        *number = number.saturating_add(1);
        let crashed = crash(run, point, *action, *number).await;
        if crashed.with_context(|| format!("under {action:?}"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has a layer die at a point under an action; false where it did not.
async fn crash(run: &Run, point: &Point, action: Action, number: u32) -> anyhow::Result<bool> {
    let process = &layer(run, point.binary)?.process;
    process.set_environment(AT, Some(&point.name));
    process.restart().await?;
    process.set_environment(AT, None);
    let before = process.exits().len();
    run.estate.ready().await?;
    let taken = action.take(run, number);
    let dies = process.died(before.saturating_add(1), DIES_WITHIN);
    let (taken, died) = tokio::join!(taken, dies);
    taken?;
    let aborted = process
        .exits()
        .get(before)
        .is_some_and(|exit| exit.signal() == Some(6));
    Ok(died && aborted)
}
