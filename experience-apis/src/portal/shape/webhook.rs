//! Webhooks: an address of the buyer's that is told what happens to its orders.

use canonical_model::{
    AccountId, SubscriptionId,
    subscription::{DeliveryHealth, DisabledReason, SubscriptionState},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks to be told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://shop.example.com/hooks/orders", "types": ["order.accepted", "order.shipped"]}))]
pub struct WebhookRequest {
    /// Where events are posted to: an https URL of a public host.
    #[schema(max_length = 2048)]
    pub url: String,
    /// Which types of event: `order.shipped`, its full name, `order.*` or `*`; absent or empty = all.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub types: Vec<String>,
    /// What it is for, in your words.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub description: Option<String>,
}

/// Changes a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://shop.example.com/hooks/orders", "types": ["order.*"], "active": true}))]
pub struct WebhookChange {
    /// Where events are posted to from now on.
    #[schema(max_length = 2048)]
    pub url: String,
    /// Which types of event; absent or empty = all.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub types: Vec<String>,
    /// What it is for, in your words.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub description: Option<String>,
    /// Whether events are sent from now on. Made active again, it goes on where it stopped.
    pub active: bool,
}

/// A webhook, and how delivery goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: SubscriptionId,
    /// The account whose orders it is told of.
    pub account: AccountId,
    /// Where events are posted to.
    pub url: String,
    /// Which types of event; empty = all.
    pub types: Vec<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// Whether events are sent.
    pub state: SubscriptionState,
    /// Why they are no longer sent, where that was not your choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub disabled_reason: Option<DisabledReason>,
    /// Changes by one with every change; the `ETag`. Deliveries do not change it.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// What signs from now on: `whsec_` and base64. Shown when it is made, in that one answer and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    pub secret: Option<String>,
    /// Until when the secret before the newest one signs too; absent = only the newest signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub previous_secret_until: Option<Timestamp>,
    /// How delivery goes.
    pub delivery: DeliveryHealth,
}

/// A page of webhooks, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WebhookPage {
    /// The webhooks.
    pub items: Vec<Webhook>,
    /// The cursor of the next page; absent = this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}
