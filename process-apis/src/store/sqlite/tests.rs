//! The suite on this engine, and what only this engine can show: the file, recovery, a full disk.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    super::{
        AuditEntry, Cause, Commit, EventFilter, NewDecision, NewEvent, QuoteRow, StateRow, Store,
        StoreError, StreamChange, StreamKind, Written,
        suite::{retention, store_suite},
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
            events: vec![NewEvent {
                event_type: "quote.created",
                type_version: 1,
                data: Written::of(&json!({})).unwrap(),
            }],
            row: StateRow::Quote(QuoteRow {
                state: Written::of(&json!({"padding": "x".repeat(size)})).unwrap(),
                expires_at: at,
            }),
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
    assert!(
        SqliteStore::open(&path)
            .unwrap_err()
            .to_string()
            .contains("another process")
    );
    first.close().await;
    assert!(
        matches!(
            first.commit(quote(id, 1, 10)).await,
            Err(StoreError::Failed(_))
        ),
        "closed is closed"
    );

    let second = SqliteStore::open(&path).unwrap();
    assert_eq!(
        second
            .state(StreamKind::Quote, id)
            .await
            .unwrap()
            .unwrap()
            .version,
        1
    );
    assert_eq!(Some(*second.position().borrow()), before.position);
    let after = second.commit(quote(id, 1, 10)).await.unwrap();
    assert!(after.position > before.position);
    assert_eq!(
        second
            .events(EventFilter {
                limit: 10,
                ..EventFilter::default()
            })
            .await
            .unwrap()
            .len(),
        2
    );
    second.close().await;
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_is_got_over_without_a_restart() {
    let store = SqliteStore::open_in_memory().unwrap();
    let id = Uuid::now_v7();
    store.commit(quote(id, 0, 10)).await.unwrap();
    let allow = |pages: i64| {
        store.writer.run(move |connection| {
            let granted: i64 =
                connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |row| {
                    row.get(0)
                })?;
            Ok(granted)
        })
    };
    allow(1).await.unwrap();
    let refused = store.commit(quote(id, 1, 2_000_000)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    assert_eq!(
        store
            .state(StreamKind::Quote, id)
            .await
            .unwrap()
            .unwrap()
            .version,
        1,
        "reads go on"
    );
    allow(1_000_000).await.unwrap();
    store.commit(quote(id, 1, 2_000_000)).await.unwrap();
    assert_eq!(
        store
            .state(StreamKind::Quote, id)
            .await
            .unwrap()
            .unwrap()
            .version,
        2
    );
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
    let StoreError::Failed(cause) = later else {
        panic!("{later:?}")
    };
    assert!(cause.to_string().contains("takes nothing more"));
    assert!(
        *writer.failed().borrow(),
        "whoever runs the process is told"
    );
}

#[tokio::test]
async fn the_audit_trail_is_neither_changed_nor_cut_unseen() {
    let store = SqliteStore::open_in_memory().unwrap();
    let id = Uuid::now_v7();
    for version in 0..3 {
        store.commit(quote(id, version, 1)).await.unwrap();
    }
    assert_eq!(store.first_broken_audit_line().await.unwrap(), None);
    for sql in [
        "UPDATE audit SET line = '{}' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
    ] {
        let refused = store
            .writer
            .run(move |connection| Ok(connection.execute(sql, ())?))
            .await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{sql}");
    }
    let tamper = "DROP TRIGGER audit_is_not_changed; UPDATE audit SET line = replace(line, '1', '9') WHERE seq = 2";
    store
        .writer
        .run(move |connection| Ok(connection.execute_batch(tamper)?))
        .await
        .unwrap();
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
    assert_eq!(
        store
            .state(StreamKind::Quote, id)
            .await
            .unwrap()
            .unwrap()
            .version,
        1
    );
}

#[tokio::test]
async fn what_two_decisions_share_is_stored_once() {
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
        let commit = Commit {
            decision: Some(NewDecision::of(record(item)).unwrap()),
            ..quote(Uuid::now_v7(), 0, version)
        };
        store.commit(commit).await.unwrap();
    }
    let blobs: i64 = store
        .readers
        .run(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM fact_blob", (), |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(
        blobs, 3,
        "the account once, and what was known of stock twice"
    );
}

#[tokio::test]
async fn a_fact_goes_with_the_last_decision_that_was_made_from_it() {
    let store = SqliteStore::open_in_memory().unwrap();
    let facts = async || {
        let count = |connection: &rusqlite::Connection| {
            Ok(connection.query_row("SELECT count(*) FROM fact_blob", (), |row| row.get(0))?)
        };
        let facts: i64 = store.readers.run(count).await.unwrap();
        facts
    };
    for number in [1, 2] {
        let order = Uuid::from_u128(number);
        let decision = retention::decided(order, 0);
        store
            .commit(retention::ended_with(order, &decision))
            .await
            .unwrap();
    }
    assert_eq!(facts().await, 3, "one is shared");
    store.forget(retention::kept_since(600), 1).await.unwrap();
    assert_eq!(facts().await, 2);
    store.forget(retention::kept_since(600), 1).await.unwrap();
    assert_eq!(facts().await, 0);
}

#[tokio::test]
async fn of_more_commands_than_a_batch_holds_none_is_lost() {
    let store = Arc::new(SqliteStore::open_in_memory().unwrap());
    let mut tasks = JoinSet::new();
    for _ in 0..700 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(quote(Uuid::now_v7(), 0, 1)).await.map(|_| ()) });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.iter().all(Result::is_ok));
    let events = store
        .events(EventFilter {
            limit: 1_000,
            ..EventFilter::default()
        })
        .await
        .unwrap();
    assert_eq!(events.len(), 700);
    store.close().await;
}

#[tokio::test]
async fn what_was_answered_is_in_the_files_without_any_goodbye() {
    let directory = tempfile::tempdir().unwrap();
    let (running, found) = (
        directory.path().join("running"),
        directory.path().join("found"),
    );
    for place in [&running, &found] {
        std::fs::create_dir(place).unwrap();
    }
    let store = SqliteStore::open(running.join("data.sqlite")).unwrap();
    let id = Uuid::now_v7();
    store.commit(quote(id, 0, 10)).await.unwrap();
    for name in ["data.sqlite", "data.sqlite-wal"] {
        std::fs::copy(running.join(name), found.join(name)).unwrap();
    }
    let recovered = SqliteStore::open(found.join("data.sqlite")).unwrap();
    assert_eq!(
        recovered
            .state(StreamKind::Quote, id)
            .await
            .unwrap()
            .unwrap()
            .version,
        1
    );
    assert_eq!(recovered.first_broken_audit_line().await.unwrap(), None);
}

#[tokio::test]
async fn hot_reads_go_by_an_index() {
    let store = SqliteStore::open_in_memory().unwrap();
    for (sql, index) in [
        ("SELECT * FROM event WHERE position > ? AND stream_id = ? ORDER BY position LIMIT ?", "stream_id=?"),
        ("SELECT * FROM event WHERE position > ? AND company = ? AND account = ? ORDER BY position LIMIT ?", "event_of_account"),
        ("SELECT min(lease_until) FROM effect WHERE state = 'leased'", "effect_leased"),
        ("SELECT created_at FROM effect WHERE state = 'pending' AND awake = 0 AND due_at > ? AND kind = ?", "effect_asleep"),
        ("SELECT created_at FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key IS NULL AND background >= ?
            AND kind = ?", "effect_awake"),
        ("SELECT created_at FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key > ? AND kind = ?",
            "effect_queue"),
        ("SELECT created_at FROM effect WHERE state = 'leased' AND lease_until > ? AND kind = ?", "effect_leased"),
        ("SELECT 1 FROM effect WHERE state = 'pending' AND awake = 0 AND due_at = ? LIMIT 1", "effect_asleep"),
        ("SELECT id FROM reservation WHERE expires_at <= ? ORDER BY expires_at LIMIT 1", "reservation_expiring"),
        ("SELECT state FROM sales_order WHERE company = ? AND account = ? ORDER BY id DESC LIMIT ?", "sales_order_of_account"),
        ("SELECT state FROM sales_order WHERE company = ? AND holds <> '' ORDER BY id DESC LIMIT ?", "sales_order_held"),
        ("SELECT id FROM document WHERE state IN ('received', 'due') AND company = ? AND channel = ?
            AND direction = 'inbound' ORDER BY seq LIMIT ?", "document_workable"),
        ("SELECT id FROM document WHERE state = 'ready' AND company = ? AND channel = ? ORDER BY seq LIMIT ?",
            "document_sendable"),
        ("SELECT id FROM document WHERE id = ? AND NOT EXISTS (SELECT 1 FROM document AS earlier
            WHERE earlier.order_id = document.order_id AND earlier.state IN ('due', 'ready')
                AND earlier.channel = document.channel AND earlier.seq < document.seq)", "document_unsent_of_order"),
        ("SELECT content FROM session WHERE seq IN (SELECT session FROM session_key WHERE company = ? AND channel = ?
            AND partner = ? AND key = ?) AND expires_at > ? ORDER BY seq DESC LIMIT ?", "SEARCH session_key USING PRIMARY KEY"),
        ("SELECT count(*) FROM session WHERE company = ? AND channel = ? AND partner = ? AND expires_at > ?",
            "session_living"),
        ("SELECT seq FROM session WHERE expires_at <= ? ORDER BY expires_at LIMIT ?", "session_ended"),
    ] {
        let plan = store.readers.run(move |connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let values = vec![rusqlite::types::Null; statement.parameter_count()];
            let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))?;
            Ok(steps.collect::<Result<Vec<_>, _>>()?.join("; "))
        });
        let plan = plan.await.unwrap();
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{sql}: {plan}");
    }
}

#[tokio::test]
async fn a_commit_is_synced_before_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("data.sqlite")).unwrap();
    let settings = store.writer.run(|connection| {
        let read = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        };
        Ok((
            read("journal_mode")?,
            read("synchronous")?,
            read("foreign_keys")?,
        ))
    });
    let (full, on) = (
        rusqlite::types::Value::Integer(2),
        rusqlite::types::Value::Integer(1),
    );
    assert_eq!(settings.await.unwrap(), ("wal".to_owned().into(), full, on));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_holds_the_file_for_a_moment_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.sqlite");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let committing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(quote(Uuid::now_v7(), 0, 1)).await }
    });
    tokio::task::yield_now().await;
    other.execute_batch("COMMIT").unwrap();
    committing.await.unwrap().unwrap();
    store.close().await;
}
