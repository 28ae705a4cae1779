//! Readers' cursors, and news that wait.

use canonical_model::OrderReference;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        Commit, CursorMove, DISMISSED_NEWS_KEPT, ParkChange, ParkStage, ParkedNews, StoreError,
    },
    Shared, at, company, empty, order, order_change, with_row,
};

const READER: &str = "intake/warehouse";
const MOST: u32 = 1_000;

fn step(from: Option<&str>, to: &str) -> Commit {
    Commit {
        cursors: vec![CursorMove {
            reader: READER.to_owned(),
            from: from.map(str::to_owned),
            to: to.to_owned(),
        }],
        ..empty(0)
    }
}

fn parked(id: u128, key: &str, version: u64, stage: ParkStage) -> ParkedNews {
    ParkedNews {
        id: Uuid::from_u128(id),
        company: company(),
        source: "warehouse".to_owned(),
        key: key.to_owned(),
        version,
        news: json!({"version": version}),
        reason: "gap".to_owned(),
        detail: "Something is missing.".to_owned(),
        parked_at: at(0),
        stage,
    }
}

fn waiting(id: u128, key: &str, version: u64, due: i64) -> ParkedNews {
    parked(id, key, version, ParkStage::Waiting { due_at: at(due) })
}

fn park(news: &[ParkedNews]) -> Commit {
    let park = |news: &ParkedNews| ParkChange::Park {
        news: Box::new(news.clone()),
        most: MOST,
    };
    Commit {
        parked: news.iter().map(park).collect(),
        ..empty(0)
    }
}

fn unpark(key: &str, version: u64) -> Commit {
    Commit {
        parked: vec![ParkChange::Unpark {
            source: "warehouse".to_owned(),
            key: key.to_owned(),
            version,
        }],
        ..empty(0)
    }
}

pub(crate) async fn a_cursor_moves_from_where_it_stands_or_nothing_happens(store: Shared) {
    assert_eq!(store.cursor(READER).await.unwrap(), None);
    store.commit(step(None, "10")).await.unwrap();
    assert_eq!(store.cursor(READER).await.unwrap().as_deref(), Some("10"));

    // What was read goes with the cursor, or not at all.
    let id = Uuid::now_v7();
    for from in [None, Some("9")] {
        let late = Commit {
            changes: vec![order_change(id, 0, "PO-1")],
            ..step(from, "20")
        };
        let refused = store.commit(late).await.unwrap_err();
        assert!(matches!(&refused, StoreError::CursorMoved(reader) if reader == READER));
    }
    let kind = super::StreamKind::Order;
    assert_eq!(store.state(kind, id).await.unwrap(), None);
    store.commit(step(Some("10"), "20")).await.unwrap();
    assert_eq!(store.cursor(READER).await.unwrap().as_deref(), Some("20"));
    assert_eq!(store.cursor("intake/other").await.unwrap(), None);
}

pub(crate) async fn of_racing_readers_one_moves_the_cursor(store: Shared) {
    for from in [None, Some("round-0")] {
        let to = if from.is_none() { "round-0" } else { "round-1" };
        let racing = (0..8).map(|_| {
            let (store, step) = (store.clone(), step(from, to));
            tokio::spawn(async move { store.commit(step).await })
        });
        let mut moved = 0;
        for raced in futures_util::future::join_all(racing).await {
            match raced.unwrap() {
                Ok(_) => moved += 1,
                Err(StoreError::CursorMoved(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(moved, 1);
    }
}

pub(crate) async fn parked_news_are_replaced_by_newer_ones_only(store: Shared) {
    let second = waiting(2, "S-1", 2, 5);
    store
        .commit(park(std::slice::from_ref(&second)))
        .await
        .unwrap();
    store
        .commit(park(&[waiting(1, "S-1", 1, 5)]))
        .await
        .unwrap();
    let found = || async { store.parked("warehouse", "S-1").await.unwrap() };
    assert_eq!(found().await, Some(second.clone()));
    assert_eq!(store.parked("other", "S-1").await.unwrap(), None);

    // The same version may come to another stage, and a newer one takes its place.
    let for_a_person = parked(2, "S-1", 2, ParkStage::Quarantined);
    store
        .commit(park(std::slice::from_ref(&for_a_person)))
        .await
        .unwrap();
    assert_eq!(found().await, Some(for_a_person));
    let third = waiting(3, "S-1", 3, 9);
    store
        .commit(park(std::slice::from_ref(&third)))
        .await
        .unwrap();
    // What is understood takes away what is not newer.
    store.commit(unpark("S-1", 2)).await.unwrap();
    assert_eq!(found().await, Some(third));
    store.commit(unpark("S-1", 3)).await.unwrap();
    store.commit(unpark("S-1", 3)).await.unwrap();
    assert_eq!(found().await, None);
}

pub(crate) async fn parked_news_that_are_due_are_taken_by_one(store: Shared) {
    let all = [
        waiting(1, "S-1", 1, 5),
        waiting(2, "S-2", 1, 3),
        waiting(3, "S-3", 1, 60),
        parked(4, "S-4", 1, ParkStage::Quarantined),
    ];
    assert_eq!(store.next_parked_due().await.unwrap(), None);
    store.commit(park(&all)).await.unwrap();
    assert_eq!(store.next_parked_due().await.unwrap(), Some(at(3)));
    assert!(
        store
            .lease_parked(at(2), at(20), 10)
            .await
            .unwrap()
            .is_empty()
    );

    let taken = store.lease_parked(at(10), at(20), 10).await.unwrap();
    let keys: Vec<_> = taken.iter().map(|news| news.key.as_str()).collect();
    assert_eq!(keys, ["S-2", "S-1"], "oldest first");
    assert!(
        store
            .lease_parked(at(10), at(20), 10)
            .await
            .unwrap()
            .is_empty()
    );
    // Who took them may have died.
    assert_eq!(
        store.lease_parked(at(20), at(30), 1).await.unwrap().len(),
        1
    );
    assert_eq!(
        store.lease_parked(at(20), at(30), 9).await.unwrap().len(),
        1
    );
}

pub(crate) async fn quarantined_news_are_listed_until_a_person_puts_them_aside(store: Shared) {
    let of = |id, key| parked(id, key, 1, ParkStage::Quarantined);
    let mut foreign = of(9, "S-9");
    foreign.company = "OTHER".parse().unwrap();
    let all = [of(1, "S-1"), of(2, "S-2"), of(3, "S-3"), foreign];
    store.commit(park(&all)).await.unwrap();
    let ids = |after: Option<u128>, limit| {
        let store = store.clone();
        async move {
            let after = after.map(Uuid::from_u128);
            let found = store.quarantined(&company(), after, limit).await.unwrap();
            found
                .iter()
                .map(|news| news.id.as_u128())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(None, 2).await, [1, 2]);
    assert_eq!(ids(Some(2), 2).await, [3]);
    let second = Uuid::from_u128(2);
    let found = store.parked_by_id(&company(), second).await.unwrap();
    assert_eq!(found.as_ref(), Some(&all[1]));
    let other = "OTHER".parse().unwrap();
    assert_eq!(store.parked_by_id(&other, second).await.unwrap(), None);

    let aside = ParkStage::Dismissed {
        at: at(30),
        principal: "operator:ann".to_owned(),
        note: "Corrected by hand.".to_owned(),
    };
    let dismissed = parked(2, "S-2", 1, aside);
    store
        .commit(park(std::slice::from_ref(&dismissed)))
        .await
        .unwrap();
    assert_eq!(ids(None, 9).await, [1, 3]);
    let kept = store.parked("warehouse", "S-2").await.unwrap();
    assert_eq!(kept.as_ref(), Some(&dismissed));
    // It is remembered for some time.
    let long = at(30) + DISMISSED_NEWS_KEPT;
    let earlier = long - jiff::SignedDuration::from_secs(1);
    assert_eq!(store.sweep(earlier).await.unwrap(), 0);
    assert_eq!(store.sweep(long).await.unwrap(), 1);
    assert_eq!(store.parked("warehouse", "S-2").await.unwrap(), None);
}

pub(crate) async fn no_more_news_wait_than_may(store: Shared) {
    let with_room = |key: &str, version| Commit {
        parked: vec![ParkChange::Park {
            news: Box::new(ParkedNews {
                id: Uuid::now_v7(),
                ..waiting(0, key, version, 5)
            }),
            most: 2,
        }],
        ..empty(0)
    };
    store.commit(with_room("S-1", 1)).await.unwrap();
    store.commit(with_room("S-2", 1)).await.unwrap();
    let refused = store.commit(with_room("S-3", 1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::ParkedFull), "{refused:?}");
    // A newer version needs no more room, and another source has its own.
    store.commit(with_room("S-2", 2)).await.unwrap();
    let mut elsewhere = with_room("S-1", 1);
    if let Some(ParkChange::Park { news, .. }) = elsewhere.parked.first_mut() {
        news.source = "another".to_owned();
    }
    store.commit(elsewhere).await.unwrap();
    // What a person has put aside takes none.
    let mut aside = with_room("S-2", 2);
    if let Some(ParkChange::Park { news, .. }) = aside.parked.first_mut() {
        news.stage = ParkStage::Dismissed {
            at: at(10),
            principal: "clerk".to_owned(),
            note: "Counted.".to_owned(),
        };
    }
    store.commit(aside).await.unwrap();
    store.commit(with_room("S-3", 1)).await.unwrap();
    let refused = store.commit(with_room("S-4", 1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::ParkedFull), "{refused:?}");
}

pub(crate) async fn an_order_is_found_by_its_reference(store: Shared) {
    let id = Uuid::now_v7();
    let change = with_row(order_change(id, 0, "PO-1"), |row| {
        row.reference = OrderReference::new("OW0123456789ABCDEF").unwrap();
    });
    let commit = Commit {
        changes: vec![change],
        ..empty(0)
    };
    store.commit(commit).await.unwrap();
    store
        .commit(order(Uuid::now_v7(), 0, "PO-2"))
        .await
        .unwrap();
    let find = |company: &str, reference: &str| {
        let company = company.parse().unwrap();
        let reference = OrderReference::new(reference).unwrap();
        let store = store.clone();
        async move {
            store
                .order_of_reference(&company, &reference)
                .await
                .unwrap()
        }
    };
    let found = find("US01", "OW0123456789ABCDEF").await.unwrap();
    assert_eq!(found.0, id);
    assert_eq!(find("US01", "OW0").await, None);
    assert_eq!(find("OTHER", "OW0123456789ABCDEF").await, None);
}
