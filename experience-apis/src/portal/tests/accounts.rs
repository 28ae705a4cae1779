//! Acting for one of several accounts.

use rstest::rstest;
use serde_json::{Value, json};

use super::world::{NOW, acme, both, get, world};

fn account(number: &str) -> Value {
    json!({"company": "NWI", "account": number, "name": "Acme", "status": "active", "ancestors": ["HOLDING"],
        "currency": "USD", "as_of": NOW, "ship_tos": [{"ship_to": "ACME-01", "name": "Dock 1", "identifiers":
            [{"scheme": "gln", "value": "0012345000010"}],
            "address": {"lines": ["1 Main St"], "city": "Chicago", "region": "IL", "country": "US"}}]})
}

#[tokio::test]
async fn a_token_for_several_accounts_must_name_one_and_is_not_told_of_others() {
    let world = world().await;
    let answer = world.send(get("/portal/v1/orders").by(&both())).await;
    assert_eq!(answer.problem(), (400, "account-required".to_owned()));
    assert_eq!(answer.body()["errors"][0]["pointer"], "Orderway-Account");
    assert!(!answer.text.contains("ACME"));
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn the_account_named_is_the_only_one_the_call_can_reach() {
    let world = world().await;
    world
        .stub
        .answers("GET /v1/orders", 200, &json!({"items": []}));
    let call = get("/portal/v1/orders").by(&both()).account("ACME-WEST");
    let answer = world.send(call).await;
    assert_eq!((answer.status, answer.body()), (200, json!({"items": []})));
    let seen = world.stub.seen_call("GET", "/v1/orders");
    assert_eq!(seen.query, "account=ACME-WEST");
    assert!(seen.context.may_see("ACME-WEST") && !seen.context.may_see("ACME"));
}

#[rstest]
#[case("BOREALIS")]
#[case("NOBODY")]
#[case("acme")]
#[tokio::test]
async fn a_foreign_account_is_an_absent_one(#[case] foreign: &str) {
    let world = world().await;
    let by_header = world
        .send(get("/portal/v1/orders").by(&both()).account(foreign))
        .await;
    let path = format!("/portal/v1/accounts/{foreign}");
    let by_path = world.send(get(&path).by(&both())).await;
    let credit = world.send(get(&format!("{path}/credit")).by(&both())).await;
    let absent = world
        .send(get("/portal/v1/quotes/nonsense").by(&acme()))
        .await;
    for answer in [&by_header, &by_path, &credit] {
        assert_eq!(answer.status, 404);
        assert_eq!(answer.masked(), absent.masked());
    }
    assert!(world.stub.seen().is_empty(), "nothing was asked below");
}

#[tokio::test]
async fn my_accounts_come_with_their_delivery_addresses_and_nothing_internal() {
    let world = world().await;
    let accounts = json!({"accounts": [account("ACME"), account("ACME-WEST")]});
    world.stub.answers("GET /v1/accounts", 200, &accounts);
    let answer = world.send(get("/portal/v1/accounts").by(&both())).await;
    let body = answer.body();
    assert_eq!(body["accounts"][1]["account"], "ACME-WEST");
    assert_eq!(body["accounts"][0]["ship_tos"][0]["ship_to"], "ACME-01");
    assert!(
        !answer.text.contains("HOLDING") && !answer.text.contains("gln"),
        "{}",
        answer.text
    );
    world
        .stub
        .answers("GET /v1/accounts/ACME-WEST", 200, &account("ACME-WEST"));
    let one = world
        .send(get("/portal/v1/accounts/ACME-WEST").by(&both()))
        .await;
    assert_eq!(one.body(), body["accounts"][1]);
    let seen = world.stub.seen_call("GET", "/v1/accounts/ACME-WEST");
    assert!(!seen.context.may_see("ACME"));
}

#[tokio::test]
async fn credit_is_told_where_it_is_asked_for() {
    let world = world().await;
    let money = |amount: &str| json!({"amount": amount, "currency": "USD"});
    let position = json!({"account": "ACME", "limit": money("50000.00"), "used": money("1200.00"),
        "available": money("48800.00"), "blocked": false, "as_of": NOW, "degraded": false});
    world
        .stub
        .answers("GET /v1/accounts/ACME/credit", 200, &position);
    let answer = world
        .send(get("/portal/v1/accounts/ACME/credit").by(&acme()))
        .await;
    assert_eq!((answer.status, answer.body()), (200, position));
}
