//! W3: orders of 5 and 200 lines, authenticated, validated, priced, promised, credit-checked, audited, on the disk, acknowledged; and
//! counted once the ERP has them.

mod beside;
mod clock;
mod database;
pub(super) mod sheets;
pub(super) mod turn;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use tests::processes::{Binaries, Ports};
use tokio::process::Command;

use self::{
    sheets::{Identity, Numbers, Sheet, Signer, Token, items, target},
    turn::{Behind, Racer, Turn, table},
};
use super::Options;
use crate::{
    contest::{Contestant, Kind, Lap, Standing, pids, standings},
    estate::{Estate, Plan},
    figures::{Ratio, Spread},
    floors,
    machine::{Machine, Side, sync_probe},
    peers,
    report::{Goal, Report, Table},
    say,
};

const LINES: [usize; 2] = [5, 200];
/// Items of the sandbox: one in a hundred is not sold.
const ITEMS: u32 = 210;
/// Each caller sends its next order when the last is acknowledged: all are measured at their end, where commits are shared.
pub(super) const CALLERS: u32 = 64;

const THREE: &str = "Orderway, three layers";
const PROCESS: &str = "process-apis alone";
const REFERENCE: &str = "the reference alone";
const HOPS: &str = "three bare hops and the reference";
const ONE_BUYER: &str = "Orderway, three layers, one buyer";
const ONE_CALLER: &str = "process-apis alone, one caller";

fn of(who: &str, lines: usize) -> String {
    format!("{who}, {lines} lines")
}

/// Races Orderway against its limits.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    let mut report = Report::new("W3", "orders of 5 and 200 lines", machine);
    report.settings = settings(options);
    on_a_file(&mut report, binaries, options).await?;
    let on_a_server = Box::pin(database::race(&mut report, binaries, options)).await;
    if let Err(error) = on_a_server {
        report.left_out.push(format!("PostgreSQL: {error:#}"));
    }
    Ok(report)
}

/// Orderway with its store in a file, beside what writes files too.
async fn on_a_file(
    report: &mut Report,
    binaries: &Binaries,
    options: &Options,
) -> anyhow::Result<()> {
    let estate = start(binaries, Plan::default()).await?;
    let folder = estate.folder.path();
    report.sync_probes.push(sync_probe(folder)?);
    let token = Token::new();
    let behind = Behind::new(&estate, token.clone())?;
    let numbers = Numbers::default();
    let mut racers = ours(&behind, &token, &numbers)?;
    racers.extend(limits(folder, &numbers).await?);
    for racer in &racers {
        racer.turn(Duration::from_secs(1), 0).await?;
    }
    let mut turns = Vec::new();
    let mut raw = Raw::default();
    for round in 1..=options.rounds {
        for racer in &racers {
            turns.push(racer.turn(options.lasts, round).await?);
        }
        raw.go(folder, round, options.lasts).await?;
        say(&format!("round {round} of {} is done", options.rounds))?;
    }
    report.sync_probes.push(sync_probe(folder)?);
    judge(report, &racers, &turns, &raw);
    report.laps.extend(turns.into_iter().map(|turn| turn.lap));
    clock::race(report, &racers, options).await?;
    if options.peers {
        beside::race(report, &racers, (folder, &numbers), options).await?;
    }
    Ok(())
}

/// Orderway, with plenty of everything, and nobody short of credit.
pub(super) async fn start(binaries: &Binaries, plan: Plan) -> anyhow::Result<Estate> {
    let plan = Plan {
        items: ITEMS,
        ..plan
    };
    let estate = Estate::start(binaries, &plan.far_budgets()).await?;
    estate.plenty(&items(200)).await?;
    Ok(estate)
}

fn settings(options: &Options) -> Vec<String> {
    [
        format!(
            "each of {CALLERS} callers sends its next order when the last is acknowledged, for {} s, {} rounds, each contestant in \
             turn: all are measured at their end, where commits are shared",
            options.lasts.as_secs(),
            options.rounds
        ),
        "Orderway's processor time counts until the last order of the turn is in the ERP and released to the warehouse, and is divided \
         by the orders that the ERP has; the limits end with the commit"
            .to_owned(),
        "the limits take the body that process-apis take; the portal's is shorter".to_owned(),
        "three bare hops and the reference are four processes; each hop reads an order as what it says and writes it anew".to_owned(),
        "on a file: SQLite, WAL, synchronous=FULL, for Orderway and the limits".to_owned(),
        "what is measured has one core; the load, the ERP and the warehouse the other".to_owned(),
    ]
    .into()
}

/// Orderway through three layers and by its middle one alone, for many callers and for one.
fn ours<'a>(
    behind: &'a Behind<'a>,
    token: &Token,
    numbers: &Numbers,
) -> anyhow::Result<Vec<Racer<'a>>> {
    let estate = behind.estate;
    let racer = |name: String, lines: usize, whole: bool, callers: u32| {
        let (url, path, identity, sheet, pids) = if whole {
            let identity = Identity::Token(token.clone());
            let path = "/portal/v1/orders";
            (
                &estate.experience,
                path,
                identity,
                Sheet::portal(lines),
                estate.pids(),
            )
        } else {
            let identity = Identity::Signed(Box::new(Signer::new()?));
            let path = "/v1/orders";
            (
                &estate.process,
                path,
                identity,
                Sheet::process(lines),
                estate.process_pid(),
            )
        };
        anyhow::Ok(Racer {
            contestant: Contestant {
                name,
                kind: Kind::Orderway,
                version: String::new(),
                target: Arc::new(target(url, path, identity, (sheet, numbers.clone()))?),
                pids,
                kept: Vec::new(),
            },
            callers,
            behind: Some(behind),
        })
    };
    let mut racers = Vec::new();
    for lines in LINES {
        racers.push(racer(of(THREE, lines), lines, true, CALLERS)?);
        racers.push(racer(of(PROCESS, lines), lines, false, CALLERS)?);
        racers.push(racer(of(ONE_BUYER, lines), lines, true, 1)?);
        racers.push(racer(of(ONE_CALLER, lines), lines, false, 1)?);
    }
    Ok(racers)
}

/// The reference, bare and behind hops.
async fn limits<'a>(folder: &Path, numbers: &Numbers) -> anyhow::Result<Vec<Racer<'a>>> {
    let mut ports = Ports::default();
    let mut racers = Vec::new();
    for (name, hops) in [(REFERENCE, 0), (HOPS, 3)] {
        let file = folder.join(format!("reference-{hops}.sqlite"));
        let file = file.to_str().context("a folder's name is UTF-8")?;
        let log = |number: u32| folder.join(format!("reference-{hops}-{number}.log"));
        let arguments = ["orders", "--file", file];
        let mut running =
            vec![floors::start(&mut ports, Side::Measured, &arguments, log(0)).await?];
        for hop in 1..=hops {
            let to = running.last().map(|next| next.address.to_string());
            let to = to.unwrap_or_default();
            let arguments = ["order-hop", "--to", &to];
            running.push(floors::start(&mut ports, Side::Measured, &arguments, log(hop)).await?);
        }
        let url = running
            .last()
            .map(|outer| format!("http://{}", outer.address));
        let url = url.unwrap_or_default();
        let kept: Vec<_> = running.into_iter().map(|one| one.kept).collect();
        let pids = pids(&kept);
        let mut kept = Some(kept);
        for lines in LINES {
            let order = (Sheet::process(lines), numbers.clone());
            racers.push(Racer {
                contestant: Contestant {
                    name: of(name, lines),
                    kind: Kind::Floor,
                    version: String::new(),
                    target: Arc::new(target(&url, "/v1/orders", Identity::None, order)?),
                    pids: pids.clone(),
                    // Both lengths are sent to the same processes, which end with the first of these.
                    kept: kept.take().unwrap_or_default(),
                },
                callers: CALLERS,
                behind: None,
            });
        }
    }
    Ok(racers)
}

/// Commits of one order each, a second, of each round; a list for each length.
#[derive(Default)]
struct Raw([Vec<u64>; 2]);

impl Raw {
    async fn go(&mut self, folder: &Path, round: usize, lasts: Duration) -> anyhow::Result<()> {
        for (rates, lines) in self.0.iter_mut().zip(LINES) {
            let body = folder.join(format!("order-{lines}.json"));
            std::fs::write(&body, Sheet::process(lines).under("RAW"))?;
            let file = folder.join(format!("raw-{lines}-{round}.sqlite"));
            let mut command = Side::Measured.pinned(&std::env::current_exe()?).into_iter();
            let program = command.next().context("a command has a program")?;
            let said = peers::done(
                Command::new(program)
                    .args(command)
                    .args(["floor", "raw-orders", "--file"])
                    .arg(&file)
                    .arg("--body")
                    .arg(&body)
                    .args(["--millis", &lasts.as_millis().to_string()]),
            )
            .await?;
            rates.push(said.trim().parse()?);
            std::fs::remove_file(file)?;
        }
        Ok(())
    }

    fn medians(&self) -> impl Iterator<Item = (usize, Spread)> {
        let rates = self.0.iter();
        LINES
            .into_iter()
            .zip(rates.map(|rates| Spread::of(rates.iter().copied())))
    }
}

/// How each stands after its turns.
fn stand(racers: &[Racer<'_>], turns: &[Turn]) -> Vec<Standing> {
    let laps: Vec<Lap> = turns.iter().map(|turn| turn.lap.clone()).collect();
    standings(racers.iter().map(|racer| &racer.contestant), &laps)
}

/// Tables and goals of what writes files.
fn judge(report: &mut Report, racers: &[Racer<'_>], turns: &[Turn], raw: &Raw) {
    let standings = stand(racers, turns);
    let found = |name: &str, lines: usize| {
        let name = of(name, lines);
        standings.iter().find(|standing| standing.name == name)
    };
    for lines in LINES {
        for (ours, limit, what) in [
            (
                PROCESS,
                REFERENCE,
                "process-apis alone: orders a CPU-second, to the reference's",
            ),
            (
                THREE,
                HOPS,
                "three layers: orders a CPU-second, to those of three bare hops and the reference",
            ),
        ] {
            let cpu = |name| found(name, lines).map(|standing| standing.cpu.median);
            let ratio = cpu(limit).zip(cpu(ours));
            let ratio = ratio.and_then(|(limit, ours)| Ratio::of(limit, ours));
            let goal = Goal::at_least(of(what, lines), ratio, Ratio::hundredths(40));
            report.goals.push(goal);
        }
    }
    for (lines, commits) in raw.medians() {
        let rate = found(ONE_BUYER, lines).map(|standing| standing.per_second.median);
        let ratio = rate.and_then(|rate| Ratio::of(rate, commits.median));
        let what = of("one buyer alone: orders a second, to raw commits", lines);
        report
            .goals
            .push(Goal::at_least(what, ratio, Ratio::hundredths(30)));
    }
    report
        .tables
        .push(table("On a file (SQLite)", &standings, turns));
    report.tables.push(raw_table(raw));
}

fn raw_table(raw: &Raw) -> Table {
    let row = |(lines, rate): (usize, Spread)| {
        let Spread {
            median,
            least,
            most,
        } = rate;
        vec![lines.to_string(), format!("{median} ({least} to {most})")]
    };
    Table {
        title: "Raw commits: one order each, the same bytes".to_owned(),
        head: ["lines", "a second"].map(str::to_owned).into(),
        rows: raw.medians().map(row).collect(),
    }
}
