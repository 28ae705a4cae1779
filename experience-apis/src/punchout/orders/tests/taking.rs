//! Orders as process-apis receive them, and what the Response says.

use canonical_model::{
    document::{Direction, DocumentState},
    item::{ItemIdentifier, ItemScheme},
};
use rust_decimal::dec;
use serde_json::{Value, json};
use service_runtime::context::AccountScope;

use super::{Ask, Line, World, quote, world::OUR_SECRET, world::THEIR_SECRET};

pub(super) fn problem(status: u16, code: &str, errors: Value) -> (u16, Value) {
    let body = json!({"type": code, "title": code, "status": status, "code": code, "retryable": status >= 500,
        "detail": "Nothing was written.", "errors": errors});
    (status, body)
}

#[tokio::test]
async fn an_order_is_placed_in_the_partner_s_name_at_the_price_that_left() {
    let world = World::quoted(|profile| profile.to_owned()).await;
    let line = Line {
        buyer_part: "ACM-1",
        ..Line::default()
    };
    let answer = world.post(Ask::order("new", &[line]).text()).await;
    assert_eq!(answer.code(), 200, "{}", answer.body);
    assert!(answer.body.contains("Received as OW"), "{}", answer.body);
    let placed = world.stub.placed();
    let [only] = placed.as_slice() else {
        panic!("{placed:?}")
    };
    assert_eq!(only.context.principal, "punchout:acme-punchout");
    assert_eq!(
        only.context.accounts,
        AccountScope::List(vec!["ACME".to_owned()])
    );
    let request = &only.request;
    assert_eq!(request.purchase_order_number.as_str(), "PO-1");
    assert_eq!(request.ship_to.as_ref().unwrap().as_str(), "ACME-01");
    let [line] = request.lines.as_slice() else {
        panic!("{request:?}")
    };
    let identifier = |scheme, value: &str| ItemIdentifier {
        scheme,
        value: value.to_owned(),
    };
    assert_eq!(
        line.identifiers,
        [
            identifier(ItemScheme::SellerPartNumber, "SKU-0001"),
            identifier(ItemScheme::BuyerPartNumber, "ACM-1"),
        ]
    );
    assert_eq!((line.quantity, line.unit.unwrap().code()), (dec!(10), "EA"));
    assert_eq!(line.quote_id, Some(quote().quote_id));
    assert_eq!(line.expected_unit_price.as_ref().unwrap().amount, dec!(10));
    assert_eq!(line.buyer_line.as_deref(), Some("1"));
    assert!(request.review.is_empty());
    let stored = &world.stub.inbound()[0];
    assert_eq!(stored.state, DocumentState::Answered);
    assert_eq!(
        request.document.as_ref().unwrap().document_id,
        stored.document_id
    );
    assert!(
        answer
            .body
            .contains(&stored.document_id.0.simple().to_string()),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn no_secret_is_stored() {
    let world = World::quoted(|profile| profile.to_owned()).await;
    world
        .post(Ask::order("new", &[Line::default()]).text())
        .await;
    world.stub.owe_order("accepted", |_| ());
    let sent = world.confirm().await;
    assert!(sent[0].contains(OUR_SECRET), "{}", sent[0]);
    let stored = world.stub.documents();
    assert_eq!(stored.len(), 2);
    for document in stored {
        let content = crate::testing::stub::text(&document.content_base64.clone().unwrap());
        assert!(content.contains("<Sender>"), "{content}");
        let all = format!("{content}{document:?}");
        assert!(
            !all.contains(THEIR_SECRET) && !all.contains(OUR_SECRET),
            "{content}"
        );
    }
}

#[tokio::test]
async fn an_order_continues_the_request_that_brought_it() {
    let world = World::new().await;
    let answer = world
        .post(Ask::order("new", &[Line::default()]).text())
        .await;
    let asked = answer.headers["orderway-correlation-id"].to_str().unwrap();
    assert_eq!(world.stub.placed()[0].context.correlation_id, asked);
}

#[tokio::test]
async fn a_test_never_books() {
    let world = World::new().await;
    let ask = Ask {
        test: true,
        ..Ask::order("new", &[Line::default()])
    };
    let first = world.post(ask.text()).await;
    assert_eq!(first.code(), 200);
    assert!(first.body.contains("nothing was booked"), "{}", first.body);
    let again = world.post(ask.text()).await;
    assert_eq!(first.body, again.body);
    world.settle().await;
    assert!(
        world
            .work(world.stub.lease_all(Direction::Inbound))
            .await
            .is_empty()
    );
    assert!(world.stub.placed().is_empty());
    assert_eq!(world.stub.inbound().len(), 1, "it is kept");
    assert!(world.confirm().await.is_empty());
}

#[tokio::test]
async fn while_a_partner_is_set_up_only_tests_are_taken() {
    let world =
        World::agreed(|profile| profile.replace("test_mode = false", "test_mode = true")).await;
    let ask = Ask::order("new", &[Line::default()]);
    let production = world.post(ask.text()).await;
    assert_eq!(production.code(), 403);
    assert!(
        production.body.contains("deploymentMode test"),
        "{}",
        production.body
    );
    assert!(world.stub.documents().is_empty());
    let test = Ask { test: true, ..ask };
    assert_eq!(world.post(test.text()).await.code(), 200);
    assert!(world.stub.placed().is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_not_stored() {
    let world =
        World::agreed(|profile| profile.replace("take_sound_lines", "all_or_nothing")).await;
    let unit = Line {
        unit: "QQ",
        ..Line::default()
    };
    let answer = world
        .post(Ask::order("new", &[Line::default(), unit.clone()]).text())
        .await;
    assert_eq!(answer.code(), 400);
    assert!(
        answer.body.contains("ItemOut[2]: the unit QQ"),
        "{}",
        answer.body
    );
    let empty = Ask::order("new", &[Line::default()]);
    let empty = empty.text().replace(">10.00</Money>", "></Money>");
    let answer = world.post(empty).await;
    assert_eq!(answer.code(), 400);
    assert!(answer.body.contains("is empty"), "{}", answer.body);
    assert!(world.stub.documents().is_empty());
    let sound = World::new().await;
    assert_eq!(
        sound
            .post(Ask::order("new", &[Line::default(), unit]).text())
            .await
            .code(),
        200
    );
    assert_eq!(
        sound.stub.placed()[0].request.lines.len(),
        1,
        "the sound line is taken, as agreed"
    );
    sound.stub.owe_order("accepted", |_| ());
    let sent = sound.confirm().await;
    assert!(
        sent[0].contains("the unit QQ (UnitOfMeasure) is not known"),
        "{}",
        sent[0]
    );
}

#[tokio::test]
async fn a_delivery_place_that_is_not_known_is_told() {
    let world = World::new().await;
    let ask = Ask::order("new", &[Line::default()]).text();
    let answer = world
        .post(ask.replace("addressID=\"21444\"", "addressID=\"999\""))
        .await;
    assert_eq!(answer.code(), 400);
    assert!(
        answer.body.contains("delivery place 999"),
        "{}",
        answer.body
    );
    assert!(world.stub.placed().is_empty());
    let ours = ask
        .replace("p-1@buyer", "p-2@buyer")
        .replace("addressID=\"21444\"", "addressID=\"PLANT2\"");
    assert_eq!(world.post(ours).await.code(), 200);
    assert_eq!(
        world.stub.placed()[0]
            .request
            .ship_to
            .as_ref()
            .unwrap()
            .as_str(),
        "ACME-02"
    );
}

#[tokio::test]
async fn an_order_that_is_refused_as_an_order_is_received_and_rejected_by_confirmation() {
    let world = World::new().await;
    let errors = json!([{"pointer": "/lines/0/identifiers", "code": "unknown-item", "detail": "SKU-0001 names no product."}]);
    world
        .stub
        .refusals
        .lock()
        .unwrap()
        .push_back(problem(422, "order-rejected", errors));
    let answer = world
        .post(Ask::order("new", &[Line::default()]).text())
        .await;
    assert_eq!(answer.code(), 200);
    assert!(
        answer.body.contains("told by a ConfirmationRequest"),
        "{}",
        answer.body
    );
    let sent = world.confirm().await;
    assert_eq!(sent.len(), 1);
    assert!(sent[0].contains("type=\"reject\""), "{}", sent[0]);
    assert!(
        sent[0].contains("Line 1: SKU-0001 names no product."),
        "{}",
        sent[0]
    );
    assert!(sent[0].contains("payloadID=\"p-1@buyer\""), "{}", sent[0]);
}

#[tokio::test]
async fn without_confirmations_the_response_says_it_all() {
    let world = World::agreed(|profile| {
        let lines = profile
            .lines()
            .filter(|line| !line.starts_with("confirmation_url"));
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    let errors = json!([{"pointer": "/lines/0/identifiers", "code": "unknown-item", "detail": "SKU-0001 names no product."}]);
    world
        .stub
        .refusals
        .lock()
        .unwrap()
        .push_back(problem(422, "order-rejected", errors));
    let answer = world
        .post(Ask::order("new", &[Line::default()]).text())
        .await;
    assert_eq!(answer.code(), 417);
    assert!(
        answer.body.contains("Line 1: SKU-0001 names no product."),
        "{}",
        answer.body
    );
    let taken = world
        .post(
            Ask::order("new", &[Line::default()])
                .named("p-2@buyer")
                .text(),
        )
        .await;
    assert_eq!(taken.code(), 200);
    assert!(
        !taken.body.contains("ConfirmationRequest"),
        "{}",
        taken.body
    );
    world.stub.owe_order("accepted", |_| ());
    assert!(world.confirm().await.is_empty(), "nothing is sent");
    let owed = world.stub.documents().pop().unwrap();
    assert_eq!(owed.state, DocumentState::Delivered, "and nothing waits");
}
