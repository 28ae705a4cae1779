//! Takes an order, replaces one, or calls one off, in the layer below. The key is the document's own id, so that doing it
//! again is doing it once.

use canonical_model::{
    document::Document,
    order::{OrderStatus, SourceDocument},
};
use jiff::tz::TimeZone;
use service_runtime::{
    context::CallContext,
    extract::{Etag, IdempotencyKey},
    http_client::HopError,
};
use tokio::time::Instant;

use super::{
    Failure, Ordered, Purpose,
    compare::{AsOfNow, Judged, Left, compare, judge},
    facts::{as_of_now, gather},
    request::{Wanted, wanted},
    said::{noted, reasons, sentences, too_late, unknown},
    ship_to,
    standing::Standing,
};
use crate::{
    clients::process::{CallError, OrderFilter},
    desk::told,
    placing::{Verdict, patiently, verdict},
    punchout::{
        CHANNEL, context,
        cxml::status::{Code, Status},
        profile::Profile,
    },
    state::AppState,
};

/// How often a change is asked for again of an order that others are changing.
const ATTEMPTS: usize = 3;
/// Orders of one number that are looked at: all but one of them have ended.
const MOST_ORDERS: u16 = 20;

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is done, and there may be something to say about it.
    Done(String),
    /// It does not go with what was agreed or with what is there; nothing was changed.
    Refused(Status),
    /// It is refused as an order: why.
    Rejected(Vec<String>),
}

/// An order being taken.
struct Taking<'a> {
    state: &'a AppState,
    profile: &'a Profile,
    document: &'a Document,
    context: CallContext,
    key: IdempotencyKey,
}

/// Takes the order of a stored document. Nothing is begun after `until`: the lease ends soon.
pub(super) async fn take(
    state: &AppState,
    profile: &Profile,
    document: &Document,
    ordered: &Ordered,
    until: Instant,
) -> Result<Taken, Failure> {
    let key = format!("{CHANNEL}:{}:{}", profile.id, document.document_id);
    let taking = Taking {
        state,
        profile,
        document,
        context: context::of_partner(profile),
        key: IdempotencyKey::parse(&key).map_err(Failure::Key)?,
    };
    if ordered.purpose == Purpose::Delete {
        return taking.call_off(ordered).await;
    }
    let facts = gather(&state.process, &taking.context, profile, ordered).await?;
    let ship_to = match ship_to::find(profile, ordered, &facts.account) {
        Ok(ship_to) => ship_to,
        Err(sentence) => return Ok(refused(Code::BadRequest, sentence)),
    };
    let left = Left {
        account: &facts.account,
        ship_to: ship_to.as_ref(),
        quotes: &facts.quotes,
        buyer_parts: &facts.buyer_parts,
        now: state.clock.now(),
    };
    let (wanted, judged) = taking.compared(ordered, &left).await?;
    if !judged.refused.is_empty() {
        let sentences = sentences(&judged.refused);
        return Ok(refused(Code::ExpectationFailed, sentences));
    }
    if Instant::now() >= until {
        return Err(Failure::LeaseOver);
    }
    let wanted = wanted.reviewed(&judged.held);
    let taken = match ordered.purpose {
        Purpose::Update => taking.replace(ordered, &wanted).await?,
        Purpose::New | Purpose::Delete => taking.place(ordered, &wanted).await?,
    };
    Ok(match taken {
        Taken::Done(said) => Taken::Done(noted(said, &judged)),
        other => other,
    })
}

impl Taking<'_> {
    /// The request, and what differs from what left.
    async fn compared(
        &self,
        ordered: &Ordered,
        left: &Left<'_>,
    ) -> Result<(Wanted, Judged), Failure> {
        let source = SourceDocument {
            document_id: self.document.document_id,
            partner: self.profile.id.clone(),
            transaction: "OrderRequest".to_owned(),
        };
        // Every attempt translates as on the day it came.
        let today = TimeZone::UTC.to_datetime(self.document.created_at).date();
        let wanted = wanted(self.profile, ordered, left, today, source);
        let process = &self.state.process;
        let asked = (self.profile, ordered);
        let check = as_of_now(process, &self.context, asked, left, &wanted).await?;
        let now = check.as_ref().map(|check| AsOfNow {
            check,
            of: &wanted.of,
        });
        let differences = compare(ordered, left, now);
        for difference in &differences {
            let policy = difference.field.policy(&self.profile.differences);
            metrics::counter!("orderway_punchout_differences_total",
                "field" => crate::clients::process::word(&difference.field), "policy" => crate::clients::process::word(&policy)).increment(1);
        }
        let judged = judge(differences, &self.profile.differences);
        Ok((wanted, judged))
    }

    async fn place(&self, ordered: &Ordered, wanted: &Wanted) -> Result<Taken, Failure> {
        let process = &self.state.process;
        let request = &wanted.request;
        let placed = patiently(|| process.create_order(&self.context, &self.key, request)).await;
        match placed {
            Ok(taken) if taken.duplicate => Ok(Taken::Done(format!(
                "The order was received before, as {}: nothing was taken a second time.",
                taken.body.order_reference
            ))),
            Ok(taken) => {
                let reference = &taken.body.order_reference;
                Ok(Taken::Done(match taken.body.status {
                    OrderStatus::Held => {
                        format!("Received as {reference}, and held for a person to look at.")
                    }
                    _ => format!("Received as {reference}."),
                }))
            }
            Err(error) => self.not_placed(error, ordered, wanted),
        }
    }

    fn not_placed(
        &self,
        error: CallError,
        ordered: &Ordered,
        wanted: &Wanted,
    ) -> Result<Taken, Failure> {
        let CallError(HopError::Problem(problem)) = error else {
            return Err(error.into());
        };
        match verdict(&problem) {
            Verdict::Later => Err(CallError(HopError::Problem(problem)).into()),
            Verdict::TakenAsItWas => {
                tracing::warn!(
                    "the order was taken by an earlier attempt, as it was compared then"
                );
                Ok(Taken::Done("Received.".to_owned()))
            }
            Verdict::Refused if problem.code == "duplicate-purchase-order" => {
                let sentence = format!(
                    "Order {} was received before with other content; nothing was changed: send a change with type update, or a new order under a new orderID.",
                    ordered.number
                );
                Ok(refused(Code::Conflict, sentence))
            }
            Verdict::Refused if problem.code == "order-rejected" => {
                Ok(Taken::Rejected(reasons(&problem, ordered, wanted)))
            }
            Verdict::Refused => {
                tracing::error!(
                    cause = told(&problem),
                    "process-apis did not understand an order of ours"
                );
                let sentence = "The order could not be understood: ask us, and name its payloadID.";
                Ok(Taken::Rejected(vec![sentence.to_owned()]))
            }
        }
    }

    async fn replace(&self, ordered: &Ordered, wanted: &Wanted) -> Result<Taken, Failure> {
        for _ in 0..ATTEMPTS {
            let order = match self.standing(ordered).await? {
                Standing::Ours => {
                    return Ok(Taken::Done("Received; the order was replaced.".to_owned()));
                }
                Standing::Open(order) => order,
                Standing::Ended(_) | Standing::Unknown => {
                    return Ok(refused(Code::Conflict, unknown(ordered, "update")));
                }
            };
            let process = &self.state.process;
            let tag = Etag::version(order.version);
            let request = &wanted.request;
            let replaced = patiently(|| {
                process.replace_order(
                    &self.context,
                    &self.key,
                    tag.as_str(),
                    order.order_id,
                    request,
                )
            })
            .await;
            match replaced {
                Ok(replaced) if replaced.duplicate => {
                    return Ok(Taken::Done(
                        "The order has this content already: nothing was changed.".to_owned(),
                    ));
                }
                Ok(_) => {
                    let said = format!("Received; {} is being replaced.", order.order_reference);
                    return Ok(Taken::Done(said));
                }
                Err(CallError(HopError::Problem(problem))) if problem.status == 412 => {}
                Err(CallError(HopError::Problem(problem)))
                    if problem.code == "order-not-cancellable" =>
                {
                    return Ok(refused(Code::Conflict, too_late(&order, &problem)));
                }
                Err(error) => return self.not_placed(error, ordered, wanted),
            }
        }
        Err(Failure::Contention)
    }

    async fn call_off(&self, ordered: &Ordered) -> Result<Taken, Failure> {
        for _ in 0..ATTEMPTS {
            let order = match self.standing(ordered).await? {
                Standing::Open(order) => order,
                Standing::Ended(order) if order.status == OrderStatus::Cancelled => {
                    let said = format!("{} is cancelled.", order.order_reference);
                    return Ok(Taken::Done(said));
                }
                Standing::Ours | Standing::Ended(_) | Standing::Unknown => {
                    return Ok(refused(Code::Conflict, unknown(ordered, "delete")));
                }
            };
            let process = &self.state.process;
            let tag = Etag::version(order.version);
            let cancelled = patiently(|| {
                process.cancel_order(&self.context, &self.key, tag.as_str(), order.order_id)
            })
            .await;
            match cancelled {
                Ok(cancelled) => {
                    let reference = &cancelled.body.order_reference;
                    return Ok(Taken::Done(match cancelled.body.status {
                        OrderStatus::Cancelled => format!("{reference} is cancelled."),
                        _ => format!("{reference} is being cancelled."),
                    }));
                }
                Err(CallError(HopError::Problem(problem))) => match verdict(&problem) {
                    _ if problem.status == 412 => {}
                    Verdict::Refused => {
                        return Ok(refused(Code::Conflict, too_late(&order, &problem)));
                    }
                    Verdict::TakenAsItWas => {
                        return Ok(Taken::Done(format!(
                            "{} is being cancelled.",
                            order.order_reference
                        )));
                    }
                    Verdict::Later => return Err(CallError(HopError::Problem(problem)).into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Contention)
    }

    /// What there is under the order's number. Only what this partner's documents brought is its to change.
    async fn standing(&self, ordered: &Ordered) -> Result<Standing, Failure> {
        let filter = OrderFilter {
            account: Some(self.profile.account.clone()),
            purchase_order_number: Some(ordered.number.as_str().to_owned()),
            limit: Some(MOST_ORDERS),
            ..OrderFilter::default()
        };
        let process = &self.state.process;
        let page = patiently(|| process.orders(&self.context, &filter)).await?;
        let own = page.items.into_iter().filter(|order| {
            let source = order.document.as_ref();
            order.channel == CHANNEL
                && source.is_some_and(|source| source.partner == self.profile.id)
        });
        Ok(Standing::of(own.collect(), self.document))
    }
}

fn refused(code: Code, sentence: String) -> Taken {
    Taken::Refused(Status::new(code, sentence))
}
