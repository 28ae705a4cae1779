//! The CRM's own shapes, under its own field names.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub records: Vec<T>,
    #[serde(default)]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountSearch<'a> {
    pub account_numbers: Vec<&'a str>,
    pub limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub id: String,
    pub account_number: String,
    pub lifecycle: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactSearch<'a> {
    pub account_ids: Vec<&'a str>,
    pub limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Personal data: it has no `Debug`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contact {
    pub id: String,
    pub account_id: String,
    #[serde(default)]
    pub first_name: Option<String>,
    #[serde(default)]
    pub last_name: Option<String>,
    #[serde(default)]
    pub job_role: Option<String>,
    #[serde(default)]
    pub email_address: Option<String>,
    #[serde(default)]
    pub phone_number: Option<String>,
    #[serde(default)]
    pub preferred_language: Option<String>,
    /// Who does not say may not be written to.
    #[serde(default = "yes")]
    pub do_not_contact: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTask<'a> {
    pub external_reference: &'a str,
    pub account_id: &'a str,
    pub title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub notes: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_on: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct TaskUpdate {
    pub status: &'static str,
}

/// The state in which a task is done.
pub(super) const COMPLETED: &str = "completed";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    pub id: String,
    pub external_reference: String,
    pub account_number: String,
    pub title: String,
    #[serde(default)]
    pub notes: Option<String>,
    #[serde(default)]
    pub due_on: Option<String>,
    pub status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refusals {
    pub errors: Vec<Refusal>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    pub error_code: String,
    pub message: String,
    #[serde(default)]
    pub existing_id: Option<String>,
}
