//! `OrderRequest`: an order, its change or its cancellation, as plain values. Every fault is told with its path.

mod attachments;
mod line;
mod read;

use canonical_model::{Money, PurchaseOrderNumber};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::item::{Extrinsic, ItemId, Place};

pub use attachments::{Attachment, missing_part};
pub use read::read;

/// What the buyer wants with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// A new order.
    New,
    /// This in place of the order that it names.
    Update,
    /// The order is called off.
    Delete,
}

/// An `OrderRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// The buyer's number.
    pub order_id: PurchaseOrderNumber,
    /// The day it was given, where it was given.
    pub order_date: Option<Date>,
    /// As the buyer writes the time; given back in references.
    pub order_date_text: Option<String>,
    /// What the buyer wants.
    pub order_type: OrderType,
    /// Counted by the buyer with every change.
    pub order_version: Option<String>,
    /// The payloadID of the order that it changes or calls off.
    pub replaces: Option<String>,
    /// What the buyer sums up; absent only on a cancellation.
    pub total: Option<Money>,
    /// Where the goods go.
    pub ship_to: Option<Place>,
    /// Where the invoice goes.
    pub bill_to: Option<Place>,
    /// When the buyer wants it.
    pub requested_delivery_date: Option<Date>,
    /// Everything together.
    pub ship_complete: bool,
    /// For people.
    pub comments: Vec<String>,
    /// Data of the buyer's own.
    pub extrinsics: Vec<Extrinsic>,
    /// The lines; a cancellation's are not read.
    pub lines: Vec<ItemOut>,
    /// The files it refers to, of the lines as well.
    pub attachments: Vec<Attachment>,
    /// What was taken although it is not as it should be, for the log.
    pub notes: Vec<String>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOut {
    /// Where it stands, such as `OrderRequest/ItemOut[2]`.
    pub path: String,
    /// The buyer's number of it, or ours where the buyer gives none; no two lines have the same.
    pub line_number: u32,
    /// How much.
    pub quantity: Decimal,
    /// The item.
    pub item: ItemId,
    /// The manufacturer's number of it.
    pub manufacturer_part_id: Option<String>,
    /// The unit ordered, as the buyer writes it; absent where the line has no `ItemDetail`.
    pub unit: Option<String>,
    /// What the buyer believes it costs: per one `unit`, unless there is a price basis.
    pub price: Option<Money>,
    /// For how much of what the price stands.
    pub price_basis: Option<PriceBasis>,
    /// What the buyer calls it.
    pub description: Option<String>,
    /// When the buyer wants this line.
    pub requested_delivery_date: Option<Date>,
    /// Parts of the line by date; empty = all at once.
    pub schedule: Vec<(Decimal, Date)>,
    /// Where this line goes, if elsewhere.
    pub ship_to: Option<Place>,
    /// For people.
    pub comments: Vec<String>,
    /// Data of the buyer's own, of the line and of its detail.
    pub extrinsics: Vec<Extrinsic>,
}

/// `PriceBasisQuantity`: the price stands for `quantity` of `unit`, and one unit ordered is `conversion_factor` of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceBasis {
    /// How much the price is for.
    pub quantity: Decimal,
    /// Of which unit, as the buyer writes it.
    pub unit: String,
    /// From the unit ordered to that one.
    pub conversion_factor: Decimal,
}

impl ItemOut {
    /// The price per one unit ordered, to 9 digits behind the point; `None` = none is stated.
    pub fn unit_price(&self) -> Option<Money> {
        let price = self.price?;
        let Some(basis) = &self.price_basis else {
            return Some(price);
        };
        let amount = price
            .amount
            .checked_mul(basis.conversion_factor)?
            .checked_div(basis.quantity)?
            .round_dp(9)
            .normalize();
        Some(Money::new(amount, price.currency))
    }
}
