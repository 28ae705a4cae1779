//! Numbers as buyers' systems write them: blanks around them, leading zeros, a decimal comma. What could be two numbers
//! is none.

use canonical_model::decimal;
use rust_decimal::Decimal;

/// Why a text is no number that could be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is none.
    #[error(
        "is no number: send digits with at most 9 behind a decimal point, without thousands separators"
    )]
    NoNumber,
    /// A separator could stand for decimals or for thousands.
    #[error(
        "could be two numbers: send it with a decimal point and without thousands separators, such as 1234.56"
    )]
    Ambiguous,
}

/// Reads a number.
pub(super) fn read(text: &str) -> Result<Decimal, Unreadable> {
    let text = text.trim();
    let number = match text.split_once(',') {
        None => text.to_owned(),
        Some((before, after)) => {
            if after.contains([',', '.']) || before.contains('.') || is_thousands(before, after) {
                return Err(Unreadable::Ambiguous);
            }
            format!("{before}.{after}")
        }
    };
    // A point without digits before it is written by some, and leaves no doubt.
    let number = match number.strip_prefix('.') {
        Some(fraction) => format!("0.{fraction}"),
        None => number,
    };
    decimal::parse(&number).map_err(|decimal::InvalidDecimal| Unreadable::NoNumber)
}

/// `1,234` is a thousand and more to one reader, and a little over one to the other; `0,500` and `12,50` are not.
fn is_thousands(before: &str, after: &str) -> bool {
    let digits = before.strip_prefix('-').unwrap_or(before);
    after.len() == 3 && (1..=3).contains(&digits.len()) && !digits.starts_with('0')
}

/// A whole number above zero, `1.0` included.
pub(super) fn count(text: &str) -> Option<u32> {
    let number = read(text).ok()?.normalize();
    if number.scale() > 0 {
        return None;
    }
    u32::try_from(number).ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("12.50", "12.50")]
    #[case("12,50", "12.50")]
    #[case("  3.000 ", "3.000")]
    #[case("00000001730.900", "1730.900")]
    #[case("0,500", "0.500")]
    #[case("1234,500", "1234.500")]
    #[case(".5", "0.5")]
    #[case(",5", "0.5")]
    #[case("-5", "-5")]
    fn numbers_are_read(#[case] text: &str, #[case] number: &str) {
        assert_eq!(read(text).unwrap().to_string(), number);
    }

    #[rstest]
    #[case("1,234.56")]
    #[case("1.234,56")]
    #[case("1,234")]
    #[case("-12,345")]
    #[case("1,234,567")]
    fn what_could_be_two_numbers_is_none(#[case] text: &str) {
        assert_eq!(read(text), Err(Unreadable::Ambiguous));
    }

    #[rstest]
    #[case("")]
    #[case("five")]
    #[case("1e3")]
    #[case("1 234")]
    #[case("1.234.567")]
    #[case("12,")]
    #[case("+5")]
    #[case("5-")]
    #[case("1234567890123456789")]
    #[case("0.1234567891")]
    #[case("٣")]
    fn all_else_is_no_number(#[case] text: &str) {
        assert_eq!(read(text), Err(Unreadable::NoNumber));
    }

    #[rstest]
    #[case("1000", Some(1000))]
    #[case("1.0", Some(1))]
    #[case("0", None)]
    #[case("-1", None)]
    #[case("2.5", None)]
    #[case("99999999999", None)]
    fn counts_are_whole_and_above_zero(#[case] text: &str, #[case] found: Option<u32>) {
        assert_eq!(count(text), found);
    }
}
