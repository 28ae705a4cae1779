//! What the ERP keeps, as plain records that tests and the control API read.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};

use crate::seed::PriceKind;

/// What a second create of the same external reference does, and what can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateClass {
    /// Created blocked, then released; a repeat makes another order.
    Staged,
    /// A repeat is refused with the number of the first.
    Unique,
    /// No block; a repeat makes another order; the list finds them.
    Searchable,
    /// No block, no list.
    Blind,
}

/// A sales order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SalesOrder {
    /// The ERP's number, sequential.
    pub number: String,
    /// The caller's reference.
    pub reference: String,
    /// Sold-to.
    pub account: String,
    /// Ship-to.
    pub ship_to: String,
    /// The buyer's number.
    pub purchase_order_number: String,
    /// The buyer's date.
    pub purchase_order_date: Option<Date>,
    /// When the buyer wants it.
    pub requested_date: Option<Date>,
    /// ISO 4217.
    pub currency: String,
    /// Has a delivery block: counts for nothing yet.
    pub blocked: bool,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled.
    pub cancel_reason: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Sum of the lines.
    pub net_value: Decimal,
    /// What the ERP added: freight, then tax.
    pub added: Vec<Charge>,
    /// Both together.
    pub gross_value: Decimal,
    /// Its lines.
    pub lines: Vec<OrderLine>,
}

/// Something that the ERP added to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// The kind.
    pub kind: ChargeKind,
    /// What it is.
    pub text: String,
    /// How much.
    pub amount: Decimal,
}

/// The kinds of charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// Carriage.
    Freight,
    /// Sales tax.
    Tax,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// To be shipped.
    Open,
    /// Shipped and invoiced.
    Shipped,
    /// Cancelled.
    Cancelled,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    /// The ERP's position, six digits.
    pub position: String,
    /// The caller's line id.
    pub external_line: String,
    /// Which item.
    pub item: String,
    /// How much, in `unit`.
    pub quantity: Decimal,
    /// The ERP's unit code.
    pub unit: String,
    /// How much in the base unit.
    pub base_quantity: Decimal,
    /// Price of `price_unit` units.
    pub net_price: Decimal,
    /// Number of units the price is for.
    pub price_unit: Decimal,
    /// Price times quantity, rounded to cents.
    pub net_value: Decimal,
    /// From where.
    pub site: String,
    /// When the buyer wants it.
    pub requested_date: Option<Date>,
    /// When it was promised.
    pub confirmed_date: Option<Date>,
}

/// An invoice of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invoice {
    /// The ERP's number.
    pub number: String,
    /// The order.
    pub order: String,
    /// Its day.
    pub date: Date,
    /// Who pays.
    pub account: String,
    /// Net amount.
    pub net_value: Decimal,
}

/// New stock figures; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockChange {
    /// On hand and usable.
    pub on_hand: Option<Decimal>,
    /// Set aside by hand.
    pub reserved: Option<Decimal>,
    /// In quality inspection.
    pub quality: Option<Decimal>,
    /// Safety stock.
    pub safety: Option<Decimal>,
}

/// New account figures; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// Blocked for sales.
    #[serde(default)]
    pub blocked: Option<bool>,
    /// Blocked by the credit department.
    #[serde(default)]
    pub credit_block: Option<bool>,
    /// `Some(None)`, in JSON `null`, takes the limit away.
    #[serde(default, deserialize_with = "present")]
    pub credit_limit: Option<Option<Decimal>>,
    /// Its own open receivables.
    #[serde(default)]
    pub receivables: Option<Decimal>,
    /// Age of its oldest overdue item.
    #[serde(default)]
    pub oldest_overdue_days: Option<u32>,
}

/// A new price for the records that match.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceChange {
    /// Which item.
    pub item: String,
    /// Which kind of record.
    pub kind: PriceKind,
    /// Whose; empty for the list price.
    #[serde(default)]
    pub holder: String,
    /// Only this break; none = every one.
    #[serde(default)]
    pub break_quantity: Option<Decimal>,
    /// The new price, per the record's own `per`.
    pub price: Decimal,
}

/// Why a change from the control side was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("there is no {what} {key:?} in this sandbox")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Under which name.
        key: String,
    },
    /// The order is not in a state to be shipped.
    #[error("order {number} cannot be shipped: it is blocked, cancelled or shipped already")]
    NotShippable {
        /// Its number.
        number: String,
    },
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<Decimal>>, D::Error> {
    Option::<Decimal>::deserialize(value).map(Some)
}
