//! What each quantity of an item costs today: the breaks a buyer sees while browsing. Pure.

use canonical_model::{
    Quantity,
    account::Account,
    basket::PriceBasis,
    price::{BrowsePrice, PriceBreak, PriceSchedule},
    product::Product,
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    promotion::Promotion,
    ratio::Ratio,
    resolve::{Asked, price},
};

/// Resolves the price at every quantity at which one may begin; None where none applies at any. A break that is no exact number
/// of the sales unit begins at the next quantity that can be said.
pub(super) fn browse(
    account: &Account,
    product: &Product,
    schedule: &PriceSchedule,
    promotions: &[Promotion],
    on: Date,
) -> Option<BrowsePrice> {
    let unit = product.sales_unit;
    let begins = |record: &canonical_model::price::PriceRecord| {
        Ratio::between(product, unit, record.unit)?.least_back(record.break_quantity)
    };
    let mut points: Vec<Decimal> = schedule.records.iter().filter_map(begins).collect();
    points.sort_unstable();
    points.dedup();
    let mut breaks: Vec<PriceBreak> = Vec::new();
    for from_quantity in points {
        let asked = Asked {
            account,
            product,
            quantity: Quantity::new(from_quantity, unit),
            currency: account.currency,
            on,
            promotions,
        };
        let Some(found) = price(&asked, schedule) else {
            continue;
        };
        let PriceBasis::Record {
            level, promotion, ..
        } = found.basis
        else {
            continue;
        };
        let same = breaks.last().is_some_and(|last| {
            last.unit_price == found.unit_price
                && last.level == level
                && last.promotion == promotion
        });
        if !same {
            breaks.push(PriceBreak {
                from_quantity,
                unit_price: found.unit_price,
                level,
                promotion,
            });
        }
    }
    let found = !breaks.is_empty();
    found.then(|| BrowsePrice {
        item: product.item.clone(),
        breaks,
        as_of: schedule.as_of,
        degraded: false,
    })
}
