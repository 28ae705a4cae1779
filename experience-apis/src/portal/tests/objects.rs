//! Objects of others: every operation that names one answers as for an absent one; lists are empty.

use rstest::rstest;
use serde_json::json;
use service_runtime::problem::Problem;

use super::world::{Call, ORDER, acme, act, get, world};

const ABSENT: &str = "0195a000-0000-7000-8000-00000000ffff";

fn call(operation: &str, id: &str) -> Call {
    let call = match operation {
        "read_quote" => get(&format!("/portal/v1/quotes/{id}")),
        "read_reservation" => get(&format!("/portal/v1/reservations/{id}")),
        "release_reservation" => act(&format!("/portal/v1/reservations/{id}/release")),
        "read_order" => get(&format!("/portal/v1/orders/{id}")),
        "read_order_timeline" => get(&format!("/portal/v1/orders/{id}/timeline")),
        "cancel_order" => act(&format!("/portal/v1/orders/{id}/cancel")),
        "read_webhook" => get(&format!("/portal/v1/webhooks/{id}")),
        "test_webhook" => act(&format!("/portal/v1/webhooks/{id}/test")),
        "list_webhook_deliveries" => get(&format!("/portal/v1/webhooks/{id}/deliveries")),
        "list_webhook_dead_letters" => get(&format!("/portal/v1/webhooks/{id}/dead-letters")),
        other => panic!("{other} is no operation on an object"),
    };
    call.by(&acme()).key("k-1").header("if-match", "\"v1\"")
}

#[rstest]
#[case("read_quote", "GET /v1/quotes/")]
#[case("read_reservation", "GET /v1/reservations/")]
#[case("release_reservation", "POST /v1/reservations/{}/release")]
#[case("read_order", "GET /v1/orders/")]
#[case("read_order_timeline", "GET /v1/orders/{}/events")]
#[case("cancel_order", "POST /v1/orders/{}/cancel")]
#[case("read_webhook", "GET /v1/subscriptions/")]
#[case("test_webhook", "POST /v1/subscriptions/{}/test")]
#[case("list_webhook_deliveries", "GET /v1/subscriptions/{}/deliveries")]
#[case("list_webhook_dead_letters", "GET /v1/subscriptions/{}/dead-letters")]
#[tokio::test]
async fn a_foreign_object_is_byte_for_byte_an_absent_one(
    #[case] operation: &str,
    #[case] below: &str,
) {
    let world = world().await;
    // However talkative the layer below may be.
    let foreign = Problem::not_found()
        .with_instance(format!("/v1/orders/{ORDER}"))
        .with_extension("account", "BOREALIS");
    let path = match below.split_once("{}") {
        Some((before, after)) => format!("{before}{ORDER}{after}"),
        None => format!("{below}{ORDER}"),
    };
    world.stub.answers_problem(&path, &foreign);
    let foreign = world.send(call(operation, ORDER)).await;
    let absent = world.send(call(operation, ABSENT)).await;
    let nonsense = world.send(call(operation, "nonsense")).await;
    assert_eq!(foreign.problem(), (404, "not-found".to_owned()));
    assert_eq!(foreign.masked(), absent.masked());
    assert_eq!(foreign.masked(), nonsense.masked());
    assert_eq!(world.stub.seen().len(), 2, "nonsense is not even asked for");
}

#[tokio::test]
async fn a_route_that_does_not_exist_says_so_in_the_same_shape() {
    let world = world().await;
    let answer = world.send(get("/portal/v1/secrets").by(&acme())).await;
    assert_eq!(answer.problem(), (404, "not-found".to_owned()));
    let answer = world.send(act("/portal/v1/accounts").by(&acme())).await;
    assert_eq!(answer.problem(), (405, "method-not-allowed".to_owned()));
}

#[tokio::test]
async fn probes_contract_and_metrics_are_there_without_a_token() {
    let world = world().await;
    for path in [
        "/livez",
        "/startupz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs/",
    ] {
        assert_eq!(world.send(get(path)).await.status, 200, "{path}");
    }
    let contract = world.send(get("/openapi.json")).await.body();
    assert_eq!(contract["openapi"], json!("3.1.0"));
}
