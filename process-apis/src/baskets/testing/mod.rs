//! A small seller for tests: one company, a parent `P` with the accounts `A` and `B` below it, three items, two sites.

use std::sync::Arc;

use canonical_model::{
    AccountId, CompanyId, Currency, ItemNumber, ShipToId, SiteId, UnitConversion, UnitOfMeasure,
    account::{Account, AccountStatus, Address, ShipTo},
    basket::{BasketLine, BasketRequest},
    credit::CreditFact,
    item::{ItemIdentifier, ItemScheme},
    price::{PriceLevel, PriceRecord, PriceSchedule, PromotionRule},
    product::Product,
    stock::{PlannedReceipt, StockFact},
};
use jiff::{Timestamp, civil::date};
use rust_decimal::{Decimal, dec};
use service_runtime::{
    clock::{Clock, ClockHandle},
    context::{AccountScope, CallContext, LayerIdentity},
};

use super::facts::Sources;
use crate::{
    clients::{
        Call, Lane,
        fake::{FakeSystem, World},
    },
    idempotency::Keyed,
    policy::{Policies, SitePolicy},
    store::sqlite::SqliteStore,
};

/// The seller, its clock and its store.
pub(crate) struct Seller {
    pub(crate) sources: Sources,
    pub(crate) system: Arc<FakeSystem>,
    pub(crate) clock: ClockHandle,
}

/// Friday noon.
pub(crate) fn noon() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn company() -> CompanyId {
    CompanyId::new("NWI").unwrap()
}

pub(crate) fn account_id(number: &str) -> AccountId {
    AccountId::new(number).unwrap()
}

pub(crate) fn carton() -> UnitOfMeasure {
    UnitOfMeasure::from_code("CT").unwrap()
}

impl Seller {
    pub(crate) fn open() -> Self {
        let system = Arc::new(FakeSystem::new(world()));
        let (clock, handle) = Clock::fixed(noon());
        let sources = Sources {
            store: Arc::new(SqliteStore::open_in_memory().unwrap()),
            system: system.clone(),
            clock,
            policies: Arc::new(policies()),
        };
        Self {
            sources,
            system,
            clock: handle,
        }
    }

    /// A second instance on the same store.
    pub(crate) fn sources_with(&self, change: impl FnOnce(&mut Policies)) -> Sources {
        let mut policies = Policies::clone(&self.sources.policies);
        change(&mut policies);
        Sources {
            policies: Arc::new(policies),
            ..self.sources.clone()
        }
    }
}

pub(crate) fn policies() -> Policies {
    let site = |transit_days| SitePolicy {
        transit_days,
        ..SitePolicy::default()
    };
    Policies {
        sites: [("EAST".to_owned(), site(1)), ("WEST".to_owned(), site(3))].into(),
        ..Policies::default()
    }
}

/// A call on behalf of the accounts named.
pub(crate) fn call_for(accounts: &[&str]) -> Call {
    let context = CallContext {
        principal: "buyer".to_owned(),
        accounts: AccountScope::List(accounts.iter().map(|&account| account.to_owned()).collect()),
        company: Some("NWI".to_owned()),
        channel: "portal".to_owned(),
        scopes: Vec::new(),
        correlation_id: "test".to_owned(),
        deadline: noon(),
        remaining_ms: 10_000,
        layer: LayerIdentity::ExperienceApis,
    };
    Call::for_caller(&context, Lane::Checkout).unwrap()
}

pub(crate) fn keyed(call: &Call, key: &str) -> Keyed {
    let key = service_runtime::extract::IdempotencyKey::parse(key).unwrap();
    Keyed::new(&call.context, "test", &key, &"body").unwrap()
}

pub(crate) fn line(item: &str, quantity: Decimal) -> BasketLine {
    BasketLine {
        identifiers: vec![ItemIdentifier {
            scheme: ItemScheme::SellerPartNumber,
            value: item.to_owned(),
        }],
        quantity,
        unit: None,
        expected_unit_price: None,
        requested_delivery_date: None,
        buyer_line: None,
        quote_id: None,
    }
}

pub(crate) fn basket(account: &str, lines: Vec<BasketLine>) -> BasketRequest {
    BasketRequest {
        account: account_id(account),
        ship_to: None,
        requested_delivery_date: None,
        quote_id: None,
        reservation_id: None,
        ship_complete: false,
        lines,
    }
}

pub(crate) fn stock(item: &str, site: &str, on_hand: Decimal, as_of: Timestamp) -> StockFact {
    StockFact {
        company: company(),
        item: ItemNumber::new(item).unwrap(),
        site: SiteId::new(site).unwrap(),
        on_hand,
        allocated: Decimal::ZERO,
        quarantined: Decimal::ZERO,
        safety_stock: Decimal::ZERO,
        receipts: Vec::new(),
        demand: Vec::new(),
        as_of,
    }
}

pub(crate) fn credit(
    account: &str,
    limit: Option<Decimal>,
    open_orders: Decimal,
    as_of: Timestamp,
) -> CreditFact {
    CreditFact {
        company: company(),
        account: account_id(account),
        currency: Currency::USD,
        limit,
        open_orders,
        delivered_not_invoiced: Decimal::ZERO,
        invoiced_not_posted: Decimal::ZERO,
        open_receivables: Decimal::ZERO,
        unapplied_credits: Decimal::ZERO,
        blocked: false,
        as_of,
    }
}

fn world() -> World {
    let receipt = PlannedReceipt {
        date: date(2026, 11, 25),
        quantity: dec!(50),
        confirmed: true,
    };
    World {
        accounts: vec![buyer("A", &["P"]), buyer("B", &["P"]), buyer("P", &[])],
        products: vec![
            product("SKU-1", Some(14)),
            product("SKU-2", None),
            product("SKU-3", None),
        ],
        prices: ["A", "B"]
            .iter()
            .flat_map(|account| {
                [
                    schedule(account, "SKU-1", dec!(10)),
                    schedule(account, "SKU-2", dec!(1000)),
                ]
            })
            .collect(),
        stock: vec![
            stock("SKU-1", "EAST", dec!(100), noon()),
            stock("SKU-1", "WEST", dec!(40), noon()),
            StockFact {
                receipts: vec![receipt],
                ..stock("SKU-2", "EAST", dec!(10), noon())
            },
        ],
        credit: vec![
            credit("A", Some(dec!(8000)), dec!(0), noon()),
            credit("B", Some(dec!(8000)), dec!(0), noon()),
            credit("P", Some(dec!(10000)), dec!(0), noon()),
        ],
        ..World::default()
    }
}

fn buyer(number: &str, ancestors: &[&str]) -> Account {
    let address = Address {
        lines: vec!["1 Main St".to_owned()],
        city: "Columbus".to_owned(),
        region: Some("OH".to_owned()),
        postal_code: None,
        country: "US".to_owned(),
    };
    let ship_to = ShipTo {
        ship_to: ShipToId::new(format!("{number}-01")).unwrap(),
        name: number.to_owned(),
        address,
        identifiers: Vec::new(),
    };
    Account {
        company: company(),
        account: account_id(number),
        name: number.to_owned(),
        status: AccountStatus::Active,
        ancestors: ancestors
            .iter()
            .map(|ancestor| account_id(ancestor))
            .collect(),
        price_group: None,
        currency: Currency::USD,
        ship_tos: vec![ship_to],
        as_of: noon(),
    }
}

fn product(item: &str, replenishment_days: Option<u16>) -> Product {
    Product {
        company: company(),
        item: ItemNumber::new(item).unwrap(),
        description: "Bearing".to_owned(),
        base_unit: UnitOfMeasure::EACH,
        sales_unit: UnitOfMeasure::EACH,
        conversions: vec![UnitConversion {
            unit: carton(),
            numerator: 12,
            denominator: 1,
        }],
        unspsc: None,
        gtin: None,
        orderable: true,
        replenishment_days,
        buyer_part_number: Some(format!("MY-{item}")),
        as_of: noon(),
    }
}

fn schedule(account: &str, item: &str, unit_price: Decimal) -> PriceSchedule {
    let record = PriceRecord {
        record: format!("{item}-LIST"),
        level: PriceLevel::List,
        priority: 1,
        contract: None,
        unit_price,
        currency: Currency::USD,
        unit: UnitOfMeasure::EACH,
        break_quantity: dec!(1),
        valid_from: None,
        valid_to: None,
        promotions: PromotionRule::Excluded,
        floor: None,
    };
    PriceSchedule {
        company: company(),
        account: account_id(account),
        item: ItemNumber::new(item).unwrap(),
        records: vec![record],
        as_of: noon(),
    }
}
