//! Orders as process-apis receive them, and what is answered when they refuse.

use canonical_model::{
    document::{Direction, DocumentState},
    item::{ItemIdentifier, ItemScheme},
};
use jiff::civil::date;
use rust_decimal::dec;
use serde_json::{Value, json};
use service_runtime::context::AccountScope;

use super::{Interchange, World, purchase_order};

async fn post(world: &World, body: &str) {
    let answer = world.post(Interchange::new(42).order(body).text()).await;
    assert!(answer.text().contains("~AK5*A~"), "{}", answer.text());
    world.settle().await;
    assert_eq!(world.stub.inbound()[0].state, DocumentState::Answered);
}

/// The 855 that became owed without an order.
async fn answered(world: &World) -> String {
    assert_eq!(world.work(Direction::Outbound).await, [Ok(())]);
    world.stub.answers().pop().unwrap()
}

fn problem(status: u16, code: &str, errors: Value) -> (u16, Value) {
    let body = json!({"type": code, "title": code, "status": status, "code": code, "retryable": false,
        "detail": "Nothing was written.", "errors": errors});
    (status, body)
}

#[tokio::test]
async fn an_order_is_placed_in_the_partner_s_name_with_all_it_says() {
    let world = World::new().await;
    post(&world, &purchase_order("PO-1")).await;
    let placed = world.stub.placed();
    let [only] = placed.as_slice() else {
        panic!("{placed:?}")
    };
    assert_eq!(only.context.principal, "edi:acme-edi");
    assert_eq!(
        only.context.accounts,
        AccountScope::List(vec!["ACME".to_owned()])
    );
    assert_eq!(
        (
            only.context.company.as_deref(),
            only.context.channel.as_str()
        ),
        (Some("NWI"), "edi")
    );
    assert!(only.key.starts_with("edi:acme-edi:"));
    let request = &only.request;
    assert_eq!(request.purchase_order_number.as_str(), "PO-1");
    assert_eq!(request.ship_to.as_ref().unwrap().as_str(), "ACME-02");
    let source = request.document.as_ref().unwrap();
    assert_eq!(
        (source.partner.as_str(), source.transaction.as_str()),
        ("acme-edi", "7/0001")
    );
    assert_eq!(source.document_id, world.stub.inbound()[0].document_id);
    let [first, second] = request.lines.as_slice() else {
        panic!("{request:?}")
    };
    assert_eq!(
        first.identifiers,
        [ItemIdentifier {
            scheme: ItemScheme::SellerPartNumber,
            value: "SKU-0001".to_owned()
        }]
    );
    assert_eq!(
        (first.quantity, first.unit.unwrap().code()),
        (dec!(10), "EA")
    );
    assert_eq!(first.expected_unit_price.as_ref().unwrap().amount, dec!(10));
    assert_eq!(first.requested_delivery_date, Some(date(2026, 3, 9)));
    assert_eq!(
        (first.buyer_line.as_deref(), second.buyer_line.as_deref()),
        (Some("1"), None)
    );
    assert_eq!(
        (second.identifiers[0].scheme, second.unit.unwrap().code()),
        (ItemScheme::BuyerPartNumber, "XCS")
    );
}

#[tokio::test]
async fn an_order_continues_the_request_that_brought_it() {
    let world = World::new().await;
    let answer = world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.settle().await;
    let placed = world.stub.placed();
    assert_eq!(
        answer.header("orderway-correlation-id"),
        Some(placed[0].context.correlation_id.as_str())
    );
}

#[tokio::test]
async fn refused_lines_are_answered_with_their_reasons() {
    let world = World::new().await;
    let errors = json!([{"pointer": "/lines/1/identifiers", "code": "unknown-item", "detail": "ACM-9002 names no product."}]);
    world
        .stub
        .refusals
        .lock()
        .unwrap()
        .push_back(problem(422, "order-rejected", errors));
    post(&world, &purchase_order("PO-1")).await;
    let text = answered(&world).await;
    assert!(text.contains("~BAK*00*RD*PO-1*20260301*"), "{text}");
    assert!(
        text.contains("~MSG*Line 2: ACM-9002 names no product.~"),
        "{text}"
    );
    assert!(
        text.contains(
            "~PO1*1*10*EA*10**VP*SKU-0001~ACK*IR*10*EA~PO1**5*CA*10**BP*ACM-9002~ACK*IR*5*CA~"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn an_unknown_unit_is_refused_and_never_taken_for_each() {
    let world = World::new().await;
    let body = purchase_order("PO-1").replace("*EA*", "*QQ*");
    post(&world, &body).await;
    let placed = world.stub.placed();
    assert_eq!(
        placed[0].request.lines.len(),
        1,
        "the sound line is taken, as agreed"
    );
    world.stub.owe_order("accepted", |_| ());
    let text = answered(&world).await;
    assert!(text.contains("~BAK*00*AC*PO-1*"), "{text}");
    assert!(
        text.contains("~MSG*Line 1: unit of measure QQ (PO103) is not known"),
        "{text}"
    );
    assert!(text.contains("~PO1*1*10*QQ*10**VP*SKU-0001~ACK*IR*10*QQ~PO1**5*CA*10**BP*ACM-9002~ACK*IA*5*CA*068*20260305~"), "{text}");
}

#[tokio::test]
async fn an_order_number_taken_with_other_content_is_refused() {
    let world = World::new().await;
    world.stub.refusals.lock().unwrap().push_back(problem(
        409,
        "duplicate-purchase-order",
        json!([]),
    ));
    post(&world, &purchase_order("PO-1")).await;
    let text = answered(&world).await;
    assert!(text.contains("~BAK*00*RJ*PO-1*"), "{text}");
    assert!(
        text.contains("was taken before with other content"),
        "{text}"
    );
}

#[tokio::test]
async fn an_order_taken_before_is_answered_again_and_marked() {
    let world = World::new().await;
    *world.stub.duplicate.lock().unwrap() = true;
    post(&world, &purchase_order("PO-1")).await;
    let text = answered(&world).await;
    assert!(
        text.contains("~BAK*07*AD*PO-1*20260301****4500001*20260302~"),
        "{text}"
    );
    assert!(text.contains("no second order was made"), "{text}");
}

#[tokio::test]
async fn what_is_no_new_order_is_never_booked() {
    for (purpose, says) in [
        ("01", "cancels"),
        ("05", "changes"),
        ("06", "confirms"),
        ("07", "duplicate"),
        ("22", "Only BEG01 00"),
    ] {
        let world = World::new().await;
        post(
            &world,
            &purchase_order("PO-1").replace("BEG*00*", &format!("BEG*{purpose}*")),
        )
        .await;
        assert!(world.stub.placed().is_empty(), "{purpose}");
        let text = answered(&world).await;
        assert!(
            text.contains("~BAK*00*RJ*PO-1*") && text.contains(says),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_order_that_contradicts_itself_is_refused_by_agreement() {
    let world = World::new().await;
    post(&world, &purchase_order("PO-1").replace("CTT*2~", "CTT*3~")).await;
    assert!(world.stub.placed().is_empty());
    let text = answered(&world).await;
    assert!(
        text.contains("~MSG*CTT01 says 3 lines; 2 were received.~"),
        "{text}"
    );
}

#[tokio::test]
async fn a_delivery_place_that_is_not_known_is_told() {
    let world = World::new().await;
    post(
        &world,
        &purchase_order("PO-1").replace("*PLANT2~", "*PLANT9~"),
    )
    .await;
    assert!(world.stub.placed().is_empty());
    let text = answered(&world).await;
    assert!(
        text.contains("~MSG*Delivery place 92 PLANT9 is not known"),
        "{text}"
    );
}
