//! What Orderway tells about orders: the one shape that the feed, the event stream, webhooks and the bus carry.
//!
//! `CloudEvents` 1.0 in JSON, in a buyer's words: no credit figure, no cost, no backend's sentence, nothing of another
//! account. Shapes only grow; what would change a meaning gets a new type version.

use std::str::FromStr;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ids::{
        AccountId, ErpOrderNumber, ItemNumber, OrderId, OrderReference, PurchaseOrderNumber, SiteId,
    },
    money::Money,
    order::{HoldKind, LineQuantities, OrderHold, OrderStatus},
    quantity::Quantity,
    shipment::Shipment,
};

macro_rules! types {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal;)*) => {
        /// What can be told of an order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum PublicEventType {
            $($(#[doc = $doc])* $name,)*
        }

        impl PublicEventType {
            /// All of them, in the order in which they usually happen.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its word: `order.accepted`.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Its name in the `type` of an event: the word with prefix and version.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("com.orderway.", $word, ".v1"),)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii_start(),)* }
            }
        }
    };
}

types! {
    /// The order was received and is durable.
    Received = "order.received";
    /// It was taken while the seller's system did not answer, on figures that are looked at again before it goes on.
    ProvisionallyAccepted = "order.provisionally_accepted";
    /// Those figures were looked at again: it goes on as it was taken, or waits for the seller.
    Revalidated = "order.revalidated";
    /// The order waits for the seller; `holds` say for what.
    Held = "order.held";
    /// Something that the order waited for is settled; it goes on once `holds` is empty.
    HoldReleased = "order.hold_released";
    /// The seller's system has the order and its number is known.
    Accepted = "order.accepted";
    /// A warehouse has what ships from one site.
    Released = "order.released";
    /// A warehouse has picked some of it.
    Picked = "order.picked";
    /// A warehouse has packed some of it.
    Packed = "order.packed";
    /// Some of it has left.
    Shipped = "order.shipped";
    /// The seller refused the order.
    Rejected = "order.rejected";
    /// The order is to be cancelled, as soon as the seller's system agrees.
    CancelRequested = "order.cancel_requested";
    /// The order is not cancelled: it is too late.
    CancelRefused = "order.cancel_refused";
    /// The order was cancelled.
    Cancelled = "order.cancelled";
    /// Another order took its place; `replaced_by` names it.
    Replaced = "order.replaced";
    /// The order has ended, and the one that was to take its place was not taken.
    ReplacementRefused = "order.replacement_refused";
}

/// A text that names no type of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no type of event; see docs/events.md for those there are")]
pub struct UnknownType(String);

impl FromStr for PublicEventType {
    type Err = UnknownType;

    /// Reads the word (`order.accepted`) or the full name (`com.orderway.order.accepted.v1`).
    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let text = text.trim();
        let is = |known: &&Self| known.word() == text || known.name() == text;
        let found = Self::ALL.iter().find(is).copied();
        found.ok_or_else(|| UnknownType(text.chars().take(80).collect()))
    }
}

/// One event of an order.
///
/// It has the same bytes wherever and whenever it is delivered; a delivery may come twice, known by `id`. Events of one
/// order come in the order of `sequence`. Pass over types and fields that you do not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicEvent {
    /// Always `1.0`.
    #[schema(example = "1.0")]
    pub specversion: String,
    /// Unique, and the same on every delivery.
    pub id: Uuid,
    /// The selling company: `/companies/US01`.
    #[schema(example = "/companies/US01")]
    pub source: String,
    /// What happened: `com.orderway.<what>.v<version>`.
    #[serde(rename = "type")]
    #[schema(example = "com.orderway.order.accepted.v1")]
    pub event_type: String,
    /// The order's id.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// Always `application/json`.
    #[schema(example = "application/json")]
    pub datacontenttype: String,
    /// The order's version after it. Rises from event to event of an order; numbers may be missing where a step is of no
    /// concern outside.
    pub sequence: u64,
    /// Its place in the feed: the cursor to read on from.
    pub position: u64,
    /// The account it is about.
    pub account: AccountId,
    /// The business correlation id of what caused it.
    pub correlationid: String,
    /// W3C trace context of what caused it.
    pub traceparent: String,
    /// The order as it stood right after, and what changed.
    pub data: OrderNews,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicEventPage {
    /// The events after the cursor, oldest first; may be empty, or fewer than asked for, while there are more.
    pub events: Vec<PublicEvent>,
    /// The cursor to go on from.
    pub next: u64,
}

/// An order right after something happened to it, and which lines changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderNews {
    /// Its id.
    pub order_id: OrderId,
    /// Its key on documents and on the telephone.
    pub order_reference: OrderReference,
    /// The seller's number, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sales_order_number: Option<ErpOrderNumber>,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub release_number: Option<String>,
    /// The channel that brought it: `portal`, `edi` …
    pub channel: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Its version, as in the `ETag`.
    pub version: u64,
    /// The total of the lines not rejected.
    pub total: Money,
    /// True while it stands on figures that are looked at again before it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// What it waits for; empty = nothing.
    pub holds: Vec<HoldNews>,
    /// The lines whose quantities changed; on `order.received` all.
    pub lines: Vec<LineNews>,
    /// The site that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub site: Option<SiteId>,
    /// The shipment that the event is about, as it is: who carries it, and the numbers to follow it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub shipment: Option<Shipment>,
    /// The order that it took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub replaces: Option<OrderId>,
    /// The order that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub replaced_by: Option<OrderId>,
}

/// What an order waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldNews {
    /// Why.
    pub reason: HoldCause,
    /// The line, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line: Option<u32>,
    /// Since when.
    pub since: Timestamp,
}

/// A line whose quantities changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineNews {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buyer_line: Option<String>,
    /// The product; absent on a rejected line that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub item: Option<ItemNumber>,
    /// The quantity ordered.
    pub ordered: Quantity,
    /// The day the last of it arrives, where that is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = Date)]
    pub promised_delivery_date: Option<Date>,
    /// What has become of it, in the unit ordered.
    pub quantities: LineQuantities,
}

/// What an order waits for, in a buyer's words: no limit, no backend, no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// The seller's credit department looks at it.
    CreditReview,
    /// The buyer's price differs from the seller's.
    PriceReview,
    /// It needs an approval of the seller, or differs from what was quoted or shown: the seller looks at it.
    OrderReview,
    /// What was promised may no longer be there: the seller looks at it.
    AvailabilityReview,
    /// The seller completes its entry by hand.
    OrderEntryReview,
    /// The warehouse could not take it yet.
    WarehouseReview,
}

impl From<HoldKind> for HoldCause {
    fn from(kind: HoldKind) -> Self {
        match kind {
            HoldKind::Credit => Self::CreditReview,
            HoldKind::PriceMismatch => Self::PriceReview,
            HoldKind::Review => Self::OrderReview,
            HoldKind::Allocation => Self::AvailabilityReview,
            HoldKind::ErpUnknown | HoldKind::ErpRejected | HoldKind::ErpDuplicate => {
                Self::OrderEntryReview
            }
            HoldKind::Warehouse => Self::WarehouseReview,
        }
    }
}

impl From<&OrderHold> for HoldNews {
    /// The seller's own sentence stays inside: it may hold limits and backend words.
    fn from(hold: &OrderHold) -> Self {
        Self {
            reason: hold.reason.kind.into(),
            line: hold.reason.line,
            since: hold.placed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_by_its_word_and_by_its_full_name() {
        for known in PublicEventType::ALL {
            assert_eq!(known.word().parse(), Ok(*known));
            assert_eq!(known.name().parse(), Ok(*known));
            assert!(known.meaning().ends_with('.'), "{}", known.meaning());
        }
        for unknown in [
            "order",
            "order.erp_order_chosen",
            "com.orderway.order.accepted.v2",
            "",
        ] {
            assert!(unknown.parse::<PublicEventType>().is_err(), "{unknown}");
        }
    }
}
