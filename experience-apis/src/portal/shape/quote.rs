//! Quotes: prices locked for a time.

use canonical_model::{AccountId, Money, QuoteId, ShipToId, quote::QuoteState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::basket::{CheckedLine, Line};

/// Asks for a quote: whole, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"lines": [{"item": "SKU-0001", "quantity": {"value": "100", "unit": "EA"}}]}))]
pub struct QuoteRequest {
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default)]
    pub ship_to: Option<ShipToId>,
    /// The lines; `expected_unit_price` is not compared.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<Line>,
}

/// A quote: these prices hold for these items, in these units, at these quantities or more, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
    /// Whether the prices still hold.
    pub state: QuoteState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when the prices hold.
    pub expires_at: Timestamp,
    /// The record of how the prices were found; quote it to the seller.
    pub decision_id: Uuid,
}
