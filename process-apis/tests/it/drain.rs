//! SIGTERM ends the process in 30 seconds, whoever holds a connection open.

use std::{process::ExitStatus, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions,
};

use crate::{
    moving::database,
    support::{PATIENCE, Serving, binary},
};

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

/// So long some work takes that is begun when the instance is told to go: longer than the requests, which are none.
const WORK: Duration = Duration::from_secs(12);

#[tokio::test]
async fn work_beside_the_requests_comes_to_its_end_though_there_are_no_requests() {
    let Some((server, options)) = database().await else {
        return;
    };
    let walked = tokio::spawn(wind_down(options.clone(), Some(WORK))).await;
    gone(server, &options).await;
    let (ended, work_left) = walked.unwrap();
    assert!(ended.success());
    assert_eq!(work_left, 0, "the sweep went on behind what held it up");
}

#[tokio::test]
async fn the_feed_is_left_to_another_instance_though_some_work_does_not_end() {
    let Some((server, options)) = database().await else {
        return;
    };
    let walked = tokio::spawn(wind_down(options.clone(), None)).await;
    gone(server, &options).await;
    assert!(walked.unwrap().0.success());
}

/// Tells an instance to go whose sweep is held up, for a time or for good; answers how it ended, and how much of what the
/// sweep had to do is left. Either way the feed has no holder then.
async fn wind_down(options: PgConnectOptions, held_up: Option<Duration>) -> (ExitStatus, i64) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary(folder.path());
    let url = options.to_url_lossy().to_string();
    command
        .env("ORDERWAY_PROCESS__STORE__URL", url)
        .env("ORDERWAY_PROCESS__STORE__STATEMENT_TIME", "60s")
        .env("ORDERWAY_PROCESS__HOUSEKEEPING__SWEEP_EVERY", "1s");
    let mut migrate = binary(folder.path());
    for (name, value) in command.get_envs() {
        migrate.env(name, value.unwrap());
    }
    assert!(migrate.arg("migrate").status().unwrap().success());
    let mut holder = options.connect().await.unwrap();
    let mut serving = Serving::start_by(command).await;
    // What is first in a sweep is held up, and what is last waits behind it.
    sqlx::raw_sql(
        "BEGIN; LOCK TABLE idempotency;
         INSERT INTO parked_news (id, company, source, key, version, stage, reason, detail, parked_at, closed_at, news)
         VALUES (gen_random_uuid(), 'US01', 's', 'k', 1, 'dismissed', '', '', 0, 0, '{}')",
    )
    .execute(&mut holder)
    .await
    .unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'idempotency'::regclass)
        AND EXISTS (SELECT FROM sequencer WHERE until > now())";
    until(&mut holder, waits).await;
    serving.terminate();
    let ended = tokio::task::spawn_blocking(move || serving.child.wait());
    if let Some(work) = held_up {
        tokio::time::sleep(work).await;
        sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    }
    let ended = tokio::time::timeout(SUPERVISOR, ended).await;
    let ended = ended.expect("a supervisor would have killed it").unwrap();
    if held_up.is_none() {
        sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    }
    let left_free: bool = sqlx::query_scalar("SELECT until = '-infinity' FROM sequencer")
        .fetch_one(&mut holder)
        .await
        .unwrap();
    assert!(left_free, "the feed waits for a lease to end");
    let left = sqlx::query_scalar("SELECT count(*) FROM parked_news")
        .fetch_one(&mut holder)
        .await
        .unwrap();
    (ended.unwrap(), left)
}

async fn until(connection: &mut PgConnection, holds: &'static str) {
    let seen = async {
        while !sqlx::query_scalar::<_, bool>(holds)
            .fetch_one(&mut *connection)
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
}

async fn gone(mut server: PgConnection, options: &PgConnectOptions) {
    let name = options.get_database().unwrap();
    let sql = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut server)
        .await
        .unwrap();
    server.close().await.unwrap();
}
