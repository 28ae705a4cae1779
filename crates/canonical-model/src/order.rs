//! Sales orders as every channel sees them.

use iso_currency::Currency;
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    basket::{BasketLine, LinePrice, LineProblem},
    decimal,
    erp_order::ErpTotals,
    ids::{
        AccountId, CompanyId, DocumentId, ErpOrderNumber, ItemNumber, OrderId, OrderReference,
        PurchaseOrderNumber, QuoteId, ReservationId, ShipToId,
    },
    item::ItemIdentifier,
    money::Money,
    promise::ScheduleLine,
    quantity::Quantity,
    shipment::Shipment,
};

/// Takes an order; `POST /v1/orders`, the only way in for every channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SalesOrderRequest {
    /// The sold-to account.
    pub account: AccountId,
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// The buyer's number: with company, account and release number it is one order, whatever the channel.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 30)]
    pub release_number: Option<String>,
    /// The currency the buyer states; refused if it is not the account's.
    #[serde(
        default,
        deserialize_with = "crate::currency::deserialize_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// When the buyer wants it; absent = as soon as possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub requested_delivery_date: Option<Date>,
    /// A quote whose locked prices apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_id: Option<QuoteId>,
    /// A reservation whose stock the order takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// Everything together, on the last line's date.
    #[serde(default)]
    pub ship_complete: bool,
    /// What happens when a line is wrong.
    #[serde(default)]
    pub line_policy: LinePolicy,
    /// The lines; 1 to 5,000.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<BasketLine>,
    /// The inbound document it was read from, for channels that answer with documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<SourceDocument>,
    /// What the channel wants a person to look at before the order goes on, such as a difference from what was quoted;
    /// each becomes a hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub review: Vec<ReviewReason>,
}

/// Why a channel wants a person to look at an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewReason {
    /// The line, from 1, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// A sentence that says what differs and what to do.
    #[schema(min_length = 1, max_length = 500)]
    pub detail: String,
}

/// Where an order stands in a channel's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// The stored document.
    pub document_id: DocumentId,
    /// The partner whose mailbox the answers go to.
    #[schema(max_length = 40)]
    pub partner: String,
    /// Which transaction in it, in the channel's own terms.
    #[schema(max_length = 60)]
    pub transaction: String,
}

/// What happens when a line is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinePolicy {
    /// The order is refused.
    #[default]
    AllOrNothing,
    /// The line is rejected and the others are taken; refused if none is left.
    TakeSoundLines,
}

/// Where an order stands: derived from its holds and its lines.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Durable, and on its way into the ERP.
    Received,
    /// Durable, and waits for a person.
    Held,
    /// The ERP has it and its number is known.
    Accepted,
    /// Released to the warehouse.
    Released,
    /// Some of it has left.
    PartiallyShipped,
    /// All of it has left.
    Shipped,
    /// The ERP refused it.
    Rejected,
    /// Cancelled.
    Cancelled,
}

/// Why an order waits, and who may release it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldReason {
    /// The kind.
    pub kind: HoldKind,
    /// A sentence that says what happened and what to do.
    pub detail: String,
    /// The scope that releases it.
    pub released_by: String,
    /// The line, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// The kinds of hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// The order would go over the limit, or credit is stopped, or is not known.
    Credit,
    /// The buyer's price differs from ours.
    PriceMismatch,
    /// The channel or a rule of approval wants a person to look at it, or what it was taken on has changed.
    Review,
    /// What was promised while its source did not answer is no longer there.
    Allocation,
    /// It is not known whether the ERP has the order: a person looks.
    ErpUnknown,
    /// The ERP refused what a person may put right.
    ErpRejected,
    /// The ERP has more of it than one order: a person looks.
    ErpDuplicate,
    /// The warehouse did not take the release.
    Warehouse,
}

/// A hold on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderHold {
    /// Its number within the order, from 1.
    pub hold: u32,
    /// Why.
    #[serde(flatten)]
    pub reason: HoldReason,
    /// The ERP's orders that it tells of, where it is about such: whoever releases it lets these stand, and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erp_orders: Vec<ErpOrderNumber>,
    /// Since when.
    pub placed_at: Timestamp,
}

/// Quantities of a line by what has become of them, all in the unit ordered:
/// `ordered = open + rejected + cancelled + backordered + allocated + released + picked + packed + shipped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineQuantities {
    /// Taken, and not yet in the ERP.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub open: Decimal,
    /// Refused.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub rejected: Decimal,
    /// Cancelled.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub cancelled: Decimal,
    /// In the ERP, without cover by stock or receipt.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub backordered: Decimal,
    /// In the ERP, covered.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub allocated: Decimal,
    /// With the warehouse.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub released: Decimal,
    /// Picked.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub picked: Decimal,
    /// Packed.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub packed: Decimal,
    /// Gone.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub shipped: Decimal,
    /// Of the shipped, arrived.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub delivered: Decimal,
    /// Of the shipped, invoiced.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub invoiced: Decimal,
    /// Of the shipped, sent back.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub returned: Decimal,
}

impl LineQuantities {
    /// The sum that must equal the quantity ordered.
    pub fn accounted(&self) -> Decimal {
        [
            self.rejected,
            self.cancelled,
            self.backordered,
            self.allocated,
            self.released,
            self.picked,
            self.packed,
            self.shipped,
        ]
        .into_iter()
        .fold(self.open, Decimal::saturating_add)
    }

    /// Whether the ledger holds for a line of this quantity.
    pub fn balances(&self, ordered: Decimal) -> bool {
        self.accounted() == ordered
            && self.delivered <= self.shipped
            && self.invoiced <= self.shipped
            && self.returned <= self.shipped
    }
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderLine {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_line: Option<String>,
    /// How the buyer named the product.
    pub identifiers: Vec<ItemIdentifier>,
    /// The product; absent on a rejected line that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemNumber>,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The quantity ordered.
    pub ordered: Quantity,
    /// Its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<LinePrice>,
    /// What was promised; the quantities sum to the line's.
    pub schedule: Vec<ScheduleLine>,
    /// What has become of it.
    pub quantities: LineQuantities,
    /// Why it was rejected.
    pub problems: Vec<LineProblem>,
}

/// A sales order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesOrder {
    /// Its id.
    pub order_id: OrderId,
    /// Its key in other systems, printed on documents.
    pub order_reference: OrderReference,
    /// The ERP's number, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_order_number: Option<ErpOrderNumber>,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_number: Option<String>,
    /// The selling company.
    pub company: CompanyId,
    /// The sold-to account.
    pub account: AccountId,
    /// Where it goes.
    pub ship_to: ShipToId,
    /// The channel that brought it: `portal`, `edi` …
    pub channel: String,
    /// The document it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<SourceDocument>,
    /// The order that it took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<OrderId>,
    /// The order that takes its place once it is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<OrderId>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Changes by one with every change; the `ETag`.
    pub version: u64,
    /// What it waits for; empty = nothing.
    pub holds: Vec<OrderHold>,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// What warehouses pick, pack and ship of it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<Shipment>,
    /// The total of the lines not rejected, without what the ERP adds.
    pub total: Money,
    /// What it comes to in the ERP, with what that adds (freight, tax); absent while the ERP does not have it, and where
    /// it could not be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erp_totals: Option<ErpTotals>,
    /// True while it stands on facts that were older than they should be, since the ERP did not answer: they are read
    /// again before the order is created there, and a difference becomes a hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// Since when it is not known whether the ERP has it: a create was not answered. Absent once that is known; a hold of
    /// kind `erp_unknown` says that a person has to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erp_unknown_since: Option<Timestamp>,
    /// How old they were, while it is provisional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_on: Option<TakenOn>,
    /// When it became durable.
    pub received_at: Timestamp,
    /// When the ERP had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// The decision record of its acceptance: facts, rules, alternatives.
    pub decision_id: Uuid,
    /// The business correlation id, kept over retries.
    pub correlation_id: String,
    /// The W3C trace id of the request that brought it.
    pub trace_id: String,
}

/// What a provisional order was taken on: the oldest fact of each kind; absent = none of that kind was needed or known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TakenOn {
    /// Whether the ERP took no orders, as far as was known.
    pub erp_away: bool,
    /// Prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<FactAge>,
    /// Stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<FactAge>,
    /// Credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<FactAge>,
}

/// How old a fact was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FactAge {
    /// When it was read.
    pub as_of: Timestamp,
    /// True where that was older than it should be because its source did not answer.
    pub degraded: bool,
}

/// The answer to a taken order: durable, and the ERP's word follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesOrderAccepted {
    /// Its id.
    pub order_id: OrderId,
    /// Its key in other systems.
    pub order_reference: OrderReference,
    /// `received` or `held`.
    pub status: OrderStatus,
    /// Its version.
    pub version: u64,
    /// What it waits for; empty = nothing.
    pub holds: Vec<OrderHold>,
    /// Its total.
    pub total: Money,
    /// True where it stands on facts that are older than they should be, since the ERP does not answer: they are read
    /// again before the order is created there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesOrderPage {
    /// The orders.
    pub items: Vec<SalesOrder>,
    /// The cursor of the page after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A hold in the list of all: the order it is on, and enough of it to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its version, to be named when a hold is released.
    pub version: u64,
    /// Its key in other systems.
    pub order_reference: OrderReference,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The account.
    pub account: AccountId,
    /// The channel that brought it.
    pub channel: String,
    /// Its total.
    pub total: Money,
    /// What it waits for.
    pub holds: Vec<OrderHold>,
}
