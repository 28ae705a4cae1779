//! W7: memory: idle, with 10,000 open streams, with 10,000 slow clients; and what these do to others' pages.

mod slow;
mod streams;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::processes::Binaries;

use super::{
    Options,
    portal::{path, target},
};
use crate::{
    contest::pids,
    estate::{Estate, Plan},
    figures::{Ratio, Spread, mebibytes, micros, per_mille},
    load::{Came, Pace, Target, drive},
    machine::Machine,
    report::{Goal, Report, Table},
    say,
    tree::proportional_kib,
};

/// Connections that are opened: at most as many as a program takes.
const MANY: usize = 10_000;
/// Files beside them: the layers' own connections, the store, the load.
const OTHER_FILES: u64 = 1_000;
/// Pages of the healthy buyer.
const HEALTHY_PER_SECOND: u32 = 50;
const HEALTHY_CONNECTIONS: u32 = 4;
/// A page read for a moment is no measure of the last percent.
const SHORTEST: Duration = Duration::from_secs(5);
/// From the start until memory is called idle.
const AT_REST: Duration = Duration::from_secs(5);
/// The most that slow clients may add, in MiB.
const GROWTH: Ratio = Ratio::hundredths(6_400);

/// Memory at one moment.
struct Moment {
    what: String,
    /// KiB of each program, from the backends up.
    each: Vec<u64>,
    /// KiB of all TCP sockets of the machine.
    sockets: u64,
}

impl Moment {
    fn of(what: impl Into<String>, each: Vec<u64>) -> Self {
        Self {
            what: what.into(),
            each,
            sockets: socket_kib(),
        }
    }

    fn all(&self) -> u64 {
        self.each.iter().sum()
    }
}

/// Memory of each layer.
fn layers(estate: &Estate) -> Vec<u64> {
    let each = estate.layers.iter();
    each.map(|kept| proportional_kib(&pids(std::slice::from_ref(kept))))
        .collect()
}

/// Looks at the three programs at rest, beside slow clients, and with streams.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    enough_files()?;
    let mut report = Report::new("W7", "memory", machine);
    let lasts = options.lasts.max(SHORTEST);
    let (mut moments, rounds) = beside_slow_clients(binaries, options.rounds, lasts).await?;
    report.goals = goals(&moments, &rounds);
    match streams::open(binaries).await {
        Ok(opened) => {
            report.goals.push(Goal::at_least(
                "streams that are open at once, and served",
                Ratio::of(opened.alive, 1),
                Ratio::of(u64::try_from(MANY)?, 1).unwrap_or(Ratio::hundredths(0)),
            ));
            report.settings.push(opened.told);
            moments.extend(opened.moments);
        }
        Err(error) => report.left_out.push(format!("{MANY} streams: {error:#}")),
    }
    let mut settings = vec![
        format!(
            "slow clients: {MANY} connections to experience-apis, each with a byte of a head a second and never an end, opened \
             anew when they are cut; {} rounds of {} s without and with them",
            options.rounds,
            lasts.as_secs()
        ),
        format!(
            "the healthy buyer: a page of 20 products {HEALTHY_PER_SECOND} times a second over {HEALTHY_CONNECTIONS} connections, \
             opened when the others are there; the clients share one core with it and with the world outside, each in a thread of \
             its own"
        ),
        "a head has 5 s at experience-apis, which take 10,000 connections: of the slow clients some are always cut and on their way \
         back, and a new buyer waits in one line with them"
            .to_owned(),
        "memory is PSS; what the kernel keeps for sockets is in no process and stands beside it, both ends and the whole machine"
            .to_owned(),
    ];
    settings.append(&mut report.settings);
    report.settings = settings;
    report.tables = vec![memory_table(&moments), rounds_table(&rounds)];
    Ok(report)
}

/// As many files as there are connections, for this process and those that it starts.
fn enough_files() -> anyhow::Result<()> {
    let needed = u64::try_from(MANY)?.saturating_add(OTHER_FILES);
    let own = getrlimit(Resource::Nofile);
    if own.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let maximum = own.maximum.map(|maximum| maximum.max(needed));
    let raised = Rlimit {
        current: Some(needed),
        maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .with_context(|| format!("{needed} open files are needed: raise the limit (ulimit -n)"))
}

/// What happened to the healthy buyer in a round.
struct Round {
    without: Came,
    with: Came,
    /// Slow clients that were there when it ended, and how often one was cut meanwhile.
    there: u64,
    cut: u64,
}

async fn beside_slow_clients(
    binaries: &Binaries,
    rounds: usize,
    lasts: Duration,
) -> anyhow::Result<(Vec<Moment>, Vec<Round>)> {
    let estate = Estate::start(binaries, &Plan::default().far_budgets()).await?;
    tokio::time::sleep(AT_REST).await;
    let mut moments = vec![Moment::of("idle, after start", layers(&estate))];
    let pace = Pace::open(HEALTHY_PER_SECOND, lasts, HEALTHY_CONNECTIONS);
    let target = Arc::new(page(&estate).await?);
    let warm = drive(pace, &target).await;
    anyhow::ensure!(warm.answered() > 0, "no page: {:?}", warm.refused.first());
    moments.push(Moment::of("idle, after some pages", layers(&estate)));
    let mut done = Vec::new();
    let mut most: Option<Moment> = None;
    for round in 1..=rounds {
        let target = Arc::new(page(&estate).await?);
        let without = drive(pace, &target).await;
        let clients = slow::Clients::start(target.address, MANY)?;
        clients.all_there().await?;
        let before = clients.cut();
        let watching = async {
            let mut most = Moment::of(
                format!("with {MANY} slow clients, the most"),
                layers(&estate),
            );
            let end = tokio::time::Instant::now() + lasts;
            while tokio::time::Instant::now() < end {
                let now = Moment::of(most.what.clone(), layers(&estate));
                if now.all() > most.all() {
                    most = now;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            most
        };
        let (with, seen) = tokio::join!(drive(pace, &target), watching);
        done.push(Round {
            without,
            with,
            there: clients.there(),
            cut: clients.cut().saturating_sub(before),
        });
        drop(clients);
        if most.as_ref().is_none_or(|most| most.all() < seen.all()) {
            most = Some(seen);
        }
        // The last of them are seen to be gone before the next round.
        tokio::time::sleep(AT_REST).await;
        say(&format!("round {round} of {rounds} is done"))?;
    }
    moments.extend(most);
    moments.push(Moment::of("after they are gone", layers(&estate)));
    Ok((moments, done))
}

/// A page of the portal, by a token that is new.
async fn page(estate: &Estate) -> anyhow::Result<Target> {
    let host = estate.experience.trim_start_matches("http://").to_owned();
    let token = estate.token("acme-buyer").await?;
    let address: SocketAddr = host.parse()?;
    Ok(target(address, host, token, vec![path(20, None)]))
}

/// What all TCP sockets of the machine hold in the kernel, in KiB.
fn socket_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let mut words = line.unwrap_or_default().split_whitespace();
    let pages = words
        .by_ref()
        .find(|word| *word == "mem")
        .and_then(|_| words.next()?.parse::<u64>().ok());
    pages.unwrap_or_default().saturating_mul(4)
}

/// In ns, of what was answered.
fn at(came: &Came, rank: usize) -> u64 {
    let time = per_mille(&came.times, rank).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn goals(moments: &[Moment], rounds: &[Round]) -> Vec<Goal> {
    let all = |what: &str| {
        let found = moments.iter().find(|moment| moment.what.starts_with(what));
        found.map(Moment::all)
    };
    let growth = all("with")
        .zip(all("idle, after some"))
        .and_then(|(with, before)| Ratio::of(with.saturating_sub(before), 1_024));
    let p99 = |of: fn(&Round) -> &Came| Spread::of(rounds.iter().map(|round| at(of(round), 990)));
    let (without, with) = (p99(|round| &round.without), p99(|round| &round.with));
    let lost: u64 = rounds.iter().map(|round| failed(&round.with)).sum();
    vec![
        Goal::at_most(
            format!("{MANY} slow clients: MiB that the three programs grow by"),
            growth,
            GROWTH,
        ),
        Goal::at_most(
            format!("{MANY} slow clients: p99 of a healthy page to that without them"),
            Ratio::of(with.median, without.median),
            Ratio::hundredths(200),
        ),
        Goal::at_most(
            "healthy pages that were not answered beside slow clients",
            Ratio::of(lost, 1),
            Ratio::hundredths(0),
        ),
    ]
}

fn failed(came: &Came) -> u64 {
    came.asked()
        .saturating_add(came.not_sent)
        .saturating_sub(came.answered())
}

fn memory_table(moments: &[Moment]) -> Table {
    let row = |moment: &Moment| {
        let one = |place: usize| {
            moment
                .each
                .get(place)
                .copied()
                .map_or_else(String::new, mebibytes)
        };
        // Where there are two instances of the experience layer, both are in its cell.
        let top: Vec<String> = moment.each.iter().skip(2).copied().map(mebibytes).collect();
        vec![
            moment.what.clone(),
            one(0),
            one(1),
            top.join(" + "),
            mebibytes(moment.all()),
            mebibytes(moment.sockets),
        ]
    };
    Table {
        title: "Memory in MiB".to_owned(),
        head: [
            "when",
            "system-apis",
            "process-apis",
            "experience-apis",
            "together",
            "sockets in the kernel",
        ]
        .map(str::to_owned)
        .into(),
        rows: moments.iter().map(row).collect(),
    }
}

fn rounds_table(rounds: &[Round]) -> Table {
    let row = |(number, round): (usize, &Round)| {
        let pair = |rank| {
            let [without, with] = [&round.without, &round.with].map(|came| micros(at(came, rank)));
            format!("{without} / {with}")
        };
        vec![
            number.to_string(),
            pair(500),
            pair(990),
            format!("{} / {}", round.with.answered(), failed(&round.with)),
            round.there.to_string(),
            round.cut.to_string(),
        ]
    };
    Table {
        title: "A healthy buyer's pages, without and with slow clients".to_owned(),
        head: [
            "round",
            "p50 µs",
            "p99 µs",
            "answered / not, with them",
            "slow clients there at its end",
            "cut meanwhile, and back",
        ]
        .map(str::to_owned)
        .into(),
        rows: (1..).zip(rounds).map(row).collect(),
    }
}
