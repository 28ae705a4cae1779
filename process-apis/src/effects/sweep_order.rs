//! Looks for what the ERP has of an order besides the one it was accepted as, or of one that has ended: a create whose
//! answer was lost may be done minutes later. Pure.
//!
//! What is found is cancelled; where the ERP does not let us, or where it is not certain which is the right one, a person
//! is told all that is needed. A `blind` ERP cannot be searched, so nothing is looked for there.

use canonical_model::{
    ErpOrderNumber, Money,
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderState},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::backoff::Pause;

/// Looks in a row that do not show the right order before a person is asked.
const LOOKS: u32 = 8;

/// What the doer writes down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// How many of the looks are over.
    pub looks: usize,
    /// What the ERP has cancelled; its search may go on showing them.
    pub cancelled: Vec<ErpOrderNumber>,
    /// What the ERP did not cancel at this look.
    pub refused: Vec<Refused>,
    /// Calls in a row that came to nothing.
    pub failures: u32,
    /// Lists in a row that did not show the right order.
    pub unseen: u32,
    /// How often a person had it tried again.
    pub retries_seen: u32,
}

/// What the ERP did not cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Its number.
    pub number: ErpOrderNumber,
    /// Why not.
    pub why: String,
}

/// What is known besides the progress.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// When to look, since the order was accepted or ended.
    pub schedule: &'a [SignedDuration],
    /// When that was.
    pub since: Timestamp,
    /// Whether the outcome of a create was ever unknown: if not, the first look and the last are enough.
    pub doubt: bool,
    /// What was asked to be created.
    pub asked: &'a CreateErpOrder,
    /// What a person has let stand.
    pub let_stand: &'a [ErpOrderNumber],
    /// Whether a person may have let stand more than that: what is found is told, and not cancelled.
    pub asks: bool,
    /// The ERP's order that is the right one; None where the order has ended.
    pub right: Option<&'a ErpOrderNumber>,
    /// How often a person had it tried again.
    pub retries: u32,
    /// So long after the last look was due a look that comes to nothing is not tried again.
    pub settle_within: SignedDuration,
    /// Now.
    pub now: Timestamp,
}

/// What was seen last.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// Nothing: the effect was just taken up.
    Fresh,
    /// What the ERP has under our reference, lowest number first.
    Listed(Vec<ErpOrder>),
    /// The ERP cancelled it.
    CancelDone(ErpOrderNumber),
    /// The ERP refused to cancel it.
    CancelRefused(ErpOrder, String),
    /// The call came to nothing that counts.
    Failed {
        /// When to come again.
        retry_after: Option<SignedDuration>,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// List by reference.
    List,
    /// Cancel it: begin an attempt, then call.
    Cancel(Box<ErpOrder>),
    /// A person looks.
    Tell {
        /// All that the person needs.
        detail: String,
        /// What the ERP has besides the right one.
        others: Vec<ErpOrderNumber>,
    },
    /// Go on later.
    Wait(Pause),
    /// Nothing is left to do.
    Finished,
}

/// What to do next, and what to write down with it.
pub fn next_step(
    situation: Situation<'_>,
    mut progress: Progress,
    observation: Observation,
) -> (Step, Progress) {
    let step = step(situation, &mut progress, observation);
    (step, progress)
}

fn step(s: Situation<'_>, p: &mut Progress, observation: Observation) -> Step {
    match observation {
        Observation::Fresh => {
            if p.retries_seen < s.retries {
                p.retries_seen = s.retries;
                (p.failures, p.unseen) = (0, 0);
                p.refused.clear();
                return Step::List;
            }
            next_look(s, p)
        }
        Observation::Listed(orders) => listed(s, p, orders),
        Observation::CancelDone(number) => {
            p.failures = 0;
            p.cancelled.push(number);
            Step::List
        }
        // There may be others: a person is told once, of all that is left.
        Observation::CancelRefused(ErpOrder { number, .. }, why) => {
            p.failures = 0;
            p.refused.push(Refused { number, why });
            Step::List
        }
        Observation::Failed { retry_after } => failed(s, p, retry_after),
    }
}

fn failed(s: Situation<'_>, p: &mut Progress, retry_after: Option<SignedDuration>) -> Step {
    let last = due(s, s.schedule.len().saturating_sub(1)).unwrap_or(s.since);
    if s.now.duration_since(last) < s.settle_within {
        return back_off(p, retry_after);
    }
    if s.doubt {
        tell(s, "it could not be searched in all that time", &[])
    } else {
        Step::Finished
    }
}

fn back_off(p: &mut Progress, retry_after: Option<SignedDuration>) -> Step {
    p.failures = p.failures.saturating_add(1);
    Step::Wait(Pause::BackOff {
        failures: p.failures,
        retry_after,
    })
}

/// When a look is due, counted from when the order was accepted or ended.
fn due(s: Situation<'_>, look: usize) -> Option<Timestamp> {
    let after = s.schedule.get(look)?;
    Some(s.since.saturating_add(*after).unwrap_or(Timestamp::MAX))
}

/// Waits for the next look, or takes it.
fn next_look(s: Situation<'_>, p: &mut Progress) -> Step {
    let last = s.schedule.len().saturating_sub(1);
    if !s.doubt && p.looks > 0 {
        p.looks = p.looks.max(last);
    }
    match due(s, p.looks) {
        None => Step::Finished,
        Some(due) if s.now < due => Step::Wait(Pause::Until(due)),
        Some(_) => Step::List,
    }
}

/// This look is over, and with it all whose time has come meanwhile.
fn over(s: Situation<'_>, p: &mut Progress) -> Step {
    p.unseen = 0;
    p.refused.clear();
    let passed = (p.looks..)
        .map_while(|look| due(s, look))
        .take_while(|due| *due <= s.now)
        .count();
    p.looks = p.looks.saturating_add(passed);
    next_look(s, p)
}

fn listed(s: Situation<'_>, p: &mut Progress, orders: Vec<ErpOrder>) -> Step {
    p.failures = 0;
    let is_right = |order: &ErpOrder| s.right == Some(&order.number);
    let is_live = |order: &ErpOrder| {
        let mut settled = p.cancelled.iter().chain(s.let_stand);
        order.state != ErpOrderState::Cancelled && !settled.any(|number| *number == order.number)
    };
    let others: Vec<&ErpOrder> = orders
        .iter()
        .filter(|order| is_live(order) && !is_right(order))
        .collect();
    if others.is_empty() {
        return over(s, p);
    }
    let stands = orders
        .iter()
        .any(|order| is_right(order) && order.state != ErpOrderState::Cancelled);
    if let Some(right) = s.right.filter(|_| !stands) {
        // Its search lags behind, or somebody there put another in its place: cancelling would leave none.
        let why = || format!("it does not show {right} as standing");
        if p.unseen >= LOOKS {
            return tell(s, &why(), &others);
        }
        p.unseen = p.unseen.saturating_add(1);
        return Step::Wait(Pause::BackOff {
            failures: p.unseen,
            retry_after: None,
        });
    }
    p.unseen = 0;
    let mut why = Vec::new();
    for other in &others {
        match why_not(s, p, other) {
            None => return Step::Cancel(Box::new((*other).clone())),
            Some(reason) => why.push(reason),
        }
    }
    tell(s, &why.join("; "), &others)
}

/// Why it is not cancelled; None where it is.
fn why_not(s: Situation<'_>, p: &Progress, other: &ErpOrder) -> Option<String> {
    let ErpOrder {
        number,
        account,
        purchase_order_number,
        ..
    } = other;
    let refused = p.refused.iter().find(|refused| refused.number == *number);
    if !is_ours(s.asked, other) {
        Some(format!(
            "{number} is for account {account} and purchase order {purchase_order_number}"
        ))
    } else if other.lines.iter().any(|line| line.order_line == 0) {
        Some(format!("{number} was entered there by hand"))
    } else if other.state == ErpOrderState::Completed {
        Some(format!("{number} is delivered already"))
    } else if let Some(Refused { why, .. }) = refused {
        let why = why.trim_end_matches('.');
        Some(format!("it did not cancel {number}: {why}"))
    } else {
        s.asks
            .then(|| format!("{number} may be one that a person has let stand"))
    }
}

/// An ERP may keep fewer characters of the buyer's number than the buyer wrote.
fn is_ours(asked: &CreateErpOrder, order: &ErpOrder) -> bool {
    order.account == asked.account
        && asked
            .purchase_order_number
            .as_str()
            .starts_with(order.purchase_order_number.as_str())
}

/// All that a person needs: both numbers, account, purchase order, amounts, and what to do.
fn tell(s: Situation<'_>, why: &str, others: &[&ErpOrder]) -> Step {
    let CreateErpOrder {
        reference,
        purchase_order_number,
        account,
        ..
    } = s.asked;
    let listed: Vec<String> = others
        .iter()
        .map(|order| {
            let state = match order.state {
                ErpOrderState::Blocked => "blocked",
                ErpOrderState::Open => "open",
                ErpOrderState::Completed => "completed",
                ErpOrderState::Cancelled => "cancelled",
            };
            let Money { amount, currency } = order.total;
            format!("{} ({amount} {}, {state})", order.number, currency.code())
        })
        .collect();
    let listed = if listed.is_empty() {
        "perhaps another".to_owned()
    } else {
        listed.join(", ")
    };
    let detail = match s.right {
        Some(right) => format!(
            "The ERP has more than one order under the reference {reference} (account {account}, purchase order \
             {purchase_order_number}): {right} is the one that was accepted, and besides it there is {listed}; {why}. \
             Look at them in the ERP and cancel there what the buyer is not to get. Then retry the order: it is looked \
             for again. Or release the hold, if all of them are right: these stand then, and others are looked for."
        ),
        None => format!(
            "The order has ended, but the ERP has {listed} under its reference {reference} (account {account}, purchase \
             order {purchase_order_number}); {why}. Cancel it in the ERP, or have what was delivered returned. Then \
             retry the order: it is looked for again. Or release the hold, if it is right as it is."
        ),
    };
    let others = others.iter().map(|order| order.number.clone()).collect();
    Step::Tell { detail, others }
}

#[cfg(test)]
#[path = "sweep_order_tests.rs"]
mod tests;
