//! A turn: the warehouse ships every order, in waves, and everybody who is told is listened to until all has been heard.
//!
//! A wave is one step with each order, and the next begins when all of the last is heard: news of one shipment never overtake each
//! other, so that each version is an event of its own.

use std::time::{Duration, Instant};

use tests::processes::Kept;

use super::{
    subscriber::{Inbox, Ledger, Place, Reader},
    warehouse::{Pick, STEPS, Warehouse},
};
use crate::{
    contest::{Kind, Lap},
    figures::per_mille,
    machine::load_average,
    say,
    tree::{Meter, proportional_kib},
};

/// Between two looks at the feed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Where something is to be killed midway, what was posted is looked at more often.
const LOOK_CLOSELY: Duration = Duration::from_millis(25);
/// After so long without anything new nothing is waited for any more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who takes the news of the warehouse.
pub(super) struct Contender<'a> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Its programs, each with its processes.
    pub(super) programs: Vec<Vec<u32>>,
    /// Where the warehouse posts its news.
    pub(super) news_to: String,
    pub(super) feed: Place,
    pub(super) inbox: &'a Inbox,
    /// What its webhooks are signed with.
    pub(super) secret: String,
}

/// What a turn has shown.
pub(super) struct Turn {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) round: usize,
    pub(super) ledger: Ledger,
    /// All waves together, from when the news go out until all is heard.
    pub(super) took: Duration,
    /// Processor time of each program.
    pub(super) used: Vec<Duration>,
    pub(super) memory_kib: u64,
    pub(super) load_average: String,
    /// Programs that were killed midway.
    pub(super) killed: u64,
    /// Orders that have not left.
    pub(super) not_gone: usize,
}

/// Kills programs midway through each wave: the first after a third of its events, the other after two.
pub(super) struct Killer<'a> {
    pub(super) victims: [&'a Kept; 2],
    /// After the last wave: until whatever was begun again has come to its end.
    pub(super) aftermath: Duration,
}

impl Contender<'_> {
    /// One turn over these orders.
    pub(super) async fn turn(
        &self,
        warehouse: &Warehouse,
        picks: &[Pick],
        round: usize,
        killer: Option<&Killer<'_>>,
    ) -> anyhow::Result<Turn> {
        let load_average = load_average();
        let mut reader = Reader::from_now(self.feed.clone()).await?;
        let mut turn = Turn {
            name: self.name,
            kind: self.kind,
            round,
            ledger: Ledger::default(),
            took: Duration::ZERO,
            used: vec![Duration::ZERO; self.programs.len()],
            memory_kib: 0,
            load_average,
            killed: 0,
            not_gone: 0,
        };
        for step in 0..STEPS {
            let news = warehouse.work(picks, step, &self.news_to).await?;
            let meters: Vec<Meter> = self
                .programs
                .iter()
                .map(|pids| Meter::start(pids))
                .collect();
            let begun = Instant::now();
            turn.ledger.expect(news, begun);
            warehouse.release().await?;
            let killed = self.listen(&mut turn.ledger, &mut reader, picks.len(), killer);
            turn.killed = turn.killed.saturating_add(killed.await?);
            turn.took = turn.took.saturating_add(begun.elapsed());
            for (used, meter) in turn.used.iter_mut().zip(meters) {
                *used = used.saturating_add(meter.stop().await);
            }
            if !turn.ledger.is_complete() {
                break;
            }
        }
        if let Some(killer) = killer {
            tokio::time::sleep(killer.aftermath).await;
            self.look(&mut turn.ledger, &mut reader).await?;
        }
        let roots: Vec<u32> = self.programs.iter().flatten().copied().collect();
        turn.memory_kib = proportional_kib(&roots);
        Ok(turn)
    }

    /// What has been posted, and the feed to its end.
    async fn look(&self, ledger: &mut Ledger, reader: &mut Reader) -> anyhow::Result<()> {
        ledger.post(self.inbox.look(&self.secret));
        loop {
            let page = reader.page().await?;
            if page.is_empty() {
                return Ok(());
            }
            ledger.read(page, Instant::now());
        }
    }

    /// Listens until all of a wave is heard, or nothing new comes any more; how many programs were killed meanwhile.
    async fn listen(
        &self,
        ledger: &mut Ledger,
        reader: &mut Reader,
        wave: usize,
        killer: Option<&Killer<'_>>,
    ) -> anyhow::Result<u64> {
        let before = ledger.expected().saturating_sub(wave);
        let third = wave.div_ceil(3).max(1);
        let mut victims = (1..).zip(killer.into_iter().flat_map(|killer| killer.victims));
        let mut victim = victims.next();
        let (mut last, mut moved) = (ledger.heard(), Instant::now());
        let mut killed: u64 = 0;
        loop {
            ledger.post(self.inbox.look(&self.secret));
            let posted = ledger.heard().0.saturating_sub(before);
            let due = |nth: usize| posted >= third.saturating_mul(nth) && posted < wave;
            if let Some((_, kept)) = victim.filter(|(nth, _)| due(*nth)) {
                kept.restart().await?;
                killed = killed.saturating_add(1);
                say(&format!(
                    "{} was killed after {posted} of {wave}",
                    kept.name()
                ))?;
                victim = victims.next();
            }
            let looked = self.look(ledger, reader).await;
            if let (Err(error), None) = (looked, killer) {
                return Err(error);
            }
            if ledger.is_complete() {
                return Ok(killed);
            }
            if ledger.heard() != last {
                (last, moved) = (ledger.heard(), Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                return Ok(killed);
            }
            tokio::time::sleep(if victim.is_some() {
                LOOK_CLOSELY
            } else {
                LOOK_EVERY
            })
            .await;
        }
    }
}

impl Turn {
    /// How many events there were to be.
    pub(super) fn events(&self) -> u64 {
        u64::try_from(self.ledger.expected()).unwrap_or(u64::MAX)
    }

    /// Events that were not heard by one way or the other, deliveries that nobody may trust, and orders that do not stand as they
    /// should: what the feed tells is not yet what the order is.
    pub(super) fn lost(&self) -> u64 {
        let lost = self.ledger.lost().saturating_add(self.not_gone);
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        lost.saturating_add(self.ledger.unsigned)
    }

    /// Processor time of an event in its first programs, in ns.
    pub(super) fn cpu_ns(&self, programs: std::ops::Range<usize>) -> u64 {
        let own = self.used.iter().skip(programs.start).take(programs.len());
        let used: Duration = own.sum();
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        nanos.checked_div(self.events()).unwrap_or_default()
    }

    pub(super) fn per_second(&self) -> u64 {
        let events = u128::from(self.events()).saturating_mul(1_000_000_000);
        u64::try_from(events / self.took.as_nanos().max(1)).unwrap_or(u64::MAX)
    }

    /// For how long a posted event was on its way, by its rank of a thousand, in µs.
    pub(super) fn posted_us(&self, rank: usize) -> u64 {
        micros(&self.ledger.posted.times(), rank)
    }

    /// The same until it was read in the feed.
    pub(super) fn read_us(&self, rank: usize) -> u64 {
        micros(&self.ledger.read.times(), rank)
    }

    /// As a lap of a contest.
    pub(super) fn lap(&self, counted: usize) -> Lap {
        let lost = self.lost();
        Lap {
            contestant: self.name.to_owned(),
            round: self.round,
            answered: self.events().saturating_sub(lost),
            refused: 0,
            lost,
            not_sent: 0,
            p50_us: self.posted_us(500),
            p99_us: self.posted_us(990),
            per_second: self.per_second(),
            cpu_ns: self.cpu_ns(0..counted),
            memory_kib: self.memory_kib,
            load_average: self.load_average.clone(),
        }
    }
}

fn micros(times: &[Duration], rank: usize) -> u64 {
    let time = per_mille(times, rank).unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
