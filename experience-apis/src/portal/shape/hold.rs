//! Why something waits, in a buyer's words: no limit, no backend, no scope.

use canonical_model::public_event::HoldCause;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A hold, as the buyer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hold {
    /// Why.
    pub reason: HoldCause,
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
