//! What the guard shows of itself, and the contract as it is served.

use super::*;

#[tokio::test]
async fn many_at_once_are_one_call_and_the_guard_can_be_looked_at() {
    let layer = Layer::staged().await;
    let query = json!({"account": "ACME", "items": ["SKU-0001"]});
    let asked = (0..50).map(|_| layer.post("/v1/companies/NWI/prices/query", &query));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert_eq!(layer.sandbox.erp.calls_of("CONDITIONS_GETLIST"), 1);

    let systems: Value = layer.get("/v1/systems").await.json().await.unwrap();
    let erp = &systems["systems"][0];
    assert_eq!(
        (&erp["system"], &erp["kind"], &erp["companies"]),
        (&json!("main"), &json!("erp"), &json!(["NWI"]))
    );
    assert_eq!(erp["budget"]["calls_per_second"], 20);
    let operations = erp["operations"].as_array().unwrap();
    let prices = operations
        .iter()
        .find(|operation| operation["operation"] == "prices")
        .unwrap();
    assert_eq!(
        (&prices["breaker"]["state"], &prices["in_flight"]),
        (&json!("closed"), &json!(0))
    );
    let cache = &prices["cache"];
    assert_eq!(
        cache["hits"].as_u64().unwrap() + cache["misses"].as_u64().unwrap(),
        50
    );
}

#[tokio::test]
async fn a_person_holds_a_breaker_open_and_lets_it_go() {
    let layer = Layer::staged().await;
    let path = "/v1/systems/main/operations/prices/breaker";
    let query = json!({"account": "ACME", "items": ["SKU-0001"]});
    let prices = || layer.post("/v1/companies/NWI/prices/query", &query);
    let send = |method: &'static str, path: &str, body: Value| {
        let token = context_of(Some("NWI"), &signer(LayerIdentity::ProcessApis, KEY));
        let request = layer.request(method, path);
        request.header(CONTEXT_HEADER, token).json(&body).send()
    };
    let until = Clock::system().now() + jiff::SignedDuration::from_mins(10);
    let order = json!({"held": "open", "until": until, "reason": "the ERP is moved"});
    for _ in 0..2 {
        let held = send("PUT", path, order.clone()).await.unwrap();
        assert_eq!(held.status(), StatusCode::OK);
        let held: Value = held.json().await.unwrap();
        assert_eq!(held["state"], "open");
        assert_eq!(held["held"]["reason"], "the ERP is moved");
    }
    problem(prices().await, 503, "backend-unavailable").await;
    let systems: Value = layer.get("/v1/systems").await.json().await.unwrap();
    let operations = systems["systems"][0]["operations"].as_array().unwrap();
    let open = operations
        .iter()
        .filter(|operation| operation["breaker"]["state"] == "open");
    assert_eq!(open.count(), 1);

    let released = send("DELETE", path, Value::Null).await.unwrap();
    assert_eq!(released.status(), StatusCode::OK);
    assert_eq!(prices().await.status(), StatusCode::OK);

    let late = Clock::system().now() + jiff::SignedDuration::from_hours(25);
    let wrong = json!({"held": "open", "until": late, "reason": ""});
    let mut refused = problem(
        send("PUT", path, wrong).await.unwrap(),
        422,
        "validation-failed",
    )
    .await;
    let errors = refused["errors"].take();
    assert_eq!(
        (&errors[0]["pointer"], &errors[1]["pointer"]),
        (&json!("/until"), &json!("/reason"))
    );
    for unknown in [
        "/v1/systems/nowhere/operations/prices/breaker",
        "/v1/systems/main/operations/nothing/breaker",
    ] {
        let answer = send("PUT", unknown, order.clone()).await.unwrap();
        problem(answer, 404, "not-found").await;
    }
}

#[tokio::test]
async fn the_contract_is_served_and_names_every_operation() {
    let layer = Layer::staged().await;
    let served = layer
        .request("GET", "/openapi.json")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(served, openapi::normalise(&router::contract()).unwrap());
    let document: Value = serde_json::from_str(&served).unwrap();
    let mut operations: Vec<&str> = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        let methods = item.as_object().unwrap().values();
        operations.extend(methods.filter_map(|operation| operation["operationId"].as_str()));
    }
    operations.sort_unstable();
    let expected = [
        "amend_sales_order",
        "cancel_sales_order",
        "complete_task",
        "create_sales_order",
        "create_task",
        "create_warehouse_release",
        "find_sales_orders",
        "find_tasks",
        "find_warehouse_releases",
        "get_capabilities",
        "get_crm_capabilities",
        "get_sales_order",
        "get_shipment",
        "get_task",
        "hold_breaker",
        "list_invoices",
        "list_products",
        "list_systems",
        "query_accounts",
        "query_contacts",
        "query_credit",
        "query_facts",
        "query_prices",
        "query_products",
        "query_standings",
        "query_stock",
        "release_breaker",
        "release_sales_order",
        "take_backend_news",
    ];
    assert_eq!(operations, expected);
    for probe in ["/livez", "/readyz", "/startupz", "/metrics", "/docs/"] {
        let answer = layer.request("GET", probe).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{probe}");
    }
}

#[tokio::test]
async fn a_crowd_of_different_questions_does_not_exceed_the_budget() {
    let layer = Layer::staged().await;
    let asked = (1..=40).map(|n| {
        let query = json!({"account": "ACME", "items": [format!("SKU-{n:04}")]});
        let layer = &layer;
        async move { layer.post("/v1/companies/NWI/prices/query", &query).await }
    });
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let merged = layer.faults.stats().calls;
    assert!(merged <= 5, "{merged} calls for one account's prices");

    // A page of the catalogue is a call of its own.
    let searched = (1..=40).map(|n| {
        let path = format!("/v1/companies/NWI/products?search=SKU-{n:04}");
        let layer = &layer;
        async move { layer.get(&path).await }
    });
    for answer in futures_util::future::join_all(searched).await {
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let seen = layer
        .faults
        .max_calls_in_window(std::time::Duration::from_secs(1));
    assert!(seen <= 21, "the ERP saw {seen} calls in a second");
    assert_eq!(layer.faults.stats().calls, merged + 40);
}
