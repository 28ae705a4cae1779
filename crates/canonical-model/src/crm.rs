//! What a CRM tells of an account, and the tasks that its people do.
//!
//! Contacts are personal data: they hold no more than is needed to reach somebody, and `Debug` shows neither who nor where,
//! so that no log does.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    account::AccountStatus,
    ids::{AccountId, CompanyId, TaskNumber, TaskReference},
};

/// How an account stands with those who look after it.
///
/// It is the CRM's own word. Whether an order is taken is decided by the account of the system of record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountStanding {
    /// The selling company it belongs to.
    pub company: CompanyId,
    /// Its number in the system of record.
    pub account: AccountId,
    /// The CRM's own number of it.
    pub crm_number: String,
    /// How it stands.
    pub status: AccountStatus,
    /// When the call that read it started.
    pub as_of: Timestamp,
}

/// The standings found; accounts that the CRM does not know are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountStandings {
    /// In the order asked.
    pub standings: Vec<AccountStanding>,
}

/// What somebody is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactRole {
    /// Orders and prices.
    Purchasing,
    /// Invoices and payments.
    Billing,
    /// Deliveries.
    Delivery,
    /// Decides.
    Management,
}

/// Somebody at an account: personal data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// The CRM's own number.
    pub contact: String,
    /// Who.
    pub name: String,
    /// What about; empty where the CRM does not say.
    pub roles: Vec<ContactRole>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A telephone number, as the CRM writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The language to write in (BCP 47).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("contact", &self.contact)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// Whom to talk to at an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountContacts {
    /// The selling company it belongs to.
    pub company: CompanyId,
    /// Its number in the system of record.
    pub account: AccountId,
    /// By the CRM's number; who does not want to be contacted is left out.
    pub contacts: Vec<Contact>,
    /// When the call that read them started.
    pub as_of: Timestamp,
}

/// The contacts found; accounts that the CRM does not know are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contacts {
    /// In the order asked.
    pub accounts: Vec<AccountContacts>,
}

/// Asks somebody to do something; `POST /v1/companies/{company}/crm/tasks`. The reference is the search key: a second
/// task with it is found, not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTask {
    /// Our key.
    pub task_reference: TaskReference,
    /// The account that it is about.
    pub account: AccountId,
    /// What to do, in a line.
    #[schema(min_length = 1, max_length = 120)]
    pub subject: String,
    /// All that is needed to do it.
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub description: String,
    /// By when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub due_date: Option<Date>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Not done yet.
    Open,
    /// Done.
    Done,
    /// Nobody will do it.
    Cancelled,
}

/// A task as the CRM has it. People may have written in it since it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// The CRM's number.
    pub number: TaskNumber,
    /// Our key.
    pub task_reference: TaskReference,
    /// The account that it is about.
    pub account: AccountId,
    /// What to do.
    pub subject: String,
    /// The rest of it.
    pub description: String,
    /// By when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub due_date: Option<Date>,
    /// Where it stands.
    pub state: TaskState,
}

/// The tasks that carry a reference; `GET /v1/companies/{company}/crm/tasks?task_reference=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tasks {
    /// The oldest first.
    pub tasks: Vec<Task>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_in_a_log_says_neither_who_nor_where() {
        let contact = Contact {
            contact: "con_7".to_owned(),
            name: "Dana Whitfield".to_owned(),
            roles: vec![ContactRole::Billing],
            email: Some("dana@acme.example".to_owned()),
            phone: Some("+1 614 555 0101".to_owned()),
            language: Some("en".to_owned()),
        };
        let logged = format!("{contact:#?}");
        assert!(logged.contains("con_7"), "{logged}");
        for personal in ["Dana", "acme.example", "555"] {
            assert!(!logged.contains(personal), "{logged}");
        }
    }
}
