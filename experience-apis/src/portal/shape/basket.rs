//! Baskets: the lines a buyer sends, and what would become of them.

use canonical_model::{
    ItemNumber, Money, Quantity, QuoteId, ReservationId, ShipToId, UnitOfMeasure, UnitPrice,
    basket::{LineProblem, Verdict},
    decimal,
    promise::ScheduleLine,
};
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{hold::Hold, price::LinePrice};

/// A line: one product, named in exactly one way, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"item": "SKU-0001", "quantity": {"value": "12", "unit": "EA"}, "buyer_line": "10"}))]
pub struct Line {
    /// The seller's number.
    #[serde(default)]
    pub item: Option<ItemNumber>,
    /// The buyer's own number, as the account's cross-reference knows it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 40)]
    pub buyer_part_number: Option<String>,
    /// GS1 trade item number (8, 12, 13 or 14 digits).
    #[serde(default)]
    #[schema(min_length = 8, max_length = 14)]
    pub gtin: Option<String>,
    /// How much.
    pub quantity: LineQuantity,
    /// What the buyer believes one unit costs; a difference beyond the seller's tolerance becomes a hold.
    #[serde(default)]
    pub expected_unit_price: Option<UnitPrice>,
    /// When the buyer wants this line; absent = as the basket says.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-01")]
    pub requested_delivery_date: Option<Date>,
    /// The buyer's own number of the line, given back as it is.
    #[serde(default)]
    #[schema(max_length = 20)]
    pub buyer_line: Option<String>,
}

/// How much of a product; without a unit, in its sales unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "12", "unit": "EA"}))]
pub struct LineQuantity {
    /// Decimal text, more than zero.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub value: Decimal,
    /// UN/ECE Recommendation 20 or 21 code; absent = the product's sales unit.
    #[serde(default)]
    pub unit: Option<UnitOfMeasure>,
}

/// A basket to be checked. Nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ship_to": "ACME-01", "lines": [{"item": "SKU-0001", "quantity": {"value": "12", "unit": "EA"}}]}))]
pub struct BasketCheckRequest {
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default)]
    pub ship_to: Option<ShipToId>,
    /// When the buyer wants it; absent = as soon as possible.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub requested_delivery_date: Option<Date>,
    /// A quote whose locked prices apply.
    #[serde(default)]
    pub quote_id: Option<QuoteId>,
    /// A reservation whose stock applies.
    #[serde(default)]
    pub reservation_id: Option<ReservationId>,
    /// Everything together, on the last line's date.
    #[serde(default)]
    pub ship_complete: bool,
    /// The lines.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<Line>,
}

/// What would become of the basket as an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BasketCheck {
    /// Taken, taken and held, or refused.
    pub verdict: Verdict,
    /// Why it would be held.
    pub holds: Vec<Hold>,
    /// Why it would be refused, for the basket as a whole.
    pub problems: Vec<LineProblem>,
    /// The lines, in the order asked.
    pub lines: Vec<CheckedLine>,
    /// The total of the lines that are priced.
    pub total: Money,
    /// Whether any figure behind it is older than it should be, or missing, since the seller's system does not answer.
    pub degraded: bool,
}

/// A checked line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckedLine {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buyer_line: Option<String>,
    /// The product, where the line names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub item: Option<ItemNumber>,
    /// The quantity, in the unit that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quantity: Option<Quantity>,
    /// Its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub price: Option<LinePrice>,
    /// When it can be had; the quantities sum to the line's.
    pub schedule: Vec<ScheduleLine>,
    /// What is wrong with it; empty = nothing.
    pub problems: Vec<LineProblem>,
}
