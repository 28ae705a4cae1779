//! Baskets: priced, promised and checked without anything being written. The same engine as an order's, without the
//! commit; so a basket check is also the what-if.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    credit::CreditPosition,
    ids::{AccountId, ItemNumber, QuoteId, ReservationId, ShipToId},
    item::ItemIdentifier,
    money::{Money, UnitPrice},
    order::HoldReason,
    price::{AppliedPromotion, ContractVersion, PriceLevel},
    promise::ScheduleLine,
    quantity::{Quantity, UnitOfMeasure},
};

/// Checks a basket; `POST /v1/basket-checks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasketRequest {
    /// The sold-to account.
    pub account: AccountId,
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// When the buyer wants it; absent = as soon as possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub requested_delivery_date: Option<Date>,
    /// A quote whose locked prices apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_id: Option<QuoteId>,
    /// A reservation whose stock applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// Everything together, on the last line's date.
    #[serde(default)]
    pub ship_complete: bool,
    /// The lines; 1 to 5,000.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<BasketLine>,
}

/// A line of a basket or an order, as the buyer states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasketLine {
    /// The product, by one or more of its numbers: the first that names one counts.
    #[schema(min_items = 1, max_items = 10)]
    pub identifiers: Vec<ItemIdentifier>,
    /// How much; more than zero.
    #[schema(value_type = String)]
    #[serde(with = "crate::decimal")]
    pub quantity: rust_decimal::Decimal,
    /// The unit ordered; absent = the product's sales unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitOfMeasure>,
    /// What the buyer believes it costs; a difference beyond the tolerance becomes a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_unit_price: Option<UnitPrice>,
    /// When the buyer wants this line; absent = as the basket says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub requested_delivery_date: Option<Date>,
    /// The buyer's own number of the line, given back as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20)]
    pub buyer_line: Option<String>,
    /// A quote whose locked price applies to this line; absent = the basket's, if it names one. An order may gather what
    /// was quoted at several times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_id: Option<QuoteId>,
}

/// What would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would be taken.
    Accept,
    /// It would be taken and held.
    Hold,
    /// It would be refused.
    Reject,
}

/// The answer to a basket check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BasketCheck {
    /// What would become of it as an order.
    pub verdict: Verdict,
    /// Why it would be held.
    pub holds: Vec<HoldReason>,
    /// Why it would be refused, for the basket as a whole.
    pub problems: Vec<LineProblem>,
    /// The lines, in the order asked.
    pub lines: Vec<CheckedLine>,
    /// The total of the lines that are priced.
    pub total: Money,
    /// The credit position that rules: the one with the least available on the way up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<CreditPosition>,
    /// True where any fact behind it is older than it should be because its source does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// A checked line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedLine {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_line: Option<String>,
    /// The product, where the identifiers name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemNumber>,
    /// The quantity, in the unit that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// Its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<LinePrice>,
    /// When it can be had; the quantities sum to the line's.
    pub schedule: Vec<ScheduleLine>,
    /// What is wrong with it; empty = nothing.
    pub problems: Vec<LineProblem>,
}

/// The price of a line, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinePrice {
    /// Per one unit.
    pub unit_price: UnitPrice,
    /// Price times quantity, rounded once.
    pub total: Money,
    /// Which source won.
    pub basis: PriceBasis,
    /// The age of the record behind it; absent for a quote's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// True where that is older than it should be because the source does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// Which source a price comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum PriceBasis {
    /// A quote that locked it.
    Quote {
        /// The quote.
        quote_id: QuoteId,
    },
    /// A record of the system of record.
    Record {
        /// Where it stands.
        level: PriceLevel,
        /// The record's number.
        record: String,
        /// The contract behind it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contract: Option<ContractVersion>,
        /// The promotion that the price is lower by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promotion: Option<AppliedPromotion>,
    },
}

/// What is wrong with a line, as a stable code and a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineProblem {
    /// The code.
    pub code: LineProblemCode,
    /// Which field, as a JSON Pointer into the request.
    pub pointer: String,
    /// The sentence.
    pub detail: String,
}

/// The codes of [`LineProblem`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LineProblemCode {
    /// No identifier names a product.
    UnknownItem,
    /// The product can no longer be ordered.
    NotOrderable,
    /// The product is not sold in this unit, or not in this part of one.
    WrongUnit,
    /// The quantity is zero, negative, or beyond what an order may hold.
    QuantityOutOfRange,
    /// No price of the account applies.
    NoPrice,
    /// The price is not known now, since its source does not answer: it is given on request.
    PriceOnRequest,
    /// No date can be promised now, since what there is of it is not known.
    DateUnconfirmed,
    /// Not enough, now or later, and no date at which there would be.
    NotAvailable,
    /// The account may not order.
    AccountBlocked,
    /// The delivery address is not the account's.
    UnknownShipTo,
    /// The quote is unknown, expired, or another account's.
    QuoteNotUsable,
    /// The reservation is unknown, expired, or another account's.
    ReservationNotUsable,
    /// The date lies in the past or beyond the horizon.
    DateOutOfRange,
}
