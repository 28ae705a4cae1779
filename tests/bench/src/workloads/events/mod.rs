//! W5: 10,000 shipment events, from the warehouse's news to the order, to the feed and to a signed webhook; and the same once more
//! while programs are killed.

mod orders;
mod subscriber;
mod tables;
mod turn;
mod warehouse;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use tests::processes::{Binaries, Kept, Ports};

use self::{
    orders::Orders,
    subscriber::{Inbox, Place},
    tables::{table, under_kills},
    turn::{Contender, Killer, Turn},
    warehouse::{LINES, Pick, STEPS, Warehouse},
};
use super::Options;
use crate::{
    contest::{Kind, pids},
    estate::{Estate, Plan},
    figures::{Ratio, Spread},
    floors,
    machine::{Machine, Side, sync_probe},
    report::{Goal, Report},
    say,
};

const OURS: &str = "Orderway";
const LIMIT: &str = "a row, a feed and a webhook";
const KILLED: &str = "Orderway, killed again and again";
/// Items of the sandbox: one in a hundred is not sold.
const ITEMS: u32 = 210;
/// Of Orderway's programs those whose processor time is compared: `system-apis` and `process-apis`.
const COUNTED: usize = 2;
/// A subscription is leased for 15 s: what a program that was killed had begun is taken up by then.
const AFTERMATH: Duration = Duration::from_secs(20);
/// What an event may cost, of the limit's.
const BOUND: Ratio = Ratio::hundredths(250);

/// Ships orders through Orderway and past it, in turn; then through it while it is killed.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    let count = usize::try_from(options.events)? / STEPS;
    let events = count.saturating_mul(STEPS);
    let mut report = Report::new("W5", &format!("{events} shipment events"), machine);
    report.settings = settings(options, count);
    let estate = start(binaries).await?;
    let folder = estate.folder.path();
    report.sync_probes.push(sync_probe(folder)?);
    let inbox = Inbox::open().await?;
    let orders = Orders::new(&estate)?;
    let ours = Ours {
        secret: orders.subscribe(inbox.url()).await?,
        warehouse: Warehouse::new(estate.http.clone(), &estate.wms),
        estate: &estate,
        inbox: &inbox,
        orders,
        count,
    };
    let (limit, _running) = limit(&ours, folder).await?;
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        let (turn, picks) = ours.turn(round, None).await?;
        turns.push(turn);
        let picks = ours
            .warehouse
            .ask_again(&picks, &format!("L{round}"))
            .await?;
        turns.push(limit.turn(&ours.warehouse, &picks, round, None).await?);
        say(&format!("round {round} of {} is done", options.rounds))?;
    }
    let (killed, _) = ours.turn(0, Some(ours.killer()?)).await?;
    report.sync_probes.push(sync_probe(folder)?);
    judge(&mut report, &turns, &killed);
    Ok(report)
}

/// Orderway, with plenty of everything, and nobody short of credit.
async fn start(binaries: &Binaries) -> anyhow::Result<Estate> {
    let plan = Plan {
        items: ITEMS,
        ..Plan::default()
    };
    let plan = plan
        .far_budgets()
        // Of the orders, and not of their shipments: it would come in the midst of these.
        .with("ORDERWAY_PROCESS__EFFECTS__GHOST_SWEEP", "[\"24h\"]");
    let estate = Estate::start(binaries, &plan).await?;
    let items: Vec<String> = (1..=LINES).map(|item| format!("SKU-{item:04}")).collect();
    estate.plenty(&items).await?;
    Ok(estate)
}

fn settings(options: &Options, count: usize) -> Vec<String> {
    let events = count.saturating_mul(STEPS);
    let mut settings = vec![
        format!(
            "{count} orders of {LINES} lines a turn, placed and released before the clock begins; the warehouse picks each in three \
             goes, packs and ships it: {events} events a turn, {} rounds, each contestant in turn",
            options.rounds
        ),
        "a wave is one step with each order: all its news go out at once, 8 at a time, as the warehouse posts them, and the next wave \
         begins when the last is heard; between waves no clock runs"
            .to_owned(),
        "one subscriber is posted every event, and one reader looks at the end of the feed every 100 ms: of Orderway through the \
         portal, of the limit at itself; times count from when the news of a wave go out"
            .to_owned(),
        "compared is the processor time of system-apis and process-apis; that of experience-apis, which only pass on the feed, stands \
         beside it"
            .to_owned(),
        "the limit takes the same news of the same warehouse, of as many shipments as alike; it asks nobody who they are, looks at no \
         order, and keeps nothing of what it has posted"
            .to_owned(),
        "on a file: SQLite, WAL, synchronous=FULL, for both; the look at the ERP a minute after an order was accepted is put off"
            .to_owned(),
        "what is measured has one core; the load, the warehouse and the subscriber the other".to_owned(),
    ];
    if events != 10_000 {
        settings.insert(0, format!("a run of {events} events in place of 10,000"));
    }
    settings
}

/// Orderway, and all that is told of it.
struct Ours<'a> {
    estate: &'a Estate,
    orders: Orders<'a>,
    warehouse: Warehouse,
    inbox: &'a Inbox,
    /// What signs its webhooks.
    secret: String,
    /// Orders of a turn.
    count: usize,
}

impl Ours<'_> {
    /// One turn with orders of its own; round 0 is the one with kills.
    async fn turn(
        &self,
        round: usize,
        killer: Option<Killer<'_>>,
    ) -> anyhow::Result<(Turn, Vec<Pick>)> {
        let picks = self
            .orders
            .place(self.count, &format!("W5-{round}"), &self.warehouse)
            .await?;
        let layers = self.estate.layers.iter();
        let contender = Contender {
            name: if killer.is_some() { KILLED } else { OURS },
            kind: Kind::Orderway,
            programs: layers
                .map(|layer| pids(std::slice::from_ref(layer)))
                .collect(),
            news_to: format!("{}/v1/webhooks/warehouse", self.estate.system),
            feed: Place::Portal(self.orders.buyer().await?),
            inbox: self.inbox,
            secret: self.secret.clone(),
        };
        let turn = contender.turn(&self.warehouse, &picks, round, killer.as_ref());
        let mut turn = turn.await?;
        turn.not_gone = self.orders.not_gone().await?;
        Ok((turn, picks))
    }

    fn killer(&self) -> anyhow::Result<Killer<'_>> {
        let [system, process, ..] = self.estate.layers.as_slice() else {
            anyhow::bail!("there are three layers");
        };
        Ok(Killer {
            victims: [process, system],
            aftermath: AFTERMATH,
        })
    }
}

/// The limit; it goes on as long as what is given beside it.
async fn limit<'a>(ours: &Ours<'a>, folder: &Path) -> anyhow::Result<(Contender<'a>, Kept)> {
    let file = folder.join("limit.sqlite");
    let file = file.to_str().context("a folder's name is UTF-8")?;
    let to = ours.inbox.url();
    let arguments = [
        "events",
        "--file",
        file,
        "--to",
        to,
        "--secret",
        &ours.secret,
    ];
    let log = folder.join("limit.log");
    let running = floors::start(&mut Ports::default(), Side::Measured, &arguments, log).await?;
    let url = format!("http://{}", running.address);
    let contender = Contender {
        name: LIMIT,
        kind: Kind::Floor,
        programs: vec![pids(std::slice::from_ref(&running.kept))],
        news_to: format!("{url}/v1/webhooks/warehouse"),
        feed: Place::Bare(ours.estate.http.clone(), url),
        inbox: ours.inbox,
        secret: ours.secret.clone(),
    };
    Ok((contender, running.kept))
}

/// Tables and goals.
fn judge(report: &mut Report, turns: &[Turn], killed: &Turn) {
    let cpu = |name: &str| {
        let own = turns.iter().filter(|turn| turn.name == name);
        Spread::of(own.map(|turn| turn.cpu_ns(0..COUNTED))).median
    };
    report.goals.push(Goal::at_most(
        "CPU of an event in system-apis and process-apis, to the limit's",
        Ratio::of(cpu(OURS), cpu(LIMIT)),
        BOUND,
    ));
    let none = Ratio::hundredths(0);
    let all = || {
        turns
            .iter()
            .chain([killed])
            .filter(|turn| turn.kind == Kind::Orderway)
    };
    let whole = |count: u64| Ratio::of(count, 1);
    let lost: u64 = all().map(Turn::lost).sum();
    let doubled: u64 = all().map(|turn| turn.ledger.doubled()).sum();
    let killed_midway = Ratio::of(killed.killed, 1);
    let across = format!("across {} kill -9", killed.killed);
    report.goals.extend([
        Goal::at_most(format!("events lost, {across} too"), whole(lost), none),
        Goal::at_most(
            format!("events doubled, {across} too"),
            whole(doubled),
            none,
        ),
        Goal::at_least("kill -9 midway", killed_midway, Ratio::hundredths(200)),
    ]);
    report.tables.push(table(turns));
    report.tables.push(under_kills(killed));
    let laps = turns.iter().map(|turn| turn.lap(COUNTED));
    report.laps.extend(laps);
}
