//! Takes the order that takes the place of one that has ended: assessed anew, and written together with the word on the
//! old order that it is taken. So it is taken once, whoever does it and however often it is begun.

use canonical_model::{OrderId, capabilities::Capabilities};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service_runtime::{
    context::CallContext, problem::FieldError, telemetry::error_chain, trace::TraceContext,
};

use super::{
    backend::millis,
    backoff::Pause,
    kind::calls,
    perform::{noted, retry_after},
    tries::Tries,
    worker::{DECISIONS, EffectError, Held, Worker},
};
use crate::{
    baskets::facts::{GatherError, Purpose, Sources},
    clients::{Call, SystemError},
    orders::{
        Command, OrderState, accept, change,
        decide::Refusal,
        event::Replacement,
        taking::{Assessed, Taking},
    },
    store::{Commit, EffectChange, StoreError},
};

/// What the buyer is told of an order that could not be taken.
const NOT_TAKEN: &str = "The order is cancelled, and the one that was to take its place could not be taken: correct \
     what the reasons name, and send it as a new order.";

/// What is written down.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    /// The order that was tried to be taken; another one is tried anew.
    order_id: Option<OrderId>,
    /// How often a person had it tried again.
    retries_seen: u32,
    /// What was tried since then.
    tries: Tries,
}

/// What a try came to.
enum Came {
    /// It is taken.
    Taken,
    /// It cannot be taken.
    Refused(Vec<FieldError>),
    /// Something changed meanwhile: it is decided again.
    Again,
    /// A fact could not be had.
    Failed(SystemError),
}

impl Worker {
    pub(super) async fn take_replacement(&self, held: &mut Held) -> Result<(), EffectError> {
        let mut decisions = 0;
        loop {
            let old = self.order(held).await?;
            let Some((old, replacement)) =
                old.and_then(|old| old.awaited().cloned().map(|awaited| (old, awaited)))
            else {
                return self.write(held, held.done()).await;
            };
            decisions += 1;
            if decisions > DECISIONS {
                let why = "the order changed again and again";
                return self
                    .replacement_later(held, (&old, &replacement), why, None)
                    .await;
            }
            let (call, _) = self.in_time(held, &old, &held.effect.progress).await?;
            let capabilities = match self.capabilities(&call).await {
                Ok(capabilities) => capabilities,
                Err(error) => {
                    let (why, wait) = (error_chain(&error), retry_after(&error));
                    return self
                        .replacement_later(held, (&old, &replacement), &why, wait)
                        .await;
                }
            };
            let counted = gone_from_figures(&old, held.effect.created_at, &capabilities);
            if self.clock.now() < counted {
                let pause = Pause::Until(counted);
                return self.wait(held, pause, held.effect.progress.clone()).await;
            }
            match self
                .try_replacement(held, &old, &replacement, &call)
                .await?
            {
                Came::Taken => return Ok(()),
                Came::Refused(reasons) => {
                    // Where another was asked for meanwhile, that one is taken.
                    if self.refuse_replacement(held, &replacement, reasons).await? {
                        return Ok(());
                    }
                }
                Came::Again => {}
                Came::Failed(error) => {
                    let reason = error_chain(&error);
                    tracing::warn!(order = %replacement.order_id, reason, "an order that replaces another waits for facts");
                    return self
                        .replacement_later(held, (&old, &replacement), &reason, retry_after(&error))
                        .await;
                }
            }
        }
    }

    /// It is tried again, or a person is asked once that has gone on for too long.
    async fn replacement_later(
        &self,
        held: &Held,
        (old, replacement): (&OrderState, &Replacement),
        why: &str,
        retry_after: Option<SignedDuration>,
    ) -> Result<(), EffectError> {
        let now = self.clock.now();
        let mut progress: Progress = held.progress()?;
        let order_id = Some(replacement.order_id);
        if progress.retries_seen < old.retries || progress.order_id != order_id {
            progress = Progress {
                order_id,
                retries_seen: old.retries,
                tries: Tries::default(),
            };
        }
        progress.tries.note(now, why);
        let tries = &progress.tries;
        if tries.took_longer_than(self.settle_within(), now) {
            let detail = format!(
                "It has ended, and order {} was to take its place, but could be neither taken nor refused in all that \
                 time.{tries} Put right what that names, and retry the order: it is tried again. Or cancel the order: \
                 nothing takes its place then. Tell the buyer, who was told that the other one is taken.",
                replacement.order_id
            );
            let command = Command::ReplacementUnsettled {
                order_id: replacement.order_id,
                detail,
                retries: old.retries,
            };
            return self.stop(held, &command, &progress, &progress).await;
        }
        let pause = Pause::BackOff {
            failures: tries.count,
            retry_after,
        };
        self.wait(held, pause, noted(&progress)?).await
    }

    async fn try_replacement(
        &self,
        held: &Held,
        old: &OrderState,
        replacement: &Replacement,
        call: &Call,
    ) -> Result<Came, EffectError> {
        let caller = CallContext {
            principal: replacement.principal.clone(),
            channel: replacement.channel.clone(),
            correlation_id: replacement.correlation_id.clone(),
            ..call.context.clone()
        };
        let trace = TraceContext::parse(&replacement.traceparent);
        let sources = self.sources();
        let taking = Taking {
            sources: &sources,
            call,
            caller: &caller,
            trace: trace.map_or_else(TraceContext::generate, |trace| trace.child()),
            order_id: replacement.order_id,
            replaces: Some(old.order_id()),
            request: &replacement.request,
        };
        let assessed = match calls::FACTS.run(taking.assess(Purpose::Replacement)).await {
            Ok(assessed) => assessed,
            Err(error) => return no_facts(error),
        };
        let events = match taking.decide(&assessed) {
            Ok(events) => events,
            Err(refusal) => return Ok(refused(refusal, &assessed)),
        };
        let (mut commit, _) = taking.commit(&assessed, &events)?;
        let Some(word) = word_on(old, replacement.order_id, &commit, &assessed)? else {
            return Ok(Came::Again);
        };
        commit.changes.extend(word.changes);
        commit.audit.extend(word.audit);
        commit.effects.insert(0, EffectChange::Outcome(held.done()));
        let committed = self.store.commit(commit);
        match held.points().settle.run(committed).await {
            Ok(_) => {
                accept::count_taken(&replacement.channel);
                Ok(Came::Taken)
            }
            Err(
                StoreError::StockShort(_)
                | StoreError::CreditShort(_)
                | StoreError::VersionConflict { .. },
            ) => Ok(Came::Again),
            Err(StoreError::BoundReached(_)) => {
                Ok(Came::Failed(SystemError::Unavailable { retry_after: None }))
            }
            Err(StoreError::PurchaseOrderTaken(other)) => Ok(Came::Refused(vec![taken_by(other)])),
            Err(error) => Err(error.into()),
        }
    }

    async fn refuse_replacement(
        &self,
        held: &Held,
        replacement: &Replacement,
        reasons: Vec<FieldError>,
    ) -> Result<bool, EffectError> {
        let command = Command::ReplacementRefused {
            order_id: replacement.order_id,
            detail: NOT_TAKEN.to_owned(),
            reasons,
        };
        self.settle(held, &command, |_| held.done()).await
    }

    pub(super) fn sources(&self) -> Sources {
        Sources {
            store: std::sync::Arc::clone(&self.store),
            system: std::sync::Arc::clone(&self.system),
            clock: self.clock.clone(),
            policies: std::sync::Arc::clone(&self.policies),
        }
    }
}

/// From when on the ERP's figures do not count the cancelled order any more: before, it would stand in the way of the
/// one that takes its place. One that the ERP never had is in none.
fn gone_from_figures(
    old: &OrderState,
    ended_at: Timestamp,
    capabilities: &Capabilities,
) -> Timestamp {
    let lag = millis(capabilities.stock_lag_ms.max(capabilities.credit_lag_ms));
    match old.accepted_at {
        Some(_) => ended_at.saturating_add(lag).unwrap_or(ended_at),
        None => ended_at,
    }
}

/// The word on the old order that the other is taken; None where nothing awaits it.
fn word_on(
    old: &OrderState,
    order_id: OrderId,
    commit: &Commit,
    assessed: &Assessed,
) -> Result<Option<Commit>, EffectError> {
    let cause = commit.cause.clone().ok_or(change::ChangeError::NotFound)?;
    let around = change::surroundings(&assessed.facts.capabilities, assessed.now);
    let replaced = change::command(old, &Command::Replaced { order_id }, cause, around)?;
    Ok(replaced.map(|(commit, _)| commit))
}

fn no_facts(error: GatherError) -> Result<Came, EffectError> {
    match error {
        GatherError::System(error) => Ok(Came::Failed(error)),
        GatherError::Store(error) => Err(error.into()),
        GatherError::Malformed(problem) => Ok(Came::Refused(problem.errors.clone())),
        GatherError::UnknownAccount => {
            let detail = "The account is not known any more; speak to your sales contact.";
            let fault = FieldError::new("/account", "unknown-account", detail);
            Ok(Came::Refused(vec![fault]))
        }
    }
}

/// Figures from before the cancellation, given because their source does not answer, refuse nothing.
fn refused(refusal: Refusal, assessed: &Assessed) -> Came {
    match refusal {
        _ if assessed.facts.degraded => {
            Came::Failed(SystemError::Unavailable { retry_after: None })
        }
        Refusal::BeyondOutagePolicy(_) => {
            Came::Failed(SystemError::Unavailable { retry_after: None })
        }
        Refusal::Faults(faults) => Came::Refused(faults),
        other => Came::Refused(vec![FieldError::new("", "refused", format!("{other}."))]),
    }
}

fn taken_by(other: OrderId) -> FieldError {
    let detail = format!(
        "The purchase order number was ordered under again meanwhile: it is order {other} now. Look at that one first, \
         and use a new number only if you want both."
    );
    FieldError::new("/purchase_order_number", "duplicate-purchase-order", detail)
}
