//! What an ERP connector has to do.
//!
//! A method makes as few calls to the ERP as its dialect allows, through [`crate::transport`], which has each wait for its slot of
//! the budget; it caches no fact and retries nothing: the guard does that. A row that makes no sense is refused as a row; an
//! answer that belongs to somebody else is refused as a whole.

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, ErpOrderNumber, ItemNumber, OrderReference, Quantity, ShipToId, SiteId,
    account::Account,
    capabilities::{Amendable, CreateClass, CreditBasis, PriceSource},
    credit::CreditFact,
    erp_invoice::ErpInvoice,
    erp_order::{AmendErpOrder, CreateErpOrder, ErpOrder},
    item::ItemIdentifier,
    price::PriceRecord,
    product::Product,
    stock::StockFact,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

use super::feed::MasterFeed;
use crate::connector::{Batch, ConnectorError};

/// What an ERP can do, as its connector states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// How prices come.
    pub price_source: PriceSource,
    /// Whether a `Resolved` source is asked for each quantity that is ordered; false = in the unit of its records they tell what
    /// any quantity costs, and only those in another unit are asked for.
    pub prices_each_quantity: bool,
    /// What a second create with the same reference does.
    pub create_class: CreateClass,
    /// The characters of a reference that are kept and searched.
    pub reference_max_length: u8,
    /// The characters of a purchase order number that are kept.
    pub purchase_order_number_max_length: u8,
    /// How long its search may miss an order after an unknown outcome.
    pub quiet_period: Duration,
    /// From which document on an order counts in credit exposure.
    pub credit_basis: CreditBasis,
    /// How long its credit figures may lag behind its answer; where they count from the invoice, behind the shipment.
    pub credit_lag: Duration,
    /// How long its stock figures may lag behind its answer.
    pub stock_lag: Duration,
    /// Whether creates for one account must run one at a time.
    pub serialize_creates_by_account: bool,
    /// Whether it ships an order from one site: a create whose lines name several is `Rejected`.
    pub one_site_per_order: bool,
    /// Until when it amends an order; what comes later is `Rejected`.
    pub amendable: Amendable,
    /// Keys that a batch read may carry.
    pub keys_per_call: usize,
    /// Asks that a batch of prices may carry (an item, or one quantity of it): few, where working out a price takes the ERP long.
    pub prices_per_call: usize,
}

/// An account and the one above it; its `ancestors` are filled by whoever follows the parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account, without ancestors.
    pub account: Account,
    /// The account above it.
    pub parent: Option<AccountId>,
}

/// A price record, and the delivery address it is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceEntry {
    /// It holds for this address only; absent = for all.
    pub ship_to: Option<ShipToId>,
    /// The record.
    pub record: PriceRecord,
}

/// A price that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PriceAsk {
    /// The item.
    pub item: ItemNumber,
    /// How much; absent = whatever the quantity, as a source is always asked whose records tell what any of them costs.
    pub quantity: Option<Quantity>,
}

/// A part of the catalogue, by item number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CatalogueQuery {
    /// The selling company.
    pub company: CompanyId,
    /// Whose part numbers are given back.
    pub account: Option<AccountId>,
    /// Words to be found.
    pub search: Option<String>,
    /// Products to pass over.
    pub skip: u32,
    /// Products wanted at most.
    pub limit: u32,
}

/// The products of a part, and whether more follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CataloguePart {
    /// By item number.
    pub products: Vec<Product>,
    /// Whether there are more.
    pub more: bool,
}

/// One item at one site.
pub type StockKey = (ItemNumber, SiteId);

/// A connector to an ERP.
#[async_trait]
pub trait ErpConnector: Send + Sync + 'static {
    /// What this ERP can do.
    fn capabilities(&self) -> Capabilities;

    /// The feed of changed masters, if it has one; without it facts age.
    fn master_feed(self: Arc<Self>) -> Option<Arc<dyn MasterFeed>> {
        None
    }

    /// Accounts by number.
    async fn accounts(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountRecord>, ConnectorError>;

    /// Products by any of their numbers.
    async fn products(
        &self,
        company: &CompanyId,
        account: &AccountId,
        items: &[ItemIdentifier],
        as_of: Timestamp,
    ) -> Result<Batch<ItemIdentifier, Product>, ConnectorError>;

    /// A part of the catalogue.
    async fn catalogue(
        &self,
        query: &CatalogueQuery,
        as_of: Timestamp,
    ) -> Result<CataloguePart, ConnectorError>;

    /// A `Schedule` source: every price record that may apply to the account, past and future ones too. A `Resolved` one: the
    /// price of the quantity asked, or a record for each quantity at which the price changes. An item without any gives an
    /// empty list.
    async fn prices(
        &self,
        company: &CompanyId,
        account: &AccountId,
        asks: &[PriceAsk],
        as_of: Timestamp,
    ) -> Result<Batch<PriceAsk, Vec<PriceEntry>>, ConnectorError>;

    /// Stock by item and site.
    async fn stock(
        &self,
        company: &CompanyId,
        keys: &[StockKey],
        as_of: Timestamp,
    ) -> Result<Batch<StockKey, StockFact>, ConnectorError>;

    /// Credit by account.
    async fn credit(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, CreditFact>, ConnectorError>;

    /// Creates a sales order; blocked, where the ERP is `Staged`.
    async fn create_order(
        &self,
        company: &CompanyId,
        order: &CreateErpOrder,
    ) -> Result<ErpOrderNumber, ConnectorError>;

    /// The numbers of the orders that carry a reference, lowest first.
    async fn find_orders(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Vec<ErpOrderNumber>, ConnectorError>;

    /// Orders by number.
    async fn orders(
        &self,
        company: &CompanyId,
        numbers: &[ErpOrderNumber],
    ) -> Result<Batch<ErpOrderNumber, ErpOrder>, ConnectorError>;

    /// The posted invoices of an order, by day and number; `NotFound` where there is no such order.
    async fn invoices(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<Vec<ErpInvoice>, ConnectorError>;

    /// Makes an order's lines what the amendment says, all of them or none; one that stands so already stays so. A line
    /// that is not there stands as one with quantity 0; the last one is not taken away.
    async fn amend_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
        amendment: &AmendErpOrder,
    ) -> Result<(), ConnectorError>;

    /// Lets a blocked order go on; one that is released already stays so.
    async fn release_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError>;

    /// Cancels an order; one that is cancelled already stays so.
    async fn cancel_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError>;
}
