//! Sales orders that are amended.

use super::*;

async fn created(layer: &Layer, reference: &str) -> String {
    let created = layer.post(ORDERS, &order(reference, "SKU-0001")).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let created: Value = created.json().await.unwrap();
    let number = created["number"].as_str().unwrap();
    format!("{ORDERS}/{number}")
}

#[tokio::test]
async fn an_order_is_amended_until_it_is_released() {
    let layer = Layer::staged().await;
    let known: Value = layer
        .get("/v1/companies/NWI/capabilities")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(known["amendable"], "until_release");
    let place = created(&layer, "OWROUTES8").await;
    let amend = async |quantity: &str| {
        let quantity = json!({"value": quantity, "unit": "EA"});
        let lines =
            json!([{"line": 1, "order_line": 1, "quantity": quantity, "ship_date": "2026-11-27"}]);
        let body = json!({"lines": lines});
        layer.post(&format!("{place}/amend"), &body).await
    };
    for _twice in 0..2 {
        let amended = amend("24").await;
        assert_eq!(amended.status(), StatusCode::OK);
        let amended: Value = amended.json().await.unwrap();
        let line = &amended["lines"][0];
        assert_eq!(
            (&line["quantity"]["value"], &line["ship_date"]),
            (&json!("24"), &json!("2026-11-27"))
        );
        assert_eq!(line["unit_price"]["amount"], "9.10");
        assert_eq!(
            (&amended["total"]["amount"], &amended["state"]),
            (&json!("218.40"), &json!("blocked"))
        );
        let read: Value = layer.get(&place).await.json().await.unwrap();
        assert_eq!(read, amended);
    }
    layer
        .post(&format!("{place}/release"), &Value::Null)
        .await
        .error_for_status()
        .unwrap();
    assert_eq!(amend("24").await.status(), StatusCode::OK, "it stands so");
    let late = problem(amend("25").await, 422, "backend-rejected").await;
    let detail = late["detail"].as_str().unwrap();
    assert!(detail.contains("cancel it"), "{detail}");

    let systems: Value = layer.get("/v1/systems").await.json().await.unwrap();
    let operations = systems["systems"][0]["operations"].as_array().unwrap();
    let mut names = operations.iter().map(|operation| &operation["operation"]);
    assert!(names.any(|name| name == "amend_order"));
}

#[tokio::test]
async fn an_amendment_that_makes_no_sense_asks_nothing_of_the_erp() {
    let layer = Layer::staged().await;
    let path = format!("{ORDERS}/0000100001/amend");
    let each = |value: &str| json!({"value": value, "unit": "EA"});
    let cases = [
        (json!([]), "/lines", "too-few"),
        (
            json!([{"line": 1, "order_line": 1}]),
            "/lines/0",
            "incomplete",
        ),
        (
            json!([{"line": 1, "order_line": 1, "quantity": each("-1")}]),
            "/lines/0/quantity/value",
            "out-of-range",
        ),
        (
            json!([{"line": 1, "order_line": 0, "quantity": each("1")}]),
            "/lines/0",
            "out-of-range",
        ),
        (
            json!([{"line": 1, "order_line": 1, "quantity": each("1")}, {"line": 1, "order_line": 2, "quantity": each("1")}]),
            "/lines/1/line",
            "duplicate",
        ),
    ];
    for (lines, pointer, code) in cases {
        let refused = layer.post(&path, &json!({"lines": lines})).await;
        let refused = problem(refused, 422, "validation-failed").await;
        let error = &refused["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(code))
        );
    }
    // Neither a price nor another item is a part of it.
    let price = json!({"lines": [{"line": 1, "order_line": 1, "unit_price": {"amount": "1", "currency": "USD", "unit": "EA"}}]});
    let refused = layer.post(&path, &price).await;
    assert!(refused.status().is_client_error());
    assert_eq!(layer.sandbox.erp.calls().len(), 0);

    let unknown = json!({"lines": [{"line": 1, "order_line": 1, "ship_date": "2026-11-27"}]});
    let unknown = layer.post(&path, &unknown).await;
    problem(unknown, 404, "backend-not-found").await;
}

#[tokio::test]
async fn an_amendment_whose_answer_was_lost_is_sent_again() {
    let layer = Layer::staged().await;
    let place = created(&layer, "OWROUTES9").await;
    let lines = json!([{"line": 1, "order_line": 1, "quantity": {"value": "6", "unit": "EA"}}]);
    let amend = async || {
        let body = json!({"lines": lines});
        layer.post(&format!("{place}/amend"), &body).await
    };
    layer.fail("/erp/call/SALESORDER_CHANGE", Fault::DropAfterCommit);
    problem(amend().await, 504, "backend-outcome-unknown").await;
    // It is done, and cannot be shown: nobody may conclude that it is not.
    layer.fail("/erp/call/SALESORDER_GETDETAIL", Fault::DropConnection);
    problem(amend().await, 504, "backend-outcome-unknown").await;
    layer.faults.set_plan(FaultPlan::default()).unwrap();
    let amended: Value = amend().await.json().await.unwrap();
    assert_eq!(amended["lines"][0]["quantity"]["value"], "6");
}
