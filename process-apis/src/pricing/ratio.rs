//! Exact ratios between two units of one product, for comparing quantities and carrying prices from unit to unit.

use std::cmp::Ordering;

use canonical_model::{UnitOfMeasure, decimal::MAX_FRACTION_DIGITS, product::Product};
use rust_decimal::{Decimal, RoundingStrategy};

/// One `from` is `above / below` of `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    above: Decimal,
    below: Decimal,
}

impl Ratio {
    /// Between two units of the product; None where it does not have one of them.
    pub fn between(product: &Product, from: UnitOfMeasure, to: UnitOfMeasure) -> Option<Self> {
        if from == to {
            return Some(Self {
                above: Decimal::ONE,
                below: Decimal::ONE,
            });
        }
        let (from_above, from_below) = base_units(product, from)?;
        let (to_above, to_below) = base_units(product, to)?;
        Some(Self {
            above: from_above.checked_mul(to_below)?,
            below: from_below.checked_mul(to_above)?,
        })
    }

    /// Compares a quantity in `from` with one in `to`, without rounding. None = too large to tell.
    pub fn compare(self, from: Decimal, to: Decimal) -> Option<Ordering> {
        Some(
            from.checked_mul(self.above)?
                .cmp(&to.checked_mul(self.below)?),
        )
    }

    /// The quantity in `to` that a quantity in `from` is, and the price per `from` that a price per `to` is. None where
    /// it has too many digits.
    pub fn apply(self, from: Decimal) -> Option<Decimal> {
        exact(from.checked_mul(self.above)?, self.below)
    }

    /// The same to as many digits as there are, for what is rounded anyway.
    pub fn nearest(self, from: Decimal) -> Option<Decimal> {
        from.checked_mul(self.above)?.checked_div(self.below)
    }

    /// The quantity in `from` that a quantity in `to` is, to as many digits as there are, for what is only compared.
    pub fn nearest_back(self, to: Decimal) -> Option<Decimal> {
        to.checked_mul(self.below)?.checked_div(self.above)
    }

    /// The least quantity in `from` that can be said and is at least a quantity in `to`.
    pub fn least_back(self, to: Decimal) -> Option<Decimal> {
        let digits = u32::try_from(MAX_FRACTION_DIGITS).ok()?;
        let up = RoundingStrategy::ToPositiveInfinity;
        let least = self.nearest_back(to)?.round_dp_with_strategy(digits, up);
        Some(least.normalize())
    }
}

fn base_units(product: &Product, unit: UnitOfMeasure) -> Option<(Decimal, Decimal)> {
    if unit == product.base_unit {
        return Some((Decimal::ONE, Decimal::ONE));
    }
    let mut sound = product
        .conversions
        .iter()
        .filter(|known| known.numerator > 0 && known.denominator > 0);
    let found = sound.find(|known| known.unit == unit)?;
    Some((found.numerator.into(), found.denominator.into()))
}

fn exact(above: Decimal, below: Decimal) -> Option<Decimal> {
    let value = above.checked_div(below)?.normalize();
    let digits = usize::try_from(value.scale()).ok()?;
    (digits <= MAX_FRACTION_DIGITS && value.checked_mul(below) == Some(above)).then_some(value)
}
