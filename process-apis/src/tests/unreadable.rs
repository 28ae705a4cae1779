//! Effects that cannot be read or decided: they hold up nobody else, and none of them waits unseen.

use std::{path::Path, sync::Arc};

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;

use super::harness::{Layer, clerk, order};
use crate::store::sqlite::SqliteStore;

fn layer_in(folder: &Path) -> Layer {
    let store = SqliteStore::open(folder.join("data.sqlite")).unwrap();
    Layer::over(Arc::new(store), CreateClass::Staged)
}

/// As a later release may have written it, or a fault on the disk.
fn written_over(folder: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(folder.join("data.sqlite")).unwrap();
    assert_eq!(connection.execute(sql, ()).unwrap(), 1, "{sql}");
}

#[tokio::test]
async fn what_cannot_be_read_keeps_no_other_from_being_done_and_becomes_a_person_s() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    for unreadable in ["not JSON", r#"{"surplus": "of a later release"}"#] {
        let path = folder.path().join(unreadable.len().to_string());
        std::fs::create_dir(&path).unwrap();
        let layer = layer_in(&path);
        let stuck = layer.place("1", &order("PO-1", "SKU-1", "1")).await.id();
        written_over(
            &path,
            &format!("UPDATE effect SET progress = '{unreadable}'"),
        );
        let other = layer.place("2", &order("PO-2", "SKU-1", "1")).await.id();
        layer.start_worker();
        layer.until(&other, "released").await;
        let held = layer.until(&stuck, "held").await;
        let hold = &held["holds"][0];
        let detail = hold["detail"].as_str().unwrap();
        assert_eq!(hold["kind"], "erp_unknown");
        let reference = held["order_reference"].as_str().unwrap();
        assert!(
            detail.contains("cannot be read") && detail.contains(reference),
            "{detail}"
        );
        assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
        let told = recorder.handle().render();
        assert!(
            told.contains(
                r#"orderway_effects_failed_total{kind="create_erp_order",reason="unreadable"}"#
            ),
            "{told}"
        );
        // It is put right, and the person has it tried again.
        written_over(
            &path,
            "UPDATE effect SET progress = 'null' WHERE state = 'stopped'",
        );
        let retried = layer.command(&clerk(), &stuck, "retry", &Value::Null).await;
        assert_eq!(retried.status, 200, "{retried:?}");
        layer.until(&stuck, "released").await;
        assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 2);
    }
}

#[tokio::test]
async fn an_order_of_a_later_release_is_left_to_it_and_holds_up_no_other_of_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let layer = layer_in(folder.path());
    layer
        .erp
        .inner
        .world()
        .capabilities
        .serialize_creates_by_account = true;
    let later = layer.place("1", &order("PO-1", "SKU-1", "1")).await.id();
    written_over(
        folder.path(),
        r#"UPDATE sales_order SET state = replace(state, '"schema":1', '"schema":99')"#,
    );
    let other = layer.place("2", &order("PO-2", "SKU-1", "1")).await.id();
    layer.start_worker();
    layer.until(&other, "released").await;
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
    // An instance of the later release comes.
    written_over(
        folder.path(),
        r#"UPDATE sales_order SET state = replace(state, '"schema":99', '"schema":1')
           WHERE purchase_order_number = 'PO-1'"#,
    );
    layer.until(&later, "released").await;
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 2);
}
