//! Reading again what a provisional order stands on: the basket that it is now, and what differs from what it was taken
//! at. Pure; a difference becomes a hold, in words, and never a silent change.

use canonical_model::{
    basket::{BasketLine, BasketRequest, LinePrice, LineProblem, LineProblemCode, PriceBasis},
    item::{ItemIdentifier, ItemScheme},
    order::{HoldKind, HoldReason},
};

use super::{
    event::{ClaimedStock, ReceivedLine},
    state::OrderState,
};
use crate::{
    baskets::{Assessment, facts::Facts},
    promise::atp::FreeStock,
    store::CreditLevel,
};

/// The scope that releases what differs.
const RELEASED_BY: &str = "holds:release";

/// The lines that were taken; what was rejected is none of it any more.
fn taken(state: &OrderState) -> impl Iterator<Item = &ReceivedLine> {
    let lines = state.order.lines.iter();
    lines.filter(|line| line.problems.is_empty() && line.item.is_some())
}

/// The order as a basket: what was taken, at the prices at which it was taken. Prices that a quote locked stay as they
/// are, and dates are no matter of prices.
pub fn basket(state: &OrderState) -> BasketRequest {
    let line = |line: &ReceivedLine| BasketLine {
        identifiers: line
            .item
            .iter()
            .map(|item| ItemIdentifier {
                scheme: ItemScheme::SellerPartNumber,
                value: item.to_string(),
            })
            .collect(),
        quantity: line.ordered.value,
        unit: Some(line.ordered.unit),
        expected_unit_price: line
            .price
            .as_ref()
            .filter(|price| is_of_record(price))
            .map(|price| price.unit_price.clone()),
        requested_delivery_date: None,
        buyer_line: None,
        quote_id: None,
    };
    BasketRequest {
        account: state.order.account.clone(),
        ship_to: Some(state.order.ship_to.ship_to.clone()),
        requested_delivery_date: None,
        quote_id: None,
        reservation_id: None,
        ship_complete: false,
        lines: taken(state).map(line).collect(),
    }
}

fn is_of_record(price: &LinePrice) -> bool {
    match price.basis {
        PriceBasis::Record { .. } => true,
        PriceBasis::Quote { .. } => false,
    }
}

/// What the order itself takes of the credit does not stand in its way.
pub fn without_own_claim(state: &OrderState, levels: &mut [CreditLevel]) {
    let need = &state.order.credit;
    for level in levels.iter_mut().filter(|_| need.claimed) {
        if need.levels.contains(&level.key.account) {
            level.claimed = level.claimed.saturating_sub(need.amount);
        }
    }
}

/// Everything that differs beyond the tolerances of the policies; empty = it goes on as it was taken.
pub fn differences(
    state: &OrderState,
    claims: &[ClaimedStock],
    facts: &Facts,
    assessment: &Assessment,
) -> Vec<HoldReason> {
    let of_basket = assessment
        .problems
        .iter()
        .map(|problem| changed(&problem.detail, None));
    let lines: Vec<&ReceivedLine> = taken(state).collect();
    let of_lines = lines.iter().zip(&assessment.lines).flat_map(|(line, now)| {
        let problems = now.problems.iter().filter(|problem| counts(line, problem));
        problems.map(|problem| changed(&problem.detail, Some(line.line)))
    });
    let mut found: Vec<HoldReason> = of_basket.chain(of_lines).collect();
    for hold in &assessment.holds {
        let index = hold.line.and_then(|line| usize::try_from(line).ok());
        let index = index.map(|line| line.saturating_sub(1));
        let line = index.and_then(|index| lines.get(index)).copied();
        let now = index.and_then(|index| assessment.lines.get(index));
        match hold.kind {
            HoldKind::PriceMismatch => {
                let prices = line.zip(now.and_then(|now| now.price.as_ref()));
                found.extend(prices.and_then(|(line, now)| repriced(line, now)));
            }
            // A rule of approval: it stood when the order was taken, and was settled then.
            HoldKind::Review => {}
            // A person has let it go on whatever its credit.
            HoldKind::Credit if !state.order.credit.claimed => {}
            _ => found.push(HoldReason {
                detail: format!("Taken while the ERP did not answer. {}", hold.detail),
                line: line.map(|line| line.line),
                ..hold.clone()
            }),
        }
    }
    found.extend(gone(claims, &facts.stock));
    found
}

/// Whether a problem of a line is one of what was taken: its stock is looked at by its own claims, and a price that a
/// quote locked needs no record.
fn counts(line: &ReceivedLine, problem: &LineProblem) -> bool {
    match problem.code {
        LineProblemCode::NotAvailable | LineProblemCode::DateUnconfirmed => false,
        LineProblemCode::NoPrice | LineProblemCode::PriceOnRequest => {
            line.price.as_ref().is_some_and(is_of_record)
        }
        _ => true,
    }
}

/// It would be refused now: a person decides whether it goes on.
pub fn changed(why: &str, line: Option<u32>) -> HoldReason {
    HoldReason {
        kind: HoldKind::Review,
        detail: format!(
            "It was taken while the ERP did not answer, and would not be taken now: {why} Release the hold to create \
             it nevertheless, or cancel the order."
        ),
        released_by: RELEASED_BY.to_owned(),
        line,
    }
}

fn repriced(line: &ReceivedLine, now: &LinePrice) -> Option<HoldReason> {
    let then = line.price.as_ref()?;
    let text = |price: &LinePrice| {
        let unit = &price.unit_price;
        format!("{} {} per {}", unit.amount, unit.currency.code(), unit.unit)
    };
    Some(HoldReason {
        kind: HoldKind::PriceMismatch,
        detail: format!(
            "Line {} was taken at {} while the ERP did not answer, and its price is {} now: release the hold to go on at \
             the price at which it was taken, or cancel the order.",
            line.line,
            text(then),
            text(now)
        ),
        released_by: RELEASED_BY.to_owned(),
        line: Some(line.line),
    })
}

/// What was promised and is no longer free, claim by claim.
pub fn gone(claims: &[ClaimedStock], free: &[FreeStock]) -> Vec<HoldReason> {
    let mut free = free.to_vec();
    let mut found = Vec::new();
    for claim in claims {
        let mut rows = free.iter_mut();
        let row = rows.find(|row| row.item == claim.item && row.site == claim.site);
        let left = match row {
            Some(row) => {
                let day = claim.day.max(row.first_day);
                if row.take(day, claim.quantity) {
                    continue;
                }
                row.at(day)
            }
            None => rust_decimal::Decimal::ZERO,
        };
        let ClaimedStock {
            line,
            item,
            site,
            day,
            quantity,
        } = claim;
        let (quantity, left) = (quantity.normalize(), left.normalize());
        found.push(HoldReason {
            kind: HoldKind::Allocation,
            detail: format!(
                "Line {line}: {quantity} of {item} were promised from {site} for {day} while the ERP did not answer, and \
                 {left} are free now: release the hold to create the order as it was taken, or cancel it."
            ),
            released_by: RELEASED_BY.to_owned(),
            line: Some(*line),
        });
    }
    found
}

#[cfg(test)]
#[path = "revalidate_tests.rs"]
mod tests;
