//! The contract against a live Tryton, and what is special about it. What the seed lacks is made here, once.

use std::{sync::Arc, time::Duration};

use canonical_model::{
    AccountId, CompanyId,
    crm::{Contact, ContactRole, CreateTask, TaskState},
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use service_runtime::{
    config::{HumanDuration, Secret},
    http_client::BackendClientConfig,
};

use super::{client::TrytonCrmConnector, config::TrytonCrm};
use crate::{
    connector::ConnectorError,
    crm::{
        connector::CrmConnector,
        contract::{self, World},
    },
    transport::Effect,
    tryton::{Search, Tryton, TrytonServer, live::live, values::Amount},
};

const CROWD: usize = 230;

/// One makes the world at a time: codes are unique there.
static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The live server as the gateway, with the world in it.
async fn server() -> Option<TrytonServer> {
    let live = live()?;
    let server = live.server("crm");
    // Only who may do more than the gateway sets a credit limit.
    let text = |path: &str| live.0.pointer(path).unwrap().as_str().unwrap().to_owned();
    let office = TrytonServer {
        user: text("/users/changefeed/login"),
        password: Secret::from(text("/users/changefeed/password")),
        ..server.clone()
    };
    let _one = MAKING.lock().await;
    world(&Tryton::new(&office).unwrap()).await;
    Some(server)
}

fn connector(server: &TrytonServer) -> TrytonCrmConnector {
    TrytonCrmConnector::new(&TrytonCrm::at(server.clone())).unwrap()
}

fn account(number: &str) -> AccountId {
    AccountId::new(number).unwrap()
}

#[derive(Deserialize)]
struct Row {
    id: i64,
}

/// A party by its code; made where it is not there.
async fn party(tryton: &Tryton, code: &str, mut values: Value) -> i64 {
    let context = tryton.context().await.unwrap().with("active_test", false);
    let search = Search::of(json!([["code", "=", code]]), 2, &["code"]);
    let found: Vec<Row> = tryton
        .search_read("party.party", &search, &context)
        .await
        .unwrap();
    if let Some(known) = found.first() {
        return known.id;
    }
    values["code"] = json!(code);
    values["name"] = json!(format!("Party {code}"));
    tryton
        .create("party.party", &[values], &context)
        .await
        .unwrap()[0]
}

/// Mechanisms of a party; made where it has none.
async fn mechanisms(tryton: &Tryton, party: i64, values: Vec<Value>) {
    let context = tryton.context().await.unwrap();
    let search = Search::of(json!([["party", "=", party]]), 1, &["type"]);
    let found: Vec<Row> = tryton
        .search_read("party.contact_mechanism", &search, &context)
        .await
        .unwrap();
    if found.is_empty() {
        tryton
            .create("party.contact_mechanism", &values, &context)
            .await
            .unwrap();
    }
}

/// Accounts of each kind, with contacts.
async fn world(tryton: &Tryton) {
    let context = tryton.context().await.unwrap();
    let english = Search::of(json!([["code", "=", "en"]]), 1, &["code"]);
    let english: Vec<Row> = tryton
        .search_read("ir.lang", &english, &context)
        .await
        .unwrap();
    let known = party(tryton, "OWCRM-KNOWN", json!({})).await;
    let dana = |kind: &str, value: &str, sequence: i64| {
        json!({
            "party": known, "type": kind, "value": value, "name": "Dana Whitfield", "sequence": sequence,
            "invoice": kind == "email", "language": english[0].id,
        })
    };
    let means = vec![
        dana("email", "dana.later@known.example", 2),
        dana("email", "dana@known.example", 1),
        dana("phone", "+1 614 555 0101", 3),
        json!({"party": known, "type": "website", "value": "https://known.example"}),
        json!({"party": known, "type": "phone", "value": "+1 614 555 0100"}),
    ];
    mechanisms(tryton, known, means).await;
    let crowd = party(tryton, "OWCRM-CROWD", json!({})).await;
    let visitors = (0..CROWD).map(|number| {
        json!({
            "party": crowd, "type": "email", "value": format!("visitor{number}@crowd.example"),
            "name": format!("Visitor {number}"),
        })
    });
    mechanisms(tryton, crowd, visitors.collect()).await;
    let nothing = json!({ "credit_limit_amount": Amount(Decimal::ZERO) });
    party(tryton, "OWCRM-BLOCKED", nothing).await;
    // A party is made active, and closed afterwards.
    let closed = party(tryton, "OWCRM-CLOSED", json!({})).await;
    let inactive = json!({ "active": false });
    tryton
        .write("party.party", &[closed], &inactive, &context)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_contract_holds() {
    let Some(server) = server().await else {
        return;
    };
    let url = server.url.clone();
    let connect = move |url: &str, patience: Duration| {
        let server = TrytonServer {
            url: url.to_owned(),
            http: BackendClientConfig {
                timeout: HumanDuration::from_secs(patience.as_secs()),
                ..BackendClientConfig::default()
            },
            ..server.clone()
        };
        let connector: Arc<dyn CrmConnector> = Arc::new(connector(&server));
        connector
    };
    contract::run(&World {
        name: "Tryton CRM",
        url,
        connect: Box::new(connect),
        company: CompanyId::new("NWI").unwrap(),
        account: account("OWCRM-KNOWN"),
        contact: Contact {
            contact: String::new(),
            name: "Dana Whitfield".to_owned(),
            roles: vec![ContactRole::Billing],
            email: Some("dana@known.example".to_owned()),
            phone: Some("+1 614 555 0101".to_owned()),
            language: Some("en".to_owned()),
        },
        crowd: account("OWCRM-CROWD"),
        crowd_contacts: CROWD,
        blocked: account("OWCRM-BLOCKED"),
        closed: account("OWCRM-CLOSED"),
        patience: Duration::from_secs(20),
    })
    .await;
}

#[tokio::test]
async fn the_seed_s_accounts_are_known_and_means_without_a_name_are_the_party_s() {
    let Some(server) = server().await else {
        return;
    };
    let crm = connector(&server);
    let company = CompanyId::new("NWI").unwrap();
    let as_of: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let seeded = [account("ACME"), account("ACME-WEST"), account("BOREALIS")];
    let batch = crm.contacts(&company, &seeded, as_of).await.unwrap();
    assert_eq!(batch.found.len(), 3);
    assert!(batch.found.iter().all(|(_, told)| told.contacts.is_empty()));

    let known = [account("OWCRM-KNOWN")];
    let batch = crm.contacts(&company, &known, as_of).await.unwrap();
    let people = &batch.found[0].1.contacts;
    assert_eq!(people.len(), 2, "two people, and no web site");
    let nameless = people
        .iter()
        .find(|one| one.name == "Party OWCRM-KNOWN")
        .unwrap();
    assert_eq!(nameless.phone.as_deref(), Some("+1 614 555 0100"));
    assert!(nameless.email.is_none() && nameless.roles.is_empty());
}

#[tokio::test]
async fn a_task_ends_as_people_end_the_opportunity_and_none_is_made_for_a_closed_account() {
    let Some(server) = server().await else {
        return;
    };
    let tryton = Tryton::new(&server).unwrap();
    let crm = connector(&server);
    let reference = canonical_model::OrderReference::of(canonical_model::OrderId::generate());
    let mut task = CreateTask {
        task_reference: format!("{reference}-END").parse().unwrap(),
        account: account("OWCRM-KNOWN"),
        subject: "Call".to_owned(),
        description: String::new(),
        due_date: None,
    };
    let made = crm.create_task(&task).await.unwrap();
    let context = tryton.context().await.unwrap();
    let search = Search::of(json!([["number", "=", made.number]]), 1, &["number"]);
    let rows: Vec<Row> = tryton
        .search_read("sale.opportunity", &search, &context)
        .await
        .unwrap();
    let cancel = ([rows[0].id], &context);
    let _null: Value = tryton
        .call("model.sale.opportunity.cancel", &cancel, Effect::Changes)
        .await
        .unwrap();
    let now = crm.task(&made.number).await.unwrap();
    assert_eq!(now.state, TaskState::Cancelled);
    let refused = crm.complete_task(&made.number).await.unwrap_err();
    assert!(
        matches!(refused, ConnectorError::Rejected { .. }),
        "{refused:?}"
    );

    task.account = account("OWCRM-CLOSED");
    let refused = crm.create_task(&task).await.unwrap_err();
    assert!(
        matches!(refused, ConnectorError::Rejected { .. }),
        "{refused:?}"
    );
}
