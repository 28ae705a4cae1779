//! Once and only once: repeated interchanges, and a crash between storing and answering.

use canonical_model::document::{Direction, Document, DocumentState};
use tokio_util::sync::CancellationToken;

use super::super::{failure::Failure, worker::Clerk};
use crate::desk::put_off;

use super::{Answer, Interchange, World, purchase_order};

#[tokio::test]
async fn the_same_interchange_again_gets_the_first_acknowledgement_and_nothing_else() {
    let world = World::new().await;
    let text = Interchange::new(42).order(&purchase_order("PO-1")).text();
    let first = world.post(text.clone()).await;
    world.settle().await;
    let again = world.post(text).await;
    world.settle().await;
    assert_eq!(first.body, again.body);
    assert_eq!(
        first.header("orderway-document"),
        again.header("orderway-document")
    );
    assert_eq!(
        (
            first.header("orderway-repeated"),
            again.header("orderway-repeated")
        ),
        (None, Some("true"))
    );
    assert_eq!(world.stub.placed().len(), 1);
    assert_eq!(world.stub.documents().len(), 2, "what came, and its 997");
}

#[tokio::test]
async fn the_same_number_with_other_bytes_is_refused_and_kept_for_a_person() {
    let world = World::new().await;
    world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    let other = Interchange::new(42).order(&purchase_order("PO-2")).text();
    let refused = world.post(other.clone()).await;
    assert!(
        refused.text().contains("~TA1*000000042*260302*0915*R*025~"),
        "{}",
        refused.text()
    );
    assert!(
        !refused.text().contains("~AK"),
        "nothing in it is acknowledged"
    );
    let again = world.post(other).await;
    assert_eq!(refused.body, again.body);
    world.settle().await;
    assert_eq!(world.stub.placed().len(), 1);
    let inbound = world.stub.inbound();
    assert_eq!(inbound.len(), 2);
    assert_eq!(
        inbound[1].state,
        DocumentState::Answered,
        "there is nothing left to do with it"
    );
}

#[tokio::test]
async fn a_refused_interchange_does_not_use_up_its_number() {
    let world = World::new().await;
    let text = Interchange::new(42).order(&purchase_order("PO-1")).text();
    let cut = world.post(text.replace("IEA*1*000000042~", "")).await;
    assert!(cut.text().contains("*R*"), "{}", cut.text());
    let whole = world.post(text).await;
    assert!(whole.text().contains("~AK5*A~"), "{}", whole.text());
    world.settle().await;
    assert_eq!(world.stub.placed().len(), 1);
}

#[tokio::test]
async fn a_crash_between_storing_and_rendering_changes_no_byte() {
    let world = World::new().await;
    world.stub.content_failures.lock().unwrap().push_back(503);
    let text = Interchange::new(42).order(&purchase_order("PO-1")).text();
    let failed = world.post(text.clone()).await;
    assert_eq!(
        (failed.status.as_u16(), &failed.json()["code"]),
        (503, &"temporarily-unavailable".into())
    );
    assert_eq!(world.work(Direction::Outbound).await, [Ok(())]);
    let rendered = world.stub.rendered.lock().unwrap().clone();
    assert_eq!(rendered.len(), 2);
    assert_eq!(rendered[0], rendered[1]);
    let again = world.post(text).await;
    assert_eq!(
        (again.status.as_u16(), &again.body[..]),
        (200, &rendered[0].1[..])
    );
}

#[tokio::test]
async fn a_duplicate_s_refusal_is_rendered_by_another_instance_too() {
    let world = World::new().await;
    world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.stub.content_failures.lock().unwrap().push_back(503);
    world
        .post(Interchange::new(42).order(&purchase_order("PO-2")).text())
        .await;
    assert_eq!(world.work(Direction::Outbound).await, [Ok(())]);
    let rendered = world.stub.rendered.lock().unwrap().clone();
    assert_eq!(rendered[1], rendered[2]);
    assert!(
        String::from_utf8(rendered[2].1.clone())
            .unwrap()
            .contains("*R*025~")
    );
}

/// The first attempt at an order fails as long as it lasts, as if the instance had gone.
fn fail_thrice(world: &World) {
    for _ in 0..3 {
        let unavailable = serde_json::json!({"type": "x", "title": "x", "status": 503, "code": "contention", "retryable": true});
        world
            .stub
            .refusals
            .lock()
            .unwrap()
            .push_back((503, unavailable));
    }
}

async fn take_in_vain(world: &World) -> Answer {
    fail_thrice(world);
    let answer = world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.settle().await;
    answer
}

/// An interchange of two groups, of which one is written as another version.
fn two_versions() -> String {
    let text = Interchange::new(42).order(&purchase_order("PO-1")).text();
    let (_, rest) = text.split_once("~GS*").unwrap();
    let (group, _) = rest.split_once("~IEA*").unwrap();
    let second = group
        .replace("*7*X*004010", "*8*X*005010")
        .replace("GE*1*7", "GE*1*8")
        .replace("PO-1", "PO-2");
    text.replace("~IEA*1*", &format!("~GS*{second}~IEA*2*"))
}

#[tokio::test]
async fn orders_that_were_acknowledged_outlive_a_change_of_the_agreement() {
    let world = World::new().await;
    fail_thrice(&world);
    let answer = world.post(two_versions()).await;
    assert_eq!(answer.text().matches("~AK5*A~").count(), 2);
    world.settle().await;
    let attempts = world.stub.placed().len();
    let changed = world.agreed_anew(|profile| {
        profile
            .replace("versions = [\"004010\"", "versions = [\"009000\"")
            .replace("test_mode = false", "test_mode = true")
    });
    assert_eq!(changed.work(Direction::Inbound).await, [Ok(())]);
    let numbers: Vec<String> = world.stub.placed()[attempts..]
        .iter()
        .map(|placed| placed.request.purchase_order_number.to_string())
        .collect();
    assert_eq!(numbers, ["PO-1", "PO-2"], "accepted, and taken");
    world.stub.owe_order("accepted", |_| ());
    assert_eq!(changed.work(Direction::Outbound).await, [Ok(())]);
}

#[tokio::test]
async fn an_acknowledgement_says_what_was_agreed_when_it_became_owed() {
    let world = World::new().await;
    world.stub.content_failures.lock().unwrap().push_back(503);
    let text = Interchange::new(42).order(&purchase_order("PO-1")).text();
    world.post(text.clone()).await;
    world.stub.let_lapse();
    let changed = world
        .agreed_anew(|profile| profile.replace("versions = [\"004010\"", "versions = [\"009000\""));
    assert_eq!(changed.work(Direction::Outbound).await, [Ok(())]);
    let rendered = world.stub.rendered.lock().unwrap().clone();
    assert_eq!(rendered[0], rendered[1]);
}

#[tokio::test]
async fn an_order_that_is_not_found_any_more_is_not_passed_over() {
    let world = World::new().await;
    take_in_vain(&world).await;
    let attempts = world.stub.placed().len();
    world.stub.set_context(|context| {
        let orders = context["orders"].as_array_mut().unwrap();
        orders.push("8/0001".into());
    });
    let [Err(told)] = &*world.work(Direction::Inbound).await else {
        panic!("answered without one of its orders")
    };
    assert!(told.contains("answer it by hand"), "{told}");
    assert_eq!(world.stub.inbound()[0].state, DocumentState::Received);
    assert_eq!(world.stub.placed().len(), attempts);
}

#[tokio::test]
async fn what_does_not_pass_by_itself_is_tried_more_and_more_seldom() {
    let world = World::new().await;
    take_in_vain(&world).await;
    let document = world.stub.lease_all(Direction::Inbound).remove(0);
    let clerk = Clerk(world.state().clone());
    for (waited, seconds) in [(0, 60), (90, 90), (1_000, 1_000), (1_000_000, 3_600)] {
        let old = Document {
            created_at: world.stub.clock.now() - jiff::SignedDuration::from_secs(waited),
            ..document.clone()
        };
        put_off(&clerk, "NWI", &old, &Failure::NoLongerRead).await;
        assert_eq!(world.stub.postponed.lock().unwrap().pop(), Some(seconds));
        put_off(&clerk, "NWI", &old, &Failure::LeaseOver).await;
        assert_eq!(
            world.stub.postponed.lock().unwrap().pop(),
            None,
            "what passes waits for the lease only"
        );
    }
}

#[tokio::test]
async fn no_order_is_begun_when_the_lease_is_nearly_over() {
    let world = World::new().await;
    take_in_vain(&world).await;
    let attempts = world.stub.placed().len();
    let document = world.stub.lease_all(Direction::Inbound).remove(0);
    let long_ago = tokio::time::Instant::now()
        .checked_sub(std::time::Duration::from_secs(55))
        .unwrap();
    let late = super::super::worker::carry_on(world.state(), &document, long_ago).await;
    assert!(late.is_err());
    assert_eq!(world.stub.placed().len(), attempts);
    assert_eq!(world.work(Direction::Inbound).await, [Ok(())]);
}

#[tokio::test]
async fn what_nobody_carries_on_the_workers_do_and_they_stop_when_told() {
    let world = World::new().await;
    let answer = take_in_vain(&world).await;
    assert_eq!(
        world.stub.inbound()[0].state,
        DocumentState::Received,
        "an accepted 997 is a promise"
    );
    world.stub.let_lapse();
    let stop = CancellationToken::new();
    let workers = tokio::spawn(super::super::background(
        world.state().clone(),
        stop.clone(),
    ));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while world.stub.inbound()[0].state != DocumentState::Answered {
        assert!(tokio::time::Instant::now() < deadline, "no worker took it");
        tokio::task::yield_now().await;
    }
    stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(20), workers)
        .await
        .unwrap()
        .unwrap();
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
    let asked = answer.header("orderway-correlation-id").unwrap();
    for placed in world.stub.placed() {
        assert_eq!(placed.context.correlation_id, asked, "whoever takes it");
    }
}
