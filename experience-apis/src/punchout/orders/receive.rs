//! An `OrderRequest` as it comes in: read, stored, taken at once, and answered by what became of it.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use canonical_model::{
    DocumentId,
    document::{Document, StoreDocument, StoredDocument},
};
use jiff::Timestamp;
use service_runtime::{http_client::HopError, trace::RequestScope};
use tokio::time::Instant;

use super::{
    Failure, Ordered,
    answer::{Waiting, confirms, follows, settle},
    kept::{Intake, Outcome, kept},
    read,
};
use crate::{
    clients::process::CallError,
    desk::{Origin, scope_of_document, told},
    punchout::{
        context,
        cxml::{
            MEDIA_TYPE,
            envelope::Envelope,
            order::{self, missing_part},
            status::{Code, Status},
        },
        fingerprint,
        profile::Profile,
    },
    state::AppState,
};

/// How long an order is taken under the lease that came with storing, which is 30 s.
const AT_ONCE: Duration = Duration::from_secs(20);
/// Between two looks at what became of a document that somebody else is working on.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The longest key that is kept as it is.
const LONGEST_KEY: usize = 150;

/// What the answer says. It is about the stored document, so that it is the same once more.
#[derive(Debug)]
pub(in crate::punchout) struct Reply {
    /// What became of it.
    pub(in crate::punchout) status: Status,
    /// The stored document.
    pub(in crate::punchout) document: DocumentId,
    /// When it was stored.
    pub(in crate::punchout) at: Timestamp,
}

/// Why there is no such answer.
#[derive(Debug)]
pub(in crate::punchout) enum NoReply {
    /// Nothing was stored: why.
    Status(Status),
    /// It could not be done now.
    Failure(Failure),
}

impl From<Status> for NoReply {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Failure> for NoReply {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// An order as it came in.
#[derive(Debug)]
pub(in crate::punchout) struct Incoming<'a> {
    /// What is asked.
    pub(in crate::punchout) ordered: Ordered,
    /// The document, without any secret.
    pub(in crate::punchout) content: &'a [u8],
    /// Its media type; by it the dialect is known again.
    pub(in crate::punchout) media_type: &'static str,
    /// What it is called: the same once more is a repetition.
    pub(in crate::punchout) key: String,
    /// It is a test, and never books.
    pub(in crate::punchout) test: bool,
    /// What was taken although it is not as it should be, for the log.
    pub(in crate::punchout) notes: Vec<String>,
}

impl<'a> Incoming<'a> {
    /// Of an `OrderRequest`.
    pub(in crate::punchout) fn of_cxml(
        profile: &Profile,
        envelope: &Envelope,
        kept_form: &'a str,
    ) -> Result<Self, Status> {
        let order = order::read(&envelope.request)?;
        if let Some(status) = missing_part(&order.attachments, &[]) {
            return Err(status);
        }
        let notes = envelope.notes.iter().chain(&order.notes);
        Ok(Self {
            ordered: read::read(profile, &order),
            content: kept_form.as_bytes(),
            media_type: MEDIA_TYPE,
            key: format!("payload/{}", envelope.payload_id),
            test: envelope.test,
            notes: notes.cloned().collect(),
        })
    }
}

/// Receives an order of a partner that has shown who it is.
pub(in crate::punchout) async fn receive(
    state: &AppState,
    profile: &Arc<Profile>,
    incoming: Incoming<'_>,
) -> Result<Reply, NoReply> {
    let test = incoming.test;
    if profile.test_mode && !test {
        let sentence = "You are being set up here, and nothing books yet: send the order with deploymentMode test.";
        return Err(Status::new(Code::Forbidden, sentence).into());
    }
    read::check(profile, &incoming.ordered)?;
    let stored = store(state, profile, &incoming).await?;
    let document = &stored.document;
    tracing::info!(
        partner = profile.id,
        document_id = %document.document_id,
        repeated = stored.repeated,
        test,
        notes = incoming.notes.join("; "),
        "order received"
    );
    let status = match (stored.repeated, test) {
        (false, true) => tested(),
        (false, false) => at_once(state, profile, document, incoming.ordered).await,
        (true, _) => repeated(state, profile, document).await?,
    };
    Ok(Reply {
        status,
        document: document.document_id,
        at: document.created_at,
    })
}

fn tested() -> Status {
    let sentence = "The order can be read. It is a test: nothing was booked, and no ConfirmationRequest follows.";
    Status::new(Code::Ok, sentence)
}

async fn store(
    state: &AppState,
    profile: &Profile,
    incoming: &Incoming<'_>,
) -> Result<StoredDocument, NoReply> {
    let key = if incoming.key.chars().count() <= LONGEST_KEY {
        incoming.key.clone()
    } else {
        format!("sha256/{}", fingerprint(incoming.key.as_bytes()))
    };
    let intake = Intake {
        test: incoming.test,
        request: Origin::current(),
    };
    let request = StoreDocument {
        partner: profile.id.clone(),
        account: profile.account.clone(),
        content_base64: STANDARD.encode(incoming.content),
        media_type: incoming.media_type.to_owned(),
        duplicate_keys: vec![key],
        work: !incoming.test,
        context: Some(serde_json::to_value(intake).map_err(Failure::Owed)?),
        owed: Vec::new(),
    };
    let context = context::of_partner(profile);
    match state.process.store_document(&context, &request).await {
        Ok(stored) => Ok(stored),
        Err(CallError(HopError::Problem(problem)))
            if problem.code == "duplicate-control-number" =>
        {
            let sentence = "This payloadID came before with other content: give every document an id of its own.";
            Err(Status::new(Code::Conflict, sentence).into())
        }
        Err(error) => Err(Failure::Call(error).into()),
    }
}

/// Takes the order while the sender waits. Where that takes too long, or all hands are full, it is carried on without
/// anybody waiting.
async fn at_once(
    state: &AppState,
    profile: &Arc<Profile>,
    document: &Document,
    ordered: Ordered,
) -> Status {
    let waiting = Waiting::default();
    let follows = || follows(confirms(profile, document.media_type.as_deref()));
    let Ok(permit) = Arc::clone(&state.punchout.work).try_acquire_owned() else {
        return follows();
    };
    let work = {
        let (state, profile, document) = (state.clone(), Arc::clone(profile), document.clone());
        let waiting = waiting.clone();
        async move {
            let until = Instant::now() + AT_ONCE;
            let settled = settle(&state, &profile, &document, &ordered, (&waiting, until)).await;
            drop(permit);
            if let Err(failure) = &settled {
                tracing::warn!(document_id = %document.document_id, cause = told(failure), "an order waits for another attempt");
            }
            settled
        }
    };
    let scope = RequestScope::current().map_or_else(
        || scope_of_document(document.document_id),
        |scope| scope.detached(),
    );
    let mut task = state.punchout.begun.spawn(Arc::new(scope).run(work));
    let settled = match tokio::time::timeout(patience(state), &mut task).await {
        Ok(settled) => settled,
        Err(_) if waiting.decide() => return follows(),
        // It is settled, and only being written down.
        Err(_) => task.await,
    };
    match settled {
        Ok(Ok(status)) => status,
        _ if waiting.decide() => follows(),
        // Whether what became of it was written down is not known: the same document tells.
        _ => busy(),
    }
}

fn patience(state: &AppState) -> Duration {
    state.config.punchout.order_wait.get()
}

fn busy() -> Status {
    let sentence = "The order was received and is being worked on: send the same document again to hear what became of it.";
    Status::new(Code::TemporaryServerError, sentence)
}

/// The first answer once more. While the first request is still being answered, its answer is waited for.
async fn repeated(
    state: &AppState,
    profile: &Profile,
    document: &Document,
) -> Result<Status, Failure> {
    if kept::<Intake>(document)?.test {
        return Ok(tested());
    }
    if let Some(status) = Outcome::of(document)? {
        return Ok(status);
    }
    let context = context::of_partner(profile);
    let until = Instant::now() + patience(state);
    while Instant::now() < until {
        let found = state
            .process
            .document(&context, document.document_id)
            .await?;
        if let Some(status) = Outcome::of(&found)? {
            return Ok(status);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let confirmed = confirms(profile, document.media_type.as_deref());
    Ok(follows(confirmed))
}
