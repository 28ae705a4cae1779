//! The contract against a live sandbox, and what is special about this CRM.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use canonical_model::{
    AccountId, CompanyId,
    capabilities::TaskClass,
    crm::{Contact, ContactRole},
};
use jiff::{Timestamp, civil::date};
use rstest::rstest;
use sandbox::{
    RunningSandbox, Sandbox, SandboxConfig, Seed, SeedSizes, TaskRule,
    crm::{Lifecycle, TaskStatus},
};
use service_runtime::{
    config::{HumanDuration, Secret},
    http_client::BackendClientConfig,
};

use super::{client::SandboxCrmConnector, config::SandboxCrm};
use crate::{
    connector::ConnectorError,
    crm::{
        connector::CrmConnector,
        contract::{self, World},
    },
};

async fn sandbox(rule: TaskRule) -> RunningSandbox {
    let seed = Seed::generate(&SeedSizes {
        accounts: 8,
        items: 1,
        rng_seed: 1,
        base_date: date(2026, 11, 20),
    });
    let config = SandboxConfig {
        crm_tasks: rule,
        crm_calls_per_second: NonZeroU32::MAX,
        ..SandboxConfig::new(seed)
    };
    Sandbox::start(config).await.unwrap()
}

fn connector(base_url: &str, class: TaskClass, patience: Duration) -> SandboxCrmConnector {
    let token = Secret::from(SandboxConfig::CRM_TOKEN.to_owned());
    let mut settings = SandboxCrm::at(base_url.to_owned(), token);
    settings.task_class = class;
    settings.http = BackendClientConfig {
        timeout: HumanDuration::from_secs(patience.as_secs()),
        ..BackendClientConfig::default()
    };
    SandboxCrmConnector::new(&settings).unwrap()
}

fn usual(sandbox: &RunningSandbox) -> SandboxCrmConnector {
    connector(
        &sandbox.crm_url(),
        TaskClass::Unique,
        Duration::from_secs(60),
    )
}

fn account(number: &str) -> AccountId {
    AccountId::new(number).unwrap()
}

fn company() -> CompanyId {
    CompanyId::new("NWI").unwrap()
}

fn as_of() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

#[rstest]
#[case(TaskRule::Unique, TaskClass::Unique)]
#[case(TaskRule::Searchable, TaskClass::Searchable)]
#[case(TaskRule::Blind, TaskClass::Blind)]
#[tokio::test]
async fn the_contract_holds(#[case] rule: TaskRule, #[case] class: TaskClass) {
    let sandbox = sandbox(rule).await;
    let crm = &sandbox.crm;
    crm.set_lifecycle("CUST-0004", Lifecycle::OnHold).unwrap();
    crm.set_lifecycle("CUST-0005", Lifecycle::Former).unwrap();
    let before = crm.contacts().len();
    for number in 0..230 {
        crm.enter_contact("CUST-0007", "Visitor", &number.to_string())
            .unwrap();
    }
    let own = crm.contacts().len() - before + 1;
    let world = World {
        name: "sandbox CRM",
        url: sandbox.crm_url(),
        connect: Box::new(move |url, patience| Arc::new(connector(url, class, patience))),
        company: company(),
        account: account("ACME"),
        contact: Contact {
            contact: String::new(),
            name: "Dana Whitfield".to_owned(),
            roles: vec![ContactRole::Purchasing],
            email: Some("dana.whitfield@acme.example".to_owned()),
            phone: Some("+1 614 555 0101".to_owned()),
            language: Some("en".to_owned()),
        },
        crowd: account("CUST-0007"),
        crowd_contacts: own,
        blocked: account("CUST-0004"),
        closed: account("CUST-0005"),
        patience: Duration::from_secs(2),
    };
    contract::run(&world).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn who_does_not_want_to_be_contacted_is_left_out() {
    let sandbox = sandbox(TaskRule::Unique).await;
    let id = sandbox.crm.enter_contact("ACME", "Nora", "Quiet").unwrap();
    let read = async || {
        let accounts = [account("ACME")];
        let batch = usual(&sandbox)
            .contacts(&company(), &accounts, as_of())
            .await
            .unwrap();
        let contacts = batch.found.into_iter().flat_map(|(_, told)| told.contacts);
        contacts.map(|contact| contact.contact).collect::<Vec<_>>()
    };
    assert!(read().await.contains(&id));
    sandbox.crm.do_not_contact(&id);
    assert!(!read().await.contains(&id));
}

#[tokio::test]
async fn an_account_that_is_there_twice_is_nobodys_until_people_merge_it() {
    let sandbox = sandbox(TaskRule::Unique).await;
    sandbox.crm.enter_twice("ACME").unwrap();
    let crm = usual(&sandbox);
    let asked = [account("ACME"), account("BOREALIS")];
    let batch = crm.standings(&company(), &asked, as_of()).await.unwrap();
    let found: Vec<_> = batch.found.iter().map(|(number, _)| number).collect();
    assert_eq!(found, [&account("BOREALIS")]);
    assert!(
        batch.implausible[0].contains("ACME"),
        "{:?}",
        batch.implausible
    );

    let task = canonical_model::crm::CreateTask {
        task_reference: "T-1".parse().unwrap(),
        account: account("ACME"),
        subject: "Call".to_owned(),
        description: String::new(),
        due_date: None,
    };
    let refused = crm.create_task(&task).await.unwrap_err();
    assert!(
        matches!(&refused, ConnectorError::Rejected { message } if message.contains("merge")),
        "{refused:?}"
    );
    assert!(
        crm.find_tasks(&task.task_reference)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_task_that_people_dropped_cannot_be_completed() {
    let sandbox = sandbox(TaskRule::Unique).await;
    let crm = usual(&sandbox);
    let task = &sandbox.crm.tasks()[0];
    let number = task.id.parse().unwrap();
    sandbox
        .crm
        .set_status(&task.id, TaskStatus::Dropped)
        .unwrap();
    let refused = crm.complete_task(&number).await.unwrap_err();
    assert!(
        matches!(refused, ConnectorError::Rejected { .. }),
        "{refused:?}"
    );
    assert_eq!(
        crm.task(&number).await.unwrap().state,
        canonical_model::crm::TaskState::Cancelled
    );
}

#[tokio::test]
async fn its_own_limit_is_a_wish_for_fewer_calls() {
    let config = SandboxConfig {
        crm_calls_per_second: NonZeroU32::MIN,
        ..SandboxConfig::new(Seed::default_world(date(2026, 11, 20)))
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    let crm = usual(&sandbox);
    let asked = [account("ACME")];
    // Two in a second are more than it takes, whichever the second.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let throttled = loop {
        match crm.standings(&company(), &asked, as_of()).await {
            Ok(_taken) => assert!(tokio::time::Instant::now() < deadline, "never throttled"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(throttled, ConnectorError::Throttled { retry_after: Some(wait) } if !wait.is_zero()),
        "{throttled:?}"
    );
}
