//! The CRM's records, which are also its JSON, and its errors.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrmAccount {
    /// The CRM's own id.
    pub id: String,
    /// Its number in the ERP, where somebody has entered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_number: Option<String>,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub lifecycle: Lifecycle,
    /// When it became so.
    pub updated_at: Timestamp,
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lifecycle {
    /// Buys.
    Customer,
    /// Is not sold to for now.
    OnHold,
    /// Buys no more.
    Former,
}

/// Somebody at an account.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrmContact {
    /// The CRM's own id.
    pub id: String,
    /// The account, by its id.
    pub account_id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// What for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_role: Option<JobRole>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_address: Option<String>,
    /// A telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The language to write in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_language: Option<String>,
    /// Does not want to hear from us.
    pub do_not_contact: bool,
}

impl std::fmt::Debug for CrmContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrmContact")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a contact is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum JobRole {
    /// Orders.
    Buyer,
    /// Pays.
    AccountsPayable,
    /// Receives.
    Logistics,
    /// Decides.
    Executive,
}

/// Something that somebody is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrmTask {
    /// The CRM's own id.
    pub id: String,
    /// The caller's reference.
    pub external_reference: String,
    /// The account, by its id.
    pub account_id: String,
    /// That account's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_number: Option<String>,
    /// What to do.
    pub title: String,
    /// The rest of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_on: Option<Date>,
    /// How far it is.
    pub status: TaskStatus,
    /// When it came.
    pub created_at: Timestamp,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskStatus {
    /// Nobody has begun.
    NotStarted,
    /// Somebody has.
    InProgress,
    /// Done.
    Completed,
    /// Nobody will do it.
    Dropped,
}

/// What the CRM does with a second task of the same `externalReference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRule {
    /// Refuses it.
    Unique,
    /// Makes it; both are found by the reference.
    Searchable,
    /// Makes it, and finds none by the reference.
    Blind,
}

/// What the CRM refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrmError {
    /// A body or parameter that does not follow the documentation.
    #[error("{0}")]
    InvalidRequest(String),
    /// Not a cursor of this CRM.
    #[error("the cursor is not one of ours: begin again without one")]
    InvalidCursor,
    /// No account of this id or number.
    #[error("account {0} is unknown")]
    UnknownAccount(String),
    /// No such task.
    #[error("task {0} is unknown")]
    UnknownTask(String),
    /// It is dropped or completed already, otherwise than asked.
    #[error("task {0} is closed")]
    TaskClosed(String),
    /// The reference was used before.
    #[error("externalReference {external_reference} was used before, by {id}")]
    DuplicateExternalReference {
        /// The reference.
        external_reference: String,
        /// The first task.
        id: String,
    },
}
