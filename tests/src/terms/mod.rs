//! What a buyer is told about a basket, by whichever channel, in one form that can be compared.

mod acknowledgment;
mod medium;
mod portal;

use std::{collections::BTreeMap, str::FromStr as _};

use rust_decimal::Decimal;

pub use medium::Medium;
pub use portal::texts;

/// The terms of a basket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// `accept`, `hold` or `reject`; empty where it is not told.
    pub verdict: String,
    /// Where it goes, where that is told.
    pub ship_to: Option<String>,
    /// Amount and currency, where they are told.
    pub total: Option<String>,
    /// Its lines.
    pub lines: Vec<LineTerms>,
}

/// The terms of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineTerms {
    /// The product, where the line names one.
    pub item: String,
    /// Value, in the unit ordered.
    pub quantity: String,
    /// The unit ordered, by UN/ECE.
    pub unit: String,
    /// Price of one unit.
    pub unit_price: String,
    /// Of the line, where it is told.
    pub total: Option<String>,
    /// What comes when; by days.
    pub parts: Vec<Part>,
    /// Whether it is refused.
    pub refused: bool,
}

/// A part of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The day it leaves, where that is told.
    pub ships: Option<String>,
    /// The day it arrives, where that is told.
    pub arrives: Option<String>,
    /// How much.
    pub quantity: String,
    /// Whether stock or a receipt covers it, where that is told.
    pub covered: Option<bool>,
}

/// Where two say different things, in words; empty = nowhere.
pub fn differences(left: &Terms, right: &Terms) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: String, left: &dyn std::fmt::Debug, right: &dyn std::fmt::Debug| {
        let (left, right) = (format!("{left:?}"), format!("{right:?}"));
        if left != right {
            found.push(format!("{what}: {left} and {right}"));
        }
    };
    compare("verdict".to_owned(), &left.verdict, &right.verdict);
    compare("ship-to".to_owned(), &left.ship_to, &right.ship_to);
    compare("total".to_owned(), &left.total, &right.total);
    compare(
        "number of lines".to_owned(),
        &left.lines.len(),
        &right.lines.len(),
    );
    for (line, (left, right)) in (1..).zip(left.lines.iter().zip(&right.lines)) {
        let what = |what: &str| format!("line {line}, {what}");
        compare(what("item"), &left.item, &right.item);
        compare(what("quantity"), &left.quantity, &right.quantity);
        compare(what("unit"), &left.unit, &right.unit);
        compare(what("unit price"), &left.unit_price, &right.unit_price);
        compare(what("total"), &left.total, &right.total);
        compare(what("dates"), &left.parts, &right.parts);
        compare(what("refused"), &left.refused, &right.refused);
    }
    found
}

/// One part for each day: two sites on one day are one to whoever waits for the goods.
pub(crate) fn by_day(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut days: BTreeMap<Part, Decimal> = BTreeMap::new();
    for part in parts {
        let quantity = Decimal::from_str(&part.quantity).unwrap_or_default();
        let day = Part {
            quantity: String::new(),
            ..part
        };
        *days.entry(day).or_default() += quantity;
    }
    let sum = |(day, quantity): (Part, Decimal)| Part {
        quantity: quantity.normalize().to_string(),
        ..day
    };
    days.into_iter().map(sum).collect()
}

/// Without zeros that say nothing; what is no number stays as it is.
pub(crate) fn number(text: &str) -> String {
    Decimal::from_str(text)
        .map_or_else(|_| text.to_owned(), |number| number.normalize().to_string())
}

/// The UN/ECE code of a unit that X12 and OCI write in an ISO code of their own.
pub(crate) fn un_ece(code: &str) -> String {
    match code {
        "CT" => "XCT".to_owned(),
        other => other.to_owned(),
    }
}
