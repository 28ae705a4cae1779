//! An interchange as it comes in: judged, stored with what it is owed, and acknowledged from what was stored.

use std::{ops::Range, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use canonical_model::{
    DocumentId,
    document::{
        Document, DocumentContent, DocumentKind, OwedDocument, StoreDocument, StoredDocument,
    },
};
use edi::x12::ReadOptions;
use service_runtime::{http_client::HopError, trace::RequestScope};
use tokio::time::Instant;

use super::{
    Channel, MEDIA_TYPE,
    agreement::{Agreement, Judged, control_number, judge},
    context,
    failure::Failure,
    owed::{Acknowledge, Intake, kept},
    profile::Profile,
    render::Inbound,
    take,
};
use crate::{
    clients::process::CallError,
    desk::{Origin, scope_of_document, told},
    state::AppState,
};

/// How long orders are taken under the lease that came with storing, which is 30 s.
const AT_ONCE: Duration = Duration::from_secs(20);

/// What became of an interchange.
pub(super) struct Received {
    pub(super) document_id: DocumentId,
    /// The TA1 and 997; `None` = nothing is due.
    pub(super) acknowledgment: Option<Vec<u8>>,
    /// It had been received before, with the same bytes.
    pub(super) repeated: bool,
    /// It is a test and books nothing.
    pub(super) test: bool,
}

/// Where the interchanges of a file stand, and how many places hold something else.
pub(super) fn split(bytes: &[u8], options: &ReadOptions) -> (Vec<Range<usize>>, usize) {
    let outcome = edi::x12::read(bytes, options);
    let ranges = outcome
        .interchanges
        .iter()
        .map(|one| one.position.offset..one.end);
    (ranges.collect(), outcome.stray.len())
}

impl Channel {
    /// Judges an interchange where it does not hold others up.
    pub(super) async fn judge(
        self: &Arc<Self>,
        agreement: Agreement,
        bytes: Bytes,
    ) -> Result<Judged, Failure> {
        let channel = Arc::clone(self);
        let judging =
            tokio::task::spawn_blocking(move || judge(&agreement, &bytes, &channel.limits));
        judging
            .await
            .map_err(Failure::Task)?
            .ok_or(Failure::NoContent(None))
    }
}

/// Receives one interchange.
pub(super) async fn receive(
    state: &AppState,
    profile: &Arc<Profile>,
    bytes: Bytes,
) -> Result<Received, Failure> {
    let judged = state
        .edi
        .judge(Agreement::of(profile), bytes.clone())
        .await?;
    let (mut judged, stored) = store(state, profile, judged, &bytes).await?;
    let mut acknowledgment = None;
    if let Some(owed) = stored
        .owed
        .iter()
        .find(|owed| owed.kind == DocumentKind::FunctionalAcknowledgment)
    {
        if stored.repeated {
            // Something else may have been agreed since the first came.
            let Intake { agreement, .. } = kept(&stored.document)?;
            let first = state.edi.judge(agreement, bytes.clone()).await?;
            judged = first.into_owed(owed)?;
        }
        acknowledgment = Some(acknowledge(state, profile, &judged, owed).await?);
    }
    let received = Received {
        document_id: stored.document.document_id,
        acknowledgment,
        repeated: stored.repeated,
        test: judged.is_test(),
    };
    let outcome = match (received.repeated, judged.is_rejected()) {
        (true, _) => "repeated",
        (false, true) => "rejected",
        (false, false) => "taken",
    };
    metrics::counter!("orderway_edi_interchanges_total", "outcome" => outcome).increment(1);
    tracing::info!(
        partner = profile.id,
        document_id = %received.document_id,
        outcome,
        test = received.test,
        orders = judged.orders.len(),
        "interchange received"
    );
    carry_on(state, profile, &stored, judged, bytes).await;
    Ok(received)
}

/// Stores it under its control number; where other bytes had that number, under its own bytes, for a person to see.
async fn store(
    state: &AppState,
    profile: &Profile,
    judged: Judged,
    bytes: &Bytes,
) -> Result<(Judged, StoredDocument), Failure> {
    let context = context::of_partner(profile);
    let first = request(
        state,
        profile,
        &judged,
        Acknowledge { duplicate: false },
        bytes,
    )?;
    match state.process.store_document(&context, &first).await {
        Ok(stored) => Ok((judged, stored)),
        Err(CallError(HopError::Problem(problem)))
            if problem.code == "duplicate-control-number" =>
        {
            let judged = judged.into_duplicate();
            let again = request(
                state,
                profile,
                &judged,
                Acknowledge { duplicate: true },
                bytes,
            )?;
            let stored = state.process.store_document(&context, &again).await?;
            tracing::warn!(
                partner = profile.id,
                document_id = %stored.document.document_id,
                "a control number came again with other bytes: refused, and kept for a person to see"
            );
            Ok((judged, stored))
        }
        Err(error) => Err(error.into()),
    }
}

fn request(
    state: &AppState,
    profile: &Profile,
    judged: &Judged,
    acknowledge: Acknowledge,
    bytes: &Bytes,
) -> Result<StoreDocument, Failure> {
    let due = judged.reply(profile, 1, state.clock.now())?.is_some();
    let context = serde_json::to_value(acknowledge).map_err(Failure::Owed)?;
    let owed = OwedDocument {
        kind: DocumentKind::FunctionalAcknowledgment,
        context,
    };
    let orders = judged.orders.iter();
    let intake = Intake {
        agreement: Agreement::of(profile),
        orders: orders.map(|order| order.transaction.clone()).collect(),
        request: Origin::current(),
    };
    Ok(StoreDocument {
        partner: profile.id.clone(),
        account: profile.account.clone(),
        content_base64: STANDARD.encode(bytes),
        media_type: MEDIA_TYPE.to_owned(),
        duplicate_keys: vec![judged.duplicate_key(bytes)],
        work: judged.books(),
        context: Some(serde_json::to_value(intake).map_err(Failure::Owed)?),
        owed: if due { vec![owed] } else { Vec::new() },
    })
}

/// The acknowledgement: its bytes where it has them, else rendered under its own number and instant.
pub(super) async fn acknowledge(
    state: &AppState,
    profile: &Profile,
    judged: &Judged,
    owed: &Document,
) -> Result<Vec<u8>, Failure> {
    if let Some(content) = &owed.content_base64 {
        return decode(content);
    }
    let number = control_number(owed.control_number.unwrap_or_default());
    let bytes = judged
        .reply(profile, number, owed.created_at)?
        .ok_or(Failure::NothingDue)?;
    // Without a lease another instance is rendering the same bytes at this moment.
    let Some(lease) = owed.lease else {
        return Ok(bytes);
    };
    match put(state, profile, owed.document_id, lease, &bytes).await {
        Err(Failure::Call(CallError(HopError::Problem(problem)))) if problem.status == 409 => {
            Ok(bytes)
        }
        other => other.map(|()| bytes),
    }
}

/// Gives a due document its bytes.
pub(super) async fn put(
    state: &AppState,
    profile: &Profile,
    document: DocumentId,
    lease: uuid::Uuid,
    bytes: &[u8],
) -> Result<(), Failure> {
    let content = DocumentContent {
        lease,
        content_base64: STANDARD.encode(bytes),
        media_type: MEDIA_TYPE.to_owned(),
    };
    let context = context::of_partner(profile);
    state
        .process
        .put_document_content(&context, document, &content)
        .await?;
    Ok(())
}

/// The bytes of a document.
pub(super) fn decode(content: &str) -> Result<Vec<u8>, Failure> {
    STANDARD
        .decode(content)
        .map_err(|error| Failure::NoContent(Some(error)))
}

/// Takes the orders at once, under the lease that came with storing. Where all hands are full, the lease lapses and the
/// worker takes them.
async fn carry_on(
    state: &AppState,
    profile: &Arc<Profile>,
    stored: &StoredDocument,
    judged: Judged,
    bytes: Bytes,
) {
    let Some(lease) = stored.document.lease else {
        return;
    };
    let Ok(permit) = Arc::clone(&state.edi.work).try_acquire_owned() else {
        return;
    };
    // What came before may have been agreed otherwise; what came now was judged by what is kept with it.
    let content = if stored.repeated {
        take::Content::Bytes(bytes)
    } else {
        let inbound = Arc::new(Inbound::new(&stored.document, bytes.len(), judged));
        let key = (profile.id.clone(), stored.document.document_id);
        state.edi.inbounds.insert(key, Arc::clone(&inbound)).await;
        take::Content::Judged(inbound)
    };
    let (state, profile, document) = (state.clone(), Arc::clone(profile), stored.document.clone());
    let begun = state.edi.begun.clone();
    let scope = RequestScope::current().map_or_else(
        || scope_of_document(document.document_id),
        |scope| scope.detached(),
    );
    let work = async move {
        let leased = take::Leased {
            document: &document,
            lease,
            content,
            until: Instant::now() + AT_ONCE,
        };
        if let Err(failure) = take::orders(&state, &profile, leased).await {
            tracing::warn!(document_id = %document.document_id, cause = told(&failure), "orders wait for another attempt");
        }
        drop(permit);
    };
    begun.spawn(Arc::new(scope).run(work));
}
