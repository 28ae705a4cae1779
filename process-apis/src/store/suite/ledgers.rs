//! The ledgers of stock and credit: DOMAIN 5.10 through the store, and races on the last unit.

use canonical_model::{Currency, ItemNumber, OrderId, SiteId};
use jiff::{SignedDuration, Span, civil::Date};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, Commit, CreditClaim, CreditKey, CreditLevelFact, CreditMovement,
        EffectChange, EffectOutcome, LeasedEffect, NewEffect, Owner, Steps, StockClaim, StockKey,
        StockMovement, StockSnapshot, StoreError,
    },
    Shared, account, at, company,
    effects::{done, end, lease},
    empty, order, owner,
};
use crate::effects::EffectKind;

fn day(number: i8) -> Date {
    jiff::civil::date(2026, 3, 2)
        .checked_add(Span::new().days(number))
        .unwrap()
}

fn decimals(values: &[i64]) -> Steps {
    values.iter().map(|value| Decimal::from(*value)).collect()
}

fn stock_key() -> StockKey {
    StockKey::new(
        company(),
        ItemNumber::new("SKU-0001").unwrap(),
        SiteId::new("DC1").unwrap(),
    )
}

async fn install(store: &Shared, second: i64, available: &[i64]) {
    let snapshot = StockSnapshot {
        key: stock_key(),
        as_of: at(second),
        first_day: day(0),
        available: decimals(available),
        lag: SignedDuration::from_secs(2),
    };
    store.install_stock(vec![snapshot]).await.unwrap();
}

async fn free(store: &Shared) -> Steps {
    store.stock(&[stock_key()], None).await.unwrap()[0].free()
}

fn claim(owner: Owner, number: i8, quantity: i64) -> StockMovement {
    let quantity = Decimal::from(quantity);
    StockMovement::Claim(StockClaim {
        key: stock_key(),
        owner,
        line: 1,
        day: day(number),
        quantity,
    })
}

async fn take(store: &Shared, movement: StockMovement) -> bool {
    match store
        .commit(Commit {
            stock: vec![movement],
            ..empty(5)
        })
        .await
    {
        Ok(_) => true,
        Err(StoreError::StockShort(key)) if key == stock_key() => false,
        Err(error) => panic!("{error:?}"),
    }
}

pub(in super::super) async fn stock_is_right_before_during_and_after_the_confirmation(
    store: Shared,
) {
    assert!(
        !take(&store, claim(owner(1), 0, 1)).await,
        "nothing is known yet"
    );
    install(&store, 0, &[100]).await;
    assert!(take(&store, claim(owner(1), 0, 30)).await);
    let confirm = StockMovement::Confirm {
        owner: owner(1),
        at: at(10),
    };
    store
        .commit(Commit {
            stock: vec![confirm],
            ..empty(10)
        })
        .await
        .unwrap();
    assert_eq!(
        free(&store).await,
        decimals(&[70]),
        "the fact of 12:00:00 does not know it"
    );
    install(&store, 11, &[70]).await;
    assert_eq!(
        free(&store).await,
        decimals(&[40]),
        "within the lag it is short, never over"
    );
    install(&store, 13, &[70]).await;
    assert_eq!(free(&store).await, decimals(&[70]));
    install(&store, 3, &[100]).await;
    install(&store, 13, &[999]).await;
    assert_eq!(
        free(&store).await,
        decimals(&[70]),
        "older, and the same again, change nothing"
    );
    let release = StockMovement::Release {
        owner: owner(1),
        line: None,
    };
    store
        .commit(Commit {
            stock: vec![release],
            ..empty(14)
        })
        .await
        .unwrap();
    assert_eq!(free(&store).await, decimals(&[70]), "it was taken out once");
}

pub(in super::super) async fn a_claim_on_a_future_receipt(store: Shared) {
    install(&store, 0, &[10, 10, 10, 10, 10, 60, 60, 60]).await;
    assert!(take(&store, claim(owner(1), 7, 40)).await);
    assert_eq!(
        free(&store).await,
        decimals(&[10, 10, 10, 10, 10, 60, 60, 20])
    );
    assert!(!take(&store, claim(owner(2), 0, 15)).await);
    assert!(take(&store, claim(owner(3), 0, 10)).await);
    assert_eq!(free(&store).await, decimals(&[0, 0, 0, 0, 0, 50, 50, 10]));
    assert!(
        !take(&store, claim(owner(4), 6, 15)).await,
        "day 7 on holds 10"
    );
    assert!(take(&store, claim(owner(5), 6, 10)).await);
    let without = store.stock(&[stock_key()], Some(owner(1))).await.unwrap();
    assert_eq!(
        without[0].free().at(7),
        Decimal::from(40),
        "its own claim counts for its owner"
    );
}

pub(in super::super) async fn a_hundred_units_go_to_a_hundred_claims(store: Shared) {
    install(&store, 0, &[100, 100]).await;
    let mut tasks = JoinSet::new();
    for number in 0..64_u128 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut taken = 0;
            for attempt in 0..5 {
                taken += i32::from(take(&store, claim(owner(number * 10 + attempt), 0, 1)).await);
            }
            taken
        });
    }
    let taken: i32 = tasks.join_all().await.into_iter().sum();
    assert_eq!(taken, 100);
    assert_eq!(free(&store).await, decimals(&[0, 0]));
}

pub(in super::super) async fn a_release_comes_before_the_claim_that_needs_it(store: Shared) {
    install(&store, 0, &[10]).await;
    assert!(take(&store, claim(owner(1), 0, 10)).await);
    let moved = vec![
        StockMovement::Release {
            owner: owner(1),
            line: None,
        },
        claim(owner(2), 0, 10),
    ];
    store
        .commit(Commit {
            stock: moved,
            ..empty(6)
        })
        .await
        .unwrap();
    assert_eq!(free(&store).await, decimals(&[0]));
    let by_line = StockMovement::Release {
        owner: owner(2),
        line: Some(9),
    };
    store
        .commit(Commit {
            stock: vec![by_line],
            ..empty(7)
        })
        .await
        .unwrap();
    assert_eq!(
        free(&store).await,
        decimals(&[0]),
        "another line's release gives nothing back"
    );
    let by_line = StockMovement::Release {
        owner: owner(2),
        line: Some(1),
    };
    store
        .commit(Commit {
            stock: vec![by_line],
            ..empty(8)
        })
        .await
        .unwrap();
    assert_eq!(free(&store).await, decimals(&[10]));
}

/// A reservation becomes an order while another order counts twice: as a claim, and in the source's figure.
pub(in super::super) async fn what_a_commit_gives_back_it_may_take_of_a_row_that_is_short(
    store: Shared,
) {
    install(&store, 0, &[100, 100]).await;
    assert!(take(&store, claim(owner(1), 1, 40)).await);
    assert!(take(&store, claim(owner(2), 0, 60)).await);
    install(&store, 11, &[40, 40]).await;
    assert_eq!(free(&store).await, decimals(&[-20, -60]));
    let of_owner = store.stock(&[stock_key()], Some(owner(1))).await.unwrap();
    assert_eq!(of_owner[0].own, decimals(&[0, 40]));
    let release = || StockMovement::Release {
        owner: owner(1),
        line: None,
    };
    for (day, quantity) in [(1, 41), (0, 40), (0, 1)] {
        let commit = Commit {
            stock: vec![release(), claim(owner(3), day, quantity)],
            ..empty(12)
        };
        let refused = store.commit(commit).await;
        assert!(
            matches!(&refused, Err(StoreError::StockShort(key)) if *key == stock_key()),
            "{quantity} from day {day}: {refused:?}"
        );
        assert_eq!(free(&store).await, decimals(&[-20, -60]));
    }
    assert!(!take(&store, claim(owner(4), 1, 1)).await);
    let moved = vec![release(), claim(owner(3), 1, 40)];
    let commit = Commit {
        stock: moved,
        ..empty(13)
    };
    store.commit(commit).await.unwrap();
    assert_eq!(free(&store).await, decimals(&[-20, -60]));
}

pub(in super::super) async fn a_late_confirmation_ends_the_claim_at_once(store: Shared) {
    install(&store, 0, &[100]).await;
    assert!(take(&store, claim(owner(1), 0, 30)).await);
    install(&store, 20, &[70]).await;
    assert_eq!(free(&store).await, decimals(&[40]));
    let confirm = StockMovement::Confirm {
        owner: owner(1),
        at: at(10),
    };
    store
        .commit(Commit {
            stock: vec![confirm],
            ..empty(21)
        })
        .await
        .unwrap();
    assert_eq!(
        free(&store).await,
        decimals(&[70]),
        "the fact in force was read after it"
    );
}

/// What others hold of ten, and an order that is short: what the source may count of theirs already is told apart.
pub(in super::super) async fn what_the_source_may_count_already_is_known(store: Shared) {
    install(&store, 0, &[100, 100]).await;
    for (number, day, quantity) in [
        (1, 0, 1),
        (2, 0, 2),
        (3, 1, 4),
        (4, 0, 8),
        (5, 0, 16),
        (9, 0, 32),
    ] {
        assert!(take(&store, claim(owner(number), day, quantity)).await);
    }
    let at_best = async || {
        let keys = [stock_key()];
        let found = store.stock_at_best(&keys, owner(9)).await.unwrap();
        let [row] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(row.own, decimals(&[32, 32]));
        row.free()
    };
    let all_count = decimals(&[100 - 31 + 4, 100 - 31]);
    assert_eq!(at_best().await, all_count, "nobody was asked to create any");

    // A create that was begun; that of the order itself is no other's.
    for number in [2, 3, 4, 9] {
        add_create(&store, number).await;
    }
    assert_eq!(at_best().await, all_count, "none was begun");
    let leased = lease(&store, 0).await;
    let [second, third, fourth, own] = leased.as_slice() else {
        panic!("{leased:?}")
    };
    for held in [second, third, fourth, own] {
        begin(&store, held).await;
    }
    let left = |first: i64, then: i64| decimals(&[100 - first, 100 - first - then]);
    assert_eq!(at_best().await, left(1 + 16, 0));

    // One is done, for one a person is asked, and one waits to be tried again.
    let confirm = StockMovement::Confirm {
        owner: owner(2),
        at: at(10),
    };
    let confirmed = Commit {
        stock: vec![confirm],
        effects: vec![EffectChange::Outcome(done(second))],
        ..empty(10)
    };
    store.commit(confirmed).await.unwrap();
    let (effect, lease) = (fourth.effect, fourth.lease);
    let stopped = EffectOutcome::Stopped {
        effect,
        lease,
        progress: None,
    };
    let (effect, lease) = (third.effect, third.lease);
    let later = EffectOutcome::Later {
        effect,
        lease,
        due_at: at(90),
        progress: None,
        keep_lease: false,
    };
    for outcome in [stopped, later] {
        end(&store, outcome).await.unwrap();
    }
    assert_eq!(at_best().await, left(1 + 8 + 16, 0));
    install(&store, 11, &[98, 98]).await;
    assert_eq!(at_best().await, decimals(&[73, 73]), "within the lag");
    install(&store, 13, &[98, 98]).await;
    assert_eq!(at_best().await, decimals(&[73, 73]), "counted once");
    let now = store.stock(&[stock_key()], Some(owner(9))).await.unwrap();
    assert_eq!(now[0].free(), decimals(&[73, 69]));
}

async fn add_create(store: &Shared, order: u128) {
    let effect = NewEffect {
        kind: EffectKind::CreateErpOrder.word(),
        order_id: OrderId(Uuid::from_u128(order)),
        payload: Value::Null,
        due_at: at(0),
        serial_key: None,
    };
    let commit = Commit {
        effects: vec![EffectChange::New(effect)],
        ..empty(0)
    };
    store.commit(commit).await.unwrap();
}

async fn begin(store: &Shared, held: &LeasedEffect) {
    let start = AttemptStart {
        effect: held.effect,
        lease: held.lease,
        attempts_before: 0,
        now: at(0),
        progress: Value::Null,
    };
    store.begin_attempt(start).await.unwrap();
}

pub(in super::super) async fn a_failed_claim_leaves_nothing(store: Shared) {
    install(&store, 0, &[10]).await;
    let id = Uuid::now_v7();
    let commit = Commit {
        stock: vec![claim(owner(1), 0, 6), claim(owner(1), 0, 6)],
        ..order(id, 0, "PO-1")
    };
    assert!(matches!(
        store.commit(commit).await,
        Err(StoreError::StockShort(_))
    ));
    assert_eq!(free(&store).await, decimals(&[10]));
    store
        .commit(order(id, 0, "PO-1"))
        .await
        .expect("neither stream nor purchase order was taken");
}

fn credit_key(number: &str) -> CreditKey {
    CreditKey {
        company: company(),
        account: account(number),
    }
}

fn level(number: &str, second: i64, limit: i64, exposure: i64) -> CreditLevelFact {
    CreditLevelFact {
        key: credit_key(number),
        as_of: at(second),
        currency: Currency::USD,
        limit: Some(Decimal::from(limit)),
        exposure: Decimal::from(exposure),
        blocked: false,
        lag: SignedDuration::from_secs(2),
    }
}

fn credit_claim(owner: Owner, levels: &[&str], amount: i64, forced: bool) -> Commit {
    let levels = levels.iter().map(|number| credit_key(number)).collect();
    let amount = Decimal::from(amount);
    let claim = CreditClaim {
        levels,
        owner,
        amount,
        limit_is_exclusive: false,
        forced,
    };
    Commit {
        credit: vec![CreditMovement::Claim(claim)],
        ..empty(5)
    }
}

async fn available(store: &Shared, number: &str) -> Option<Decimal> {
    store.credit(&[credit_key(number)]).await.unwrap()[0].available()
}

pub(in super::super) async fn a_parent_s_credit_is_not_taken_twice(store: Shared) {
    let facts = vec![
        level("A", 0, 8_000, 0),
        level("B", 0, 8_000, 0),
        level("P", 0, 10_000, 0),
    ];
    store.install_credit(facts).await.unwrap();
    let (a, b) = (owner(1), owner(2));
    let first = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .commit(credit_claim(a, &["A", "P"], 6_000, false))
                .await
        }
    });
    let second = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .commit(credit_claim(b, &["B", "P"], 5_000, false))
                .await
        }
    });
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(
        first.is_ok() ^ second.is_ok(),
        "one is taken: {first:?} {second:?}"
    );
    let (winner, taken, loser_level) = if first.is_ok() {
        (a, 6_000, "B")
    } else {
        (b, 5_000, "A")
    };
    let refused = first.err().or_else(|| second.err()).unwrap();
    assert!(matches!(refused, StoreError::CreditShort(key) if key == credit_key("P")));
    assert_eq!(
        available(&store, "P").await,
        Some(Decimal::from(10_000 - taken))
    );
    assert_eq!(
        available(&store, loser_level).await,
        Some(Decimal::from(8_000)),
        "nothing of the loser stays"
    );

    let confirm = CreditMovement::Confirm {
        owner: winner,
        at: at(10),
    };
    store
        .commit(Commit {
            credit: vec![confirm],
            ..empty(10)
        })
        .await
        .unwrap();
    store
        .install_credit(vec![level("P", 13, 10_000, taken)])
        .await
        .unwrap();
    assert_eq!(
        available(&store, "P").await,
        Some(Decimal::from(10_000 - taken)),
        "counted once, by the source"
    );
    store
        .commit(Commit {
            credit: vec![CreditMovement::Release { owner: winner }],
            ..empty(14)
        })
        .await
        .unwrap();
    assert_eq!(
        available(&store, "P").await,
        Some(Decimal::from(10_000 - taken))
    );
}

pub(in super::super) async fn a_forced_claim_is_taken_whatever_the_limit(store: Shared) {
    store
        .install_credit(vec![level("A", 0, 1_000, 900)])
        .await
        .unwrap();
    let refused = store
        .commit(credit_claim(owner(1), &["A"], 200, false))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::CreditShort(_)));
    store
        .commit(credit_claim(owner(1), &["A", "unknown"], 200, true))
        .await
        .unwrap();
    assert_eq!(available(&store, "A").await, Some(Decimal::from(-100)));
    store
        .install_credit(vec![level("unknown", 0, 1_000, 0)])
        .await
        .unwrap();
    assert_eq!(
        available(&store, "unknown").await,
        Some(Decimal::from(800)),
        "it counts once the level is known"
    );
}

pub(in super::super) async fn a_parent_s_last_credit_goes_to_so_many_and_no_more(store: Shared) {
    let facts = vec![
        level("A", 0, 8_000, 0),
        level("B", 0, 8_000, 0),
        level("P", 0, 10_000, 0),
    ];
    store.install_credit(facts).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..64_u128 {
        let store = store.clone();
        let child = if number % 2 == 0 { "A" } else { "B" };
        let claim = credit_claim(owner(number), &[child, "P"], 500, false);
        tasks.spawn(async move { (child, store.commit(claim).await) });
    }
    let outcomes = tasks.join_all().await;
    let taken = |of: &str| {
        i64::try_from(
            outcomes
                .iter()
                .filter(|(child, outcome)| *child == of && outcome.is_ok())
                .count(),
        )
    };
    let (a, b) = (taken("A").unwrap(), taken("B").unwrap());
    assert_eq!(a + b, 20);
    assert_eq!(available(&store, "P").await, Some(Decimal::ZERO));
    assert_eq!(
        available(&store, "A").await,
        Some(Decimal::from(8_000 - 500 * a))
    );
    assert_eq!(
        available(&store, "B").await,
        Some(Decimal::from(8_000 - 500 * b))
    );
}
