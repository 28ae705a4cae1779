//! What came back against what left: line by line, field by field, each difference as a sentence. Pure.

use std::collections::BTreeMap;

use canonical_model::{
    Currency, ItemNumber, Money, QuoteId, ShipToId,
    account::Account,
    basket::{BasketCheck, CheckedLine},
    money,
    promise::ScheduleLine,
    quote::{Quote, QuoteState},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{Brought, Ordered, OrderedLine};
use crate::punchout::profile::{Differences, OnDifference};

/// What left, and what else tells which of it still holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    /// Whose order it is.
    pub(super) account: &'a Account,
    /// Where it goes.
    pub(super) ship_to: Option<&'a ShipToId>,
    /// The quotes that the locks name, as far as they exist.
    pub(super) quotes: &'a BTreeMap<QuoteId, Quote>,
    /// The buyer's numbers of products, as they left.
    pub(super) buyer_parts: &'a BTreeMap<ItemNumber, String>,
    /// Now.
    pub(super) now: Timestamp,
}

/// What can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Field {
    Price,
    Quantity,
    Unit,
    PartNumber,
    Currency,
    Total,
    Date,
    Unlocked,
}

impl Field {
    /// What was agreed about it.
    pub(super) const fn policy(self, agreed: &Differences) -> OnDifference {
        match self {
            Self::Price => agreed.price,
            Self::Quantity => agreed.quantity,
            Self::Unit => agreed.unit,
            Self::PartNumber => agreed.part_number,
            Self::Currency => agreed.currency,
            Self::Total => agreed.total,
            Self::Date => agreed.date,
            Self::Unlocked => agreed.unlocked,
        }
    }
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// In what.
    pub(super) field: Field,
    /// The line, by its place among the order's, from 0; `None` = the order as a whole.
    pub(super) line: Option<usize>,
    /// A sentence that names line, field, what left and what came.
    pub(super) sentence: String,
}

/// Where a line stands with its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// It left as this line of this quote, whose prices hold.
    Quoted(QuoteId, &'a CheckedLine),
    /// It is priced as of now, and why.
    Open(String),
}

impl<'a> Left<'a> {
    /// Where a line stands.
    pub(super) fn standing(&self, line: &OrderedLine) -> Standing<'a> {
        let open = |why: &str| Standing::Open(why.to_owned());
        let lock = match line.lock {
            Brought::Nothing => return open("no price lock came back"),
            Brought::Foreign => return open("what came back is no price lock of ours"),
            Brought::Lock(lock) => lock,
        };
        let known = self.quotes.get(&lock.quote);
        let known = known.filter(|quote| quote.account == self.account.account);
        let quoted = known.and_then(|quote| {
            let mut lines = quote.lines.iter();
            Some((quote, lines.find(|quoted| quoted.line == lock.line)?))
        });
        let Some((quote, quoted)) = quoted else {
            return open("the price lock is not known");
        };
        if quote.state == QuoteState::Expired || self.now >= quote.expires_at {
            let ended = TimeZone::UTC.to_datetime(quote.expires_at).date();
            return Standing::Open(format!("the price lock ended on {ended}"));
        }
        let first = self.account.ship_tos.first().map(|place| &place.ship_to);
        if let Some(to) = self.ship_to.or(first).filter(|to| **to != quote.ship_to) {
            return Standing::Open(format!(
                "the price lock is for delivery to {}, and the order goes to {to}",
                quote.ship_to
            ));
        }
        Standing::Quoted(quote.quote_id, quoted)
    }

    /// The quote whose price a line has: of the same product, in the same unit, and no part of it smaller than quoted.
    pub(super) fn lock(&self, line: &OrderedLine) -> Option<QuoteId> {
        let Standing::Quoted(quote, quoted) = self.standing(line) else {
            return None;
        };
        let from = quoted.quantity?;
        let parts = line.schedule.iter().map(|(part, _)| *part);
        let smallest = parts.min().unwrap_or(line.quantity).min(line.quantity);
        let same = is_part(line, quoted) && line.unit.is_none_or(|unit| unit == from.unit);
        (same && smallest >= from.value).then_some(quote)
    }
}

fn is_part(line: &OrderedLine, quoted: &CheckedLine) -> bool {
    quoted.item.as_ref().map(ItemNumber::as_str) == Some(line.part.as_str())
}

/// What would become of the order as of now, and which of its lines is which.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsOfNow<'a> {
    /// Prices and dates.
    pub(super) check: &'a BasketCheck,
    /// The checked lines of each line of the order.
    pub(super) of: &'a [std::ops::Range<usize>],
}

impl<'a> AsOfNow<'a> {
    fn lines(&self, index: usize) -> &'a [CheckedLine] {
        let range = self.of.get(index).cloned();
        let lines = range.and_then(|range| self.check.lines.get(range));
        lines.unwrap_or_default()
    }
}

/// All differences, in the order of the lines.
pub(super) fn compare(
    ordered: &Ordered,
    left: &Left<'_>,
    now: Option<AsOfNow<'_>>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (index, line) in ordered.lines.iter().enumerate() {
        let mut tell = |field, sentence: String| {
            differences.push(Difference {
                field,
                line: Some(index),
                sentence: format!("Line {}, {sentence}", line.number),
            });
        };
        currency(line, left, &mut tell);
        let checked = now.map(|now| now.lines(index)).unwrap_or_default();
        match left.standing(line) {
            Standing::Open(why) => {
                tell(
                    Field::Unlocked,
                    format!("price lock: {why}; it is priced as of now."),
                );
                price(line, checked.first(), "it is now", &mut tell);
            }
            Standing::Quoted(_, quoted) => {
                part(line, quoted, left, &mut tell);
                amount(line, quoted, &mut tell);
                price(line, Some(quoted), "left", &mut tell);
                date(quoted, checked, &mut tell);
            }
        }
    }
    differences.extend(total(ordered, left.account.currency));
    differences
}

fn currency(line: &OrderedLine, left: &Left<'_>, tell: &mut impl FnMut(Field, String)) {
    let ours = left.account.currency;
    if let Some(came) = line.unit_price.filter(|price| price.currency != ours) {
        let (ours, came) = (ours.code(), came.currency.code());
        tell(
            Field::Currency,
            format!("currency: {ours} left, {came} came."),
        );
    }
}

fn part(
    line: &OrderedLine,
    quoted: &CheckedLine,
    left: &Left<'_>,
    tell: &mut impl FnMut(Field, String),
) {
    let Some(item) = quoted.item.as_ref() else {
        return;
    };
    let came = &line.part;
    if !is_part(line, quoted) {
        tell(
            Field::PartNumber,
            format!("part number: {item} left, {came} came."),
        );
        return;
    }
    let theirs = left.buyer_parts.get(item).zip(line.buyer_part.as_ref());
    if let Some((left, came)) = theirs.filter(|(left, came)| left != came) {
        tell(
            Field::PartNumber,
            format!("buyer's part number: {left} left, {came} came."),
        );
    }
}

/// Unit and quantity; quantities in two units are not compared.
fn amount(line: &OrderedLine, quoted: &CheckedLine, tell: &mut impl FnMut(Field, String)) {
    let Some(from) = quoted.quantity else {
        return;
    };
    let (left, unit, came) = (from.value.normalize(), from.unit, line.quantity.normalize());
    if let Some(other) = line.unit.filter(|other| *other != unit) {
        tell(
            Field::Unit,
            format!("unit: {left} {unit} left, {came} {other} came."),
        );
        return;
    }
    let small = line.schedule.iter().any(|(part, _)| *part < from.value);
    if came != left {
        let hint = if came < left {
            "; the price lock is for no less, so it is priced as of now"
        } else {
            ""
        };
        tell(
            Field::Quantity,
            format!("quantity: {left} {unit} left, {came} {unit} came{hint}."),
        );
    } else if small {
        let sentence = format!(
            "price lock: it is for {left} {unit} at once, and the line came in parts by date; it is priced as of now."
        );
        tell(Field::Unlocked, sentence);
    }
}

fn price(
    line: &OrderedLine,
    left: Option<&CheckedLine>,
    word: &str,
    tell: &mut impl FnMut(Field, String),
) {
    let price = left.and_then(|left| left.price.as_ref());
    let (Some(came), Some(left)) = (line.unit_price, price.map(|price| &price.unit_price)) else {
        return;
    };
    let same_unit = line.unit.is_none_or(|unit| unit == left.unit);
    if same_unit && came.currency == left.currency && came.amount != left.amount {
        let (ours, theirs) = (left.amount.normalize(), came.amount.normalize());
        let (code, unit) = (left.currency.code(), left.unit);
        tell(
            Field::Price,
            format!("price: {ours} {code} per {unit} {word}, {theirs} {code} came."),
        );
    }
}

fn date(quoted: &CheckedLine, checked: &[CheckedLine], tell: &mut impl FnMut(Field, String)) {
    let last = |parts: &mut dyn Iterator<Item = &ScheduleLine>| -> Option<Date> {
        parts.map(|part| part.promised_delivery_date).max()
    };
    let left = last(&mut quoted.schedule.iter());
    let now = last(&mut checked.iter().flat_map(|line| &line.schedule));
    if let (Some(left), Some(now)) = (left, now)
        && now > left
    {
        tell(
            Field::Date,
            format!("date: delivery on {left} left, it is now {now}."),
        );
    }
}

/// The buyer's total against the buyer's own lines, whichever way the buyer rounds.
fn total(ordered: &Ordered, ours: Currency) -> Vec<Difference> {
    let Some(total) = ordered.total else {
        return Vec::new();
    };
    let whole = |field, sentence| {
        vec![Difference {
            field,
            line: None,
            sentence,
        }]
    };
    if total.currency != ours {
        let (ours, came) = (ours.code(), total.currency.code());
        return whole(
            Field::Currency,
            format!("Total, currency: {ours} left, {came} came."),
        );
    }
    let Some((exact, by_line)) = sums(ordered, total.currency) else {
        return Vec::new();
    };
    if [exact, by_line].contains(&money::round(total.amount, total.currency)) {
        return Vec::new();
    }
    let (came, code) = (total.amount.normalize(), total.currency.code());
    let sum = by_line.normalize();
    let sentence = format!("Total: the lines come to {sum} {code}, and {came} {code} came.");
    whole(Field::Total, sentence)
}

/// The lines' sum, rounded once and rounded line by line; `None` where a line cannot be added.
fn sums(ordered: &Ordered, currency: Currency) -> Option<(Decimal, Decimal)> {
    if !ordered.unsound.is_empty() {
        return None;
    }
    let (mut exact, mut by_line) = (Decimal::ZERO, Decimal::ZERO);
    for line in &ordered.lines {
        let Money {
            amount,
            currency: own,
        } = line.unit_price?;
        let sum = amount
            .checked_mul(line.quantity)
            .filter(|_| own == currency)?;
        exact = exact.checked_add(sum)?;
        by_line = by_line.checked_add(money::round(sum, currency))?;
    }
    Some((money::round(exact, currency), by_line))
}

/// The differences by what becomes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Taken as they came.
    pub(super) accepted: Vec<Difference>,
    /// For a person to look at.
    pub(super) held: Vec<Difference>,
    /// The order is refused for these.
    pub(super) refused: Vec<Difference>,
}

/// Judges by what was agreed.
pub(super) fn judge(differences: Vec<Difference>, agreed: &Differences) -> Judged {
    let mut judged = Judged::default();
    for difference in differences {
        match difference.field.policy(agreed) {
            OnDifference::Accept => judged.accepted.push(difference),
            OnDifference::Hold => judged.held.push(difference),
            OnDifference::Refuse => judged.refused.push(difference),
        }
    }
    judged
}
