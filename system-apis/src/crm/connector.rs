//! What a CRM connector has to do, without caching, retrying or waiting. A method may need several calls; those that change
//! something come last, so that what fails before them has changed nothing.
//!
//! Contacts are personal data: an error never tells what stands in an answer.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, TaskNumber, TaskReference,
    capabilities::TaskClass,
    crm::{AccountContacts, AccountStanding, CreateTask, Task},
};
use jiff::Timestamp;

use crate::connector::{Batch, ConnectorError};

/// What a CRM can do, as its connector states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What a second task with the same reference does. Where it is made, the CRM is searched before each create.
    pub task_class: TaskClass,
    /// How long its search may miss a task.
    pub quiet_period: Duration,
    /// Whether a task can be completed through it; where not, that is refused.
    pub completes_tasks: bool,
    /// Whether it says what a contact is asked about.
    pub contact_roles: bool,
    /// Whether it says in which language to write to a contact.
    pub contact_languages: bool,
    /// How many accounts one read may name.
    pub keys_per_call: usize,
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let can = |able| if able { "yes" } else { "no" };
        let Self {
            task_class,
            quiet_period,
            completes_tasks,
            contact_roles,
            contact_languages,
            keys_per_call,
        } = self;
        writeln!(f, "  a second task of one reference     {task_class:?}")?;
        writeln!(f, "  its search may miss a task for     {quiet_period:?}")?;
        writeln!(
            f,
            "  tasks are completed through it     {}",
            can(*completes_tasks)
        )?;
        writeln!(
            f,
            "  roles of contacts                  {}",
            can(*contact_roles)
        )?;
        writeln!(
            f,
            "  languages of contacts              {}",
            can(*contact_languages)
        )?;
        writeln!(f, "  accounts in a read                 {keys_per_call}")
    }
}

/// A connector to a CRM.
#[async_trait]
pub trait CrmConnector: Send + Sync + 'static {
    /// What this CRM can do.
    fn capabilities(&self) -> Capabilities;

    /// How accounts stand. An account that is there twice is implausible.
    async fn standings(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountStanding>, ConnectorError>;

    /// Whom to talk to at accounts: all of them, over as many pages as it takes. An account without contacts is found
    /// with none; who does not want to be contacted is left out.
    async fn contacts(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountContacts>, ConnectorError>;

    /// Makes a task. An account that the CRM does not know is `Rejected`.
    async fn create_task(&self, task: &CreateTask) -> Result<Task, ConnectorError>;

    /// The tasks that carry a reference, the oldest first.
    async fn find_tasks(&self, reference: &TaskReference) -> Result<Vec<Task>, ConnectorError>;

    /// A task as it is now.
    async fn task(&self, number: &TaskNumber) -> Result<Task, ConnectorError>;

    /// Notes that a task is done; one that is done already stays so, and a cancelled one is `Rejected`.
    async fn complete_task(&self, number: &TaskNumber) -> Result<Task, ConnectorError>;
}
