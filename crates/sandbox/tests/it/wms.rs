//! The WMS from outside.

use sandbox::{RunningSandbox, SandboxConfig, WmsStockChange};
use serde_json::{Value, json};

use crate::support::{config, http, start, start_with, wms};

fn pick(client_ref: &str) -> Value {
    json!({
        "clientRef": client_ref, "orderRef": "0000100001", "siteCode": "EAST", "shipDate": "2026-11-25",
        "lines": [{ "lineRef": "1", "skuCode": "SKU-0001", "qty": "12", "unit": "EACH" }],
    })
}

async fn post(sandbox: &RunningSandbox, path: &str, body: &Value) -> (u16, Value) {
    let request = http()
        .post(format!("{}/wms/v2/{path}", sandbox.wms_url()))
        .json(body);
    let answer = wms(request).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

async fn get(sandbox: &RunningSandbox, path: &str) -> (u16, Value) {
    let request = http().get(format!("{}/wms/v2/{path}", sandbox.wms_url()));
    let answer = wms(request).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn without_the_token_nothing_is_answered() {
    let sandbox = start().await;
    let url = format!("{}/wms/v2/pickRequests", sandbox.wms_url());
    let answer = http()
        .post(url)
        .json(&pick("R1"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 401);
    assert!(sandbox.wms.pick_requests().is_empty());
}

#[tokio::test]
async fn a_reference_is_unique_unless_configured_otherwise() {
    let unique = start().await;
    let (status, first) = post(&unique, "pickRequests", &pick("R1")).await;
    assert_eq!((status, &first["status"]), (201, &json!("NEW")));
    let (status, second) = post(&unique, "pickRequests", &pick("R1")).await;
    assert_eq!(
        (status, &second["code"]),
        (409, &json!("DUPLICATE_CLIENT_REF"))
    );
    assert_eq!(second["pickRequestId"], first["pickRequestId"]);

    let repeatable = start_with(SandboxConfig {
        unique_client_ref: false,
        ..config()
    })
    .await;
    for _ in 0..2 {
        let (status, _) = post(&repeatable, "pickRequests", &pick("R1")).await;
        assert_eq!(status, 201);
    }
    let (_, found) = get(&repeatable, "pickRequests?clientRef=R1").await;
    assert_eq!(found["total"], 2);
    let (_, none) = get(&repeatable, "pickRequests?clientRef=R2").await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn a_pick_request_takes_stock_until_it_is_cancelled() {
    let sandbox = start().await;
    let change = WmsStockChange {
        qty_on_hand: Some(100.into()),
        ..WmsStockChange::default()
    };
    sandbox
        .wms
        .set_stock("SKU-0001", "EAST", change)
        .expect("known");
    let query = json!({ "skuCodes": ["SKU-0001", "NOPE"], "siteCodes": ["EAST"] });
    let available = async || {
        let (_, page) = post(&sandbox, "stock/query", &query).await;
        assert_eq!(page["unknownSkuCodes"], json!(["NOPE"]));
        page["items"][0]["qtyAvailable"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    assert_eq!(available().await, "100");
    let (_, created) = post(&sandbox, "pickRequests", &pick("R1")).await;
    assert_eq!(available().await, "88");
    let id = created["pickRequestId"].as_str().expect("an id");
    for _ in 0..2 {
        let (status, cancelled) =
            post(&sandbox, &format!("pickRequests/{id}/cancel"), &json!({})).await;
        assert_eq!((status, &cancelled["status"]), (200, &json!("CANCELLED")));
    }
    assert_eq!(available().await, "100");
    let (status, _) = get(&sandbox, "pickRequests/PR-1").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_it_cannot_pick_it_refuses_by_name() {
    let sandbox = start().await;
    for (field, value, code) in [
        ("/siteCode", "NORTH", "UNKNOWN_SITE"),
        ("/lines/0/skuCode", "NOPE", "UNKNOWN_SKU"),
        ("/lines/0/unit", "CARTON", "WRONG_UNIT"),
        ("/lines/0/qty", "-1", "INVALID_QTY"),
        ("/clientRef", "", "INVALID_REQUEST"),
        ("/shipDate", "tomorrow", "INVALID_REQUEST"),
    ] {
        let mut body = pick("R1");
        *body.pointer_mut(field).expect("a field") = json!(value);
        let (status, answer) = post(&sandbox, "pickRequests", &body).await;
        assert_eq!((status, &answer["code"]), (422, &json!(code)));
    }
    assert!(sandbox.wms.pick_requests().is_empty());
    let (status, answer) = get(&sandbox, "pickRequests?page=one").await;
    assert_eq!((status, &answer["code"]), (422, &json!("INVALID_REQUEST")));
}
