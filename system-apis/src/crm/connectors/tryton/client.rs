//! Calls Tryton as a CRM.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, TaskNumber, TaskReference,
    capabilities::TaskClass,
    crm::{AccountContacts, AccountStanding, CreateTask, Task},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{config::TrytonCrm, mapping, wire};
use crate::{
    connector::{Batch, ConnectorError},
    crm::connector::{Capabilities, CrmConnector},
    tryton::{CallError, Context, Search, Tryton},
};

/// Parties in a search.
const KEYS_PER_CALL: usize = 200;
/// Records of a page.
const PAGE: u32 = 200;
/// Pages of one search that are followed.
const MOST_PAGES: u32 = 50;

const PARTY: &str = "party.party";
const MECHANISM: &str = "party.contact_mechanism";
const OPPORTUNITY: &str = "sale.opportunity";

/// The connector.
#[derive(Debug)]
pub struct TrytonCrmConnector {
    tryton: Tryton,
    quiet_period: Duration,
}

impl TrytonCrmConnector {
    /// Ready to call; nothing is sent yet.
    pub fn new(config: &TrytonCrm) -> Result<Self, reqwest::Error> {
        Ok(Self {
            tryton: Tryton::new(&config.server)?,
            quiet_period: config.quiet_period.get(),
        })
    }

    /// Every record of a search, page by page in the order of their ids.
    async fn all<R: DeserializeOwned>(
        &self,
        model: &str,
        domain: &Value,
        fields: &[&str],
        context: &Context,
    ) -> Result<Vec<R>, ConnectorError> {
        let mut records = Vec::new();
        for page in 0..MOST_PAGES {
            let search = Search {
                skip: page.saturating_mul(PAGE),
                ..Search::of(domain.clone(), PAGE, fields)
            };
            let found: Vec<R> = self.tryton.search_read(model, &search, context).await?;
            let is_last = u32::try_from(found.len()).is_ok_and(|found| found < PAGE);
            records.extend(found);
            if is_last {
                return Ok(records);
            }
        }
        let sentence = format!("Tryton has more than {MOST_PAGES} pages of {model} for one search");
        Err(ConnectorError::protocol(sentence))
    }

    /// The parties of these codes, whether they are active or not.
    async fn parties(&self, codes: &[AccountId]) -> Result<Vec<wire::Party>, ConnectorError> {
        let context = self.tryton.context().await?.with("active_test", false);
        let parties: Vec<wire::Party> = self
            .all(
                PARTY,
                &json!([["code", "in", codes]]),
                wire::PARTY,
                &context,
            )
            .await?;
        let asked = |party: &wire::Party| codes.iter().any(|code| code.as_str() == party.code);
        if parties.iter().all(asked) {
            return Ok(parties);
        }
        Err(ConnectorError::protocol(
            "Tryton answered for another party than it was asked for",
        ))
    }

    async fn tasks(&self, domain: &Value) -> Result<Vec<Task>, ConnectorError> {
        let context = self.tryton.context().await?;
        let rows: Vec<wire::Opportunity> = self
            .all(OPPORTUNITY, domain, wire::OPPORTUNITY, &context)
            .await?;
        rows.into_iter().map(mapping::task).collect()
    }
}

/// It is made: what goes wrong while it is read back says nothing about that.
fn after_it_was_made(error: ConnectorError) -> ConnectorError {
    ConnectorError::OutcomeUnknown(error.into())
}

#[async_trait]
impl CrmConnector for TrytonCrmConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            task_class: TaskClass::Searchable,
            quiet_period: self.quiet_period,
            completes_tasks: false,
            contact_roles: true,
            contact_languages: true,
            keys_per_call: KEYS_PER_CALL,
        }
    }

    async fn standings(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountStanding>, ConnectorError> {
        let mut batch = Batch::default();
        for party in self.parties(accounts).await? {
            batch.take(mapping::standing(&party, company, as_of));
        }
        Ok(batch)
    }

    async fn contacts(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountContacts>, ConnectorError> {
        let mut batch = Batch::default();
        let parties = self.parties(accounts).await?;
        if parties.is_empty() {
            return Ok(batch);
        }
        let ids: Vec<i64> = parties.iter().map(|party| party.id).collect();
        let domain = json!([
            ["party", "in", ids],
            ["type", "in", ["phone", "mobile", "email"]]
        ]);
        let context = self.tryton.context().await?;
        let rows: Vec<wire::Mechanism> = self
            .all(MECHANISM, &domain, wire::MECHANISM, &context)
            .await?;
        let mut by_party: HashMap<i64, Vec<wire::Mechanism>> =
            ids.into_iter().map(|id| (id, Vec::new())).collect();
        for row in rows {
            let Some(of_party) = by_party.get_mut(&row.party) else {
                return Err(ConnectorError::protocol(
                    "Tryton answered with a contact of another party than it was asked for",
                ));
            };
            of_party.push(row);
        }
        for party in parties {
            let mechanisms = by_party.remove(&party.id).unwrap_or_default();
            let told = mapping::standing(&party, company, as_of).and_then(|(account, _)| {
                let contacts = AccountContacts {
                    company: company.clone(),
                    account: account.clone(),
                    contacts: mapping::contacts(&party, mechanisms)?,
                    as_of,
                };
                Ok((account, contacts))
            });
            batch.take(told);
        }
        Ok(batch)
    }

    async fn create_task(&self, task: &CreateTask) -> Result<Task, ConnectorError> {
        let unknown = || ConnectorError::Rejected {
            message: format!(
                "The CRM knows no active account {}: enter it there by this code.",
                task.account
            ),
        };
        let parties = self.parties(std::slice::from_ref(&task.account)).await?;
        let party = parties.into_iter().find(|party| party.active);
        let party = party.ok_or_else(unknown)?;
        let context = self.tryton.context().await?;
        let record = mapping::new_opportunity(task, party.id);
        let made = self.tryton.create(OPPORTUNITY, &[record], &context).await?;
        let read = self
            .tryton
            .read(OPPORTUNITY, &made, wire::OPPORTUNITY, &context)
            .await;
        let read: Vec<wire::Opportunity> =
            read.map_err(|error: CallError| after_it_was_made(error.into()))?;
        let read = read.into_iter().next();
        let made = read
            .ok_or_else(|| ConnectorError::protocol("Tryton does not show what it made"))
            .and_then(mapping::task)
            .map_err(after_it_was_made)?;
        if made.task_reference == task.task_reference && made.account == task.account {
            return Ok(made);
        }
        let sentence = "Tryton shows another task than the one that it made";
        Err(after_it_was_made(ConnectorError::protocol(sentence)))
    }

    async fn find_tasks(&self, reference: &TaskReference) -> Result<Vec<Task>, ConnectorError> {
        let tasks = self
            .tasks(&json!([
                ["reference", "=", reference],
                ["party", "!=", null]
            ]))
            .await?;
        if tasks.iter().all(|task| task.task_reference == *reference) {
            return Ok(tasks);
        }
        Err(ConnectorError::protocol(
            "Tryton answered for another reference than it was asked for",
        ))
    }

    async fn task(&self, number: &TaskNumber) -> Result<Task, ConnectorError> {
        // One that people entered without reference or party is no task of anybody's.
        let domain = json!([
            ["number", "=", number],
            ["reference", "!=", null],
            ["party", "!=", null]
        ]);
        match self.tasks(&domain).await?.as_slice() {
            [] => Err(ConnectorError::NotFound),
            [task] if task.number == *number => Ok(task.clone()),
            _ => Err(ConnectorError::protocol(
                "Tryton answered with another task than it was asked for, or with several",
            )),
        }
    }

    async fn complete_task(&self, number: &TaskNumber) -> Result<Task, ConnectorError> {
        let task = self.task(number).await?;
        match task.state {
            canonical_model::crm::TaskState::Done => Ok(task),
            canonical_model::crm::TaskState::Open | canonical_model::crm::TaskState::Cancelled => {
                Err(ConnectorError::Rejected {
                    message: "Tryton's opportunities are completed by people alone: do it there."
                        .to_owned(),
                })
            }
        }
    }
}
