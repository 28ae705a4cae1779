//! Nobody sees, changes or uses what belongs to another account, and nobody can tell it from what is not there. The
//! cases are made from the published contract: an operation that names an object and has no case here fails the test.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::{Answer, EdiPartner, PortalUser, Setup, World};
use uuid::Uuid;

use crate::{
    contracts::{Operation, committed, example_body, filled, operations},
    findings::{Findings, answer_of, generous_world, shortened},
};

/// What ACME has.
struct Owned {
    order: String,
    quote: String,
    reservation: String,
    webhook: String,
}

/// Who may not see it, by name.
struct Stranger {
    name: &'static str,
    user: PortalUser,
    /// Holds ACME in its token too, but acts for another account.
    is_sibling: bool,
}

async fn owned(acme: &PortalUser) -> Owned {
    let lines = json!([{"item": "SKU-0001", "quantity": {"value": "2"}}]);
    let order = json!({"purchase_order_number": "PO-ISOLATION", "lines": lines});
    let order = acme.order("isolation-order", &order).await.unwrap();
    assert_eq!(
        (order.status.as_u16(), order.at("/status").as_str()),
        (202, "accepted"),
        "{}",
        order.text
    );
    let quote = acme
        .post("/quotes", "isolation-quote", &json!({"lines": lines}))
        .await
        .unwrap();
    assert_eq!(quote.status, 201, "{}", quote.text);
    let reservation = acme
        .post(
            "/reservations",
            "isolation-reservation",
            &json!({"lines": lines}),
        )
        .await
        .unwrap();
    assert_eq!(reservation.status, 201, "{}", reservation.text);
    let address = json!({"url": "http://127.0.0.1:9/hook"});
    let webhook = acme
        .post("/webhooks", "isolation-webhook", &address)
        .await
        .unwrap();
    assert_eq!(webhook.status, 201, "{}", webhook.text);
    Owned {
        order: order.at("/order_id"),
        quote: quote.at("/quote_id"),
        reservation: reservation.at("/reservation_id"),
        webhook: webhook.at("/webhook_id"),
    }
}

fn contract() -> Vec<Operation> {
    operations(&serde_json::from_str(&committed("experience-apis")).unwrap())
}

/// The parameters of a path.
fn names(path: &str) -> Vec<&str> {
    path.split(['{', '}']).skip(1).step_by(2).collect()
}

/// What an object's own parameter is filled with, and with what instead where nothing is there. `None`: the test does
/// not know this kind of object.
fn subject(owned: &Owned, name: &str) -> Option<(String, String)> {
    let absent = Uuid::now_v7().to_string();
    match name {
        "order_id" => Some((owned.order.clone(), absent)),
        "quote_id" => Some((owned.quote.clone(), absent)),
        "reservation_id" => Some((owned.reservation.clone(), absent)),
        "webhook_id" => Some((owned.webhook.clone(), absent)),
        "account" => Some(("ACME".to_owned(), "NOBODY".to_owned())),
        _ => None,
    }
}

/// Everything that an operation could want besides, so that nothing but the object decides.
fn complete(request: RequestBuilder) -> RequestBuilder {
    request
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", "\"v1\"")
}

/// The answer without what may differ: the id asked for, the correlation id, the time, what is left of a limit.
fn masked(answer: &Answer, id: &str) -> String {
    let correlation = answer.header("orderway-correlation-id").to_owned();
    let mask = |text: &str| {
        text.replace(id, "<id>")
            .replace(&correlation, "<correlation>")
    };
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "ratelimit"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", mask(value.to_str().unwrap())))
        .collect();
    headers.sort();
    format!(
        "{}\n{}\n\n{}",
        answer.status,
        headers.join("\n"),
        mask(&answer.text)
    )
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
#[tokio::test]
async fn a_foreign_object_is_an_absent_object_in_every_operation_of_the_portal() {
    let world = generous_world().await;
    let acme = world.portal_user("acme-buyer", "ACME").unwrap();
    let owned = owned(&acme).await;
    let strangers = [
        Stranger {
            name: "BOREALIS",
            user: world.portal_user("borealis-buyer", "BOREALIS").unwrap(),
            is_sibling: false,
        },
        Stranger {
            name: "a child's buyer",
            user: world.portal_user("acme-west-buyer", "ACME-WEST").unwrap(),
            is_sibling: false,
        },
        Stranger {
            name: "the sibling of the token",
            user: world.portal_user("acme-buyer", "ACME-WEST").unwrap(),
            is_sibling: true,
        },
    ];
    let mut findings = Findings::default();
    let before = acme.get(&format!("/orders/{}", owned.order)).await.unwrap();
    let mut cases = 0;
    for operation in contract()
        .iter()
        .filter(|operation| operation.path.starts_with("/portal/v1"))
    {
        for name in names(&operation.path) {
            // A product is the catalogue's, and no account's.
            if name == "item" {
                continue;
            }
            // An event is one of its webhook's, whose own case it is.
            if name == "event_id" {
                continue;
            }
            let Some((foreign, absent)) = subject(&owned, name) else {
                findings.check(
                    &operation.id,
                    false,
                    format!("`{name}` has no case in this test: add one"),
                );
                continue;
            };
            for stranger in &strangers {
                // An account's own page shows every account of the token, whichever is acted for.
                if stranger.is_sibling && name == "account" {
                    continue;
                }
                cases += 1;
                compare(
                    &mut findings,
                    operation,
                    stranger,
                    name,
                    [&foreign, &absent],
                )
                .await;
            }
        }
    }
    findings.check("all", cases >= 20, format!("only {cases} cases were made"));

    let after = acme.get(&format!("/orders/{}", owned.order)).await.unwrap();
    findings.check(
        "the order",
        after.text == before.text,
        "a stranger changed it",
    );
    for path in [
        format!("/quotes/{}", owned.quote),
        format!("/reservations/{}", owned.reservation),
        format!("/webhooks/{}", owned.webhook),
    ] {
        let own = acme.get(&path).await.unwrap();
        findings.check(
            &path,
            own.status == 200,
            format!("its owner gets {}", own.status),
        );
    }
    let held = acme
        .get(&format!("/reservations/{}", owned.reservation))
        .await
        .unwrap();
    findings.check(
        "the reservation",
        held.at("/state") == "held",
        format!("a stranger changed it: {}", held.at("/state")),
    );
    findings.none();
    world.stop().await.unwrap();
}

async fn compare(
    findings: &mut Findings,
    operation: &Operation,
    stranger: &Stranger,
    name: &str,
    ids: [&String; 2],
) {
    let mut answers = Vec::new();
    for id in ids {
        let path = operation
            .path
            .replace("/portal/v1", "")
            .replace(&format!("{{{name}}}"), id);
        let request = stranger
            .user
            .request(operation.method.clone(), &filled(&path));
        let request = match example_body(operation) {
            Some(body) => request.json(&body),
            None => request,
        };
        answers.push(answer_of(complete(request)).await);
    }
    let case = format!("{} by {}", operation.id, stranger.name);
    for answer in &answers {
        findings.problem(&case, answer, 404, "not-found");
    }
    let (foreign, absent) = (masked(&answers[0], ids[0]), masked(&answers[1], ids[1]));
    findings.check(
        &case,
        foreign == absent,
        format!("foreign and absent differ:\n{foreign}\n---\n{absent}"),
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case for each list")]
async fn lists_hold_nothing_of_another_account() {
    let world = generous_world().await;
    let acme = world.portal_user("acme-buyer", "ACME").unwrap();
    let owned = owned(&acme).await;
    let mut findings = Findings::default();
    for (client, account) in [
        ("borealis-buyer", "BOREALIS"),
        ("acme-west-buyer", "ACME-WEST"),
        ("acme-buyer", "ACME-WEST"),
    ] {
        let user = world.portal_user(client, account).unwrap();
        for operation in contract()
            .iter()
            .filter(|one| one.method == Method::GET && one.path.starts_with("/portal/v1"))
        {
            // A stream has no end to wait for; it tells what the feed tells, and is tested with it.
            if !names(&operation.path).is_empty() || operation.id == "stream_events" {
                continue;
            }
            let case = format!("{} by {client} for {account}", operation.id);
            let list = user
                .get(&operation.path.replace("/portal/v1", ""))
                .await
                .unwrap();
            findings.check(
                &case,
                list.status == 200,
                format!("{} {}", list.status, list.text),
            );
            let named: Vec<_> = [
                &owned.order,
                &owned.quote,
                &owned.reservation,
                &owned.webhook,
            ]
            .into_iter()
            .filter(|id| list.text.contains(*id))
            .collect();
            findings.check(&case, named.is_empty(), format!("it names {named:?}"));
            match operation.id.as_str() {
                "list_events" => findings.check(
                    &case,
                    list.json()["events"] == json!([]),
                    shortened(&list.text),
                ),
                "list_webhooks" => findings.check(
                    &case,
                    list.json()["items"] == json!([]),
                    shortened(&list.text),
                ),
                "list_orders" => findings.check(
                    &case,
                    list.json()["items"] == json!([]),
                    shortened(&list.text),
                ),
                // Every account of the token, and no other.
                "list_accounts" if client == "acme-buyer" => {}
                "list_accounts" => findings.check(
                    &case,
                    list.json()["accounts"].as_array().unwrap().len() == 1,
                    shortened(&list.text),
                ),
                // The catalogue is everybody's; its prices are the account's own.
                "list_products" => {}
                other => findings.check(
                    &case,
                    false,
                    format!("the list {other} has no case in this test: add one"),
                ),
            }
        }
        for filter in ["purchase_order_number=PO-ISOLATION", "status=accepted"] {
            let list = user.get(&format!("/orders?{filter}")).await.unwrap();
            findings.check(
                filter,
                list.status == 200 && list.json()["items"] == json!([]),
                format!("{client} for {account}: {}", list.text),
            );
        }
    }
    let own = acme
        .get("/orders?purchase_order_number=PO-ISOLATION")
        .await
        .unwrap();
    findings.check(
        "the owner",
        own.json()["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1),
        own.text,
    );
    findings.none();
    world.stop().await.unwrap();
}

/// A quote, reservation or address of another account, named in a body, is one that is not there; and an order under a
/// purchase order number of another account is an order of its own.
#[tokio::test]
async fn foreign_objects_named_in_a_body_are_absent_too() {
    let world = generous_world().await;
    let acme = world.portal_user("acme-buyer", "ACME").unwrap();
    let owned = owned(&acme).await;
    let mut findings = Findings::default();
    let absent = Uuid::now_v7().to_string();
    let pairs = [
        ("quote_id", owned.quote.as_str(), absent.as_str()),
        (
            "reservation_id",
            owned.reservation.as_str(),
            absent.as_str(),
        ),
        ("ship_to", "ACME-01", "NOWHERE"),
    ];
    for (name, foreign, absent) in pairs {
        for (client, account) in [("borealis-buyer", "BOREALIS"), ("acme-buyer", "ACME-WEST")] {
            let user = world.portal_user(client, account).unwrap();
            for path in ["/basket-checks", "/orders"] {
                let case = format!("{name} in {path} for {account}");
                let mut answers = Vec::new();
                for id in [foreign, absent] {
                    let mut body =
                        json!({"lines": [{"item": "SKU-0001", "quantity": {"value": "1"}}]});
                    body[name] = json!(id);
                    if path == "/orders" {
                        body["purchase_order_number"] = json!("PO-BORROWED");
                    }
                    let answer = user
                        .post(path, &Uuid::now_v7().to_string(), &body)
                        .await
                        .unwrap();
                    answers.push((answer, id));
                }
                let expected = if path == "/orders" { 422 } else { 200 };
                findings.check(
                    &case,
                    answers[0].0.status == expected,
                    format!("{} {}", answers[0].0.status, answers[0].0.text),
                );
                let texts: Vec<_> = answers
                    .iter()
                    .map(|(answer, id)| masked(answer, id))
                    .collect();
                findings.check(
                    &case,
                    texts[0] == texts[1],
                    format!(
                        "foreign and absent differ:\n{}\n---\n{}",
                        texts[0], texts[1]
                    ),
                );
            }
        }
    }
    assert_eq!(
        world.estate.sandbox.erp.orders().len(),
        1,
        "a borrowed object became an order"
    );
    let borealis = world.portal_user("borealis-buyer", "BOREALIS").unwrap();
    let same_number = json!({"purchase_order_number": "PO-ISOLATION", "lines": [{"item": "SKU-0001", "quantity": {"value": "1"}}]});
    let taken = borealis
        .order("isolation-order", &same_number)
        .await
        .unwrap();
    findings.check(
        "the same number and key",
        taken.status == 202 && taken.at("/order_id") != owned.order,
        taken.text,
    );
    findings.none();
    world.stop().await.unwrap();
}

const SECRET: &str = "acme-edi-demo";

/// The committed demonstration profile, and another partner like it.
fn two_partners() -> Setup {
    let acme =
        std::fs::read_to_string(tests::root().join("config/partners/acme-edi.toml")).unwrap();
    let borealis = acme
        .replace("\"acme-edi\"", "\"borealis-edi\"")
        .replace("account = \"ACME\"", "account = \"BOREALIS\"")
        .replace("ACMEMFG", "BOREALISCO")
        .replace("ACME-01", "BOREALIS-01");
    let partners = vec![
        ("acme-edi.toml".to_owned(), acme),
        ("borealis-edi.toml".to_owned(), borealis),
    ];
    Setup {
        partners,
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_foreign_mailbox_is_one_that_is_not_there() {
    let world = World::start_with(two_partners()).await.unwrap();
    let acme = world.edi_partner("acme-edi", SECRET);
    let stranger = world.edi_partner("borealis-edi", SECRET);
    let sent = acme
        .send(crate::bad_interchange::sound(
            "000000001",
            "P",
            "PO-MAILBOX",
        ))
        .await
        .unwrap();
    assert_eq!(sent.status, 200, "{}", sent.text);
    acme.order_acknowledgments(1).await.unwrap();
    let list = acme.get("/mailbox").await.unwrap();
    let document = list.at("/items/0/document_id");
    assert!(!document.is_empty(), "{}", list.text);

    let mut findings = Findings::default();
    for operation in contract()
        .iter()
        .filter(|operation| operation.path.starts_with("/edi/v1/{partner}"))
    {
        let below = operation.path.replace("/edi/v1/{partner}", "");
        let absent = Uuid::now_v7().to_string();
        // Under another's address: what is there and what is not are one answer.
        let elsewhere = |partner: &str, id: &str| {
            let path = below.replace("{document_id}", id);
            let url = format!("{}/edi/v1/{partner}{path}", world.estate.experience_url);
            complete(world.http.request(operation.method.clone(), url))
                .basic_auth("borealis-edi", Some(SECRET))
        };
        let foreign = answer_of(elsewhere("acme-edi", &document)).await;
        let nowhere = answer_of(elsewhere("nobody-edi", &absent)).await;
        findings.problem(&operation.id, &foreign, 404, "not-found");
        let pair = (masked(&foreign, "acme-edi"), masked(&nowhere, "nobody-edi"));
        findings.check(
            &operation.id,
            pair.0 == pair.1,
            format!(
                "under a foreign address they differ:\n{}\n---\n{}",
                pair.0, pair.1
            ),
        );
        own_address(
            &mut findings,
            &stranger,
            operation,
            &below,
            [&document, &absent],
        )
        .await;
    }
    let kept = acme.get("/mailbox").await.unwrap();
    findings.check(
        "the mailbox",
        kept.at("/items/0/document_id") == document,
        "a stranger confirmed it",
    );
    findings.none();
    world.stop().await.unwrap();
}

/// Under the stranger's own address: another's document is absent, and the list is empty.
async fn own_address(
    findings: &mut Findings,
    stranger: &EdiPartner,
    operation: &Operation,
    below: &str,
    ids: [&String; 2],
) {
    match names(below).as_slice() {
        ["document_id"] => {
            let mut answers = Vec::new();
            for id in ids {
                let request = stranger.request(
                    operation.method.clone(),
                    &below.replace("{document_id}", id),
                );
                answers.push(answer_of(complete(request)).await);
            }
            findings.problem(&operation.id, &answers[0], 404, "not-found");
            let pair = (masked(&answers[0], ids[0]), masked(&answers[1], ids[1]));
            findings.check(
                &operation.id,
                pair.0 == pair.1,
                format!("foreign and absent differ:\n{}\n---\n{}", pair.0, pair.1),
            );
        }
        [] if operation.method == Method::GET => {
            let list: Value = stranger.get(below).await.unwrap().json();
            findings.check(
                &operation.id,
                list["items"] == json!([]),
                format!("the list is {list}"),
            );
        }
        // What is sent is the sender's own.
        [] if operation.id == "receive_interchanges" => {}
        _ => findings.check(&operation.id, false, "it has no case in this test: add one"),
    }
}
