//! Amounts, quantities, dates and ages as a page writes them.

use canonical_model::{
    Currency, UnitOfMeasure, money,
    money::{Money, UnitPrice},
    promise::Availability,
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rust_decimal::Decimal;

/// What is older than this is told with its age.
const FRESH: SignedDuration = SignedDuration::from_mins(15);

/// A value of an address's query.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// An amount with as many digits as its currency has, or more where it has more.
pub(super) fn amount(amount: Decimal, currency: Currency) -> String {
    let mut plain = amount.normalize();
    if plain.scale() < money::scale(currency) {
        plain.rescale(money::scale(currency));
    }
    format!("{} {}", grouped(&plain.to_string()), currency.code())
}

/// Digits before the point in groups of three, apart by a narrow space: a comma could be read as a decimal point.
fn grouped(plain: &str) -> String {
    const NARROW: char = '\u{202F}';
    let (integer, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = integer.len();
    let mut text = String::with_capacity(plain.len().saturating_mul(2));
    for (place, digit) in integer.chars().enumerate() {
        let behind = digits.saturating_sub(place);
        if digits > 4 && place > 0 && behind.is_multiple_of(3) {
            text.push(NARROW);
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// `33.50 USD`.
pub(super) fn total(money: &Money) -> String {
    amount(money.amount, money.currency)
}

/// `33.50 USD`, for one unit.
pub(super) fn unit_price(price: &UnitPrice) -> String {
    amount(price.amount, price.currency)
}

/// Without zeros that say nothing, as it would be typed.
pub(super) fn typed(value: Decimal) -> String {
    value.normalize().to_string()
}

/// The same to be read.
pub(super) fn number(value: Decimal) -> String {
    grouped(&typed(value))
}

/// `24 Nov 2026`: no reader takes the day for the month.
pub(super) fn date(date: Date) -> String {
    date.strftime("%-d %b %Y").to_string()
}

/// What a unit is called, for the usual ones.
pub(super) fn unit_name(unit: UnitOfMeasure) -> Option<&'static str> {
    Some(match unit.code() {
        "EA" => "each",
        "C62" | "H87" => "piece",
        "PR" => "pair",
        "DZN" => "dozen",
        "SET" => "set",
        "KGM" => "kilogram",
        "GRM" => "gram",
        "TNE" => "tonne",
        "LBR" => "pound",
        "MTR" => "metre",
        "CMT" => "centimetre",
        "MTK" => "square metre",
        "FOT" => "foot",
        "LTR" => "litre",
        "XBG" => "bag",
        "XBX" => "box",
        "XCS" => "case",
        "XCT" => "carton",
        "XPK" => "package",
        "XPX" => "pallet",
        "XRO" => "roll",
        _ => return None,
    })
}

/// `XBX (box)`.
pub(super) fn unit(unit: UnitOfMeasure) -> String {
    match unit_name(unit) {
        Some(name) => format!("{unit} ({name})"),
        None => unit.to_string(),
    }
}

/// How old a fact is, where that is worth telling: `3 hours`.
pub(super) fn age(as_of: Timestamp, now: Timestamp) -> Option<String> {
    let age = now.duration_since(as_of);
    if age <= FRESH {
        return None;
    }
    let (minutes, hours) = (age.as_mins(), age.as_hours());
    Some(match (minutes, hours) {
        (..120, _) => format!("{minutes} minutes"),
        (_, ..48) => format!("{hours} hours"),
        _ => format!("{} days", hours.div_euclid(24)),
    })
}

/// Whether there is some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    Now,
    Later,
    None,
}

impl Supply {
    /// For the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Later => "later",
            Self::None => "none",
        }
    }
}

/// When there is some, in a few words.
pub(super) fn supply(stock: &Availability) -> (Supply, String) {
    if stock.available_now > Decimal::ZERO {
        let quantity = number(stock.available_now);
        return (Supply::Now, format!("{quantity} {} in stock", stock.unit));
    }
    if stock.as_of.is_none() && stock.degraded {
        return (Supply::None, "not known at the moment".to_owned());
    }
    let soonest = by_date(stock).into_iter().next();
    match (soonest, stock.replenishment_days, stock.as_of) {
        (Some((day, quantity)), _, _) => {
            let (quantity, day) = (number(quantity), date(day));
            (
                Supply::Later,
                format!("{quantity} {} from {day}", stock.unit),
            )
        }
        (None, Some(days), _) => (Supply::Later, format!("in about {days} days")),
        (None, None, None) => (Supply::None, "not known at the moment".to_owned()),
        (None, None, Some(_)) => (Supply::None, "not available".to_owned()),
    }
}

/// From which day on how much is there in all, over all sites; days on which nothing is added are left out.
pub(super) fn by_date(stock: &Availability) -> Vec<(Date, Decimal)> {
    let later = stock.sites.iter().flat_map(|site| &site.later);
    let mut days: Vec<Date> = later.map(|later| later.date).collect();
    days.sort_unstable();
    days.dedup();
    let mut before = stock.available_now;
    let mut found = Vec::with_capacity(days.len());
    for day in days {
        let at_site = |site: &canonical_model::promise::SiteAvailability| {
            let known = site.later.iter().filter(|later| later.date <= day);
            known
                .max_by_key(|later| later.date)
                .map_or(site.available_now, |later| later.available)
        };
        let sum = stock
            .sites
            .iter()
            .map(at_site)
            .fold(Decimal::ZERO, Decimal::saturating_add);
        if sum > before {
            found.push((day, sum));
            before = sum;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("33.5000", "USD", "33.50 USD")]
    #[case("0.0325", "USD", "0.0325 USD")]
    #[case("1200", "JPY", "1200 JPY")]
    #[case("3416000", "USD", "3\u{202F}416\u{202F}000.00 USD")]
    #[case("12345.5", "USD", "12\u{202F}345.50 USD")]
    fn an_amount_has_the_digits_of_its_currency_or_more(
        #[case] value: &str,
        #[case] currency: Currency,
        #[case] text: &str,
    ) {
        assert_eq!(amount(value.parse().unwrap(), currency), text);
    }

    #[rstest]
    #[case(14, None)]
    #[case(16, Some("16 minutes"))]
    #[case(180, Some("3 hours"))]
    #[case(60 * 72, Some("3 days"))]
    fn only_an_old_fact_tells_its_age(#[case] minutes: i64, #[case] text: Option<&str>) {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let as_of = now - SignedDuration::from_mins(minutes);
        assert_eq!(age(as_of, now).as_deref(), text);
    }

    fn stock(now: &str, sites: serde_json::Value, days: Option<u16>) -> Availability {
        serde_json::from_value(
            json!({"item": "SKU-1", "unit": "EA", "available_now": now, "sites": sites,
            "replenishment_days": days, "as_of": "2026-03-01T12:00:00Z"}),
        )
        .unwrap()
    }

    #[test]
    fn what_sites_will_have_is_added_up_day_by_day() {
        let sites = json!([
            {"site": "A", "available_now": "5", "later": [{"date": "2026-03-05", "available": "15"}, {"date": "2026-03-09", "available": "15"}]},
            {"site": "B", "available_now": "0", "later": [{"date": "2026-03-03", "available": "2"}, {"date": "2026-03-05", "available": "4"}]}]);
        let days = by_date(&stock("5", sites, None));
        let days: Vec<String> = days
            .into_iter()
            .map(|(day, quantity)| format!("{day} {quantity}"))
            .collect();
        assert_eq!(days, ["2026-03-03 7", "2026-03-05 19"]);
    }

    #[test]
    fn supply_is_said_in_a_few_words() {
        let later = json!([{"site": "A", "available_now": "0", "later": [{"date": "2026-03-05", "available": "15"}]}]);
        let said = |stock: &Availability| supply(stock).1;
        assert_eq!(said(&stock("12.50", json!([]), None)), "12.5 EA in stock");
        assert_eq!(said(&stock("0", later, Some(9))), "15 EA from 5 Mar 2026");
        assert_eq!(said(&stock("0", json!([]), Some(9))), "in about 9 days");
        assert_eq!(said(&stock("0", json!([]), None)), "not available");
    }
}
