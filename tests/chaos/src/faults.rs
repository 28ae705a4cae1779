//! What goes wrong in a run: processes killed and stopped in their tracks, and backends that answer late, twice, out of
//! order, in part, or not at all.

use std::time::Duration;

use ::tests::processes::Binary;
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use rustix::process::Signal;
use sandbox::fault::{Fault, FaultPlan, FaultRule, Latency};
use serde::Serialize;
use service_runtime::clock::Clock;

use crate::{
    ack_log::Course,
    estate::Estate,
    outside::{ErpStatus, Records},
};

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

/// How many of the faults struck a process that had work in flight at that instant: an order had been sent and was not
/// answered; or, but for `experience-apis`, one was acknowledged and not released. Between two sendings nothing is in flight.
pub(crate) fn hits(struck: &[Struck], courses: &[Course], records: &Records) -> usize {
    let sent = |at: Timestamp| {
        let mut sendings = courses.iter().flat_map(|course| &course.sendings);
        sendings.any(|one| one.from <= at && one.to.is_none_or(|to| at <= to))
    };
    let effects: Vec<(Timestamp, Timestamp)> = courses
        .iter()
        .filter_map(|course| Some((course.end.as_ref()?.at, released(course, records)?)))
        .collect();
    let owed = |at: Timestamp| effects.iter().any(|(from, to)| *from <= at && at <= *to);
    let below = |fault: &Struck| {
        let names = &mut fault.whom.iter();
        names.any(|name| !name.starts_with(Binary::Experience.name()))
    };
    let hit = |fault: &&Struck| sent(fault.at) || below(fault) && owed(fault.at);
    struck.iter().filter(hit).count()
}

/// When an order had become whole in the ERP and at the warehouses; None where it never counted there.
fn released(course: &Course, records: &Records) -> Option<Timestamp> {
    let (account, number) = course.key();
    let counting = records.orders.iter().filter(|order| {
        let ours = order.account == account && order.purchase_order_number == number;
        ours && !order.blocked && order.status != ErpStatus::Cancelled
    });
    let order = counting.min_by_key(|order| order.created_at)?;
    let picks = records.picks.iter();
    let picks = picks.filter(|pick| pick.order_ref == order.number);
    Some(picks.fold(order.created_at, |last, pick| last.max(pick.created_at)))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        ack_log::{End, Sending, Verdict},
        orders::{Mix, planned},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn struck(second: i64, whom: &str) -> Struck {
        Struck {
            at: at(second),
            what: What::Kill,
            whom: vec![whom.to_owned()],
        }
    }

    /// Sent from 10 to 12 in vain and from 20 to 22, created at 30, with a ghost of 50, and at the warehouse at 40.
    fn hits(second: i64, whom: &str) -> bool {
        let order = planned(1, "A", 1, Mix::PORTAL).remove(0);
        let sending = |from, to| Sending {
            from: at(from),
            to: Some(at(to)),
        };
        let course = Course {
            invoked_at: at(10),
            sendings: vec![sending(10, 12), sending(20, 22)],
            end: Some(End {
                at: at(22),
                verdict: Verdict::Acknowledged(None),
            }),
            order,
        };
        let made = |number: &str, second, blocked: bool| {
            json!({
                "number": number, "reference": "OW1", "account": course.order.account,
                "purchase_order_number": course.order.number, "blocked": blocked, "status": "open",
                "created_at": at(second), "lines": [],
            })
        };
        let orders = Value::Array(vec![made("1", 30, false), made("2", 50, true)]);
        let pick = json!({
            "pickRequestId": "1", "clientRef": "1", "orderRef": "1", "siteCode": "EAST", "status": "NEW",
            "createdAt": at(40), "lines": [],
        });
        let records = Records {
            orders: serde_json::from_value(orders).unwrap(),
            picks: serde_json::from_value(Value::Array(vec![pick])).unwrap(),
        };
        super::hits(&[struck(second, whom)], &[course], &records) == 1
    }

    #[test]
    fn a_fault_hits_work_in_flight_or_it_does_not() {
        for (second, anywhere, below) in [
            (9, false, false),
            (11, true, true),
            (15, false, false),
            (21, true, true),
            (25, false, true),
            (35, false, true),
            (45, false, false),
        ] {
            assert_eq!(hits(second, "experience-apis"), anywhere, "{second}");
            assert_eq!(hits(second, "process-apis-1"), below, "{second}");
            assert_eq!(hits(second, "system-apis"), below, "{second}");
        }
    }
}
