//! What the layer below knows of the products on a page and of the cart.

use std::collections::{HashMap, HashSet};

use canonical_model::{
    AccountId, ItemNumber,
    basket::{BasketCheck, BasketLine, BasketRequest},
    item::{ItemIdentifier, ItemScheme},
    price::{BrowsePrice, BrowsePriceQuery},
    product::{BrowseProductQuery, Product},
    promise::{Availability, AvailabilityQuery},
};
use service_runtime::http_client::HopError;

use super::visitor::Visitor;
use crate::{
    clients::process::CallError,
    desk::told,
    punchout::visit::{CartLine, Visit},
};

/// Products asked for at once: the layer below takes no more.
const AT_ONCE: usize = 200;

/// What products cost and when they can be had. What is not known is absent, and the page says so.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) prices: Option<HashMap<ItemNumber, BrowsePrice>>,
    /// Products whose prices were not told in time.
    pub(super) on_request: HashSet<ItemNumber>,
    pub(super) stock: Option<HashMap<ItemNumber, Availability>>,
}

impl Facts {
    /// Whether the price of a product that has none here is merely not known.
    pub(super) fn lacks_price_of(&self, item: &ItemNumber) -> bool {
        self.prices.is_none() || self.on_request.contains(item)
    }
}

impl Visitor {
    pub(super) fn account(&self) -> &AccountId {
        &self.profile.account
    }

    /// Prices and stock of some products.
    pub(super) async fn facts(&self, items: Vec<ItemNumber>) -> Facts {
        if items.is_empty() {
            return Facts::default();
        }
        let ship_to = self.loaded.visit.ship_to.clone();
        let prices = BrowsePriceQuery {
            account: self.account().clone(),
            ship_to: ship_to.clone(),
            items: items.clone(),
        };
        let stock = AvailabilityQuery {
            account: self.account().clone(),
            ship_to,
            items,
        };
        let (context, process) = (self.context(), &self.state.process);
        let (prices, stock) = tokio::join!(
            process.prices(&context, &prices),
            process.availability(&context, &stock)
        );
        let prices = known("prices", prices);
        let stock = known("stock", stock).map(|found| found.items);
        let waited_for = prices.iter().flat_map(|found| &found.on_request);
        Facts {
            on_request: waited_for.cloned().collect(),
            prices: prices.map(|found| by_item(found.prices, |price| &price.item)),
            stock: stock.map(|all| by_item(all, |stock| &stock.item)),
        }
    }

    /// A product; `None` = it is not in the catalogue.
    pub(super) async fn product(&self, item: &ItemNumber) -> Result<Option<Product>, CallError> {
        let context = self.context();
        let found = self.state.process.product(&context, self.account(), item);
        match found.await {
            Ok(product) => Ok(Some(product)),
            Err(CallError(HopError::Problem(problem))) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The products of the cart's lines, in their order.
    pub(super) async fn products(&self, visit: &Visit) -> Result<Vec<Option<Product>>, CallError> {
        let context = self.context();
        let mut products = Vec::with_capacity(visit.cart.len());
        for lines in visit.cart.chunks(AT_ONCE) {
            let query = BrowseProductQuery {
                account: self.account().clone(),
                items: lines.iter().map(|line| line.item.clone()).collect(),
            };
            let found = self.state.process.query_products(&context, &query);
            let mut found = found.await?.matches;
            found.resize(lines.len(), None);
            products.extend(found);
        }
        Ok(products)
    }

    /// What would become of the cart.
    pub(super) async fn check(&self, visit: &Visit) -> Result<BasketCheck, CallError> {
        let basket = BasketRequest {
            account: self.account().clone(),
            ship_to: visit.ship_to.clone(),
            requested_delivery_date: None,
            quote_id: None,
            reservation_id: None,
            ship_complete: false,
            lines: lines(&visit.cart),
        };
        let context = self.context();
        self.state.process.check_basket(&context, &basket).await
    }
}

/// The cart as a basket.
pub(super) fn lines(cart: &[CartLine]) -> Vec<BasketLine> {
    let line = |line: &CartLine| BasketLine {
        identifiers: vec![ItemIdentifier {
            scheme: ItemScheme::SellerPartNumber,
            value: line.item.as_str().to_owned(),
        }],
        quantity: line.quantity,
        unit: Some(line.unit),
        expected_unit_price: None,
        requested_delivery_date: None,
        buyer_line: None,
        quote_id: None,
    };
    cart.iter().map(line).collect()
}

/// A page is shown without what cannot be had at the moment; the log learns why.
pub(super) fn known<T>(what: &'static str, answer: Result<T, CallError>) -> Option<T> {
    match answer {
        Ok(found) => Some(found),
        Err(error) => {
            tracing::warn!(what, cause = told(&error), "a page of the shop lacks facts");
            None
        }
    }
}

fn by_item<T>(all: Vec<T>, item: impl Fn(&T) -> &ItemNumber) -> HashMap<ItemNumber, T> {
    let named = all.into_iter().map(|one| (item(&one).clone(), one));
    named.collect()
}
