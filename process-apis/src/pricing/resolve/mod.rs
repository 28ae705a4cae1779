//! Which price applies. Pure.
//!
//! Candidates are filtered by validity, currency, unit and break; then a quote's lock wins, then the stronger level, the
//! lower priority, the unit ordered, the deepest break reached, the latest start. Promotions are laid on what won, as
//! far as it lets them.

mod promote;

use std::cmp::{Ordering, Reverse};

use canonical_model::{
    Currency, Quantity, QuoteId, UnitPrice,
    account::Account,
    basket::PriceBasis,
    decision::{DecisionStep, RejectedAlternative},
    money,
    price::{PriceRecord, PriceSchedule},
    product::Product,
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use self::promote::{Standing, promote};
use super::{promotion::Promotion, ratio::Ratio};

/// How many rejected alternatives a step names.
pub const MAX_REJECTED: usize = 10;

/// For what a price is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// For whom.
    pub account: &'a Account,
    /// The product.
    pub product: &'a Product,
    /// How much, in the unit ordered.
    pub quantity: Quantity,
    /// In which currency.
    pub currency: Currency,
    /// On which day.
    pub on: Date,
    /// What may be laid on the price.
    pub promotions: &'a [Promotion],
}

/// A price that a quote locked, for a quantity or more.
#[derive(Debug, Clone, PartialEq)]
pub struct LockedPrice {
    /// The quote.
    pub quote_id: QuoteId,
    /// From which quantity on.
    pub from: Quantity,
    /// The price.
    pub unit_price: UnitPrice,
}

/// The price found.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Per one unit ordered.
    pub unit_price: UnitPrice,
    /// Where it comes from.
    pub basis: PriceBasis,
}

/// A record that applies.
struct Candidate<'a> {
    record: &'a PriceRecord,
    /// Per one unit ordered.
    amount: Decimal,
    converted: bool,
    /// In the unit ordered.
    break_quantity: Decimal,
}

/// The price, if there is one, and why it is this one: a step for the price, and one for promotions where there are any
/// for this item and account. `line` is for the record only.
pub fn resolve(
    line: Option<u32>,
    asked: &Asked<'_>,
    lock: Option<&LockedPrice>,
    schedule: Option<&PriceSchedule>,
) -> (Option<Resolved>, Vec<DecisionStep>) {
    let (candidates, unfit) = sorted(asked, schedule);
    let of_unfit =
        |(record, why): (&PriceRecord, Unfit)| alternative(record, why.told(record, asked));
    let mut rejected: Vec<RejectedAlternative> = unfit.into_iter().map(of_unfit).collect();
    let locked = lock.and_then(|lock| use_lock(lock, asked, &mut rejected));
    let (lower, promotion_step) = match (&locked, candidates.split_first()) {
        (Some(_), _) => promote(line, asked, Standing::Locked),
        (None, Some((winner, others))) => promote(line, asked, Standing::Record(winner, others)),
        (None, None) => (None, None),
    };
    let (chosen, rule, losers) = match (locked, candidates.split_first()) {
        (Some(locked), _) => {
            let losers = candidates
                .iter()
                .map(|loser| alternative(loser.record, "a quote locked the price".to_owned()));
            (Some(locked), "quote lock", losers.collect::<Vec<_>>())
        }
        (None, Some((winner, others))) => {
            let losers = others
                .iter()
                .map(|loser| alternative(loser.record, why_not(winner, loser)));
            (
                Some(resolved(winner, asked)),
                rule_of(winner),
                losers.collect(),
            )
        }
        (None, None) => (None, "no price applies", Vec::new()),
    };
    // The strongest alternatives first: those that lost before those that never applied.
    rejected.splice(0..0, losers);
    let step = DecisionStep {
        about: "price".to_owned(),
        line,
        rule: rule.to_owned(),
        chosen: chosen.as_ref().map_or_else(|| "none".to_owned(), describe),
        rejected: bounded(rejected),
    };
    let steps = std::iter::once(step).chain(promotion_step).collect();
    (lower.or(chosen), steps)
}

/// The same price, where no quote locks one, for who asks for many and records none.
pub fn price(asked: &Asked<'_>, schedule: &PriceSchedule) -> Option<Resolved> {
    let (candidates, _) = sorted(asked, Some(schedule));
    let (winner, others) = candidates.split_first()?;
    let (lower, _) = promote(None, asked, Standing::Record(winner, others));
    Some(lower.unwrap_or_else(|| resolved(winner, asked)))
}

/// The records that apply, the one that wins first, and those that do not.
fn sorted<'a>(
    asked: &Asked<'_>,
    schedule: Option<&'a PriceSchedule>,
) -> (Vec<Candidate<'a>>, Vec<(&'a PriceRecord, Unfit)>) {
    let records = schedule
        .map(|schedule| schedule.records.as_slice())
        .unwrap_or_default();
    let (mut candidates, mut unfit) = (Vec::new(), Vec::new());
    for record in records {
        match candidate(record, asked) {
            Ok(candidate) => candidates.push(candidate),
            Err(why) => unfit.push((record, why)),
        }
    }
    candidates.sort_by(|left, right| rank(left, right));
    (candidates, unfit)
}

/// At most [`MAX_REJECTED`], and how many more there were.
pub fn bounded(mut rejected: Vec<RejectedAlternative>) -> Vec<RejectedAlternative> {
    let more = rejected.len().saturating_sub(MAX_REJECTED);
    if more > 0 {
        rejected.truncate(MAX_REJECTED);
        rejected.push(RejectedAlternative {
            alternative: format!("{more} more"),
            reason: "for reasons like these".to_owned(),
        });
    }
    rejected
}

/// Why a record does not apply.
#[derive(Debug, Clone, Copy)]
enum Unfit {
    NotPositive,
    Currency,
    NotYet,
    NoLonger,
    Unit,
    Break,
    Inexact,
    BreakTooLarge,
}

impl Unfit {
    fn told(self, record: &PriceRecord, asked: &Asked<'_>) -> String {
        let unit = record.unit;
        match self {
            Self::NotPositive => "its price is not more than zero".to_owned(),
            Self::Currency => format!("it is in {}", record.currency.code()),
            Self::NotYet => "it is not valid yet".to_owned(),
            Self::NoLonger => "it is no longer valid".to_owned(),
            Self::Unit => format!("it is per {unit}, a unit the item does not have"),
            Self::Break => format!("it begins at {} {unit}", record.break_quantity),
            Self::Inexact => format!(
                "its price per {unit} is no exact price per {}",
                asked.quantity.unit
            ),
            Self::BreakTooLarge => format!("its break of {} is too large", record.break_quantity),
        }
    }
}

fn candidate<'a>(record: &'a PriceRecord, asked: &Asked<'_>) -> Result<Candidate<'a>, Unfit> {
    if record.unit_price <= Decimal::ZERO {
        return Err(Unfit::NotPositive);
    }
    if record.currency != asked.currency {
        return Err(Unfit::Currency);
    }
    if record.valid_from.is_some_and(|from| asked.on < from) {
        return Err(Unfit::NotYet);
    }
    if record.valid_to.is_some_and(|to| asked.on >= to) {
        return Err(Unfit::NoLonger);
    }
    let ratio = Ratio::between(asked.product, asked.quantity.unit, record.unit);
    let ratio = ratio.ok_or(Unfit::Unit)?;
    if !matches!(
        ratio.compare(asked.quantity.value, record.break_quantity),
        Some(Ordering::Greater | Ordering::Equal)
    ) {
        return Err(Unfit::Break);
    }
    Ok(Candidate {
        record,
        amount: ratio.apply(record.unit_price).ok_or(Unfit::Inexact)?,
        converted: record.unit != asked.quantity.unit,
        break_quantity: ratio
            .nearest_back(record.break_quantity)
            .ok_or(Unfit::BreakTooLarge)?,
    })
}

fn rank(left: &Candidate<'_>, right: &Candidate<'_>) -> Ordering {
    let key = |candidate: &Candidate<'_>| {
        (
            candidate.record.level,
            candidate.record.priority,
            candidate.converted,
            Reverse(candidate.break_quantity),
            Reverse(candidate.record.valid_from),
        )
    };
    key(left)
        .cmp(&key(right))
        .then_with(|| left.record.record.cmp(&right.record.record))
}

fn why_not(winner: &Candidate<'_>, loser: &Candidate<'_>) -> String {
    let (won, lost) = (winner.record, loser.record);
    if won.level != lost.level {
        format!("{} comes before {}", name(&won.level), name(&lost.level))
    } else if won.priority != lost.priority {
        format!("priority {} comes before {}", won.priority, lost.priority)
    } else if winner.converted != loser.converted {
        "a price in the unit ordered comes first".to_owned()
    } else if winner.break_quantity != loser.break_quantity {
        "a deeper break is reached".to_owned()
    } else if won.valid_from != lost.valid_from {
        "another began later".to_owned()
    } else {
        "the lower record number comes first".to_owned()
    }
}

const fn rule_of(winner: &Candidate<'_>) -> &'static str {
    if winner.converted {
        "level, priority, break, start; converted to the unit ordered"
    } else {
        "level, priority, break, start"
    }
}

fn resolved(winner: &Candidate<'_>, asked: &Asked<'_>) -> Resolved {
    Resolved {
        unit_price: UnitPrice {
            amount: in_full(winner.amount, asked.currency),
            currency: asked.currency,
            unit: asked.quantity.unit,
        },
        basis: PriceBasis::Record {
            level: winner.record.level,
            record: winner.record.record.clone(),
            contract: winner.record.contract.clone(),
            promotion: None,
        },
    }
}

/// With at least the digits in which the currency is paid, and all that it has beyond them.
pub fn in_full(mut amount: Decimal, currency: Currency) -> Decimal {
    let digits = money::scale(currency);
    if amount.scale() < digits {
        amount.rescale(digits);
    }
    amount
}

fn use_lock(
    lock: &LockedPrice,
    asked: &Asked<'_>,
    rejected: &mut Vec<RejectedAlternative>,
) -> Option<Resolved> {
    let reason = if lock.from.unit != asked.quantity.unit {
        Some(format!("it locks a price per {}", lock.from.unit))
    } else if asked.quantity.value < lock.from.value {
        Some(format!(
            "it holds from {} {} on",
            lock.from.value, lock.from.unit
        ))
    } else if lock.unit_price.currency != asked.currency {
        Some(format!("it is in {}", lock.unit_price.currency.code()))
    } else {
        None
    };
    let Some(reason) = reason else {
        let basis = PriceBasis::Quote {
            quote_id: lock.quote_id,
        };
        return Some(Resolved {
            unit_price: lock.unit_price.clone(),
            basis,
        });
    };
    rejected.push(RejectedAlternative {
        alternative: format!("quote {}", lock.quote_id),
        reason,
    });
    None
}

fn alternative(record: &PriceRecord, reason: String) -> RejectedAlternative {
    let price = format!(
        "{} {} per {}",
        record.unit_price,
        record.currency.code(),
        record.unit
    );
    let alternative = format!(
        "{} {}: {price} from {}",
        name(&record.level),
        record.record,
        record.break_quantity
    );
    RejectedAlternative {
        alternative,
        reason,
    }
}

fn describe(chosen: &Resolved) -> String {
    let price = &chosen.unit_price;
    let source = match &chosen.basis {
        PriceBasis::Quote { quote_id } => format!("quote {quote_id}"),
        PriceBasis::Record { level, record, .. } => format!("{} {record}", name(level)),
    };
    format!(
        "{source}: {} {} per {}",
        price.amount,
        price.currency.code(),
        price.unit
    )
}

fn name(level: &canonical_model::price::PriceLevel) -> &'static str {
    use canonical_model::price::PriceLevel;
    match level {
        PriceLevel::Resolved => "the source's own",
        PriceLevel::ContractShipTo => "contract for the delivery address",
        PriceLevel::ContractSoldTo => "contract",
        PriceLevel::ContractParent => "contract of a parent",
        PriceLevel::ContractGroup => "contract of the group",
        PriceLevel::AccountList => "account list",
        PriceLevel::GroupList => "group list",
        PriceLevel::List => "list",
    }
}

#[cfg(test)]
mod tests;
