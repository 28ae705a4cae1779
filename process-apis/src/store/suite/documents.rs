//! Channel documents: duplicates, control numbers, leases, the mailbox.

use canonical_model::{
    DocumentId,
    document::{Direction, Document, DocumentKind, DocumentState},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        Commit, DocumentChange, DocumentFilter, DocumentLease, DocumentWork, NewDocument,
        StoreError,
    },
    Shared, account, at, company, empty,
};

pub(super) fn inbound(keys: &[&str], content: &[u8]) -> NewDocument {
    NewDocument {
        id: DocumentId::generate(),
        channel: "edi".to_owned(),
        partner: "ACME".to_owned(),
        account: account("A-1"),
        content: content.to_vec(),
        media_type: "application/edi-x12".to_owned(),
        duplicate_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        keys_expire_at: at(1_000),
        work: true,
        context: Some(json!({"agreed": "004010"})),
        lease: None,
    }
}

pub(super) fn owe(partner: &str, answers: Option<DocumentId>) -> DocumentChange {
    DocumentChange::Owe {
        id: DocumentId::generate(),
        channel: "edi".to_owned(),
        partner: partner.to_owned(),
        account: account("A-1"),
        kind: DocumentKind::FunctionalAcknowledgment,
        answers,
        order_id: None,
        context: json!({"group": 1}),
        lease: None,
    }
}

pub(super) async fn change(
    store: &Shared,
    second: i64,
    documents: Vec<DocumentChange>,
) -> Result<Vec<Document>, StoreError> {
    let committed = store
        .commit(Commit {
            documents,
            ..empty(second)
        })
        .await?;
    Ok(committed.documents)
}

pub(in super::super) fn leases(work: DocumentWork, now: i64) -> DocumentLease {
    DocumentLease {
        company: company(),
        accounts: None,
        answers: None,
        channel: "edi".to_owned(),
        work,
        limit: 10,
        now: at(now),
        until: at(now + 30),
    }
}

fn all(direction: Direction) -> DocumentFilter {
    DocumentFilter {
        accounts: None,
        answers: None,
        channel: "edi".to_owned(),
        partner: "ACME".to_owned(),
        direction,
        state: None,
        after: None,
        limit: 10,
    }
}

pub(in super::super) async fn a_document_is_stored_once(store: Shared) {
    let first = inbound(&["isa/1", "st/1"], b"ISA*1");
    change(&store, 0, vec![DocumentChange::Store(first.clone())])
        .await
        .unwrap();
    for content in [b"ISA*1", b"ISA*2"] {
        let again = change(
            &store,
            1,
            vec![DocumentChange::Store(inbound(&["other", "st/1"], content))],
        )
        .await;
        let Err(StoreError::DocumentKnown(known)) = again else {
            panic!("{again:?}")
        };
        assert_eq!(
            (known.document_id, known.content_base64.as_deref()),
            (first.id, Some("SVNBKjE="))
        );
        assert_eq!(known.lease, None);
    }
    let mut foreign = inbound(&["isa/1"], b"ISA*1");
    foreign.partner = "BETA".to_owned();
    change(&store, 1, vec![DocumentChange::Store(foreign)])
        .await
        .expect("another partner's key is another key");
    let later = DocumentChange::Store(inbound(&["isa/1"], b"ISA*9"));
    change(&store, 1_000, vec![later])
        .await
        .expect("the keys were kept so long");
    assert_eq!(
        store
            .documents(&company(), all(Direction::Inbound))
            .await
            .unwrap()
            .len(),
        2
    );
}

pub(in super::super) async fn a_refused_commit_tells_the_document_as_it_stood_before(
    store: Shared,
) {
    let lease = Uuid::from_u128(1);
    let first = NewDocument {
        lease: Some((lease, at(100))),
        ..inbound(&["isa/1"], b"ISA*1")
    };
    let answer = DocumentChange::Answer {
        id: first.id,
        lease,
        outcome: Some(json!({"status": "taken"})),
    };
    let stored = vec![DocumentChange::Store(first)];
    change(&store, 0, stored).await.unwrap();
    let again = DocumentChange::Store(inbound(&["isa/1"], b"ISA*1"));
    let refused = change(&store, 1, vec![answer, again]).await;
    let Err(StoreError::DocumentKnown(known)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (known.state, known.outcome, known.lease),
        (DocumentState::Received, None, None)
    );
    assert_eq!(known.content_base64.as_deref(), Some("SVNBKjE="));
}

/// An engine may say that a commit is refused before it has let go of what the commit had changed.
pub(in super::super) async fn what_a_refused_commit_held_is_swept_at_once(store: Shared) {
    let keyed = |key: &str| NewDocument {
        keys_expire_at: at(30),
        ..inbound(&[key], b"ISA*1")
    };
    for round in 0..200 {
        let key = format!("isa/{round}");
        let stored = vec![DocumentChange::Store(keyed(&key))];
        change(&store, 0, stored).await.unwrap();
        let takes_the_key_over = DocumentChange::Store(keyed(&key));
        let nobody_s = DocumentChange::Deliver {
            id: DocumentId::generate(),
        };
        let refused = change(&store, 40, vec![takes_the_key_over, nobody_s]).await;
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
        assert_eq!(store.sweep(at(50)).await.unwrap(), 1, "round {round}");
    }
}

pub(in super::super) async fn control_numbers_rise_and_a_second_lease_keeps_them(store: Shared) {
    let mut work = store.document_work();
    work.mark_unchanged();
    let owed = vec![owe("ACME", None), owe("BETA", None), owe("ACME", None)];
    let owed = change(&store, 0, owed).await.unwrap();
    assert_eq!(
        owed.iter()
            .map(|document| document.control_number)
            .collect::<Vec<_>>(),
        [Some(1), Some(1), Some(2)]
    );
    assert!(work.has_changed().unwrap());
    let first = store
        .lease_documents(leases(DocumentWork::Render, 0))
        .await
        .unwrap();
    assert_eq!(first.len(), 3);
    assert!(
        store
            .lease_documents(leases(DocumentWork::Render, 29))
            .await
            .unwrap()
            .is_empty()
    );
    let second = store
        .lease_documents(leases(DocumentWork::Render, 30))
        .await
        .unwrap();
    for (before, now) in first.iter().zip(&second) {
        assert_eq!(
            (before.document_id, before.control_number),
            (now.document_id, now.control_number)
        );
        assert!(now.lease.is_some() && before.lease != now.lease);
    }
    let stale = DocumentChange::Render {
        id: first[0].document_id,
        lease: first[0].lease.unwrap(),
        content: b"ISA".to_vec(),
        media_type: "application/edi-x12".to_owned(),
    };
    assert!(matches!(
        change(&store, 31, vec![stale]).await,
        Err(StoreError::LeaseLost)
    ));
}

pub(in super::super) async fn an_answer_is_said_once(store: Shared) {
    let lease = Uuid::now_v7();
    let new = NewDocument {
        lease: Some((lease, at(30))),
        ..inbound(&["isa/1"], b"ISA")
    };
    let id = new.id;
    let stored = change(&store, 0, vec![DocumentChange::Store(new)])
        .await
        .unwrap();
    assert_eq!(
        (stored[0].state, stored[0].lease),
        (DocumentState::Received, Some(lease))
    );
    assert_eq!(
        stored[0].context,
        Some(json!({"agreed": "004010"})),
        "what the channel keeps with it is given back"
    );
    assert!(
        store
            .lease_documents(leases(DocumentWork::CarryOn, 1))
            .await
            .unwrap()
            .is_empty()
    );
    let foreign = DocumentChange::Answer {
        id,
        lease: Uuid::now_v7(),
        outcome: Some(json!({"status": 500})),
    };
    assert!(matches!(
        change(&store, 1, vec![foreign]).await,
        Err(StoreError::LeaseLost)
    ));
    for status in [200, 409] {
        let answer = DocumentChange::Answer {
            id,
            lease,
            outcome: Some(json!({"status": status})),
        };
        let answer = vec![answer, owe("ACME", Some(id))];
        let answered = change(&store, 2, answer).await.unwrap();
        assert_eq!(answered[0].state, DocumentState::Answered);
        assert_eq!(
            answered[0].outcome,
            Some(json!({"status": 200})),
            "the first outcome stays"
        );
    }
    let again = DocumentChange::Store(inbound(&["isa/1"], b"ISA"));
    let Err(StoreError::DocumentKnown(known)) = change(&store, 3, vec![again]).await else {
        panic!("it is known");
    };
    assert_eq!(known.outcome, Some(json!({"status": 200})));
    let owed = store
        .documents(&company(), all(Direction::Outbound))
        .await
        .unwrap();
    assert_eq!(owed.len(), 1, "what was owed with the answer is owed once");
    assert!(
        store
            .lease_documents(leases(DocumentWork::CarryOn, 100))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(in super::super) async fn a_document_is_rendered_and_delivered(store: Shared) {
    let id = change(&store, 0, vec![owe("ACME", None)]).await.unwrap()[0].document_id;
    assert!(matches!(
        change(&store, 0, vec![DocumentChange::Deliver { id }]).await,
        Err(StoreError::LeaseLost)
    ));
    let lease = store
        .lease_documents(leases(DocumentWork::Render, 0))
        .await
        .unwrap()[0]
        .lease
        .unwrap();
    let render = |content: &[u8]| DocumentChange::Render {
        id,
        lease,
        content: content.to_vec(),
        media_type: "application/edi-x12".to_owned(),
    };
    change(&store, 1, vec![render(b"ISA*1")]).await.unwrap();
    change(&store, 2, vec![render(b"ISA*1")])
        .await
        .expect("the same bytes once more");
    assert!(matches!(
        change(&store, 3, vec![render(b"ISA*2")]).await,
        Err(StoreError::LeaseLost)
    ));
    for _ in 0..2 {
        let delivered = change(&store, 4, vec![DocumentChange::Deliver { id }])
            .await
            .unwrap();
        assert_eq!(delivered[0].state, DocumentState::Delivered);
    }
    let found = store.document(&company(), id).await.unwrap().unwrap();
    assert_eq!(
        (found.content_base64.as_deref(), found.lease),
        (Some("SVNBKjE="), None)
    );
    assert!(
        store
            .document(&"DE01".parse().unwrap(), id)
            .await
            .unwrap()
            .is_none()
    );
}

pub(in super::super) async fn documents_are_leased_within_their_scope(store: Shared) {
    let first = inbound(&["isa/1"], b"1");
    let mut second = inbound(&["isa/2"], b"2");
    second.account = account("A-2");
    let done = NewDocument {
        work: false,
        ..inbound(&["isa/3"], b"3")
    };
    let stored = [first.clone(), second.clone(), done]
        .map(DocumentChange::Store)
        .to_vec();
    change(&store, 0, stored).await.unwrap();
    let page = DocumentFilter {
        after: Some(first.id),
        state: Some(DocumentState::Received),
        ..all(Direction::Inbound)
    };
    let listed = store.documents(&company(), page).await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|document| document.document_id)
            .collect::<Vec<_>>(),
        [second.id]
    );
    assert_eq!(listed[0].content_base64, None);
    let elsewhere = DocumentLease {
        channel: "cxml".to_owned(),
        ..leases(DocumentWork::CarryOn, 0)
    };
    assert!(store.lease_documents(elsewhere).await.unwrap().is_empty());
    let own = DocumentLease {
        accounts: Some(vec![account("A-2")]),
        ..leases(DocumentWork::CarryOn, 0)
    };
    let leased = store.lease_documents(own).await.unwrap();
    assert_eq!((leased.len(), leased[0].document_id), (1, second.id));
    let rest = store
        .lease_documents(leases(DocumentWork::CarryOn, 0))
        .await
        .unwrap();
    assert_eq!(
        (rest.len(), rest[0].content_base64.as_deref()),
        (1, Some("MQ=="))
    );
}
