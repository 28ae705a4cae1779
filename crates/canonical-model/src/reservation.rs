//! Reservations: stock held for a buyer for a time, before it orders. Soft: they expire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    basket::{BasketLine, CheckedLine},
    ids::{AccountId, ReservationId, ShipToId},
};

/// Reserves stock; `POST /v1/reservations`. All lines in full or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationRequest {
    /// The sold-to account.
    pub account: AccountId,
    /// Where it would go; absent = the account's first delivery address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// The lines; 1 to 5,000.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<BasketLine>,
    /// For how long, in seconds; absent = the policy's, and never longer than it allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// Reserved stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// The decision record of the promise.
    pub decision_id: Uuid,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// The stock is held.
    Held,
    /// An order took it over.
    Consumed,
    /// The buyer gave it back.
    Released,
    /// Its time ran out.
    Expired,
}
