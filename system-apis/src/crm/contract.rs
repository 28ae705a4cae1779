//! What every CRM connector must do against a live server, whatever the CRM: run [`run`] from the connector's own tests. It
//! tells on the way what the connector can do.
//!
//! A proxy stands between the two, so that answers get lost, swell, and miss each of their fields in turn. The server may
//! keep what former runs left there.

use std::{io::Write as _, sync::Arc, time::Duration};

use axum::http::StatusCode;
use canonical_model::{
    AccountId, CompanyId, OrderId, OrderReference, TaskNumber, TaskReference,
    account::AccountStatus,
    capabilities::TaskClass,
    crm::{AccountContacts, AccountStanding, Contact, CreateTask, Task, TaskState},
};
use jiff::{Timestamp, civil::date};

use super::connector::CrmConnector;
use crate::{
    connector::{Batch, ConnectorError},
    tamper::{Spoil, Tamper},
};

/// Makes a connector to the server at an address, which waits so long for an answer.
pub(crate) type Connect = Box<dyn Fn(&str, Duration) -> Arc<dyn CrmConnector> + Send + Sync>;

/// What exists on the server.
pub(crate) struct World {
    /// For what is told.
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) connect: Connect,
    pub(crate) company: CompanyId,
    /// Active, with this contact.
    pub(crate) account: AccountId,
    pub(crate) contact: Contact,
    /// Active, with so many contacts that they do not fit a page.
    pub(crate) crowd: AccountId,
    pub(crate) crowd_contacts: usize,
    /// Not sold to for now.
    pub(crate) blocked: AccountId,
    /// No customer any more.
    pub(crate) closed: AccountId,
    /// Longer than the server takes for anything.
    pub(crate) patience: Duration,
}

/// The server, the connector behind the proxy, and a key that no former run has used.
struct Suite<'a> {
    world: &'a World,
    tamper: Tamper,
    crm: Arc<dyn CrmConnector>,
    run: String,
}

/// Checks everything.
pub(crate) async fn run(world: &World) {
    let tamper = Tamper::before(&world.url).await;
    let crm = (world.connect)(tamper.url(), Duration::from_secs(60));
    let suite = Suite {
        world,
        tamper,
        crm,
        run: OrderReference::of(OrderId::generate()).to_string(),
    };
    let can = suite.crm.capabilities();
    tell(&format!("the {} connector can:\n{can}", world.name));
    suite.standings().await;
    suite.contacts().await;
    suite.life_of_a_task().await;
    suite.second_create().await;
    suite.refusals().await;
    suite.reads_fail_by_class().await;
    suite.fields_go_missing().await;
    suite.answers_for_others().await;
    suite.changes_tell_the_truth().await;
}

/// Past the capture of the test runner.
fn tell(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

fn as_of() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn nobody() -> AccountId {
    AccountId::new("NO-SUCH-ACCOUNT").unwrap()
}

fn sound<K, V>(batch: Batch<K, V>) -> Vec<(K, V)> {
    assert_eq!(batch.implausible, [""; 0]);
    batch.found
}

impl Suite<'_> {
    fn reference(&self, what: &str) -> TaskReference {
        TaskReference::new(format!("{}-{what}", self.run)).unwrap()
    }

    fn task(&self, what: &str) -> CreateTask {
        CreateTask {
            task_reference: self.reference(what),
            account: self.world.account.clone(),
            subject: "Call about the order: \"2 × ½\" <ASAP> & more".to_owned(),
            description: "The buyer asks why line 2 waits.\n\nÜbergabe: Lager Süd.".to_owned(),
            due_date: Some(date(2026, 12, 1)),
        }
    }

    async fn standings_of(
        &self,
        accounts: &[AccountId],
    ) -> Result<Batch<AccountId, AccountStanding>, ConnectorError> {
        let company = &self.world.company;
        self.crm.standings(company, accounts, as_of()).await
    }

    async fn contacts_of(
        &self,
        accounts: &[AccountId],
    ) -> Result<Batch<AccountId, AccountContacts>, ConnectorError> {
        let company = &self.world.company;
        self.crm.contacts(company, accounts, as_of()).await
    }

    async fn found(&self, reference: &TaskReference) -> Vec<Task> {
        self.tamper.rest();
        self.crm.find_tasks(reference).await.unwrap()
    }

    async fn standings(&self) {
        let world = self.world;
        let asked = [
            world.account.clone(),
            nobody(),
            world.blocked.clone(),
            world.closed.clone(),
        ];
        let found = sound(self.standings_of(&asked).await.unwrap());
        assert_eq!(found.len(), 3, "an unknown account is absent: {found:?}");
        for (account, status) in [
            (&world.account, AccountStatus::Active),
            (&world.blocked, AccountStatus::Blocked),
            (&world.closed, AccountStatus::Closed),
        ] {
            let (_, standing) = found.iter().find(|(key, _)| key == account).unwrap();
            assert_eq!(
                (&standing.account, &standing.company, standing.as_of),
                (account, &world.company, as_of())
            );
            assert_eq!(standing.status, status, "{account}");
            assert!(!standing.crm_number.is_empty());
        }
        assert!(sound(self.standings_of(&[nobody()]).await.unwrap()).is_empty());
        tell("  + how accounts stand");
    }

    async fn contacts(&self) {
        let world = self.world;
        let asked = [world.account.clone(), nobody(), world.crowd.clone()];
        let found = sound(self.contacts_of(&asked).await.unwrap());
        assert_eq!(found.len(), 2, "an unknown account is absent");
        let of = |account: &AccountId| {
            let (_, contacts) = found.iter().find(|(key, _)| key == account).unwrap();
            assert_eq!(
                (&contacts.account, contacts.as_of),
                (account, as_of()),
                "they say whose they are"
            );
            contacts.contacts.clone()
        };
        let few = of(&world.account);
        let known = few.iter().find(|one| one.name == world.contact.name);
        let known = known.expect("the contact that is there");
        let expected = Contact {
            contact: known.contact.clone(),
            ..world.contact.clone()
        };
        assert!(*known == expected, "as it was entered");
        let can = self.crm.capabilities();
        assert_eq!(can.contact_roles, !known.roles.is_empty());
        assert_eq!(can.contact_languages, known.language.is_some());

        let mut numbers: Vec<String> = of(&world.crowd)
            .into_iter()
            .map(|contact| contact.contact)
            .collect();
        assert!(numbers.is_sorted(), "by number");
        numbers.dedup();
        assert_eq!(numbers.len(), world.crowd_contacts, "of all pages, once");
        tell("  + contacts, of all pages");
    }

    async fn life_of_a_task(&self) {
        let wanted = self.task("LIFE");
        assert!(self.found(&wanted.task_reference).await.is_empty());
        let made = self.crm.create_task(&wanted).await.unwrap();
        let expected = Task {
            number: made.number.clone(),
            task_reference: wanted.task_reference.clone(),
            account: wanted.account.clone(),
            subject: wanted.subject.clone(),
            description: wanted.description.clone(),
            due_date: wanted.due_date,
            state: TaskState::Open,
        };
        assert_eq!(made, expected, "as it was asked for");
        let can = self.crm.capabilities();
        if can.task_class != TaskClass::Blind {
            let found = self.found(&wanted.task_reference).await;
            assert_eq!(found, std::slice::from_ref(&made));
        }
        assert_eq!(self.crm.task(&made.number).await.unwrap(), made);
        if can.completes_tasks {
            for _twice in 0..2 {
                let done = self.crm.complete_task(&made.number).await.unwrap();
                assert_eq!(done.state, TaskState::Done);
                assert_eq!(self.crm.task(&made.number).await.unwrap(), done);
            }
        } else {
            let refused = self.crm.complete_task(&made.number).await.unwrap_err();
            assert!(is_refusal(&refused), "{refused:?}");
            assert_eq!(self.crm.task(&made.number).await.unwrap(), made);
        }
        let bare = CreateTask {
            description: String::new(),
            due_date: None,
            ..self.task("BARE")
        };
        let made = self.crm.create_task(&bare).await.unwrap();
        assert_eq!((made.description.as_str(), made.due_date), ("", None));
        tell("  + a task is made, found, read and completed");
    }

    /// What a second create with the same reference does is what the connector says.
    async fn second_create(&self) {
        let wanted = self.task("TWICE");
        let first = self.crm.create_task(&wanted).await.unwrap();
        let second = self.crm.create_task(&wanted).await;
        let found = self.found(&wanted.task_reference).await;
        match (self.crm.capabilities().task_class, second) {
            (TaskClass::Unique, Err(ConnectorError::Conflict { existing })) => {
                assert_eq!(existing, first.number.as_str());
                assert_eq!(found, [first]);
            }
            (TaskClass::Searchable, Ok(second)) => {
                assert_ne!(first.number, second.number);
                assert_eq!(found, [first, second], "the oldest first");
            }
            (TaskClass::Blind, Ok(_)) => assert!(found.is_empty()),
            (class, second) => panic!("it is {class:?}, but a second create gave {second:?}"),
        }
        tell("  + a second task of one reference");
    }

    async fn refusals(&self) {
        let wanted = CreateTask {
            account: nobody(),
            ..self.task("NOBODY")
        };
        let refused = self.crm.create_task(&wanted).await.unwrap_err();
        assert!(is_refusal(&refused), "{refused:?}");
        assert!(self.found(&wanted.task_reference).await.is_empty());
        for unknown in ["999999999", "no such task", "../accounts?x=1", "ñ/😀"] {
            let unknown = TaskNumber::new(unknown).unwrap();
            let read = self.crm.task(&unknown).await.unwrap_err();
            assert!(matches!(read, ConnectorError::NotFound), "{read:?}");
            if self.crm.capabilities().completes_tasks {
                let done = self.crm.complete_task(&unknown).await.unwrap_err();
                assert!(matches!(done, ConnectorError::NotFound), "{done:?}");
            }
        }
        tell("  + refusals");
    }

    async fn reads_fail_by_class(&self) {
        let asked = [self.world.account.clone()];
        let calls = {
            self.tamper.rest();
            self.contacts_of(&asked).await.unwrap();
            self.tamper.calls()
        };
        for nth in 0..calls {
            for (spoil, class) in [
                (Spoil::Lose, "unavailable"),
                (Spoil::Mask(StatusCode::BAD_GATEWAY), "unavailable"),
                (
                    Spoil::Refuse(StatusCode::SERVICE_UNAVAILABLE),
                    "unavailable",
                ),
                (Spoil::Refuse(StatusCode::TOO_MANY_REQUESTS), "throttled"),
                (Spoil::Mask(StatusCode::FOUND), "protocol"),
                (Spoil::Cut, "protocol"),
                (Spoil::Swell, "protocol"),
            ] {
                self.tamper.spoil(nth, spoil.clone());
                let failed = self.contacts_of(&asked).await.unwrap_err();
                assert_eq!(
                    failed.outcome(),
                    class,
                    "{spoil:?} of call {nth}: {failed:?}"
                );
                if let ConnectorError::Throttled { retry_after } = failed {
                    assert_eq!(retry_after, Some(Duration::from_secs(7)));
                }
            }
        }
        tell("  + reads fail by class: lost, throttled, huge, cut");
    }

    /// Whatever field is missing, nothing that is told is untrue.
    async fn fields_go_missing(&self) {
        let world = self.world;
        let asked = [
            world.account.clone(),
            world.blocked.clone(),
            world.closed.clone(),
        ];
        let told = |batch: Batch<_, AccountStanding>| batch.found.into_iter().map(|(_, told)| told);
        let standings = async || Ok(told(self.standings_of(&asked).await?).collect::<Vec<_>>());
        self.without_each_field(standings, |told, truth| told == truth)
            .await;

        let alone = [world.account.clone()];
        let contacts = async || {
            let found = self.contacts_of(&alone).await?.found;
            let told = found.into_iter().flat_map(|(_, told)| told.contacts);
            Ok(told.collect::<Vec<_>>())
        };
        let part = |told: &Option<String>, truth: &Option<String>| told.is_none() || told == truth;
        self.without_each_field(contacts, |told: &Contact, truth: &Contact| {
            told.contact == truth.contact
                && truth.name.contains(&told.name)
                && told.roles.iter().all(|role| truth.roles.contains(role))
                && part(&told.email, &truth.email)
                && part(&told.phone, &truth.phone)
                && part(&told.language, &truth.language)
        })
        .await;

        let task = self.crm.create_task(&self.task("FIELDS")).await.unwrap();
        let read = async || Ok(vec![self.crm.task(&task.number).await?]);
        self.without_each_field(read, |told, truth| {
            told.due_date
                .is_none_or(|_| told.due_date == truth.due_date)
                && (told.description.is_empty() || told.description == truth.description)
                && (&told.number, &told.account, &told.subject, told.state)
                    == (&truth.number, &truth.account, &truth.subject, truth.state)
        })
        .await;
        tell("  + each field missing in turn");
    }

    async fn without_each_field<T: std::fmt::Debug>(
        &self,
        read: impl AsyncFn() -> Result<Vec<T>, ConnectorError>,
        is_true: impl Fn(&T, &T) -> bool,
    ) {
        self.tamper.rest();
        let truth = read().await.unwrap();
        for (nth, field) in self.tamper.fields() {
            self.tamper.spoil(nth, Spoil::Omit(field.clone()));
            match read().await {
                Ok(told) => assert!(
                    told.iter()
                        .all(|one| truth.iter().any(|other| is_true(one, other))),
                    "without {field} of answer {nth}: {told:?}"
                ),
                Err(ConnectorError::Protocol(_)) => {}
                Err(other) => panic!("without {field} of answer {nth}: {other:?}"),
            }
        }
    }

    /// An answer for another account is refused whole, in whichever call it comes.
    async fn answers_for_others(&self) {
        let world = self.world;
        let swap = Spoil::Swap(world.account.to_string(), world.crowd.to_string());
        let asked = [world.account.clone()];
        self.tamper.spoil(usize::MAX, swap.clone());
        let truth = sound(self.contacts_of(&asked).await.unwrap());
        let calls = self.tamper.calls();
        let mut noticed = 0;
        for nth in 0..calls {
            self.tamper.spoil(nth, swap.clone());
            match self.contacts_of(&asked).await {
                Ok(told) => assert!(sound(told) == truth, "call {nth}"),
                Err(ConnectorError::Protocol(_)) => noticed += 1,
                Err(other) => panic!("call {nth}: {other:?}"),
            }
        }
        assert!(noticed > 0, "contacts of another account were believed");
        self.tamper.spoil(0, swap);
        let told = self.standings_of(&asked).await;
        assert!(matches!(told, Err(ConnectorError::Protocol(_))), "{told:?}");
        tell("  + answers for another account");
    }

    /// Whatever call of a change goes wrong, and however: what the error says of what was done is so.
    async fn changes_tell_the_truth(&self) {
        self.tamper.rest();
        let task = self.task("COUNTED");
        self.crm.create_task(&task).await.unwrap();
        let calls = self.tamper.calls();
        if self.crm.capabilities().task_class == TaskClass::Blind {
            self.lost_changes_are_in_doubt(calls - 1).await;
        } else {
            self.changes_are_as_told(calls).await;
        }
        tell("  + changes whose answer is lost, late, cut or huge");
    }

    /// Where nobody can look whether a task is there: the call that makes it, the last, was passed on, and no answer says so.
    async fn lost_changes_are_in_doubt(&self, last: usize) {
        for spoil in [
            Spoil::Lose,
            Spoil::Mask(StatusCode::BAD_GATEWAY),
            Spoil::Cut,
            Spoil::Swell,
        ] {
            self.tamper.spoil(last, spoil.clone());
            let made = self.crm.create_task(&self.task("LOST")).await;
            let in_doubt = matches!(made, Err(ConnectorError::OutcomeUnknown(_)));
            assert!(in_doubt, "{spoil:?}: it may be there, and said {made:?}");
        }
        let hasty = (self.world.connect)(self.tamper.url(), self.world.patience);
        // Logged in before, where that is needed.
        hasty.find_tasks(&self.reference("NEVER")).await.unwrap();
        self.tamper.spoil(last, Spoil::Hold);
        let made = hasty.create_task(&self.task("HELD")).await;
        let in_doubt = matches!(made, Err(ConnectorError::OutcomeUnknown(_)));
        assert!(in_doubt, "a time-out: {made:?}");
    }

    /// Where one can: it is there or not as the error says.
    async fn changes_are_as_told(&self, calls: usize) {
        let (mut unknown, mut place) = (0, 0);
        for nth in 0..calls {
            for spoil in [
                Spoil::Lose,
                Spoil::Mask(StatusCode::BAD_GATEWAY),
                Spoil::Refuse(StatusCode::TOO_MANY_REQUESTS),
                Spoil::Cut,
                Spoil::Swell,
                Spoil::Swap(self.world.account.to_string(), nobody().to_string()),
            ] {
                place += 1;
                let wanted = self.task(&format!("T{place}"));
                self.tamper.spoil(nth, spoil.clone());
                let made = self.crm.create_task(&wanted).await;
                unknown += self
                    .judge(&wanted, made, &format!("{spoil:?} of call {nth}"))
                    .await;
            }
        }
        let last = calls - 1;
        let hasty = (self.world.connect)(self.tamper.url(), self.world.patience);
        // Logged in before, where that is needed.
        hasty.find_tasks(&self.reference("NEVER")).await.unwrap();
        let wanted = self.task("HELD");
        self.tamper.spoil(last, Spoil::Hold);
        let made = hasty.create_task(&wanted).await;
        unknown += self.judge(&wanted, made, "a time-out").await;
        assert!(unknown > 0, "no change was lost after it was made");
    }

    /// 1 where the task is there though the connector could not say so.
    async fn judge(
        &self,
        wanted: &CreateTask,
        made: Result<Task, ConnectorError>,
        how: &str,
    ) -> u32 {
        let there = self.found(&wanted.task_reference).await;
        match made {
            Ok(task) => {
                assert_eq!(there, [task], "{how}");
                0
            }
            Err(ConnectorError::OutcomeUnknown(_)) => u32::from(!there.is_empty()),
            Err(certain) => {
                assert!(there.is_empty(), "{how}: it is there, and said {certain:?}");
                0
            }
        }
    }
}

fn is_refusal(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Rejected { message } if !message.is_empty())
}
