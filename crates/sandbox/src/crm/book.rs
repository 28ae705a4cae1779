//! What the CRM keeps: accounts, contacts and tasks.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use serde::Deserialize;

use super::records::{
    CrmAccount, CrmContact, CrmError, CrmTask, JobRole, Lifecycle, TaskRule, TaskStatus,
};
use crate::clock::Clock;
use crate::seed::{Account, Seed};

/// Tasks kept at most; one beyond is refused.
const MAX_TASKS: usize = 500_000;
const MAX_REFERENCE: usize = 40;
const MAX_TITLE: usize = 120;
const MAX_NOTES: usize = 4_000;

const PEOPLE: [(&str, &str, JobRole, Option<&str>); 6] = [
    ("Dana", "Whitfield", JobRole::Buyer, Some("en")),
    ("Luis", "Ortega", JobRole::AccountsPayable, Some("es")),
    ("Priya", "Raman", JobRole::Logistics, None),
    ("Marc", "Lefebvre", JobRole::Buyer, Some("fr")),
    ("Ingrid", "Solheim", JobRole::Executive, Some("nb")),
    ("Tom", "Okafor", JobRole::AccountsPayable, Some("en")),
];

/// A new task as it comes in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTask {
    external_reference: String,
    account_id: String,
    title: String,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    due_on: Option<Date>,
}

#[derive(Debug)]
pub(super) struct Book {
    pub(super) accounts: Vec<CrmAccount>,
    pub(super) contacts: Vec<CrmContact>,
    pub(super) tasks: BTreeMap<u64, CrmTask>,
    pub(super) calls: BTreeMap<&'static str, u64>,
    by_reference: HashMap<String, Vec<u64>>,
    rule: TaskRule,
    clock: Clock,
    next: u64,
}

impl Book {
    pub(super) fn new(seed: &Seed, rule: TaskRule, clock: Clock) -> Self {
        let mut book = Self {
            accounts: Vec::new(),
            contacts: Vec::new(),
            tasks: BTreeMap::new(),
            calls: BTreeMap::new(),
            by_reference: HashMap::new(),
            rule,
            clock,
            next: 1,
        };
        for (index, account) in seed.accounts.iter().enumerate() {
            book.open(index, account);
        }
        book
    }

    /// An account with one to three people and one thing to do.
    fn open(&mut self, index: usize, account: &Account) {
        let id = format!("acc_{:06}", index.saturating_add(70_001));
        for offset in 0..=index % 3 {
            self.introduce(&id, account, index.saturating_add(offset));
        }
        self.accounts.push(CrmAccount {
            id: id.clone(),
            account_number: Some(account.id.clone()),
            name: account.name.clone(),
            lifecycle: match (account.active, account.blocked) {
                (false, _) => Lifecycle::Former,
                (true, true) => Lifecycle::OnHold,
                (true, false) => Lifecycle::Customer,
            },
            updated_at: self.clock.now(),
        });
        self.keep(NewTask {
            external_reference: format!("REVIEW-{}", account.id),
            account_id: id,
            title: "Yearly review of prices".to_owned(),
            notes: None,
            due_on: None,
        });
    }

    fn introduce(&mut self, account_id: &str, account: &Account, which: usize) {
        let person = PEOPLE.get(which % PEOPLE.len());
        let Some((first, last, role, language)) = person.copied() else {
            return;
        };
        let number = self.contacts.len().saturating_add(1);
        let domain = account.id.to_lowercase();
        let mailbox = format!("{first}.{last}").to_lowercase();
        self.contacts.push(CrmContact {
            id: format!("con_{:06}", number.saturating_add(80_000)),
            account_id: account_id.to_owned(),
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            job_role: Some(role),
            email_address: Some(format!("{mailbox}@{domain}.example")),
            phone_number: which
                .is_multiple_of(2)
                .then(|| format!("+1 614 555 {:04}", 100 + number % 100)),
            preferred_language: language.map(str::to_owned),
            do_not_contact: false,
        });
    }

    pub(super) fn count_call(&mut self, operation: &'static str) {
        let calls = self.calls.entry(operation).or_default();
        *calls = calls.saturating_add(1);
    }

    pub(super) fn account_mut(&mut self, number: &str) -> Result<&mut CrmAccount, CrmError> {
        let mut accounts = self.accounts.iter_mut();
        accounts
            .find(|account| account.account_number.as_deref() == Some(number))
            .ok_or_else(|| CrmError::UnknownAccount(number.to_owned()))
    }

    pub(super) fn create(&mut self, task: NewTask) -> Result<CrmTask, CrmError> {
        self.check(&task)?;
        let known = self.by_reference.get(&task.external_reference);
        let first = known.and_then(|keys| keys.first());
        if let (TaskRule::Unique, Some(first)) = (self.rule, first) {
            return Err(CrmError::DuplicateExternalReference {
                id: public_id(*first),
                external_reference: task.external_reference,
            });
        }
        Ok(self.keep(task))
    }

    fn keep(&mut self, task: NewTask) -> CrmTask {
        let key = self.next;
        self.next = self.next.saturating_add(1);
        let mut accounts = self.accounts.iter();
        let account = accounts.find(|account| account.id == task.account_id);
        let kept = CrmTask {
            id: public_id(key),
            external_reference: task.external_reference,
            account_number: account.and_then(|account| account.account_number.clone()),
            account_id: task.account_id,
            title: task.title,
            notes: task.notes,
            due_on: task.due_on,
            status: TaskStatus::NotStarted,
            created_at: self.clock.now(),
        };
        let reference = kept.external_reference.clone();
        self.by_reference.entry(reference).or_default().push(key);
        self.tasks.insert(key, kept.clone());
        kept
    }

    fn check(&self, task: &NewTask) -> Result<(), CrmError> {
        let invalid = |text: String| Err(CrmError::InvalidRequest(text));
        if self.tasks.len() >= MAX_TASKS {
            return invalid("the book is full: no more tasks are taken".to_owned());
        }
        let notes = task.notes.as_deref().unwrap_or_default();
        for (name, text, least, most) in [
            (
                "externalReference",
                task.external_reference.as_str(),
                1,
                MAX_REFERENCE,
            ),
            ("title", task.title.as_str(), 1, MAX_TITLE),
            ("notes", notes, 0, MAX_NOTES),
        ] {
            if !(least..=most).contains(&text.chars().count()) {
                return invalid(format!("{name} has {least} to {most} characters"));
            }
        }
        if self
            .accounts
            .iter()
            .any(|known| known.id == task.account_id)
        {
            Ok(())
        } else {
            Err(CrmError::UnknownAccount(task.account_id.clone()))
        }
    }

    pub(super) fn task(&self, id: &str) -> Result<&CrmTask, CrmError> {
        let task = key_of(id).and_then(|key| self.tasks.get(&key));
        task.ok_or_else(|| CrmError::UnknownTask(id.to_owned()))
    }

    /// The same status again changes nothing; a closed task keeps the one it has.
    pub(super) fn set_status(&mut self, id: &str, status: TaskStatus) -> Result<CrmTask, CrmError> {
        let task = key_of(id).and_then(|key| self.tasks.get_mut(&key));
        let task = task.ok_or_else(|| CrmError::UnknownTask(id.to_owned()))?;
        let closed = matches!(task.status, TaskStatus::Completed | TaskStatus::Dropped);
        if closed && task.status != status {
            return Err(CrmError::TaskClosed(id.to_owned()));
        }
        task.status = status;
        Ok(task.clone())
    }

    /// The tasks that its search shows for a reference, the oldest first.
    pub(super) fn by_reference(&self, reference: &str) -> impl Iterator<Item = &CrmTask> {
        let shown = self.rule != TaskRule::Blind;
        let keys = self.by_reference.get(reference).filter(|_| shown);
        keys.into_iter()
            .flatten()
            .filter_map(|key| self.tasks.get(key))
    }
}

fn public_id(key: u64) -> String {
    format!("tsk_{:06}", key.saturating_add(90_000))
}

fn key_of(id: &str) -> Option<u64> {
    id.strip_prefix("tsk_")?
        .parse::<u64>()
        .ok()?
        .checked_sub(90_000)
}
