//! Quotes: prices locked for a time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    basket::{BasketLine, CheckedLine},
    ids::{AccountId, QuoteId, ShipToId},
    money::Money,
};

/// Makes a quote; `POST /v1/quotes`. Every line must be sound and priced: a quote is whole or it is not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// The sold-to account.
    pub account: AccountId,
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// The lines; 1 to 5,000. `expected_unit_price` is not compared.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<BasketLine>,
    /// For how long the prices are to hold, in seconds; absent = the policy's, and never longer than it allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// A quote: the prices hold for these items, in these units, at these quantities or more, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// Its id, to be named by the order.
    pub quote_id: QuoteId,
    /// The account.
    pub account: AccountId,
    /// Where it goes.
    pub ship_to: ShipToId,
    /// The priced lines, with the dates as they were when it was made (dates are not locked; reserve for that).
    pub lines: Vec<CheckedLine>,
    /// The total.
    pub total: Money,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when the prices hold.
    pub expires_at: Timestamp,
    /// Whether they still do.
    pub state: QuoteState,
    /// The decision record of the prices.
    pub decision_id: Uuid,
}

/// Where a quote stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuoteState {
    /// Its prices hold.
    Open,
    /// They no longer do.
    Expired,
}
