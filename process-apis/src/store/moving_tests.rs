//! Moving a store: every table comes over as it is, numbers go on behind the last ones, and what could do harm is
//! refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use uuid::Uuid;

use super::{
    EventFilter, Moved, Store, move_store,
    postgres::testing::TestDatabase,
    sqlite::SqliteStore,
    suite::{
        bounds, documents, effects, ledgers, news, order, sending, sessions, streams, subscriptions,
    },
};

/// Fills a new file by cases of the suite that leave each other alone, and moves it.
macro_rules! moved_after {
    ($filled:ident: $([$($module:ident::$case:ident),+ $(,)?]),+ $(,)?) => { $(
        let Some(database) = TestDatabase::make().await else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.sqlite");
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        $($module::$case(store.clone()).await;)+
        store.close().await;
        let moved = move_store(&path, &database.options()).await.unwrap();
        $filled.extend(moved.rows.into_iter().filter(|(_, rows)| *rows > 0).map(|(table, _)| table));
        drop(database);
    )+ };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_comes_over_as_it_is() {
    let mut filled = BTreeSet::new();
    moved_after! { filled:
        [
            streams::orders_are_listed_newest_first_within_their_filters,
            streams::facts_of_decisions_come_back_as_they_were,
            ledgers::a_claim_on_a_future_receipt,
            documents::an_answer_is_said_once,
            sessions::sessions_are_found_by_key_newest_first,
            bounds::sums_are_of_one_company_and_by_name,
            effects::outcomes_need_the_lease,
        ],
        [
            streams::an_idempotency_key_has_one_answer,
            streams::expired_reservations_are_found_oldest_first,
            ledgers::a_forced_claim_is_taken_whatever_the_limit,
            sending::a_document_put_off_or_refused_counts_for_its_order,
            news::a_cursor_moves_from_where_it_stands_or_nothing_happens,
        ],
        [
            news::quarantined_news_are_listed_until_a_person_puts_them_aside,
            streams::one_failing_commit_does_not_spoil_others,
            subscriptions::dead_letters_are_kept_for_a_time,
            effects::whoever_leases_is_told_that_the_store_was_set_back,
        ],
    }
    for table in [
        "audit",
        "bound",
        "bound_movement",
        "control_number",
        "credit",
        "credit_movement",
        "decision",
        "decision_fact",
        "document",
        "document_key",
        "document_outcome",
        "effect",
        "event",
        "fact_blob",
        "idempotency",
        "parked_news",
        "reader_cursor",
        "reservation",
        "sales_order",
        "session",
        "session_key",
        "set_back",
        "stock",
        "stock_movement",
        "subscription",
        "subscription_delivery",
    ] {
        assert!(filled.contains(table), "no row of {table} was tried");
    }
}

/// A file with so many orders.
async fn filled(path: &Path, orders: u128) {
    let store = SqliteStore::open(path).unwrap();
    for number in 1..=orders {
        let order = order(Uuid::from_u128(number), 0, &format!("PO-{number}"));
        store.commit(order).await.unwrap();
    }
    store.close().await;
}

async fn feed(store: &dyn Store) -> Vec<(u64, Uuid)> {
    let all = EventFilter {
        limit: 100,
        ..EventFilter::default()
    };
    let events = store.events(all).await.unwrap();
    events
        .iter()
        .map(|event| (event.position, event.id))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_goes_on_behind_its_last_position() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    filled(&path, 3).await;
    let Moved { rows, position } = move_store(&path, &database.options()).await.unwrap();
    assert_eq!((rows["sales_order"], rows["event"], position), (3, 3, 3));

    let before = SqliteStore::open(&path).unwrap();
    let store = database.open().await;
    assert_eq!(feed(store.as_ref()).await, feed(&before).await);
    let mut newest = store.position();
    assert_eq!(*newest.borrow_and_update(), 3);
    store
        .commit(order(Uuid::from_u128(4), 0, "PO-4"))
        .await
        .unwrap();
    newest.wait_for(|position| *position == 4).await.unwrap();
    assert_eq!(feed(store.as_ref()).await.len(), 4);
    before.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_empty_or_at_work_is_left_alone() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    filled(&path, 1).await;
    let refused = async |why: &str| {
        let error = move_store(&path, &database.options()).await.unwrap_err();
        assert!(format!("{error:#}").contains(why), "{error:#}");
    };
    let serving = SqliteStore::open(&path).unwrap();
    refused("another process has").await;
    serving.close().await;

    let mut beside = database.connect().await;
    let works = "UPDATE sequencer SET until = 'infinity'";
    sqlx::raw_sql(works).execute(&mut beside).await.unwrap();
    refused("an instance of process-apis works on the database").await;
    let gone =
        "UPDATE sequencer SET until = '-infinity'; INSERT INTO reader_cursor VALUES ('r', 'p')";
    sqlx::raw_sql(gone).execute(&mut beside).await.unwrap();
    refused("reader_cursor has rows").await;
    sqlx::raw_sql("TRUNCATE reader_cursor")
        .execute(&mut beside)
        .await
        .unwrap();
    move_store(&path, &database.options()).await.unwrap();
    refused("the database is not empty").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_moved_whole_is_not_moved_at_all() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    filled(&path, 2).await;
    // The server takes no text with a zero byte.
    let file = rusqlite::Connection::open(&path).unwrap();
    let spoil =
        "UPDATE sales_order SET status = 'held' || char(0) WHERE purchase_order_number = 'PO-2'";
    file.execute(spoil, ()).unwrap();
    file.close().unwrap();
    let error = move_store(&path, &database.options()).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("the table sales_order was not moved"),
        "{error:#}"
    );
    let mut beside = database.connect().await;
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM audit) + (SELECT position FROM sequencer)",
    )
    .fetch_one(&mut beside)
    .await
    .unwrap();
    assert_eq!(left, 0, "nothing of it is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trail_that_was_tampered_with_is_not_moved() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    streams::one_failing_commit_does_not_spoil_others(store.clone()).await;
    store.close().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    let tamper = "DROP TRIGGER audit_is_not_changed; UPDATE audit SET line = replace(line, 'lines', 'LINES') WHERE seq = 2";
    file.execute_batch(tamper).unwrap();
    file.close().unwrap();
    let error = move_store(&path, &database.options()).await.unwrap_err();
    assert!(format!("{error:#}").contains("audit trail"), "{error:#}");
}

/// What is counted is what came over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_go_on_behind_the_last_one_given_also_to_what_is_gone() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    filled(&path, 3).await;
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("DELETE FROM event WHERE position = 3", ())
        .unwrap();
    file.close().unwrap();
    let moved = move_store(&path, &database.options()).await.unwrap();
    assert_eq!(moved.position, 3);
    let store = database.open().await;
    let mut newest = store.position();
    store
        .commit(order(Uuid::from_u128(4), 0, "PO-4"))
        .await
        .unwrap();
    newest.wait_for(|position| *position == 4).await.unwrap();
    let positions: BTreeMap<u64, Uuid> = feed(store.as_ref()).await.into_iter().collect();
    assert_eq!(positions.into_keys().collect::<Vec<_>>(), [1, 2, 4]);
}
