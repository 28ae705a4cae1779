//! Between the CRM's shapes and canonical ones. No I/O. What is said of a contact names it by its id alone.

use canonical_model::{
    AccountId, CompanyId, TaskNumber, TaskReference,
    account::AccountStatus,
    crm::{AccountStanding, Contact, ContactRole, CreateTask, Task, TaskState},
};
use jiff::Timestamp;

use super::wire;
use crate::connector::ConnectorError;

/// What the CRM calls a record, shortened where it is no id.
fn named(id: &str) -> String {
    id.chars().take(60).collect()
}

pub(super) fn standing(
    row: wire::Account,
    company: &CompanyId,
    as_of: Timestamp,
) -> Result<(AccountId, AccountStanding), String> {
    let status = match row.lifecycle.as_str() {
        "customer" => AccountStatus::Active,
        "onHold" => AccountStatus::Blocked,
        "former" => AccountStatus::Closed,
        _ => {
            return Err(format!(
                "account {} has an unknown lifecycle",
                named(&row.id)
            ));
        }
    };
    let account = AccountId::new(row.account_number.as_str())
        .map_err(|error| format!("account {}: {error}", named(&row.id)))?;
    if row.id.is_empty() {
        return Err(format!("account {account} has no id"));
    }
    let standing = AccountStanding {
        company: company.clone(),
        account: account.clone(),
        crm_number: row.id,
        status,
        as_of,
    };
    Ok((account, standing))
}

/// The contact, unless it does not want to be one.
pub(super) fn contact(row: wire::Contact) -> Result<Option<Contact>, String> {
    if row.do_not_contact {
        return Ok(None);
    }
    let told = |text: Option<String>| {
        let text = text?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let parts = [told(row.first_name), told(row.last_name)];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        return Err(format!("contact {} has no name", named(&row.id)));
    }
    let role = match row.job_role.as_deref() {
        Some("buyer") => Some(ContactRole::Purchasing),
        Some("accountsPayable") => Some(ContactRole::Billing),
        Some("logistics") => Some(ContactRole::Delivery),
        Some("executive") => Some(ContactRole::Management),
        // A role that is not known is one that is not told.
        Some(_) | None => None,
    };
    Ok(Some(Contact {
        contact: row.id,
        name,
        roles: role.into_iter().collect(),
        email: told(row.email_address),
        phone: told(row.phone_number),
        language: told(row.preferred_language),
    }))
}

pub(super) fn new_task<'a>(task: &'a CreateTask, account_id: &'a str) -> wire::NewTask<'a> {
    wire::NewTask {
        external_reference: task.task_reference.as_str(),
        account_id,
        title: &task.subject,
        notes: &task.description,
        due_on: task.due_date.map(|date| date.to_string()),
    }
}

pub(super) fn task(row: wire::Task) -> Result<Task, ConnectorError> {
    let bad = |field: &str| {
        ConnectorError::protocol(format!(
            "task {} has no {field} that is understood",
            named(&row.id)
        ))
    };
    let state = match row.status.as_str() {
        "notStarted" | "inProgress" => TaskState::Open,
        wire::COMPLETED => TaskState::Done,
        "dropped" => TaskState::Cancelled,
        _ => return Err(bad("status")),
    };
    let due_date = row.due_on.as_deref().map(str::parse).transpose();
    Ok(Task {
        number: TaskNumber::new(row.id.as_str())
            .ok()
            .ok_or_else(|| bad("id"))?,
        task_reference: TaskReference::new(row.external_reference.as_str())
            .ok()
            .ok_or_else(|| bad("externalReference"))?,
        account: AccountId::new(row.account_number.as_str())
            .ok()
            .ok_or_else(|| bad("accountNumber"))?,
        due_date: due_date.ok().ok_or_else(|| bad("dueOn"))?,
        subject: row.title,
        description: row.notes.unwrap_or_default(),
        state,
    })
}
