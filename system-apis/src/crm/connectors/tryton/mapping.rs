//! Between Tryton's shapes and canonical ones. No I/O. What is said of a contact names it by its id alone.

use std::collections::BTreeMap;

use canonical_model::{
    AccountId, CompanyId, TaskNumber, TaskReference,
    account::AccountStatus,
    crm::{AccountStanding, Contact, ContactRole, CreateTask, Task, TaskState},
};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::wire::{self, Mechanism, NewOpportunity, Opportunity, Party};
use crate::{
    connector::ConnectorError,
    tryton::values::{Amount, Day},
};

/// Closed is not active; blocked is a credit limit of 0.
pub(super) fn standing(
    party: &Party,
    company: &CompanyId,
    as_of: Timestamp,
) -> Result<(AccountId, AccountStanding), String> {
    let account = AccountId::new(party.code.as_str())
        .map_err(|error| format!("party {}: {error}", party.id))?;
    let status = match (party.active, party.credit_limit_amount) {
        (false, _) => AccountStatus::Closed,
        (true, Some(Amount(limit))) if limit <= Decimal::ZERO => AccountStatus::Blocked,
        (true, _) => AccountStatus::Active,
    };
    let standing = AccountStanding {
        company: company.clone(),
        account: account.clone(),
        crm_number: party.id.to_string(),
        status,
        as_of,
    };
    Ok((account, standing))
}

/// The contacts of a party: mechanisms of one name are one person, and those without a name the party itself.
pub(super) fn contacts(
    party: &Party,
    mut mechanisms: Vec<Mechanism>,
) -> Result<Vec<Contact>, String> {
    // As Tryton shows them: those that nobody has put in order come first.
    mechanisms.sort_by_key(|one| (one.sequence, one.id));
    let mut people: BTreeMap<String, Vec<Mechanism>> = BTreeMap::new();
    for mechanism in mechanisms {
        let told = mechanism.name.as_deref().map_or("", str::trim);
        let name = if told.is_empty() {
            party.name.as_deref().map_or("", str::trim)
        } else {
            told
        };
        if name.is_empty() {
            return Err(format!("contact mechanism {} has no name", mechanism.id));
        }
        people.entry(name.to_owned()).or_default().push(mechanism);
    }
    let people = people.into_iter();
    let mut contacts: Vec<Contact> = people
        .map(|(name, means)| contact(party, name, &means))
        .collect();
    contacts.sort_by(|one, other| one.contact.cmp(&other.contact));
    Ok(contacts)
}

fn contact(party: &Party, name: String, means: &[Mechanism]) -> Contact {
    let first = |types: &[&str]| {
        let one = means
            .iter()
            .find(|one| types.contains(&one.r#type.as_str()));
        one.map(|one| one.value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    let mut roles = Vec::new();
    if means.iter().any(|one| one.invoice) {
        roles.push(ContactRole::Billing);
    }
    if means.iter().any(|one| one.delivery) {
        roles.push(ContactRole::Delivery);
    }
    let own = means.iter().find_map(|one| one.language.as_ref());
    let language = own.or(party.lang.as_ref());
    let lowest = means.iter().map(|one| one.id).min();
    Contact {
        contact: lowest.unwrap_or_default().to_string(),
        name,
        roles,
        email: first(&["email"]),
        phone: first(&["phone", "mobile"]),
        // `pt_BR` is `pt-BR` elsewhere.
        language: language.map(|language| language.code.replace('_', "-")),
    }
}

pub(super) fn new_opportunity(task: &CreateTask, party: i64) -> NewOpportunity<'_> {
    NewOpportunity {
        party,
        reference: task.task_reference.as_str(),
        description: &task.subject,
        comment: &task.description,
        end_date: task.due_date.map(Day),
        conversion_probability: 0,
    }
}

pub(super) fn task(row: wire::Opportunity) -> Result<Task, ConnectorError> {
    let Opportunity {
        number,
        reference,
        description,
        comment,
        end_date,
        state,
        party,
    } = row;
    let named: String = number.chars().take(60).collect();
    let bad = |field: &str| {
        ConnectorError::protocol(format!(
            "opportunity {named} has no {field} that is understood"
        ))
    };
    let state = match state.as_str() {
        "lead" | "opportunity" => TaskState::Open,
        "converted" | "won" => TaskState::Done,
        "lost" | "cancelled" => TaskState::Cancelled,
        _ => return Err(bad("state")),
    };
    Ok(Task {
        number: TaskNumber::new(number).ok().ok_or_else(|| bad("number"))?,
        task_reference: TaskReference::new(reference)
            .ok()
            .ok_or_else(|| bad("reference"))?,
        account: AccountId::new(party.code)
            .ok()
            .ok_or_else(|| bad("party"))?,
        subject: description.unwrap_or_default(),
        description: comment.unwrap_or_default(),
        due_date: end_date.map(|day| day.0),
        state,
    })
}
