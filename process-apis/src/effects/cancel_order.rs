//! Cancels an order that the ERP has: what to do next, given what is known. Pure.
//!
//! Cancelling twice does no harm, so after an unknown outcome the order is looked at and cancelled again where it still stands.

use canonical_model::{
    ErpOrderNumber,
    erp_order::{ErpOrder, ErpOrderState},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{backoff::Pause, tries::Tries};

/// What the doer writes down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Whether a cancellation was begun.
    pub begun: bool,
    /// The ERP's refusal, until the order was looked at.
    pub refusal: Option<String>,
    /// Calls in a row that came to nothing.
    pub failures: u32,
    /// How often a person had it tried again.
    pub retries_seen: u32,
    /// What was tried since then.
    pub tries: Tries,
}

/// What was seen last.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// Nothing: the effect was just taken up.
    Fresh,
    /// The order as the ERP has it now.
    Seen(ErpOrder),
    /// The ERP knows no such order.
    NotThere,
    /// The ERP refused.
    Refused(String),
    /// The call came to nothing that counts.
    Failed {
        /// When to come again.
        retry_after: Option<SignedDuration>,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Cancel it: begin an attempt, then call.
    Cancel(ErpOrderNumber),
    /// Look at it.
    Read(ErpOrderNumber),
    /// It is cancelled.
    Cancelled,
    /// The ERP goes on with it.
    Refused(String),
    /// A person looks.
    Unknown(String),
    /// Go on later.
    Wait(Pause),
    /// Nothing is left to do.
    Finished,
}

/// What is known besides the progress.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The ERP's number of the order, as long as it is to be cancelled.
    pub number: Option<&'a ErpOrderNumber>,
    /// What a person looks for: its reference, account and purchase order.
    pub about: &'a str,
    /// After so long a person is asked.
    pub settle_within: SignedDuration,
    /// How often a person had it tried again.
    pub retries: u32,
    /// Now.
    pub now: Timestamp,
}

/// What to do next, and what to write down with it.
pub fn next_step(s: Situation<'_>, mut p: Progress, observation: Observation) -> (Step, Progress) {
    let Some(number) = s.number else {
        return (Step::Finished, p);
    };
    if p.retries_seen < s.retries {
        p.retries_seen = s.retries;
        p.tries = Tries::default();
    }
    let step = match observation {
        Observation::Fresh if p.begun => Step::Read(number.clone()),
        Observation::Fresh => cancel(number, &mut p),
        Observation::Seen(order) => {
            p.failures = 0;
            match (order.state, p.refusal.take()) {
                (ErpOrderState::Cancelled, _) => Step::Cancelled,
                (ErpOrderState::Completed, refusal) => {
                    Step::Refused(refusal.unwrap_or_else(|| "All of it was delivered.".to_owned()))
                }
                (ErpOrderState::Open | ErpOrderState::Blocked, Some(refusal)) => {
                    Step::Refused(refusal)
                }
                (ErpOrderState::Open | ErpOrderState::Blocked, None) => cancel(number, &mut p),
            }
        }
        Observation::NotThere => {
            p.tries.note(s.now, "look: not there");
            ask(s, &p, number, "the ERP does not show it")
        }
        Observation::Refused(detail) => {
            p.tries.note(s.now, format!("cancel: refused ({detail})"));
            p.refusal = Some(detail);
            Step::Read(number.clone())
        }
        Observation::Failed { retry_after } => {
            p.tries.note(s.now, "no answer");
            if p.tries.took_longer_than(s.settle_within, s.now) {
                let why = "it could not be settled in the time it may take";
                return (ask(s, &p, number, why), p);
            }
            p.failures = p.failures.saturating_add(1);
            Step::Wait(Pause::BackOff {
                failures: p.failures,
                retry_after,
            })
        }
    };
    (step, p)
}

/// All that a person needs.
fn ask(s: Situation<'_>, p: &Progress, number: &ErpOrderNumber, why: &str) -> Step {
    Step::Unknown(format!(
        "The order is to be cancelled, but {why}: look in the ERP for {number} ({}).{} Cancel it there. If you then retry \
         or cancel the order, it is looked at again, and ends here once it is cancelled there.",
        s.about, p.tries
    ))
}

fn cancel(number: &ErpOrderNumber, p: &mut Progress) -> Step {
    p.begun = true;
    Step::Cancel(number.clone())
}
