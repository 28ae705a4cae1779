//! Tryton's own shapes, under its own field names. A field that may be `null` has to be there: without it nothing is known.

use serde::{Deserialize, Serialize};

use crate::tryton::values::{Amount, Day};

/// A followed field, which comes with a dot at its end.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Coded {
    pub code: String,
}

pub(super) const PARTY: &[&str] = &["code", "name", "active", "credit_limit_amount", "lang.code"];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Party {
    pub id: i64,
    pub code: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub name: Option<String>,
    pub active: bool,
    #[serde(deserialize_with = "Option::deserialize")]
    pub credit_limit_amount: Option<Amount>,
    #[serde(rename = "lang.", deserialize_with = "Option::deserialize")]
    pub lang: Option<Coded>,
}

pub(super) const MECHANISM: &[&str] = &[
    "party",
    "type",
    "value",
    "name",
    "sequence",
    "invoice",
    "delivery",
    "language.code",
];

/// Personal data: it has no `Debug`.
#[derive(Clone, Deserialize)]
pub(super) struct Mechanism {
    pub id: i64,
    pub party: i64,
    pub r#type: String,
    pub value: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub name: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub sequence: Option<i64>,
    pub invoice: bool,
    pub delivery: bool,
    #[serde(rename = "language.", deserialize_with = "Option::deserialize")]
    pub language: Option<Coded>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct NewOpportunity<'a> {
    pub party: i64,
    pub reference: &'a str,
    pub description: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub comment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Day>,
    /// No revenue is to be expected of a task.
    pub conversion_probability: u8,
}

pub(super) const OPPORTUNITY: &[&str] = &[
    "number",
    "reference",
    "description",
    "comment",
    "end_date",
    "state",
    "party.code",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Opportunity {
    pub number: String,
    pub reference: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub description: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub comment: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub end_date: Option<Day>,
    pub state: String,
    #[serde(rename = "party.")]
    pub party: Coded,
}
