//! Orders of `process-apis` on `PostgreSQL`, beside pgbench with the statements that one such order comes to.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tests::processes::{Binaries, Binary, Ports};
use tokio::process::Command;

use super::{
    CALLERS, LINES, of,
    sheets::{Identity, Numbers, Sheet, Signer, Token, target},
    start,
    turn::{Behind, Racer, Turn, table},
};
use crate::{
    contest::{Contestant, Kind, Lap, standings},
    estate::Plan,
    figures::Ratio,
    load::{Target, ask},
    machine::load_average,
    peers::{self, pgbench::Server},
    report::{Goal, Report},
    say,
    tree::proportional_kib,
    workloads::Options,
};

const OURS: &str = "process-apis on PostgreSQL";
const PGBENCH: &str = "pgbench, the same statements";
/// As many connections as `process-apis` have.
const CLIENTS: u32 = 12;
/// Orders that one turn of pgbench never reaches.
const NUMBERS: u64 = 1_000_000_000;
const FROM: &str = "orders";
const TO: &str = "bench";

/// Races them; what cannot be had is told.
pub(super) async fn race(
    report: &mut Report,
    binaries: &Binaries,
    options: &Options,
) -> anyhow::Result<()> {
    let mut ports = Ports::default();
    let server = Server::start(&mut ports).await?;
    let version = server.version().await?;
    report.settings.push(format!(
        "on PostgreSQL {version} as it comes (fsync, synchronous_commit), a server of the run's own on the core that is measured; its \
         processor time and memory count on both sides, and so do those of process-apis, or of pgbench"
    ));
    report.settings.push(format!(
        "pgbench, {CLIENTS} clients, prepared, each transaction in one round trip: idempotency, sales_order, event, stock and \
         stock_movement of each line, credit, credit_movement, decision, audit in the first; then for each further event of the order \
         an effect written and leased, and event, sales_order, effect, audit; then the feed and the audit trail. The rows are those of \
         an order that was taken, but for ids of their own and the lines of the audit trail. Large values are sent once, with the \
         prepared statement. Nothing is read before, no fact is installed, and no function of the schema but stock_taken is called: \
         written after the schema by hand, and not recorded from the server"
    ));
    migrate(&server, binaries).await?;
    let plan = Plan {
        database: Some(server.url(FROM)),
        ..Plan::default()
    };
    let estate = start(binaries, plan).await?;
    let token = Token::new();
    let behind = Behind::new(&estate, token)?;
    let numbers = Numbers::default();
    let mut racers = Vec::new();
    let mut scripts = Vec::new();
    for lines in LINES {
        let order = (Sheet::process(lines), numbers.clone());
        let identity = Identity::Signed(Box::new(Signer::new()?));
        let target = target(&estate.process, "/v1/orders", identity, order)?;
        scripts.push(script(&server, &behind, &target, lines).await?);
        let mut pids = estate.process_pid();
        pids.extend(server.pids());
        racers.push(Racer {
            contestant: contestant(of(OURS, lines), Kind::Orderway, target, pids),
            callers: CALLERS,
            behind: Some(&behind),
        });
    }
    for racer in &racers {
        racer.turn(Duration::from_secs(1), 0).await?;
    }
    let mut turns = Vec::new();
    let mut from = 0_u64;
    for round in 1..=options.rounds {
        for ((racer, script), lines) in racers.iter().zip(&scripts).zip(LINES) {
            turns.push(racer.turn(options.lasts, round).await?);
            let name = of(PGBENCH, lines);
            from = from.saturating_add(NUMBERS);
            turns.push(pgbench(&server, name, script, (round, from), options.lasts).await?);
        }
        say(&format!(
            "round {round} of {} on PostgreSQL is done",
            options.rounds
        ))?;
    }
    judge(report, racers, turns, &version);
    Ok(())
}

/// Two databases of the same schema: for Orderway, and for pgbench.
async fn migrate(server: &Server, binaries: &Binaries) -> anyhow::Result<()> {
    for database in [FROM, TO] {
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'");
        server.said("postgres", &create).await?;
        peers::done(
            Command::new(binaries.path(Binary::Process)?)
                .arg("--config-dir")
                .arg(tests::root().join("config"))
                .arg("migrate")
                .env("ORDERWAY_PROCESS__STORE__URL", server.url(database)),
        )
        .await?;
    }
    Ok(())
}

/// Has one order taken, and what was written of it made into a script.
async fn script(
    server: &Server,
    behind: &Behind<'_>,
    target: &Target,
    lines: usize,
) -> anyhow::Result<PathBuf> {
    let answer = ask(target, 0).await?;
    let answer: serde_json::Value = serde_json::from_slice(answer.body())?;
    let order = answer.get("order_id").and_then(serde_json::Value::as_str);
    let order = order.with_context(|| format!("no order: {answer}"))?;
    anyhow::ensure!(behind.drained().await?, "the first order does not arrive");
    let script = server.folder.path().join(format!("order-{lines}.sql"));
    peers::pgbench::prepare(server, (FROM, TO), order, &script).await?;
    Ok(script)
}

fn contestant(name: String, kind: Kind, target: Target, pids: Vec<u32>) -> Contestant {
    Contestant {
        name,
        kind,
        version: String::new(),
        target: Arc::new(target),
        pids,
        kept: Vec::new(),
    }
}

/// A turn of pgbench; it says no more of its times than their average.
async fn pgbench(
    server: &Server,
    contestant: String,
    script: &Path,
    (round, from): (usize, u64),
    lasts: Duration,
) -> anyhow::Result<Turn> {
    let load_average = load_average();
    let ran = server.bench(TO, script, (CLIENTS, from), lasts).await?;
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let per_second = u128::from(ran.orders).saturating_mul(1_000_000_000);
    let per_second = per_second / lasts.as_nanos().max(1);
    Ok(Turn {
        arrived: ran.orders,
        took: ran.took,
        drained: true,
        lap: Lap {
            contestant,
            round,
            answered: ran.orders,
            refused: 0,
            lost: 0,
            not_sent: 0,
            p50_us: ran.latency_us,
            p99_us: 0,
            per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            cpu_ns: nanos(ran.used).checked_div(ran.orders).unwrap_or_default(),
            memory_kib: proportional_kib(&server.pids()),
            load_average,
        },
    })
}

fn judge(report: &mut Report, racers: Vec<Racer<'_>>, turns: Vec<Turn>, version: &str) {
    let laps: Vec<Lap> = turns.iter().map(|turn| turn.lap.clone()).collect();
    let mut contestants: Vec<Contestant> =
        racers.into_iter().map(|racer| racer.contestant).collect();
    let beside: Vec<Contestant> = contestants
        .iter()
        .zip(LINES)
        .map(|(ours, lines)| Contestant {
            name: of(PGBENCH, lines),
            kind: Kind::Floor,
            version: version.to_owned(),
            target: Arc::clone(&ours.target),
            pids: Vec::new(),
            kept: Vec::new(),
        })
        .collect();
    contestants.extend(beside);
    let standings = standings(&contestants, &laps);
    let cpu = |name: String| {
        let found = standings.iter().find(|standing| standing.name == name);
        found.map(|standing| standing.cpu.median)
    };
    for lines in LINES {
        let ratio = cpu(of(PGBENCH, lines)).zip(cpu(of(OURS, lines)));
        let ratio = ratio.and_then(|(limit, ours)| Ratio::of(limit, ours));
        let what = of("on PostgreSQL: orders a CPU-second, to pgbench's", lines);
        report
            .goals
            .push(Goal::at_least(what, ratio, Ratio::hundredths(60)));
    }
    let title = "On PostgreSQL (p50 of pgbench is its average)";
    report.tables.push(table(title, &standings, &turns));
    report.laps.extend(laps);
}
