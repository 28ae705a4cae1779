//! A store that was set back does not know what was done since: nothing is created or released a second time.

use std::{path::Path, sync::Arc};

use canonical_model::{
    capabilities::{CreateClass, ReleaseClass},
    erp_order::ErpOrderState,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_runtime::context::CallContext;

use super::harness::{Layer, clerk, order};
use crate::store::sqlite::{SqliteStore, backup};

/// A layer over what a backup holds, and an ERP and a warehouse that go on with what the layer before did there.
async fn set_back(before: Layer, folder: &Path) -> Layer {
    let path = folder.join("restored.sqlite");
    let now = before.state.clock.now();
    backup::restore(&folder.join("backup.sqlite"), &path, ".before", now).unwrap();
    let store = Arc::new(SqliteStore::open(path).unwrap());
    let layer = Layer::over(store, CreateClass::Searchable);
    {
        let done = before.erp.inner.world().clone();
        let mut world = layer.erp.inner.world();
        (world.orders, world.releases) = (done.orders, done.releases);
    }
    layer
}

fn layer_in(folder: &Path) -> Layer {
    let store = SqliteStore::open(folder.join("data.sqlite")).unwrap();
    Layer::over(Arc::new(store), CreateClass::Searchable)
}

fn back_up(folder: &Path) {
    backup::back_up(&folder.join("data.sqlite"), &folder.join("backup.sqlite")).unwrap();
}

/// A layer with an order that was on its way when the backup was made, and is released by now.
async fn released_after_the_backup(folder: &Path) -> (Layer, String) {
    let layer = layer_in(folder);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    back_up(folder);
    layer.start_worker();
    layer.until(&id, "released").await;
    (layer, id)
}

fn is_there_once(layer: &Layer) {
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
    assert_eq!(layer.erp.inner.world().releases.len(), 1);
}

#[tokio::test]
async fn an_order_on_its_way_is_neither_created_nor_released_again() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, id) = released_after_the_backup(folder.path()).await;

    // The release is written after the store was set back.
    let layer = set_back(layer, folder.path()).await;
    layer.start_worker();
    layer.until(&id, "released").await;
    is_there_once(&layer);
}

#[tokio::test]
async fn an_order_that_a_person_released_and_releases_again_is_created_once() {
    let folder = tempfile::tempdir().unwrap();
    let layer = layer_in(folder.path());
    let id = layer.place("k", &order("PO-1", "SKU-2", "9")).await.id();
    back_up(folder.path());
    layer.start_worker();
    let note = json!({"note": "Payment arrived."});
    layer.command(&clerk(), &id, "holds/1/release", &note).await;
    layer.until(&id, "released").await;

    let layer = set_back(layer, folder.path()).await;
    layer.start_worker();
    let again = layer.command(&clerk(), &id, "holds/1/release", &note).await;
    assert_eq!(again.status, 200, "{again:?}");
    layer.until(&id, "released").await;
    is_there_once(&layer);
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_a_person_s_and_newer_orders_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, id) = released_after_the_backup(folder.path()).await;

    let layer = set_back(layer, folder.path()).await;
    for warehouse in &mut layer.erp.inner.world().capabilities.warehouses {
        warehouse.release_class = ReleaseClass::Blind;
    }
    layer.start_worker();
    let held = layer
        .until_order(&id, |order| order["holds"][0]["kind"] == "warehouse")
        .await;
    let detail = held["holds"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("the store was set back"), "{detail}");
    is_there_once(&layer);
    let newer = layer.place("k2", &order("PO-2", "SKU-1", "1")).await.id();
    layer.until(&newer, "released").await;
}

#[tokio::test]
async fn a_reader_that_has_come_further_goes_on_where_it_is_however_often_the_store_is_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut layer, _id) = released_after_the_backup(folder.path()).await;
    let reader = CallContext {
        scopes: vec!["feed:all".to_owned()],
        ..clerk()
    };
    let read = async |layer: &Layer, after: &Value| {
        let path = format!("/v1/events/public?after={after}");
        layer.get(&reader, &path).await.body
    };
    let mut cursor = read(&layer, &json!(0)).await["next"].clone();
    assert!(cursor.as_u64() > Some(1), "{cursor}");
    for number in ["PO-8", "PO-9"] {
        let again = tempfile::tempdir().unwrap();
        let backup = "backup.sqlite";
        std::fs::copy(folder.path().join(backup), again.path().join(backup)).unwrap();
        layer.clock.advance(SignedDuration::from_hours(1));
        let now = layer.state.clock.now();
        layer = set_back(layer, again.path()).await;
        layer.clock.set(now);
        let placed = layer.place(number, &order(number, "SKU-1", "1")).await;
        let page = read(&layer, &cursor).await;
        assert_eq!(page["events"][0]["subject"], placed.id(), "{page}");
        cursor = page["next"].clone();
    }
}
