//! Calls the sandbox's CRM. Its ids are its own: an account is looked up by its number first.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, TaskNumber, TaskReference,
    capabilities::TaskClass,
    crm::{AccountContacts, AccountStanding, Contact, CreateTask, Task},
};
use jiff::Timestamp;
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use service_runtime::{config::Secret, http_client::backend_client};

use super::{config::SandboxCrm, mapping, wire};
use crate::{
    connector::{Batch, ConnectorError},
    crm::connector::{Capabilities, CrmConnector},
    transport::{self, Answer, Effect},
};

/// Accounts in a search, and records of a page; the CRM takes no more.
const KEYS_PER_CALL: usize = 100;
const PAGE: u32 = 100;
/// Pages of one search that are followed.
const MOST_PAGES: usize = 50;

/// The connector.
#[derive(Debug)]
pub struct SandboxCrmConnector {
    http: reqwest::Client,
    accounts: String,
    contacts: String,
    tasks: String,
    token: Secret,
    task_class: TaskClass,
    quiet_period: Duration,
}

impl SandboxCrmConnector {
    /// Ready to call; nothing is sent yet.
    pub fn new(config: &SandboxCrm) -> Result<Self, reqwest::Error> {
        let base_url = config.base_url.trim_end_matches('/');
        Ok(Self {
            http: backend_client(&config.http)?,
            accounts: format!("{base_url}/crm/v3/accounts/search"),
            contacts: format!("{base_url}/crm/v3/contacts/search"),
            tasks: format!("{base_url}/crm/v3/tasks"),
            token: config.token.clone(),
            task_class: config.task_class,
            quiet_period: config.quiet_period.get(),
        })
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        effect: Effect,
    ) -> Result<T, ConnectorError> {
        let request = request.bearer_auth(self.token.expose());
        let answer = transport::send(request, effect).await?;
        if answer.status.is_success() {
            serde_json::from_slice(&answer.body).map_err(|error| effect.nonsense(unread(&error)))
        } else {
            Err(refusal(&answer))
        }
    }

    /// Every record of a search, page by page.
    async fn pages<T: DeserializeOwned>(
        &self,
        request: impl Fn(Option<String>) -> RequestBuilder,
    ) -> Result<Vec<T>, ConnectorError> {
        let mut records = Vec::new();
        let mut cursor = None;
        for _page in 0..MOST_PAGES {
            let page: wire::Page<T> = self.send(request(cursor.clone()), Effect::Reads).await?;
            records.extend(page.records);
            match page.next_cursor {
                None => return Ok(records),
                same if same == cursor => {
                    return Err(ConnectorError::protocol("the CRM's pages do not end"));
                }
                next => cursor = next,
            }
        }
        let sentence = format!("the CRM has more than {MOST_PAGES} pages for one search");
        Err(ConnectorError::protocol(sentence))
    }

    /// The accounts of these numbers as the CRM has them.
    async fn accounts(&self, numbers: &[AccountId]) -> Result<Vec<wire::Account>, ConnectorError> {
        let asked: HashSet<&str> = numbers.iter().map(AccountId::as_str).collect();
        let search = |cursor| {
            self.http.post(&self.accounts).json(&wire::AccountSearch {
                account_numbers: numbers.iter().map(AccountId::as_str).collect(),
                limit: PAGE,
                cursor,
            })
        };
        let found: Vec<wire::Account> = self.pages(search).await?;
        if found
            .iter()
            .all(|account| asked.contains(account.account_number.as_str()))
        {
            return Ok(found);
        }
        Err(ConnectorError::protocol(
            "the CRM answered for another account than it was asked for",
        ))
    }

    /// The one account of each number; a number that two have is nobody's.
    async fn standing_of(
        &self,
        company: &CompanyId,
        numbers: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountStanding>, ConnectorError> {
        let mut by_number: BTreeMap<String, Vec<wire::Account>> = BTreeMap::new();
        for account in self.accounts(numbers).await? {
            by_number
                .entry(account.account_number.clone())
                .or_default()
                .push(account);
        }
        let mut batch = Batch::default();
        for (number, mut accounts) in by_number {
            let only = accounts.pop();
            match only {
                Some(account) if accounts.is_empty() => {
                    batch.take(mapping::standing(account, company, as_of));
                }
                _ => batch.take::<String>(Err(format!(
                    "the CRM has account {number} more than once: merge them there"
                ))),
            }
        }
        Ok(batch)
    }

    async fn one_task(
        &self,
        request: RequestBuilder,
        effect: Effect,
        number: &TaskNumber,
    ) -> Result<Task, ConnectorError> {
        let row: wire::Task = self.send(request, effect).await?;
        let task = mapping::task(row).map_err(|error| effect.nonsense(error))?;
        if task.number == *number {
            return Ok(task);
        }
        Err(effect.nonsense("the CRM answered for another task than it was asked for"))
    }

    fn url_of(&self, task: &TaskNumber) -> Result<reqwest::Url, ConnectorError> {
        let mut url = reqwest::Url::parse(&self.tasks)
            .map_err(|error| ConnectorError::Unavailable(error.into()))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(task.as_str());
        }
        Ok(url)
    }
}

/// Where an answer cannot be read; what stands there may be personal.
fn unread(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("the CRM's answer cannot be read at line {line}, column {column}")
}

/// A refusal is an answer: nothing was done.
fn refusal(answer: &Answer) -> ConnectorError {
    let refused = serde_json::from_slice::<wire::Refusals>(&answer.body).ok();
    let Some(error) = refused.and_then(|refused| refused.errors.into_iter().next()) else {
        return ConnectorError::protocol(format!("the CRM answered {}", answer.status));
    };
    match (error.error_code.as_str(), error.existing_id) {
        ("NOT_FOUND", _) => ConnectorError::NotFound,
        ("DUPLICATE_EXTERNAL_REFERENCE", Some(existing)) => ConnectorError::Conflict { existing },
        _ => ConnectorError::Rejected {
            message: error.message,
        },
    }
}

#[async_trait]
impl CrmConnector for SandboxCrmConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            task_class: self.task_class,
            quiet_period: self.quiet_period,
            completes_tasks: true,
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
        self.standing_of(company, accounts, as_of).await
    }

    async fn contacts(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountContacts>, ConnectorError> {
        let known = self.standing_of(company, accounts, as_of).await?;
        let mut batch = Batch {
            found: Vec::new(),
            implausible: known.implausible,
        };
        if known.found.is_empty() {
            return Ok(batch);
        }
        let ids: Vec<&str> = known
            .found
            .iter()
            .map(|(_, standing)| standing.crm_number.as_str())
            .collect();
        let search = |cursor| {
            self.http.post(&self.contacts).json(&wire::ContactSearch {
                account_ids: ids.clone(),
                limit: PAGE,
                cursor,
            })
        };
        let rows: Vec<wire::Contact> = self.pages(search).await?;
        let mut by_account: HashMap<&str, Vec<Contact>> =
            ids.iter().map(|id| (*id, Vec::new())).collect();
        for row in rows {
            let Some(of_account) = by_account.get_mut(row.account_id.as_str()) else {
                return Err(ConnectorError::protocol(
                    "the CRM answered with a contact of another account than it was asked for",
                ));
            };
            match mapping::contact(row) {
                Ok(contact) => of_account.extend(contact),
                Err(reason) => batch.implausible.push(reason),
            }
        }
        for (account, standing) in &known.found {
            let mut contacts = by_account
                .remove(standing.crm_number.as_str())
                .unwrap_or_default();
            contacts.sort_by(|one, other| one.contact.cmp(&other.contact));
            let of_account = AccountContacts {
                company: company.clone(),
                account: account.clone(),
                contacts,
                as_of,
            };
            batch.found.push((account.clone(), of_account));
        }
        Ok(batch)
    }

    async fn create_task(&self, task: &CreateTask) -> Result<Task, ConnectorError> {
        let mut accounts = self.accounts(std::slice::from_ref(&task.account)).await?;
        let account = accounts.pop().ok_or_else(|| ConnectorError::Rejected {
            message: format!(
                "The CRM knows no account {}: enter its number there.",
                task.account
            ),
        })?;
        if !accounts.is_empty() {
            let message = format!(
                "The CRM has account {} more than once: merge them there.",
                task.account
            );
            return Err(ConnectorError::Rejected { message });
        }
        let body = mapping::new_task(task, &account.id);
        let request = self.http.post(&self.tasks).json(&body);
        let row: wire::Task = self.send(request, Effect::Changes).await?;
        let made = mapping::task(row).map_err(|error| Effect::Changes.nonsense(error))?;
        if made.task_reference == task.task_reference && made.account == task.account {
            return Ok(made);
        }
        Err(Effect::Changes.nonsense("the CRM answered with another task than was asked for"))
    }

    async fn find_tasks(&self, reference: &TaskReference) -> Result<Vec<Task>, ConnectorError> {
        let search = |cursor: Option<String>| {
            let request = self.http.get(&self.tasks).query(&[
                ("externalReference", reference.as_str()),
                ("limit", &PAGE.to_string()),
            ]);
            match cursor {
                None => request,
                Some(cursor) => request.query(&[("cursor", cursor)]),
            }
        };
        let rows: Vec<wire::Task> = self.pages(search).await?;
        let mut tasks = rows
            .into_iter()
            .map(mapping::task)
            .collect::<Result<Vec<_>, _>>()?;
        if tasks.iter().any(|task| task.task_reference != *reference) {
            return Err(ConnectorError::protocol(
                "the CRM answered for another reference than it was asked for",
            ));
        }
        tasks.sort_by(|one, other| one.number.cmp(&other.number));
        Ok(tasks)
    }

    async fn task(&self, number: &TaskNumber) -> Result<Task, ConnectorError> {
        let request = self.http.get(self.url_of(number)?);
        self.one_task(request, Effect::Reads, number).await
    }

    async fn complete_task(&self, number: &TaskNumber) -> Result<Task, ConnectorError> {
        let request = self
            .http
            .patch(self.url_of(number)?)
            .json(&wire::TaskUpdate {
                status: wire::COMPLETED,
            });
        self.one_task(request, Effect::Changes, number).await
    }
}
