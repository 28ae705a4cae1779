//! What is kept with a document, so that any instance can carry it on or render it.

use canonical_model::{OrderId, document::Document, order::SalesOrder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{agreement::Agreement, failure::Failure};
use crate::desk::Origin;

/// What was kept with a document.
pub(super) fn kept<T: DeserializeOwned>(document: &Document) -> Result<T, Failure> {
    let context = document.context.clone().unwrap_or_default();
    serde_json::from_value(context).map_err(Failure::Owed)
}

/// Of an interchange that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intake {
    /// By which it is judged.
    pub(super) agreement: Agreement,
    /// The transactions whose orders were accepted: exactly these are taken.
    pub(super) orders: Vec<String>,
    /// The request that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Origin>,
}

/// Of a functional acknowledgement. Everything else of its verdict comes from the stored bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acknowledge {
    /// Other bytes had come under this control number before.
    #[serde(default)]
    pub(super) duplicate: bool,
}

/// Of an answer to a purchase order that became no order of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Which transaction of the inbound document.
    pub(super) transaction: String,
    /// What is answered.
    #[serde(flatten)]
    pub(super) said: Said,
}

/// What is answered to a purchase order that became no order of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub(super) enum Said {
    /// It was refused.
    Refused(Refusal),
    /// It had been taken before, with the same content.
    TakenBefore {
        /// Its order.
        order_id: OrderId,
    },
}

/// Why a purchase order was refused, in sentences that the partner can act on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    /// About all of it.
    pub(super) messages: Vec<String>,
    /// About single lines, by their place among the PO1, from 0.
    pub(super) lines: Vec<LineReason>,
}

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LineReason {
    /// Its place among the PO1, from 0.
    pub(super) line: usize,
    /// A sentence.
    pub(super) reason: String,
}

impl Refusal {
    /// For one reason about all of it.
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self {
            messages: vec![reason.into()],
            lines: Vec::new(),
        }
    }
}

/// Of an acknowledgement that process-apis owe for an order: the order as it was when it became owed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OrderNews {
    /// `held`, `accepted`, `rejected` or `cancelled`.
    pub(super) purpose: String,
    /// Which transaction of the inbound document.
    pub(super) transaction: String,
    /// The order.
    pub(super) order: Box<SalesOrder>,
}
