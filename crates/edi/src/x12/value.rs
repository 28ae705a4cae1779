//! Element values of X12.6: numbers (R), dates (DT), times (TM) and text.

use jiff::civil::{Date, Time};
use rust_decimal::Decimal;

/// Type R: an optional minus, digits, at most one point. No plus, no exponent, no thousands separator.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    if let Some(short) = short_decimal(text) {
        return Some(short);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
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
fn short_decimal(text: &str) -> Option<Decimal> {
    const SURE: usize = 18;
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut value, mut scale, mut point) = (0_i64, 0_u32, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                let digit = i64::from(byte.saturating_sub(b'0'));
                value = value.wrapping_mul(10).wrapping_add(digit);
                scale = scale.wrapping_add(u32::from(point));
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let count = digits.len().saturating_sub(usize::from(point));
    let fits = (1..=SURE).contains(&count);
    fits.then(|| Decimal::new(if negative { -value } else { value }, scale))
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

/// Type R as X12.6 wants it: no zeros that say nothing.
pub(crate) fn write_decimal(out: &mut Vec<u8>, value: Decimal) {
    let mut scale = value.scale();
    let Ok(mut digits) = u64::try_from(value.mantissa().unsigned_abs()) else {
        return out.extend_from_slice(value.normalize().to_string().as_bytes());
    };
    while scale > 0 && digits.is_multiple_of(10) {
        digits /= 10;
        scale = scale.saturating_sub(1);
    }
    if value.is_sign_negative() && digits != 0 {
        out.push(b'-');
    }
    // one digit at least stands before the point
    write_digits(out, digits, scale.saturating_add(1), scale);
}

/// A whole number of at least so many digits.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64, least: u32) {
    write_digits(out, number, least, 0);
}

/// So many digits at least, the last of them after a point.
fn write_digits(out: &mut Vec<u8>, number: u64, least: u32, after_point: u32) {
    // the 20 digits of a number or the 28 places of a decimal, and a point
    let mut digits = [0; 32];
    let mut rest = number;
    let (mut done, mut length) = (0_u32, 0_usize);
    for slot in digits.iter_mut().rev() {
        if rest == 0 && done >= least.max(1) {
            break;
        }
        length = length.saturating_add(1);
        if done == after_point
            && done > 0
            && length == usize::try_from(done).unwrap_or_default().saturating_add(1)
        {
            *slot = b'.';
            continue;
        }
        *slot = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        done = done.saturating_add(1);
    }
    let from = digits.len().saturating_sub(length);
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

/// CCYYMMDD, or YYMMDD.
pub(crate) fn write_date(out: &mut Vec<u8>, date: Date, long: bool) {
    let year = u64::from(date.year().unsigned_abs());
    let day = u64::from(date.month().unsigned_abs())
        .saturating_mul(100)
        .saturating_add(date.day().unsigned_abs().into());
    let (year, digits) = if long { (year, 8) } else { (year % 100, 6) };
    write_number(out, year.saturating_mul(10_000).saturating_add(day), digits);
}

/// HHMM.
pub(crate) fn write_time(out: &mut Vec<u8>, time: Time) {
    let hour = u64::from(time.hour().unsigned_abs());
    let time = hour
        .saturating_mul(100)
        .saturating_add(time.minute().unsigned_abs().into());
    write_number(out, time, 4);
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
    fn numbers_are_written_as_they_would_be_said() {
        for value in [
            "0",
            "0.00",
            "-0.5",
            "12",
            "24.75",
            "100",
            "10.00",
            "0.05",
            "-1200.5",
            "0.0000000000000000000000000001",
            "18446744073709551615",
            "18446744073709551616",
            "79228162514264337593543950335",
        ] {
            let value: Decimal = value.parse().unwrap();
            let mut out = Vec::new();
            write_decimal(&mut out, value);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                value.normalize().to_string()
            );
        }
        let date = jiff::civil::date(2006, 1, 2);
        let mut out = Vec::new();
        write_date(&mut out, date, true);
        write_date(&mut out, date, false);
        write_time(&mut out, date.at(3, 4, 5, 0).time());
        write_number(&mut out, u64::MAX, 4);
        write_number(&mut out, 0, 1);
        assert_eq!(
            out,
            b"20060102060102030418446744073709551615"
                .iter()
                .chain(b"0")
                .copied()
                .collect::<Vec<u8>>()
        );
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
