//! SIGTERM ends the process in 30 seconds, whoever holds a connection open.

use std::time::Duration;

use crate::support::Serving;

/// What a supervisor waits before it kills, as the runbook says.
const SUPERVISOR: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_process_that_is_told_to_go_is_gone_in_time_though_connections_are_half_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(folder.path()).await;
    let held: Vec<_> = (0..20).map(|_| serving.half_open()).collect();
    serving.terminate();
    let ended = tokio::task::spawn_blocking(move || serving.child.wait());
    let ended = tokio::time::timeout(SUPERVISOR, ended).await;
    let ended = ended.expect("a supervisor would have killed it").unwrap();
    assert!(ended.unwrap().success());
    drop(held);
}
