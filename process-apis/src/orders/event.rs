//! What happens to an order: each event's type word, its version and its payload. Events last for years; a reader
//! keeps what it does not know and refuses commands on it.

use canonical_model::{
    AccountId, CompanyId, Currency, ErpOrderNumber, ItemNumber, Money, OrderId, OrderReference,
    PurchaseOrderNumber, Quantity, QuoteId, ReservationId, SiteId, UnitOfMeasure,
    account::ShipTo,
    basket::{LinePrice, LineProblem},
    erp_order::ErpTotals,
    item::ItemIdentifier,
    order::{HoldKind, OrderHold, SourceDocument, TakenOn},
    promise::ScheduleLine,
};
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::{
    replacement::{Replaced, Replacement, ReplacementDropped, ReplacementRefused},
    shipment::ShipmentRecorded,
};
use crate::store::{NewEvent, Payload, Written};

/// Why a stored event cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the payload of an event of type {event_type} is not readable")]
pub struct EventError {
    event_type: String,
    #[source]
    source: serde_json::Error,
}

/// An event as it was read: one of ours, or one that a later release wrote.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// Known here.
    Known(OrderEvent),
    /// Not known here: kept, and passed over.
    Unknown {
        /// Its type word.
        event_type: String,
        /// The version of its payload.
        type_version: u16,
    },
}

macro_rules! order_events {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $word:literal, $version:literal;)*) => {
        /// What happened to an order.
        #[derive(Debug, Clone, PartialEq)]
        pub enum OrderEvent {
            $($(#[$doc])* $variant($data),)*
        }

        impl OrderEvent {
            /// Every type word with the version that this release writes.
            pub const TYPES: &'static [(&'static str, u16)] = &[$(($word, $version),)*];

            /// Its type word.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$variant(_) => $word,)* }
            }

            /// The version of its payload's shape.
            pub fn type_version(&self) -> u16 {
                match self { $(Self::$variant(_) => $version,)* }
            }

            /// As the store keeps it.
            pub fn to_new(&self) -> Result<NewEvent, EventError> {
                let data = match self { $(Self::$variant(data) => Written::of(data),)* };
                let (event_type, type_version) = (self.word(), self.type_version());
                match data {
                    Ok(data) => Ok(NewEvent { event_type, type_version, data }),
                    Err(source) => Err(EventError { event_type: event_type.to_owned(), source }),
                }
            }
        }

        impl Recorded {
            /// Reads a stored event; what a later release wrote is unknown, not wrong.
            pub fn read(event_type: &str, type_version: u16, data: &impl Payload) -> Result<Self, EventError> {
                let known = match (event_type, type_version) {
                    $(($word, $version) => data.read::<$data>().map(OrderEvent::$variant),)*
                    _ => return Ok(Self::Unknown { event_type: event_type.to_owned(), type_version }),
                };
                known.map(Self::Known).map_err(|source| EventError { event_type: event_type.to_owned(), source })
            }
        }
    };
}

order_events! {
    /// It became durable.
    Received(Box<Received>) = "order.received", 1;
    /// It stands on facts that are older than they should be, since the ERP does not answer. Nothing is created there
    /// before they are read again.
    ProvisionallyAccepted(Box<ProvisionallyAccepted>) = "order.provisionally_accepted", 1;
    /// What it stands on was read again, from a source that answers.
    Revalidated(Revalidated) = "order.revalidated", 1;
    /// It waits for a person.
    Held(Held) = "order.held", 1;
    /// A person let it go on.
    HoldReleased(HoldReleased) = "order.hold_released", 1;
    /// What had stopped is tried again.
    Retried(Retried) = "order.retried", 1;
    /// Of the ERP's orders with our reference, this is the one.
    ErpOrderChosen(ErpOrderChosen) = "order.erp_order_chosen", 1;
    /// Whether the ERP has it is not known: a create was not answered.
    ErpOutcomeUnknown(ErpOutcomeUnknown) = "order.erp_outcome_unknown", 1;
    /// The ERP has it.
    Accepted(Accepted) = "order.accepted", 1;
    /// The warehouse is about to be told: from here on it cannot be cancelled.
    ReleaseBegun(ReleaseBegun) = "order.release_begun", 1;
    /// The warehouse has what ships from a site.
    Released(Released) = "order.released", 1;
    /// Of what a warehouse has, it has picked some; the payload is the whole shipment as it is.
    Picked(Box<ShipmentRecorded>) = "order.picked", 1;
    /// Of what a warehouse has picked, it has packed some.
    Packed(Box<ShipmentRecorded>) = "order.packed", 1;
    /// Of what a warehouse has packed, some has left.
    Shipped(Box<ShipmentRecorded>) = "order.shipped", 1;
    /// It ends as refused.
    Rejected(Rejected) = "order.rejected", 1;
    /// It is to end as cancelled, once it is settled that the ERP does not go on with it.
    CancelRequested(CancelRequested) = "order.cancel_requested", 1;
    /// The ERP goes on with it: it is not cancelled.
    CancelRefused(CancelRefused) = "order.cancel_refused", 1;
    /// It ends as cancelled.
    Cancelled(Cancelled) = "order.cancelled", 1;
    /// Another order is to take its place once it has ended. Any that was to do so before is dropped.
    ReplacementRequested(Box<Replacement>) = "order.replacement_requested", 1;
    /// No other order is to take its place any more.
    ReplacementDropped(ReplacementDropped) = "order.replacement_dropped", 1;
    /// The other order is taken.
    Replaced(Replaced) = "order.replaced", 1;
    /// It has ended, and the other order is not taken.
    ReplacementRefused(ReplacementRefused) = "order.replacement_refused", 1;
}

/// An order as it was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Its id.
    pub order_id: OrderId,
    /// Its key in other systems.
    pub reference: OrderReference,
    /// The selling company.
    pub company: CompanyId,
    /// The sold-to account.
    pub account: AccountId,
    /// Where it goes.
    pub ship_to: ShipTo,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_number: Option<String>,
    /// The currency of all prices.
    pub currency: Currency,
    /// When the buyer wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_delivery_date: Option<Date>,
    /// The channel that brought it.
    pub channel: String,
    /// The document it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<SourceDocument>,
    /// The quote whose prices it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_id: Option<QuoteId>,
    /// The reservation whose stock it took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// The order that it took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<OrderId>,
    /// Its lines.
    pub lines: Vec<ReceivedLine>,
    /// The total of the lines not rejected.
    pub total: Money,
    /// The stock it claims.
    pub stock: Vec<ClaimedStock>,
    /// The credit it needs.
    pub credit: CreditNeed,
    /// Whether `order.held` follows in the same commit.
    pub held: bool,
    /// Fingerprint of what was ordered: the same for the same order from another channel.
    pub content: String,
    /// The decision record of its acceptance.
    pub decision_id: Uuid,
    /// The business correlation id.
    pub correlation_id: String,
    /// The W3C trace id of the request that brought it.
    pub trace_id: String,
    /// When it became durable.
    pub received_at: Timestamp,
}

/// A line as it was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceivedLine {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_line: Option<String>,
    /// How the buyer named the product.
    pub identifiers: Vec<ItemIdentifier>,
    /// The product.
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
    /// What was promised.
    pub schedule: Vec<ScheduleLine>,
    /// The unit in which a warehouse counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_unit: Option<UnitOfMeasure>,
    /// The quantities of the schedule lines in that unit.
    pub base_quantities: Vec<Decimal>,
    /// Why it was rejected; empty = it was taken.
    pub problems: Vec<LineProblem>,
}

/// Stock that an order claims, in the item's base unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimedStock {
    /// For which line.
    pub line: u32,
    /// What.
    pub item: ItemNumber,
    /// From where.
    pub site: SiteId,
    /// From which day on.
    pub day: Date,
    /// How much.
    pub quantity: Decimal,
}

/// Credit that an order needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreditNeed {
    /// The account and all above it.
    pub levels: Vec<AccountId>,
    /// How much.
    pub amount: Decimal,
    /// Whether reaching the limit exactly is already too much.
    pub limit_is_exclusive: bool,
    /// Whether it was claimed with the order; a credit hold claims nothing until it is released.
    pub claimed: bool,
    /// Whether it was claimed whatever the limit says: a level was not known, and the policy takes such orders.
    #[serde(default)]
    pub unknown: bool,
}

/// It was taken on facts that are older than they should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvisionallyAccepted {
    /// How old they were.
    pub taken_on: TakenOn,
    /// What it takes of what may be outstanding, until the ERP has it or it ends.
    pub bounds: Vec<ClaimedBound>,
}

/// What an order takes of a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedBound {
    /// Which sum.
    pub bound: String,
    /// How much.
    pub amount: Decimal,
    /// What the sum might reach, by the policy that was in force.
    pub limit: Decimal,
}

/// What it stands on was read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revalidated {
    /// The decision record of it.
    pub decision_id: Uuid,
    /// Whether something differs: `order.held` follows in the same commit.
    pub held: bool,
    /// Whether its credit claim is given back, until a person releases the hold.
    pub credit_held: bool,
}

/// Holds were placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The holds.
    pub holds: Vec<OrderHold>,
    /// The site whose release failed for certain, so that it can be cancelled again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_released: Option<SiteId>,
}

/// A hold was released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldReleased {
    /// Its number.
    pub hold: u32,
    /// Its kind.
    pub kind: HoldKind,
    /// Who released it.
    pub principal: String,
    /// Why.
    pub note: String,
}

/// What had stopped is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retried {
    /// The holds that are lifted by it.
    pub holds: Vec<u32>,
    /// Who asked for it.
    pub principal: String,
    /// Why.
    pub note: String,
}

/// One of the ERP's orders was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErpOrderChosen {
    /// Its number.
    pub sales_order_number: ErpOrderNumber,
}

/// A create was not answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErpOutcomeUnknown {
    /// Since when it is not known what became of it.
    pub since: Timestamp,
}

/// The ERP has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its number.
    pub sales_order_number: ErpOrderNumber,
    /// When the ERP's answer was received.
    pub accepted_at: Timestamp,
    /// What it comes to there, with what the ERP added; absent where it was not read, and in logs of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erp_totals: Option<Box<ErpTotals>>,
}

/// A warehouse is about to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseBegun {
    /// Which.
    pub site: SiteId,
}

/// A warehouse has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Released {
    /// Which.
    pub site: SiteId,
    /// The warehouse's number.
    pub release_number: String,
}

/// It ends as refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// Why.
    pub detail: String,
    /// Who decided it.
    pub principal: String,
}

/// It is to be cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// Who asked for it.
    pub principal: String,
    /// Why.
    pub note: String,
}

/// It is not cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelRefused {
    /// Why.
    pub detail: String,
}

/// It ends as cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Who asked for it.
    pub principal: String,
    /// Why.
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let event = OrderEvent::ErpOrderChosen(ErpOrderChosen {
            sales_order_number: ErpOrderNumber::new("SO-1").unwrap(),
        });
        let new = event.to_new().unwrap();
        assert_eq!(
            (new.event_type, new.type_version),
            ("order.erp_order_chosen", 1)
        );
        let read = Recorded::read(new.event_type, new.type_version, &new.data).unwrap();
        assert_eq!(read, Recorded::Known(event));
    }

    #[test]
    fn unknown_fields_are_passed_over_and_unknown_types_and_versions_kept() {
        let data = json!({"site": "EAST", "added_later": true});
        let read = Recorded::read("order.release_begun", 1, &data).unwrap();
        assert!(matches!(read, Recorded::Known(OrderEvent::ReleaseBegun(_))));
        for (word, version) in [("order.painted", 1), ("order.release_begun", 2)] {
            let read = Recorded::read(word, version, &data).unwrap();
            assert_eq!(
                read,
                Recorded::Unknown {
                    event_type: word.to_owned(),
                    type_version: version
                }
            );
        }
        assert!(Recorded::read("order.release_begun", 1, &json!({})).is_err());
    }
}
