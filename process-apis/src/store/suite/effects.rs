//! Effects: leased one at a time where a key says so, taken over when a lease ends, counted before they are tried.

use canonical_model::OrderId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, Backlog, Commit, EffectChange, EffectOutcome, LeasedEffect, NewEffect,
        PARKED, Parked, StateRow, StoreError, Written,
    },
    Shared, at, company, empty, order,
};
use crate::effects::{EffectKind, gate::Gate};

pub(in super::super) async fn add(store: &Shared, order: u128, due: i64, serial_key: Option<&str>) {
    let effect = NewEffect {
        kind: "create_order",
        order_id: OrderId(Uuid::from_u128(order)),
        payload: json!({"order": order.to_string()}),
        due_at: at(due),
        serial_key: serial_key.map(str::to_owned),
    };
    store
        .commit(Commit {
            effects: vec![EffectChange::New(effect)],
            ..empty(0)
        })
        .await
        .unwrap();
}

pub(in super::super) async fn lease(store: &Shared, now: i64) -> Vec<LeasedEffect> {
    store
        .lease_effects(at(now), at(now + 30), 10)
        .await
        .unwrap()
}

fn orders(leased: &[LeasedEffect]) -> Vec<u128> {
    leased
        .iter()
        .map(|effect| effect.order_id.0.as_u128())
        .collect()
}

pub(super) async fn end(store: &Shared, outcome: EffectOutcome) -> Result<(), StoreError> {
    let commit = Commit {
        effects: vec![EffectChange::Outcome(outcome)],
        ..Commit::default()
    };
    store.commit(commit).await.map(|_| ())
}

pub(super) fn done(held: &LeasedEffect) -> EffectOutcome {
    EffectOutcome::Done {
        effect: held.effect,
        lease: held.lease,
    }
}

pub(in super::super) async fn effects_of_a_key_are_leased_one_at_a_time(store: Shared) {
    for (order, due, key) in [
        (1, 0, Some("A")),
        (2, 1, Some("A")),
        (3, 2, Some("B")),
        (4, 3, None),
        (5, 9, None),
    ] {
        add(&store, order, due, key).await;
    }
    assert_eq!(store.next_effect_due().await.unwrap(), Some(at(0)));
    let leased = lease(&store, 5).await;
    assert_eq!(
        orders(&leased),
        [1, 3, 4],
        "the second of A waits, the last is not due"
    );
    assert_eq!(leased[0].correlation_id, "c-1");
    assert!(lease(&store, 5).await.is_empty());
    assert_eq!(
        store.next_effect_due().await.unwrap(),
        Some(at(9)),
        "the one that waits for A does not wake"
    );
    end(&store, done(&leased[0])).await.unwrap();
    assert_eq!(orders(&lease(&store, 5).await), [2]);
}

pub(in super::super) async fn the_oldest_that_is_due_comes_first_of_all_keys(store: Shared) {
    for (order, key) in [(1, None), (2, Some("A")), (3, Some("B")), (4, Some("A"))] {
        add(&store, order, 0, key).await;
    }
    // The first two are put off, and others come meanwhile.
    for held in lease(&store, 0).await {
        let due_at = at(if held.order_id.0.as_u128() == 3 {
            90
        } else {
            10
        });
        let later = EffectOutcome::Later {
            effect: held.effect,
            lease: held.lease,
            due_at,
            progress: Some(Value::Null),
            keep_lease: false,
        };
        end(&store, later).await.unwrap();
    }
    for (order, key) in [(5, None), (6, Some("B")), (7, Some("C"))] {
        add(&store, order, 5, key).await;
    }
    assert_eq!(
        orders(&lease(&store, 9).await),
        [4, 5, 6, 7],
        "what is put off holds up neither its key nor others"
    );
    for order in [8, 9] {
        add(&store, order, 9, None).await;
    }
    assert_eq!(
        orders(&lease(&store, 10).await),
        [1, 8, 9],
        "the older is first once it is due, and A is held"
    );
}

pub(in super::super) async fn a_long_queue_of_one_key_comes_one_at_a_time_in_its_order(
    store: Shared,
) {
    for order in 1..=40 {
        add(&store, order, 0, Some("A")).await;
    }
    add(&store, 41, 0, Some("B")).await;
    let first = lease(&store, 1).await;
    assert_eq!(orders(&first), [1, 41]);
    let mut held = first.into_iter().next().unwrap();
    for expected in 2..=40 {
        assert!(lease(&store, 1).await.is_empty(), "A is held");
        assert_eq!(store.next_effect_due().await.unwrap(), Some(at(31)));
        end(&store, done(&held)).await.unwrap();
        let next = lease(&store, 1).await;
        assert_eq!(orders(&next), [expected]);
        held = next.into_iter().next().unwrap();
    }
}

pub(in super::super) async fn an_expired_lease_is_taken_over(store: Shared) {
    add(&store, 1, 0, Some("A")).await;
    let first = lease(&store, 0).await.remove(0);
    assert_eq!(
        store.next_effect_due().await.unwrap(),
        Some(at(30)),
        "when the lease ends"
    );
    assert!(lease(&store, 29).await.is_empty());
    let second = lease(&store, 30).await.remove(0);
    assert_eq!(
        (second.effect, second.lease == first.lease),
        (first.effect, false)
    );
    assert!(matches!(
        end(&store, done(&first)).await,
        Err(StoreError::LeaseLost)
    ));
    end(&store, done(&second)).await.unwrap();
    assert_eq!(store.next_effect_due().await.unwrap(), None);
}

pub(in super::super) async fn attempts_are_counted_by_compare_and_set(store: Shared) {
    add(&store, 1, 0, None).await;
    let held = lease(&store, 0).await.remove(0);
    let start = |attempts_before, now, lease| AttemptStart {
        effect: held.effect,
        lease,
        attempts_before,
        now: at(now),
        progress: json!({"attempt": attempts_before}),
    };
    store.begin_attempt(start(0, 1, held.lease)).await.unwrap();
    for refused in [
        start(0, 1, held.lease),
        start(1, 30, held.lease),
        start(1, 1, Uuid::now_v7()),
    ] {
        assert!(matches!(
            store.begin_attempt(refused).await,
            Err(StoreError::LeaseLost)
        ));
    }
    store.begin_attempt(start(1, 29, held.lease)).await.unwrap();
    let next = lease(&store, 30).await.remove(0);
    assert_eq!((next.attempt, next.progress), (2, json!({"attempt": 1})));
}

pub(in super::super) async fn outcomes_need_the_lease(store: Shared) {
    add(&store, 1, 0, None).await;
    let held = lease(&store, 0).await.remove(0);
    let later = |keep_lease, progress: Value| EffectOutcome::Later {
        effect: held.effect,
        lease: held.lease,
        due_at: at(60),
        progress: Some(progress),
        keep_lease,
    };
    end(&store, later(true, json!("kept"))).await.unwrap();
    end(&store, later(false, json!("given back")))
        .await
        .unwrap();
    assert!(matches!(
        end(&store, later(false, json!("again"))).await,
        Err(StoreError::LeaseLost)
    ));
    assert!(lease(&store, 59).await.is_empty());
    assert_eq!(lease(&store, 60).await[0].progress, json!("given back"));
}

pub(in super::super) async fn a_stopped_effect_waits_until_it_is_resumed(store: Shared) {
    add(&store, 1, 0, None).await;
    let stop = |held: &LeasedEffect| EffectOutcome::Stopped {
        effect: held.effect,
        lease: held.lease,
        progress: Some(json!("a person looks")),
    };
    let held = lease(&store, 0).await.remove(0);
    end(&store, stop(&held)).await.unwrap();
    assert!(lease(&store, 100).await.is_empty());
    let order_id = OrderId(Uuid::from_u128(1));
    let resume = EffectChange::ResumeStopped {
        order_id,
        due_at: at(200),
    };
    store
        .commit(Commit {
            effects: vec![resume],
            ..empty(100)
        })
        .await
        .unwrap();
    let held = lease(&store, 200).await.remove(0);
    assert_eq!(held.progress, json!("a person looks"));
}

/// Puts aside what is due, the youngest first.
async fn park(store: &Shared, now: i64) {
    for held in lease(store, now).await.iter().rev() {
        let parked = EffectOutcome::Later {
            effect: held.effect,
            lease: held.lease,
            due_at: PARKED,
            progress: Some(json!("the ERP is away")),
            keep_lease: false,
        };
        end(store, parked).await.unwrap();
    }
}

pub(in super::super) async fn what_is_parked_waits_until_it_is_woken_oldest_first(store: Shared) {
    for number in 1..=3 {
        let id = Uuid::from_u128(number);
        store
            .commit(order(id, 0, &format!("PO-{number}")))
            .await
            .unwrap();
        add(&store, number, 0, None).await;
    }
    // What is parked last is not woken last: its age decides.
    park(&store, 0).await;
    add(&store, 4, 50, None).await;
    assert_eq!(orders(&lease(&store, 49).await), []);
    let resume = EffectChange::ResumeStopped {
        order_id: OrderId(Uuid::from_u128(2)),
        due_at: at(50),
    };
    let cancelled = Commit {
        effects: vec![resume],
        ..empty(50)
    };
    store.commit(cancelled).await.unwrap();
    let here = Parked::At(Gate::Orders(company()));
    assert_eq!(store.wake_parked(&here, 1).await.unwrap(), 1);
    assert_eq!(orders(&lease(&store, 1).await), [1], "the oldest");
    assert_eq!(store.wake_parked(&here, 9).await.unwrap(), 1);
    assert_eq!(store.wake_parked(&here, 9).await.unwrap(), 0);
    assert_eq!(orders(&lease(&store, 50).await), [1, 2, 3, 4]);
}

pub(in super::super) async fn what_is_parked_is_woken_by_the_gate_at_which_it_waits(store: Shared) {
    let states = [
        json!({"cancelling": null}),
        json!({"cancelling": null, "provisional": {"erp_away": true}}),
        json!({"cancelling": {"note": "\"cancelling\":null"}, "provisional": {"erp_away": true}}),
    ];
    for (number, state) in (1..).zip(states) {
        let mut commit = order(Uuid::from_u128(number), 0, &format!("PO-{number}"));
        for change in &mut commit.changes {
            if let StateRow::Order(row) = &mut change.row {
                row.state = Written::of(&state).unwrap();
            }
        }
        store.commit(commit).await.unwrap();
        add(&store, number, 0, None).await;
    }
    park(&store, 0).await;
    let (orders_of, figures_of) = (Gate::Orders(company()), Gate::Figures(company()));
    let elsewhere = Gate::Orders("DE01".parse().unwrap());
    let woken = async |parked: Parked, now| {
        store.wake_parked(&parked, 9).await.unwrap();
        orders(&lease(&store, now).await)
    };
    let both = vec![orders_of.clone(), figures_of.clone()];
    assert_eq!(woken(Parked::At(elsewhere.clone()), 0).await, []);
    assert_eq!(woken(Parked::AtNoneOf(both), 0).await, []);
    assert_eq!(woken(Parked::At(figures_of.clone()), 0).await, [2]);
    let left = Parked::AtNoneOf(vec![figures_of.clone(), elsewhere]);
    assert_eq!(woken(left, 0).await, [1, 3]);
    park(&store, 60).await;
    assert_eq!(woken(Parked::At(orders_of), 60).await, [1, 3]);
    assert_eq!(woken(Parked::AtNoneOf(Vec::new()), 60).await, [2]);
}

pub(in super::super) async fn what_is_on_its_way_into_an_erp_is_counted(store: Shared) {
    assert_eq!(store.backlog().await.unwrap(), Backlog::default());
    let new = |second, kind: EffectKind, serial_key: Option<&str>| Commit {
        effects: vec![EffectChange::New(NewEffect {
            kind: kind.word(),
            order_id: OrderId(Uuid::from_u128(1)),
            payload: json!({}),
            due_at: at(second),
            serial_key: serial_key.map(str::to_owned),
        })],
        ..empty(second)
    };
    for (second, kind, key) in [
        (3, EffectKind::CreateErpOrder, None),
        (4, EffectKind::CreateErpOrder, Some("A")),
        (5, EffectKind::CreateErpOrder, Some("A")),
        (1, EffectKind::ReleaseToWarehouse, None),
    ] {
        store.commit(new(second, kind, key)).await.unwrap();
    }
    let waiting = |awaiting_erp, second| Backlog {
        awaiting_erp,
        oldest_since: Some(at(second)),
        provisional: 0,
    };
    assert_eq!(store.backlog().await.unwrap(), waiting(3, 3));
    let held = lease(&store, 10).await;
    assert_eq!(store.backlog().await.unwrap(), waiting(3, 3));
    for held in held {
        end(&store, done(&held)).await.unwrap();
    }
    assert_eq!(store.backlog().await.unwrap(), waiting(1, 5));
}

pub(in crate::store) async fn whoever_leases_is_told_that_the_store_was_set_back(store: Shared) {
    add(&store, 1, 0, None).await;
    assert_eq!(lease(&store, 0).await[0].set_back_at, None);
    store.set_back(at(5)).await.unwrap();
    store.set_back(at(1)).await.unwrap();
    let again = lease(&store, 60).await;
    assert_eq!(again[0].set_back_at, Some(at(5)), "the newest counts");
}
