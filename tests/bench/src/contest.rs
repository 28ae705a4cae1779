//! A contest: the same load on each contestant in turn, round after round, and what came of it.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tests::processes::Kept;

use crate::{
    figures::{Spread, per_mille},
    load::{Came, Pace, Target, drive},
    machine::load_average,
    say,
    tree::{Meter, proportional_kib},
};

/// What a contestant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Orderway.
    Orderway,
    /// A limit: what does nothing but what nobody can do without.
    Floor,
    /// Other software for the same job, or a part of it.
    Peer,
}

/// Somebody who answers.
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its version, where it says one.
    pub(crate) version: String,
    pub(crate) target: Arc<Target>,
    /// Its processes; what they have started counts with them.
    pub(crate) pids: Vec<u32>,
    /// What ends when it is over.
    #[expect(dead_code, reason = "held, so that it goes on until then")]
    pub(crate) kept: Vec<Kept>,
}

/// The process numbers of those that run.
pub(crate) fn pids(kept: &[Kept]) -> Vec<u32> {
    let number = |kept: &Kept| u32::try_from(kept.pid()?.as_raw_nonzero().get()).ok();
    kept.iter().filter_map(number).collect()
}

/// One contestant's part of one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Lap {
    pub(crate) contestant: String,
    /// From 1.
    pub(crate) round: usize,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) not_sent: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    /// Answered a second.
    pub(crate) per_second: u64,
    /// Processor time of its processes for each answer, in ns.
    pub(crate) cpu_ns: u64,
    /// Memory after it, as KiB of PSS.
    pub(crate) memory_kib: u64,
    /// Processes that wanted a core, when it began.
    pub(crate) load_average: String,
}

/// All laps of a contestant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) version: String,
    /// In ns.
    pub(crate) cpu: Spread,
    pub(crate) p50_us: Spread,
    pub(crate) p99_us: Spread,
    pub(crate) per_second: Spread,
    pub(crate) memory_kib: Spread,
    pub(crate) answered: u64,
    /// What was not answered well, in all rounds.
    pub(crate) failed: u64,
}

/// Drives each in turn, so many rounds; the first touch of each is not counted.
pub(crate) async fn race(
    contestants: &[Contestant],
    pace: Pace,
    rounds: usize,
) -> anyhow::Result<Vec<Lap>> {
    let warm_up = Pace {
        lasts: Duration::from_secs(1),
        ..pace
    };
    for contestant in contestants {
        let came = drive(warm_up, &contestant.target).await;
        anyhow::ensure!(
            came.answered() > 0,
            "{} answers nothing: {:?}",
            contestant.name,
            came.refused.first()
        );
    }
    let mut laps = Vec::new();
    for round in 1..=rounds {
        for contestant in contestants {
            let load = load_average();
            let meter = Meter::start(&contestant.pids);
            let came = drive(pace, &contestant.target).await;
            let used = meter.stop().await;
            laps.push(lap(contestant, round, &came, used, load));
        }
        say(&format!("round {round} of {rounds} is done"))?;
    }
    Ok(laps)
}

/// What one load has shown of a contestant.
pub(crate) fn lap(
    contestant: &Contestant,
    round: usize,
    came: &Came,
    used: Duration,
    load_average: String,
) -> Lap {
    let micros = |rank| {
        let time = per_mille(&came.times, rank).unwrap_or_default();
        u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
    };
    let answered = came.answered();
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let per_second = u128::from(answered).saturating_mul(1_000_000_000);
    Lap {
        contestant: contestant.name.clone(),
        round,
        answered,
        refused: u64::try_from(came.refused.len()).unwrap_or(u64::MAX),
        lost: came.lost,
        not_sent: came.not_sent,
        p50_us: micros(500),
        p99_us: micros(990),
        per_second: u64::try_from(per_second / came.took.as_nanos().max(1)).unwrap_or(u64::MAX),
        cpu_ns: nanos(used).checked_div(answered).unwrap_or_default(),
        memory_kib: proportional_kib(&contestant.pids),
        load_average,
    }
}

/// The standing of each, from its laps.
pub(crate) fn standings<'a>(
    contestants: impl IntoIterator<Item = &'a Contestant>,
    laps: &[Lap],
) -> Vec<Standing> {
    let of = |contestant: &Contestant| {
        let own: Vec<&Lap> = laps
            .iter()
            .filter(|lap| lap.contestant == contestant.name)
            .collect();
        let spread = |figure: fn(&Lap) -> u64| Spread::of(own.iter().map(|lap| figure(lap)));
        Standing {
            name: contestant.name.clone(),
            kind: contestant.kind,
            version: contestant.version.clone(),
            cpu: spread(|lap| lap.cpu_ns),
            p50_us: spread(|lap| lap.p50_us),
            p99_us: spread(|lap| lap.p99_us),
            per_second: spread(|lap| lap.per_second),
            memory_kib: spread(|lap| lap.memory_kib),
            answered: own.iter().map(|lap| lap.answered).sum(),
            failed: own
                .iter()
                .map(|lap| {
                    lap.refused
                        .saturating_add(lap.lost)
                        .saturating_add(lap.not_sent)
                })
                .sum(),
        }
    };
    contestants.into_iter().map(of).collect()
}
