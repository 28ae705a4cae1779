//! Takes the steps that the planners say: the calls, and the commits that write down what came of them.

use std::sync::Arc;

use canonical_model::{SiteId, erp_order::CreateErpOrder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    backend, cancel_order, create_order,
    gate::Gate,
    kind::calls,
    release_warehouse,
    revalidate::Revalidated,
    tries::Tries,
    worker::{EffectError, Held, Worker, within},
};
use crate::{
    clients::SystemError,
    effects::{backoff::Pause, create_order::Mutation},
    orders::{Command, OrderState},
};

/// Whether a step was a call, and what came of it.
enum Asked {
    Erp(create_order::Observation),
    Nobody(create_order::Step),
}

#[derive(Deserialize)]
pub(super) struct ReleasePayload {
    pub(super) site: SiteId,
}

/// Progress as it is written down.
pub(super) fn noted(progress: &impl Serialize) -> Result<Value, EffectError> {
    Ok(serde_json::to_value(progress)?)
}

/// When to come again, as far as an error says.
pub(super) fn retry_after(error: &SystemError) -> Option<jiff::SignedDuration> {
    match error {
        SystemError::Throttled { retry_after } | SystemError::Unavailable { retry_after } => {
            *retry_after
        }
        SystemError::Rejected { .. }
        | SystemError::NotFound
        | SystemError::Conflict { .. }
        | SystemError::OutcomeUnknown
        | SystemError::DeadlineExceeded
        | SystemError::Parameter { .. }
        | SystemError::Protocol { .. } => None,
    }
}

impl Worker {
    pub(super) async fn create_order(&self, held: &mut Held) -> Result<(), EffectError> {
        use create_order::{Observation, Situation};
        let mut progress: create_order::Progress = held.progress()?;
        let mut observation = Observation::Fresh;
        let mut passed = None;
        loop {
            let Some(state) = self.open_order(held).await? else {
                return Ok(());
            };
            // Once it has been read again, it comes to the other gate.
            let gate = Some(Gate::of(&state));
            if passed != gate && self.waits_at_gate(held, &state).await? {
                return Ok(());
            }
            passed = gate;
            let (call, _) = self.in_time(held, &state, &progress).await?;
            if state.provisional.is_some() && state.cancelling.is_none() {
                let again = self.revalidate(held, &state, &call, &progress);
                match Box::pin(again).await? {
                    Revalidated::GoesOn => {
                        progress.tries = Tries::default();
                        continue;
                    }
                    Revalidated::Held => return Ok(()),
                    Revalidated::Wait(error) => {
                        return self.facts_later(held, &state, &error, &progress).await;
                    }
                    Revalidated::InDoubt => return self.stock_later(held, &state, progress).await,
                }
            }
            let capabilities = match self.capabilities(&call).await {
                Ok(capabilities) => capabilities,
                Err(error) => return self.come_again(held, &error, &progress).await,
            };
            let asked = backend::create_request(&state, &capabilities);
            let situation = Situation {
                class: capabilities.create_class,
                quiet_period: backend::millis(capabilities.quiet_period_ms),
                asked: &asked,
                wanted: state.cancelling.is_none(),
                accepted: state.accepted_at.is_some(),
                chosen: state.sales_order_number.as_ref(),
                retries: state.retries,
                set_back_at: held.set_back_at(&state),
                settle_within: self.settle_within(),
                now: self.clock.now(),
            };
            let (step, next) = create_order::next_step(situation, progress, observation);
            progress = next;
            self.tell_doubt(held, &state, &progress).await?;
            observation = match self
                .ask_erp(held, &state, &asked, &mut progress, step)
                .await?
            {
                Asked::Erp(observation) => observation,
                Asked::Nobody(step) => {
                    match self.write_down(held, &state, &progress, step).await? {
                        Some(observation) => observation,
                        None => return Ok(()),
                    }
                }
            };
        }
    }

    /// Whoever reads the order sees that it is not known whether the ERP has it, and since when.
    async fn tell_doubt(
        &self,
        held: &Held,
        state: &OrderState,
        progress: &create_order::Progress,
    ) -> Result<(), EffectError> {
        let told = state.erp_unknown_since.is_some() || state.accepted_at.is_some();
        if let Some(since) = progress.unknown_since.filter(|_| !told) {
            let (now, value) = (self.clock.now(), noted(progress)?);
            let command = Command::ErpOutcomeUnknown { since };
            self.settle(held, &command, |_| held.later(now, value.clone(), true))
                .await?;
        }
        Ok(())
    }

    /// Takes a step that is a call.
    async fn ask_erp(
        &self,
        held: &mut Held,
        state: &OrderState,
        asked: &CreateErpOrder,
        progress: &mut create_order::Progress,
        step: create_order::Step,
    ) -> Result<Asked, EffectError> {
        use create_order::Step;
        Ok(Asked::Erp(match step {
            Step::Create => {
                let (call, until) = self
                    .attempt(held, state, progress, Mutation::Create)
                    .await?;
                let answer = self.system.create_order(&call, asked);
                let answer = within(until, self.clock.now(), answer);
                let answer = calls::CREATE.run(answer).await;
                self.heard(held, &Gate::of(state), &answer).await;
                backend::create_observed(answer)
            }
            Step::List => {
                let (call, until) = self.in_time(held, state, progress).await?;
                let found = self
                    .system
                    .orders_by_reference(&call, &asked.reference, None);
                let found = within(until, self.clock.now(), found);
                let found = calls::LIST.run(found).await;
                self.heard(held, &Gate::of(state), &found).await;
                backend::list_observed(found)
            }
            Step::Release(number) => {
                let (call, until) = self
                    .attempt(held, state, progress, Mutation::Release)
                    .await?;
                let answer = self.system.release_order(&call, &number);
                let answer = within(until, self.clock.now(), answer);
                let answer = calls::RELEASE.run(answer).await;
                self.heard(held, &Gate::of(state), &answer).await;
                backend::release_observed(answer)
            }
            Step::Cancel(number) => {
                let (call, until) = self
                    .attempt(held, state, progress, Mutation::Cancel)
                    .await?;
                let answer = within(
                    until,
                    self.clock.now(),
                    self.system.cancel_order(&call, &number),
                );
                let answer = calls::CANCEL_SURPLUS.run(answer).await;
                self.heard(held, &Gate::of(state), &answer).await;
                backend::surplus_cancel_observed(number, answer)
            }
            step @ (Step::Choose(_)
            | Step::Accept(_)
            | Step::HasNone
            | Step::Refused(_)
            | Step::Unknown(_)
            | Step::Wait(_)
            | Step::Finished) => return Ok(Asked::Nobody(step)),
        }))
    }

    /// Takes a step that is a commit; None = nothing is left to do in this lease.
    async fn write_down(
        &self,
        held: &Held,
        state: &OrderState,
        progress: &create_order::Progress,
        step: create_order::Step,
    ) -> Result<Option<create_order::Observation>, EffectError> {
        use create_order::{Observation, Step};
        let (now, value, retries) = (self.clock.now(), noted(progress)?, state.retries);
        match step {
            Step::Choose(number) => {
                let command = Command::ErpOrderChosen { number };
                let chosen = self
                    .settle(held, &command, |_| held.later(now, value.clone(), true))
                    .await?;
                return Ok(Some(if chosen {
                    Observation::Chosen
                } else {
                    Observation::Fresh
                }));
            }
            Step::Accept(number) => {
                let surplus = !progress.surplus.is_empty();
                let outcome = |_: &OrderState| {
                    if surplus {
                        held.later(now, value.clone(), true)
                    } else {
                        held.done()
                    }
                };
                let totals = progress.totals_of(&number).map(Box::new);
                let command = Command::ErpAccepted {
                    number,
                    at: now,
                    totals,
                };
                let accepted = self.settle(held, &command, outcome).await?;
                return Ok((surplus || !accepted).then_some(Observation::Fresh));
            }
            Step::HasNone => self.end(held, &Command::ErpHasNone).await?,
            Step::Refused(detail) => {
                let command = Command::ErpRejected { detail, retries };
                self.stop(held, &command, progress, progress).await?
            }
            Step::Unknown(detail) => {
                let command = Command::ErpUnknown { detail, retries };
                let stopped = create_order::stopped(progress.clone());
                self.stop(held, &command, &stopped, progress).await?
            }
            Step::Wait(pause) => self.wait_for_erp(held, state, pause, value).await?,
            Step::Finished => self.write(held, held.done()).await?,
            // A call: it was taken before.
            Step::Create | Step::List | Step::Release(_) | Step::Cancel(_) => {
                return Ok(Some(Observation::Fresh));
            }
        }
        Ok(None)
    }

    /// Begins an attempt and says until when its call has time.
    async fn attempt(
        &self,
        held: &mut Held,
        state: &OrderState,
        progress: &mut create_order::Progress,
        call: Mutation,
    ) -> Result<(crate::clients::Call, jiff::Timestamp), EffectError> {
        let (backend_call, until) = self.in_time(held, state, progress).await?;
        *progress = create_order::begun(std::mem::take(progress), call, until);
        self.begin(held, noted(progress)?).await?;
        Ok((backend_call, until))
    }

    pub(super) async fn cancel_order(&self, held: &mut Held) -> Result<(), EffectError> {
        use cancel_order::{Observation, Situation, Step};
        let mut progress: cancel_order::Progress = held.progress()?;
        let mut observation = Observation::Fresh;
        loop {
            let Some(state) = self.open_order(held).await? else {
                return Ok(());
            };
            let wanted = state.cancelling.is_none() || state.accepted_at.is_none();
            let about = backend::about_order(&state);
            let situation = Situation {
                number: state.sales_order_number.as_ref().filter(|_| !wanted),
                about: &about,
                settle_within: self.settle_within(),
                retries: state.retries,
                now: self.clock.now(),
            };
            let (step, next) = cancel_order::next_step(situation, progress, observation);
            progress = next;
            observation = match step {
                Step::Cancel(number) => {
                    let (call, until) = self.in_time(held, &state, &progress).await?;
                    self.begin(held, noted(&progress)?).await?;
                    let answer = within(
                        until,
                        self.clock.now(),
                        self.system.cancel_order(&call, &number),
                    );
                    let answer = calls::CANCEL.run(answer).await;
                    self.heard(held, &Gate::of(&state), &answer).await;
                    backend::cancel_observed(answer)
                }
                Step::Read(number) => {
                    let (call, until) = self.in_time(held, &state, &progress).await?;
                    let answer = within(until, self.clock.now(), self.system.order(&call, &number));
                    let answer = calls::READ.run(answer).await;
                    self.heard(held, &Gate::of(&state), &answer).await;
                    backend::read_observed(answer)
                }
                Step::Cancelled => return self.end(held, &Command::ErpHasNone).await,
                Step::Refused(detail) => {
                    return self.end(held, &Command::ErpCancelRefused { detail }).await;
                }
                Step::Unknown(detail) => {
                    let command = Command::ErpUnknown {
                        detail,
                        retries: state.retries,
                    };
                    return self.stop(held, &command, &progress, &progress).await;
                }
                Step::Wait(pause) => {
                    let progress = noted(&progress)?;
                    return self.wait_for_erp(held, &state, pause, progress).await;
                }
                Step::Finished => return self.write(held, held.done()).await,
            };
        }
    }

    pub(super) async fn release_warehouse(&self, held: &mut Held) -> Result<(), EffectError> {
        use release_warehouse::{Observation, Situation, Step};
        let ReleasePayload { site } = ReleasePayload::deserialize(&held.effect.payload)?;
        let mut progress: release_warehouse::Progress = held.progress()?;
        let mut observation = Observation::Fresh;
        loop {
            let Some(state) = self.open_order(held).await? else {
                return Ok(());
            };
            let (call, _) = self.in_time(held, &state, &progress).await?;
            let capabilities = match self.capabilities(&call).await {
                Ok(capabilities) => capabilities,
                Err(error) => return self.come_again(held, &error, &progress).await,
            };
            let (class, quiet_period) = backend::warehouse(&capabilities, &site);
            let about = backend::about_release(&state, &site);
            let situation = Situation {
                class,
                about: &about,
                stage: state.release_stage(&site),
                wanted: state.cancelling.is_none(),
                quiet_period,
                retries: state.retries,
                set_back_at: held.set_back_at(&state),
                settle_within: self.settle_within(),
                now: self.clock.now(),
            };
            let (step, next) = release_warehouse::next_step(situation, progress, observation);
            progress = next;
            observation = match step {
                Step::Begin => {
                    let (now, value) = (self.clock.now(), noted(&progress)?);
                    let command = Command::BeginRelease { site: site.clone() };
                    // Where another effect of the same site was first, it sees to the release.
                    progress.begun = self
                        .settle(held, &command, |_| held.later(now, value.clone(), true))
                        .await?;
                    Observation::Fresh
                }
                Step::Create => {
                    let Some(release) = backend::release_request(&state, &site) else {
                        return self.write(held, held.done()).await;
                    };
                    let (call, until) = self.in_time(held, &state, &progress).await?;
                    progress.in_flight = Some(until);
                    self.begin(held, noted(&progress)?).await?;
                    let told = self.system.create_release(&call, &release);
                    let told = within(until, self.clock.now(), told);
                    backend::warehouse_observed(calls::TELL_WAREHOUSE.run(told).await)
                }
                Step::Search => {
                    let (call, until) = self.in_time(held, &state, &progress).await?;
                    let reference = backend::release_reference(&state, &site);
                    let found = self.system.releases(&call, &reference, &site);
                    let found = within(until, self.clock.now(), found);
                    backend::search_observed(calls::SEARCH_WAREHOUSE.run(found).await)
                }
                Step::Released(release_number) => {
                    let site = site.clone();
                    let command = Command::WarehouseReleased {
                        site,
                        release_number,
                    };
                    return self.end(held, &command).await;
                }
                Step::Failed { detail, certain } => {
                    let command = Command::WarehouseFailed {
                        site: site.clone(),
                        detail,
                        certain,
                        retries: state.retries,
                    };
                    let stopped = release_warehouse::stopped(progress.clone());
                    return self.stop(held, &command, &stopped, &progress).await;
                }
                Step::Wait(pause) => return self.wait(held, pause, noted(&progress)?).await,
                Step::Finished => return self.write(held, held.done()).await,
            };
        }
    }

    /// The order, unless it has ended: then nothing is left to do.
    async fn open_order(&self, held: &Held) -> Result<Option<Arc<OrderState>>, EffectError> {
        let state = self.order(held).await?.filter(|state| !state.is_closed());
        if state.is_none() {
            self.write(held, held.done()).await?;
        }
        Ok(state)
    }

    /// A call with its end; where the lease has no time left for one, the effect goes on in its next.
    pub(super) async fn in_time(
        &self,
        held: &Held,
        state: &OrderState,
        progress: &impl Serialize,
    ) -> Result<(crate::clients::Call, jiff::Timestamp), EffectError> {
        match self.call(held, state) {
            Err(EffectError::NoTime) => {
                self.write(held, held.later(self.clock.now(), noted(progress)?, false))
                    .await?;
                Err(EffectError::NoTime)
            }
            other => other,
        }
    }

    /// What a provisional order stands on cannot be read now.
    async fn facts_later(
        &self,
        held: &Held,
        state: &OrderState,
        error: &SystemError,
        progress: &impl Serialize,
    ) -> Result<(), EffectError> {
        let pause = Pause::BackOff {
            failures: 4,
            retry_after: retry_after(error),
        };
        self.wait_for_erp(held, state, pause, noted(progress)?)
            .await
    }

    /// Whether the stock of a provisional order is there cannot be told yet.
    async fn stock_later(
        &self,
        held: &Held,
        state: &OrderState,
        mut progress: create_order::Progress,
    ) -> Result<(), EffectError> {
        let order = held.effect.order_id;
        tracing::debug!(%order, "stock that seems gone may be counted twice");
        let what = "stock: in doubt, since another order may count twice";
        progress.tries.note(self.clock.now(), what);
        let pause = Pause::BackOff {
            failures: progress.tries.count,
            retry_after: None,
        };
        self.wait_for_erp(held, state, pause, noted(&progress)?)
            .await
    }

    pub(super) async fn come_again(
        &self,
        held: &Held,
        error: &SystemError,
        progress: &impl Serialize,
    ) -> Result<(), EffectError> {
        let pause = Pause::BackOff {
            failures: 4,
            retry_after: retry_after(error),
        };
        self.wait(held, pause, noted(progress)?).await
    }

    /// The effect is done with the command, or has nothing left to do.
    pub(super) async fn end(&self, held: &Held, command: &Command) -> Result<(), EffectError> {
        if !self.settle(held, command, |_| held.done()).await? {
            self.write(held, held.done()).await?;
        }
        Ok(())
    }

    /// A person is needed: the effect waits, with `stopped` written down, until the order is retried or cancelled.
    /// Where that has happened meanwhile, it goes on at once, from `progress`.
    pub(super) async fn stop<P: Serialize + Sync>(
        &self,
        held: &Held,
        command: &Command,
        stopped: &P,
        progress: &P,
    ) -> Result<(), EffectError> {
        let value = noted(stopped)?;
        if !self
            .settle(held, command, |_| held.stopped(value.clone()))
            .await?
        {
            self.write(held, held.later(self.clock.now(), noted(progress)?, false))
                .await?;
        }
        Ok(())
    }
}
