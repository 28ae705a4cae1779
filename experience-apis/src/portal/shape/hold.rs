//! Why something waits, in a buyer's words: no limit, no backend, no scope.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The seller's credit department looks at it.
    CreditReview,
    /// The buyer's price differs from the seller's.
    PriceReview,
    /// It differs from what was quoted or shown: the seller looks at it.
    OrderReview,
    /// The seller completes its entry by hand.
    OrderEntryReview,
    /// The warehouse could not take it yet.
    WarehouseReview,
}

/// A hold, as the buyer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hold {
    /// Why.
    pub reason: HoldReason,
    /// What it means and what to do.
    pub message: String,
    /// The line, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line: Option<u32>,
    /// Since when; absent in a basket check.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub since: Option<Timestamp>,
}
