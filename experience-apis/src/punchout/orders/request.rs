//! An order as a request for a sales order. Pure.

use std::ops::Range;

use canonical_model::{
    UnitPrice,
    basket::{BasketLine, BasketRequest},
    item::{ItemIdentifier, ItemScheme},
    order::{ReviewReason, SalesOrderRequest, SourceDocument},
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    Ordered, OrderedLine,
    compare::{Difference, Field, Left, Standing},
};
use crate::punchout::profile::{OnDifference, Profile};

/// The longest product number in canonical words.
pub(super) const LONGEST_NUMBER: usize = 40;
/// As many things as a person is asked to look at; the last tells how many more there are.
const MOST_REVIEWS: usize = 100;
/// The longest sentence about one.
const LONGEST_DETAIL: usize = 500;

/// The request, and which of its lines is which.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The request.
    pub(super) request: SalesOrderRequest,
    /// The lines of it that each line of the order became: one for each part by date.
    pub(super) of: Vec<Range<usize>>,
}

/// Translates the order. `today` tells which dates are past: a buyer's approval takes days, and as soon as possible is
/// meant then.
pub(super) fn wanted(
    profile: &Profile,
    ordered: &Ordered,
    left: &Left<'_>,
    today: Date,
    document: SourceDocument,
) -> Wanted {
    let usable = |date: Option<Date>| date.filter(|date| *date >= today);
    let mut lines: Vec<BasketLine> = Vec::with_capacity(ordered.lines.len());
    let mut of = Vec::with_capacity(ordered.lines.len());
    for line in &ordered.lines {
        let first = lines.len();
        let template = template(profile, line, left);
        for (quantity, date) in parts(line) {
            lines.push(BasketLine {
                quantity,
                requested_delivery_date: usable(date),
                ..template.clone()
            });
        }
        of.push(first..lines.len());
    }
    let request = SalesOrderRequest {
        account: profile.account.clone(),
        ship_to: left.ship_to.cloned(),
        purchase_order_number: ordered.number.clone(),
        release_number: None,
        // Compared by what was agreed, and not once more.
        currency: None,
        requested_delivery_date: usable(ordered.requested_delivery_date),
        quote_id: None,
        reservation_id: None,
        ship_complete: ordered.ship_complete,
        line_policy: profile.line_policy,
        lines,
        document: Some(document),
        review: Vec::new(),
    };
    Wanted { request, of }
}

fn template(profile: &Profile, line: &OrderedLine, left: &Left<'_>) -> BasketLine {
    let identifier = |scheme, value: &str| ItemIdentifier {
        scheme,
        value: value.to_owned(),
    };
    let mut identifiers = vec![identifier(ItemScheme::SellerPartNumber, &line.part)];
    let theirs = line.buyer_part.as_deref();
    let theirs = theirs.filter(|part| part.chars().count() <= LONGEST_NUMBER);
    identifiers.extend(theirs.map(|part| identifier(ItemScheme::BuyerPartNumber, part)));
    // A line that names no unit is as it left.
    let quoted = match left.standing(line) {
        Standing::Quoted(_, quoted) => quoted.quantity.map(|quantity| quantity.unit),
        Standing::Open(_) => None,
    };
    let unit = line.unit.or(quoted);
    // The seller's tolerances for prices, and the hold that follows, are those of every channel.
    let compared = profile.differences.price != OnDifference::Accept;
    let stated = line.unit_price.filter(|_| compared);
    let stated = stated.filter(|price| price.currency == left.account.currency);
    BasketLine {
        identifiers,
        quantity: line.quantity,
        unit,
        expected_unit_price: stated.zip(unit).map(|(price, unit)| UnitPrice {
            amount: price.amount,
            currency: price.currency,
            unit,
        }),
        requested_delivery_date: None,
        buyer_line: Some(line.number.to_string()),
        quote_id: left.lock(line),
    }
}

/// The line's quantity by date: as its parts say where they add up, else all of it on the earliest of them.
fn parts(line: &OrderedLine) -> Vec<(Decimal, Option<Date>)> {
    let sum = line
        .schedule
        .iter()
        .try_fold(Decimal::ZERO, |sum, (part, _)| sum.checked_add(*part));
    if !line.schedule.is_empty() && sum == Some(line.quantity) {
        let parts = line.schedule.iter();
        return parts.map(|(part, date)| (*part, Some(*date))).collect();
    }
    let earliest = line.schedule.iter().map(|(_, date)| *date).min();
    vec![(line.quantity, line.date.or(earliest))]
}

impl Wanted {
    /// What would become of it, asked without taking it.
    pub(super) fn basket(&self) -> BasketRequest {
        let request = &self.request;
        BasketRequest {
            account: request.account.clone(),
            ship_to: request.ship_to.clone(),
            requested_delivery_date: request.requested_delivery_date,
            quote_id: None,
            reservation_id: None,
            ship_complete: request.ship_complete,
            lines: request.lines.clone(),
        }
    }

    /// With what a person is to look at. Of prices the layer below is told what the buyer believes, and holds for a
    /// difference by itself: one matter is one hold.
    pub(super) fn reviewed(mut self, held: &[Difference]) -> Self {
        let held: Vec<&Difference> = held
            .iter()
            .filter(|difference| difference.field != Field::Price)
            .collect();
        let all = held.len() <= MOST_REVIEWS;
        let told = if all {
            held.len()
        } else {
            MOST_REVIEWS.saturating_sub(1)
        };
        let reasons = held.iter().take(told).map(|difference| ReviewReason {
            line: difference.line.and_then(|index| self.line(index)),
            detail: difference.sentence.chars().take(LONGEST_DETAIL).collect(),
        });
        self.request.review = reasons.collect();
        if !all {
            let more = held.len().saturating_sub(told);
            self.request.review.push(ReviewReason {
                line: None,
                detail: format!(
                    "{more} more differences; compare the order with the quotes of its lines."
                ),
            });
        }
        self
    }

    /// The number, from 1, of the first line that a line of the order became.
    fn line(&self, index: usize) -> Option<u32> {
        let first = self.of.get(index)?.start.checked_add(1)?;
        u32::try_from(first).ok()
    }

    /// Which line of the order a problem's pointer is about, by its place, from 0.
    pub(super) fn line_of(&self, pointer: &str) -> Option<usize> {
        let index = pointer.strip_prefix("/lines/")?.split('/').next()?;
        let index: usize = index.parse().ok()?;
        self.of.iter().position(|range| range.contains(&index))
    }
}
