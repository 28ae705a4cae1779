//! Two instances on one `PostgreSQL`, and an ERP that is away: what one has put aside and died with is woken by the other.

use std::{sync::Arc, time::Duration};

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState};
use sqlx::Row as _;

use super::{
    harness::{Layer, order},
    outage::{comes_back, goes_away},
};
use crate::store::{PARKED, postgres::testing::TestDatabase};

const ORDERS: usize = 6;

/// Lets time pass until all orders but the one that looks are put aside.
async fn all_put_aside(layer: &Layer, database: &TestDatabase) {
    let mut connection = database.connect().await;
    let parked = i64::try_from(PARKED.as_nanosecond()).unwrap();
    for _ in 0..1_000 {
        let sql = "SELECT count(*) AS parked FROM effect WHERE state = 'pending' AND due_at = $1";
        let row = sqlx::query(sql).bind(parked).fetch_one(&mut connection);
        let count: i64 = row.await.unwrap().get("parked");
        if count == i64::try_from(ORDERS).unwrap() - 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        layer.clock.advance(jiff::SignedDuration::from_millis(250));
    }
    panic!("they are not put aside");
}

/// Orders taken by an instance whose worker puts them aside and then is gone; their ids.
async fn put_aside_and_died(layer: &Layer, database: &TestDatabase) -> Vec<String> {
    goes_away(layer, 10);
    let mut ids = Vec::new();
    for number in 0..ORDERS {
        let wanted = order(&format!("PO-{number}"), "SKU-1", "1");
        ids.push(layer.place(&number.to_string(), &wanted).await.id());
    }
    layer.start_worker();
    all_put_aside(layer, database).await;
    layer.die();
    ids
}

async fn each_is_created_once(layer: &Layer, ids: &[String]) {
    for id in ids {
        layer.until(id, "released").await;
    }
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), ids.len());
    assert_eq!(layer.erp.calls("create_order"), ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_instance_put_aside_is_woken_by_one_that_never_met_a_closed_gate() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let first = Layer::over(database.open().await, CreateClass::Staged);
    let second = first.beside(database.open().await);
    let ids = put_aside_and_died(&first, &database).await;
    comes_back(&second, |_world| {});
    second.start_worker();
    each_is_created_once(&second, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_instance_put_aside_is_woken_by_one_that_looks_in_its_place() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let first = Layer::over(database.open().await, CreateClass::Staged);
    let second = first.beside(database.open().await);
    let ids = put_aside_and_died(&first, &database).await;
    let looks = Arc::clone(&second.erp);
    let before = looks.calls("accounts");
    second.start_worker();
    for _ in 0..1_000 {
        if looks.calls("accounts") > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        second.clock.advance(jiff::SignedDuration::from_millis(250));
    }
    assert!(looks.calls("accounts") > before, "nobody looks");
    comes_back(&second, |_world| {});
    each_is_created_once(&second, &ids).await;
}
