//! From the embedded store to `PostgreSQL`: what was begun over one is gone on with over the other.

use std::sync::Arc;

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState, event::CloudEvent};

use super::harness::{Layer, order};
use crate::{
    orders::replay::replay_all,
    store::{EventFilter, Store, move_store, postgres::testing::TestDatabase, sqlite::SqliteStore},
};

/// The feed from its beginning.
async fn feed(store: &dyn Store) -> Vec<CloudEvent> {
    let all = EventFilter {
        limit: 100,
        ..EventFilter::default()
    };
    store.events(all).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_wait_are_created_once_their_store_was_moved() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    let embedded = Arc::new(SqliteStore::open(&path).unwrap());
    let before = Layer::over(embedded.clone(), CreateClass::Staged);
    let mut placed = Vec::new();
    for number in 1..=3 {
        let body = order(&format!("PO-{number}"), "SKU-1", "5");
        placed.push(before.place(&format!("key-{number}"), &body).await);
    }
    assert!(placed.iter().all(|reply| reply.status == 202), "{placed:?}");
    let told = feed(embedded.as_ref()).await;
    before.state.once.drain().await;
    embedded.close().await;

    let moved = move_store(&path, &database.options()).await.unwrap();
    assert_eq!(moved.rows["sales_order"], 3);

    let store = database.open().await;
    let after = Layer::over(store.clone(), CreateClass::Staged);
    let again = after.place("key-1", &order("PO-1", "SKU-1", "5")).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.body, placed[0].body);
    let other = after.place("key-1", &order("PO-1", "SKU-1", "6")).await;
    assert_eq!(other.status, 422, "the key is kept with what it was for");
    let duplicate = after.place("key-9", &order("PO-2", "SKU-1", "5")).await;
    assert_eq!(
        duplicate.id(),
        placed[1].id(),
        "a purchase order is one order"
    );

    assert_eq!(
        feed(store.as_ref()).await,
        told,
        "a reader goes on where it was"
    );
    assert_eq!(after.erp.calls("create_order"), 0);
    after.start_worker();
    for reply in &placed {
        after.until(&reply.id(), "released").await;
    }
    assert_eq!(after.erp.orders(ErpOrderState::Open).len(), 3);
    assert_eq!(after.erp.calls("create_order"), 3);
    // Positions are given after the commit: they go on behind the last one of the file.
    let last = u64::try_from(moved.position).unwrap();
    let mut position = store.position();
    position.wait_for(|newest| *newest > last).await.unwrap();
    let replayed = replay_all(store.as_ref(), |_| {}).await.unwrap();
    assert_eq!((replayed.orders, replayed.wrong), (3, 0));
    assert_eq!(store.first_broken_audit_line().await.unwrap(), None);
    drop(after);
    store.close().await;
}
