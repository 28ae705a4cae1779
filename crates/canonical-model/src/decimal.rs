//! Decimal text: the only form in which an amount or a quantity crosses a border.
//!
//! An optional minus, at most 18 digits before the point and at most 9 behind it: no exponent, no sign in front of a
//! positive number, no blanks, no group separators. A JSON number is refused, since a reader may have rounded it.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Digits allowed before the decimal point.
pub const MAX_INTEGER_DIGITS: usize = 18;
/// Digits allowed behind the decimal point.
pub const MAX_FRACTION_DIGITS: usize = 9;

/// Why a text is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a decimal as text such as \"12.50\": digits, at most {MAX_INTEGER_DIGITS} before and {MAX_FRACTION_DIGITS} behind one point, no exponent"
)]
pub struct InvalidDecimal;

/// Reads decimal text; refuses what the module says.
pub fn parse(text: &str) -> Result<Decimal, InvalidDecimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = match digits.split_once('.') {
        Some((integer, fraction)) if !fraction.is_empty() => (integer, fraction),
        Some(_) => return Err(InvalidDecimal),
        None => (digits, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if integer.is_empty()
        || integer.len() > MAX_INTEGER_DIGITS
        || fraction.len() > MAX_FRACTION_DIGITS
        || !all_digits(integer)
        || !all_digits(fraction)
    {
        return Err(InvalidDecimal);
    }
    Decimal::from_str(text).map_err(|_source| InvalidDecimal)
}

/// `#[serde(with = "decimal")]`: writes the decimal as text, with the digits it was given.
pub fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// `#[serde(with = "decimal")]`: reads decimal text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// The same for an optional decimal: `#[serde(with = "decimal::option")]`.
pub mod option {
    use super::{Decimal, Deserialize, Deserializer, Error, Serializer, parse};

    /// Writes the decimal as text, or null.
    pub fn serialize<S: Serializer>(
        value: &Option<Decimal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Reads decimal text, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Decimal>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| parse(&text).map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0")]
    #[case("-12.50")]
    #[case("123456789012345678.123456789")]
    fn takes_plain_decimals(#[case] text: &str) {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("-")]
    #[case("+1")]
    #[case("1.")]
    #[case(".5")]
    #[case("1e3")]
    #[case("1,5")]
    #[case(" 1")]
    #[case("1_000")]
    #[case("--1")]
    #[case("1234567890123456789")]
    #[case("0.1234567890")]
    #[case("NaN")]
    #[case("١")]
    fn refuses_everything_else(#[case] text: &str) {
        assert_eq!(parse(text), Err(InvalidDecimal));
    }
}
