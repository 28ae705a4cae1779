//! Takes the orders of a stored interchange, one after the other, and says what became no order.
//!
//! The key of an order is its place in the partner's interchanges, so that doing it again is doing it once. What fails
//! for a moment leaves the document as it is: its lease lapses, and it is carried on from its bytes.

use std::sync::Arc;

use bytes::Bytes;
use canonical_model::{
    account::Account,
    document::{AnswerDocument, Document, DocumentKind, OwedDocument},
    order::{SalesOrderRequest, SourceDocument},
};
use jiff::{civil::Date, tz::TimeZone};
use service_runtime::{
    context::CallContext, extract::IdempotencyKey, http_client::HopError, problem::Problem,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    agreement::{Judged, ReceivedOrder},
    context,
    failure::Failure,
    lines::Lines,
    mapping,
    owed::{Answer, Intake, LineReason, Refusal, Said, kept},
    profile::Profile,
    render::Inbound,
};
use crate::{
    clients::process::CallError,
    desk::told,
    placing::{Verdict, patiently, verdict},
    state::AppState,
};

/// A stored document on which work is begun.
pub(super) struct Leased<'a> {
    /// The document.
    pub(super) document: &'a Document,
    /// Under which it may be answered.
    pub(super) lease: Uuid,
    /// Its content.
    pub(super) content: Content,
    /// Until then another order may be begun: before the lease ends, so that nobody works beside us.
    pub(super) until: Instant,
}

/// What came in.
pub(super) enum Content {
    /// It was judged a moment ago, by what is kept with it.
    Judged(Arc<Inbound>),
    /// It is judged again, by what is kept with it.
    Bytes(Bytes),
}

/// Takes all orders of a document that books, and answers it.
pub(super) async fn orders(
    state: &AppState,
    profile: &Arc<Profile>,
    leased: Leased<'_>,
) -> Result<(), Failure> {
    let Leased {
        document,
        lease,
        content,
        until,
    } = leased;
    let intake: Intake = kept(document)?;
    let again;
    let judged = match &content {
        Content::Judged(inbound) => inbound.judged(),
        Content::Bytes(bytes) => {
            again = state.edi.judge(intake.agreement, bytes.clone()).await?;
            &again
        }
    };
    // What was accepted is taken, whole: answering the document without one of its orders would lose it.
    let found = judged.orders.iter().map(|order| &order.transaction);
    if !found.eq(&intake.orders) {
        return Err(Failure::NoLongerRead);
    }
    let context = context::of_partner(profile);
    let desk = Desk {
        state,
        profile,
        document,
        account: state.process.account(&context, &profile.account).await?,
        context,
        today: TimeZone::UTC.to_datetime(document.created_at).date(),
    };
    let mut owed = Vec::new();
    for order in &judged.orders {
        if Instant::now() >= until {
            return Err(Failure::LeaseOver);
        }
        owed.extend(desk.take(judged, order).await?);
    }
    let answer = AnswerDocument {
        lease,
        owed,
        outcome: None,
    };
    let context = context::of_partner(profile);
    state
        .process
        .answer_document(&context, document.document_id, &answer)
        .await?;
    Ok(())
}

/// What all orders of a document share.
struct Desk<'a> {
    state: &'a AppState,
    profile: &'a Profile,
    document: &'a Document,
    account: Account,
    context: CallContext,
    today: Date,
}

impl Desk<'_> {
    /// Takes one order; what is owed for it where process-apis will not owe it of themselves.
    async fn take(
        &self,
        judged: &Judged,
        received: &ReceivedOrder,
    ) -> Result<Option<OwedDocument>, Failure> {
        let source = SourceDocument {
            document_id: self.document.document_id,
            partner: self.profile.id.clone(),
            transaction: received.transaction.clone(),
        };
        let said = match mapping::request(self.profile, received, &self.account, self.today, source)
        {
            Err(refusal) => Some(Said::Refused(refusal)),
            Ok((request, lines)) => {
                let key = format!(
                    "edi:{}:{}",
                    self.profile.id,
                    judged.transaction_key(&received.transaction)
                );
                let key = IdempotencyKey::parse(&key).map_err(Failure::Key)?;
                self.place(&key, &request, &lines).await?
            }
        };
        let outcome = match &said {
            None => "taken",
            Some(Said::Refused(_)) => "refused",
            Some(Said::TakenBefore { .. }) => "taken_before",
        };
        metrics::counter!("orderway_edi_orders_total", "outcome" => outcome).increment(1);
        tracing::info!(
            partner = self.profile.id,
            document_id = %self.document.document_id,
            transaction = received.transaction,
            outcome,
            "purchase order read"
        );
        said.map(|said| owed(&received.transaction, said))
            .transpose()
    }

    async fn place(
        &self,
        key: &IdempotencyKey,
        request: &SalesOrderRequest,
        lines: &Lines,
    ) -> Result<Option<Said>, Failure> {
        let error = match patiently(|| self.state.process.create_order(&self.context, key, request))
            .await
        {
            Ok(taken) if taken.duplicate => {
                return Ok(Some(Said::TakenBefore {
                    order_id: taken.body.order_id,
                }));
            }
            Ok(_) => return Ok(None),
            Err(error) => error,
        };
        match error {
            CallError(HopError::Problem(problem)) => match verdict(&problem) {
                Verdict::Refused => {
                    if problem.code != "order-rejected"
                        && problem.code != "duplicate-purchase-order"
                    {
                        tracing::error!(
                            cause = told(&problem),
                            "process-apis did not understand an order of ours"
                        );
                    }
                    Ok(Some(Said::Refused(refusal(&problem, request, lines))))
                }
                Verdict::TakenAsItWas => {
                    tracing::warn!(
                        "the order was taken by an earlier attempt, under another agreement"
                    );
                    Ok(None)
                }
                Verdict::Later => Err(CallError(HopError::Problem(problem)).into()),
            },
            other => Err(other.into()),
        }
    }
}

/// What the partner is told. A problem's pointers name lines of the request; the partner knows its PO1.
fn refusal(problem: &Problem, request: &SalesOrderRequest, lines: &Lines) -> Refusal {
    let number = request.purchase_order_number.as_str();
    let mut refusal = match problem.code.as_str() {
        "order-rejected" => Refusal::default(),
        "duplicate-purchase-order" => Refusal::because(format!(
            "Purchase order {number} was taken before with other content; nothing was changed. Send changes as an 860, or a new order under a new number."
        )),
        _ => Refusal::because(
            "The order could not be understood; ask us and name this acknowledgment's number.",
        ),
    };
    for error in &problem.errors {
        match line_of(&error.pointer, lines) {
            Some(line) => refusal.lines.push(LineReason {
                line,
                reason: error.detail.clone(),
            }),
            None => refusal.messages.push(error.detail.clone()),
        }
    }
    for (line, po1) in lines.of.iter().enumerate() {
        let reason = po1.problem.clone();
        refusal
            .lines
            .extend(reason.map(|reason| LineReason { line, reason }));
    }
    if refusal == Refusal::default() {
        refusal.messages.extend(problem.detail.clone());
    }
    refusal
}

fn line_of(pointer: &str, lines: &Lines) -> Option<usize> {
    let index: usize = pointer
        .strip_prefix("/lines/")?
        .split('/')
        .next()?
        .parse()
        .ok()?;
    lines.of.iter().position(|po1| po1.wanted.contains(&index))
}

fn owed(transaction: &str, said: Said) -> Result<OwedDocument, Failure> {
    let answer = Answer {
        transaction: transaction.to_owned(),
        said,
    };
    Ok(OwedDocument {
        kind: DocumentKind::OrderAcknowledgment,
        context: serde_json::to_value(answer).map_err(Failure::Owed)?,
    })
}
