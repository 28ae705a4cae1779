//! W2: The ERP protected: 150 ms a call, 20 calls a second, 500 requests a second over 200 skewed pages.
//!
//! Each contestant begins with empty caches: 20 s from then on (cold), 12 s that are counted after 14 s that are not (steady), and
//! 5 s without an ERP (gone). Then the next one's turn.

mod caches;
mod keys;
mod shop;
mod tables;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use ::tests::processes::{Binaries, Ports};
use anyhow::Context as _;
use serde::Serialize;

use self::{
    caches::Cache,
    keys::Keys,
    shop::{Shape, Shop},
};
use super::Options;
use crate::{
    contest::{Contestant, Kind, Lap, lap, pids},
    figures::{Ratio, Spread},
    floors::slow::{PER_SECOND as ERP_PER_SECOND, TAKES},
    load::{Came, Pace, Target, drive},
    machine::{Machine, load_average},
    report::{Goal, Report},
    say,
    tree::Meter,
};

const PER_SECOND: u32 = 500;
/// So many that a crowd that waits for one page keeps nobody else from asking for another.
const CONNECTIONS: u32 = 2_000;
/// Who is not answered by then is counted as if it had been then.
const PATIENCE: Duration = Duration::from_secs(30);
const COLD: Duration = Duration::from_secs(20);
const UNCOUNTED: Duration = Duration::from_secs(14);
const STEADY: Duration = Duration::from_secs(12);
const GONE: Duration = Duration::from_secs(5);
/// Distinct pages.
const PAGES: usize = 200;
/// How long peers may answer a page for without asking, and Orderway a price, a stock figure or a product.
const FRESH: &str = "10s";

const LISTS: &str = "Orderway, pages of 20";
const PRODUCTS: &str = "Orderway, product pages";
const NGINX: &str = "nginx, lock and background update";
const VARNISH: &str = "Varnish, grace";
const MOKA: &str = "axum and moka, single flight";

/// A part of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Phase {
    Cold,
    Steady,
    Gone,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Steady => "steady",
            Self::Gone => "ERP gone",
        }
    }
}

/// What a part of a turn has shown.
#[derive(Debug, Clone)]
struct Seen {
    who: &'static str,
    kind: Kind,
    version: String,
    phase: Phase,
    /// Over all that was asked for.
    p50: Duration,
    p99: Duration,
    answered: u64,
    asked: u64,
    /// The ERP's calls, and the most in any second.
    calls: u64,
    most: u64,
    /// Processor time of its processes for each good answer, in ns.
    cpu_ns: u64,
    /// What was said in place of a good answer, and how often.
    refused: BTreeMap<String, u64>,
}

/// What stands between the load and an ERP.
enum Subject {
    Shop(Box<Shop>),
    Cache(Box<Cache>),
}

impl Subject {
    /// When the ERP was called, in ms from some time on.
    async fn calls(&self) -> anyhow::Result<Vec<u64>> {
        match self {
            Self::Shop(shop) => shop.calls().await,
            Self::Cache(cache) => cache.calls().await,
        }
    }

    /// The ERP answers nothing any more.
    async fn lose_the_erp(&self) -> anyhow::Result<()> {
        match self {
            Self::Shop(shop) => shop.lose_the_erp().await,
            Self::Cache(cache) => {
                cache.lose_the_erp().await;
                Ok(())
            }
        }
    }

    fn target(&self) -> Arc<Target> {
        match self {
            Self::Shop(shop) => Arc::clone(&shop.target),
            Self::Cache(cache) => Arc::clone(&cache.target),
        }
    }

    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Shop(shop) => shop.pids(),
            Self::Cache(cache) => pids(std::slice::from_ref(&cache.kept)),
        }
    }

    fn version(&self) -> String {
        match self {
            Self::Shop(_) => String::new(),
            Self::Cache(cache) => cache.version.clone(),
        }
    }
}

/// Puts a busy shop on Orderway and on caches, before an ERP that is slow.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    let mut report = Report::new("W2", "the ERP protected", machine);
    let folder = tempfile::tempdir()?;
    let pages = folder.path().join("pages");
    let keys = Keys::get(binaries, &pages).await?;
    settings(options, &mut report);
    let mut seen = Vec::new();
    for round in 1..=options.rounds {
        for (who, shape) in [(LISTS, Shape::Lists), (PRODUCTS, Shape::Products)] {
            let shop = Shop::open(binaries, &keys, shape).await?;
            let subject = Subject::Shop(Box::new(shop));
            turn(
                who,
                Kind::Orderway,
                &subject,
                round,
                (&mut seen, &mut report.laps),
            )
            .await?;
        }
        if options.peers {
            let aside = folder.path().join(round.to_string());
            beside(&pages, &aside, round, (&mut seen, &mut report)).await?;
        }
        say(&format!("round {round} of {} is done", options.rounds))?;
    }
    report.tables = tables::of(&seen);
    goals(&seen, &mut report);
    Ok(report)
}

/// The peers' turns of a round; one that cannot be had is told.
async fn beside(
    pages: &Path,
    aside: &Path,
    round: usize,
    (seen, report): (&mut Vec<Seen>, &mut Report),
) -> anyhow::Result<()> {
    let mut ports = Ports::default();
    for who in [NGINX, VARNISH, MOKA] {
        match Cache::open(who, &mut ports, aside, pages).await {
            Ok(cache) => {
                let subject = Subject::Cache(Box::new(cache));
                turn(who, Kind::Peer, &subject, round, (seen, &mut report.laps)).await?;
            }
            Err(error) => report.left_out.push(format!("{who}: {error:#}")),
        }
    }
    Ok(())
}

/// All parts of one contestant's turn.
async fn turn(
    who: &'static str,
    kind: Kind,
    subject: &Subject,
    round: usize,
    (seen, laps): (&mut Vec<Seen>, &mut Vec<Lap>),
) -> anyhow::Result<()> {
    let pace = |lasts| Pace {
        patience: PATIENCE,
        ..Pace::open(PER_SECOND, lasts, CONNECTIONS)
    };
    let target = subject.target();
    for (phase, lasts) in [
        (Phase::Cold, COLD),
        (Phase::Steady, STEADY),
        (Phase::Gone, GONE),
    ] {
        if phase == Phase::Steady {
            drive(pace(UNCOUNTED), &target).await;
        }
        let before = subject.calls().await?.len();
        if phase == Phase::Gone {
            subject.lose_the_erp().await?;
        }
        let contestant = Contestant {
            name: format!("{who}: {}", phase.name()),
            kind,
            version: subject.version(),
            target: Arc::clone(&target),
            pids: subject.pids(),
            kept: Vec::new(),
        };
        let (load, meter) = (load_average(), Meter::start(&contestant.pids));
        let came = drive(pace(lasts), &target).await;
        let used = meter.stop().await;
        // An ERP that is gone tells nothing of who still calls.
        let calls = match phase {
            Phase::Gone => Vec::new(),
            Phase::Cold | Phase::Steady => subject.calls().await?.split_off(before),
        };
        let lap = lap(&contestant, round, &came, used, load);
        let shown = shown(&contestant, (who, phase), (&came, lap.cpu_ns), &calls);
        seen.push(shown);
        laps.push(lap);
    }
    Ok(())
}

fn shown(
    contestant: &Contestant,
    (who, phase): (&'static str, Phase),
    (came, cpu_ns): (&Came, u64),
    calls: &[u64],
) -> Seen {
    let mut refused = BTreeMap::new();
    for why in &came.refused {
        let count: &mut u64 = refused.entry(why.clone()).or_default();
        *count = count.saturating_add(1);
    }
    Seen {
        who,
        kind: contestant.kind,
        version: contestant.version.clone(),
        phase,
        p50: of_all(came, 500),
        p99: of_all(came, 990),
        answered: came.answered(),
        asked: came.asked(),
        calls: u64::try_from(calls.len()).unwrap_or(u64::MAX),
        most: most_in_a_second(calls),
        cpu_ns,
        refused,
    }
}

/// The time below which so many of a thousand lie of all that was asked for: who had no good answer is not left out.
fn of_all(came: &Came, rank: u64) -> Duration {
    let place = came.asked().saturating_mul(rank).div_ceil(1000);
    let place = usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX);
    came.times.get(place).copied().unwrap_or(PATIENCE)
}

/// The most of these milliseconds that lie within any second.
fn most_in_a_second(calls: &[u64]) -> u64 {
    let mut sorted = calls.to_vec();
    sorted.sort_unstable();
    let within = |(place, first): (usize, &u64)| {
        let rest = sorted.get(place..).unwrap_or_default();
        rest.partition_point(|at| at.saturating_sub(*first) < 1_000)
    };
    let most = sorted.iter().enumerate().map(within).max();
    u64::try_from(most.unwrap_or_default()).unwrap_or(u64::MAX)
}

fn settings(options: &Options, report: &mut Report) {
    report.settings = vec![
        format!(
            "{PER_SECOND} requests a second over {CONNECTIONS} connections, {PAGES} pages, the n-th asked for with a weight of 1/n; \
             {} rounds of {} s cold, {} s steady (after {} s) and {} s without an ERP, each contestant from empty caches",
            options.rounds,
            COLD.as_secs(),
            STEADY.as_secs(),
            UNCOUNTED.as_secs(),
            GONE.as_secs(),
        ),
        format!(
            "the peers' ERP gives a whole page in one call: {} ms, at most {ERP_PER_SECOND} begun a second, more wait; Orderway's \
             sandbox takes as long for each call and refuses none: its budget of {ERP_PER_SECOND} a second (8 at a time) is kept by \
             Orderway alone",
            TAKES.as_millis(),
        ),
        format!(
            "Orderway's pages begin 2 products apart, 67 of each of 3 accounts, so that they overlap; each is a search of its own in \
             the ERP, and prices and stock are further calls. A product page is one of 67 products of 3 accounts. Fresh for {FRESH}: \
             products, prices and stock, and the peers' pages; what a search has found, 10 min"
        ),
        "an answer is good when each product on it has its price and its availability; one that is not, or that does not come, counts \
         as if it had taken 30 s"
            .to_owned(),
    ];
}

fn goals(seen: &[Seen], report: &mut Report) {
    let of = |who: &str, phase: Phase, figure: fn(&Seen) -> u64| {
        let own = seen
            .iter()
            .filter(|seen| seen.who == who && seen.phase == phase);
        let figures: Vec<u64> = own.map(figure).collect();
        (!figures.is_empty()).then(|| Spread::of(figures.into_iter()))
    };
    let p99 = |who: &str, phase| of(who, phase, |seen| micros(seen.p99)).map(|of| of.median);
    let to = |ours: Option<u64>, theirs: Option<u64>| Ratio::of(ours?, theirs?);
    let best = [NGINX, VARNISH, MOKA]
        .into_iter()
        .filter_map(|who| p99(who, Phase::Cold))
        .min();
    let budget = u64::from(ERP_PER_SECOND).saturating_add(1);
    for who in [LISTS, PRODUCTS] {
        let most = [Phase::Cold, Phase::Steady]
            .into_iter()
            .filter_map(|phase| of(who, phase, |seen| seen.most))
            .map(|of| of.most)
            .max();
        let missing = of(who, Phase::Gone, |seen| {
            seen.asked.saturating_sub(seen.answered)
        });
        report.goals.extend([
            Goal::at_most(
                format!("{who}: most calls of the ERP in a second, to the budget and one"),
                to(most, Some(budget)),
                Ratio::hundredths(100),
            ),
            Goal::at_most(
                format!("{who}: p99 cold, to the best peer's"),
                to(p99(who, Phase::Cold), best),
                Ratio::hundredths(10),
            ),
            Goal::at_most(
                format!("{who}: p99 steady, to Varnish's"),
                to(p99(who, Phase::Steady), p99(VARNISH, Phase::Steady)),
                Ratio::hundredths(100),
            ),
            Goal::at_most(
                format!("{who}: answers that were not given while the ERP was gone"),
                to(missing.map(|of| of.most), Some(1)),
                Ratio::hundredths(0),
            ),
        ]);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A page on which so many products have their price and their availability; none = it is good.
fn unpriced(body: &[u8], products: usize) -> Option<String> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let has = |what: &str| text.matches(what).count() >= products;
    if !has("\"price\":{") {
        return Some("without prices".to_owned());
    }
    (!has("\"availability\":{")).then(|| "without availability".to_owned())
}

/// A folder's name as an argument.
fn utf8(folder: &Path) -> anyhow::Result<&str> {
    folder.to_str().context("a folder's name is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_may_begin_at_any_call() {
        assert_eq!(most_in_a_second(&[0, 900, 1_000, 1_899, 1_900, 5_000]), 3);
        assert_eq!(most_in_a_second(&[]), 0);
    }

    #[test]
    fn who_got_no_good_answer_counts_as_the_slowest() {
        let came = Came {
            times: vec![Duration::from_millis(1); 98],
            lost: 2,
            ..Came::default()
        };
        assert_eq!(of_all(&came, 500), Duration::from_millis(1));
        assert_eq!(of_all(&came, 990), PATIENCE);
    }

    #[test]
    fn a_page_is_good_only_when_every_product_is_whole() {
        let whole = br#"{"price":{},"availability":{}}"#;
        assert_eq!(unpriced(whole, 1), None);
        assert!(unpriced(whole, 2).is_some());
    }
}
