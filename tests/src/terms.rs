//! What a buyer is told about a basket, by whichever channel, in one form that can be compared.

use std::{collections::BTreeMap, str::FromStr as _};

use rust_decimal::Decimal;
use serde_json::Value;

use crate::x12::Acknowledged;

/// The terms of a basket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// `accept`, `hold` or `reject`.
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
    /// The day it leaves.
    pub ships: String,
    /// The day it arrives, where that is told.
    pub arrives: Option<String>,
    /// How much.
    pub quantity: String,
    /// Whether stock or a receipt covers it.
    pub covered: bool,
}

impl Terms {
    /// Of the portal's basket check or order.
    pub fn of_portal(body: &Value) -> Self {
        let verdict = match (text(body, "/verdict"), texts(body, "/holds").is_empty()) {
            (Some(verdict), _) => verdict,
            (None, true) => "accept".to_owned(),
            (None, false) => "hold".to_owned(),
        };
        Self {
            verdict,
            ship_to: text(body, "/ship_to"),
            total: money(body, "/total"),
            lines: texts(body, "/lines").iter().map(line_of_portal).collect(),
        }
    }

    /// Of an 855. It says neither totals nor the place, and of parts the day they leave.
    pub fn of_acknowledgment(read: &Acknowledged) -> Self {
        let verdict = match read.kind.as_str() {
            "AH" => "hold",
            "RD" | "RJ" => "reject",
            _ => "accept",
        };
        let lines = read.lines.iter().map(|line| {
            let refused = line.parts.iter().all(|(status, _, _)| status == "IR");
            let parts = line.parts.iter().filter_map(|(status, quantity, day)| {
                Some(Part {
                    ships: day.as_ref()?.to_string(),
                    arrives: None,
                    quantity: number(quantity),
                    covered: status != "IB",
                })
            });
            LineTerms {
                item: line.product.clone(),
                quantity: number(&line.quantity),
                unit_price: number(&line.unit_price),
                total: None,
                parts: by_day(parts),
                refused,
            }
        });
        Self {
            verdict: verdict.to_owned(),
            ship_to: None,
            total: None,
            lines: lines.collect(),
        }
    }

    /// The same without what an 855 does not say: totals, place, days of arrival; of an order that is held it names no
    /// days, and of a refused line no price.
    #[must_use]
    pub fn as_acknowledged(&self) -> Self {
        let held = self.verdict == "hold";
        let lines = self.lines.iter().map(|line| {
            let told = |part: &Part| Part {
                arrives: None,
                ..part.clone()
            };
            let parts = line.parts.iter().filter(|_| !held).map(told);
            LineTerms {
                total: None,
                parts: by_day(parts),
                ..line.clone()
            }
        });
        Self {
            verdict: self.verdict.clone(),
            ship_to: None,
            total: None,
            lines: lines.collect(),
        }
    }
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
        compare(what("unit price"), &left.unit_price, &right.unit_price);
        compare(what("total"), &left.total, &right.total);
        compare(what("dates"), &left.parts, &right.parts);
        compare(what("refused"), &left.refused, &right.refused);
    }
    found
}

/// The entries of a list; none where there is no list.
pub fn texts(body: &Value, pointer: &str) -> Vec<Value> {
    let list = body.pointer(pointer).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

fn line_of_portal(line: &Value) -> LineTerms {
    let parts = texts(line, "/schedule").into_iter().map(|part| Part {
        ships: text(&part, "/ship_date").unwrap_or_default(),
        arrives: text(&part, "/promised_delivery_date"),
        quantity: number(&text(&part, "/quantity/value").unwrap_or_default()),
        covered: text(&part, "/cover").is_some_and(|cover| cover != "lead_time"),
    });
    let ordered = text(line, "/ordered/value").or_else(|| text(line, "/quantity/value"));
    LineTerms {
        item: text(line, "/item").unwrap_or_default(),
        quantity: number(&ordered.unwrap_or_default()),
        unit_price: number(&text(line, "/price/unit_price/amount").unwrap_or_default()),
        total: money(line, "/price/total"),
        parts: by_day(parts),
        refused: !texts(line, "/problems").is_empty(),
    }
}

/// One part for each day: two sites on one day are one to whoever waits for the goods.
fn by_day(parts: impl Iterator<Item = Part>) -> Vec<Part> {
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

fn text(body: &Value, pointer: &str) -> Option<String> {
    let found = body.pointer(pointer)?;
    found.as_str().map(str::to_owned)
}

fn money(body: &Value, pointer: &str) -> Option<String> {
    let amount = text(body, &format!("{pointer}/amount"))?;
    let currency = text(body, &format!("{pointer}/currency"))?;
    Some(format!("{} {currency}", number(&amount)))
}

/// Without zeros that say nothing; what is no number stays as it is.
fn number(text: &str) -> String {
    Decimal::from_str(text)
        .map_or_else(|_| text.to_owned(), |number| number.normalize().to_string())
}
