//! Quantities, units of measure and exact conversions between the units of one product.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;

use crate::decimal;

/// A unit of measure: a code of UN/ECE Recommendation 20 (units) or 21 (packages, prefixed with `X`).
///
/// Any well-formed code is kept, at most three characters; which units a product is sold in is the product's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "EA", min_length = 1, max_length = 3)]
pub struct UnitOfMeasure([u8; 3]);

/// Why a text is not a unit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a unit is a UN/ECE Recommendation 20 or 21 code of 1 to 3 capital letters or digits, such as EA, KGM or XBX"
)]
pub struct InvalidUnit;

impl UnitOfMeasure {
    /// Each (`EA`).
    pub const EACH: Self = Self(*b"EA ");

    /// Takes a well-formed code.
    pub fn from_code(code: &str) -> Result<Self, InvalidUnit> {
        let bytes = code.as_bytes();
        if bytes.is_empty()
            || bytes.len() > 3
            || !bytes
                .iter()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        {
            return Err(InvalidUnit);
        }
        let mut padded = *b"   ";
        for (slot, byte) in padded.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        Ok(Self(padded))
    }

    /// The code, without padding.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end()
    }
}

impl std::fmt::Debug for UnitOfMeasure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Display for UnitOfMeasure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for UnitOfMeasure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for UnitOfMeasure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_code(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// How much of something: `{"value":"12","unit":"EA"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "12", "unit": "EA"}))]
pub struct Quantity {
    /// Decimal text.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub value: Decimal,
    /// The unit it is counted in.
    pub unit: UnitOfMeasure,
}

impl Quantity {
    /// A quantity as it is.
    pub const fn new(value: Decimal, unit: UnitOfMeasure) -> Self {
        Self { value, unit }
    }
}

/// One unit of a product in terms of its base unit: `one unit = numerator / denominator base units`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct UnitConversion {
    /// The alternative unit.
    pub unit: UnitOfMeasure,
    /// Base units, above the line.
    pub numerator: u32,
    /// Base units, below the line; never zero in a sound product.
    pub denominator: u32,
}

/// Why a quantity was not converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The product is not kept in this unit.
    #[error("this product is not sold in {0}: use one of its units")]
    UnknownUnit(UnitOfMeasure),
    /// The result would not be exact.
    #[error(
        "this quantity is no exact number of {0}: order a multiple of the larger unit, or use the smaller one"
    )]
    Inexact(UnitOfMeasure),
}

/// The units of one product: its base unit and exact factors for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units<'a> {
    /// The unit that stock is counted in.
    pub base: UnitOfMeasure,
    /// The other units.
    pub conversions: &'a [UnitConversion],
}

impl Units<'_> {
    fn factor(&self, unit: UnitOfMeasure) -> Result<(Decimal, Decimal), ConversionError> {
        if unit == self.base {
            return Ok((Decimal::ONE, Decimal::ONE));
        }
        self.conversions
            .iter()
            .find(|conversion| {
                conversion.unit == unit && conversion.numerator > 0 && conversion.denominator > 0
            })
            .map(|conversion| (conversion.numerator.into(), conversion.denominator.into()))
            .ok_or(ConversionError::UnknownUnit(unit))
    }

    /// The same quantity in another unit of the product; refused where digits would be lost.
    pub fn convert(
        &self,
        quantity: Quantity,
        to: UnitOfMeasure,
    ) -> Result<Quantity, ConversionError> {
        let (from_num, from_den) = self.factor(quantity.unit)?;
        let (to_num, to_den) = self.factor(to)?;
        if quantity.unit == to {
            return Ok(quantity);
        }
        let inexact = ConversionError::Inexact(to);
        let above = quantity
            .value
            .checked_mul(from_num)
            .and_then(|value| value.checked_mul(to_den))
            .ok_or(inexact)?;
        let below = from_den.checked_mul(to_num).ok_or(inexact)?;
        let value = above.checked_div(below).ok_or(inexact)?.normalize();
        let fits = value.scale() <= 9 && value.checked_mul(below) == Some(above);
        if fits {
            Ok(Quantity::new(value, to))
        } else {
            Err(inexact)
        }
    }

    /// The quantity in the base unit.
    pub fn to_base(&self, quantity: Quantity) -> Result<Decimal, ConversionError> {
        self.convert(quantity, self.base)
            .map(|converted| converted.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::dec;

    use super::*;

    const BOX: UnitOfMeasure = UnitOfMeasure(*b"XBX");
    const OF_TWELVE: [UnitConversion; 1] = [UnitConversion {
        unit: BOX,
        numerator: 12,
        denominator: 1,
    }];
    const UNITS: Units<'static> = Units {
        base: UnitOfMeasure::EACH,
        conversions: &OF_TWELVE,
    };

    #[test]
    fn converts_both_ways_exactly() {
        assert_eq!(UNITS.to_base(Quantity::new(dec!(2.5), BOX)), Ok(dec!(30)));
        assert_eq!(
            UNITS
                .convert(Quantity::new(dec!(24), UnitOfMeasure::EACH), BOX)
                .unwrap()
                .value,
            dec!(2)
        );
    }

    #[test]
    fn refuses_a_loss_of_digits_and_unknown_units() {
        assert_eq!(
            UNITS.convert(Quantity::new(dec!(1), UnitOfMeasure::EACH), BOX),
            Err(ConversionError::Inexact(BOX))
        );
        let pallet = UnitOfMeasure::from_code("XPX").unwrap();
        assert_eq!(
            UNITS.to_base(Quantity::new(dec!(1), pallet)),
            Err(ConversionError::UnknownUnit(pallet))
        );
        assert_eq!(
            UNITS.to_base(Quantity::new(Decimal::MAX, BOX)),
            Err(ConversionError::Inexact(UnitOfMeasure::EACH))
        );
    }

    #[test]
    fn codes_are_capital_letters_and_digits() {
        for bad in ["", "ea", "EACH", "E A", "É"] {
            assert_eq!(UnitOfMeasure::from_code(bad), Err(InvalidUnit));
        }
        assert_eq!(UnitOfMeasure::from_code("C62").unwrap().code(), "C62");
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(units in 1_u32..10_000, numerator in 1_u32..500, denominator in 1_u32..500) {
            let conversions = [UnitConversion { unit: BOX, numerator, denominator }];
            let product = Units { base: UnitOfMeasure::EACH, conversions: &conversions };
            let start = Quantity::new(units.into(), BOX);
            if let Ok(base) = product.convert(start, UnitOfMeasure::EACH) {
                prop_assert_eq!(product.convert(base, BOX).unwrap().value, start.value);
            }
        }
    }
}
