//! What becomes of an effect that could not be done for what is written down of it or of its order, or for what could not be
//! read or written just then: its lease is given back, it is counted, and what no instance can read in the end is a
//! person's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize as _;
use service_runtime::telemetry::error_chain;
use uuid::Uuid;

use super::{
    backend,
    kind::EffectKind,
    perform::ReleasePayload,
    worker::{EffectError, Held, Worker},
};
use crate::orders::{
    Command, OrderState, change::ChangeError, decide::Refusal, state::ReleaseStage,
    taking::TakingError,
};

/// So often an instance cannot read an effect before it asks a person: in some minutes an instance of the release that
/// wrote it has had it meanwhile, if there is one.
const TRIES: u32 = 10;
/// Effects remembered.
const MAX_KNOWN: usize = 10_000;

/// A later release wrote it, or changed its order.
pub(super) const NEWER_RELEASE: &str = "newer_release";
const UNREADABLE: &str = "unreadable";
const STORE: &str = "store";
const BACKEND: &str = "backend";

/// Counts effects that could not be done.
pub(super) fn count(kind: &'static str, reason: &'static str) {
    metrics::counter!("orderway_effects_failed_total", "kind" => kind, "reason" => reason)
        .increment(1);
}

/// How often each effect could not be read here; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(Arc<Mutex<HashMap<Uuid, u32>>>);

impl Failures {
    /// Counts once more; answers how often it was.
    fn add(&self, held: &Held) -> u32 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        let times = known.entry(held.effect.effect).or_default();
        *times = times.saturating_add(1);
        *times
    }

    /// It could be read, or a person is asked.
    pub(super) fn forget(&self, held: &Held) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&held.effect.effect);
    }
}

/// Why an effect could not be done; None where nothing is to be done about it.
fn reason(error: &EffectError) -> Option<&'static str> {
    match error {
        EffectError::LeaseLost | EffectError::NoTime => None,
        EffectError::Change(error) | EffectError::Taking(TakingError::Change(error)) => {
            Some(match error {
                ChangeError::Refused(Refusal::NotUnderstood(_)) => NEWER_RELEASE,
                ChangeError::Store(_) => STORE,
                ChangeError::NotFound
                | ChangeError::Refused(_)
                | ChangeError::Event(_)
                | ChangeError::State(_) => UNREADABLE,
            })
        }
        EffectError::Taking(TakingError::Problem(_)) | EffectError::Progress(_) => Some(UNREADABLE),
        EffectError::System(_) => Some(BACKEND),
    }
}

impl Worker {
    /// Gives back what could not be done, or has a person look at it.
    pub(super) async fn failed(&self, held: &Held, error: EffectError) -> Result<(), EffectError> {
        let Some(reason) = reason(&error) else {
            return Err(error);
        };
        let (order, kind, why) = (held.effect.order_id, held.kind.word(), error_chain(&error));
        count(kind, reason);
        tracing::error!(%order, kind, reason, error = why, "an effect could not be done; it is tried again");
        if reason == UNREADABLE && self.failures.add(held) >= TRIES {
            // Where no person can be asked, since the order cannot be read either, it is tried again.
            if let Ok(true) = self.ask_person(held).await {
                self.failures.forget(held);
                return Ok(());
            }
        }
        self.write(held, held.effect.given_back(self.soon())).await
    }

    /// Stops the effect with a hold on its order; false = the order has moved on, and it is looked at again.
    async fn ask_person(&self, held: &Held) -> Result<bool, EffectError> {
        let command = match self.order(held).await? {
            Some(state) => unreadable(held, &state),
            None => None,
        };
        let Some(command) = command else {
            return self.write(held, held.done()).await.map(|()| true);
        };
        self.settle(held, &command, |_| match held.kind {
            // What a person does about it begins another.
            EffectKind::SweepErpOrder => held.done(),
            EffectKind::CreateErpOrder
            | EffectKind::CancelErpOrder
            | EffectKind::ReleaseToWarehouse
            | EffectKind::TakeReplacement => held.stopped_as_written(),
        })
        .await
    }
}

/// What a person is told; None where nothing is left to do of it.
fn unreadable(held: &Held, state: &OrderState) -> Option<Command> {
    let retries = state.retries;
    let detail = |what: &str, about: &str| {
        format!(
            "{what} has stopped, since what was written down of it cannot be read by this release. Look for {about}. Start \
             the newest release that has run on this store, or have what is written put right (effect {}); then retry the \
             order.",
            held.effect.effect
        )
    };
    let about = backend::about_order(state);
    let erp_unknown = |what: &str| Command::ErpUnknown {
        detail: detail(what, &format!("{about} in the ERP")),
        retries,
    };
    match held.kind {
        EffectKind::CreateErpOrder | EffectKind::CancelErpOrder if state.is_closed() => None,
        EffectKind::CreateErpOrder => Some(erp_unknown("Creating it in the ERP")),
        EffectKind::CancelErpOrder => Some(erp_unknown("Cancelling it in the ERP")),
        EffectKind::ReleaseToWarehouse => {
            let mut open = state.releases.iter();
            let open = open.find(|release| release.stage != ReleaseStage::Released)?;
            let payload = ReleasePayload::deserialize(&held.effect.payload);
            let site = payload.map_or_else(|_| open.site.clone(), |payload| payload.site);
            let about = backend::about_release(state, &site);
            Some(Command::WarehouseFailed {
                detail: detail("Its release", &format!("{about} in the warehouse")),
                site,
                certain: false,
                retries,
            })
        }
        EffectKind::TakeReplacement => {
            let order_id = state.awaited()?.order_id;
            let what = format!("Order {order_id}, which is to take its place,");
            Some(Command::ReplacementUnsettled {
                order_id,
                detail: detail(&what, &about),
                retries,
            })
        }
        EffectKind::SweepErpOrder => Some(Command::ErpDuplicate {
            detail: detail(
                "The search for what else the ERP has of it",
                &format!("{about} in the ERP, and cancel there what the buyer is not to get"),
            ),
            erp_orders: Vec::new(),
            retries,
        }),
    }
}
