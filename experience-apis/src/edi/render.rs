//! Gives a due document its bytes, from the inbound document it answers and from what was kept when it became owed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use canonical_model::{
    DocumentId,
    document::{Document, DocumentKind},
    order::SalesOrder,
};
use edi::x12::po_acknowledgment::PurchaseOrderAcknowledgment;
use jiff::{Timestamp, tz::TimeZone};
use moka::future::Cache;
use service_runtime::context::CallContext;

use super::{
    acknowledgment::{self, Purpose},
    agreement::{Judged, control_number},
    context,
    failure::Failure,
    lines::lines,
    owed::{Answer, Intake, OrderNews, Said, kept},
    profile::Profile,
    receive::{acknowledge, decode, put},
};
use crate::state::AppState;

/// An order has few events before it is acknowledged.
const MOST_EVENTS: u16 = 200;
/// How long an inbound document is kept after the last answer to it.
const KEPT: Duration = Duration::from_secs(60);

/// Renders a leased outbound document.
pub(super) async fn render(
    state: &AppState,
    profile: &Arc<Profile>,
    document: &Document,
) -> Result<(), Failure> {
    let context = context::of_partner(profile);
    let inbound = document.answers.ok_or(Failure::AnswersNothing)?;
    let inbound = read(state, profile, &context, inbound).await?;
    match document.kind {
        DocumentKind::FunctionalAcknowledgment => {
            let judged = inbound.judged.clone().into_owed(document)?;
            acknowledge(state, profile, &judged, document)
                .await
                .map(drop)
        }
        DocumentKind::OrderAcknowledgment => {
            answer_order(&Answering {
                state,
                profile,
                context,
                inbound,
                document,
            })
            .await
        }
        DocumentKind::Interchange => Err(Failure::AnswersNothing),
    }
}

/// An inbound document, read.
pub(super) struct Inbound {
    created_at: Timestamp,
    /// Of its content; what is read of it is a few times as large.
    size: u32,
    judged: Judged,
}

impl Inbound {
    /// Of a document with so many bytes of content, which was judged by what is kept with it.
    pub(super) fn new(document: &Document, bytes: usize, judged: Judged) -> Self {
        Self {
            created_at: document.created_at,
            size: u32::try_from(bytes).unwrap_or(u32::MAX),
            judged,
        }
    }

    /// What it says.
    pub(super) fn judged(&self) -> &Judged {
        &self.judged
    }
}

/// Documents that were read a moment ago: an interchange of a thousand orders is owed a thousand answers.
pub(super) type Inbounds = Cache<(String, DocumentId), Arc<Inbound>>;

/// Ready to read; so many bytes of content are kept.
pub(super) fn inbounds(bytes: u64) -> Inbounds {
    Cache::builder()
        .max_capacity(bytes)
        .weigher(|_, inbound: &Arc<Inbound>| inbound.size)
        .time_to_idle(KEPT)
        .build()
}

async fn read(
    state: &AppState,
    profile: &Profile,
    context: &CallContext,
    id: DocumentId,
) -> Result<Arc<Inbound>, Failure> {
    let key = (profile.id.clone(), id);
    if let Some(inbound) = state.edi.inbounds.get(&key).await {
        return Ok(inbound);
    }
    let document = state.process.document(context, id).await?;
    let content = document
        .content_base64
        .as_deref()
        .ok_or(Failure::NoContent(None))?;
    let Intake { agreement, .. } = kept(&document)?;
    let bytes = Bytes::from(decode(content)?);
    let size = bytes.len();
    let judged = state.edi.judge(agreement, bytes).await?;
    let inbound = Arc::new(Inbound::new(&document, size, judged));
    state.edi.inbounds.insert(key, Arc::clone(&inbound)).await;
    Ok(inbound)
}

/// An answer to a purchase order being written.
struct Answering<'a> {
    state: &'a AppState,
    profile: &'a Profile,
    context: CallContext,
    inbound: Arc<Inbound>,
    document: &'a Document,
}

async fn answer_order(answering: &Answering<'_>) -> Result<(), Failure> {
    let document = answering.document;
    let (transaction, acknowledgment, wanted) = if document.order_id.is_some() {
        let news: OrderNews = kept(document)?;
        let purpose = purpose(answering, &news).await?;
        let wanted = news.purpose != "held" || answering.profile.acknowledge_holds;
        let built = answering.of_order(&news.transaction, &news.order, purpose)?;
        (news.transaction, built, wanted)
    } else {
        let answer: Answer = kept(document)?;
        let built = match &answer.said {
            Said::Refused(refusal) => {
                let received = answering.received(&answer.transaction)?;
                acknowledgment::of_refusal(&received.order, refusal, answering.today())
            }
            Said::TakenBefore { order_id } => {
                let order = answering
                    .state
                    .process
                    .order(&answering.context, *order_id)
                    .await?;
                answering.of_order(&answer.transaction, &order, Purpose::Duplicate)?
            }
        };
        (answer.transaction, built, true)
    };
    let number = control_number(document.control_number.unwrap_or_default());
    let received = answering.received(&transaction)?;
    let (profile, judged) = (answering.profile, &answering.inbound.judged);
    let bytes = acknowledgment::write(
        profile,
        judged,
        received,
        &acknowledgment,
        (number, document.created_at),
    )?;
    let Some(lease) = document.lease else {
        return Err(Failure::NoContent(None));
    };
    put(
        answering.state,
        profile,
        document.document_id,
        lease,
        &bytes,
    )
    .await?;
    if !wanted {
        // Agreed not to be sent: it is kept, and not offered.
        answering
            .state
            .process
            .confirm_document(&answering.context, document.document_id)
            .await?;
    }
    Ok(())
}

impl Answering<'_> {
    fn received(&self, transaction: &str) -> Result<&super::agreement::ReceivedOrder, Failure> {
        self.inbound
            .judged
            .order(transaction)
            .ok_or(Failure::NoTransaction)
    }

    fn today(&self) -> jiff::civil::Date {
        TimeZone::UTC.to_datetime(self.document.created_at).date()
    }

    fn of_order(
        &self,
        transaction: &str,
        order: &SalesOrder,
        purpose: Purpose,
    ) -> Result<PurchaseOrderAcknowledgment<'_>, Failure> {
        let received = &self.received(transaction)?.order;
        // The day on which it was mapped, so that the lines are the same.
        let mapped = TimeZone::UTC.to_datetime(self.inbound.created_at).date();
        let lines = lines(self.profile, received, order.total.currency, mapped);
        acknowledgment::of_order(received, &lines, order, purpose, self.today())
    }
}

/// The first answer, or one in place of an earlier one: told by what had happened to the order before.
async fn purpose(answering: &Answering<'_>, news: &OrderNews) -> Result<Purpose, Failure> {
    let order = &news.order;
    // Accepted is said twice where the ERP refuses a cancellation.
    let before: &[&str] = match (news.purpose.as_str(), answering.profile.acknowledge_holds) {
        ("held", _) => return Ok(Purpose::Original),
        (_, false) => &[".order.accepted."],
        (_, true) => &[".order.held.", ".order.accepted."],
    };
    let events = answering
        .state
        .process
        .order_events(&answering.context, order.order_id, 0, MOST_EVENTS)
        .await?;
    let told = events.events.iter().any(|event| {
        event.sequence < order.version && before.iter().any(|kind| event.event_type.contains(kind))
    });
    Ok(if told {
        Purpose::Replacement
    } else {
        Purpose::Original
    })
}
