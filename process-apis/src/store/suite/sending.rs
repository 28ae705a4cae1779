//! Documents of a channel that sends: leased when they are rendered, those of one order one after the other.

use canonical_model::{
    DocumentId, OrderId,
    document::{Document, DocumentState},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{DocumentChange, DocumentLease, DocumentWork, StoreError},
    Shared, company,
    documents::{change, leases, owe},
};

/// Owes a document about an order, and answers its id.
async fn owe_about(store: &Shared, order: Option<OrderId>, channel: &str) -> DocumentId {
    let mut owed = owe("ACME", None);
    if let DocumentChange::Owe {
        order_id,
        channel: of,
        ..
    } = &mut owed
    {
        *order_id = order;
        channel.clone_into(of);
    }
    change(store, 0, vec![owed]).await.unwrap()[0].document_id
}

/// Leases all that is due, and renders those named.
async fn render(store: &Shared, second: i64, ids: &[DocumentId]) {
    let due = leases(DocumentWork::Render, second);
    for document in store.lease_documents(due).await.unwrap() {
        if ids.contains(&document.document_id) {
            let render = DocumentChange::Render {
                id: document.document_id,
                lease: document.lease.unwrap(),
                content: b"<cXML/>".to_vec(),
                media_type: "text/xml".to_owned(),
            };
            change(store, second, vec![render]).await.unwrap();
        }
    }
}

async fn to_send(store: &Shared, second: i64) -> Vec<Document> {
    let asked = leases(DocumentWork::Send, second);
    store.lease_documents(asked).await.unwrap()
}

fn ids(documents: &[Document]) -> Vec<DocumentId> {
    documents
        .iter()
        .map(|document| document.document_id)
        .collect()
}

pub(in super::super) async fn documents_of_an_order_are_sent_one_after_the_other(store: Shared) {
    let (order, other) = (Some(OrderId::generate()), Some(OrderId::generate()));
    let first = owe_about(&store, order, "edi").await;
    let second = owe_about(&store, order, "edi").await;
    let of_other = owe_about(&store, other, "edi").await;
    let alone = owe_about(&store, None, "edi").await;
    render(&store, 0, &[second, of_other, alone]).await;
    let sent = to_send(&store, 1).await;
    assert_eq!(
        ids(&sent),
        [of_other, alone],
        "what is not rendered yet goes first"
    );
    assert_eq!(sent[0].content_base64.as_deref(), Some("PGNYTUwvPg=="));
    render(&store, 30, &[first]).await;
    assert_eq!(ids(&to_send(&store, 31).await), [first, of_other, alone]);
    assert!(to_send(&store, 32).await.is_empty(), "all of it is held");
    change(&store, 33, vec![DocumentChange::Deliver { id: first }])
        .await
        .unwrap();
    assert_eq!(ids(&to_send(&store, 33).await), [second]);
}

pub(in super::super) async fn a_document_put_off_or_refused_counts_for_its_order(store: Shared) {
    let order = Some(OrderId::generate());
    let first = owe_about(&store, order, "edi").await;
    let second = owe_about(&store, order, "edi").await;
    render(&store, 0, &[first, second]).await;
    let held = to_send(&store, 1).await.remove(0);
    let lease = held.lease.unwrap();
    let until = leases(DocumentWork::Send, 600).now;
    let later = DocumentChange::Postpone {
        id: first,
        lease,
        until,
    };
    change(&store, 2, vec![later]).await.unwrap();
    assert!(
        to_send(&store, 599).await.is_empty(),
        "what follows it waits too"
    );
    let held = to_send(&store, 600).await.remove(0);
    assert_eq!(held.document_id, first);
    let refuse = |lease, reason: &str| DocumentChange::Refuse {
        id: first,
        lease,
        outcome: json!({"reason": reason}),
    };
    for foreign in [lease, Uuid::now_v7()] {
        let lost = change(&store, 601, vec![refuse(foreign, "not ours")]).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
    }
    for reason in ["unknown order", "said again"] {
        let refused = change(&store, 601, vec![refuse(held.lease.unwrap(), reason)]).await;
        let refused = refused.unwrap().remove(0);
        assert_eq!(
            (refused.state, refused.outcome),
            (
                DocumentState::Refused,
                Some(json!({"reason": "unknown order"}))
            )
        );
    }
    assert_eq!(ids(&to_send(&store, 601).await), [second]);
    let found = store.document(&company(), first).await.unwrap().unwrap();
    assert_eq!(found.outcome, Some(json!({"reason": "unknown order"})));
    let confirm = change(&store, 602, vec![DocumentChange::Deliver { id: first }]).await;
    assert!(matches!(confirm, Err(StoreError::LeaseLost)));
}

pub(in super::super) async fn a_rendered_document_is_free_to_be_sent_within_its_channel(
    store: Shared,
) {
    let order = Some(OrderId::generate());
    owe_about(&store, order, "cxml").await;
    let own = owe_about(&store, order, "edi").await;
    let due = leases(DocumentWork::Render, 0);
    let due = store.lease_documents(due).await.unwrap().remove(0);
    let mut work = store.document_work();
    work.mark_unchanged();
    let rendering = DocumentChange::Render {
        id: own,
        lease: due.lease.unwrap(),
        content: b"<cXML/>".to_vec(),
        media_type: "text/xml".to_owned(),
    };
    let rendered = change(&store, 1, vec![rendering.clone()]).await.unwrap();
    assert_eq!(rendered[0].lease, None, "it is held by nobody now");
    assert!(work.has_changed().unwrap(), "who waits is woken");
    let sent = to_send(&store, 1).await;
    assert_eq!(
        ids(&sent),
        [own],
        "another channel's document does not hold it up"
    );
    let late = change(&store, 2, vec![rendering]).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)));
    let elsewhere = DocumentLease {
        channel: "cxml".to_owned(),
        ..leases(DocumentWork::Send, 100)
    };
    assert!(store.lease_documents(elsewhere).await.unwrap().is_empty());
    let stale = DocumentChange::Postpone {
        id: own,
        lease: due.lease.unwrap(),
        until: leases(DocumentWork::Send, 600).now,
    };
    let stale = change(&store, 3, vec![stale]).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)));
}
