//! An ERP that is away, and what instances have put aside: what one died with is woken by the other, two that live do not
//! wake each other's, and the ERP of one company is no matter of another's orders.

use std::{sync::Arc, time::Duration};

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState};
use jiff::SignedDuration;
use sqlx::{PgConnection, Row as _};

use super::{
    harness::{Layer, order},
    outage::{comes_back, goes_away},
};
use crate::{
    clients::SystemError,
    effects::{gate::Gate, worker::Worker},
    store::{Commit, EffectChange, EffectOutcome, PARKED, postgres::testing::TestDatabase},
};

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

/// Waits until nothing is at work and nothing is due: then the clock may go on.
async fn at_rest(layer: &Layer, connection: &mut PgConnection) {
    let now = i64::try_from(layer.state.clock.now().as_nanosecond()).unwrap();
    for _ in 0..10_000 {
        let sql = "SELECT count(*) AS open FROM effect WHERE state = 'leased' OR state = 'pending' AND due_at <= $1";
        let row = sqlx::query(sql).bind(now).fetch_one(&mut *connection);
        if row.await.unwrap().get::<i64, _>("open") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to its rest");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_instances_each_looks_once_in_the_time_that_the_erp_asks_for() {
    const MANY: usize = 20;
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let first = Layer::over(database.open().await, CreateClass::Staged);
    let second = first.beside(database.open().await);
    let mut ids = Vec::new();
    for number in 0..MANY {
        let wanted = order(&format!("PO-{number}"), "SKU-1", "1");
        ids.push(first.place(&number.to_string(), &wanted).await.id());
    }
    let five_seconds = Some(SignedDuration::from_secs(5));
    let away = SystemError::Unavailable {
        retry_after: five_seconds,
    };
    let failing = |world: &mut crate::clients::fake::World| {
        world.failing.insert("create_order", away);
    };
    failing(&mut first.erp.inner.world());
    let stop = tokio_util::sync::CancellationToken::new();
    let [here, there] = [&first, &second].map(|layer| {
        let worker = Worker::new(&layer.state);
        tokio::spawn(worker.clone().run(stop.clone()));
        worker.gates
    });
    let mut connection = database.connect().await;
    let mut second_passes = async || {
        let before = first.erp.calls("create_order");
        first.clock.advance(SignedDuration::from_secs(1));
        at_rest(&first, &mut connection).await;
        first.erp.calls("create_order") - before
    };
    // Each finds out for itself, once; what it has begun by then goes on.
    while here.closed().is_empty() || there.closed().is_empty() {
        second_passes().await;
    }
    for _ in 0..10 {
        second_passes().await;
    }
    let mut looks = Vec::new();
    for _ in 0..150 {
        looks.push(second_passes().await);
    }
    assert!(looks.iter().all(|looks| *looks <= 4), "{looks:?}");
    let unseen = looks.split(|looks| *looks > 0).map(<[usize]>::len);
    assert!(unseen.max() <= Some(20), "{looks:?}");
    comes_back(&first, |_world| {});
    for id in &ids {
        first.until(id, "released").await;
    }
    assert_eq!(first.erp.orders(ErpOrderState::Open).len(), MANY);
    stop.cancel();
}

/// As an instance does that finds the ERP away, and dies.
async fn put_aside(layer: &Layer) {
    let now = layer.state.clock.now();
    let until = now + SignedDuration::from_secs(15);
    let leased = layer.state.store.lease_effects(now, until, 10);
    let later = |held: crate::store::LeasedEffect| {
        EffectChange::Outcome(EffectOutcome::Later {
            effect: held.effect,
            lease: held.lease,
            due_at: PARKED,
            progress: None,
            keep_lease: false,
        })
    };
    let effects = leased.await.unwrap().into_iter().map(later).collect();
    let commit = Commit {
        effects,
        ..Commit::default()
    };
    layer.state.store.commit(commit).await.unwrap();
}

#[tokio::test]
async fn an_erp_that_is_away_strands_no_other_company_s_orders() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let id = layer.place("k", &order("PO-1", "SKU-1", "1")).await.id();
    put_aside(&layer).await;
    let worker = Worker::new(&layer.state);
    let elsewhere = Gate::Orders("DE01".parse().unwrap());
    let stays_away = || {
        let away = Err::<(), _>(SystemError::Unavailable { retry_after: None });
        let (looks, now) = (uuid::Uuid::from_u128(1), layer.state.clock.now());
        worker.gates.heard(&elsewhere, looks, &away, now);
    };
    stays_away();
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(worker.clone().run(stop.clone()));
    layer
        .until_order(&id, |order| {
            stays_away();
            order["status"] == "released"
        })
        .await;
    stop.cancel();
}
