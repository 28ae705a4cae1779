//! The order path of the layer as a whole, over `SQLite` and an ERP that misbehaves as told: orders are counted in the
//! ERP, never in our own tables.

mod counted_twice;
mod erp;
mod gates;
mod ghosts;
mod harness;
mod holds;
mod moving;
mod outage;
mod replacing;
mod replacing_meanwhile;
mod replaying;
mod set_back;
mod taking;
mod unreadable;
mod unsettled;
mod webhooks;

#[tokio::test]
async fn a_drained_layer_has_let_go_of_its_file_though_its_routes_live() {
    let directory = tempfile::tempdir().unwrap();
    let config_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let environment = service_runtime::config::Environment::default();
    let mut config: crate::config::Config =
        service_runtime::config::load(crate::LAYER, Some(&config_dir), &environment).unwrap();
    config.store.path = directory.path().join("data.sqlite");
    let (_router, background) = crate::build(config.clone(), crate::Deps::default())
        .await
        .unwrap();
    let failed = tokio::spawn(background.store_failed());
    assert!(
        crate::open_store(&config).await.is_err(),
        "it is this layer's"
    );
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    assert!(!failed.is_finished());
    Box::pin(background.run(stop)).await;
    crate::open_store(&config).await.unwrap();
    // A writer that is gone without a word is told too: nothing more is taken.
    failed.await.unwrap();
}

#[tokio::test]
async fn a_call_without_an_answer_does_not_keep_the_store_open() {
    use crate::{
        orders::{OrderEvent, change, testing::around},
        store::{Commit, SubscriptionChange, SubscriptionSettings},
    };
    let directory = tempfile::tempdir().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let config_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let environment = service_runtime::config::Environment::default();
    let mut config: crate::config::Config =
        service_runtime::config::load(crate::LAYER, Some(&config_dir), &environment).unwrap();
    config.store.path = directory.path().join("data.sqlite");
    config.webhooks.allow_loopback = true;
    config.webhooks.ports = vec![address.port()];
    config.webhooks.timeout = service_runtime::config::HumanDuration::from_secs(290);
    config.webhooks.lease = service_runtime::config::HumanDuration::from_secs(300);
    let (_router, background) = crate::build(config.clone(), crate::Deps::default())
        .await
        .unwrap();
    let store = std::sync::Arc::clone(&background.state.store);
    let cause = crate::events::harness::commit("US01").cause;
    let create = SubscriptionChange::Create {
        id: canonical_model::SubscriptionId::generate(),
        account: "A".parse().unwrap(),
        settings: SubscriptionSettings {
            url: format!("http://{address}/"),
            types: Vec::new(),
            description: None,
            secrets: Vec::new(),
        },
        position: 0,
        most: 1,
    };
    let received = crate::events::published_tests::of_account("A");
    let events = [OrderEvent::Received(Box::new(received))];
    let order = change::commit(None, &events, cause.clone().unwrap(), around());
    let commit = Commit {
        cause,
        changes: order.unwrap().unwrap().0.changes,
        subscriptions: vec![create],
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(Box::pin(background.run(stop.clone())));
    let _call = silent.accept().await.unwrap();
    stop.cancel();
    let patience = std::time::Duration::from_secs(120);
    let ended = tokio::time::timeout(patience, running).await;
    ended.expect("it ends before the call does").unwrap();
    crate::open_store(&config).await.unwrap();
}

#[test]
fn every_error_code_is_unique_and_has_its_page() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
    let mut seen = std::collections::BTreeSet::new();
    for code in crate::error::ALL {
        assert!(seen.insert(code.code), "{} is declared twice", code.code);
        let page = std::fs::read_to_string(format!("{pages}/{}.md", code.code));
        let page = page.unwrap_or_else(|error| panic!("docs/errors/{}.md: {error}", code.code));
        assert!(
            page.starts_with(&format!("# {}", code.code)),
            "{}.md opens with its code",
            code.code
        );
        assert!(
            page.contains(&code.status.to_string()),
            "{}.md names its status",
            code.code
        );
    }
}

#[test]
fn every_operation_of_orders_and_holds_is_in_the_contract() {
    let contract = serde_json::to_value(crate::router::contract()).unwrap();
    let operations = [
        ("/v1/orders", "post", "create_order"),
        ("/v1/orders", "get", "list_orders"),
        ("/v1/orders/{order_id}", "get", "get_order"),
        ("/v1/orders/{order_id}/cancel", "post", "cancel_order"),
        ("/v1/orders/{order_id}/replace", "post", "replace_order"),
        ("/v1/orders/{order_id}/retry", "post", "retry_order"),
        (
            "/v1/orders/{order_id}/holds/{hold}/release",
            "post",
            "release_hold",
        ),
        ("/v1/holds", "get", "list_holds"),
    ];
    for (path, method, operation) in operations {
        let found = &contract["paths"][path][method];
        assert_eq!(found["operationId"], operation, "{method} {path}");
        assert!(
            found["responses"]["default"].is_object(),
            "{method} {path} can answer a problem"
        );
    }
}
