//! Updates and deletions of orders.

use canonical_model::{document::Direction, order::OrderStatus};
use serde_json::json;

use super::{Ask, Line, World, taking::problem};

async fn with_order() -> World {
    let world = World::quoted(|profile| profile.to_owned()).await;
    assert_eq!(
        world
            .post(Ask::order("new", &[Line::default()]).text())
            .await
            .code(),
        200
    );
    world
}

fn update() -> Ask {
    let more = Line {
        quantity: "20",
        ..Line::default()
    };
    Ask::order("update", &[more]).named("p-2@buyer")
}

fn delete() -> Ask {
    Ask::order("delete", &[]).named("p-3@buyer")
}

#[tokio::test]
async fn an_update_takes_the_place_of_the_order() {
    let world = with_order().await;
    let answer = world.post(update().text()).await;
    assert_eq!(answer.code(), 200, "{}", answer.body);
    assert!(answer.body.contains("is being replaced"), "{}", answer.body);
    assert!(
        answer.body.contains("quantity: 10 EA left, 20 EA came"),
        "{}",
        answer.body
    );
    let orders = world.stub.orders();
    assert_eq!(orders.len(), 2);
    assert_eq!(
        (orders[0].status, orders[0].replaced_by),
        (OrderStatus::Cancelled, Some(orders[1].order_id))
    );
    assert_eq!(orders[1].lines[0].ordered.value, rust_decimal::dec!(20));
    assert_eq!(world.stub.placed().len(), 1, "it is no order of its own");
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_not_asked_for_twice() {
    let world = with_order().await;
    world.post(update().text()).await;
    // As if the document had not been answered.
    world.stub.reopen_inbound();
    assert_eq!(
        world.work(world.stub.lease_all(Direction::Inbound)).await,
        [Ok(()), Ok(())]
    );
    assert_eq!(
        world.stub.orders().len(),
        3,
        "the new order once more under its key, the update not"
    );
}

#[tokio::test]
async fn what_has_changed_meanwhile_is_read_again() {
    let world = with_order().await;
    world
        .stub
        .change_refusals
        .lock()
        .unwrap()
        .push_back(problem(412, "precondition-failed", json!([])));
    assert_eq!(world.post(update().text()).await.code(), 200);
    assert_eq!(world.stub.orders().len(), 2);
}

#[tokio::test]
async fn a_deletion_cancels_and_again_changes_nothing() {
    let world = with_order().await;
    let answer = world.post(delete().text()).await;
    assert_eq!(answer.code(), 200, "{}", answer.body);
    assert!(answer.body.contains("is cancelled"), "{}", answer.body);
    assert_eq!(world.stub.orders()[0].status, OrderStatus::Cancelled);
    let version = world.stub.orders()[0].version;
    let again = world.post(delete().named("p-4@buyer").text()).await;
    assert_eq!(again.code(), 200);
    assert_eq!(world.stub.orders()[0].version, version);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_changed() {
    let world = World::new().await;
    for ask in [update(), delete()] {
        let answer = world.post(ask.text()).await;
        assert_eq!(answer.code(), 409);
        assert!(
            answer.body.contains("There is no order PO-1"),
            "{}",
            answer.body
        );
    }
    assert!(world.stub.orders().is_empty());
}

#[tokio::test]
async fn another_channel_s_order_is_not_there() {
    let world = with_order().await;
    world
        .stub
        .change_order(|order| order.channel = "portal".to_owned());
    assert_eq!(world.post(delete().text()).await.code(), 409);
    assert_eq!(world.stub.orders()[0].status, OrderStatus::Accepted);
}

#[tokio::test]
async fn an_order_that_has_gone_too_far_stands_as_it_was() {
    for ask in [update(), delete()] {
        let world = with_order().await;
        world
            .stub
            .change_refusals
            .lock()
            .unwrap()
            .push_back(problem(409, "order-not-cancellable", json!([])));
        let answer = world.post(ask.text()).await;
        assert_eq!(answer.code(), 409);
        assert!(answer.body.contains("stands as it was"), "{}", answer.body);
        assert_eq!(world.stub.orders()[0].status, OrderStatus::Accepted);
    }
}

#[rstest::rstest]
#[case("change_refused")]
#[case("replacement_refused")]
#[tokio::test]
async fn a_change_that_is_refused_later_is_confirmed_as_such(#[case] purpose: &str) {
    let world = with_order().await;
    world.post(update().text()).await;
    let inbound = world.stub.inbound();
    let update = inbound[1].document_id;
    world
        .stub
        .owe_change_refused(update, purpose, "It is being picked.");
    let sent = world.confirm().await;
    for said in [
        "type=\"reject\"",
        "operation=\"new\"",
        "It is being picked.",
        "payloadID=\"p-2@buyer\"",
    ] {
        assert!(sent[0].contains(said), "{said}: {}", sent[0]);
    }
}
