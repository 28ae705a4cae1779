//! What promotions make of a price that was resolved. Pure.
//!
//! The record that won has the last word: nothing is taken off a price that does not allow it, nothing goes below the
//! floor that the source states, and a contract's price gives way only where the contract itself says so. Of several
//! promotions the one that leaves the lowest price applies, alone.

use canonical_model::{
    basket::PriceBasis,
    decision::{DecisionStep, RejectedAlternative},
    money,
    price::{AppliedPromotion, PriceRecord, PromotionRule},
};
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Asked, Candidate, Resolved, bounded, describe, in_full, name, resolved};
use crate::pricing::{
    Ratio,
    promotion::{Off, Promotion},
};

/// What stands before promotions are tried.
#[derive(Clone, Copy)]
pub(super) enum Standing<'a> {
    /// A quote's price.
    Locked,
    /// The strongest record, and the others, strongest first.
    Record(&'a Candidate<'a>, &'a [Candidate<'a>]),
}

/// The price with a promotion, where one applies, and which were tried and why not. No step where none is for this item
/// and account.
pub(super) fn promote(
    line: Option<u32>,
    asked: &Asked<'_>,
    standing: Standing<'_>,
) -> (Option<Resolved>, Option<DecisionStep>) {
    let concerned = asked.promotions.iter();
    let mut concerned: Vec<&Promotion> = concerned
        .filter(|promotion| promotion.is_for(asked.account, asked.product))
        .collect();
    if concerned.is_empty() {
        return (None, None);
    }
    concerned.sort_by(|left, right| left.id.cmp(&right.id));
    let mut rejected = Vec::new();
    let mut best: Option<(&Promotion, Resolved)> = None;
    let base = base_of(standing);
    for promotion in concerned {
        let tried = match &base {
            Ok(base) => base.with(asked, promotion),
            Err(reason) => Err((*reason).to_owned()),
        };
        let reason = match (tried, &best) {
            (Err(reason), _) => reason,
            (Ok(lower), Some((_, so_far)))
                if lower.unit_price.amount >= so_far.unit_price.amount =>
            {
                "another takes off as much or more".to_owned()
            }
            (Ok(lower), _) => {
                if let Some((other, _)) = best.replace((promotion, lower)) {
                    rejected.push(alternative(other, "another takes off more".to_owned()));
                }
                continue;
            }
        };
        rejected.push(alternative(promotion, reason));
    }
    let chosen = match &best {
        Some((promotion, lower)) => format!("{}: {}", promotion.id, describe(lower)),
        None => "none".to_owned(),
    };
    let step = DecisionStep {
        about: "promotion".to_owned(),
        line,
        rule: "what the price's own record allows, never below its floor; the lowest price"
            .to_owned(),
        chosen,
        rejected: bounded(rejected),
    };
    (best.map(|(_, lower)| lower), Some(step))
}

/// A price that a promotion may be taken off.
struct Base<'a> {
    /// The price that it is taken off.
    from: &'a Candidate<'a>,
    /// The contract's, where it gives way to what is lower.
    unless: Option<&'a Candidate<'a>>,
}

/// The price that a promotion may be taken off, or why there is none.
fn base_of(standing: Standing<'_>) -> Result<Base<'_>, &'static str> {
    let (winner, others) = match standing {
        Standing::Locked => return Err("a quote locked the price"),
        Standing::Record(winner, others) => (winner, others),
    };
    match winner.record.promotions {
        PromotionRule::Combined => Ok(Base {
            from: winner,
            unless: None,
        }),
        PromotionRule::IfLower if winner.record.level.is_contract() => {
            let mut others = others.iter();
            let without = others.find(|other| !other.record.level.is_contract());
            without
                .filter(|other| other.record.promotions == PromotionRule::Combined)
                .map(|from| Base {
                    from,
                    unless: Some(winner),
                })
                .ok_or("without the contract there is no price that promotions may be taken off")
        }
        PromotionRule::Excluded | PromotionRule::IfLower if winner.record.level.is_contract() => {
            Err("the contract's price stands: the contract does not let promotions go below it")
        }
        PromotionRule::Excluded | PromotionRule::IfLower => {
            Err("the price stands: its record lets no promotion be taken off")
        }
    }
}

impl Base<'_> {
    /// The price with this promotion, or why there is none.
    fn with(&self, asked: &Asked<'_>, promotion: &Promotion) -> Result<Resolved, String> {
        if asked.on < promotion.valid_from {
            return Err(format!("it begins on {}", promotion.valid_from));
        }
        if asked.on >= promotion.valid_to {
            return Err(format!("it ended before {}", promotion.valid_to));
        }
        let base = self.from.amount;
        let off = taken_off(asked, promotion, base)?;
        let floors = [Some(self.from), self.unless];
        let floors = floors.into_iter().flatten();
        let floors = floors.map(|candidate| floor_of(asked, candidate.record));
        let floor = floors
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .max()
            .flatten();
        let digits = money::scale(asked.currency).max(base.normalize().scale());
        let amount = lowered(base, off, floor, digits)?;
        if let Some(contract) = self.unless.filter(|contract| contract.amount <= amount) {
            return Err(format!(
                "it comes to {amount}, and the contract's price is {}",
                contract.amount
            ));
        }
        let without = resolved(self.from, asked);
        let lower = canonical_model::UnitPrice {
            amount: in_full(amount, asked.currency),
            ..without.unit_price
        };
        let PriceBasis::Record {
            level,
            record,
            contract,
            ..
        } = without.basis
        else {
            return Err("its price is of no record".to_owned());
        };
        Ok(Resolved {
            unit_price: lower,
            basis: PriceBasis::Record {
                level,
                record,
                contract,
                promotion: Some(AppliedPromotion {
                    promotion: promotion.id.clone(),
                    description: promotion.description.clone(),
                    base_unit_price: without.unit_price,
                }),
            },
        })
    }
}

/// What it takes off one unit ordered.
fn taken_off(asked: &Asked<'_>, promotion: &Promotion, base: Decimal) -> Result<Decimal, String> {
    let too_large = || "the amounts are too large to be held exactly".to_owned();
    match &promotion.off {
        Off::Percent(percent) => base
            .checked_mul(*percent)
            .map(|part| part / Decimal::ONE_HUNDRED)
            .ok_or_else(too_large),
        Off::Amount(price) if price.currency != asked.currency => {
            Err(format!("it is in {}", price.currency.code()))
        }
        Off::Amount(price) => Ratio::between(asked.product, asked.quantity.unit, price.unit)
            .ok_or_else(|| format!("it is per {}, a unit the item does not have", price.unit))?
            .nearest(price.amount)
            .ok_or_else(too_large),
    }
}

/// The floor of a record, per one unit ordered.
fn floor_of(asked: &Asked<'_>, record: &PriceRecord) -> Result<Option<Decimal>, String> {
    let Some(floor) = record.floor else {
        return Ok(None);
    };
    Ratio::between(asked.product, asked.quantity.unit, record.unit)
        .and_then(|ratio| ratio.apply(floor))
        .map(Some)
        .ok_or_else(|| {
            format!(
                "the floor per {} of {} {} is no exact price per {}",
                record.unit,
                name(&record.level),
                record.record,
                asked.quantity.unit
            )
        })
}

/// What is left of a price: rounded to `digits`, never below the floor, always below what it was and above nothing.
fn lowered(
    base: Decimal,
    off: Decimal,
    floor: Option<Decimal>,
    digits: u32,
) -> Result<Decimal, String> {
    let exact = base.saturating_sub(off);
    let rounded = exact.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    let amount = floor.map_or(rounded, |floor| rounded.max(floor));
    if amount <= Decimal::ZERO {
        return Err("nothing would be left of the price".to_owned());
    }
    if amount < base {
        return Ok(amount);
    }
    Err(match floor {
        Some(floor) if floor >= base => format!("the price is at its floor of {floor} already"),
        _ => "it takes off less than a price has digits for".to_owned(),
    })
}

fn alternative(promotion: &Promotion, reason: String) -> RejectedAlternative {
    let off = match &promotion.off {
        Off::Percent(percent) => format!("{percent} %"),
        Off::Amount(price) => format!(
            "{} {} per {}",
            price.amount,
            price.currency.code(),
            price.unit
        ),
    };
    RejectedAlternative {
        alternative: format!("{}: {off} off", promotion.id),
        reason,
    }
}

#[cfg(test)]
#[path = "promote_tests.rs"]
mod tests;
