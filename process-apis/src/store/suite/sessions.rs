//! Channel sessions: opened once, changed by one, ended by the clock, deleted some time later.

use canonical_model::{SessionId, session::Session};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    super::{
        Cause, Commit, NewSession, SESSION_KNOWN_FOR, SessionChange, SessionFilter, StoreError,
    },
    Shared, account, at, cause, company, empty,
};

/// Lives until second 100.
fn new(id: SessionId, keys: &[&str]) -> NewSession {
    NewSession {
        id,
        partner: "ACME".to_owned(),
        account: account("A-1"),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        content: json!({"cart": []}),
        fingerprint: "of the opening".to_owned(),
        expires_at: at(100),
        most: 1_000,
    }
}

async fn commit(store: &Shared, second: i64, change: SessionChange) -> Result<Session, StoreError> {
    let commit = Commit {
        sessions: vec![change],
        ..empty(second)
    };
    Ok(store.commit(commit).await?.sessions.remove(0))
}

async fn open(store: &Shared, second: i64, new: NewSession) -> Result<Session, StoreError> {
    commit(store, second, SessionChange::Open(new)).await
}

fn change(id: SessionId, expected_version: u64, content: Value) -> SessionChange {
    SessionChange::Change {
        id,
        expected_version,
        content,
        expires_at: at(100),
    }
}

async fn find(store: &Shared, second: i64, id: SessionId) -> Option<Session> {
    store
        .session(&company(), "portal", id, at(second))
        .await
        .unwrap()
}

fn with_key(key: &str, second: i64) -> SessionFilter {
    SessionFilter {
        accounts: None,
        channel: "portal".to_owned(),
        partner: "ACME".to_owned(),
        key: key.to_owned(),
        now: at(second),
        limit: 10,
    }
}

async fn by_key(store: &Shared, filter: SessionFilter) -> Vec<SessionId> {
    let found = store.sessions(&company(), filter).await.unwrap();
    found.iter().map(|session| session.session_id).collect()
}

pub(in super::super) async fn a_session_is_opened_once(store: Shared) {
    let id = SessionId::generate();
    let opened = open(&store, 0, new(id, &["cookie/1"])).await.unwrap();
    assert_eq!((opened.version, opened.created_at), (1, at(0)));
    assert_eq!(opened.content, json!({"cart": []}));
    let changed = change(id, 1, json!({"cart": ["SKU-1"]}));
    let changed = commit(&store, 1, changed).await.unwrap();
    assert_eq!(changed.version, 2);
    assert_eq!(find(&store, 1, id).await, Some(changed.clone()));
    for second in [2, 100] {
        let again = open(&store, second, new(id, &["cookie/2"])).await;
        let Err(StoreError::SessionKnown {
            session,
            fingerprint,
        }) = again
        else {
            panic!("{again:?}")
        };
        assert_eq!(
            (*session, &*fingerprint),
            (changed.clone(), "of the opening")
        );
    }
    assert!(by_key(&store, with_key("cookie/2", 2)).await.is_empty());
    let elsewhere = |change| Commit {
        cause: Some(Cause {
            channel: "punchout".to_owned(),
            ..cause(2)
        }),
        sessions: vec![change],
        ..Commit::default()
    };
    let opened = elsewhere(SessionChange::Open(new(id, &[])));
    let opened = store.commit(opened).await;
    opened.expect("another channel's id is another id");
    let foreign = elsewhere(change(id, changed.version, json!({})));
    let foreign = store.commit(foreign).await;
    assert!(
        matches!(foreign, Err(StoreError::SessionChanged(_))),
        "{foreign:?}"
    );
    assert_eq!(find(&store, 2, id).await, Some(changed));
}

pub(in super::super) async fn a_refused_commit_tells_the_session_as_it_stood_before(store: Shared) {
    let id = SessionId::generate();
    let opened = open(&store, 0, new(id, &[])).await.unwrap();
    let both = Commit {
        sessions: vec![
            change(id, 1, json!({"cart": ["SKU-1"]})),
            SessionChange::Open(new(id, &[])),
        ],
        ..empty(1)
    };
    let refused = store.commit(both).await;
    let Err(StoreError::SessionKnown { session, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(*session, opened);
    assert_eq!(find(&store, 1, id).await, Some(opened));
}

pub(in super::super) async fn of_concurrent_changes_of_a_session_one_is_made(store: Shared) {
    let id = SessionId::generate();
    open(&store, 0, new(id, &[])).await.unwrap();
    let mut changes = JoinSet::new();
    for buyer in 0..8 {
        let store = Shared::clone(&store);
        changes
            .spawn(async move { commit(&store, 1, change(id, 1, json!({"buyer": buyer}))).await });
    }
    let outcomes = changes.join_all().await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for refused in refused {
        assert!(
            matches!(&refused, Err(StoreError::SessionChanged(changed)) if *changed == id),
            "{refused:?}"
        );
    }
    let made = made.into_iter().next().unwrap().unwrap();
    assert_eq!(made.version, 2);
    assert_eq!(find(&store, 1, id).await, Some(made));
}

pub(in super::super) async fn a_session_ends_by_the_clock(store: Shared) {
    let id = SessionId::generate();
    open(&store, 0, new(id, &["cookie/1"])).await.unwrap();
    assert!(find(&store, 99, id).await.is_some());
    assert_eq!(by_key(&store, with_key("cookie/1", 99)).await, [id]);
    assert_eq!(find(&store, 100, id).await, None);
    assert!(by_key(&store, with_key("cookie/1", 100)).await.is_empty());
    let late = commit(&store, 100, change(id, 1, json!({}))).await;
    assert!(matches!(late, Err(StoreError::SessionChanged(_))));
    let longer = SessionChange::Change {
        id,
        expected_version: 1,
        content: json!({}),
        expires_at: at(200),
    };
    commit(&store, 99, longer).await.unwrap();
    assert!(find(&store, 199, id).await.is_some());
}

pub(in super::super) async fn sessions_are_found_by_key_newest_first(store: Shared) {
    let ids: Vec<_> = (0..12).map(|_| SessionId::generate()).collect();
    for id in &ids {
        let keys = ["cookie/1", "cookie/1", "order/1"];
        open(&store, 0, new(*id, &keys)).await.unwrap();
    }
    let mut other = new(SessionId::generate(), &["cookie/1"]);
    other.account = account("A-2");
    let other = open(&store, 1, other).await.unwrap().session_id;
    let mut foreign = new(SessionId::generate(), &["cookie/1"]);
    foreign.partner = "BETA".to_owned();
    open(&store, 1, foreign).await.unwrap();
    let newest: Vec<_> = ids.iter().rev().copied().take(9).collect();
    let found = by_key(&store, with_key("cookie/1", 1)).await;
    assert_eq!((found[0], &found[1..]), (other, &*newest));
    let own = SessionFilter {
        accounts: Some(vec![account("A-2")]),
        ..with_key("cookie/1", 1)
    };
    assert_eq!(by_key(&store, own).await, [other]);
    assert_eq!(by_key(&store, with_key("order/1", 1)).await.len(), 10);
    let elsewhere = SessionFilter {
        channel: "edi".to_owned(),
        ..with_key("cookie/1", 1)
    };
    assert!(by_key(&store, elsewhere).await.is_empty());
}

pub(in super::super) async fn a_partner_has_so_many_living_sessions_and_no_more(store: Shared) {
    let few = |partner: &str| NewSession {
        partner: partner.to_owned(),
        most: 2,
        ..new(SessionId::generate(), &[])
    };
    let first = few("ACME");
    open(&store, 0, first.clone()).await.unwrap();
    open(&store, 0, few("ACME")).await.unwrap();
    let third = open(&store, 1, few("ACME")).await;
    assert!(matches!(third, Err(StoreError::SessionLimit)), "{third:?}");
    let again = open(&store, 1, first).await;
    assert!(
        matches!(again, Err(StoreError::SessionKnown { .. })),
        "what is open already needs no room: {again:?}"
    );
    open(&store, 1, few("BETA")).await.expect("its own limit");
    let later = NewSession {
        expires_at: at(200),
        ..few("ACME")
    };
    open(&store, 100, later)
        .await
        .expect("what has ended does not count");
}

pub(in super::super) async fn ended_sessions_are_swept_some_time_later(store: Shared) {
    let ids: Vec<_> = (0..101).map(|_| SessionId::generate()).collect();
    for id in &ids {
        open(&store, 0, new(*id, &["cookie/1"])).await.unwrap();
    }
    let living = NewSession {
        expires_at: at(101) + SESSION_KNOWN_FOR,
        ..new(SessionId::generate(), &["cookie/1"])
    };
    let living = open(&store, 0, living).await.unwrap().session_id;
    let known_until = at(100) + SESSION_KNOWN_FOR;
    assert_eq!(
        store
            .sweep(known_until - SignedDuration::from_secs(1))
            .await
            .unwrap(),
        0
    );
    let first = store.sweep(known_until).await.unwrap();
    assert!((1..101).contains(&first), "a share at a time: {first}");
    assert_eq!(store.sweep(known_until).await.unwrap(), 101 - first);
    assert_eq!(store.sweep(known_until).await.unwrap(), 0);
    let reopened = NewSession {
        expires_at: at(300) + SESSION_KNOWN_FOR,
        ..new(ids[0], &["cookie/2"])
    };
    open(&store, 200, reopened)
        .await
        .expect("it is not known any more");
    assert_eq!(
        by_key(&store, with_key("cookie/1", 1)).await,
        [living],
        "keys go with their session"
    );
}
