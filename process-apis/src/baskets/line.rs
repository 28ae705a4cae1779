//! One line: which product it names, whether the quantity can be sold, what it costs, and whether the buyer's price is
//! ours. Pure.

use std::collections::BTreeMap;

use canonical_model::{
    Money, Quantity, UnitOfMeasure, UnitPrice,
    basket::{BasketLine, LinePrice, LineProblem, LineProblemCode, PriceBasis},
    decision::DecisionStep,
    item::{ItemIdentifier, ItemScheme},
    money,
    order::{HoldKind, HoldReason},
    product::Product,
};
use rust_decimal::Decimal;

use super::{
    AssessedLine,
    assess::{Basket, date_problem, problem, quote_problem},
};
use crate::{
    policy::{BasketPolicy, PricePolicy},
    pricing::{
        Ratio,
        resolve::{Asked, in_full, resolve},
    },
};

/// The scope that releases a price hold.
const RELEASED_BY: &str = "holds:release";

/// A line before it is promised.
pub(super) struct Judged {
    pub(super) line: AssessedLine,
    pub(super) hold: Option<HoldReason>,
    pub(super) steps: Vec<DecisionStep>,
}

/// Judges a line by itself.
pub(super) fn judge(
    basket: &Basket<'_>,
    products: &BTreeMap<&ItemIdentifier, &Product>,
    index: usize,
    asked: &BasketLine,
) -> Judged {
    let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
    let product = asked
        .identifiers
        .iter()
        .find_map(|identifier| products.get(identifier))
        .copied();
    let unit = asked
        .unit
        .or_else(|| product.map(|product| product.sales_unit))
        .unwrap_or(UnitOfMeasure::EACH);
    let ordered = Quantity::new(asked.quantity, unit);
    let at = |field: &str| format!("/lines/{index}/{field}");
    let mut problems = Vec::new();
    match product {
        None => problems.push(unknown_item(asked, at("identifiers"))),
        Some(product) if !product.orderable => {
            let detail = format!(
                "{} can no longer be ordered; choose another product.",
                product.item
            );
            problems.push(problem(
                LineProblemCode::NotOrderable,
                at("identifiers"),
                detail,
            ));
        }
        Some(product) => problems.extend(quantity_problem(
            &basket.facts.policies.basket,
            product,
            ordered,
            &at,
        )),
    }
    let date = asked.requested_delivery_date;
    problems.extend(date_problem(basket, date, &at("requested_delivery_date")));
    if let Some(quote_id) = asked.quote_id {
        problems.extend(quote_problem(basket, quote_id, &at("quote_id")));
    }
    let mut judged = Judged {
        line: AssessedLine {
            line: number,
            buyer_line: asked.buyer_line.clone(),
            identifiers: asked.identifiers.clone(),
            product: product.cloned(),
            ordered,
            price: None,
            schedule: Vec::new(),
            problems,
        },
        hold: None,
        steps: Vec::new(),
    };
    if let Some(product) = product.filter(|_| judged.line.problems.is_empty()) {
        price(basket, product, asked, at("identifiers"), &mut judged);
    }
    judged
}

fn unknown_item(asked: &BasketLine, pointer: String) -> LineProblem {
    let names = asked.identifiers.iter().map(|identifier| {
        let scheme = match identifier.scheme {
            ItemScheme::SellerPartNumber => "seller part number",
            ItemScheme::BuyerPartNumber => "buyer part number",
            ItemScheme::Gtin => "GTIN",
        };
        let value: String = identifier
            .value
            .chars()
            .filter(|c| !c.is_control())
            .take(40)
            .collect();
        format!("{scheme} {value}")
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let detail = format!("No product is known by {names}; look the number up in the catalogue.");
    problem(LineProblemCode::UnknownItem, pointer, detail)
}

fn quantity_problem(
    policy: &BasketPolicy,
    product: &Product,
    ordered: Quantity,
    at: &impl Fn(&str) -> String,
) -> Option<LineProblem> {
    let most = policy.max_quantity;
    if ordered.value <= Decimal::ZERO || ordered.value > most {
        let detail = format!("Order more than zero and at most {most}.");
        return Some(problem(
            LineProblemCode::QuantityOutOfRange,
            at("quantity"),
            detail,
        ));
    }
    let base = match product.units().to_base(ordered) {
        Ok(base) => base,
        Err(error) => {
            let units: Vec<&str> = std::iter::once(product.base_unit.code())
                .chain(
                    product
                        .conversions
                        .iter()
                        .map(|conversion| conversion.unit.code()),
                )
                .collect();
            let detail = format!("{error}. It is sold in {}.", units.join(", "));
            let pointer = if product_has(product, ordered.unit) {
                at("quantity")
            } else {
                at("unit")
            };
            return Some(problem(LineProblemCode::WrongUnit, pointer, detail));
        }
    };
    if base > most {
        let detail = format!("Order at most {most} {}.", product.base_unit);
        return Some(problem(
            LineProblemCode::QuantityOutOfRange,
            at("quantity"),
            detail,
        ));
    }
    let divided = |unit: UnitOfMeasure, value: Decimal| {
        policy.whole_units.contains(&unit) && !value.fract().is_zero()
    };
    if divided(product.base_unit, base) {
        let unit = product.base_unit;
        let detail = format!("It is not sold in parts of one {unit}; order a whole number.");
        return Some(problem(LineProblemCode::WrongUnit, at("quantity"), detail));
    }
    None
}

/// Whether a product is counted or sold in this unit.
pub(super) fn product_has(product: &Product, unit: UnitOfMeasure) -> bool {
    unit == product.base_unit
        || product
            .conversions
            .iter()
            .any(|conversion| conversion.unit == unit)
}

fn price(
    basket: &Basket<'_>,
    product: &Product,
    asked: &BasketLine,
    pointer: String,
    judged: &mut Judged,
) {
    let line = &mut judged.line;
    let asking = Asked {
        account: &basket.facts.account,
        product,
        quantity: line.ordered,
        currency: basket.facts.account.currency,
        on: basket.today,
        promotions: &basket.facts.policies.promotions,
    };
    // Of several quoted quantities of one item the deepest that is reached locks the price.
    let quote_id = asked.quote_id.or(basket.request.quote_id);
    let locks = quote_id.and_then(|quote_id| basket.locks.get(&quote_id)?.get(&product.item));
    let lock = locks.into_iter().flatten().max_by_key(|lock| {
        let usable = lock.from.unit == line.ordered.unit && lock.from.value <= line.ordered.value;
        (usable, lock.from.value)
    });
    let schedule = basket.schedules.get(&product.item).copied();
    let (found, steps) = resolve(Some(line.line), &asking, lock, schedule);
    judged.steps = steps;
    let Some(found) = found else {
        if schedule.is_none() && basket.facts.standing.price.degraded {
            let detail = format!(
                "The price of {} is not known now, since the seller's system does not answer; ask for it, or try again later.",
                product.item
            );
            line.problems
                .push(problem(LineProblemCode::PriceOnRequest, pointer, detail));
            return;
        }
        let detail = format!(
            "No price of this account applies to {}; ask for one.",
            product.item
        );
        line.problems
            .push(problem(LineProblemCode::NoPrice, pointer, detail));
        return;
    };
    match found.unit_price.total(&line.ordered) {
        Ok(total) => {
            let as_of = match found.basis {
                PriceBasis::Record { .. } => schedule.map(|schedule| schedule.as_of),
                PriceBasis::Quote { .. } => None,
            };
            let standing = basket.facts.standing.price;
            let price = LinePrice {
                unit_price: found.unit_price,
                total,
                basis: found.basis,
                as_of,
                degraded: as_of.is_some_and(|as_of| standing.is_degraded(as_of, basket.now)),
            };
            judged.hold = asked.expected_unit_price.as_ref().and_then(|expected| {
                mismatch(
                    &basket.facts.policies.price,
                    product,
                    line,
                    expected,
                    &price,
                )
            });
            line.price = Some(price);
        }
        Err(error) => {
            let detail = format!("{error}; order less.");
            line.problems.push(problem(
                LineProblemCode::QuantityOutOfRange,
                pointer,
                detail,
            ));
        }
    }
}

/// A hold where the buyer's price and ours differ by more than both tolerances, over the line.
fn mismatch(
    policy: &PricePolicy,
    product: &Product,
    line: &AssessedLine,
    expected: &UnitPrice,
    ours: &LinePrice,
) -> Option<HoldReason> {
    let theirs = expected_total(product, line.ordered, expected, ours.total);
    let agreed = theirs.is_some_and(|theirs| {
        let difference = theirs.amount.saturating_sub(ours.total.amount).abs();
        let percent =
            ours.total.amount.saturating_mul(policy.tolerance_percent) / Decimal::ONE_HUNDRED;
        difference <= percent.max(policy.tolerance_amount)
    });
    if agreed {
        return None;
    }
    let text = |price: &UnitPrice| {
        format!(
            "{} {} per {}",
            in_full(price.amount.normalize(), price.currency),
            price.currency.code(),
            price.unit
        )
    };
    let detail = format!(
        "The buyer states {} and our price is {}: release the hold to take the order at our price, or cancel it.",
        text(expected),
        text(&ours.unit_price)
    );
    Some(HoldReason {
        kind: HoldKind::PriceMismatch,
        detail,
        released_by: RELEASED_BY.to_owned(),
        line: Some(line.line),
    })
}

/// What the line would cost at the buyer's price; None where that cannot be compared with ours.
fn expected_total(
    product: &Product,
    ordered: Quantity,
    expected: &UnitPrice,
    ours: Money,
) -> Option<Money> {
    if expected.currency != ours.currency {
        return None;
    }
    let quantity = Ratio::between(product, ordered.unit, expected.unit)?.nearest(ordered.value)?;
    let amount = expected.amount.checked_mul(quantity)?;
    Some(Money::new(
        money::round(amount, ours.currency),
        ours.currency,
    ))
}
