//! Two engines, one mailbox: whatever sequence of changes to documents and sessions, both answer the same and end the
//! same.

use std::collections::BTreeMap;

use canonical_model::{
    DocumentId, OrderId, SessionId,
    document::{Direction, Document, DocumentKind},
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        Commit, DocumentChange, DocumentFilter, DocumentLease, DocumentWork, NewDocument,
        NewSession, SessionChange, SessionFilter, StoreError,
    },
    Shared, account, at, company, empty,
};

/// What is done to both. Documents are numbered as they come.
#[derive(Debug, Clone)]
pub(in super::super) enum Step {
    Change(i64, Vec<Change>),
    Lease(i64, DocumentWork, u16),
    Sessions(i64, Vec<Session>),
    Sweep(i64),
}

#[derive(Debug, Clone)]
pub(in super::super) enum Change {
    Store {
        keys: Vec<u8>,
        partner: bool,
        work: bool,
        leased: bool,
    },
    Owe {
        partner: bool,
        order: Option<u8>,
        answers: Option<u8>,
        leased: bool,
    },
    Answer {
        document: u8,
        own: bool,
        outcome: Option<u8>,
    },
    Postpone {
        document: u8,
        own: bool,
        until: i64,
    },
    Render {
        document: u8,
        own: bool,
        content: u8,
    },
    Deliver {
        document: u8,
    },
    Refuse {
        document: u8,
        own: bool,
        outcome: u8,
    },
}

#[derive(Debug, Clone)]
pub(in super::super) enum Session {
    Open {
        id: u8,
        partner: bool,
        keys: Vec<u8>,
        expires: i64,
        most: u32,
    },
    Change {
        id: u8,
        version: u64,
        expires: i64,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let any = prop::bool::ANY;
    let own = || prop::bool::weighted(0.8);
    prop_oneof![
        3 => (vec(0..6_u8, 0..3), any, own(), any).prop_map(|(keys, partner, work, leased)| {
            Change::Store { keys, partner, work, leased }
        }),
        4 => (any, option::of(0..2_u8), option::of(0..9_u8), any)
            .prop_map(|(partner, order, answers, leased)| Change::Owe { partner, order, answers, leased }),
        3 => (0..9_u8, own(), option::of(0..3_u8))
            .prop_map(|(document, own, outcome)| Change::Answer { document, own, outcome }),
        1 => (0..9_u8, own(), 0..60_i64)
            .prop_map(|(document, own, until)| Change::Postpone { document, own, until }),
        4 => (0..9_u8, own(), 0..2_u8)
            .prop_map(|(document, own, content)| Change::Render { document, own, content }),
        2 => (0..9_u8).prop_map(|document| Change::Deliver { document }),
        1 => (0..9_u8, own(), 0..3_u8)
            .prop_map(|(document, own, outcome)| Change::Refuse { document, own, outcome }),
    ]
}

fn session() -> impl Strategy<Value = Session> {
    prop_oneof![
        2 => (0..5_u8, prop::bool::ANY, vec(0..3_u8, 0..3), 1..60_i64, 1..4_u32)
            .prop_map(|(id, partner, keys, expires, most)| Session::Open { id, partner, keys, expires, most }),
        3 => (0..5_u8, 1..4_u64, 1..60_i64)
            .prop_map(|(id, version, expires)| Session::Change { id, version, expires }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let work = prop::sample::select(vec![
        DocumentWork::CarryOn,
        DocumentWork::Render,
        DocumentWork::Send,
    ]);
    prop_oneof![
        6 => (0..60_i64, vec(change(), 1..4)).prop_map(|(second, changes)| Step::Change(second, once(changes, |change| matches!(change, Change::Store { .. })))),
        3 => (0..60_i64, work, 0..4_u16).prop_map(|(second, work, limit)| Step::Lease(second, work, limit)),
        2 => (0..60_i64, vec(session(), 1..3)).prop_map(|(second, changes)| Step::Sessions(second, once(changes, |change| matches!(change, Session::Open { .. })))),
        1 => (0..90_i64).prop_map(Step::Sweep),
    ]
}

/// A commit stores one document and opens one session at most: of two that are one the second would name the first,
/// which is undone with it.
fn once<T>(changes: Vec<T>, is_new: impl Fn(&T) -> bool) -> Vec<T> {
    let mut came = false;
    let keep = |change: &T| {
        let again = came && is_new(change);
        came |= is_new(change);
        !again
    };
    changes.into_iter().filter(keep).collect()
}

/// A sequence of them.
pub(in super::super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..30)
}

/// A store, the documents it was given, and the leases it gave: those differ, and are only compared by being there.
struct Side<'a> {
    store: &'a Shared,
    documents: u128,
    leases: BTreeMap<DocumentId, Uuid>,
}

const PARTNERS: [&str; 2] = ["ACME", "BETA"];

impl Side<'_> {
    fn new_id(&mut self) -> DocumentId {
        self.documents += 1;
        DocumentId(Uuid::from_u128(1_000 + self.documents))
    }

    fn id(&self, document: u8) -> DocumentId {
        let number = u128::from(document) % (self.documents + 1);
        DocumentId(Uuid::from_u128(1_000 + number))
    }

    fn lease(&self, document: DocumentId, own: bool) -> Uuid {
        let foreign = Uuid::from_u128(7);
        let known = self.leases.get(&document).copied();
        known.filter(|_| own).unwrap_or(foreign)
    }

    fn first_lease(
        &mut self,
        document: DocumentId,
        leased: bool,
    ) -> Option<(Uuid, jiff::Timestamp)> {
        let lease = Uuid::from_u128(document.0.as_u128() + 1_000_000);
        leased.then(|| {
            self.leases.insert(document, lease);
            (lease, at(40))
        })
    }

    fn document_change(&mut self, change: Change) -> DocumentChange {
        match change {
            Change::Store {
                keys,
                partner: of,
                work,
                leased,
            } => {
                let id = self.new_id();
                DocumentChange::Store(NewDocument {
                    id,
                    channel: "edi".to_owned(),
                    partner: PARTNERS[usize::from(of)].to_owned(),
                    account: account("A-1"),
                    content: format!("bytes of {id}").into_bytes(),
                    media_type: "application/edi-x12".to_owned(),
                    duplicate_keys: keys.iter().map(|key| format!("isa/{key}")).collect(),
                    keys_expire_at: at(30),
                    work,
                    context: leased.then(|| json!({"agreed": "004010"})),
                    lease: self.first_lease(id, leased),
                })
            }
            Change::Owe { .. } => self.owed(change),
            Change::Answer {
                document,
                own,
                outcome,
            } => {
                let id = self.id(document);
                DocumentChange::Answer {
                    id,
                    lease: self.lease(id, own),
                    outcome: outcome.map(|status| json!({"status": status})),
                }
            }
            Change::Postpone {
                document,
                own,
                until,
            } => {
                let id = self.id(document);
                DocumentChange::Postpone {
                    id,
                    lease: self.lease(id, own),
                    until: at(until),
                }
            }
            Change::Render {
                document,
                own,
                content,
            } => {
                let id = self.id(document);
                DocumentChange::Render {
                    id,
                    lease: self.lease(id, own),
                    content: vec![content],
                    media_type: "text/xml".to_owned(),
                }
            }
            Change::Deliver { document } => DocumentChange::Deliver {
                id: self.id(document),
            },
            Change::Refuse {
                document,
                own,
                outcome,
            } => {
                let id = self.id(document);
                let outcome = json!({"reason": outcome});
                DocumentChange::Refuse {
                    id,
                    lease: self.lease(id, own),
                    outcome,
                }
            }
        }
    }

    fn owed(&mut self, change: Change) -> DocumentChange {
        let Change::Owe {
            partner: of,
            order,
            answers,
            leased,
        } = change
        else {
            panic!("{change:?} owes nothing");
        };
        let answers = answers.map(|document| self.id(document));
        let id = self.new_id();
        DocumentChange::Owe {
            id,
            channel: "edi".to_owned(),
            partner: PARTNERS[usize::from(of)].to_owned(),
            account: account(if leased { "A-1" } else { "A-2" }),
            kind: DocumentKind::FunctionalAcknowledgment,
            answers,
            order_id: order.map(|order| OrderId(Uuid::from_u128(order.into()))),
            context: json!({"group": 1}),
            lease: self.first_lease(id, leased),
        }
    }

    /// Does a step, and says what came of it.
    async fn apply(&mut self, step: Step) -> String {
        let commit = match step {
            Step::Change(second, changes) => Commit {
                documents: changes
                    .into_iter()
                    .map(|change| self.document_change(change))
                    .collect(),
                ..empty(second)
            },
            Step::Sessions(second, changes) => Commit {
                sessions: changes.into_iter().map(session_change).collect(),
                ..empty(second)
            },
            Step::Lease(second, work, limit) => return self.take(second, work, limit).await,
            Step::Sweep(second) => {
                return format!("{} are swept", self.store.sweep(at(second)).await.unwrap());
            }
        };
        match self.store.commit(commit).await {
            Ok(committed) => format!(
                "{:?} {:?}",
                committed
                    .documents
                    .into_iter()
                    .map(without_lease)
                    .collect::<Vec<_>>(),
                committed.sessions
            ),
            Err(StoreError::Failed(error)) => panic!("{error:#}"),
            Err(error) => format!("{error:?}"),
        }
    }

    async fn take(&mut self, second: i64, work: DocumentWork, limit: u16) -> String {
        let asked = DocumentLease {
            company: company(),
            accounts: (limit == 3).then(|| vec![account("A-1")]),
            answers: None,
            channel: "edi".to_owned(),
            work,
            limit,
            now: at(second),
            until: at(second + 10),
        };
        let leased = self.store.lease_documents(asked).await.unwrap();
        for document in &leased {
            self.leases
                .insert(document.document_id, document.lease.unwrap());
        }
        format!(
            "{:?}",
            leased.into_iter().map(without_lease).collect::<Vec<_>>()
        )
    }

    /// All that it tells of documents and sessions.
    async fn all(&self) -> String {
        let mut told = String::new();
        for partner in PARTNERS {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let filter = DocumentFilter {
                    accounts: None,
                    answers: None,
                    channel: "edi".to_owned(),
                    partner: partner.to_owned(),
                    direction,
                    state: None,
                    after: None,
                    limit: 100,
                };
                let found = self.store.documents(&company(), filter).await.unwrap();
                told += &format!("{found:?}\n");
            }
            let filter = SessionFilter {
                accounts: None,
                channel: "portal".to_owned(),
                partner: partner.to_owned(),
                key: "cookie/1".to_owned(),
                now: at(20),
                limit: 100,
            };
            let found = self.store.sessions(&company(), filter).await.unwrap();
            told += &format!("{found:?}\n");
        }
        told
    }
}

fn session_change(change: Session) -> SessionChange {
    let id = |id: u8| SessionId(Uuid::from_u128(id.into()));
    match change {
        Session::Open {
            id: number,
            partner,
            keys,
            expires,
            most,
        } => SessionChange::Open(NewSession {
            id: id(number),
            partner: PARTNERS[usize::from(partner)].to_owned(),
            account: account("A-1"),
            keys: keys.iter().map(|key| format!("cookie/{key}")).collect(),
            content: json!({"expires": expires}),
            fingerprint: expires.to_string(),
            expires_at: at(expires),
            most,
        }),
        Session::Change {
            id: number,
            version,
            expires,
        } => SessionChange::Change {
            id: id(number),
            expected_version: version,
            content: json!({"changed": expires}),
            expires_at: at(expires),
        },
    }
}

/// Leases are made by chance: only whether there is one is compared.
fn without_lease(document: Document) -> Document {
    let lease = document.lease.map(|_| Uuid::nil());
    Document { lease, ..document }
}

/// Does the steps on both, and compares all that both then say.
pub(in super::super) async fn run(one: &Shared, other: &Shared, steps: Vec<Step>) {
    let side = |store| Side {
        store,
        documents: 0,
        leases: BTreeMap::new(),
    };
    let (mut one, mut other) = (side(one), side(other));
    for (number, step) in steps.into_iter().enumerate() {
        let first = one.apply(step.clone()).await;
        let second = other.apply(step.clone()).await;
        assert_eq!(first, second, "step {number}: {step:?}");
    }
    assert_eq!(one.all().await, other.all().await);
}
