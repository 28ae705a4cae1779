//! Taking an order while the ERP does not answer: what it stands on, whether the policy allows that, and what it takes of
//! the bounds. Pure.

use canonical_model::{
    basket::LineProblemCode,
    order::{FactAge, HoldKind, TakenOn},
};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use service_runtime::config::HumanDuration;

use super::event::{ClaimedBound, ProvisionallyAccepted};
use crate::{
    baskets::{Assessment, facts::Facts},
    policy::{OutagePolicy, UnknownCredit},
    store::{BoundKey, CreditKey},
};

/// When to come again: what stands in the way seldom goes away sooner.
pub const COME_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// A bound of the policy that an order would pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bound {
    /// The policy takes no orders then.
    #[error("no orders are taken while the seller's system does not answer")]
    Disabled,
    /// The order's value.
    #[error("an order of at most {most} can be taken while the seller's system does not answer")]
    OrderValue {
        /// The most, in the order's currency.
        most: Decimal,
    },
    /// The value of what the account has outstanding.
    #[error(
        "the account has as much outstanding as can be taken while the seller's system does not answer"
    )]
    AccountValue,
    /// The quantity of an item that is outstanding.
    #[error("no more of {item} can be taken while the seller's system does not answer")]
    ItemQuantity {
        /// The item.
        item: String,
    },
    /// The age of a price, or none is known.
    #[error(
        "a price is not known, or too old to be relied on, while the seller's system does not answer"
    )]
    PriceAge,
    /// The age of a stock figure, or none is known.
    #[error(
        "what is in stock is not known, or too old to be relied on, while the seller's system does not answer"
    )]
    StockAge,
    /// The age of a credit figure, or none is known.
    #[error(
        "the account's credit is not known, or too old to be relied on, while the seller's system does not answer"
    )]
    CreditAge,
}

impl Bound {
    /// The word by which a caller knows it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::OrderValue { .. } => "order_value",
            Self::AccountValue => "account_value",
            Self::ItemQuantity { .. } => "item_quantity",
            Self::PriceAge => "price_age",
            Self::StockAge => "stock_age",
            Self::CreditAge => "credit_age",
        }
    }

    /// The bound behind a sum that was reached.
    pub fn of(key: &BoundKey) -> Self {
        match key.bound.split_once('/') {
            Some((QUANTITY, item)) => Self::ItemQuantity {
                item: item.to_owned(),
            },
            _ => Self::AccountValue,
        }
    }
}

/// Sums of the value that accounts have outstanding: `value/ACME`.
const VALUE: &str = "value";
/// Sums of the quantity of items that is outstanding: `quantity/SKU-0001`.
const QUANTITY: &str = "quantity";

/// The limit of a sum, as the policy has it.
pub fn limit_of(policy: &OutagePolicy, bound: &str) -> Decimal {
    match bound.split_once('/') {
        Some((QUANTITY, _)) => policy.max_item_quantity,
        _ => policy.max_account_value,
    }
}

/// What the order takes of the bounds; None where it stands on facts that are as they should be, and the ERP takes
/// orders.
///
/// Where it stands on such facts and only has to wait for the ERP, it is provisional too, since it is read again before it
/// is created; but the bounds, which limit what old facts may cost, are not for it.
pub fn judge(
    facts: &Facts,
    assessment: &Assessment,
    now: Timestamp,
) -> Result<Option<ProvisionallyAccepted>, Bound> {
    let policy = &facts.policies.outage;
    let on = &assessment.taken_on;
    let unknown = unknown(facts, assessment, now);
    let mut ages = [on.price, on.stock, on.credit].into_iter().flatten();
    let is_sound = unknown.is_none() && !ages.any(|age| age.degraded);
    if is_sound && !on.erp_away {
        return Ok(None);
    }
    if !policy.enabled {
        return Err(Bound::Disabled);
    }
    if is_sound {
        return Ok(Some(ProvisionallyAccepted {
            taken_on: on.clone(),
            bounds: Vec::new(),
        }));
    }
    unknown.map_or(Ok(()), Err)?;
    within_ages(policy, on, now)?;
    if assessment.total.amount > policy.max_order_value {
        return Err(Bound::OrderValue {
            most: policy.max_order_value,
        });
    }
    Ok(Some(ProvisionallyAccepted {
        taken_on: on.clone(),
        bounds: bounds(policy, assessment),
    }))
}

/// What nobody can tell now and the order needs.
fn unknown(facts: &Facts, assessment: &Assessment, now: Timestamp) -> Option<Bound> {
    let of_line = |code| match code {
        LineProblemCode::PriceOnRequest => Some(Bound::PriceAge),
        LineProblemCode::DateUnconfirmed => Some(Bound::StockAge),
        _ => None,
    };
    let codes = assessment.lines.iter().flat_map(|line| &line.problems);
    let of_lines = codes.filter_map(|problem| of_line(problem.code)).next();
    of_lines.or_else(|| credit_unknown(facts, assessment, now).then_some(Bound::CreditAge))
}

/// Whether the credit of a level is not known, because its source does not answer and not because it says so.
fn credit_unknown(facts: &Facts, assessment: &Assessment, now: Timestamp) -> bool {
    let standing = facts.standing.credit;
    let known = |key: &CreditKey| {
        let mut levels = facts.credit.iter();
        levels.any(|level| level.key == *key && standing.is_usable(level.as_of, now))
    };
    let needed = match facts.policies.credit.when_unknown {
        UnknownCredit::Hold => assessment
            .holds
            .iter()
            .any(|hold| hold.kind == HoldKind::Credit),
        UnknownCredit::Take => false,
    };
    standing.degraded && needed && !assessment.credit_levels.iter().all(known)
}

fn within_ages(policy: &OutagePolicy, on: &TakenOn, now: Timestamp) -> Result<(), Bound> {
    let too_old = |age: Option<FactAge>, oldest: HumanDuration| {
        age.is_some_and(|age| age.degraded && now.duration_since(age.as_of) > oldest.signed())
    };
    if too_old(on.price, policy.oldest.price) {
        Err(Bound::PriceAge)
    } else if too_old(on.stock, policy.oldest.stock) {
        Err(Bound::StockAge)
    } else if too_old(on.credit, policy.oldest.credit) {
        Err(Bound::CreditAge)
    } else {
        Ok(())
    }
}

/// What it takes: of the account's value once, of each item's quantity once, by name.
fn bounds(policy: &OutagePolicy, assessment: &Assessment) -> Vec<ClaimedBound> {
    let mut quantities = std::collections::BTreeMap::<String, Decimal>::new();
    for line in assessment
        .lines
        .iter()
        .filter(|line| line.problems.is_empty())
    {
        let Some(product) = &line.product else {
            continue;
        };
        let base = product.units().to_base(line.ordered);
        let sum = quantities
            .entry(format!("{QUANTITY}/{}", product.item))
            .or_default();
        *sum = sum.saturating_add(base.unwrap_or(line.ordered.value));
    }
    let value = (
        format!("{VALUE}/{}", assessment.account.account),
        assessment.total.amount,
    );
    let sums = quantities.into_iter().chain([value]);
    sums.filter(|(_, amount)| *amount > Decimal::ZERO)
        .map(|(bound, amount)| ClaimedBound {
            limit: limit_of(policy, &bound),
            bound,
            amount,
        })
        .collect()
}
