//! The one description of a world: plain data that any backend can be loaded from.
//!
//! Units are UN/ECE Rec 20 codes, dates ISO, numbers decimal strings. Nothing in
//! it knows the sandbox: build one from scratch with any identifiers, or take the
//! generated one of `world.rs`.

mod world;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Everything the systems know at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The day the dates of this world are relative to.
    pub base_date: Date,
    /// Who sells.
    pub company: Company,
    /// Where stock is kept.
    pub sites: Vec<Site>,
    /// What is sold.
    pub items: Vec<Item>,
    /// Who buys.
    pub accounts: Vec<Account>,
    /// Every price record, of every kind.
    pub prices: Vec<PriceRecord>,
    /// Stock and expected receipts; a pair that is absent was never stocked.
    pub stock: Vec<StockRecord>,
    /// What the ERP adds to an order; nothing unless said.
    #[serde(default)]
    pub charges: Charges,
}

/// What the ERP adds to every order that it creates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Charges {
    /// Carriage; none = free.
    pub freight: Option<Freight>,
    /// Sales tax, by where the goods go; a place that is not named has none.
    pub taxes: Vec<Tax>,
}

/// A flat charge on small orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freight {
    /// How much, in the company's currency; orders in another have none.
    pub charge: Decimal,
    /// Orders whose lines come to this much or more have none.
    pub free_from: Decimal,
}

/// A tax on what goes to a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tax {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// State or province; empty = all of the country.
    pub region: String,
    /// Of lines and freight together, rounded once to cents.
    pub percent: Decimal,
}

/// How large a generated world is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedSizes {
    /// Number of accounts; the first three are always the same.
    pub accounts: u32,
    /// Number of items, `SKU-0001` on.
    pub items: u32,
    /// Chooses the quantities and prices.
    pub rng_seed: u64,
    /// The day the dates are relative to.
    pub base_date: Date,
}

/// The selling company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Company {
    /// Its code.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its currency (ISO 4217).
    pub currency: String,
}

/// A warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its code.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Something that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The seller's number.
    pub id: String,
    /// One line of text.
    pub description: String,
    /// Its product family.
    pub family: String,
    /// Its class in UNSPSC: eight digits.
    #[serde(default)]
    pub unspsc: Option<String>,
    /// Rec 20 unit in which stock is kept.
    pub base_unit: String,
    /// GTIN of the base unit.
    pub gtin: Option<String>,
    /// Other units it is sold in.
    pub alternate_units: Vec<AlternateUnit>,
    /// Days to get more of it.
    pub lead_time_days: u32,
    /// Whether it may be ordered.
    pub status: ItemStatus,
}

/// One `unit` is exactly `numerator / denominator` base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlternateUnit {
    /// Rec 20 code.
    pub unit: String,
    /// Base units, upper part.
    pub numerator: u32,
    /// Base units, lower part; not 0.
    pub denominator: u32,
    /// GTIN of this unit.
    pub gtin: Option<String>,
}

/// Whether an item may be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It may.
    Active,
    /// It may no more.
    Discontinued,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The seller's number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The account above it; its contracts and its credit limit apply here too.
    pub parent: Option<String>,
    /// Group whose contracts and lists apply.
    pub price_group: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// Where it sits.
    pub address: Address,
    /// Names others give it.
    pub identifiers: Vec<Identifier>,
    /// Where goods may go.
    pub ship_tos: Vec<ShipTo>,
    /// Code of the payment terms.
    pub payment_terms: String,
    /// Days to pay.
    pub payment_days: u32,
    /// False = closed.
    pub active: bool,
    /// Blocked for new orders.
    pub blocked: bool,
    /// Its own credit figures, without those of accounts below it.
    pub credit: Credit,
    /// Its own numbers for the seller's items.
    pub part_numbers: Vec<PartNumber>,
    /// Pays no sales tax, such as one that buys to sell again.
    #[serde(default)]
    pub tax_exempt: bool,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Town.
    pub city: String,
    /// State or province.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// A place goods may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShipTo {
    /// The seller's number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// Names others give it.
    pub identifiers: Vec<Identifier>,
}

/// A name that another party or registry gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// Whose name it is.
    pub scheme: IdentifierScheme,
    /// The name.
    pub value: String,
}

/// Whose name an identifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierScheme {
    /// D-U-N-S number.
    Duns,
    /// GS1 location number.
    Gln,
    /// The partner's own location code.
    Location,
    /// Any other.
    Other,
}

/// A customer's own number for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartNumber {
    /// The seller's item.
    pub item: String,
    /// The customer's number.
    pub part_number: String,
}

/// Credit figures of one account alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// None = unlimited.
    pub limit: Option<Decimal>,
    /// Ordered, not shipped.
    pub open_orders: Decimal,
    /// Shipped, not invoiced.
    pub delivered_not_invoiced: Decimal,
    /// Invoiced, not posted.
    pub invoiced_not_posted: Decimal,
    /// Open receivables.
    pub receivables: Decimal,
    /// Payments and credit memos not applied yet, as a positive amount.
    pub unapplied: Decimal,
    /// Blocked by the credit department.
    pub blocked: bool,
    /// Age of the oldest overdue item.
    pub oldest_overdue_days: u32,
}

/// One price record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRecord {
    /// For which item.
    pub item: String,
    /// What kind of record.
    pub kind: PriceKind,
    /// Ship-to, account or group it is kept for, by kind; empty for the list price.
    pub holder: String,
    /// The contract it belongs to.
    pub contract: Option<ContractReference>,
    /// Order among lists of one kind; lower goes first.
    pub list_priority: u32,
    /// Rec 20 unit the price is for.
    pub unit: String,
    /// Price of `per` units.
    pub price: Decimal,
    /// Number of units the price is for; not 0.
    pub per: u32,
    /// Holds from this quantity on, in `unit`.
    pub from_quantity: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// First day.
    pub valid_from: Date,
    /// Last day, inclusive; none = open end.
    pub valid_to: Option<Date>,
    /// What promotions may do with it.
    #[serde(default)]
    pub promotions: Promotions,
    /// Price of `per` units below which no promotion may go; none = no such price.
    #[serde(default)]
    pub floor: Option<Decimal>,
}

/// What promotions may do with a price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promotions {
    /// Nothing.
    #[default]
    Excluded,
    /// Be taken off it.
    Combined,
    /// Of a contract: apply instead of it where that is lower.
    IfLower,
}

/// The kinds of price record, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceKind {
    /// Contract for one ship-to.
    ContractShipTo,
    /// Contract of an account; its children may use it too.
    ContractAccount,
    /// Contract of a customer group.
    ContractGroup,
    /// Price list of an account.
    AccountList,
    /// Price list of a group.
    GroupList,
    /// List price.
    List,
}

/// A contract and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractReference {
    /// Its number.
    pub number: String,
    /// Its version.
    pub version: String,
}

/// Stock of one item at one site, in the base unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockRecord {
    /// Which item.
    pub item: String,
    /// Where.
    pub site: String,
    /// On hand and usable, `reserved` included.
    pub on_hand: Decimal,
    /// Set aside by hand, not for sales orders.
    pub reserved: Decimal,
    /// In quality inspection; not part of `on_hand`.
    pub quality: Decimal,
    /// Not to be promised.
    pub safety: Decimal,
    /// What is expected.
    pub receipts: Vec<Receipt>,
}

/// Goods expected from a supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The supplier order's number.
    pub number: String,
    /// When.
    pub date: Date,
    /// How much.
    pub quantity: Decimal,
    /// Whether the supplier has confirmed it.
    pub confirmed: bool,
}
