//! Headers, parameters and addresses that are wrong, keys used twice, and the limits themselves.

use reqwest::Method;
use serde_json::json;
use tests::{PortalUser, World};
use uuid::Uuid;

use crate::{
    bad_input::{ITEMS, OPERATIONS, names_field, send, sound},
    contracts::{example_body, filled, of_the_portal},
    findings::{Findings, answer_of, generous_world, shortened, trace_of},
};

#[tokio::test]
async fn nothing_comes_of_bad_headers_and_parameters() {
    let world = generous_world().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &user, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    bad_keys(&mut findings, &user).await;
    bad_accounts(&mut findings, &world).await;
    bad_parameters(&mut findings, &user).await;
    bad_addresses(&mut findings, &user).await;
    assert_eq!(
        trace_of(&world, &user, "ACME", ITEMS).await,
        before,
        "bad input did something"
    );
    keys_for_another_intent(&mut findings, &user).await;
    bad_changes(&mut findings, &user).await;
    assert_eq!(
        world.estate.sandbox.erp.orders().len(),
        1,
        "bad input became an order"
    );
    findings.none();
    world.stop().await.unwrap();
}

/// Every operation that takes an Idempotency-Key.
async fn bad_keys(findings: &mut Findings, user: &PortalUser) {
    let of_the_contract = of_the_portal();
    let keyed = of_the_contract
        .iter()
        .filter(|operation| operation.takes("Idempotency-Key"));
    let mut operations = 0;
    for keyed in keyed {
        operations += 1;
        let operation = &filled(&keyed.path).replace("/portal/v1", "");
        let body = example_body(keyed);
        let request = || {
            let request = user
                .request(keyed.method.clone(), operation)
                .header("If-Match", "\"v1\"");
            match &body {
                Some(_) if OPERATIONS.contains(&operation.as_str()) => {
                    request.json(&sound(operation))
                }
                Some(body) => request.json(body),
                None => request,
            }
        };
        findings.problem(
            &format!("{operation} without a key"),
            &answer_of(request()).await,
            400,
            "idempotency-key-missing",
        );
        let long = "k".repeat(256);
        for key in ["", "\"\"", "two words", "tab\there", &long] {
            let answer = answer_of(request().header("Idempotency-Key", key)).await;
            let case = format!("{operation} with the key {key:?}");
            names_field(
                findings,
                &case,
                &answer,
                (400, "invalid-request"),
                ("Idempotency-Key", "invalid-value"),
            );
        }
        let answer = answer_of(request().header("Idempotency-Key", "ké".as_bytes())).await;
        names_field(
            findings,
            &format!("{operation} with a key beyond ASCII"),
            &answer,
            (400, "invalid-request"),
            ("Idempotency-Key", "invalid-value"),
        );
        let answer = answer_of(
            request()
                .header("Idempotency-Key", "one")
                .header("Idempotency-Key", "two"),
        )
        .await;
        findings.problem(
            &format!("{operation} with two keys"),
            &answer,
            400,
            "invalid-request",
        );
    }
    findings.check(
        "all",
        operations >= 9,
        format!("only {operations} take a key"),
    );
}

/// Every operation that acts for one account.
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn bad_accounts(findings: &mut Findings, world: &World) {
    let token = world
        .estate
        .sandbox
        .issuer
        .forge()
        .token("acme-buyer")
        .unwrap();
    let base = format!("{}/portal/v1", world.estate.experience_url);
    let of_the_contract = of_the_portal();
    let for_one = of_the_contract.iter().filter(|operation| {
        // Whoever reads events may read those of all accounts of the token.
        operation.takes("Orderway-Account") && !operation.path.starts_with("/portal/v1/events")
    });
    let operations: Vec<_> = for_one
        .map(|one| {
            let path = one.path.replace("{item}", "SKU-0001");
            let path = filled(&path).replace("/portal/v1", "");
            (one.method.clone(), path, example_body(one))
        })
        .collect();
    findings.check(
        "all",
        operations.len() >= 20,
        format!("only {} act for one account", operations.len()),
    );
    for (method, path, body) in operations {
        let request = |accounts: &[&str]| {
            let request = world
                .http
                .request(method.clone(), format!("{base}{path}"))
                .bearer_auth(&token);
            let request = request
                .header("Idempotency-Key", Uuid::now_v7().to_string())
                .header("If-Match", "\"v1\"");
            let request = accounts.iter().fold(request, |request, account| {
                request.header("Orderway-Account", account.as_bytes())
            });
            match &body {
                Some(_) if OPERATIONS.contains(&path.as_str()) => request.json(&sound(&path)),
                Some(body) => request.json(body),
                None => request,
            }
        };
        let case = |what: &str| format!("{method} {path} {what}");
        let answer = answer_of(request(&[])).await;
        names_field(
            findings,
            &case("for no account"),
            &answer,
            (400, "account-required"),
            ("Orderway-Account", "missing-header"),
        );
        let mut bodies = Vec::new();
        for account in ["BOREALIS", "NOBODY", "acme", "", "ACMÉ", "ACME,BOREALIS"] {
            let answer = answer_of(request(&[account])).await;
            findings.problem(
                &case(&format!("for {account:?}")),
                &answer,
                404,
                "not-found",
            );
            bodies.push(
                answer
                    .text
                    .replace(answer.header("orderway-correlation-id"), ""),
            );
        }
        bodies.dedup();
        findings.check(
            &case("for accounts of others"),
            bodies.len() == 1,
            format!("the answers differ: {bodies:?}"),
        );
        findings.problem(
            &case("for two accounts"),
            &answer_of(request(&["ACME", "ACME-WEST"])).await,
            400,
            "invalid-request",
        );
    }
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn bad_parameters(findings: &mut Findings, user: &PortalUser) {
    for list in ["/products", "/orders", "/webhooks"] {
        for limit in ["0", "201", "65535"] {
            let answer = user.get(&format!("{list}?limit={limit}")).await.unwrap();
            names_field(
                findings,
                &format!("{list} limit {limit}"),
                &answer,
                (422, "validation-failed"),
                ("?limit", "out-of-range"),
            );
        }
        for limit in ["-1", "many", "", "99999999999999999999", "1.5"] {
            let answer = user.get(&format!("{list}?limit={limit}")).await.unwrap();
            names_field(
                findings,
                &format!("{list} limit {limit:?}"),
                &answer,
                (400, "invalid-request"),
                ("?limit", "invalid-parameter"),
            );
        }
        let long = "A".repeat(2_000);
        for cursor in ["garbage!", "e30", "bnVsbA", "LTE", &long, "%00"] {
            let answer = user.get(&format!("{list}?cursor={cursor}")).await.unwrap();
            let case = format!(
                "{list} cursor {}",
                cursor.chars().take(12).collect::<String>()
            );
            names_field(
                findings,
                &case,
                &answer,
                (400, "invalid-request"),
                ("?cursor", "invalid-cursor"),
            );
        }
        let answer = user.get(&format!("{list}?account=BOREALIS")).await.unwrap();
        names_field(
            findings,
            &format!("{list} of an account"),
            &answer,
            (400, "invalid-request"),
            ("?account", "invalid-parameter"),
        );
        let answer = user.get(&format!("{list}?limit=5&limit=6")).await.unwrap();
        names_field(
            findings,
            &format!("{list} with two limits"),
            &answer,
            (400, "invalid-request"),
            ("?limit", "invalid-parameter"),
        );
    }
    for status in ["open", "ACCEPTED", "", "accepted,held"] {
        let answer = user.get(&format!("/orders?status={status}")).await.unwrap();
        names_field(
            findings,
            &format!("orders in status {status:?}"),
            &answer,
            (400, "invalid-request"),
            ("?status", "invalid-parameter"),
        );
    }
    for number in ["", "%20", "PO%0A1", &"P".repeat(51)] {
        let answer = user
            .get(&format!("/orders?purchase_order_number={number}"))
            .await
            .unwrap();
        let case = format!("orders of the number {number:?}");
        names_field(
            findings,
            &case,
            &answer,
            (400, "invalid-request"),
            ("?purchase_order_number", "invalid-parameter"),
        );
    }
    for search in [&"x".repeat(201), "a%00b", "%1b%5B31m"] {
        let answer = user
            .get(&format!("/products?search={search}"))
            .await
            .unwrap();
        let case = format!(
            "products by {}",
            search.chars().take(12).collect::<String>()
        );
        names_field(
            findings,
            &case,
            &answer,
            (422, "validation-failed"),
            ("?search", "out-of-range"),
        );
    }
    let answer = user.get("/products?search=%FF").await.unwrap();
    findings.check(
        "products by bytes that are no UTF-8",
        answer.status.as_u16() < 500,
        format!("{} {}", answer.status, answer.text),
    );
}

async fn bad_addresses(findings: &mut Findings, user: &PortalUser) {
    for path in [
        "/orders/4711",
        "/orders/PO-4711",
        "/orders/%00",
        "/orders/..%2F..%2Fv1%2Forders",
        "/orders/00000000-0000-0000-0000-000000000000/timeline",
        "/quotes/nil",
        "/reservations/%FF",
        "/products/%0A",
        "/products/SKU-9999",
        "/products/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "/accounts/%1b",
        "/accounts/acme/credit",
        "/accounts/BOREALIS",
        "/holds",
        "/decisions/0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e",
        "/orders/",
    ] {
        findings.problem(path, &user.get(path).await.unwrap(), 404, "not-found");
    }
    let far = user
        .get(&format!("/products?search={}", "x".repeat(9_000)))
        .await
        .unwrap();
    findings.problem("an address of 9,000 characters", &far, 414, "uri-too-long");
    for (method, path) in [
        (Method::DELETE, "/orders"),
        (Method::PUT, "/quotes"),
        (Method::PATCH, "/products"),
        (Method::GET, "/basket-checks"),
    ] {
        let answer = answer_of(user.request(method.clone(), path)).await;
        findings.problem(
            &format!("{method} {path}"),
            &answer,
            405,
            "method-not-allowed",
        );
        findings.check(
            path,
            !answer.header("allow").is_empty(),
            "Allow does not say what is offered",
        );
    }
}

/// A key that was used for something else.
async fn keys_for_another_intent(findings: &mut Findings, user: &PortalUser) {
    for (operation, status) in [("/quotes", 201), ("/reservations", 201), ("/orders", 202)] {
        let body = sound(operation);
        let first = user.post(operation, "the-same-key", &body).await.unwrap();
        findings.check(
            operation,
            first.status == status,
            format!("{} {}", first.status, first.text),
        );
        let again = user.post(operation, "the-same-key", &body).await.unwrap();
        findings.check(
            operation,
            again.header("idempotency-replayed") == "true" && again.text == first.text,
            format!("not the first answer: {}", again.text),
        );
        let mut other = body.clone();
        other["lines"][0]["quantity"]["value"] = json!("3");
        let reused = user.post(operation, "the-same-key", &other).await.unwrap();
        findings.problem(
            &format!("{operation} under a used key"),
            &reused,
            422,
            "idempotency-key-reused",
        );
    }
    let listed = user.get("/orders").await.unwrap();
    findings.check(
        "the orders",
        listed.json()["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1),
        listed.text,
    );
    let mut other = sound("/orders");
    other["lines"][0]["quantity"]["value"] = json!("3");
    let doubled = user.post("/orders", "another-key", &other).await.unwrap();
    findings.problem(
        "the number with other content",
        &doubled,
        409,
        "duplicate-purchase-order",
    );
    findings.check(
        "the number with other content",
        !doubled.at("/order_id").is_empty(),
        "the first order is not named",
    );
}

/// Changes of an order that is there, without knowing how it stands.
async fn bad_changes(findings: &mut Findings, user: &PortalUser) {
    let list = user.get("/orders").await.unwrap();
    let order = list.at("/items/0/order_id");
    let cancel = || {
        user.request(Method::POST, &format!("/orders/{order}/cancel"))
            .header("Idempotency-Key", Uuid::now_v7().to_string())
    };
    findings.problem(
        "a cancellation without If-Match",
        &answer_of(cancel()).await,
        428,
        "precondition-required",
    );
    for tag in [
        "\"v0\"", "\"v99\"", "v1", "W/\"v1\"", "", "\"\"", "\"vx\"", "garbage",
    ] {
        let answer = answer_of(cancel().header("If-Match", tag)).await;
        findings.problem(
            &format!("a cancellation of the version {tag:?}"),
            &answer,
            412,
            "precondition-failed",
        );
    }
    let still = user.get(&format!("/orders/{order}")).await.unwrap();
    findings.check(
        "the order",
        still.at("/status") != "cancelled",
        "a bad cancellation cancelled it",
    );
}

/// At the limits, and not beyond.
#[tokio::test]
async fn what_is_just_within_the_limits_is_taken() {
    let world = generous_world().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let good = sound("/basket-checks").to_string();
    let full = format!("{good}{}", " ".repeat(2 * 1024 * 1024 - good.len()));
    assert_eq!(
        send(&user, "/basket-checks", full).await.status,
        200,
        "2 MiB"
    );
    let line = json!({"item": "SKU-0001", "quantity": {"value": "1"}});
    let most = json!({"lines": vec![line; 5_000]});
    let answer = send(&user, "/basket-checks", most.to_string()).await;
    assert_eq!(
        answer.status,
        200,
        "5,000 lines: {}",
        shortened(&answer.text)
    );
    let words = user
        .get(&format!("/products?search={}", "w".repeat(200)))
        .await
        .unwrap();
    assert_eq!(
        words.status, 200,
        "200 characters to search for: {}",
        words.text
    );
    let key = "k".repeat(255);
    let quoted = user.post("/quotes", &key, &sound("/quotes")).await.unwrap();
    assert_eq!(
        quoted.status, 201,
        "a key of 255 characters: {}",
        quoted.text
    );
    for limit in [1, 200] {
        let page = user.get(&format!("/products?limit={limit}")).await.unwrap();
        assert_eq!(
            page.status,
            200,
            "a page of {limit}: {}",
            shortened(&page.text)
        );
    }
    world.stop().await.unwrap();
}
