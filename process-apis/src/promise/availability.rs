//! What a buyer sees of stock while browsing: by site, now and on each day on which there will be more.

use std::collections::BTreeSet;

use canonical_model::{
    AccountId, ItemNumber, ShipToId,
    capabilities::Capabilities,
    product::Product,
    promise::{
        Availabilities, Availability, AvailabilityQuery, FutureAvailability, SiteAvailability,
    },
    stock::{StockFacts, StockQuery},
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use service_runtime::problem::Problem;

use super::atp::FreeStock;
use crate::{
    baskets::{
        facts::{Purpose, Sources, account},
        ledgers::{Answered, Question, stock_queries},
    },
    catalog::by_number,
    clients::{Call, Questions, SystemError},
    policy::Policies,
};

/// Answers a browsing question about stock.
pub(super) async fn query(
    sources: &Sources,
    call: &Call,
    query: &AvailabilityQuery,
) -> Result<Availabilities, Problem> {
    known_address(sources, call, query).await?;
    let products = by_number(sources, call, &query.account, &query.items).await?;
    let questions = Questions {
        capabilities: true,
        stock: queries(sources, &items(&products)),
        ..Questions::default()
    };
    let told = sources.system.ask(call, questions).await;
    let capabilities = told.capabilities.answer()?;
    let items = of_page(sources, call, &products, &capabilities, told.stock).await?;
    Ok(Availabilities { items })
}

/// Asks for the stock of these items.
pub(crate) fn queries(sources: &Sources, items: &[ItemNumber]) -> Vec<StockQuery> {
    let ages = Purpose::Browse.ages(&sources.policies);
    stock_queries(items, ages.stock)
}

fn items(products: &[Product]) -> Vec<ItemNumber> {
    let items = products.iter().map(|product| product.item.clone());
    let items: BTreeSet<ItemNumber> = items.collect();
    items.into_iter().collect()
}

/// What is available of these products, in their order, from what was told. Stock that nobody can tell now is absent, which
/// is an answer while browsing.
pub(crate) async fn of_page(
    sources: &Sources,
    call: &Call,
    products: &[Product],
    capabilities: &Capabilities,
    told: Vec<Result<StockFacts, SystemError>>,
) -> Result<Vec<Availability>, Problem> {
    let question = Question {
        sources,
        call,
        capabilities,
    };
    let ages = Purpose::Browse.ages(&sources.policies);
    let Answered {
        facts: stock,
        degraded,
    } = question
        .stock_told(&items(products), told, None, ages.stock)
        .await?;
    let now = sources.clock.now();
    let items = products.iter().map(|product| {
        let rows = stock.iter().filter(|row| row.item == product.item);
        Availability {
            degraded,
            ..availability(product, rows.collect(), &sources.policies, now)
        }
    });
    Ok(items.collect())
}

async fn known_address(
    sources: &Sources,
    call: &Call,
    query: &AvailabilityQuery,
) -> Result<(), Problem> {
    let number: &AccountId = &query.account;
    let ages = Purpose::Browse.ages(&sources.policies);
    let buyer = account(sources, call, number, ages.account).await?;
    let known = |wanted: &ShipToId| buyer.ship_tos.iter().any(|to| to.ship_to == *wanted);
    if query.ship_to.as_ref().is_none_or(known) {
        Ok(())
    } else {
        Err(Problem::not_found())
    }
}

fn availability(
    product: &Product,
    rows: Vec<&FreeStock>,
    policies: &Policies,
    now: Timestamp,
) -> Availability {
    let sites: Vec<SiteAvailability> = rows.iter().map(|row| at_site(row, policies, now)).collect();
    Availability {
        item: product.item.clone(),
        unit: product.base_unit,
        available_now: sites.iter().fold(Decimal::ZERO, |sum, site| {
            sum.saturating_add(site.available_now)
        }),
        sites,
        replenishment_days: product.replenishment_days,
        as_of: rows.iter().map(|row| row.as_of).min(),
        degraded: false,
    }
}

fn at_site(row: &FreeStock, policies: &Policies, now: Timestamp) -> SiteAvailability {
    let today = policies.site(&row.site).zone().to_datetime(now).date();
    let later = row.days().filter(|day| *day > today);
    SiteAvailability {
        site: row.site.clone(),
        available_now: row.at(today),
        later: later
            .map(|date| FutureAvailability {
                date,
                available: row.at(date),
            })
            .collect(),
    }
}
