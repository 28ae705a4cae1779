//! What goes wrong in a run: processes killed and stopped in their tracks, and backends that answer late, twice, out of
//! order, in part, or not at all.

use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use rustix::process::Signal;
use sandbox::fault::{Fault, FaultPlan, FaultRule, Latency};
use serde::Serialize;
use service_runtime::clock::Clock;

use crate::{ack_log::Course, estate::Estate, outside::Records};

/// The latest that a proxy delivers a request; the quiet periods are twice as long.
pub(crate) const LATEST_DELIVERY: Duration = Duration::from_millis(2_500);

/// A fault that struck.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Struck {
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) what: What,
    /// Which processes.
    pub(crate) whom: Vec<String>,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// SIGKILL; it is started again.
    Kill,
    /// SIGSTOP, and SIGCONT after a while.
    Stop {
        /// How long.
        ms: u64,
    },
}

/// How processes fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// Between two faults.
    pub(crate) every: Duration,
    /// How many.
    pub(crate) count: usize,
    /// The longest stop.
    pub(crate) longest_stop: Duration,
}

/// Lets processes fail, by luck of a seed, singly and together.
pub(crate) async fn strike(estate: &Estate, seed: u64, rhythm: Rhythm) -> Vec<Struck> {
    let mut luck = StdRng::seed_from_u64(seed ^ 0x5eed_fa17);
    let mut struck = Vec::new();
    for _ in 0..rhythm.count {
        tokio::time::sleep(rhythm.every).await;
        let together = luck.random_range(0..4) == 0;
        let whom: Vec<usize> = if together {
            (0..estate.layers.len()).collect()
        } else {
            let one: Vec<usize> = (0..estate.layers.len()).collect();
            one.choose(&mut luck).copied().into_iter().collect()
        };
        let longest = u64::try_from(rhythm.longest_stop.as_millis()).unwrap_or(u64::MAX);
        let what = if luck.random_range(0..3) == 0 {
            let ms = luck.random_range(100..=longest.max(101));
            What::Stop { ms }
        } else {
            What::Kill
        };
        let layers: Vec<_> = whom
            .iter()
            .filter_map(|index| estate.layers.get(*index))
            .collect();
        struck.push(Struck {
            at: Clock::system().now(),
            what,
            whom: layers.iter().map(|layer| layer.process.name()).collect(),
        });
        match what {
            What::Kill => layers.iter().for_each(|layer| {
                layer.process.signal(Signal::KILL);
            }),
            What::Stop { ms } => {
                // One that has just died needs no stop, and one that was started since none either.
                layers.iter().for_each(|layer| {
                    layer.process.signal(Signal::STOP);
                });
                tokio::time::sleep(Duration::from_millis(ms)).await;
                layers.iter().for_each(|layer| {
                    layer.process.signal(Signal::CONT);
                });
            }
        }
    }
    struck
}

/// How many of the faults struck while an order was under way: sent, and not yet whole in the ERP and at the warehouses.
pub(crate) fn in_flight(struck: &[Struck], courses: &[Course], records: &Records) -> usize {
    let spans: Vec<(Timestamp, Option<Timestamp>)> = courses
        .iter()
        .map(|course| (course.invoked_at, rested(course, records)))
        .collect();
    let hit = |at: Timestamp| {
        spans
            .iter()
            .any(|(from, to)| *from <= at && to.is_none_or(|to| at <= to))
    };
    struck.iter().filter(|fault| hit(fault.at)).count()
}

/// When the last thing was done for an order; None where it was never answered.
fn rested(course: &Course, records: &Records) -> Option<Timestamp> {
    let mut last = course.end.as_ref()?.at;
    let orders = records.orders.iter().filter(|order| {
        order.purchase_order_number == course.order.number && order.account == course.order.account
    });
    for order in orders {
        last = last.max(order.created_at);
        let picks = records
            .picks
            .iter()
            .filter(|pick| pick.order_ref == order.number);
        last = picks.map(|pick| pick.created_at).fold(last, Timestamp::max);
    }
    Some(last)
}

/// Backends that misbehave in every way, each now and then. Nothing of it lasts.
pub(crate) fn backends(seed: u64) -> FaultPlan {
    let late = Latency::Uniform {
        min_ms: 500,
        max_ms: u64::try_from(LATEST_DELIVERY.as_millis()).unwrap_or(u64::MAX),
    };
    let soon = Latency::Uniform {
        min_ms: 0,
        max_ms: 500,
    };
    let status = |status, retry_after_s| Fault::Status {
        status,
        retry_after_s,
    };
    let faults = [
        (
            0.03,
            Fault::DeliverLate {
                after: late,
                hold_ms: 3_000,
            },
        ),
        (0.03, Fault::Truncate { at: None }),
        (
            0.03,
            Fault::Duplicate {
                after: soon.clone(),
            },
        ),
        (
            0.03,
            Fault::Reorder {
                behind: 1,
                hold_ms: 800,
            },
        ),
        (0.03, Fault::DropAfterCommit),
        (0.02, Fault::DropConnection),
        (0.02, Fault::StatusAfterCommit { status: 500 }),
        (0.03, status(503, None)),
        (0.02, status(429, Some(1))),
        (
            0.05,
            Fault::Delay {
                latency: soon.clone(),
            },
        ),
    ];
    let doubled = FaultRule {
        probability: 0.05,
        name: "a create, twice".to_owned(),
        ..FaultRule::new(
            "/erp/call/SALESORDER_CREATE",
            Fault::Duplicate { after: soon },
        )
    };
    let others = faults.into_iter().map(|(probability, fault)| FaultRule {
        probability,
        name: fault.kind().to_owned(),
        ..FaultRule::new("", fault)
    });
    let rules = std::iter::once(doubled).chain(others).collect();
    FaultPlan {
        seed,
        latency: Some(Latency::Lognormal {
            median_ms: 15,
            sigma: 0.6,
            max_ms: 500,
        }),
        // Each order's reference, so that its calls are found in the log.
        subject: Some("/XREF".to_owned()),
        ..FaultPlan::of_rules(rules)
    }
}
