//! Money and unit prices: exact decimals with their currency.

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decimal,
    quantity::{Quantity, UnitOfMeasure},
};

/// An amount in a currency: `{"amount":"1234.50","currency":"USD"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": "1234.50", "currency": "USD"}))]
pub struct Money {
    /// Decimal text.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub amount: Decimal,
    /// ISO 4217.
    #[serde(deserialize_with = "crate::currency::deserialize")]
    #[schema(value_type = String)]
    pub currency: Currency,
}

/// What a unit of something costs: `{"amount":"33.5000","currency":"USD","unit":"EA"}`. It may have more digits than
/// the currency; only totals are rounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": "33.5000", "currency": "USD", "unit": "EA"}))]
pub struct UnitPrice {
    /// Decimal text, per one `unit`.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub amount: Decimal,
    /// ISO 4217.
    #[serde(deserialize_with = "crate::currency::deserialize")]
    #[schema(value_type = String)]
    pub currency: Currency,
    /// UN/ECE Recommendation 20 or 21 code.
    pub unit: UnitOfMeasure,
}

/// Why amounts do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Amounts of two currencies were added.
    #[error("{left} and {right} cannot be added: convert one of them first", left = .left.code(), right = .right.code())]
    CurrencyMismatch {
        /// The first.
        left: Currency,
        /// The second.
        right: Currency,
    },
    /// A price per one unit met a quantity in another.
    #[error(
        "the price is per {price} but the quantity is in {quantity}: convert the quantity first"
    )]
    UnitMismatch {
        /// The unit priced.
        price: UnitOfMeasure,
        /// The unit of the quantity.
        quantity: UnitOfMeasure,
    },
    /// The result has more digits than a decimal can hold.
    #[error("the amount is too large to be held exactly")]
    Overflow,
}

/// The digits behind the point in which a currency is paid; 2 where ISO 4217 states none.
pub fn scale(currency: Currency) -> u32 {
    currency.exponent().map_or(2, u32::from)
}

/// Rounds to the currency's digits, halves away from zero.
pub fn round(amount: Decimal, currency: Currency) -> Decimal {
    let mut rounded =
        amount.round_dp_with_strategy(scale(currency), RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(scale(currency));
    rounded
}

impl Money {
    /// An amount as it is.
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing, in the currency's digits.
    pub fn zero(currency: Currency) -> Self {
        Self {
            amount: round(Decimal::ZERO, currency),
            currency,
        }
    }

    /// The sum, if both are of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch {
                left: self.currency,
                right: other.currency,
            });
        }
        let amount = self
            .amount
            .checked_add(other.amount)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self {
            amount,
            currency: self.currency,
        })
    }
}

impl UnitPrice {
    /// The line total: entered price times entered quantity, rounded once at the currency's scale.
    pub fn total(&self, quantity: &Quantity) -> Result<Money, MoneyError> {
        if self.unit != quantity.unit {
            return Err(MoneyError::UnitMismatch {
                price: self.unit,
                quantity: quantity.unit,
            });
        }
        let exact = self
            .amount
            .checked_mul(quantity.value)
            .ok_or(MoneyError::Overflow)?;
        Ok(Money {
            amount: round(exact, self.currency),
            currency: self.currency,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use rust_decimal::dec;

    use super::*;

    fn each(value: Decimal) -> Quantity {
        Quantity::new(value, UnitOfMeasure::EACH)
    }

    #[rstest]
    #[case(dec!(0.335), dec!(3), Currency::USD, "1.01")]
    #[case(dec!(10.005), dec!(1), Currency::USD, "10.01")]
    #[case(dec!(-10.005), dec!(1), Currency::USD, "-10.01")]
    #[case(dec!(100.5), dec!(1), Currency::JPY, "101")]
    #[case(dec!(1.0005), dec!(1), Currency::KWD, "1.001")]
    #[case(dec!(5), dec!(2), Currency::USD, "10.00")]
    fn a_line_total_is_rounded_once(
        #[case] price: Decimal,
        #[case] quantity: Decimal,
        #[case] currency: Currency,
        #[case] total: &str,
    ) {
        let price = UnitPrice {
            amount: price,
            currency,
            unit: UnitOfMeasure::EACH,
        };
        assert_eq!(
            price.total(&each(quantity)).unwrap().amount.to_string(),
            total
        );
    }

    #[test]
    fn currencies_units_and_overflow_are_refused() {
        let one = Money::new(dec!(1), Currency::USD);
        assert!(matches!(
            one.checked_add(Money::new(dec!(1), Currency::EUR)),
            Err(MoneyError::CurrencyMismatch { .. })
        ));
        let price = UnitPrice {
            amount: Decimal::MAX,
            currency: Currency::USD,
            unit: UnitOfMeasure::EACH,
        };
        assert_eq!(price.total(&each(dec!(2))), Err(MoneyError::Overflow));
        let boxed = Quantity::new(dec!(1), UnitOfMeasure::from_code("XBX").unwrap());
        assert!(matches!(
            price.total(&boxed),
            Err(MoneyError::UnitMismatch { .. })
        ));
    }

    #[test]
    fn json_is_decimal_text_and_strict() {
        let money: Money = serde_json::from_str(r#"{"amount":"12.50","currency":"USD"}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&money).unwrap(),
            r#"{"amount":"12.50","currency":"USD"}"#
        );
        assert!(serde_json::from_str::<Money>(r#"{"amount":12.5,"currency":"USD"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1","currency":"XXQ"}"#).is_err());
        assert!(
            serde_json::from_str::<Money>(r#"{"amount":"1","currency":"USD","tax":"0"}"#).is_err()
        );
    }
}
