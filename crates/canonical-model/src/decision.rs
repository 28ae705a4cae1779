//! Decision records: why something was decided, from which facts, by which rule, over which alternatives.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::AccountId;

/// A decision record. From `facts` and `request` alone the same engine comes to the same `outcome`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionRecord {
    /// Its id.
    pub decision_id: Uuid,
    /// What was decided: `order`, `quote`, `reservation`.
    pub kind: String,
    /// The account it was decided for.
    pub account: AccountId,
    /// The order, quote or reservation it belongs to.
    pub subject: String,
    /// When.
    pub decided_at: Timestamp,
    /// What was asked.
    #[schema(value_type = Object)]
    pub request: serde_json::Value,
    /// The facts, each with its source and `as_of`.
    #[schema(value_type = Object)]
    pub facts: serde_json::Value,
    /// Rules applied, and alternatives rejected with the reason, for price, promise, credit and sourcing.
    pub steps: Vec<DecisionStep>,
    /// What came of it.
    #[schema(value_type = Object)]
    pub outcome: serde_json::Value,
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionStep {
    /// `price`, `promise`, `credit`, `sourcing`, `account` …
    pub about: String,
    /// The line, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The rule that applied.
    pub rule: String,
    /// What it chose.
    pub chosen: String,
    /// What it did not choose, and why.
    pub rejected: Vec<RejectedAlternative>,
}

/// An alternative that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedAlternative {
    /// The alternative.
    pub alternative: String,
    /// Why not.
    pub reason: String,
}
