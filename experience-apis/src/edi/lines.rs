//! The lines of a purchase order in canonical words. Pure; done again when an answer is written, to tell which line of
//! the order is which PO1.

use std::{collections::BTreeMap, ops::Range};

use canonical_model::{
    Currency, UnitOfMeasure, UnitPrice, basket::BasketLine, item::ItemIdentifier,
};
use edi::x12::{
    purchase_order::{Line, PurchaseOrder, QualifiedDate, date_of},
    unit,
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::profile::{PastDates, Profile, UnitAbsent};

/// Delivery requested, required by, not after, shipment requested: the first that is given counts.
const REQUESTED: [&str; 4] = ["002", "106", "063", "010"];
/// The longest product number in canonical words.
const LONGEST_NUMBER: usize = 40;
/// The longest number of a buyer's line.
const LONGEST_LINE: usize = 20;

/// All lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    /// What is ordered; a PO1 with several dates has a line for each.
    pub(super) wanted: Vec<BasketLine>,
    /// What became of each PO1.
    pub(super) of: Vec<Po1>,
}

/// A PO1.
#[derive(Debug, Clone, Default)]
pub(super) struct Po1 {
    /// Its lines among `wanted`.
    pub(super) wanted: Range<usize>,
    /// The dates asked for, in the order of its lines, as they stand in the document.
    pub(super) dates: Vec<Option<Date>>,
    /// The price asked for, per one unit.
    pub(super) price: Option<Decimal>,
    /// How many units PO104 is for.
    pub(super) basis: u32,
    /// Why it is no line of an order.
    pub(super) problem: Option<String>,
}

/// Translates the lines. `today` tells which dates are past.
pub(super) fn lines(
    profile: &Profile,
    order: &PurchaseOrder,
    currency: Currency,
    today: Date,
) -> Lines {
    let heading = requested(&order.dates);
    let mut lines = Lines::default();
    for line in &order.lines {
        let first = lines.wanted.len();
        let mut po1 = Po1 {
            basis: 1,
            wanted: first..first,
            ..Po1::default()
        };
        match translate(profile, line, currency) {
            Err(problem) => po1.problem = Some(problem),
            Ok(translated) => {
                po1.basis = translated.basis;
                po1.price = translated.price;
                for (date, quantity) in parts(line, heading) {
                    po1.dates.push(date);
                    let usable = date
                        .filter(|date| *date >= today || profile.past_dates == PastDates::Reject);
                    lines.wanted.push(BasketLine {
                        identifiers: translated.identifiers.clone(),
                        quantity,
                        unit: translated.unit,
                        expected_unit_price: translated.expected.clone(),
                        requested_delivery_date: usable,
                        buyer_line: line.assigned_id.as_deref().map(str::to_owned),
                        quote_id: None,
                    });
                }
                po1.wanted = first..lines.wanted.len();
            }
        }
        lines.of.push(po1);
    }
    lines
}

/// The date asked for by these.
fn requested(dates: &[QualifiedDate]) -> Option<Date> {
    REQUESTED
        .into_iter()
        .find_map(|qualifier| date_of(dates, qualifier))
}

struct Translated {
    identifiers: Vec<ItemIdentifier>,
    unit: Option<UnitOfMeasure>,
    /// Per one unit, whether that is named or not.
    price: Option<Decimal>,
    expected: Option<UnitPrice>,
    basis: u32,
}

fn translate(profile: &Profile, line: &Line, currency: Currency) -> Result<Translated, String> {
    let assigned = line.assigned_id.as_deref().unwrap_or_default();
    if assigned.chars().count() > LONGEST_LINE {
        return Err(format!(
            "its number (PO101) is longer than {LONGEST_LINE} characters"
        ));
    }
    let identifiers = identifiers(profile, line)?;
    let unit = unit_of(profile, line)?;
    let code = line.price_basis.as_deref();
    let agreed = code.and_then(|code| profile.price_bases.get(code).copied());
    let basis = agreed.or_else(|| unit::price_basis(code)).ok_or_else(|| {
        format!(
            "price basis {} (PO105) is not known: send PE for a price per unit, or have it added to the agreement",
            code.unwrap_or_default()
        )
    })?;
    let price = line.unit_price.map(|price| {
        let each = price.checked_div(basis.into()).unwrap_or(price);
        each.round_dp(9).normalize()
    });
    let expected = price.zip(unit).map(|(amount, unit)| UnitPrice {
        amount,
        currency,
        unit,
    });
    Ok(Translated {
        identifiers,
        unit,
        price,
        expected,
        basis,
    })
}

fn identifiers(profile: &Profile, line: &Line) -> Result<Vec<ItemIdentifier>, String> {
    let mut found: Vec<ItemIdentifier> = Vec::new();
    for rule in &profile.products {
        let Some(value) = line.product_id(&rule.qualifier) else {
            continue;
        };
        if value.chars().count() > LONGEST_NUMBER {
            return Err(format!(
                "the product number under {} is longer than {LONGEST_NUMBER} characters",
                rule.qualifier
            ));
        }
        let identifier = ItemIdentifier {
            scheme: rule.scheme,
            value: value.to_owned(),
        };
        if !found.contains(&identifier) && found.len() < 10 {
            found.push(identifier);
        }
    }
    if found.is_empty() {
        let known: Vec<&str> = profile
            .products
            .iter()
            .map(|rule| rule.qualifier.as_str())
            .collect();
        return Err(format!(
            "no product number under an agreed qualifier (PO106 on): send one of {}",
            known.join(", ")
        ));
    }
    Ok(found)
}

fn unit_of(profile: &Profile, line: &Line) -> Result<Option<UnitOfMeasure>, String> {
    let Some(code) = line.unit.as_deref() else {
        return match profile.unit_absent {
            UnitAbsent::SalesUnit => Ok(None),
            UnitAbsent::Reject => {
                Err("no unit of measure (PO103): send one, such as EA".to_owned())
            }
        };
    };
    let agreed = profile.units.get(code).copied();
    let listed = || unit::to_unece(code).and_then(|unece| UnitOfMeasure::from_code(unece).ok());
    let unit = agreed.or_else(listed);
    unit.map(Some).ok_or_else(|| {
        format!("unit of measure {code} (PO103) is not known: send a listed one, or have it added to the agreement")
    })
}

/// The line's quantity by date: as SCH split it where that adds up, else all of it on one date.
fn parts(line: &Line, heading: Option<Date>) -> Vec<(Option<Date>, Decimal)> {
    let own = requested(&line.dates).or(heading);
    let mut by_date: BTreeMap<Option<Date>, Decimal> = BTreeMap::new();
    let mut whole = Some(Decimal::ZERO);
    for part in line.schedules.iter().filter(|part| part.place.is_none()) {
        let date = part.date.as_ref().map(|date| date.date).or(own);
        whole = whole
            .filter(|_| part.unit.is_none() || part.unit == line.unit)
            .and_then(|sum| sum.checked_add(part.quantity));
        let sum = by_date.entry(date).or_default();
        *sum = sum.saturating_add(part.quantity);
    }
    by_date.retain(|_, quantity| !quantity.is_zero());
    if by_date.is_empty() {
        return vec![(own, line.quantity)];
    }
    if whole == Some(line.quantity) {
        return by_date.into_iter().collect();
    }
    let soonest = by_date.into_keys().flatten().next();
    vec![(soonest.or(own), line.quantity)]
}
