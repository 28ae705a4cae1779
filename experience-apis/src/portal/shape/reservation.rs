//! Reservations: stock held for a time before the order.

use canonical_model::{AccountId, ReservationId, ShipToId, reservation::ReservationState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::basket::{CheckedLine, Line};

/// Asks for stock to be held: all lines in full, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"seconds": 900, "lines": [{"item": "SKU-0001", "quantity": {"value": "12"}}]}))]
pub struct ReservationRequest {
    /// Where it would go; absent = the account's first delivery address.
    #[serde(default)]
    pub ship_to: Option<ShipToId>,
    /// For how long; absent = what the seller allows, and never longer.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub seconds: Option<u32>,
    /// The lines.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<Line>,
}

/// Stock held for the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reservation {
    /// Its id, to be named by the order.
    pub reservation_id: ReservationId,
    /// The account.
    pub account: AccountId,
    /// Where it would go.
    pub ship_to: ShipToId,
    /// The lines, with what is held where and for which day.
    pub lines: Vec<CheckedLine>,
    /// Where it stands.
    pub state: ReservationState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is held.
    pub expires_at: Timestamp,
    /// The record of how the stock was found; quote it to the seller.
    pub decision_id: Uuid,
}
