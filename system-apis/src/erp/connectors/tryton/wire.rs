//! Records as Tryton sends them. A field that is followed, such as `product.code`, comes as an object whose key ends with a
//! dot.

use serde::{Deserialize, Serialize};

use crate::{
    intake::feed::{Position, Stamp},
    tryton::values::{Amount, Count, Day, Instant, Reference, Seconds},
};

/// Whatever has a code.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Coded {
    pub(super) id: i64,
    pub(super) code: Option<String>,
}

/// Whatever has a name.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub(super) name: Option<String>,
}

/// When a record was written last.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Stamped {
    last_modified_at: Instant,
}

/// A record that has changed, and what tells whose it is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Modified {
    pub(super) id: i64,
    pub(super) code: Option<String>,
    #[serde(rename = "product.")]
    pub(super) product: Option<Coded>,
    last_modified_at: Instant,
    #[serde(rename = "template.")]
    template: Option<Stamped>,
    #[serde(rename = "addresses.", default)]
    addresses: Vec<Stamped>,
}

impl Modified {
    fn stamps(&self) -> impl Iterator<Item = i64> {
        let theirs = self.template.iter().chain(&self.addresses);
        let theirs = theirs.map(|one| one.last_modified_at);
        std::iter::once(self.last_modified_at)
            .chain(theirs)
            .map(|at| at.0.as_microsecond())
    }

    /// Where the last change to it stands, or to what belongs to it. A change that becomes visible later than one with a
    /// younger stamp moves none of the newest, but makes the sum of all another.
    pub(super) fn position(&self) -> Position {
        let sum: i128 = self.stamps().map(i128::from).sum();
        Position {
            stamp: self.stamp(),
            id: format!("{}/{sum}", self.id),
        }
    }

    /// Of the last change to it, or to what belongs to it.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp(self.stamps().max().unwrap_or_default())
    }
}

pub(super) const PARTY: &[&str] = &[
    "code",
    "name",
    "active",
    "currency.code",
    "customer_currency.code",
    "addresses.party_name",
    "addresses.street",
    "addresses.city",
    "addresses.postal_code",
    "addresses.country.code",
    "addresses.subdivision.code",
    "addresses.delivery",
    "addresses.invoice",
    "identifiers.code",
    "identifiers.address",
    "categories.name",
    "relations.type.name",
    "relations.to.code",
    "sale_price_list",
    "sale_price_list.name",
    "sale_price_list.tax_included",
    "sale_price_list.unit",
    "customer_payment_term",
    "customer_tax_rule",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Party {
    pub(super) id: i64,
    pub(super) code: String,
    pub(super) name: Option<String>,
    pub(super) active: bool,
    #[serde(rename = "currency.")]
    pub(super) currency: Option<Coded>,
    #[serde(rename = "customer_currency.")]
    pub(super) customer_currency: Option<Coded>,
    #[serde(rename = "addresses.", default)]
    pub(super) addresses: Vec<Address>,
    #[serde(rename = "identifiers.", default)]
    pub(super) identifiers: Vec<PartyIdentifier>,
    #[serde(rename = "categories.", default)]
    pub(super) categories: Vec<Named>,
    #[serde(rename = "relations.", default)]
    pub(super) relations: Vec<Relation>,
    /// Told in any case: without it prices would be those of nobody's list, silently.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) sale_price_list: Option<i64>,
    #[serde(rename = "sale_price_list.")]
    pub(super) list: Option<PriceList>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) customer_payment_term: Option<i64>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) customer_tax_rule: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct PriceList {
    pub(super) name: Option<String>,
    /// In which the quantities of its lines are counted: `product_default` or `product_sale`.
    pub(super) unit: Option<String>,
    /// Whether its prices are gross.
    #[serde(default)]
    pub(super) tax_included: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Address {
    pub(super) id: i64,
    pub(super) party_name: Option<String>,
    pub(super) street: Option<String>,
    pub(super) city: Option<String>,
    pub(super) postal_code: Option<String>,
    #[serde(rename = "country.")]
    pub(super) country: Option<Coded>,
    #[serde(rename = "subdivision.")]
    pub(super) subdivision: Option<Coded>,
    pub(super) invoice: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PartyIdentifier {
    pub(super) code: String,
    pub(super) address: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Relation {
    #[serde(rename = "type.")]
    pub(super) kind: Named,
    #[serde(rename = "to.")]
    pub(super) to: Coded,
}

pub(super) const CREDIT: &[&str] = &[
    "code",
    "currency.code",
    "credit_limit_amount",
    "credit_amount",
    "receivable",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Credit {
    pub(super) code: String,
    #[serde(rename = "currency.")]
    pub(super) currency: Option<Coded>,
    pub(super) credit_limit_amount: Option<Amount>,
    pub(super) credit_amount: Amount,
    pub(super) receivable: Amount,
}

pub(super) const PRODUCT: &[&str] = &[
    "code",
    "name",
    "active",
    "salable",
    "default_uom",
    "sale_uom",
    "identifiers.code",
    "identifiers.type",
    "categories.code",
    "categories.parent.code",
    "product_customers.code",
    "product_customers.party.code",
    "product_suppliers.lead_time",
    "template.account_category.customer_taxes_used",
];

/// What tells the units of a product.
pub(super) const SOLD_PRODUCT: &[&str] = &[
    "code",
    "active",
    "salable",
    "default_uom",
    "sale_uom",
    "identifiers.code",
    "identifiers.type",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Product {
    pub(super) id: i64,
    pub(super) code: Option<String>,
    pub(super) name: Option<String>,
    pub(super) active: bool,
    pub(super) salable: bool,
    pub(super) default_uom: i64,
    pub(super) sale_uom: Option<i64>,
    #[serde(rename = "identifiers.", default)]
    pub(super) identifiers: Vec<ProductIdentifier>,
    #[serde(rename = "categories.", default)]
    pub(super) categories: Vec<Category>,
    #[serde(rename = "product_customers.", default)]
    pub(super) customers: Vec<ProductCustomer>,
    #[serde(rename = "product_suppliers.", default)]
    pub(super) suppliers: Vec<ProductSupplier>,
    #[serde(rename = "template.", default)]
    pub(super) template: Template,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProductIdentifier {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Category {
    pub(super) code: Option<String>,
    #[serde(rename = "parent.")]
    pub(super) parent: Option<Coded>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProductCustomer {
    pub(super) code: Option<String>,
    #[serde(rename = "party.")]
    pub(super) party: Coded,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProductSupplier {
    pub(super) lead_time: Option<Seconds>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Template {
    #[serde(rename = "account_category.")]
    pub(super) account_category: Option<AccountCategory>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct AccountCategory {
    pub(super) customer_taxes_used: Vec<i64>,
}

pub(super) const UNIT: &[&str] = &["symbol", "category", "factor", "digits"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Unit {
    pub(super) id: i64,
    pub(super) symbol: String,
    pub(super) category: i64,
    pub(super) factor: Count,
    pub(super) digits: u32,
}

pub(super) const PLACE: &[&str] = &["code", "type", "parent"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) code: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) parent: Option<i64>,
}

pub(super) const LIST_LINE: &[&str] = &["product.code", "quantity"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ListLine {
    #[serde(rename = "product.")]
    pub(super) product: Option<Coded>,
    pub(super) quantity: Option<Count>,
}

pub(super) const PRICE: &[&str] = &["code", "sale_price_uom"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Price {
    pub(super) code: String,
    pub(super) sale_price_uom: Option<Amount>,
}

pub(super) const ON_HAND: &[&str] = &["code", "quantity"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct OnHand {
    pub(super) code: String,
    pub(super) quantity: Count,
}

pub(super) const MOVE: &[&str] = &[
    "product.code",
    "internal_quantity",
    "state",
    "planned_date",
    "from_location",
    "to_location",
    "origin",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Move {
    pub(super) id: i64,
    #[serde(rename = "product.")]
    pub(super) product: Coded,
    pub(super) internal_quantity: Count,
    pub(super) state: String,
    pub(super) planned_date: Option<Day>,
    pub(super) from_location: i64,
    pub(super) to_location: i64,
    pub(super) origin: Option<Reference>,
}

pub(super) const ORDER_POINT: &[&str] = &["product.code", "location", "min_quantity"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct OrderPoint {
    #[serde(rename = "product.")]
    pub(super) product: Coded,
    pub(super) location: Option<i64>,
    pub(super) min_quantity: Option<Count>,
}

pub(super) const SALE: &[&str] = &[
    "_timestamp",
    "reference",
    "description",
    "state",
    "shipment_state",
    "invoice_state",
    "party.code",
    "currency.code",
    "warehouse.code",
    "tax_amount",
    "shipping_date",
    "create_date",
    "lines.type",
    "lines.sequence",
    "lines.product.code",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.unit.digits",
    "lines.unit_price",
    "lines.amount",
    "lines.note",
    "lines.shipping_date",
    "lines.shipment_cost",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sale {
    pub(super) id: i64,
    /// When it was last written: a write that names another is refused.
    #[serde(rename = "_timestamp")]
    pub(super) timestamp: String,
    pub(super) reference: Option<String>,
    pub(super) description: Option<String>,
    pub(super) state: String,
    pub(super) shipment_state: String,
    pub(super) invoice_state: String,
    #[serde(rename = "party.")]
    pub(super) party: Coded,
    #[serde(rename = "currency.")]
    pub(super) currency: Coded,
    #[serde(rename = "warehouse.")]
    pub(super) warehouse: Option<Coded>,
    pub(super) tax_amount: Option<Amount>,
    pub(super) shipping_date: Option<Day>,
    pub(super) create_date: Instant,
    #[serde(rename = "lines.", default)]
    pub(super) lines: Vec<SaleLine>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SaleLine {
    pub(super) id: i64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) sequence: Option<u32>,
    #[serde(rename = "product.")]
    pub(super) product: Option<Coded>,
    pub(super) quantity: Option<Count>,
    #[serde(rename = "unit.")]
    pub(super) unit: Option<LineUnit>,
    pub(super) unit_price: Option<Amount>,
    pub(super) amount: Option<Amount>,
    pub(super) note: Option<String>,
    pub(super) shipping_date: Option<Day>,
    /// Only what the ERP adds for freight has it.
    pub(super) shipment_cost: Option<Amount>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LineUnit {
    pub(super) symbol: String,
    /// The decimals that a quantity in it may have.
    pub(super) digits: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Symbol {
    pub(super) symbol: String,
}

pub(super) const STANDING: &[&str] = &[
    "reference",
    "state",
    "shipment_state",
    "invoice_state",
    "shipping_date",
];

/// Where an order stands.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Standing {
    pub(super) id: i64,
    pub(super) reference: Option<String>,
    pub(super) state: String,
    pub(super) shipment_state: String,
    pub(super) invoice_state: String,
    pub(super) shipping_date: Option<Day>,
}

pub(super) const GOODS: &[&str] = &[
    "invoices",
    "drop_shipments",
    "shipments.state",
    "shipments.outgoing_moves",
    "lines.moves.state",
];

/// What an order has led to in the warehouse.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Goods {
    pub(super) invoices: Vec<i64>,
    pub(super) drop_shipments: Vec<i64>,
    #[serde(rename = "shipments.", default)]
    pub(super) shipments: Vec<Shipment>,
    #[serde(rename = "lines.", default)]
    pub(super) lines: Vec<LineMoves>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shipment {
    pub(super) id: i64,
    pub(super) state: String,
    pub(super) outgoing_moves: Vec<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LineMoves {
    #[serde(rename = "moves.", default)]
    pub(super) moves: Vec<MoveState>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MoveState {
    pub(super) id: i64,
    pub(super) state: String,
}

/// A draft. A plain create fills in nothing, so all of it is said.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NewSale {
    pub(super) company: i64,
    pub(super) party: i64,
    pub(super) invoice_address: i64,
    pub(super) shipment_address: i64,
    pub(super) payment_term: Option<i64>,
    pub(super) price_list: Option<i64>,
    pub(super) currency: i64,
    pub(super) warehouse: i64,
    pub(super) reference: String,
    pub(super) description: String,
    pub(super) shipping_date: Option<Day>,
    pub(super) lines: [(&'static str, Vec<NewLine>); 1],
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct NewLine {
    pub(super) sequence: u32,
    pub(super) product: i64,
    pub(super) quantity: Count,
    pub(super) unit: i64,
    pub(super) unit_price: Amount,
    /// Without them the tax is 0, silently.
    pub(super) taxes: [(&'static str, Vec<i64>); 1],
    pub(super) note: String,
}

pub(super) const INVOICED_SALE: &[&str] = &["reference", "description", "lines"];

/// An order as far as its invoices need it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct InvoicedSale {
    pub(super) id: i64,
    pub(super) reference: Option<String>,
    pub(super) description: Option<String>,
    pub(super) lines: Vec<i64>,
}

pub(super) const INVOICE: &[&str] = &[
    "number",
    "invoice_date",
    "party.code",
    "currency.code",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "sales",
    "lines.type",
    "lines.product.code",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.unit_price",
    "lines.amount",
    "lines.note",
    "lines.origin",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Invoice {
    pub(super) number: Option<String>,
    pub(super) invoice_date: Option<Day>,
    #[serde(rename = "party.")]
    pub(super) party: Coded,
    #[serde(rename = "currency.")]
    pub(super) currency: Coded,
    pub(super) untaxed_amount: Amount,
    pub(super) tax_amount: Amount,
    pub(super) total_amount: Amount,
    pub(super) sales: Vec<i64>,
    #[serde(rename = "lines.", default)]
    pub(super) lines: Vec<InvoiceLine>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InvoiceLine {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(rename = "product.")]
    pub(super) product: Option<Coded>,
    pub(super) quantity: Option<Count>,
    #[serde(rename = "unit.")]
    pub(super) unit: Option<Symbol>,
    pub(super) unit_price: Option<Amount>,
    pub(super) amount: Option<Amount>,
    pub(super) note: Option<String>,
    pub(super) origin: Option<Reference>,
}
