//! Confirmations: what is sent, and sending until the buyer's system answers.

use canonical_model::document::{Direction, DocumentState};

use super::{Ask, Line, World, buyer::Says, world::OUR_SECRET};

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

fn says(world: &World, says: Says) {
    world.buyer.says.lock().unwrap().push_back(says);
}

#[tokio::test]
async fn an_accepted_order_is_confirmed_line_by_line() {
    let world = with_order().await;
    world.stub.owe_order("accepted", |_| ());
    let sent = world.confirm().await;
    let [only] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert!(
        only.contains("<ConfirmationHeader") && only.contains("operation=\"new\""),
        "{only}"
    );
    assert!(
        only.contains("lineNumber=\"1\"") && only.contains("type=\"accept\""),
        "{only}"
    );
    assert!(only.contains("orderID=\"PO-1\""), "{only}");
    assert!(
        only.contains(&format!(
            "<Identity>AN01-NORTHWIND</Identity><SharedSecret>{OUR_SECRET}</SharedSecret>"
        )) || only.contains(&format!("<SharedSecret>{OUR_SECRET}</SharedSecret>")),
        "{only}"
    );
    assert_eq!(
        only.matches("SharedSecret").count(),
        2,
        "in the Sender only"
    );
    assert!(only.contains("cXML/1.2.053/Fulfill.dtd"), "{only}");
    assert_eq!(world.stub.documents()[1].state, DocumentState::Delivered);
}

#[tokio::test]
async fn a_later_confirmation_refers_to_the_one_before() {
    let world = with_order().await;
    world.stub.owe_order("held", |_| ());
    world.confirm().await;
    let first = world.stub.documents().pop().unwrap().document_id;
    world.stub.owe_order("accepted", |_| ());
    world.stub.set_previous(first);
    let sent = world.confirm().await;
    let own_id = sent[0]
        .split_once("payloadID=\"")
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0;
    assert!(sent[1].contains("operation=\"update\""), "{}", sent[1]);
    assert!(
        sent[1].contains(&format!("<DocumentReference payloadID=\"{own_id}\"")),
        "{}",
        sent[1]
    );
}

#[tokio::test]
async fn a_confirmation_is_sent_until_it_is_answered() {
    let world = with_order().await;
    world.stub.owe_order("accepted", |_| ());
    let due = world.stub.lease_all(Direction::Outbound);
    assert_eq!(world.work(due).await, [Ok(())]);
    let unanswered = [
        Says::Http(500),
        Says::Http(404),
        Says::Elsewhere,
        Says::Text("<html>Welcome</html>".to_owned()),
        Says::Text("x".repeat(65 * 1024)),
        Says::Status(500),
        Says::Status(560),
    ];
    for (count, unanswered) in (1..).zip(unanswered) {
        says(&world, unanswered.clone());
        assert_eq!(world.work(world.stub.lease_ready()).await, [Ok(())]);
        assert_eq!(world.buyer.received().len(), count, "{unanswered:?}");
        let seconds = world.stub.postponed.lock().unwrap().pop();
        assert!(
            seconds.is_some_and(|seconds| (54..=60).contains(&seconds)),
            "{seconds:?}"
        );
        assert_eq!(
            world.stub.documents()[1].state,
            DocumentState::Ready,
            "{unanswered:?}"
        );
    }
    assert_eq!(
        *world.buyer.elsewhere.lock().unwrap(),
        0,
        "nobody is followed"
    );
    says(&world, Says::Status(201));
    assert_eq!(world.work(world.stub.lease_ready()).await, [Ok(())]);
    assert_eq!(world.stub.documents()[1].state, DocumentState::Delivered);
    let mut received = world.buyer.received();
    received.dedup();
    assert_eq!(received.len(), 1, "the same bytes every time");
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let world = World::agreed(|profile| {
        let line = profile
            .lines()
            .find(|line| line.starts_with("confirmation_url"))
            .unwrap();
        profile.replace(line, "confirmation_url = \"http://127.0.0.1:1/cxml\"")
    })
    .await;
    world
        .post(Ask::order("new", &[Line::default()]).text())
        .await;
    world.stub.owe_order("accepted", |_| ());
    world.confirm().await;
    assert_eq!(world.stub.documents()[1].state, DocumentState::Ready);
    assert_eq!(world.stub.postponed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_buyer_s_system_refuses_is_kept_for_a_person() {
    let world = with_order().await;
    world.stub.owe_order("accepted", |_| ());
    says(&world, Says::Status(406));
    world.confirm().await;
    assert_eq!(world.stub.documents()[1].state, DocumentState::Refused);
    assert_eq!(
        *world.stub.reasons.lock().unwrap(),
        ["406 Said By the buyer."]
    );
    assert!(
        world.work(world.stub.lease_ready()).await.is_empty(),
        "it is not sent again"
    );
}
