//! What only several connections to one server can show: races over two instances, what waits for a transaction that is
//! held open, and that the ledgers are those of the embedded engine.

use std::{sync::Arc, time::Duration};

use canonical_model::Currency;
use jiff::SignedDuration;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};
use rust_decimal::Decimal;
use serde_json::json;
use service_runtime::{clock::Clock, problem::codes};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tokio::{task::JoinHandle, time::timeout};
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, Commit, CreditKey, CreditLevelFact, DocumentWork, IdempotencyAnswer, Store,
        StoreError, StreamKind,
        sqlite::SqliteStore,
        suite::{channel_twins, documents::leases, effects, ledger_twins, order, races, retention},
    },
    PostgresOptions, PostgresStore,
    commit::Arguments,
    testing::TestDatabase,
};
use crate::error::store_problem;

/// A race of the suite, on two instances over one database.
macro_rules! on_two {
    ($($race:ident),+ $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $race() {
            let Some(database) = TestDatabase::make().await else { return };
            let stores: [Arc<dyn Store>; 2] = [database.open().await, database.open().await];
            races::$race(&stores).await;
        }
    )+ };
}

on_two! {
    so_many_units_go_to_so_many_claims,
    a_parent_s_credit_is_taken_once,
    of_one_key_one_is_taken,
    of_one_document_one_is_stored,
    no_control_number_is_left_out,
    no_more_sessions_live_than_may,
    a_document_is_leased_to_one,
}

/// Waits until somebody waits for a lock that this connection holds.
async fn until_waited_for(connection: &mut PgConnection) {
    let waited_for = async {
        loop {
            let waits: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks
                    WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))",
            )
            .fetch_one(&mut *connection)
            .await
            .unwrap();
            if waits {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), waited_for)
        .await
        .expect("somebody waits");
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

fn keyed(key: &str) -> Commit {
    Commit {
        idempotency: Some(IdempotencyAnswer {
            scope: "US01/buyer".to_owned(),
            key: key.to_owned(),
            fingerprint: "f".to_owned(),
            status: 202,
            body: json!({"by": "the store"}),
            subject: None,
            expires_at: "2026-03-03T00:00:00Z".parse().unwrap(),
        }),
        ..Commit::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_second_with_a_key_waits_for_the_first_to_end() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let mut first = database.connect().await;
    for (key, end) in [("kept", "COMMIT"), ("undone", "ROLLBACK")] {
        run(&mut first, "BEGIN").await;
        sqlx::query(
            "INSERT INTO idempotency VALUES ('US01/buyer', $1, 'f', 202, NULL, 9000000000000000000, '{\"by\":\"the first\"}')",
        )
        .bind(key)
        .execute(&mut first)
        .await
        .unwrap();
        let second: JoinHandle<_> = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.commit(keyed(key)).await }
        });
        until_waited_for(&mut first).await;
        run(&mut first, end).await;
        let outcome = second.await.unwrap();
        if end == "COMMIT" {
            let Err(StoreError::KeyUsed(answer)) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(answer.body, json!({"by": "the first"}));
        } else {
            outcome.expect("the first one's came to nothing");
        }
    }
}

/// What the server cancels for its time would be told as a store that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_vain_for_another_s_lock_is_told_of_the_others() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let options = PostgresOptions {
        statement_time: Duration::from_secs(1),
        ..database.options()
    };
    let store = PostgresStore::open(&options).await.unwrap();
    let mut first = database.connect().await;
    run(
        &mut first,
        "BEGIN;
         INSERT INTO idempotency VALUES ('US01/buyer', 'held', 'f', 202, NULL, 9000000000000000000, '{}')",
    )
    .await;
    let outcome = store.commit(keyed("held")).await;
    let problem = store_problem(&outcome.expect_err("the lock is held"));
    assert!(problem.is(codes::CONTENTION), "{problem:?}");
    run(&mut first, "ROLLBACK").await;
    store.commit(keyed("held")).await.unwrap();
}

const OWNER: &str = "00000000-0000-0000-0000-000000000001";

/// The snapshot of who waits is older than what it waited for: it must look again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_waited_sees_what_was_taken_meanwhile() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let mut first = database.connect().await;
    run(
        &mut first,
        "INSERT INTO stock VALUES ('US01', 'SKU-1', 'DC1', 0, 0, '2026-03-02', '{100}', '{0}')",
    )
    .await;
    run(&mut first, "BEGIN").await;
    let claim = |quantity: i64| {
        json!([{"movement": "claim", "company": "US01", "item": "SKU-1", "site": "DC1", "owner_kind": "order",
            "owner_id": OWNER, "line": 1, "day": "2026-03-02", "quantity": quantity.to_string()}])
    };
    sqlx::query("SELECT commit_stock(NULL, $1)")
        .bind(claim(60))
        .execute(&mut first)
        .await
        .unwrap();
    let second = tokio::spawn({
        let (pool, claim) = (store.pool.clone(), claim(60));
        async move {
            sqlx::query("SELECT commit_stock(NULL, $1)")
                .bind(claim)
                .execute(&pool)
                .await
        }
    });
    until_waited_for(&mut first).await;
    run(&mut first, "COMMIT").await;
    let short = second.await.unwrap().unwrap_err();
    assert!(short.to_string().contains("stock_short"), "{short}");
    let claimed: Vec<Decimal> = sqlx::query("SELECT claimed FROM stock")
        .fetch_one(&mut first)
        .await
        .unwrap()
        .get(0);
    assert_eq!(claimed, [Decimal::from(60)]);
}

fn level() -> CreditLevelFact {
    CreditLevelFact {
        key: CreditKey {
            company: "US01".parse().unwrap(),
            account: "A".parse().unwrap(),
        },
        as_of: "2026-03-02T12:00:00Z".parse().unwrap(),
        currency: Currency::USD,
        limit: Some(Decimal::from(10)),
        exposure: Decimal::ZERO,
        blocked: false,
        lag: SignedDuration::ZERO,
    }
}

/// A claim may be forced before its level is known; whoever installs the level at that moment must count it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_is_installed_counts_the_claim_that_is_being_forced() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let mut first = database.connect().await;
    run(&mut first, "BEGIN").await;
    let claim = json!([{"movement": "claim", "levels": [{"company": "US01", "account": "A"}], "owner_kind": "order",
        "owner_id": OWNER, "amount": "7", "limit_is_exclusive": false, "forced": true}]);
    sqlx::query("SELECT commit_credit(NULL, $1)")
        .bind(claim)
        .execute(&mut first)
        .await
        .unwrap();
    let installed = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.install_credit(vec![level()]).await }
    });
    until_waited_for(&mut first).await;
    run(&mut first, "COMMIT").await;
    let level = installed.await.unwrap().unwrap().remove(0);
    assert_eq!(level.claimed, Decimal::from(7));
    let again: Vec<_> = store
        .credit(std::slice::from_ref(&level.key))
        .await
        .unwrap();
    assert_eq!(again, [level]);
}

/// With one that is ten minutes behind, its leases have ended for the others before they are written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_clock_is_not_the_server_s_takes_up_no_work() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let right: Arc<dyn Store> = database.open().await;
    let (clock, hands) = Clock::fixed(Clock::system().now());
    let options = PostgresOptions {
        clock,
        ..database.options()
    };
    let late: Arc<dyn Store> = Arc::new(PostgresStore::open(&options).await.unwrap());
    effects::add(&right, 1, 0, None).await;
    effects::add(&right, 2, 1, None).await;
    let held = effects::lease(&right, 0).await.remove(0);
    let start = AttemptStart {
        effect: held.effect,
        lease: held.lease,
        attempts_before: 0,
        now: held.created_at,
        progress: json!(null),
    };
    for minutes in [-10, 10] {
        hands.set(Clock::system().now() + SignedDuration::from_mins(minutes));
        let (from, to) = (held.created_at, held.until);
        let refused = [
            late.lease_effects(from, to, 10).await.err(),
            late.begin_attempt(start.clone()).await.err(),
            late.lease_documents(leases(DocumentWork::Render, 0))
                .await
                .err(),
            late.lease_parked(from, to, 10).await.err(),
            late.expired_reservations(to, 10).await.err(),
            late.set_back(to).await.err(),
            late.check().await.err(),
        ];
        for (number, error) in refused.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("{number}"));
            assert!(matches!(error, StoreError::ClocksApart(_)), "{error:?}");
            let told = error.to_string();
            assert!(told.contains("9m") || told.contains("10m"), "{told}");
            assert!(told.contains("NTP"), "{told}");
        }
    }
    let other = effects::lease(&right, 1).await;
    assert_eq!(other.len(), 1, "the others go on");
    right.begin_attempt(start).await.unwrap();
    let put_right = async {
        loop {
            hands.set(Clock::system().now());
            if late.check().await.is_ok() {
                return;
            }
        }
    };
    let put_right = timeout(Duration::from_secs(30), put_right).await;
    put_right.expect("it is ready once its clock is right");
}

/// What makes `times` deadlocks of writing to a table.
async fn deadlocks(connection: &mut PgConnection, times: u32) {
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE OR REPLACE FUNCTION overtake() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('overtaken') <= {times} THEN RAISE 'overtaken' USING ERRCODE = '40P01'; END IF;
            RETURN NEW;
         END $$;
         ALTER SEQUENCE overtaken RESTART"
    )))
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_overtaken_tries_again_and_is_told_of_the_others_in_the_end() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let mut connection = database.connect().await;
    run(&mut connection, "CREATE SEQUENCE overtaken").await;
    deadlocks(&mut connection, 3).await;
    run(
        &mut connection,
        "CREATE TRIGGER overtake BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION overtake();
         CREATE TRIGGER overtake BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION overtake();
         CREATE TRIGGER overtake BEFORE INSERT ON credit FOR EACH ROW EXECUTE FUNCTION overtake()",
    )
    .await;
    let order = || order(Uuid::now_v7(), 0, &Uuid::now_v7().simple().to_string());
    let stock = || vec![races::fact(1, 0, 10)];
    let credit = || vec![level()];
    store.commit(order()).await.unwrap();
    deadlocks(&mut connection, 3).await;
    store.install_stock(stock()).await.unwrap();
    deadlocks(&mut connection, 3).await;
    store.install_credit(credit()).await.unwrap();
    run(&mut connection, "TRUNCATE stock, credit").await;
    deadlocks(&mut connection, 1_000).await;
    for error in [
        store.commit(order()).await.err(),
        store.install_stock(stock()).await.err(),
        store.install_credit(credit()).await.err(),
    ] {
        let problem = store_problem(&error.expect("overtaken"));
        assert!(problem.is(codes::CONTENTION), "{problem:?}");
    }
}

/// Does sequences by chance on a store of each engine, always on empty tables.
fn twins<S: Strategy>(
    tables: &'static str,
    steps: &S,
    run: impl AsyncFn(Arc<dyn Store>, Arc<dyn Store>, S::Value),
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(database) = runtime.block_on(TestDatabase::make()) else {
        return;
    };
    let store = runtime.block_on(database.open());
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    let checked = runner.run(steps, |steps| {
        runtime.block_on(async {
            sqlx::raw_sql(tables).execute(&store.pool).await.unwrap();
            let embedded = Arc::new(SqliteStore::open_in_memory().unwrap());
            run(embedded, store.clone(), steps).await;
        });
        Ok(())
    });
    checked.unwrap();
    runtime.block_on(store.close());
}

/// Whatever the sequence of claims, releases, confirmations and facts: the same positions, and the same errors.
#[test]
fn the_ledgers_are_those_of_the_embedded_engine() {
    twins(
        "TRUNCATE stock, stock_movement, credit, credit_movement",
        &ledger_twins::steps(),
        async |one, other, steps| ledger_twins::run(&one, &other, steps).await,
    );
}

/// Whatever the sequence of changes to documents and sessions: the same of each, and the same errors.
#[test]
fn the_mailbox_is_that_of_the_embedded_engine() {
    twins(
        "TRUNCATE document, document_outcome, document_key, control_number, session, session_key",
        &channel_twins::steps(),
        async |one, other, steps| channel_twins::run(&one, &other, steps).await,
    );
}

/// What is written to an order while its removal waits for it must not be removed with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_touched_while_it_is_removed_stays() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let order = Uuid::from_u128(1);
    let decision = retention::decided(order, 0);
    let ended = retention::ended_with(order, &decision);
    store.commit(ended).await.unwrap();
    let mut first = database.connect().await;
    run(
        &mut first,
        "BEGIN; UPDATE sales_order SET version = 2;
         INSERT INTO effect (id, kind, order_id, state, due_at, created_at, traceparent, correlation_id, payload, progress)
         SELECT gen_random_uuid(), 'create_erp_order', id, 'pending', 0, 0, '', '', '{}', 'null' FROM sales_order",
    )
    .await;
    let removed = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.forget(retention::kept_since(600), 10).await }
    });
    until_waited_for(&mut first).await;
    run(&mut first, "COMMIT").await;
    assert_eq!(removed.await.unwrap().unwrap(), 0);
    assert!(
        store
            .state(StreamKind::Order, order)
            .await
            .unwrap()
            .is_some()
    );
}

/// A commit finds a fact there and counts on it; whoever removes the last decision before must see that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_is_being_referred_to_is_not_removed() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let ended = retention::ended_with(old, &retention::decided(old, 0));
    store.commit(ended).await.unwrap();
    let decision = retention::decided(new, 0);
    let mut first = database.connect().await;
    run(&mut first, "BEGIN").await;
    let arguments = Arguments::of(&retention::only(&decision)).unwrap();
    arguments.run(&mut first).await.unwrap();
    let removed = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.forget(retention::kept_since(600), 10).await }
    });
    until_waited_for(&mut first).await;
    run(&mut first, "COMMIT").await;
    assert_eq!(removed.await.unwrap().unwrap(), 1);
    let (_, found) = store.decision(decision.decision_id).await.unwrap().unwrap();
    assert_eq!(found, decision);
    let facts: i64 = sqlx::query_scalar("SELECT count(*) FROM fact_blob")
        .fetch_one(&mut first)
        .await
        .unwrap();
    assert_eq!(facts, 2, "the old one's own is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_reads_does_no_work_of_an_instance() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let reader = PostgresStore::open_to_read(&database.options())
        .await
        .unwrap();
    assert!(reader.tasks.is_empty());
    let ids = reader.stream_ids(StreamKind::Order, None, 1).await;
    assert!(ids.unwrap().is_empty());
    reader.close().await;
    let mut connection = database.connect().await;
    let leases: i64 = sqlx::query_scalar("SELECT epoch FROM sequencer")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(leases, 0, "nobody held the feed");
}
