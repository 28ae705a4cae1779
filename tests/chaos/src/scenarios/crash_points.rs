//! Every named point at which a layer can be killed: the layer dies there, is started again, and nothing is lost or done
//! twice.
//!
//! First each action is taken once while the layers note which points they pass. Then, a point at a time, the layer is
//! started so that it dies there, and the first action that passes the point is taken.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::future::{try_join, try_join_all};
use rand::{SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tests::processes::{Binaries, Binary};
use tokio::{process::Command, time::Instant};

use crate::{
    actions::Action,
    estate::{Layer, Plan, StorePlace},
    floor::Floor,
    judge::Judgment,
    report::Report,
    run::Run,
    scenarios::Options,
};

const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// After an action has come to its end: what it left to do is done by then, its ghost looked for.
const DIES_WITHIN: Duration = Duration::from_secs(8);
const OLD_AT_ONCE: &str = "{ fresh = \"1ms\", stale_if_error = \"1h\", entries = 1000 }";
const AT: &str = "ORDERWAY_CRASH_AT";
const LOG: &str = "ORDERWAY_CRASH_LOG";
/// So many estates share the points: whoever died is waited for until its leases end.
const ESTATES: usize = 3;
/// More than an estate takes actions: each has numbers of its own.
const NUMBERS: u32 = 10_000;
/// So often the actions are taken until each point is passed.
const ROUNDS: u32 = 3;
/// Some are cancelled by their buyers, and what stays in doubt is a person's matter.
const FLOOR: Floor = Floor {
    released_percent: 75,
    waits_for: &["cancelled", "erp_unknown", "erp_duplicate"],
};
/// Points that took longest, which are told.
const SLOWEST: usize = 5;

/// A point, and the layer that has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    binary: Binary,
    name: String,
}

/// Points that wait to be tried, with the actions that passed them.
type Queue<'a> = Mutex<VecDeque<(&'a Point, &'a Vec<Action>)>>;

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let kind = match options.store {
        StorePlace::Sqlite => "crash-points sqlite",
        StorePlace::Postgres => "crash-points postgres",
    };
    let mut report = Report::new(kind, options.seed);
    let plan = plan(options);
    if plan.bus.is_none() {
        report.note("points of the bus", "skipped: needs nats");
    }
    let points = points(binaries, &plan).await?;
    let begun = Instant::now();
    let watching = async {
        let mut one = Estate::start(binaries, &plan, 0).await?;
        let passed = one.watched(&points).await?;
        anyhow::Ok((one, passed))
    };
    let others = (1..ESTATES).map(|number| Estate::start(binaries, &plan, number));
    let ((one, passed), others) = try_join(watching, try_join_all(others)).await?;
    report.note("started and watched after, s", begun.elapsed().as_secs());
    let never: Vec<&str> = points
        .iter()
        .filter(|point| !passed.contains_key(*point))
        .map(|point| point.name.as_str())
        .collect();
    report.note("points", points.len());
    report.must(never.is_empty(), || format!("no action passes {never:?}"));

    let mut chosen: Vec<(&Point, &Vec<Action>)> = passed.iter().collect();
    if options.store != StorePlace::Sqlite && !options.all {
        let third = chosen.len().div_ceil(3);
        let mut luck = StdRng::seed_from_u64(options.seed);
        chosen = chosen.choose_multiple(&mut luck, third).copied().collect();
    }
    report.note("tried", chosen.len());
    let queue = Mutex::new(VecDeque::from(chosen));
    let mut estates: Vec<Estate> = std::iter::once(one).chain(others).collect();
    let trying = estates.iter_mut().map(|estate| estate.try_all(&queue));
    let tried = try_join_all(trying).await?.concat();
    told(&mut report, tried);
    judged(&mut report, &estates).await?;
    Ok(report)
}

/// Judges every estate, as one.
async fn judged(report: &mut Report, estates: &[Estate]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let runs = estates.iter().map(|estate| &estate.run);
    let found = try_join_all(runs.clone().map(|run| run.settle(SETTLED_WITHIN))).await?;
    let mut whole = Judgment::default();
    for (found, ..) in &found {
        whole.add(found.clone());
    }
    if let Some(run) = runs.clone().next() {
        run.note(report, &whole, begun.elapsed());
    }
    FLOOR.judge(report, &whole);
    for (run, (found, ..)) in runs.zip(&found) {
        if let Some(bus) = &run.estate.bus {
            report.violations.extend(bus.published(run).await?.faults());
        }
        run.finish(report, found).await;
    }
    Ok(())
}

/// What came of a point that was tried.
#[derive(Debug, Clone)]
struct Tried {
    name: String,
    /// None = the layer died there.
    wrong: Option<String>,
    took: Duration,
}

fn told(report: &mut Report, mut tried: Vec<Tried>) {
    let died = tried.iter().filter(|tried| tried.wrong.is_none()).count();
    report.note("died there", died);
    tried.sort_by_key(|tried| std::cmp::Reverse(tried.took));
    let slowest: Vec<String> = tried
        .iter()
        .take(SLOWEST)
        .map(|tried| format!("{} {} s", tried.name, tried.took.as_secs()))
        .collect();
    report.note("the slowest", slowest);
    let wrong = tried.into_iter().filter_map(|tried| tried.wrong);
    report.violations.extend(wrong);
}

fn plan(options: &Options) -> Plan {
    Plan {
        class: options.class,
        // The warehouse that is searched passes more points than the one that refuses.
        searchable_warehouse: true,
        bus: tests::needs::nats_server(),
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
    // News that fit no order are asked about soon, and soon left to a person: but not while their source starts again.
    .with("ORDERWAY_PROCESS__INTAKE__PULL_AFTER", "100ms")
    .with("ORDERWAY_PROCESS__INTAKE__PATIENCE", "5s")
    // Who posts webhooks is soon missed when it has died, and the same account subscribes again and again.
    .with("ORDERWAY_PROCESS__WEBHOOKS__CONNECT_TIMEOUT", "1s")
    .with("ORDERWAY_PROCESS__WEBHOOKS__TIMEOUT", "2s")
    .with("ORDERWAY_PROCESS__WEBHOOKS__LEASE", "6s")
    .with("ORDERWAY_PROCESS__WEBHOOKS__MAX_PER_ACCOUNT", 1_000)
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
    .with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__CREDIT", OLD_AT_ONCE)
}

/// Every point, as the binaries list them; those of the bus where there is one.
async fn points(binaries: &Binaries, plan: &Plan) -> anyhow::Result<BTreeSet<Point>> {
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
        let passable = |name: &&str| plan.bus.is_some() || !name.starts_with("bus.");
        points.extend(listed.lines().filter(passable).map(|name| Point {
            binary,
            name: name.to_owned(),
        }));
    }
    Ok(points)
}

/// All of them, and all again for points that none has passed: what was to go wrong for one may have struck what was left
/// of another.
fn every_action() -> impl Iterator<Item = (Action, u32)> {
    (1..=ROUNDS).flat_map(|round| Action::ALL.map(|action| (action, round)))
}

/// One of the estates that share the points.
struct Estate {
    run: Run,
    /// Of the last action.
    number: u32,
}

impl Estate {
    async fn start(binaries: &Binaries, plan: &Plan, number: usize) -> anyhow::Result<Self> {
        let run = Box::pin(Run::start(binaries, plan.clone(), 0)).await?;
        let number = u32::try_from(number)?.saturating_mul(NUMBERS);
        Ok(Self { run, number })
    }

    fn next(&mut self) -> u32 {
        self.number = self.number.saturating_add(1);
        self.number
    }

    fn layer(&self, binary: Binary) -> anyhow::Result<&Layer> {
        self.run.estate.layer(binary)
    }

    fn log_of(&self, binary: Binary) -> PathBuf {
        let name = format!("{}.points", binary.name());
        self.run.estate.folder().join(name)
    }

    /// Takes each action once, and finds those that pass each point.
    async fn watched(
        &mut self,
        points: &BTreeSet<Point>,
    ) -> anyhow::Result<BTreeMap<Point, Vec<Action>>> {
        for binary in [Binary::System, Binary::Process] {
            let log = self.log_of(binary);
            let process = &self.layer(binary)?.process;
            process.set_environment(LOG, Some(log.to_str().context("a path is UTF-8")?));
            process.restart().await?;
            process.set_environment(LOG, None);
        }
        self.run.estate.ready().await?;
        let mut passed: BTreeMap<Point, Vec<Action>> = BTreeMap::new();
        for (action, round) in every_action() {
            if round > 1 && points.iter().all(|point| passed.contains_key(point)) {
                break;
            }
            let number = self.next();
            for binary in [Binary::System, Binary::Process] {
                // It is opened for appending: an empty file is where the next line goes.
                drop(std::fs::File::create(self.log_of(binary))?);
            }
            action.take(&self.run, number).await?;
            for point in points {
                let log = std::fs::read_to_string(self.log_of(point.binary))?;
                if log.lines().any(|line| line == point.name) {
                    let actions = passed.entry(point.clone()).or_default();
                    if !actions.contains(&action) {
                        actions.push(action);
                    }
                }
            }
        }
        Ok(passed)
    }

    /// Has layers die at points that no other estate has taken, until none is left.
    async fn try_all(&mut self, queue: &Queue<'_>) -> anyhow::Result<Vec<Tried>> {
        let next = || {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.pop_front()
        };
        let mut all = Vec::new();
        while let Some((point, actions)) = next() {
            let begun = Instant::now();
            let name = point.name.clone();
            let wrong = match self.crash_under_any(point, actions).await {
                Ok(true) => None,
                Ok(false) => Some(format!(
                    "{name} was passed before, and by none of {actions:?} now"
                )),
                Err(error) => Some(format!("{name}: {error:#}")),
            };
            let took = begun.elapsed();
            all.push(Tried { name, wrong, took });
        }
        Ok(all)
    }

    /// An action that passed a point may have done so for what an earlier one had left to do, and what goes wrong for it
    /// may strike what is left of another: then the next one does, and each has a second turn. In the end all others are
    /// tried, one of which had left it.
    async fn crash_under_any(&mut self, point: &Point, actions: &[Action]) -> anyhow::Result<bool> {
        let others = Action::ALL.iter().filter(|other| !actions.contains(other));
        for action in actions.iter().chain(actions).chain(others) {
            let crashed = self.crash(point, *action).await;
            if crashed.with_context(|| format!("under {action:?}"))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has a layer die at a point under an action; false where it did not.
    async fn crash(&mut self, point: &Point, action: Action) -> anyhow::Result<bool> {
        let number = self.next();
        let process = &self.layer(point.binary)?.process;
        process.set_environment(AT, Some(&point.name));
        process.restart().await?;
        process.set_environment(AT, None);
        let before = process.exits().len();
        self.run.estate.ready().await?;
        action.take(&self.run, number).await?;
        let died = process.died(before.saturating_add(1), DIES_WITHIN).await;
        let aborted = process
            .exits()
            .get(before)
            .is_some_and(|exit| exit.signal() == Some(6));
        Ok(died && aborted)
    }
}
