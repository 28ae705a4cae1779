//! Races on what there is only one of, or only so much. Each is run on one store, and by engines that several processes
//! may share, on two at once.

use canonical_model::{Currency, DocumentId, ItemNumber, SessionId, SiteId};
use jiff::{SignedDuration, civil::Date};
use rust_decimal::Decimal;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    super::{
        Commit, CreditClaim, CreditKey, CreditLevelFact, CreditMovement, DocumentChange,
        DocumentLease, DocumentWork, NewSession, SessionChange, Steps, StockClaim, StockKey,
        StockMovement, StockSnapshot, StoreError,
    },
    Shared, account, answer, at, company,
    documents::{inbound, leases, owe},
    empty, order, owner,
};

/// Runs a race many times over, by turns on each store; answers what came of each try.
async fn race<T, F>(stores: &[Shared], tries: u128, run: impl Fn(Shared, u128) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (number, store) in (0..tries).zip(stores.iter().cycle()) {
        tasks.spawn(run(Shared::clone(store), number));
    }
    tasks.join_all().await
}

const DAY: Date = jiff::civil::date(2026, 3, 2);

fn stock_key(item: u32) -> StockKey {
    let item = ItemNumber::new(format!("SKU-{item}")).unwrap();
    StockKey::new(company(), item, SiteId::new("DC1").unwrap())
}

pub(in super::super) fn fact(item: u32, second: i64, available: i64) -> StockSnapshot {
    StockSnapshot {
        key: stock_key(item),
        as_of: at(second),
        first_day: DAY,
        available: Steps::level(Decimal::from(available), 2),
        lag: SignedDuration::ZERO,
    }
}

/// Claims of one each on three of five items, in an order of their own, while newer facts come in: no unit is sold
/// twice, none is left where somebody went away short, and nobody waits for ever.
pub(in super::super) async fn so_many_units_go_to_so_many_claims(stores: &[Shared]) {
    let facts = (0..5).map(|item| fact(item, 0, 30)).collect();
    stores[0].install_stock(facts).await.unwrap();
    let outcomes = race(stores, 100, move |store, number| async move {
        let first = u32::try_from(number % 5).unwrap();
        let mut items = [first, (first + 1) % 5, (first + 3) % 5];
        if number % 2 == 0 {
            items.reverse();
        }
        if number % 10 == 0 {
            let second = i64::try_from(number).unwrap() + 1;
            let facts = items.map(|item| fact(item, second, 30)).to_vec();
            store.install_stock(facts).await.unwrap();
        }
        let claims = items.map(|item| {
            StockMovement::Claim(StockClaim {
                key: stock_key(item),
                owner: owner(number),
                line: item,
                day: DAY,
                quantity: Decimal::ONE,
            })
        });
        let commit = Commit {
            stock: claims.to_vec(),
            ..empty(5)
        };
        match store.commit(commit).await {
            Ok(_) => Some(items),
            Err(StoreError::StockShort(_)) => None,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    let keys: Vec<_> = (0..5).map(stock_key).collect();
    for (item, position) in (0..).zip(stores[0].stock(&keys, None).await.unwrap()) {
        let taken = outcomes.iter().flatten().flatten();
        let taken = taken.filter(|of| **of == item).count();
        assert_eq!(position.claimed, Steps::level(Decimal::from(taken), 2));
        assert!(taken <= 30, "{taken} of 30 units of item {item}");
    }
    let short = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    assert!(short >= 50, "300 units were asked for, 150 are there");
    assert!(short < 100, "somebody got some");
}

/// Two children take of one parent, and one commit names the levels the other way round.
pub(in super::super) async fn a_parent_s_credit_is_taken_once(stores: &[Shared]) {
    let key = |number: &str| CreditKey {
        company: company(),
        account: account(number),
    };
    let facts = ["A", "B", "P"].map(|number| CreditLevelFact {
        key: key(number),
        as_of: at(0),
        currency: Currency::USD,
        limit: Some(Decimal::from(10_000)),
        exposure: Decimal::ZERO,
        blocked: false,
        lag: SignedDuration::ZERO,
    });
    stores[0].install_credit(facts.to_vec()).await.unwrap();
    let outcomes = race(stores, 64, move |store, number| async move {
        let child = if number % 4 < 2 { "A" } else { "B" };
        let mut levels = vec![key(child), key("P")];
        if number % 3 == 0 {
            levels.reverse();
        }
        let claim = CreditClaim {
            levels,
            owner: owner(number),
            amount: Decimal::from(500),
            limit_is_exclusive: false,
            forced: false,
        };
        let commit = Commit {
            credit: vec![CreditMovement::Claim(claim)],
            ..empty(5)
        };
        match store.commit(commit).await {
            Ok(_) => 1,
            Err(StoreError::CreditShort(level)) if level == key("P") => 0,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    assert_eq!(outcomes.into_iter().sum::<i32>(), 20);
    let levels = stores[0].credit(&["A", "B", "P"].map(key)).await.unwrap();
    let claimed: Vec<_> = levels.iter().map(|level| level.claimed).collect();
    assert_eq!(claimed[2], Decimal::from(10_000));
    assert_eq!(claimed[0] + claimed[1], Decimal::from(10_000));
}

/// Of many with one idempotency key one is taken; the others get its answer, and nothing of theirs stays.
pub(in super::super) async fn of_one_key_one_is_taken(stores: &[Shared]) {
    let outcomes = race(stores, 32, move |store, number| async move {
        let mut stored = answer("key", at(100));
        stored.body = json!({"number": number.to_string()});
        let commit = Commit {
            idempotency: Some(stored),
            documents: vec![owe("ACME", None)],
            ..order(Uuid::now_v7(), 0, &format!("PO-{number}"))
        };
        (number, store.commit(commit).await)
    })
    .await;
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes
        .into_iter()
        .partition(|(_, outcome)| outcome.is_ok());
    assert_eq!(taken.len(), 1);
    let (winner, committed) = &taken[0];
    let committed = committed.as_ref().unwrap();
    assert_eq!(committed.documents[0].control_number, Some(1));
    for (_, outcome) in refused {
        let Err(StoreError::KeyUsed(first)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(first.body, json!({"number": winner.to_string()}));
    }
}

/// Of many documents with a key in common one is stored; the others get it.
pub(in super::super) async fn of_one_document_one_is_stored(stores: &[Shared]) {
    let outcomes = race(stores, 32, move |store, number| async move {
        let own = format!("st/{number}");
        let keys = match number % 3 {
            0 => vec!["isa/1", &own],
            1 => vec![&own, "gs/1", "isa/1"],
            _ => vec!["isa/1", "gs/1"],
        };
        let new = inbound(&keys, number.to_string().as_bytes());
        let id = new.id;
        let commit = Commit {
            documents: vec![DocumentChange::Store(new)],
            ..empty(0)
        };
        (id, store.commit(commit).await)
    })
    .await;
    let stored: Vec<DocumentId> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(stored.len(), 1);
    for (_, outcome) in outcomes {
        match outcome {
            Ok(committed) => assert_eq!(committed.documents[0].document_id, stored[0]),
            Err(StoreError::DocumentKnown(known)) => assert_eq!(known.document_id, stored[0]),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Control numbers rise without gaps, whatever else in their commits fails.
pub(in super::super) async fn no_control_number_is_left_out(stores: &[Shared]) {
    let outcomes = race(stores, 60, move |store, number| async move {
        let mut owed = vec![owe("ACME", None), owe("BETA", None), owe("ACME", None)];
        if number % 2 == 0 {
            owed.reverse();
            owed.swap(0, 1);
        }
        let missing = StockMovement::Claim(StockClaim {
            key: stock_key(9),
            owner: owner(number),
            line: 1,
            day: DAY,
            quantity: Decimal::ONE,
        });
        let commit = Commit {
            documents: owed,
            stock: if number % 3 == 0 {
                vec![missing]
            } else {
                Vec::new()
            },
            ..empty(0)
        };
        match store.commit(commit).await {
            Ok(committed) => committed.documents,
            Err(StoreError::StockShort(_)) => Vec::new(),
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    for (partner, count) in [("ACME", 80), ("BETA", 40)] {
        let mut numbers: Vec<_> = outcomes
            .iter()
            .flatten()
            .filter(|document| document.partner == partner)
            .filter_map(|document| document.control_number)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=count).collect::<Vec<u64>>(), "{partner}");
    }
}

/// However many open one at once, no more sessions live than may; and one id is one session.
pub(in super::super) async fn no_more_sessions_live_than_may(stores: &[Shared]) {
    let same = SessionId::generate();
    let outcomes = race(stores, 48, move |store, number| async move {
        let id = if number % 4 == 0 {
            same
        } else {
            SessionId::generate()
        };
        let new = NewSession {
            id,
            partner: "ACME".to_owned(),
            account: account("A-1"),
            keys: vec!["cookie/1".to_owned()],
            content: json!({"number": number.to_string()}),
            fingerprint: "of the opening".to_owned(),
            expires_at: at(100),
            most: 5,
        };
        let commit = Commit {
            sessions: vec![SessionChange::Open(new)],
            ..empty(0)
        };
        match store.commit(commit).await {
            Ok(committed) => Some(committed.sessions[0].session_id),
            Err(StoreError::SessionKnown { session, .. }) if session.session_id == same => None,
            Err(StoreError::SessionLimit) => None,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    let mut opened: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(opened.len(), 5);
    opened.sort_unstable();
    opened.dedup();
    assert_eq!(opened.len(), 5, "one id is opened once");
}

/// Of what waits, each document is given to one.
pub(in super::super) async fn a_document_is_leased_to_one(stores: &[Shared]) {
    let owed = (0..30).map(|_| owe("ACME", None)).collect();
    let owed = Commit {
        documents: owed,
        ..empty(0)
    };
    stores[0].commit(owed).await.unwrap();
    let mut leased: Vec<_> = race(stores, 20, move |store, _| async move {
        let asked = DocumentLease {
            limit: 4,
            ..leases(DocumentWork::Render, 0)
        };
        store.lease_documents(asked).await.unwrap()
    })
    .await
    .into_iter()
    .flatten()
    .map(|document| document.document_id)
    .collect();
    let count = leased.len();
    leased.sort_unstable();
    leased.dedup();
    assert_eq!(leased.len(), count, "no document is given to two");
    let rest = leases(DocumentWork::Render, 0);
    let rest = DocumentLease { limit: 50, ..rest };
    let rest = stores[0].lease_documents(rest).await.unwrap();
    assert_eq!(count + rest.len(), 30, "and none is passed over for good");
}

/// Each race, on the one store of the suite.
macro_rules! on_one {
    ($($name:ident => $race:ident),+ $(,)?) => { $(
        pub(in super::super) async fn $name(store: Shared) {
            $race(&[store]).await;
        }
    )+ };
}

on_one! {
    units_are_raced_for => so_many_units_go_to_so_many_claims,
    credit_is_raced_for => a_parent_s_credit_is_taken_once,
    a_key_is_raced_for => of_one_key_one_is_taken,
    a_document_is_raced_for => of_one_document_one_is_stored,
    control_numbers_are_raced_for => no_control_number_is_left_out,
    sessions_are_raced_for => no_more_sessions_live_than_may,
    leases_are_raced_for => a_document_is_leased_to_one,
}
