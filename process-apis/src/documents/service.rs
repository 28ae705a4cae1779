//! What is done with documents, between the routes and the store.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use canonical_model::{
    AccountId, DocumentId,
    document::{
        AnswerDocument, Direction, Document, DocumentContent, DocumentState, LeaseDocuments,
        OwedDocument, PostponeDocument, RefuseDocument, StoreDocument, StoredDocument,
    },
};
use jiff::{SignedDuration, Timestamp};
use service_runtime::{
    clock::Clock,
    context::CallContext,
    problem::{FieldError, Problem},
    server::Stopping,
    trace::RequestScope,
};
use uuid::Uuid;

use super::{DOCUMENT_NOT_READY, DocumentsConfig};
use crate::{
    crash_points,
    error::store_problem,
    events::{poll::Until, reach::Reach},
    store::{
        Cause, Commit, DocumentChange, DocumentFilter, DocumentLease, DocumentWork, NewDocument,
        Store, StoreError,
    },
};

/// A lease may end without a commit: so often one who waits looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// As many as may be owed for one document when it is stored.
const MOST_OWED: u16 = 100;

/// The documents of one caller: those of its channel, company and accounts.
pub(super) struct Documents<'a> {
    store: &'a dyn Store,
    caller: &'a CallContext,
    reach: Reach,
    config: DocumentsConfig,
    now: Timestamp,
}

impl<'a> Documents<'a> {
    pub(super) fn of(
        store: &'a dyn Store,
        clock: &Clock,
        config: DocumentsConfig,
        caller: &'a CallContext,
    ) -> Result<Self, Problem> {
        caller.require("documents:write")?;
        Self::reached(store, clock, config, caller)
    }

    /// To be read only: a person of the seller may look at a channel's.
    pub(super) fn to_read(
        store: &'a dyn Store,
        clock: &Clock,
        config: DocumentsConfig,
        caller: &'a CallContext,
    ) -> Result<Self, Problem> {
        if !caller.has_scope("documents:write") {
            caller.require("documents:read")?;
        }
        Self::reached(store, clock, config, caller)
    }

    fn reached(
        store: &'a dyn Store,
        clock: &Clock,
        config: DocumentsConfig,
        caller: &'a CallContext,
    ) -> Result<Self, Problem> {
        let reach = Reach::of(caller)?;
        let now = clock.now();
        Ok(Self {
            store,
            caller,
            reach,
            config,
            now,
        })
    }

    /// Stores an inbound document and what is owed for it, leased to the caller; the same once more is answered with
    /// what the first one owes.
    pub(super) async fn store(&self, request: StoreDocument) -> Result<StoredDocument, Problem> {
        self.caller.require_account(request.account.as_str())?;
        let content = decode(&request.content_base64)?;
        let lease = (Uuid::new_v4(), self.after(self.config.lease.signed()));
        let document = NewDocument {
            id: DocumentId::generate(),
            channel: self.caller.channel.clone(),
            partner: request.partner.clone(),
            account: request.account.clone(),
            content,
            media_type: request.media_type.clone(),
            duplicate_keys: request.duplicate_keys,
            keys_expire_at: self.after(self.config.duplicate_keys_kept.signed()),
            work: request.work,
            context: request.context,
            lease: request.work.then_some(lease),
        };
        let answered = Answered {
            id: document.id,
            partner: &request.partner,
            account: &request.account,
        };
        let mut changes = self.owe(&answered, request.owed, Some(lease));
        let bytes = document.content.clone();
        changes.insert(0, DocumentChange::Store(document));
        let committed = self.store.commit(self.commit(changes));
        match crash_points::DOCUMENT_STORE.run(committed).await {
            Ok(committed) => {
                let mut stored = committed.documents.into_iter();
                let document = stored.next().ok_or_else(Problem::not_found)?;
                Ok(StoredDocument {
                    document,
                    repeated: false,
                    owed: stored.collect(),
                })
            }
            Err(StoreError::DocumentKnown(known)) if self.is_same(&known, &bytes) => {
                self.repeated(*known).await
            }
            Err(error) => Err(store_problem(&error)),
        }
    }

    fn is_same(&self, known: &Document, bytes: &[u8]) -> bool {
        self.reach.sees(&known.account)
            && known.content_base64.as_deref() == Some(STANDARD.encode(bytes).as_str())
    }

    async fn repeated(&self, first: Document) -> Result<StoredDocument, Problem> {
        let answers = Some(first.document_id);
        let due = DocumentLease {
            answers,
            ..self.leases(DocumentWork::Render, MOST_OWED, self.config.lease.signed())
        };
        let leased = self.store.lease_documents(due);
        let mut leased = crash_points::DOCUMENT_LEASE
            .run(leased)
            .await
            .map_err(|error| store_problem(&error))?;
        let all = DocumentFilter {
            answers,
            partner: first.partner.clone(),
            ..self.filter(Direction::Outbound, MOST_OWED)
        };
        let listed = self
            .store
            .documents(&self.reach.company, all)
            .await
            .map_err(|error| store_problem(&error))?;
        let mut owed = Vec::with_capacity(listed.len());
        for document in listed {
            let held = leased
                .iter()
                .position(|held| held.document_id == document.document_id);
            owed.push(match held {
                Some(index) => leased.swap_remove(index),
                None => self.find(document.document_id).await?,
            });
        }
        let document = Document {
            content_base64: None,
            ..first
        };
        Ok(StoredDocument {
            document,
            repeated: true,
            owed,
        })
    }

    /// Leases what is to be done, and waits for it where there is nothing.
    pub(super) async fn lease(
        &self,
        request: &LeaseDocuments,
        asked: DocumentWork,
        stopping: Stopping,
        clock: &Clock,
    ) -> Result<Vec<Document>, Problem> {
        let mut work = self.store.document_work();
        let until = Until::seconds(request.wait_seconds, stopping);
        let held = SignedDuration::from_secs(i64::from(request.seconds));
        loop {
            work.mark_unchanged();
            let now = clock.now();
            let lease = DocumentLease {
                now,
                until: now.saturating_add(held).unwrap_or(now),
                ..self.leases(asked, request.limit, held)
            };
            let leased = self.store.lease_documents(lease);
            let leased = crash_points::DOCUMENT_LEASE
                .run(leased)
                .await
                .map_err(|error| store_problem(&error))?;
            if !leased.is_empty() || !until.changed(&mut work, Some(LOOK_AGAIN)).await {
                return Ok(leased);
            }
        }
    }

    /// Everything in an inbound document is answered; what is owed for the rest of it is owed in the same step.
    pub(super) async fn answer(
        &self,
        id: DocumentId,
        request: AnswerDocument,
    ) -> Result<Document, Problem> {
        let inbound = self.find(id).await?;
        let answered = Answered {
            id,
            partner: &inbound.partner,
            account: &inbound.account,
        };
        let mut changes = self.owe(&answered, request.owed, None);
        changes.insert(
            0,
            DocumentChange::Answer {
                id,
                lease: request.lease,
                outcome: request.outcome,
            },
        );
        self.change(changes).await
    }

    /// It cannot be carried on now: it is given to nobody for a while.
    pub(super) async fn postpone(
        &self,
        id: DocumentId,
        request: &PostponeDocument,
    ) -> Result<Document, Problem> {
        self.find(id).await?;
        let (lease, seconds) = (request.lease, i64::from(request.seconds));
        let until = self.after(SignedDuration::from_secs(seconds));
        self.change(vec![DocumentChange::Postpone { id, lease, until }])
            .await
    }

    /// Gives a due document its bytes.
    pub(super) async fn render(
        &self,
        id: DocumentId,
        request: DocumentContent,
    ) -> Result<Document, Problem> {
        self.find(id).await?;
        let content = decode(&request.content_base64)?;
        let media_type = request.media_type;
        self.change(vec![DocumentChange::Render {
            id,
            lease: request.lease,
            content,
            media_type,
        }])
        .await
    }

    /// The partner has it.
    pub(super) async fn confirm(&self, id: DocumentId) -> Result<Document, Problem> {
        match self.find(id).await?.state {
            DocumentState::Ready | DocumentState::Delivered => {
                self.change(vec![DocumentChange::Deliver { id }]).await
            }
            other => Err(not_ready(other)),
        }
    }

    /// The partner's system does not take it.
    pub(super) async fn refuse(
        &self,
        id: DocumentId,
        request: RefuseDocument,
    ) -> Result<Document, Problem> {
        match self.find(id).await?.state {
            DocumentState::Ready | DocumentState::Refused => {
                let RefuseDocument { lease, reason } = request;
                let outcome = serde_json::json!({ "reason": reason });
                self.change(vec![DocumentChange::Refuse { id, lease, outcome }])
                    .await
            }
            other => Err(not_ready(other)),
        }
    }

    /// A document of the caller's, with its content.
    pub(super) async fn find(&self, id: DocumentId) -> Result<Document, Problem> {
        let found = self
            .store
            .document(&self.reach.company, id)
            .await
            .map_err(|error| store_problem(&error))?;
        let own = found.filter(|found| {
            found.channel == self.caller.channel && self.reach.sees(&found.account)
        });
        own.ok_or_else(Problem::not_found)
    }

    pub(super) async fn list(&self, filter: DocumentFilter) -> Result<Vec<Document>, Problem> {
        self.store
            .documents(&self.reach.company, filter)
            .await
            .map_err(|error| store_problem(&error))
    }

    /// A filter that keeps to the caller's channel and accounts.
    pub(super) fn filter(&self, direction: Direction, limit: u16) -> DocumentFilter {
        DocumentFilter {
            accounts: self.reach.accounts.clone(),
            answers: None,
            channel: self.caller.channel.clone(),
            partner: String::new(),
            direction,
            state: None,
            after: None,
            limit,
        }
    }

    fn leases(&self, work: DocumentWork, limit: u16, held: SignedDuration) -> DocumentLease {
        DocumentLease {
            company: self.reach.company.clone(),
            accounts: self.reach.accounts.clone(),
            answers: None,
            channel: self.caller.channel.clone(),
            work,
            limit,
            now: self.now,
            until: self.after(held),
        }
    }

    fn owe(
        &self,
        answered: &Answered<'_>,
        owed: Vec<OwedDocument>,
        lease: Option<(Uuid, Timestamp)>,
    ) -> Vec<DocumentChange> {
        let change = |OwedDocument { kind, context }| DocumentChange::Owe {
            id: DocumentId::generate(),
            channel: self.caller.channel.clone(),
            partner: answered.partner.to_owned(),
            account: answered.account.clone(),
            kind,
            answers: Some(answered.id),
            order_id: None,
            context,
            lease,
        };
        owed.into_iter().map(change).collect()
    }

    async fn change(&self, changes: Vec<DocumentChange>) -> Result<Document, Problem> {
        let committed = self.store.commit(self.commit(changes));
        let committed = crash_points::DOCUMENT_CHANGE
            .run(committed)
            .await
            .map_err(|error| store_problem(&error))?;
        committed
            .documents
            .into_iter()
            .next()
            .ok_or_else(Problem::not_found)
    }

    fn commit(&self, documents: Vec<DocumentChange>) -> Commit {
        let scope = RequestScope::current();
        let cause = Cause {
            company: self.reach.company.clone(),
            at: self.now,
            principal: self.caller.principal.clone(),
            channel: self.caller.channel.clone(),
            correlation_id: self.caller.correlation_id.clone(),
            traceparent: scope
                .map(|scope| scope.trace.traceparent())
                .unwrap_or_default(),
        };
        Commit {
            cause: Some(cause),
            documents,
            ..Commit::default()
        }
    }

    fn after(&self, duration: SignedDuration) -> Timestamp {
        self.now.saturating_add(duration).unwrap_or(self.now)
    }
}

/// The inbound document that is answered.
struct Answered<'a> {
    id: DocumentId,
    partner: &'a str,
    account: &'a AccountId,
}

fn not_ready(state: DocumentState) -> Problem {
    let detail = match state {
        DocumentState::Due | DocumentState::Ready => "It has no bytes yet; render it first.",
        DocumentState::Delivered => {
            "The partner confirmed that it has it; there is nothing left to say."
        }
        DocumentState::Refused => "The partner's system did not take it; look at `outcome`.",
        DocumentState::Received | DocumentState::Answered => {
            "It came from the partner; only what goes to a partner is confirmed or refused."
        }
    };
    Problem::new(DOCUMENT_NOT_READY, detail)
}

fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|error| {
        let detail =
            format!("Send the bytes in base64 (RFC 4648, section 4, with padding): {error}.");
        Problem::validation(vec![FieldError::new(
            "/content_base64",
            "invalid-value",
            detail,
        )])
    })
}
