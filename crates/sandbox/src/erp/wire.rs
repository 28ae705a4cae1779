//! The ERP's way of writing: everything a string, and `RETURN` for what went wrong.

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// Keys a list of a call may hold, and rows a page may hold.
pub(super) const MAX_KEYS: usize = 500;
const DEFAULT_ROWS: usize = 100;

/// One entry of `RETURN`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct Message {
    r#type: &'static str,
    id: &'static str,
    number: &'static str,
    message: String,
    message_v1: String,
}

impl Message {
    pub(super) fn error(id: &'static str, number: &'static str, text: String, key: &str) -> Self {
        Self::new("E", id, number, text, key)
    }

    pub(super) fn warning(id: &'static str, number: &'static str, text: String, key: &str) -> Self {
        Self::new("W", id, number, text, key)
    }

    pub(super) fn success(id: &'static str, number: &'static str, text: String, key: &str) -> Self {
        Self::new("S", id, number, text, key)
    }

    fn new(
        kind: &'static str,
        id: &'static str,
        number: &'static str,
        message: String,
        key: &str,
    ) -> Self {
        Self {
            r#type: kind,
            id,
            number,
            message,
            message_v1: key.to_owned(),
        }
    }

    pub(super) fn malformed(field: &str) -> Self {
        Self::error(
            "00",
            "055",
            format!("Fill in field {field} correctly"),
            field,
        )
    }

    pub(super) fn too_many(field: &str) -> Self {
        let text = format!("Field {field}: more than {MAX_KEYS} are not possible in one call");
        Self::error("00", "100", text, field)
    }

    pub(super) fn unknown_customer(key: &str) -> Self {
        Self::error("F2", "153", format!("Customer {key} does not exist"), key)
    }

    pub(super) fn unknown_material(key: &str) -> Self {
        Self::error("M3", "305", format!("Material {key} does not exist"), key)
    }

    pub(super) fn unknown_plant(key: &str) -> Self {
        Self::error("M7", "018", format!("Plant {key} does not exist"), key)
    }

    pub(super) fn unknown_order(key: &str) -> Self {
        Self::error("V1", "302", format!("Order {key} does not exist"), key)
    }

    pub(super) fn not_available(function: &str) -> Self {
        let text = format!("{function} is not available in this system");
        Self::error("SR", "053", text, function)
    }
}

/// What every function returns: its answer, or messages alone.
pub(super) type Outcome<T> = Result<T, Vec<Message>>;

/// The answer of a failed call.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    #[serde(rename = "RETURN")]
    pub(super) messages: Vec<Message>,
}

/// The keys of a list, each once, in order; a list that is too long is refused.
pub(super) fn keys<'a>(list: &'a [String], field: &str) -> Outcome<Vec<&'a str>> {
    if list.len() > MAX_KEYS {
        return Err(vec![Message::too_many(field)]);
    }
    let mut keys: Vec<&str> = list.iter().map(|key| key.trim()).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// `SKIP` and `MAXROWS` of a paged call.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct Page {
    skip: String,
    maxrows: String,
}

impl Page {
    /// One page of a sequence, and the `MORE` flag.
    pub(super) fn cut<T>(&self, rows: impl Iterator<Item = T>) -> Outcome<(Vec<T>, &'static str)> {
        let skip = number(&self.skip, 0).ok_or_else(|| vec![Message::malformed("SKIP")])?;
        let max = number(&self.maxrows, DEFAULT_ROWS)
            .ok_or_else(|| vec![Message::malformed("MAXROWS")])?;
        if max > MAX_KEYS {
            return Err(vec![Message::too_many("MAXROWS")]);
        }
        let mut page: Vec<T> = rows.skip(skip).take(max.saturating_add(1)).collect();
        let more = flag(page.len() > max);
        page.truncate(max);
        Ok((page, more))
    }
}

fn number(text: &str, default: usize) -> Option<usize> {
    if text.is_empty() {
        return Some(default);
    }
    text.parse().ok()
}

/// `X` or nothing.
pub(super) fn flag(on: bool) -> &'static str {
    if on { "X" } else { "" }
}

/// Three decimals.
pub(super) fn quantity(value: Decimal) -> String {
    signed(fixed(value, 3))
}

/// Two decimals, a minus behind.
pub(super) fn amount(value: Decimal) -> String {
    signed(fixed(value, 2))
}

/// Two to five decimals.
pub(super) fn price(value: Decimal) -> String {
    let shortest = value.normalize();
    signed(fixed(shortest, shortest.scale().clamp(2, 5)))
}

/// `YYYYMMDD`, or nothing.
pub(super) fn date(value: Option<Date>) -> String {
    value.map_or_else(String::new, |date| {
        format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
    })
}

fn fixed(value: Decimal, scale: u32) -> Decimal {
    let mut rounded = value.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(scale);
    rounded
}

fn signed(value: Decimal) -> String {
    if value.is_sign_negative() && !value.is_zero() {
        format!("{}-", value.abs())
    } else {
        value.abs().to_string()
    }
}

/// A number as the ERP takes it: digits, perhaps a point, perhaps a minus behind.
pub(super) fn read_number(text: &str) -> Option<Decimal> {
    let (digits, negative) = match text.strip_suffix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain || digits.len() > 20 {
        return None;
    }
    let value = Decimal::from_str_exact(digits).ok()?;
    Some(if negative { -value } else { value })
}

/// A date as the ERP takes it; empty is none. The outer `None` is a malformed one.
pub(super) fn read_date(text: &str) -> Option<Option<Date>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = text.get(0..4)?.parse().ok()?;
    let month = text.get(4..6)?.parse().ok()?;
    let day = text.get(6..8)?.parse().ok()?;
    Date::new(year, month, day).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as day;

    use super::*;

    #[test]
    fn numbers_are_written_the_erps_way() {
        assert_eq!(quantity(Decimal::from(12)), "12.000");
        assert_eq!(amount(Decimal::from(-500)), "500.00-");
        assert_eq!(amount(Decimal::new(-1, 3)), "0.00");
        assert_eq!(price(Decimal::new(45_000, 4)), "4.50");
        assert_eq!(price(Decimal::new(12_345, 4)), "1.2345");
    }

    #[test]
    fn numbers_are_read_back() {
        assert_eq!(read_number("12.000"), Some(Decimal::from(12)));
        assert_eq!(read_number("500.00-"), Some(Decimal::from(-500)));
        for wrong in ["", "-5", "1e3", "1,5", "12.000.1", "٣"] {
            assert_eq!(read_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_are_eight_digits_or_nothing() {
        assert_eq!(date(Some(day(2026, 1, 5))), "20260105");
        assert_eq!(read_date("20260105"), Some(Some(day(2026, 1, 5))));
        assert_eq!(read_date(""), Some(None));
        assert_eq!(read_date("20260230"), None);
        assert_eq!(read_date("2026-1-5"), None);
    }
}
