//! The CRM: a cloud service with ids of its own, pages by cursor and a limit on calls, for accounts, the people there, and
//! tasks.

mod book;
mod control;
mod limit;
mod records;
mod routes;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

pub use self::records::{
    CrmAccount, CrmContact, CrmError, CrmTask, JobRole, Lifecycle, TaskRule, TaskStatus,
};
use self::{book::Book, limit::CallLimit};
use crate::clock::Clock;
use crate::seed::Seed;

/// How this CRM behaves.
#[derive(Debug, Clone)]
pub(crate) struct CrmRules {
    pub(crate) tasks: TaskRule,
    pub(crate) token: String,
    pub(crate) calls_per_second: NonZeroU32,
}

/// A handle on the CRM: tests read and change its records through it.
#[derive(Debug, Clone)]
pub struct Crm {
    book: Arc<Mutex<Book>>,
    limit: Arc<CallLimit>,
    token: Arc<str>,
}

impl Crm {
    pub(crate) fn new(seed: &Seed, rules: &CrmRules, clock: Clock) -> Self {
        Self {
            book: Arc::new(Mutex::new(Book::new(seed, rules.tasks, clock))),
            limit: Arc::new(CallLimit::new(rules.calls_per_second)),
            token: rules.token.as_str().into(),
        }
    }

    pub(crate) fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Every account, in order of the seed.
    pub fn accounts(&self) -> Vec<CrmAccount> {
        self.book().accounts.clone()
    }

    /// Every contact, in order of their ids.
    pub fn contacts(&self) -> Vec<CrmContact> {
        self.book().contacts.clone()
    }

    /// Every task, in order of creation.
    pub fn tasks(&self) -> Vec<CrmTask> {
        self.book().tasks.values().cloned().collect()
    }

    /// Says how an account stands from now on.
    pub fn set_lifecycle(&self, number: &str, lifecycle: Lifecycle) -> Result<(), CrmError> {
        self.book().account_mut(number)?.lifecycle = lifecycle;
        Ok(())
    }

    /// Enters an account once more under a number that is taken, as people do.
    pub fn enter_twice(&self, number: &str) -> Result<(), CrmError> {
        let mut book = self.book();
        let mut twin = book.account_mut(number)?.clone();
        twin.id = format!("acc_{:06}", book.accounts.len().saturating_add(75_001));
        book.accounts.push(twin);
        Ok(())
    }

    /// Enters one more contact of an account; all but names and the account may be missing.
    pub fn enter_contact(
        &self,
        number: &str,
        first_name: &str,
        last_name: &str,
    ) -> Result<String, CrmError> {
        let mut book = self.book();
        let account_id = book.account_mut(number)?.id.clone();
        let id = format!("con_{:06}", book.contacts.len().saturating_add(80_001));
        book.contacts.push(CrmContact {
            id: id.clone(),
            account_id,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            job_role: None,
            email_address: None,
            phone_number: None,
            preferred_language: None,
            do_not_contact: false,
        });
        Ok(id)
    }

    /// Notes that a contact does not want to hear from us.
    pub fn do_not_contact(&self, id: &str) {
        let mut book = self.book();
        for contact in book.contacts.iter_mut().filter(|known| known.id == id) {
            contact.do_not_contact = true;
        }
    }

    /// Moves a task on, as somebody at a screen does.
    pub fn set_status(&self, id: &str, status: TaskStatus) -> Result<CrmTask, CrmError> {
        self.book().set_status(id, status)
    }

    /// Calls per operation since the start, failed ones included.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.book().calls.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
