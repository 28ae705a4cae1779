//! How the facts of each kind stand: whether their source answers, and how old they may be if it does not. Pure.

use canonical_model::{
    basket::PriceBasis,
    order::{FactAge, TakenOn},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service_runtime::config::HumanDuration;

use super::{AssessedLine, facts::Facts};
use crate::store::CreditKey;

/// How old facts of a kind may be, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// While their source answers; None = as old as the operation allows.
    pub(crate) fresh: Option<u32>,
    /// While it does not; None = as while it does.
    pub(crate) stale: Option<u32>,
}

impl Limit {
    pub(crate) fn new(fresh: Option<HumanDuration>, stale: HumanDuration) -> Self {
        let seconds = |age: HumanDuration| u32::try_from(age.get().as_secs()).ok();
        Self {
            fresh: fresh.and_then(seconds),
            stale: seconds(stale),
        }
    }
}

/// How the facts of a decision stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Prices.
    pub price: KindStanding,
    /// Stock.
    pub stock: KindStanding,
    /// Credit.
    pub credit: KindStanding,
}

/// How the facts of one kind stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindStanding {
    /// Whether some of them are older than they should be, or missing, because their source does not answer.
    pub degraded: bool,
    /// Beyond this age, in seconds, they are older than they should be; absent = at any, since none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_seconds: Option<u32>,
    /// Beyond this age, in seconds, they are not used while their source does not answer; absent = at any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_seconds: Option<u32>,
}

impl KindStanding {
    pub(crate) fn new(limit: Limit, degraded: bool) -> Self {
        Self {
            degraded,
            fresh_seconds: limit.fresh,
            usable_seconds: limit.stale,
        }
    }

    /// Whether a fact of this age stands in because its source does not answer.
    pub fn is_degraded(&self, as_of: Timestamp, now: Timestamp) -> bool {
        self.degraded && is_older(as_of, now, self.fresh_seconds.unwrap_or(0))
    }

    /// Whether a fact of this age is used.
    pub fn is_usable(&self, as_of: Timestamp, now: Timestamp) -> bool {
        let too_old = |most| is_older(as_of, now, most);
        !(self.degraded && self.usable_seconds.is_some_and(too_old))
    }

    fn age(&self, as_of: Timestamp, now: Timestamp) -> FactAge {
        FactAge {
            as_of,
            degraded: self.is_degraded(as_of, now),
        }
    }
}

fn is_older(as_of: Timestamp, now: Timestamp, seconds: u32) -> bool {
    now.duration_since(as_of) > SignedDuration::from_secs(i64::from(seconds))
}

/// The oldest fact of each kind that the sound lines stand on.
pub(super) fn taken_on(
    facts: &Facts,
    lines: &[AssessedLine],
    chain: &[CreditKey],
    now: Timestamp,
) -> TakenOn {
    let sound = || lines.iter().filter(|line| line.problems.is_empty());
    let prices = sound().filter_map(|line| {
        let price = line.price.as_ref()?;
        match price.basis {
            PriceBasis::Record { .. } => price.as_of,
            PriceBasis::Quote { .. } => None,
        }
    });
    let item = |line: &AssessedLine| line.product.as_ref().map(|product| product.item.clone());
    let items: std::collections::BTreeSet<_> = sound().filter_map(item).collect();
    let stock = facts
        .stock
        .iter()
        .filter(|row| items.contains(&row.item))
        .map(|row| row.as_of);
    let credit = facts
        .credit
        .iter()
        .filter(|level| chain.contains(&level.key))
        .map(|level| level.as_of);
    let Standing {
        price: of_prices,
        stock: of_stock,
        credit: of_credit,
    } = facts.standing;
    TakenOn {
        erp_away: !facts.capabilities.taking_orders,
        price: prices.min().map(|as_of| of_prices.age(as_of, now)),
        stock: stock.min().map(|as_of| of_stock.age(as_of, now)),
        credit: credit.min().map(|as_of| of_credit.age(as_of, now)),
    }
}
