//! The suite on this engine, and what only this engine can show: the file, recovery, a full disk.

use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        AuditEntry, Cause, Commit, EventFilter, NewEvent, QuoteRow, StateRow, Store, StoreError, StreamChange, StreamKind,
        suite::store_suite,
    },
    SqliteStore, open,
    open::Place,
    writer::Writer,
};

store_suite!(|_directory| SqliteStore::open_in_memory().unwrap());

mod in_a_file {
    use super::SqliteStore;
    use crate::store::suite::store_suite;

    store_suite!(|directory| SqliteStore::open(directory.join("data.sqlite")).unwrap());
}

fn quote(id: Uuid, expected_version: u64, size: usize) -> Commit {
    let at = "2026-03-02T12:00:00Z".parse().unwrap();
    Commit {
        cause: Some(Cause {
            company: "US01".parse().unwrap(),
            at,
            principal: "buyer@example.com".to_owned(),
            channel: "portal".to_owned(),
            correlation_id: "c-1".to_owned(),
            traceparent: String::new(),
        }),
        changes: vec![StreamChange {
            kind: StreamKind::Quote,
            id,
            expected_version,
            account: "A-1".parse().unwrap(),
            events: vec![NewEvent { event_type: "quote.created", type_version: 1, data: json!({}) }],
            row: StateRow::Quote(QuoteRow { state: json!({"padding": "x".repeat(size)}), expires_at: at }),
        }],
        audit: vec![AuditEntry {
            action: "quote.created".to_owned(),
            subject: id.to_string(),
            detail: json!({"size": size}),
        }],
        ..Commit::default()
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart_and_positions_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.sqlite");
    let first = SqliteStore::open(&path).unwrap();
    let id = Uuid::now_v7();
    let before = first.commit(quote(id, 0, 10)).await.unwrap();
    assert!(SqliteStore::open(&path).unwrap_err().to_string().contains("another process"));
    first.close().await;
    assert!(matches!(first.commit(quote(id, 1, 10)).await, Err(StoreError::Failed(_))), "closed is closed");

    let second = SqliteStore::open(&path).unwrap();
    assert_eq!(second.state(StreamKind::Quote, id).await.unwrap().unwrap().version, 1);
    assert_eq!(Some(*second.position().borrow()), before.position);
    let after = second.commit(quote(id, 1, 10)).await.unwrap();
    assert!(after.position > before.position);
    assert_eq!(second.events(EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap().len(), 2);
    second.close().await;
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_is_got_over_without_a_restart() {
    let store = SqliteStore::open_in_memory().unwrap();
    let id = Uuid::now_v7();
    store.commit(quote(id, 0, 10)).await.unwrap();
    let allow = |pages: i64| {
        store.writer.run(move |connection| {
            let granted: i64 = connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |row| row.get(0))?;
            Ok(granted)
        })
    };
    allow(1).await.unwrap();
    let refused = store.commit(quote(id, 1, 2_000_000)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    assert_eq!(store.state(StreamKind::Quote, id).await.unwrap().unwrap().version, 1, "reads go on");
    allow(1_000_000).await.unwrap();
    store.commit(quote(id, 1, 2_000_000)).await.unwrap();
    assert_eq!(store.state(StreamKind::Quote, id).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn after_an_io_error_nothing_is_acknowledged_any_more() {
    let place = Place::memory();
    let connection = open::writer(&place).unwrap();
    let writer = Writer::start(connection, open::lock(&place).unwrap()).unwrap();
    let fail = |_connection: &rusqlite::Connection| -> Result<(), StoreError> {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err(rusqlite::Error::SqliteFailure(error, None).into())
    };
    assert!(matches!(writer.run(fail).await, Err(StoreError::Failed(_))));
    let later = writer.run(|_connection| Ok(())).await.unwrap_err();
    let StoreError::Failed(cause) = later else { panic!("{later:?}") };
    assert!(cause.to_string().contains("takes nothing more"));
}

#[tokio::test]
async fn the_audit_trail_is_neither_changed_nor_cut_unseen() {
    let store = SqliteStore::open_in_memory().unwrap();
    let id = Uuid::now_v7();
    for version in 0..3 {
        store.commit(quote(id, version, 1)).await.unwrap();
    }
    assert_eq!(store.first_broken_audit_line().await.unwrap(), None);
    for sql in ["UPDATE audit SET line = '{}' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"] {
        let refused = store.writer.run(move |connection| Ok(connection.execute(sql, ())?)).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{sql}");
    }
    let tamper = "DROP TRIGGER audit_is_not_changed; UPDATE audit SET line = replace(line, '1', '9') WHERE seq = 2";
    store.writer.run(move |connection| Ok(connection.execute_batch(tamper)?)).await.unwrap();
    assert_eq!(store.first_broken_audit_line().await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing() {
    let store = SqliteStore::open_in_memory().unwrap();
    let id = Uuid::now_v7();
    let mut commit = Box::pin(store.commit(quote(id, 0, 1)));
    drop(futures_util::poll!(&mut commit));
    drop(commit);
    store.check().await.unwrap();
    assert_eq!(store.state(StreamKind::Quote, id).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn a_fact_is_stored_once() {
    let store = SqliteStore::open_in_memory().unwrap();
    let record = |item: &str| canonical_model::decision::DecisionRecord {
        decision_id: Uuid::now_v7(),
        kind: "quote".to_owned(),
        account: "A-1".parse().unwrap(),
        subject: String::new(),
        decided_at: "2026-03-02T12:00:00Z".parse().unwrap(),
        request: json!({}),
        facts: json!({"account": {"id": "A-1"}, "stock": [{"item": "shared"}, {"item": item}]}),
        steps: Vec::new(),
        outcome: json!({}),
    };
    for (version, item) in (0..).zip(["one", "two"]) {
        let commit = Commit { decision: Some(record(item)), ..quote(Uuid::now_v7(), 0, version) };
        store.commit(commit).await.unwrap();
    }
    let blobs: i64 = store
        .readers
        .run(|connection| Ok(connection.query_row("SELECT count(*) FROM fact_blob", (), |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(blobs, 4, "the account, the shared stock, and one of each");
}
