//! No punchout partner sees, changes or uses what belongs to another, and none can tell it from what is not there. The
//! cases are made from the published contract: an operation of the channel that has no case here fails the test.

use std::sync::Arc;

use reqwest::{Method, redirect};
use tests::{
    Answer, Setup, World,
    punchout::{
        Cart, CartItem, CxmlBuyer, Operation as SetUp, Order, OrderType, PASSWORD, Posted, Site,
        USER,
    },
};

use crate::{
    contracts::{Operation, operations},
    findings::{Findings, answer_of},
    support::live,
};

/// What ACME has: the ticket of a link that was not used, and that of a visit.
struct Owned {
    ticket: String,
    visit: String,
    shop: String,
}

fn channel() -> Vec<Operation> {
    let contract = serde_json::to_value(experience_apis::router::contract()).unwrap();
    let mut all = operations(&contract);
    all.retain(|one| one.path.starts_with("/punchout/"));
    all
}

/// A world with both partners, and a client that follows no redirect.
async fn two_partners() -> (World, Arc<Site>, reqwest::Client) {
    let site = Arc::new(Site::start().await.unwrap());
    let setup = Setup::default().with_punchout_partner(&site, &[]);
    let setup = setup.unwrap().with_punchout_stranger(&site).unwrap();
    let world = World::start_with(crate::findings::generous(setup)).await;
    let client = reqwest::Client::builder().redirect(redirect::Policy::none());
    (world.unwrap(), site, client.build().unwrap())
}

fn last(url: &str) -> String {
    let mut parts = url.trim_end_matches('/').rsplit('/');
    parts.next().unwrap().to_owned()
}

async fn owned(client: &reqwest::Client, acme: &CxmlBuyer) -> Owned {
    let unused = acme.set_up("isolation-1", &SetUp::Create).await.unwrap();
    let start = acme.set_up("isolation-2", &SetUp::Create).await.unwrap();
    let entered = answer_of(client.get(&start)).await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    let base = start.split("/punchout/").next().unwrap();
    let shop = entered.header("location");
    let shop = if shop.starts_with('/') {
        format!("{base}{shop}")
    } else {
        shop.to_owned()
    };
    let form = [("item", "SKU-0001"), ("unit", "EA"), ("quantity", "2")];
    let added = answer_of(client.post(format!("{shop}add")).form(&form)).await;
    assert_eq!(added.status, 303, "{}", added.text);
    Owned {
        ticket: last(&unused),
        visit: last(&shop),
        shop,
    }
}

/// The answer without what may differ: the ticket, the partner, the correlation id and the time.
fn masked(answer: &Answer, words: &[&str]) -> String {
    let correlation = answer.header("orderway-correlation-id").to_owned();
    let mask = |text: &str| {
        let text = text.replace(&correlation, "<correlation>");
        words
            .iter()
            .fold(text, |text, word| text.replace(word, "<word>"))
    };
    let headers = answer.headers.iter();
    let headers = headers.filter(|(name, _)| !["date", "ratelimit"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers
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

/// With a ticket under another partner, signed by somebody else or for something else, the answer is that to a ticket
/// which there is not.
async fn crossed_and_forged(
    findings: &mut Findings,
    (client, base): (&reqwest::Client, &str),
    operation: &Operation,
    [ticket, crossed]: [&String; 2],
) {
    let ask = |partner: &str, ticket: &str| {
        let path = operation.path.replace("{partner}", partner);
        let path = path.replace("{visit}", ticket).replace("{ticket}", ticket);
        let form = [("item", "SKU-0002"), ("quantity", "1"), ("remove", "1")];
        let request = client.request(operation.method.clone(), format!("{base}{path}"));
        if operation.method == Method::POST {
            request.form(&form)
        } else {
            request
        }
    };
    let absent = format!("{}.{}", uuid::Uuid::new_v4().simple(), "A".repeat(43));
    let nowhere = answer_of(ask("acme-punchout", &absent)).await;
    let (stem, _) = ticket.split_once('.').unwrap();
    let forged = format!("{stem}.{}", "A".repeat(43));
    for (how, partner, ticket) in [
        ("under another partner", "borealis-punchout", ticket),
        ("signed by somebody else", "acme-punchout", &forged),
        ("signed for something else", "acme-punchout", crossed),
    ] {
        let answer = answer_of(ask(partner, ticket)).await;
        let case = format!("{} {how}", operation.id);
        findings.check(&case, answer.status == 404, format!("{}", answer.status));
        let pair = (
            masked(&answer, &[ticket, partner]),
            masked(&nowhere, &[&absent, "acme-punchout"]),
        );
        let differ = format!("{}\n---\n{}", pair.0, pair.1);
        findings.check(&case, pair.0 == pair.1, differ);
    }
}

#[tokio::test]
async fn a_visit_under_another_partner_is_one_that_is_not_there() {
    let (world, site, client) = two_partners().await;
    let acme = world.cxml_buyer(&site);
    let owned = owned(&client, &acme).await;
    let before = answer_of(client.get(format!("{}cart", owned.shop))).await;
    assert!(before.text.contains("SKU-0001"), "{}", before.text);
    let mut findings = Findings::default();
    let mut cases = 0;
    for operation in channel() {
        let ticket = match operation.id.as_str() {
            "start_visit" => &owned.ticket,
            _ if operation.path.contains("{visit}") => &owned.visit,
            // The stylesheet and the script are everybody's; the others have tests of their own below.
            "get_asset"
            | "receive_cxml"
            | "oci_punch_out"
            | "oci_punch_out_by_form"
            | "order_oci_cart" => {
                continue;
            }
            other => {
                findings.check(other, false, "it has no case in this test: add one");
                continue;
            }
        };
        cases += 1;
        let crossed = if ticket == &owned.ticket {
            &owned.visit
        } else {
            &owned.ticket
        };
        let asking = (&client, world.estate.experience_url.as_str());
        crossed_and_forged(&mut findings, asking, &operation, [ticket, crossed]).await;
    }
    findings.check("all", cases >= 8, format!("only {cases} cases were made"));
    let after = answer_of(client.get(format!("{}cart", owned.shop))).await;
    findings.check(
        "the cart",
        after.text == before.text,
        "a stranger changed it",
    );
    let start = format!(
        "{}/punchout/shop/acme-punchout/start/{}",
        world.estate.experience_url, owned.ticket
    );
    let entered = answer_of(client.get(start)).await;
    findings.check("the link", entered.status == 303, "a stranger used it up");
    findings.none();
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_oci_login_opens_its_own_partner_only() {
    let (world, site, client) = two_partners().await;
    let mut findings = Findings::default();
    let base = &world.estate.experience_url;
    let hook = format!("{}/oci/cart", site.url);
    let fields = [
        ("USERNAME", USER),
        ("PASSWORD", PASSWORD),
        ("HOOK_URL", hook.as_str()),
        ("PO_NUMBER", "1"),
    ];
    for (method, end) in [
        (Method::GET, ""),
        (Method::POST, ""),
        (Method::POST, "/orders"),
    ] {
        let mut answers = Vec::new();
        for partner in ["borealis-punchout", "nobody-punchout"] {
            let url = format!("{base}/punchout/oci/{partner}{end}");
            let request = client.request(method.clone(), url);
            let request = if method == Method::GET {
                request.query(&fields)
            } else {
                request.form(&fields)
            };
            let answer = answer_of(request).await;
            let case = format!("{method} {partner}{end}");
            findings.problem(&case, &answer, 401, "unauthenticated");
            answers.push(masked(&answer, &[partner]));
        }
        let case = format!("{method} {end}");
        findings.check(&case, answers[0] == answers[1], answers.join("\n---\n"));
    }
    findings.none();
    world.stop().await.unwrap();
}

/// What a line of ACME's looks like to somebody who found it.
fn found(lock: &str) -> CartItem {
    CartItem {
        quantity: "2".to_owned(),
        part: "SKU-0001".to_owned(),
        auxiliary: lock.to_owned(),
        unit_price: "1.00".to_owned(),
        currency: "USD".to_owned(),
        description: "Bearing".to_owned(),
        unit: "EA".to_owned(),
        class: "31000000".to_owned(),
        class_domain: "UNSPSC".to_owned(),
    }
}

/// Returns the cart, and reads it from the page that would post it.
async fn returned(client: &reqwest::Client, owned: &Owned) -> Cart {
    let page = format!("{}return", owned.shop);
    let answer = answer_of(client.post(&page)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let page = answer_of(client.get(&page)).await.text;
    let field = page.split("name=\"cxml-urlencoded\" value=\"").nth(1);
    let field = field.and_then(|rest| rest.split('"').next());
    let mut document = field
        .unwrap_or_else(|| panic!("no cart: {page}"))
        .to_owned();
    for (written, meant) in [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ] {
        document = document.replace(written, meant);
    }
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("cxml-urlencoded", &document);
    let path = "/cart".to_owned();
    let body = body.finish().into_bytes();
    Cart::read(&Posted { path, body }).unwrap()
}

/// Somebody else's lock, and somebody else's order number, are ones that there are not.
async fn locks_and_numbers_of_others(borealis: &CxmlBuyer, lock: &str) {
    let invented = format!("{}-1", uuid::Uuid::new_v4().simple());
    for kind in [SetUp::Edit, SetUp::Inspect] {
        let mut answers = Vec::new();
        for (payload_id, lock) in [("edit-1", lock), ("edit-2", invented.as_str())] {
            let operation = kind(vec![found(lock)]);
            let word = format!("{payload_id}-{}", matches!(operation, SetUp::Edit(_)));
            let document = borealis.setup_document(&word, "cookie", &operation);
            let status = borealis.send(&document).await.unwrap();
            assert_eq!(status.code, 412, "{status:?}");
            answers.push(status.text.replace(lock, "<lock>"));
        }
        assert_eq!(answers[0], answers[1]);
    }
    for kind in [OrderType::Update, OrderType::Delete] {
        let mut answers = Vec::new();
        for (payload_id, number) in [("change-1", "PO-OF-ACME"), ("change-2", "PO-OF-NOBODY")] {
            let order = Order {
                kind,
                replaces: Some("acme-order".to_owned()),
                ..Order::of(number, &[found(&invented)])
            };
            let payload_id = format!("{payload_id}-{kind:?}");
            let status = borealis.order(&payload_id, &order).await.unwrap();
            assert_eq!(status.code, 409, "{status:?}");
            answers.push(status.text.replace(number, "<number>"));
        }
        assert_eq!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn documents_of_a_partner_reach_nothing_of_another() {
    let (world, site, client) = two_partners().await;
    let acme = world.cxml_buyer(&site);
    let borealis = world.cxml_buyer(&site).named("AN01-BOREALIS");
    let cart = returned(&client, &owned(&client, &acme).await).await;
    let lock = cart.items[0].auxiliary.as_str();
    let own = acme
        .order("acme-order", &Order::of("PO-OF-ACME", &cart.items))
        .await
        .unwrap();
    assert_eq!(own.code, 200, "{own:?}");
    let placed = crate::support::the_live_one(&world, "PO-OF-ACME")
        .await
        .unwrap();

    locks_and_numbers_of_others(&borealis, lock).await;
    // In somebody else's name, and somebody else's payloadID.
    let in_their_name = acme
        .setup_document("theirs", "cookie", &SetUp::Create)
        .replace(
            "<Sender><Credential domain=\"NetworkID\"><Identity>AN01-ACME",
            "<Sender><Credential domain=\"NetworkID\"><Identity>AN01-BOREALIS",
        );
    let status = borealis.send(&in_their_name).await.unwrap();
    assert!([401, 403].contains(&status.code), "{status:?}");
    let start = borealis
        .set_up("isolation-1", &SetUp::Create)
        .await
        .unwrap();
    assert!(start.contains("/borealis-punchout/"), "{start}");
    let theirs = answer_of(client.get(&start)).await;
    assert_eq!(theirs.status, 303, "{}", theirs.text);

    let still = live(&world, "PO-OF-ACME");
    assert_eq!(still.len(), 1, "{still:?}");
    assert_eq!(
        (still[0].number.as_str(), still[0].account.as_str()),
        (placed.number.as_str(), "ACME")
    );
    world.stop().await.unwrap();
}
