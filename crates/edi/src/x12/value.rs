//! Element values of X12.6: numbers (R), dates (DT), times (TM) and text.

use jiff::civil::Date;
use rust_decimal::Decimal;

/// Type R: an optional minus, digits, at most one point. No plus, no exponent, no thousands separator.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    if let Some(short) = short_decimal(text.starts_with('-'), whole, fraction) {
        return Some(short);
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Decimal::from_str_exact(&format!("{sign}0{whole}{point}{fraction}"))
        .ok()
        .map(|value| {
            // -0.00 is 0: a sign on nothing would survive into answers
            if value.is_zero() {
                Decimal::new(0, value.scale())
            } else {
                value
            }
        })
}

/// A number of as many digits as surely fit 64 bits, which nearly all are.
fn short_decimal(negative: bool, whole: &str, fraction: &str) -> Option<Decimal> {
    const SURE: usize = 18;
    if whole.len().saturating_add(fraction.len()) > SURE {
        return None;
    }
    let scale = u32::try_from(fraction.len()).ok()?;
    let digits = whole.bytes().chain(fraction.bytes());
    let value = digits.fold(0_i64, |value, digit| {
        let digit = i64::from(digit.saturating_sub(b'0'));
        value.saturating_mul(10).saturating_add(digit)
    });
    Some(Decimal::new(if negative { -value } else { value }, scale))
}

/// A count, padded or not: 000012 is 12.
#[must_use]
pub fn count(text: &str) -> Option<u64> {
    if is_digits(text) {
        text.parse().ok()
    } else {
        None
    }
}

/// Type DT: CCYYMMDD, or YYMMDD as before version 004010 (years 70 to 99 are 19xx).
#[must_use]
pub fn date(text: &str) -> Option<Date> {
    if !is_digits(text) {
        return None;
    }
    let number: u32 = text.parse().ok()?;
    let number = match text.len() {
        8 => number,
        6 if number >= 700_000 => number.saturating_add(19_000_000),
        6 => number.saturating_add(20_000_000),
        _ => return None,
    };
    let year = i16::try_from(number.checked_div(10_000)?).ok()?;
    let month = i8::try_from(number.checked_div(100)?.checked_rem(100)?).ok()?;
    let day = i8::try_from(number.checked_rem(100)?).ok()?;
    Date::new(year, month, day).ok()
}

/// Type TM: HHMM, HHMMSS, HHMMSSD or HHMMSSDD.
#[must_use]
pub fn is_time(text: &str) -> bool {
    let part = |from: usize, below: u32| {
        let Some(two) = text.get(from..from.saturating_add(2)) else {
            return true;
        };
        two.parse::<u32>().is_ok_and(|value| value < below)
    };
    is_digits(text)
        && matches!(text.len(), 4 | 6 | 7 | 8)
        && part(0, 24)
        && part(2, 60)
        && part(4, 60)
}

/// Digits only, at least one.
#[must_use]
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// GS08 without what an industry put behind it: `004010VICS` is `004010`.
#[must_use]
pub fn release(version: &str) -> &str {
    version
        .get(..6)
        .filter(|six| is_digits(six))
        .unwrap_or(version)
}

/// Whether dates of this GS08 have four-digit years.
#[must_use]
pub fn has_long_dates(version: &str) -> bool {
    release(version) >= "004010"
}

/// One character a byte: how text that is not UTF-8 is read, since X12 partners then mean ISO 8859-1.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_nothing_is_guessed() {
        for (text, value) in [
            ("12", "12"),
            ("12.50", "12.50"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-3", "-3"),
            ("000.10", "0.10"),
        ] {
            assert_eq!(decimal(text).unwrap().to_string(), value, "{text}");
        }
        for text in [
            "",
            ".",
            "-",
            "+1",
            "1,5",
            "1e3",
            "1 000",
            "--1",
            "12-",
            "99999999999999999999999999999999",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn dates_exist_in_the_calendar() {
        assert_eq!(date("20260228").unwrap().to_string(), "2026-02-28");
        assert_eq!(date("980228").unwrap().to_string(), "1998-02-28");
        assert_eq!(date("010510").unwrap().to_string(), "2001-05-10");
        for text in ["20260230", "2026022", "2026-02-28", "", "20261301"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_within_a_day() {
        assert!(is_time("2359") && is_time("235959") && is_time("23595999"));
        assert!(!is_time("2460") && !is_time("9") && !is_time("12:30") && !is_time("2400"));
    }
}
