//! The order path of the layer as a whole, over `SQLite` and an ERP that misbehaves as told: orders are counted in the
//! ERP, never in our own tables.

mod erp;
mod ghosts;
mod harness;
mod holds;
mod moving;
mod outage;
mod replacing;
mod replacing_meanwhile;
mod taking;
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
