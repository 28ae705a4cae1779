//! What is written on an order about the one that takes its place.

use canonical_model::{OrderId, order::SalesOrderRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_runtime::problem::FieldError;

/// The order that is to take another's place: all that it is taken from, later, by whoever is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replacement {
    /// The id that it will have.
    pub order_id: OrderId,
    /// What is asked.
    pub request: SalesOrderRequest,
    /// Fingerprint of what is ordered.
    pub content: String,
    /// The channel that brought it.
    pub channel: String,
    /// Who asked for it.
    pub principal: String,
    /// The business correlation id.
    pub correlation_id: String,
    /// W3C trace context of the request that brought it.
    pub traceparent: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// Nothing takes its place any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacementDropped {
    /// The order that is not taken.
    pub order_id: OrderId,
    /// Who wants it cancelled without.
    pub principal: String,
}

/// Another order took its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    /// The other order.
    pub order_id: OrderId,
}

/// The order that was to take its place is not taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacementRefused {
    /// The order that is not taken.
    pub order_id: OrderId,
    /// What happened and what to do, in a sentence.
    pub detail: String,
    /// The faults, where there are some; each names its field.
    pub reasons: Vec<FieldError>,
}
