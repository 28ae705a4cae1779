//! Orders as a buyer places and reads them.

use canonical_model::{
    AccountId, Currency, ErpOrderNumber, ItemNumber, Money, OrderId, OrderReference,
    PurchaseOrderNumber, Quantity, QuoteId, ReservationId, ShipToId,
    basket::LineProblem,
    erp_order::ChargeKind,
    order::{FactAge, LinePolicy, LineQuantities, OrderStatus},
    promise::ScheduleLine,
    shipment::Shipment,
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{basket::Line, hold::Hold, price::LinePrice};

/// An order to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"purchase_order_number": "PO-4711", "requested_delivery_date": "2026-12-01",
    "lines": [{"item": "SKU-0001", "quantity": {"value": "12", "unit": "EA"}, "buyer_line": "10"}]}))]
pub struct OrderRequest {
    /// The buyer's own number: one order for each, whatever the channel.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(default)]
    #[schema(max_length = 30)]
    pub release_number: Option<String>,
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default)]
    pub ship_to: Option<ShipToId>,
    /// The currency the buyer states, ISO 4217; refused if it is not the account's.
    #[serde(
        default,
        deserialize_with = "canonical_model::currency::deserialize_option"
    )]
    #[schema(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// When the buyer wants it; absent = as soon as possible.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub requested_delivery_date: Option<Date>,
    /// A quote whose locked prices apply.
    #[serde(default)]
    pub quote_id: Option<QuoteId>,
    /// A reservation whose stock the order takes over.
    #[serde(default)]
    pub reservation_id: Option<ReservationId>,
    /// Everything together, on the last line's date.
    #[serde(default)]
    pub ship_complete: bool,
    /// What happens when a line is wrong.
    #[serde(default)]
    pub line_policy: LinePolicy,
    /// The lines.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<Line>,
}

/// The answer to a placed order: it is durable; `accepted` once the seller's system has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderReceipt {
    /// Its id.
    pub order_id: OrderId,
    /// Its key on documents and on the telephone.
    pub order_reference: OrderReference,
    /// The seller's number, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sales_order_number: Option<ErpOrderNumber>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Its version, as in the `ETag`.
    pub version: u64,
    /// What it waits for; empty = nothing.
    pub holds: Vec<Hold>,
    /// Its total.
    pub total: Money,
    /// Whether it stands on figures that are looked at again before it goes on, since the seller's system does not answer.
    pub provisional: bool,
}

/// Lists the account's orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrderSearch {
    /// The buyer's own number, whole.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "PO-4711")]
    pub purchase_order_number: Option<PurchaseOrderNumber>,
    /// Where they stand; absent = anywhere.
    #[serde(default)]
    #[param(inline)]
    pub status: Option<OrderStatus>,
    /// `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many, 1 to 200; 50 unless said.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderPage {
    /// The orders.
    pub items: Vec<OrderSummary>,
    /// The cursor of the page after; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderSummary {
    /// Its id.
    pub order_id: OrderId,
    /// Its key on documents and on the telephone.
    pub order_reference: OrderReference,
    /// The seller's number, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sales_order_number: Option<ErpOrderNumber>,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub release_number: Option<String>,
    /// The channel that brought it: `portal`, `edi` …
    pub channel: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether it waits for the seller.
    pub held: bool,
    /// How many lines it has.
    pub line_count: usize,
    /// The day the last of it arrives, where that is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[schema(value_type = Option<String>, format = Date)]
    pub promised_delivery_date: Option<Date>,
    /// Its total.
    pub total: Money,
    /// Whether it stands on figures that are looked at again before it goes on, since the seller's system does not answer.
    pub provisional: bool,
    /// When it was received.
    pub received_at: Timestamp,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// Its key on documents and on the telephone.
    pub order_reference: OrderReference,
    /// The seller's number, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sales_order_number: Option<ErpOrderNumber>,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub release_number: Option<String>,
    /// The account.
    pub account: AccountId,
    /// Where it goes.
    pub ship_to: ShipToId,
    /// The channel that brought it: `portal`, `edi` …
    pub channel: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Its version, as in the `ETag`.
    pub version: u64,
    /// What it waits for; empty = nothing.
    pub holds: Vec<Hold>,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// What warehouses pick, pack and ship of it.
    pub shipments: Vec<Shipment>,
    /// The total of the lines not rejected, without what the seller adds.
    pub total: Money,
    /// What it comes to in the seller's system, with freight and tax. Absent while that does not have it, and where it did
    /// not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub totals: Option<OrderTotals>,
    /// Whether it stands on figures that are looked at again before it goes on, since the seller's system does not answer.
    pub provisional: bool,
    /// How old those figures were, while it is provisional.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub taken_on: Option<TakenOn>,
    /// Since when it is not known whether the seller's system has it: it did not answer. Nothing is lost; do not send the
    /// order again. Absent once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unconfirmed_since: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// When the seller's system had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub accepted_at: Option<Timestamp>,
    /// The record of how it was decided; quote it to the seller.
    pub decision_id: Uuid,
    /// The correlation id of the request that brought it.
    pub correlation_id: String,
    /// The W3C trace id of the request that brought it.
    pub trace_id: String,
}

/// What an order comes to in the seller's system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderTotals {
    /// Its lines.
    pub net: Money,
    /// What the seller adds; empty = nothing.
    pub added: Vec<Charge>,
    /// Both together: what will be invoiced.
    pub gross: Money,
}

/// Something that the seller adds to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Charge {
    /// The kind.
    pub kind: ChargeKind,
    /// What it is, in the seller's words.
    #[schema(example = "Sales tax US OH 5.75 %")]
    pub description: String,
    /// How much; negative where it takes something off.
    pub amount: Money,
}

/// What a provisional order stands on: of each kind of figure the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TakenOn {
    /// Prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub price: Option<FactAge>,
    /// Stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stock: Option<FactAge>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderLine {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buyer_line: Option<String>,
    /// The product; absent on a rejected line that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub item: Option<ItemNumber>,
    /// The buyer's own number of the product, where the line named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buyer_part_number: Option<String>,
    /// The trade item number, where the line named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gtin: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// The quantity ordered.
    pub ordered: Quantity,
    /// Its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub price: Option<LinePrice>,
    /// What was promised; the quantities sum to the line's.
    pub schedule: Vec<ScheduleLine>,
    /// What has become of it, in the unit ordered.
    pub quantities: LineQuantities,
    /// Why it was rejected.
    pub problems: Vec<LineProblem>,
}

/// What has happened to an order, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Timeline {
    /// The order.
    pub order_id: OrderId,
    /// What happened.
    pub entries: Vec<TimelineEntry>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: TimelineEvent,
    /// The same as a sentence.
    #[schema(example = "The order is in the seller's system.")]
    pub message: String,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimelineEvent {
    /// It was received and is durable.
    Received,
    /// It was taken on figures that are looked at again before it goes on.
    ProvisionallyAccepted,
    /// Those figures were looked at again.
    Revalidated,
    /// It waits for the seller.
    Held,
    /// It no longer waits.
    HoldReleased,
    /// The seller's system has it.
    Accepted,
    /// It was given to the warehouse.
    Released,
    /// Some of it is picked.
    Picked,
    /// Some of it is packed.
    Packed,
    /// Some of it, or all, has left.
    Shipped,
    /// The seller refused it.
    Rejected,
    /// It was cancelled.
    Cancelled,
}
