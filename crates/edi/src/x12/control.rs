//! Control numbers: how they are written and compared.

use super::value;

/// ISA13 and IEA02 are nine digits.
#[must_use]
pub fn interchange(number: u32) -> String {
    format!("{:09}", within(number))
}

/// Of a control number, the nine digits that can be written.
fn within(number: u32) -> u32 {
    number.checked_rem(1_000_000_000).unwrap_or_default()
}

/// As [`interchange`].
pub(crate) fn write_interchange(out: &mut Vec<u8>, number: u32) {
    value::write_number(out, within(number).into(), 9);
}

/// GS06 and GE02: one to nine digits, not padded.
pub(crate) fn write_group(out: &mut Vec<u8>, number: u32) {
    value::write_number(out, within(number).into(), 1);
}

/// ST02 and SE02: four to nine digits.
pub(crate) fn write_set(out: &mut Vec<u8>, number: u32) {
    value::write_number(out, within(number).into(), 4);
}

/// The number after this one; after 999999999 comes 1, because 0 is no control number.
#[must_use]
pub fn next(number: u32) -> u32 {
    if number >= 999_999_999 {
        1
    } else {
        number.saturating_add(1)
    }
}

/// Control numbers are compared as text, but padding is no difference.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && comparable(one) == comparable(other)
}

/// A control number without its padding.
pub(crate) fn comparable(number: &str) -> &str {
    if value::is_digits(number) {
        number.trim_start_matches('0')
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_numbers_are_padded_and_wrap() {
        assert_eq!(interchange(42), "000000042");
        let written = |write: fn(&mut Vec<u8>, u32), number| {
            let mut out = Vec::new();
            write(&mut out, number);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(write_interchange, 42), "000000042");
        assert_eq!(written(write_group, 42), "42");
        assert_eq!(written(write_set, 7), "0007");
        assert_eq!(written(write_set, 123_456), "123456");
        assert!(same("0042", "42") && !same("", "") && !same("A1", "A01"));
        assert_eq!((next(41), next(999_999_999)), (42, 1));
    }
}
