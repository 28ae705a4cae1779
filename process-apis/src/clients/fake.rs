//! A layer below for tests: it answers the facts it is given, keeps the orders and releases it is sent, counts the
//! calls, and fails on request.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, ErpOrderNumber, ItemNumber, Money, OrderReference, ShipmentNumber,
    SiteId,
    account::{Account, AccountQuery, Accounts},
    capabilities::{
        Amendable, Capabilities, CreateClass, CreditBasis, PriceSource, ReleaseClass,
        WarehouseCapabilities,
    },
    credit::{CreditFact, CreditFacts, CreditQuery},
    erp_order::{AddedCharge, CreateErpOrder, ErpOrder, ErpOrderState, ErpOrders},
    fulfilment::{
        CreateWarehouseRelease, WarehouseRelease, WarehouseReleaseState, WarehouseReleases,
    },
    item::{ItemIdentifier, ItemScheme},
    price::{PriceQuery, PriceSchedule, PriceSchedules},
    product::{Product, ProductMatches, ProductPage, ProductQuery, ProductSearch},
    shipment::ShipmentNews,
    stock::{StockFact, StockFacts, StockQuery},
};
use rust_decimal::Decimal;

use super::system::{Call, SystemApis, SystemError};

/// What the fake knows.
#[derive(Debug, Clone)]
pub struct World {
    pub capabilities: Capabilities,
    pub accounts: Vec<Account>,
    pub products: Vec<Product>,
    pub prices: Vec<PriceSchedule>,
    pub stock: Vec<StockFact>,
    pub credit: Vec<CreditFact>,
    pub orders: Vec<ErpOrder>,
    /// What the ERP adds to every order.
    pub charges: Vec<AddedCharge>,
    pub releases: Vec<WarehouseRelease>,
    /// As they stand now.
    pub shipments: Vec<ShipmentNews>,
    /// Whether prices, stock and credit are what a cache has of a source that does not answer.
    pub degraded: bool,
    /// Operations that fail, by the name of their method.
    pub failing: BTreeMap<&'static str, SystemError>,
    /// The methods called, oldest first.
    pub calls: Vec<&'static str>,
}

impl Default for World {
    fn default() -> Self {
        let capabilities = Capabilities {
            erp: "erp-test".to_owned(),
            price_source: PriceSource::Schedule,
            create_class: CreateClass::Staged,
            reference_max_length: 20,
            purchase_order_number_max_length: 35,
            quiet_period_ms: 1_000,
            credit_basis: CreditBasis::Order,
            credit_lag_ms: 2_000,
            stock_lag_ms: 2_000,
            serialize_creates_by_account: false,
            one_site_per_order: false,
            amendable: Amendable::UntilRelease,
            taking_orders: true,
            warehouses: ["EAST", "WEST"]
                .map(|site| WarehouseCapabilities {
                    site: SiteId::new(site).unwrap(),
                    release_class: ReleaseClass::Searchable,
                    quiet_period_ms: 1_000,
                })
                .to_vec(),
        };
        Self {
            capabilities,
            accounts: Vec::new(),
            products: Vec::new(),
            prices: Vec::new(),
            stock: Vec::new(),
            credit: Vec::new(),
            orders: Vec::new(),
            charges: Vec::new(),
            releases: Vec::new(),
            shipments: Vec::new(),
            degraded: false,
            failing: BTreeMap::new(),
            calls: Vec::new(),
        }
    }
}

/// The fake.
#[derive(Debug, Default)]
pub struct FakeSystem(Mutex<World>);

impl FakeSystem {
    pub fn new(world: World) -> Self {
        Self(Mutex::new(world))
    }

    /// What it knows, to be looked at or changed.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, method: &'static str) -> Result<MutexGuard<'_, World>, SystemError> {
        let mut world = self.world();
        world.calls.push(method);
        match world.failing.get(method) {
            Some(error) => Err(error.clone()),
            None => Ok(world),
        }
    }

    fn change(
        &self,
        method: &'static str,
        number: &ErpOrderNumber,
        to: ErpOrderState,
    ) -> Result<ErpOrder, SystemError> {
        let mut world = self.enter(method)?;
        let order = world
            .orders
            .iter_mut()
            .find(|order| order.number == *number)
            .ok_or(SystemError::NotFound)?;
        order.state = to;
        Ok(order.clone())
    }
}

fn names(product: &Product, identifier: &ItemIdentifier) -> bool {
    match identifier.scheme {
        ItemScheme::SellerPartNumber => product.item.as_str() == identifier.value,
        ItemScheme::BuyerPartNumber => {
            product.buyer_part_number.as_deref() == Some(identifier.value.as_str())
        }
        ItemScheme::Gtin => product.gtin.as_deref() == Some(identifier.value.as_str()),
    }
}

fn ours(company: &CompanyId, call: &Call) -> bool {
    *company == call.company
}

#[async_trait]
impl SystemApis for FakeSystem {
    async fn capabilities(&self, _call: &Call) -> Result<Capabilities, SystemError> {
        Ok(self.enter("capabilities")?.capabilities.clone())
    }

    async fn accounts(&self, call: &Call, query: &AccountQuery) -> Result<Accounts, SystemError> {
        let world = self.enter("accounts")?;
        let find = |number: &AccountId| {
            let mut known = world
                .accounts
                .iter()
                .filter(|account| ours(&account.company, call));
            known.find(|account| account.account == *number).cloned()
        };
        Ok(Accounts {
            accounts: query.accounts.iter().filter_map(find).collect(),
        })
    }

    async fn products_search(
        &self,
        _call: &Call,
        _search: &ProductSearch,
    ) -> Result<ProductPage, SystemError> {
        Ok(ProductPage {
            items: self.enter("products_search")?.products.clone(),
            next: None,
        })
    }

    async fn products_query(
        &self,
        _call: &Call,
        query: &ProductQuery,
    ) -> Result<ProductMatches, SystemError> {
        let world = self.enter("products_query")?;
        let find = |wanted| {
            world
                .products
                .iter()
                .find(|product| names(product, wanted))
                .cloned()
        };
        Ok(ProductMatches {
            matches: query.items.iter().map(find).collect(),
        })
    }

    async fn prices(
        &self,
        _call: &Call,
        query: &PriceQuery,
    ) -> Result<PriceSchedules, SystemError> {
        let world = self.enter("prices")?;
        let find = |item: &ItemNumber| {
            let mut known = world
                .prices
                .iter()
                .filter(|schedule| schedule.account == query.account);
            known.find(|schedule| schedule.item == *item).cloned()
        };
        Ok(PriceSchedules {
            schedules: query.items.iter().filter_map(find).collect(),
            degraded: world.degraded,
        })
    }

    async fn stock(&self, _call: &Call, query: &StockQuery) -> Result<StockFacts, SystemError> {
        let world = self.enter("stock")?;
        let stock = world
            .stock
            .iter()
            .filter(|fact| query.items.contains(&fact.item))
            .cloned();
        Ok(StockFacts {
            stock: stock.collect(),
            degraded: world.degraded,
        })
    }

    async fn credit(&self, call: &Call, query: &CreditQuery) -> Result<CreditFacts, SystemError> {
        let world = self.enter("credit")?;
        let account = world
            .accounts
            .iter()
            .find(|account| account.account == query.account);
        let account = account
            .filter(|account| ours(&account.company, call))
            .ok_or(SystemError::NotFound)?;
        let levels = std::iter::once(&account.account).chain(&account.ancestors);
        let find = |level: &AccountId| {
            world
                .credit
                .iter()
                .find(|fact| fact.account == *level)
                .cloned()
        };
        Ok(CreditFacts {
            chain: levels.filter_map(find).collect(),
            degraded: world.degraded,
        })
    }

    async fn create_order(
        &self,
        _call: &Call,
        order: &CreateErpOrder,
    ) -> Result<ErpOrder, SystemError> {
        let mut world = self.enter("create_order")?;
        let number = ErpOrderNumber::new(format!("{}", world.orders.len() + 1))
            .map_err(|_invalid| SystemError::NotFound)?;
        let amounts = order
            .lines
            .iter()
            .filter_map(|line| line.unit_price.total(&line.quantity).ok());
        let total: Decimal = amounts.map(|money| money.amount).sum();
        let created = ErpOrder {
            number,
            reference: order.reference.clone(),
            purchase_order_number: order.purchase_order_number.clone(),
            account: order.account.clone(),
            state: ErpOrderState::Blocked,
            lines: order.lines.clone(),
            total: Money::new(total, order.currency),
            added: world.charges.clone(),
            as_asked: false,
        };
        world.orders.push(created.clone());
        Ok(created)
    }

    async fn orders_by_reference(
        &self,
        _call: &Call,
        reference: &OrderReference,
        besides: Option<&ErpOrderNumber>,
    ) -> Result<ErpOrders, SystemError> {
        let world = self.enter("orders_by_reference")?;
        let found = world
            .orders
            .iter()
            .filter(|order| order.reference == *reference);
        let mut orders: Vec<ErpOrder> = found.cloned().collect();
        if orders.iter().all(|order| Some(&order.number) == besides) {
            orders.clear();
        }
        Ok(ErpOrders { orders })
    }

    async fn order(&self, _call: &Call, number: &ErpOrderNumber) -> Result<ErpOrder, SystemError> {
        let world = self.enter("order")?;
        world
            .orders
            .iter()
            .find(|order| order.number == *number)
            .cloned()
            .ok_or(SystemError::NotFound)
    }

    async fn release_order(
        &self,
        _call: &Call,
        number: &ErpOrderNumber,
    ) -> Result<(), SystemError> {
        self.change("release_order", number, ErpOrderState::Open)
            .map(drop)
    }

    async fn cancel_order(
        &self,
        _call: &Call,
        number: &ErpOrderNumber,
    ) -> Result<ErpOrder, SystemError> {
        self.change("cancel_order", number, ErpOrderState::Cancelled)
    }

    async fn create_release(
        &self,
        _call: &Call,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, SystemError> {
        let mut world = self.enter("create_release")?;
        let created = WarehouseRelease {
            number: format!("W{}", world.releases.len() + 1),
            release_reference: release.release_reference.clone(),
            site: release.site.clone(),
            state: WarehouseReleaseState::Released,
        };
        world.releases.push(created.clone());
        Ok(created)
    }

    async fn releases(
        &self,
        _call: &Call,
        release_reference: &str,
        site: &SiteId,
    ) -> Result<WarehouseReleases, SystemError> {
        let world = self.enter("releases")?;
        let wanted = |release: &&WarehouseRelease| {
            release.release_reference == release_reference && release.site == *site
        };
        Ok(WarehouseReleases {
            releases: world.releases.iter().filter(wanted).cloned().collect(),
        })
    }

    async fn shipment(
        &self,
        _call: &Call,
        site: &SiteId,
        shipment: &ShipmentNumber,
    ) -> Result<ShipmentNews, SystemError> {
        let world = self.enter("shipment")?;
        let named = |news: &&ShipmentNews| news.site == *site && news.shipment == *shipment;
        let found = world.shipments.iter().find(named);
        found.cloned().ok_or(SystemError::NotFound)
    }

    async fn systems(&self, _call: &Call) -> Result<serde_json::Value, SystemError> {
        let world = self.enter("systems")?;
        Ok(serde_json::json!({ "systems": [world.capabilities.erp] }))
    }

    async fn hold_breaker(
        &self,
        _call: &Call,
        system: &str,
        operation: &str,
        order: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, SystemError> {
        let _world = self.enter("hold_breaker")?;
        let operation = format!("{system}/{operation}");
        Ok(serde_json::json!({ "operation": operation, "held": order }))
    }
}
