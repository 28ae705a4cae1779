//! What `process-apis replay` finds.

use std::sync::Arc;

use canonical_model::capabilities::CreateClass;

use super::harness::{Layer, order};
use crate::{
    orders::replay::{Summary, replay_all},
    store::sqlite::SqliteStore,
};

#[tokio::test]
async fn an_order_whose_row_is_gone_is_found_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sqlite");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let layer = Layer::over(store.clone(), CreateClass::Staged);
    layer.place("k1", &order("PO-1", "SKU-1", "5")).await;
    let lost = layer.place("k2", &order("PO-2", "SKU-1", "5")).await.id();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let removed = connection.execute(
        "DELETE FROM sales_order WHERE purchase_order_number = 'PO-2'",
        (),
    );
    assert_eq!(removed.unwrap(), 1);
    let mut wrong = Vec::new();
    let tell = |replayed: &crate::orders::replay::Replayed| {
        if replayed.is_wrong() {
            wrong.push(replayed.to_string());
        }
    };
    let Summary {
        orders,
        same,
        wrong: found,
        ..
    } = replay_all(store.as_ref(), tell).await.unwrap();
    assert_eq!((orders, same, found), (2, 1, 1));
    let told = wrong[0].contains(&lost) && wrong[0].contains("there is no row");
    assert!(told, "{wrong:?}");
}
