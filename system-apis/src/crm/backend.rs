//! A CRM instance behind its guard.

use std::{future::Future, sync::Arc};

use canonical_model::{
    AccountId, CompanyId, TaskNumber, TaskReference,
    capabilities::{CrmCapabilities, TaskClass},
    crm::{AccountContacts, AccountStanding, CreateTask, Task},
};

use super::{config::CrmInstance, connector::CrmConnector};
use crate::{
    connector::ConnectorError,
    guard::{Answer, Guard, GuardError, KeyedRead, Kind, Operation, Provenance, Terms},
    systems::{OperationStatus, SystemKind, SystemStatus},
};

/// The CRM of one or more companies.
pub struct CrmBackend {
    guard: Arc<Guard>,
    connector: Arc<dyn CrmConnector>,
    standings: KeyedRead<CompanyId, AccountId, AccountStanding>,
    contacts: KeyedRead<CompanyId, AccountId, AccountContacts>,
    create_task: Arc<Operation>,
    find_tasks: Arc<Operation>,
    task: Arc<Operation>,
    complete_task: Arc<Operation>,
}

/// A task, and whether this call made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As the CRM has it.
    pub task: Task,
    /// Whether it was not there before.
    pub created: bool,
}

impl CrmBackend {
    /// Puts the guard before a connector.
    pub fn new(
        guard: Arc<Guard>,
        connector: Arc<dyn CrmConnector>,
        instance: &CrmInstance,
    ) -> Self {
        let most = connector.capabilities().keys_per_call;
        let read = |name| guard.operation(name, Kind::Read, instance.read_timeout.get());
        let write = |name| guard.operation(name, Kind::Mutation, instance.write_timeout.get());
        let (standing, contact) = (Arc::clone(&connector), Arc::clone(&connector));
        Self {
            standings: KeyedRead::new(
                read("standings"),
                instance.cache.standings,
                most,
                Arc::new(move |company, accounts: Vec<_>, started| {
                    let crm = Arc::clone(&standing);
                    Box::pin(async move { crm.standings(&company, &accounts, started.as_of).await })
                }),
            ),
            contacts: KeyedRead::new(
                read("contacts"),
                instance.cache.contacts,
                most,
                Arc::new(move |company, accounts: Vec<_>, started| {
                    let crm = Arc::clone(&contact);
                    Box::pin(async move { crm.contacts(&company, &accounts, started.as_of).await })
                }),
            ),
            create_task: write("create_task"),
            find_tasks: read("find_tasks"),
            task: read("task"),
            complete_task: write("complete_task"),
            guard,
            connector,
        }
    }

    /// What it can do.
    pub fn capabilities(&self) -> CrmCapabilities {
        let can = self.connector.capabilities();
        CrmCapabilities {
            crm: self.guard.name().to_owned(),
            task_class: can.task_class,
            quiet_period_ms: u64::try_from(can.quiet_period.as_millis()).unwrap_or(u64::MAX),
            completes_tasks: can.completes_tasks,
            contact_roles: can.contact_roles,
            contact_languages: can.contact_languages,
        }
    }

    /// How accounts stand, in the order asked; unknown ones are absent.
    pub async fn standings(
        &self,
        company: &CompanyId,
        accounts: Vec<AccountId>,
        terms: Terms,
    ) -> Result<(Vec<AccountStanding>, Provenance), GuardError> {
        let answer = self.standings.get(company, accounts.clone(), terms).await?;
        Ok((in_order(accounts, &answer), answer.provenance))
    }

    /// Whom to talk to at accounts, in the order asked; unknown ones are absent.
    pub async fn contacts(
        &self,
        company: &CompanyId,
        accounts: Vec<AccountId>,
        terms: Terms,
    ) -> Result<(Vec<AccountContacts>, Provenance), GuardError> {
        let answer = self.contacts.get(company, accounts.clone(), terms).await?;
        Ok((in_order(accounts, &answer), answer.provenance))
    }

    async fn call<T, F, Fut>(
        &self,
        operation: &Arc<Operation>,
        terms: Terms,
        call: F,
    ) -> Result<T, GuardError>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn CrmConnector>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let connector = Arc::clone(&self.connector);
        let answer = operation
            .run(terms, move |_started| call(Arc::clone(&connector)))
            .await;
        answer.map(|(value, _started)| value)
    }

    /// Makes a task. One with this reference that is there already is found, not made again, whatever became of it and
    /// whatever people wrote in it; one about another account is a conflict.
    pub async fn create_task(&self, wanted: CreateTask, terms: Terms) -> Result<Asked, GuardError> {
        if self.connector.capabilities().task_class == TaskClass::Searchable
            && let Some(task) = self.standing(&wanted, terms).await?
        {
            return Ok(Asked {
                task,
                created: false,
            });
        }
        let wanted = Arc::new(wanted);
        let asked = Arc::clone(&wanted);
        let created = self
            .call(&self.create_task, terms, move |crm| {
                let task = Arc::clone(&asked);
                async move { crm.create_task(&task).await }
            })
            .await;
        match created {
            Ok(task) => Ok(Asked {
                task,
                created: true,
            }),
            Err(error) if is_conflict(&error) => {
                let found = self.standing(&wanted, terms).await?;
                let task = found.ok_or(error)?;
                Ok(Asked {
                    task,
                    created: false,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The task that was asked for, where the CRM has it already.
    async fn standing(
        &self,
        wanted: &CreateTask,
        terms: Terms,
    ) -> Result<Option<Task>, GuardError> {
        let reference = wanted.task_reference.clone();
        let oldest = self.find_tasks(reference, terms).await?.into_iter().next();
        match oldest {
            Some(other) if other.account != wanted.account => {
                Err(GuardError::Connector(Arc::new(ConnectorError::Conflict {
                    existing: other.number.to_string(),
                })))
            }
            found => Ok(found),
        }
    }

    /// The tasks that carry a reference, the oldest first.
    pub async fn find_tasks(
        &self,
        reference: TaskReference,
        terms: Terms,
    ) -> Result<Vec<Task>, GuardError> {
        self.call(&self.find_tasks, terms, move |crm| {
            let reference = reference.clone();
            async move { crm.find_tasks(&reference).await }
        })
        .await
    }

    /// A task as it is now.
    pub async fn task(&self, number: TaskNumber, terms: Terms) -> Result<Task, GuardError> {
        self.call(&self.task, terms, move |crm| {
            let number = number.clone();
            async move { crm.task(&number).await }
        })
        .await
    }

    /// Notes that a task is done.
    pub async fn complete_task(
        &self,
        number: TaskNumber,
        terms: Terms,
    ) -> Result<Task, GuardError> {
        self.call(&self.complete_task, terms, move |crm| {
            let number = number.clone();
            async move { crm.complete_task(&number).await }
        })
        .await
    }

    /// The state of its guard.
    pub fn status(&self, companies: Vec<CompanyId>) -> SystemStatus {
        let mut operations = vec![
            OperationStatus::of_read(&self.standings),
            OperationStatus::of_read(&self.contacts),
        ];
        operations.extend(
            [
                &self.create_task,
                &self.find_tasks,
                &self.task,
                &self.complete_task,
            ]
            .into_iter()
            .map(|operation| OperationStatus::of(operation)),
        );
        SystemStatus::new(&self.guard, SystemKind::Crm, companies, operations)
    }
}

fn in_order<V: Clone>(accounts: Vec<AccountId>, answer: &Answer<AccountId, V>) -> Vec<V> {
    let mut given = std::collections::HashSet::new();
    accounts
        .into_iter()
        .filter(|account| given.insert(account.clone()))
        .filter_map(|account| Some(answer.facts.get(&account)?.value.clone()))
        .collect()
}

fn is_conflict(error: &GuardError) -> bool {
    matches!(error, GuardError::Connector(cause) if matches!(**cause, ConnectorError::Conflict { .. }))
}
