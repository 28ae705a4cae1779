//! The workers at their desks.

use canonical_model::document::DocumentState;
use tokio_util::sync::CancellationToken;

use super::{Ask, Line, World};

#[tokio::test]
async fn workers_render_and_send_and_stop_when_told() {
    let world = World::new().await;
    world
        .post(Ask::order("new", &[Line::default()]).text())
        .await;
    world.stub.owe_order("accepted", |_| ());
    let stop = CancellationToken::new();
    let state = world.state().clone();
    let workers = tokio::spawn(crate::punchout::background(state, stop.clone()));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut lapsed = false;
    while world.stub.documents()[1].state != DocumentState::Delivered {
        assert!(tokio::time::Instant::now() < deadline, "nobody sent it");
        if !lapsed && world.stub.documents()[1].state == DocumentState::Ready {
            // The lease under which it was rendered ends.
            world.stub.let_lapse();
            lapsed = true;
        }
        tokio::task::yield_now().await;
    }
    stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(20), workers)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.buyer.received().len(), 1);
}
