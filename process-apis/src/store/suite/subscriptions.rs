//! Webhook subscriptions: changed by their version, sent for under one lease, moved on by what a round came to.

use canonical_model::{
    SubscriptionId,
    subscription::{DeliveryFailure, DisabledReason, FailureCause, SubscriptionState},
};
use uuid::Uuid;

use super::{
    super::{
        Commit, DEAD_LETTERS_KEPT, DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryState,
        LeasedSubscription, SealedSecret, StoreError, SubscriptionChange, SubscriptionFilter,
        SubscriptionHealth, SubscriptionLease, SubscriptionRound, SubscriptionRow,
        SubscriptionSettings,
    },
    Shared, account, at, company, empty, order,
};

fn settings(url: &str) -> SubscriptionSettings {
    SubscriptionSettings {
        url: url.to_owned(),
        types: vec!["order.*".to_owned()],
        description: None,
        secrets: vec![SealedSecret {
            sealed: "c2VhbGVk".to_owned(),
            until: None,
        }],
    }
}

async fn change(store: &Shared, second: i64, change: SubscriptionChange) -> Result<(), StoreError> {
    let commit = Commit {
        subscriptions: vec![change],
        ..empty(second)
    };
    store.commit(commit).await.map(drop)
}

async fn create(store: &Shared, number: &str, position: u64) -> SubscriptionId {
    let id = SubscriptionId::generate();
    let create = SubscriptionChange::Create {
        id,
        account: account(number),
        settings: settings("https://example.com/"),
        position,
        most: 10,
    };
    change(store, 0, create).await.unwrap();
    id
}

async fn read(store: &Shared, id: SubscriptionId) -> Option<SubscriptionRow> {
    store.subscription(&company(), id).await.unwrap()
}

/// An order of account A-1; answers its position in the feed once it can be read there.
async fn an_event(store: &Shared, purchase_order: &str) -> u64 {
    let mut position = store.position();
    let before = *position.borrow_and_update();
    let commit = order(Uuid::now_v7(), 0, purchase_order);
    store.commit(commit).await.unwrap();
    let newer = position.wait_for(|position| *position > before);
    *tokio::time::timeout(std::time::Duration::from_secs(30), newer)
        .await
        .expect("a commit with events reaches the feed")
        .unwrap()
}

async fn lease(store: &Shared, second: i64, healthy: u16, failing: u16) -> Vec<LeasedSubscription> {
    let lease = SubscriptionLease {
        now: at(second),
        until: at(second + 15),
        healthy,
        failing,
    };
    store.lease_subscriptions(lease).await.unwrap()
}

async fn lease_one(store: &Shared, second: i64) -> LeasedSubscription {
    let mut leased = lease(store, second, 1, 1).await;
    assert_eq!(leased.len(), 1, "{leased:?}");
    leased.remove(0)
}

/// A round that sent everything.
fn round(leased: &LeasedSubscription, position: u64) -> SubscriptionRound {
    SubscriptionRound {
        id: leased.row.id,
        lease: leased.lease,
        version: leased.row.version,
        position,
        over: Vec::new(),
        put: Vec::new(),
        health: leased.row.health.clone(),
        paused_until: None,
        wake: None,
    }
}

async fn settle(store: &Shared, round: SubscriptionRound) -> Result<(), StoreError> {
    let commit = Commit {
        subscriptions: vec![SubscriptionChange::Settle(Box::new(round))],
        ..Commit::default()
    };
    store.commit(commit).await.map(drop)
}

fn failure(second: i64) -> DeliveryFailure {
    DeliveryFailure {
        at: at(second),
        cause: FailureCause::Answer,
        status: Some(500),
    }
}

fn waiting(position: u64, subject: u128, due: i64) -> DeliveryRow {
    DeliveryRow {
        position,
        event_id: Uuid::from_u128(u128::from(position)),
        subject: Uuid::from_u128(subject),
        state: DeliveryState::Waiting,
        due_at: Some(at(due)),
        dead_since: None,
        detail: DeliveryDetail {
            event_type: "com.orderway.order.received.v1".to_owned(),
            sequence: 1,
            attempts: 1,
            first_failed_at: Some(at(0)),
            last_failure: Some(failure(0)),
        },
    }
}

fn dead(position: u64, second: i64) -> DeliveryRow {
    DeliveryRow {
        state: DeliveryState::Dead,
        due_at: None,
        dead_since: Some(at(second)),
        ..waiting(position, u128::from(position), 0)
    }
}

async fn deliveries(store: &Shared, id: SubscriptionId, state: DeliveryState) -> Vec<DeliveryRow> {
    let filter = DeliveryFilter {
        subscription: id,
        state,
        event: None,
        due_by: None,
        after: 0,
        limit: 100,
    };
    store.deliveries(filter).await.unwrap()
}

pub(in super::super) async fn a_subscription_is_changed_by_who_has_read_it(store: Shared) {
    let id = create(&store, "A-1", 7).await;
    let made = read(&store, id).await.unwrap();
    assert_eq!(
        (made.version, made.state, made.position, made.created_at),
        (1, SubscriptionState::Active, 7, at(0))
    );
    assert_eq!(made.settings, settings("https://example.com/"));
    assert_eq!(made.health, SubscriptionHealth::default());
    let to = |expected_version| SubscriptionChange::Change {
        id,
        expected_version,
        settings: settings("https://example.org/"),
        state: SubscriptionState::Paused,
    };
    change(&store, 5, to(1)).await.unwrap();
    let stale = change(&store, 6, to(1)).await;
    assert!(
        matches!(stale, Err(StoreError::SubscriptionChanged(known)) if known == id),
        "{stale:?}"
    );
    let changed = read(&store, id).await.unwrap();
    assert_eq!(
        (changed.version, changed.state, changed.changed_at),
        (2, SubscriptionState::Paused, at(5))
    );
    assert_eq!(changed.settings.url, "https://example.org/");
    let delete = |expected_version| SubscriptionChange::Delete {
        id,
        expected_version,
    };
    let stale = change(&store, 7, delete(1)).await;
    assert!(
        matches!(stale, Err(StoreError::SubscriptionChanged(_))),
        "{stale:?}"
    );
    change(&store, 7, delete(2)).await.unwrap();
    assert_eq!(read(&store, id).await, None);
    let gone = change(&store, 8, to(2)).await;
    assert!(
        matches!(gone, Err(StoreError::SubscriptionChanged(_))),
        "{gone:?}"
    );
}

pub(in super::super) async fn subscriptions_are_counted_and_listed_by_account(store: Shared) {
    let create_within = async |number: &str, most| {
        let id = SubscriptionId::generate();
        let create = SubscriptionChange::Create {
            id,
            account: account(number),
            settings: settings("https://example.com/"),
            position: 0,
            most,
        };
        change(&store, 0, create).await.map(|()| id)
    };
    let first = create_within("A-1", 2).await.unwrap();
    let second = create_within("A-1", 2).await.unwrap();
    let third = create_within("A-1", 2).await;
    assert!(
        matches!(third, Err(StoreError::SubscriptionLimit)),
        "{third:?}"
    );
    let other = create_within("A-2", 2).await.unwrap();
    let list = async |accounts: Option<&[&str]>, after, limit| {
        let accounts = accounts.map(|some| some.iter().map(|one| account(one)).collect());
        let filter = SubscriptionFilter {
            accounts,
            after,
            limit,
        };
        let found = store.subscriptions(&company(), filter).await.unwrap();
        found.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 10).await, [first, second, other]);
    assert_eq!(list(Some(&["A-1"]), None, 10).await, [first, second]);
    assert_eq!(list(Some(&["A-1"]), Some(first), 10).await, [second]);
    assert_eq!(list(None, None, 1).await, [first]);
    assert!(list(Some(&[]), None, 10).await.is_empty());
    let elsewhere = "OTHER".parse().unwrap();
    let foreign = store.subscription(&elsewhere, first).await.unwrap();
    assert_eq!(foreign, None, "another company's");
}

pub(in super::super) async fn a_subscription_with_news_is_leased_to_one(store: Shared) {
    let other = create(&store, "A-2", 0).await;
    let id = create(&store, "A-1", 0).await;
    assert!(lease(&store, 0, 9, 9).await.is_empty(), "there is no news");
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    assert_eq!((leased.row.id, leased.until), (id, at(15)));
    assert!(lease(&store, 14, 9, 9).await.is_empty(), "it is held");
    let taken_over = lease_one(&store, 15).await;
    let late = settle(&store, round(&leased, position)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    settle(&store, round(&taken_over, position)).await.unwrap();
    assert!(lease(&store, 16, 9, 9).await.is_empty(), "all is sent");
    assert_eq!(read(&store, id).await.unwrap().position, position);
    assert_eq!(read(&store, other).await.unwrap().position, 0);
}

pub(in super::super) async fn failing_subscriptions_do_not_take_the_room_of_others(store: Shared) {
    let failing = create(&store, "A-1", 0).await;
    an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let health = SubscriptionHealth {
        failures: 5,
        failing_since: Some(at(0)),
        ..SubscriptionHealth::default()
    };
    let failed = SubscriptionRound {
        health: health.clone(),
        paused_until: Some(at(60)),
        ..round(&leased, 0)
    };
    settle(&store, failed).await.unwrap();
    let healthy = create(&store, "A-1", 0).await;
    let ids = |leased: Vec<LeasedSubscription>| -> Vec<_> {
        leased.into_iter().map(|leased| leased.row.id).collect()
    };
    assert_eq!(
        ids(lease(&store, 20, 9, 9).await),
        [healthy],
        "the other is paused"
    );
    assert_eq!(
        ids(lease(&store, 60, 9, 0).await),
        [healthy],
        "no room for those that fail"
    );
    let last = lease(&store, 60, 0, 9).await;
    assert_eq!(last[0].row.health, health);
    assert_eq!(ids(last), [failing]);
}

pub(in super::super) async fn what_waits_is_leased_when_it_is_due(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let row = waiting(position, 1, 30);
    let parked = SubscriptionRound {
        put: vec![row.clone()],
        ..round(&leased, position)
    };
    settle(&store, parked).await.unwrap();
    assert_eq!(deliveries(&store, id, DeliveryState::Waiting).await, [row]);
    assert_eq!(read(&store, id).await.unwrap().waiting, 1);
    assert!(lease(&store, 29, 9, 9).await.is_empty());
    let leased = lease_one(&store, 30).await;
    let given_up = SubscriptionRound {
        put: vec![dead(position, 30), waiting(position + 1, 1, 90)],
        ..round(&leased, position)
    };
    settle(&store, given_up).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!((row.waiting, row.dead), (1, 1));
    assert!(
        lease(&store, 31, 9, 9).await.is_empty(),
        "a dead letter is not sent by itself"
    );
    let replay = SubscriptionChange::Replay {
        id,
        position,
        due_at: at(40),
    };
    change(&store, 40, replay).await.unwrap();
    let leased = lease_one(&store, 40).await;
    let sent = SubscriptionRound {
        over: vec![position],
        wake: Some(at(41)),
        ..round(&leased, position)
    };
    settle(&store, sent).await.unwrap();
    assert!(deliveries(&store, id, DeliveryState::Dead).await.is_empty());
    let woken = deliveries(&store, id, DeliveryState::Waiting).await;
    assert_eq!(woken[0].due_at, Some(at(41)), "all that waits is due");
}

pub(in super::super) async fn a_change_undoes_the_round_it_meets(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let rewind = SubscriptionChange::Rewind {
        id,
        expected_version: 1,
        position: 0,
    };
    change(&store, 1, rewind).await.unwrap();
    let refused = settle(&store, round(&leased, position)).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    assert_eq!(read(&store, id).await.unwrap().position, 0);
    assert!(
        lease(&store, 2, 9, 9).await.is_empty(),
        "what was begun may still be on its way"
    );
    let release = SubscriptionChange::Release {
        id,
        lease: leased.lease,
    };
    change(&store, 2, release).await.unwrap();
    let leased = lease_one(&store, 2).await;
    settle(&store, round(&leased, position)).await.unwrap();
}

pub(in super::super) async fn a_rewind_forgets_what_failed_after_it(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let last = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let failed = SubscriptionRound {
        put: vec![waiting(2, 1, 60), dead(3, 0), waiting(5, 2, 60), dead(6, 0)],
        paused_until: Some(at(600)),
        ..round(&leased, 9.max(last))
    };
    settle(&store, failed).await.unwrap();
    let rewind = SubscriptionChange::Rewind {
        id,
        expected_version: 1,
        position: 3,
    };
    change(&store, 1, rewind).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!(
        (
            row.position,
            row.version,
            row.waiting,
            row.dead,
            row.paused_until
        ),
        (3, 2, 1, 1, None)
    );
    let forward = SubscriptionChange::Rewind {
        id,
        expected_version: 2,
        position: 100,
    };
    change(&store, 2, forward).await.unwrap();
    assert_eq!(
        read(&store, id).await.unwrap().position,
        3,
        "it is never moved on"
    );
}

pub(in super::super) async fn a_disabled_subscription_begins_anew_where_it_stopped(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let disabled = SubscriptionRound {
        put: vec![waiting(position, 1, 60)],
        health: SubscriptionHealth {
            failures: 7,
            failing_since: Some(at(0)),
            last_failure: Some(failure(0)),
            disabled_reason: Some(DisabledReason::Failing),
            ..SubscriptionHealth::default()
        },
        ..round(&leased, position)
    };
    settle(&store, disabled).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!((row.state, row.version), (SubscriptionState::Disabled, 2));
    assert!(lease(&store, 100, 9, 9).await.is_empty());
    let activate = SubscriptionChange::Change {
        id,
        expected_version: 2,
        settings: row.settings,
        state: SubscriptionState::Active,
    };
    change(&store, 100, activate).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!(
        (row.state, row.position),
        (SubscriptionState::Active, position)
    );
    assert_eq!(
        (
            row.health.failures,
            row.health.failing_since,
            row.health.disabled_reason
        ),
        (0, None, None)
    );
    assert_eq!(
        row.health.last_failure,
        Some(failure(0)),
        "what went wrong is still told"
    );
    let waiting = deliveries(&store, id, DeliveryState::Waiting).await;
    assert_eq!(
        (
            waiting[0].due_at,
            waiting[0].detail.attempts,
            waiting[0].detail.first_failed_at
        ),
        (Some(at(100)), 0, None)
    );
    assert_eq!(lease_one(&store, 100).await.row.id, id);
}

pub(in super::super) async fn a_change_that_is_no_new_beginning_leaves_the_times(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let health = SubscriptionHealth {
        failures: 7,
        failing_since: Some(at(0)),
        ..SubscriptionHealth::default()
    };
    let failed = SubscriptionRound {
        put: vec![waiting(position, 1, 60)],
        health: health.clone(),
        paused_until: Some(at(90)),
        ..round(&leased, position)
    };
    settle(&store, failed).await.unwrap();
    let to = |expected_version, url: &str, description: &str, state| {
        let settings = SubscriptionSettings {
            description: Some(description.to_owned()),
            ..settings(url)
        };
        SubscriptionChange::Change {
            id,
            expected_version,
            settings,
            state,
        }
    };
    let (here, active) = ("https://example.com/", SubscriptionState::Active);
    let described = to(1, here, "ours", active);
    change(&store, 10, described).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!(
        (row.version, row.health, row.paused_until),
        (2, health, Some(at(90)))
    );
    let waits = deliveries(&store, id, DeliveryState::Waiting).await;
    assert_eq!(waits, [waiting(position, 1, 60)]);
    let paused = to(2, here, "ours", SubscriptionState::Paused);
    change(&store, 20, paused).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!(row.health.failures, 7, "a pause is no beginning either");
    change(&store, 30, to(3, here, "ours", active))
        .await
        .unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!((row.health.failures, row.paused_until), (0, None));

    let leased = lease_one(&store, 30).await;
    let failed = SubscriptionRound {
        put: vec![waiting(position, 1, 60)],
        health: row.health.clone(),
        paused_until: Some(at(90)),
        ..round(&leased, position)
    };
    settle(&store, failed).await.unwrap();
    let moved = to(4, "https://example.org/", "ours", active);
    change(&store, 40, moved).await.unwrap();
    let row = read(&store, id).await.unwrap();
    assert_eq!(
        row.paused_until, None,
        "another address has failed at nothing"
    );
    let waits = deliveries(&store, id, DeliveryState::Waiting).await;
    let waits = &waits[0];
    assert_eq!((waits.due_at, waits.detail.attempts), (Some(at(40)), 0));
}

pub(in super::super) async fn of_an_order_one_event_waits(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let first = SubscriptionRound {
        put: vec![waiting(2, 1, 10)],
        ..round(&leased, position)
    };
    settle(&store, first).await.unwrap();
    let leased = lease_one(&store, 10).await;
    let second = SubscriptionRound {
        put: vec![waiting(5, 1, 60)],
        ..round(&leased, position)
    };
    let refused = settle(&store, second.clone()).await;
    assert!(refused.is_err(), "two of one order would wait");
    let waits = deliveries(&store, id, DeliveryState::Waiting).await;
    assert_eq!(waits, [waiting(2, 1, 10)], "the older is not lost");
    let instead = SubscriptionRound {
        over: vec![2],
        ..second
    };
    settle(&store, instead).await.unwrap();
    let waits = deliveries(&store, id, DeliveryState::Waiting).await;
    assert_eq!(waits, [waiting(5, 1, 60)]);
}

pub(in super::super) async fn dead_letters_are_kept_for_a_time(store: Shared) {
    let id = create(&store, "A-1", 0).await;
    let position = an_event(&store, "PO-1").await;
    let leased = lease_one(&store, 0).await;
    let failed = SubscriptionRound {
        put: vec![dead(1, 0), dead(2, 10), waiting(3, 1, 60)],
        ..round(&leased, position)
    };
    settle(&store, failed).await.unwrap();
    let after_the_first = at(5).checked_add(DEAD_LETTERS_KEPT).unwrap();
    while store.sweep(after_the_first).await.unwrap() > 0 {}
    let kept = deliveries(&store, id, DeliveryState::Dead).await;
    assert_eq!(kept.iter().map(|row| row.position).collect::<Vec<_>>(), [2]);
    assert_eq!(read(&store, id).await.unwrap().waiting, 1);
}
