//! Products together with what an account sees of them.

use std::collections::{HashMap, HashSet};

use canonical_model::{
    AccountId, ItemNumber,
    catalog::{CatalogItem, CatalogPage},
    price::{BrowsePrice, BrowsePrices},
    product::Product,
    promise::Availability,
};
use service_runtime::problem::Problem;

use super::{
    number_query,
    shown::{Contents, Shown, View, Wanted},
};
use crate::{
    baskets::facts::{Purpose, Sources, account_query, account_told},
    clients::{Answers, Call, Questions},
    pricing, promise,
};

/// What is wanted, with the account's prices and what is available. What it showed last is asked for with it; where it shows
/// something else now, that is asked for after it.
pub(super) async fn view(
    sources: &Sources,
    shown: &Shown,
    call: &Call,
    account: &AccountId,
    wanted: Wanted,
) -> Result<CatalogPage, Problem> {
    let view = View {
        company: call.company.clone(),
        account: account.clone(),
        wanted,
    };
    let last = shown.last(&view);
    let ages = Purpose::Browse.ages(&sources.policies);
    let mut questions = Questions {
        accounts: Some(account_query(account, ages.account)),
        ..last.as_ref().map_or_else(Questions::default, |last| {
            questions_of(sources, account, last)
        })
    };
    match &view.wanted {
        Wanted::Page(search) => questions.search = Some(search.clone()),
        Wanted::Item(item) => {
            questions.products = vec![number_query(account, std::slice::from_ref(item))];
        }
    }
    let mut told = sources.system.ask(call, questions).await;
    let accounts = std::mem::take(&mut told.accounts).answer();
    let buyer = account_told(call, account, accounts)?;
    let (products, next) = products(&view.wanted, &mut told)?;
    if products.is_empty() {
        shown.forget(&view);
        return Ok(CatalogPage {
            items: Vec::new(),
            next,
        });
    }
    let contents = Contents {
        ship_to: buyer.ship_tos.first().map(|to| to.ship_to.clone()),
        items: products
            .iter()
            .map(|product| product.item.clone())
            .collect(),
    };
    if last.as_deref() != Some(&contents) {
        let questions = questions_of(sources, account, &contents);
        told = sources.system.ask(call, questions).await;
        shown.keep(view, contents);
    }
    let capabilities = told.capabilities.answer()?;
    let BrowsePrices { prices, on_request } =
        pricing::of_page(sources, call, &buyer, &products, told.prices)?;
    let stock = promise::of_page(sources, call, &products, &capabilities, told.stock).await?;
    let by_item = |price: BrowsePrice| (price.item.clone(), price);
    let mut prices: HashMap<ItemNumber, BrowsePrice> = prices.into_iter().map(by_item).collect();
    let on_request: HashSet<ItemNumber> = on_request.into_iter().collect();
    let item = |(product, stock): (Product, Availability)| CatalogItem {
        price: prices.remove(&product.item),
        price_on_request: on_request.contains(&product.item),
        // Of what no site knows the days are told in which it can be had; while nobody answers, nothing is.
        availability: (stock.as_of.is_some() || !stock.degraded).then_some(stock),
        product,
    };
    Ok(CatalogPage {
        items: products.into_iter().zip(stock).map(item).collect(),
        next,
    })
}

/// Asks for what is shown of these products.
fn questions_of(sources: &Sources, account: &AccountId, contents: &Contents) -> Questions {
    let Contents { ship_to, items } = contents;
    Questions {
        capabilities: true,
        prices: pricing::queries(sources, account, ship_to.clone(), items),
        stock: promise::queries(sources, items),
        ..Questions::default()
    }
}

/// The products that were found, and the cursor of the page after.
fn products(
    wanted: &Wanted,
    told: &mut Answers,
) -> Result<(Vec<Product>, Option<String>), Problem> {
    match wanted {
        Wanted::Page(_) => {
            let page = std::mem::take(&mut told.search).answer()?;
            Ok((page.items, page.next))
        }
        Wanted::Item(_) => {
            let mut found = Vec::new();
            for told in std::mem::take(&mut told.products) {
                found.extend(told?.matches.into_iter().flatten());
            }
            Ok((found, None))
        }
    }
}
