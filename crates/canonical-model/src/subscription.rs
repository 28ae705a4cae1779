//! Webhook subscriptions: who is told of what happens to an account's orders, at which address, and how that goes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::ids::{AccountId, SubscriptionId};

/// Asks to be told; `POST /v1/subscriptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// The account whose orders it is about.
    pub account: AccountId,
    /// Where events are posted to: an https URL of a public host.
    #[schema(max_length = 2048)]
    pub url: String,
    /// Which types of event: `order.shipped`, its full name, or `order.*`; empty = all.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub types: Vec<String>,
    /// What it is for, in the subscriber's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    pub description: Option<String>,
}

/// Changes a subscription that has not changed since it was read (`If-Match`); `PUT /v1/subscriptions/{subscription_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSubscription {
    /// Where events are posted to from now on.
    #[schema(max_length = 2048)]
    pub url: String,
    /// Which types of event; empty = all.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub types: Vec<String>,
    /// What it is for, in the subscriber's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    pub description: Option<String>,
    /// Whether events are sent from now on. Made active again, it goes on where it stopped.
    pub active: bool,
}

/// Whether events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// They are.
    Active,
    /// The subscriber has stopped them.
    Paused,
    /// We have stopped them: see `disabled_reason`.
    Disabled,
}

/// Why we have stopped sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// The receiver answered 410: it wants nothing any more.
    Gone,
    /// Nothing but failures for as long as is retried.
    Failing,
}

/// A subscription, and how delivery goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// Its id.
    pub subscription_id: SubscriptionId,
    /// The account whose orders it is about.
    pub account: AccountId,
    /// Where events are posted to.
    pub url: String,
    /// Which types of event; empty = all.
    pub types: Vec<String>,
    /// What it is for, in the subscriber's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// Whether events are sent.
    pub state: SubscriptionState,
    /// Why we have stopped sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub disabled_reason: Option<DisabledReason>,
    /// Changes by one with every change; the `ETag`. Deliveries do not change it.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// Until when the secret before the newest one signs too; absent = only the newest signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub previous_secret_until: Option<Timestamp>,
    /// What signs from now on: `whsec_` and base64. Shown when it is made, in that one answer and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    pub secret: Option<String>,
    /// How delivery goes.
    pub delivery: DeliveryHealth,
}

/// How delivery to one subscriber goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryHealth {
    /// Events up to here in the feed are delivered, wait by themselves, or are dead letters.
    pub position: u64,
    /// Orders of which an event waits to be tried again, and nothing after it is sent before.
    pub waiting_orders: u32,
    /// Events that were given up.
    pub dead_letters: u32,
    /// When an event was last taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_success_at: Option<Timestamp>,
    /// Since when nothing but failures; absent = the last attempt succeeded, or there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failing_since: Option<Timestamp>,
    /// Until when nothing is sent, because the receiver fails for all orders or asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub paused_until: Option<Timestamp>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_failure: Option<DeliveryFailure>,
}

/// What went wrong with an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryFailure {
    /// When.
    pub at: Timestamp,
    /// What.
    pub cause: FailureCause,
    /// The status answered, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<u16>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// An answer other than 2xx.
    Answer,
    /// No connection: unknown name, nobody listening, TLS refused.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke before there was an answer.
    Broken,
    /// The address may not be called.
    AddressRefused,
    /// The event cannot be told by this release yet: a later one wrote it.
    NotReadable,
}

/// Gives a subscription a new secret; `POST /v1/subscriptions/{subscription_id}/rotate-secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_seconds": 86400}))]
pub struct RotateSecret {
    /// For so many seconds the secrets before sign too, at most 7 days; 0 = they end at once; absent = 24 hours.
    #[serde(default)]
    #[schema(maximum = 604_800)]
    pub overlap_seconds: Option<u32>,
}

/// Sends again what was sent before; `POST /v1/subscriptions/{subscription_id}/replay`. One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"since": "2026-03-02T12:00:00Z"}))]
pub struct ReplaySubscription {
    /// Everything since this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Everything after this position in the feed; 0 = everything there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// What came of a test event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionTest {
    /// The id it was sent under.
    pub event_id: Uuid,
    /// Whether it was answered 2xx.
    pub delivered: bool,
    /// The status answered, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<u16>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<DeliveryFailure>,
}

/// An event that failed: it is tried again, or was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The event.
    pub event_id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The order it is about.
    pub subject: Uuid,
    /// Its sequence in the order.
    pub sequence: u64,
    /// Its position in the feed.
    pub position: u64,
    /// Attempts made.
    pub attempts: u32,
    /// When it first failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_failed_at: Option<Timestamp>,
    /// When it is tried next; absent on a dead letter that is not being replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_attempt_at: Option<Timestamp>,
    /// When it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dead_since: Option<Timestamp>,
    /// What went wrong last; absent = it was not tried yet, it waits for one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_failure: Option<DeliveryFailure>,
}

/// A page of subscriptions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionPage {
    /// The subscriptions.
    pub items: Vec<Subscription>,
    /// The cursor of the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A page of deliveries, oldest event first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    pub items: Vec<Delivery>,
    /// The cursor of the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// Which page of a subscription's deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliverySearch {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at most, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}

/// Which subscriptions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionSearch {
    /// Only of this account.
    pub account: Option<AccountId>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at most, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}
