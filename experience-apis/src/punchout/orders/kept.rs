//! What is kept with a document, so that any instance can carry it on, answer it alike once more, or render it.

use canonical_model::{DocumentId, document::Document, order::SalesOrder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use service_runtime::problem::FieldError;

use super::Failure;
use crate::{
    desk::Origin,
    punchout::cxml::status::{Code, Status},
};

/// What was kept with a document.
pub(super) fn kept<T: DeserializeOwned>(document: &Document) -> Result<T, Failure> {
    let context = document.context.clone().unwrap_or_default();
    serde_json::from_value(context).map_err(Failure::Owed)
}

/// Of an order that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intake {
    /// It is a test, and never books.
    pub(super) test: bool,
    /// The request that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Origin>,
}

/// What became of it: the Status of its Response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The code.
    code: u16,
    /// The sentence.
    detail: String,
}

impl From<&Status> for Outcome {
    fn from(status: &Status) -> Self {
        Self {
            code: status.code.number(),
            detail: status.detail.clone(),
        }
    }
}

impl Outcome {
    /// Of a document that was answered.
    pub(super) fn of(document: &Document) -> Result<Option<Status>, Failure> {
        let Some(outcome) = document.outcome.clone() else {
            return Ok(None);
        };
        let outcome: Self = serde_json::from_value(outcome).map_err(Failure::Owed)?;
        let code = Code::of_number(outcome.code).unwrap_or(Code::Ok);
        Ok(Some(Status::new(code, outcome.detail)))
    }
}

/// Of a confirmation owed for what became no order, or no change of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    /// Why, in sentences that the partner can act on.
    pub(super) reasons: Vec<String>,
}

/// Of a confirmation that process-apis owe for an order: the order as it was when it became owed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OrderNews {
    /// `held`, `accepted`, `rejected`, `cancelled`, `change_refused` or `replacement_refused`.
    pub(super) purpose: String,
    /// The order.
    pub(super) order: Box<SalesOrder>,
    /// The confirmation before this one about the same order.
    #[serde(default)]
    pub(super) previous: Option<DocumentId>,
    /// Why a change of it was refused.
    #[serde(default)]
    detail: Option<String>,
    /// What of the change was refused.
    #[serde(default)]
    reasons: Vec<FieldError>,
}

impl OrderNews {
    /// Why a change was refused; `None` = this is no refusal of a change.
    pub(super) fn refused_change(&self) -> Option<Vec<String>> {
        if !matches!(
            self.purpose.as_str(),
            "change_refused" | "replacement_refused"
        ) {
            return None;
        }
        let reasons = self.reasons.iter().map(|reason| reason.detail.clone());
        Some(self.detail.iter().cloned().chain(reasons).collect())
    }
}
