//! The fields that all requests have: times, dates, decimals, money; and the faults found in them, each with its path.

use canonical_model::{Currency, Money, decimal};
use jiff::{Timestamp, civil};
use rust_decimal::Decimal;

use super::{
    status::{Code, Status},
    xml::Element,
};

/// As many faults as one answer tells.
const MOST_FAULTS: usize = 20;

/// A time, and what is to be noted about how it is written.
pub(super) fn instant(text: &str) -> Option<(Timestamp, Option<&'static str>)> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        let zulu = text.ends_with(['Z', 'z']);
        return Some((at, zulu.then_some("ends in Z instead of an offset")));
    }
    let local: civil::DateTime = text.parse().ok()?;
    let at = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((at.timestamp(), Some("has no offset: taken as UTC")))
}

/// The day that a date, or a time, names where it was written.
pub(super) fn day(text: &str) -> Option<civil::Date> {
    let text = text.trim();
    let date = text.get(..10)?;
    let rest = text.get(10..)?;
    let zone = || instant(&format!("{date}T00:00:00{rest}")).is_some();
    let zoned = rest.starts_with(['Z', '+', '-']) && zone();
    if rest.is_empty() || zoned || instant(text).is_some() {
        date.parse().ok()
    } else {
        None
    }
}

/// A plain decimal; zeros that carry nothing may be left out or added.
pub(super) fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let integer = match integer {
        "" if !fraction.is_empty() => "0",
        "-" if !fraction.is_empty() => "-0",
        integer => integer,
    };
    let fraction = if fraction.len() > decimal::MAX_FRACTION_DIGITS {
        fraction.trim_end_matches('0')
    } else {
        fraction
    };
    let plain = if fraction.is_empty() {
        integer.to_owned()
    } else {
        format!("{integer}.{fraction}")
    };
    decimal::parse(&plain).ok()
}

/// The faults found in a request; all of them are told at once.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    /// Something is wrong there.
    pub(super) fn add(&mut self, path: &str, sentence: &str) {
        self.0.push(format!("{path}: {sentence}"));
    }

    /// The value, or 400 with every fault.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, Status> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.status()),
        }
    }

    fn status(mut self) -> Status {
        let more = self.0.len().saturating_sub(MOST_FAULTS);
        self.0.truncate(MOST_FAULTS);
        if more > 0 {
            self.0.push(format!("{more} more."));
        }
        Status::new(Code::BadRequest, self.0.join(" "))
    }

    /// The Money inside an element that must have one.
    pub(super) fn money(&mut self, holder: Option<&Element>, path: &str) -> Option<Money> {
        let Some(money) = holder.and_then(|holder| holder.first("Money")) else {
            self.add(path, "is missing: send it with its Money.");
            return None;
        };
        let text = money.own_text();
        let code = money.attribute("currency").unwrap_or_default().trim();
        let Some(currency) = Currency::from_code(code) else {
            let path = format!("{path}/Money/@currency");
            self.add(&path, "must be an ISO 4217 code such as USD.");
            return None;
        };
        let amount = number(&text);
        if text.is_empty() {
            self.add(
                &format!("{path}/Money"),
                "is empty: send the amount; nothing is taken as zero.",
            );
        } else if amount.is_none() {
            let sentence = "must be a plain decimal such as 12.50: at most 18 digits before and 9 behind the point.";
            self.add(&format!("{path}/Money"), sentence);
        }
        amount.map(|amount| Money::new(amount, currency))
    }

    /// A quantity above zero.
    pub(super) fn quantity(&mut self, text: Option<&str>, path: &str) -> Option<Decimal> {
        let quantity =
            number(text.unwrap_or_default()).filter(|quantity| *quantity > Decimal::ZERO);
        if quantity.is_none() {
            self.add(
                path,
                "must be a plain decimal above zero, such as 12 or 2.5.",
            );
        }
        quantity
    }

    /// A day that may be absent.
    pub(super) fn day(&mut self, text: Option<&str>, path: &str) -> Option<civil::Date> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        let found = day(text);
        if found.is_none() {
            self.add(
                path,
                "must be a date such as 2026-03-31 or 2026-03-31T12:00:00+01:00.",
            );
        }
        found
    }
}
