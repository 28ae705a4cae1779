//! Events as the feed gives them: `CloudEvents` 1.0 in JSON, with a position in the feed and a sequence in the stream.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::AccountId;

/// One event. `type` is `com.orderway.<stream>.<what>.v<version>`; a reader passes over types it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique; the same on every delivery.
    pub id: Uuid,
    /// Which instance of Orderway, as a URI reference.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// To what: the id of the order, quote, reservation …
    pub subject: String,
    /// When.
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The position in its stream, from 1, without gaps.
    pub sequence: u64,
    /// The position in the feed: rising, with gaps.
    pub position: u64,
    /// The account it is about; absent = none in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The business correlation id.
    pub correlationid: String,
    /// W3C trace context of the cause.
    pub traceparent: String,
    /// What happened, in detail.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events after the cursor, in feed order.
    pub events: Vec<CloudEvent>,
    /// The cursor to go on from; the one given where there is nothing new.
    pub next: u64,
}
