//! Once and only once: documents that come again, senders that hang up, and what is carried on without them.

use canonical_model::document::{Direction, DocumentState};
use serde_json::json;
use service_runtime::config::HumanDuration;

use super::{Ask, Line, World, taking::problem, world::request};

fn order() -> Ask {
    Ask::order("new", &[Line::default()])
}

#[tokio::test]
async fn the_same_document_again_gets_the_first_answer_and_nothing_else() {
    let world = World::new().await;
    let first = world.post(order().text()).await;
    let again = world.post(order().text()).await;
    assert_eq!(first.code(), 200);
    assert_eq!(first.body, again.body);
    assert_eq!(world.stub.placed().len(), 1);
    assert_eq!(world.stub.inbound().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    let world = World::new().await;
    world.stub.refusals.lock().unwrap().push_back(problem(
        409,
        "duplicate-purchase-order",
        json!([]),
    ));
    let first = world.post(order().text()).await;
    assert_eq!(first.code(), 409);
    assert!(
        first.body.contains("received before with other content"),
        "{}",
        first.body
    );
    let again = world.post(order().text()).await;
    assert_eq!(first.body, again.body);
    assert_eq!(world.stub.placed().len(), 1);
}

#[tokio::test]
async fn other_content_under_a_payload_id_is_a_conflict() {
    let world = World::new().await;
    world.post(order().text()).await;
    let other = order().text().replace("PO-1", "PO-2");
    let answer = world.post(other).await;
    assert_eq!(answer.code(), 409);
    assert!(answer.body.contains("payloadID"), "{}", answer.body);
    assert_eq!(world.stub.placed().len(), 1);
}

#[tokio::test]
async fn the_same_order_under_another_payload_id_is_the_first_order() {
    let world = World::new().await;
    *world.stub.duplicate.lock().unwrap() = true;
    let answer = world.post(order().text()).await;
    assert_eq!(answer.code(), 200);
    assert!(
        answer.body.contains("nothing was taken a second time"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_sender_that_hangs_up_loses_nothing() {
    let world = World::new().await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    *world.stub.gate.lock().unwrap() = Some(std::sync::Arc::clone(&gate));
    let sending = tokio::spawn({
        let router = world.router.clone();
        async move { tower::ServiceExt::oneshot(router, request(order().text())).await }
    });
    world.stub.arrived.notified().await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    world.settle().await;
    assert_eq!(world.stub.inbound()[0].state, DocumentState::Answered);
    *world.stub.gate.lock().unwrap() = None;
    assert_eq!(world.post(order().text()).await.code(), 200);
    assert_eq!(world.stub.placed().len(), 1);
}

#[tokio::test]
async fn who_is_not_answered_in_time_hears_the_rest_by_confirmation() {
    let world = World::waiting(|profile| profile.to_owned(), HumanDuration::from_secs(0)).await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    *world.stub.gate.lock().unwrap() = Some(std::sync::Arc::clone(&gate));
    let refusal = problem(409, "duplicate-purchase-order", json!([]));
    world.stub.refusals.lock().unwrap().push_back(refusal);
    let first = world.post(order().text()).await;
    assert_eq!(first.code(), 200, "{}", first.body);
    assert!(
        first.body.contains("told by a ConfirmationRequest"),
        "{}",
        first.body
    );
    gate.add_permits(1);
    world.settle().await;
    assert_eq!(world.stub.inbound()[0].state, DocumentState::Answered);
    let again = world.post(order().text()).await;
    assert_eq!(first.body, again.body, "what was said was said");
    let sent = world.confirm().await;
    assert!(
        sent[0].contains("type=\"reject\"") && sent[0].contains("other content"),
        "{}",
        sent[0]
    );
}

#[tokio::test]
async fn without_confirmations_the_same_document_again_tells() {
    let quiet = |profile: &str| {
        let lines = profile
            .lines()
            .filter(|line| !line.starts_with("confirmation_url"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let world = World::waiting(quiet, HumanDuration::from_secs(0)).await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    *world.stub.gate.lock().unwrap() = Some(std::sync::Arc::clone(&gate));
    let refusal = problem(409, "duplicate-purchase-order", json!([]));
    world.stub.refusals.lock().unwrap().push_back(refusal);
    let first = world.post(order().text()).await;
    assert_eq!(first.code(), 200);
    assert!(
        first.body.contains("send the same document again"),
        "{}",
        first.body
    );
    gate.add_permits(1);
    world.settle().await;
    assert_eq!(world.post(order().text()).await.code(), 409);
}

#[tokio::test]
async fn where_all_hands_are_full_an_order_waits_for_one() {
    let world = World::new().await;
    let hands = std::sync::Arc::clone(&world.state().punchout.work);
    let all = hands.acquire_many_owned(8).await.unwrap();
    let first = world.post(order().text()).await;
    assert_eq!(first.code(), 200);
    assert!(world.stub.placed().is_empty());
    drop(all);
    assert_eq!(
        world.work(world.stub.lease_all(Direction::Inbound)).await,
        [Ok(())]
    );
    assert_eq!(world.stub.placed().len(), 1);
    assert_eq!(world.post(order().text()).await.code(), 200);
}

#[tokio::test]
async fn what_nobody_carries_on_the_workers_do() {
    let world = World::new().await;
    for _ in 0..3 {
        world
            .stub
            .refusals
            .lock()
            .unwrap()
            .push_back(problem(503, "contention", json!([])));
    }
    let answer = world.post(order().text()).await;
    assert_eq!(answer.code(), 200);
    assert!(
        answer.body.contains("told by a ConfirmationRequest"),
        "{}",
        answer.body
    );
    assert_eq!(world.stub.inbound()[0].state, DocumentState::Received);
    assert_eq!(
        world.work(world.stub.lease_all(Direction::Inbound)).await,
        [Ok(())]
    );
    assert_eq!(world.stub.inbound()[0].state, DocumentState::Answered);
    let keys: std::collections::BTreeSet<String> = world
        .stub
        .placed()
        .into_iter()
        .map(|placed| placed.key)
        .collect();
    assert_eq!(
        (keys.len(), world.stub.placed().len()),
        (1, 4),
        "every attempt under one key"
    );
}
