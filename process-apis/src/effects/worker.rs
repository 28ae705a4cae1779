//! Does the effects: leases those that are due, some at a time, and takes each step by step as its planner says.
//!
//! An attempt is counted by compare-and-set just before the call it stands for, and no call is begun that could outlast
//! the lease: whoever lost it begins nothing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use canonical_model::capabilities::Capabilities;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use service_runtime::{
    clock::Clock,
    telemetry::error_chain,
    trace::{Deadline, RequestScope, TraceContext},
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backend::CapabilityCache,
    backoff::Pause,
    failures::{self, Failures, NEWER_RELEASE},
    gate::{Gate, Gates, LEFT_BEHIND, Pass},
    kind::{EffectKind, EffectPoints},
};
use crate::{
    clients::{Call, Lane, SystemApis, SystemError},
    config::EffectsConfig,
    crash_points,
    orders::{
        Command, OrderState,
        change::{self, ChangeError},
        react::Surroundings,
        taking::TakingError,
    },
    policy::Policies,
    state::AppState,
    store::{
        AttemptStart, Cause, Commit, EffectChange, EffectOutcome, LeasedEffect, NewDecision,
        Parked, Store, StoreError, StreamKind, Versioned,
    },
};

/// What must remain of a lease after a call's time is over, to write down what came of it.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);
/// The least time a call is begun with.
const LEAST: Duration = Duration::from_millis(500);
/// The shortest pause between two looks for work that is due and cannot be had.
const SHORTEST: Duration = Duration::from_millis(50);
/// So many are woken at a time: others get their turn between.
const WOKEN: u32 = 500;
/// How often a change is decided again when the order changed meanwhile.
pub(super) const DECISIONS: usize = 5;

/// Why an effect was let go.
#[derive(Debug, thiserror::Error)]
pub(super) enum EffectError {
    /// Another worker has it, or had it.
    #[error("the lease is lost")]
    LeaseLost,
    /// No time is left in this lease; it goes on in the next.
    #[error("the lease has no time left for another call")]
    NoTime,
    /// The order cannot be changed.
    #[error("the order cannot be changed")]
    Change(#[source] ChangeError),
    /// An order cannot be written.
    #[error("an order cannot be written")]
    Taking(#[from] TakingError),
    /// What the ERP can do is not known.
    #[error("what the ERP can do is not known")]
    System(#[from] SystemError),
    /// What was written down cannot be read.
    #[error("what was written down of the effect cannot be read")]
    Progress(#[from] serde_json::Error),
}

impl From<ChangeError> for EffectError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(StoreError::LeaseLost) => Self::LeaseLost,
            other => Self::Change(other),
        }
    }
}

impl From<StoreError> for EffectError {
    fn from(error: StoreError) -> Self {
        Self::from(ChangeError::Store(error))
    }
}

/// Does effects until it is stopped; cheap to clone.
#[derive(Clone)]
pub struct Worker {
    pub(super) store: Arc<dyn Store>,
    pub(super) system: Arc<dyn SystemApis>,
    pub(super) clock: Clock,
    pub(super) capabilities: CapabilityCache,
    pub(super) policies: Arc<Policies>,
    pub(crate) gates: Gates,
    pub(super) failures: Failures,
    ghost_sweep: Arc<[SignedDuration]>,
    config: EffectsConfig,
}

impl Worker {
    /// A worker over the shared services.
    pub fn new(state: &AppState) -> Self {
        Self {
            store: Arc::clone(&state.store),
            system: Arc::clone(&state.system),
            clock: state.clock.clone(),
            capabilities: state.capabilities.clone(),
            policies: Arc::clone(&state.policies),
            gates: Gates::default(),
            failures: Failures::default(),
            ghost_sweep: state.config.effects.ghost_sweep(),
            config: state.config.effects.clone(),
        }
    }

    /// Works until stopped, then lets what it has begun come to its end, for the time of a lease at most. Whoever runs it
    /// may give it less.
    pub async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.config.concurrency));
        let freed = Arc::new(Notify::new());
        let tasks = TaskTracker::new();
        let mut position = self.store.position();
        let mut looked = Timestamp::MIN;
        while !stop.is_cancelled() {
            self.wake_what_was_left(&mut looked).await;
            let taken = self.take_up(&slots, &freed, &tasks).await;
            let pause = self.pause(taken, slots.available_permits()).await;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = position.changed() => if changed.is_err() { break },
                () = freed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        tasks.close();
        if tokio::time::timeout(self.config.lease.get(), tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "effects were still running at the end of the drain; their leases will expire"
            );
        }
    }

    /// Of what waits where nobody looks one is woken, which looks; what waits at no gate that is closed here was left
    /// behind.
    async fn wake_what_was_left(&self, looked: &mut Timestamp) {
        let now = self.clock.now();
        for gate in self.gates.overdue(now) {
            if self.wake(&Parked::At(gate.clone()), 1).await == Some(0) {
                self.gates.open(&gate);
            }
        }
        if now.duration_since(*looked) >= LEFT_BEHIND {
            *looked = now;
            self.wake_all(&Parked::AtNoneOf(self.gates.closed())).await;
        }
    }

    async fn wake_all(&self, parked: &Parked) {
        let mut woken = 0_u64;
        while let Some(some @ 1..) = self.wake(parked, WOKEN).await {
            woken = woken.saturating_add(some);
        }
        if woken > 0 {
            tracing::info!(woken, "what waited for an ERP is due");
        }
    }

    /// Makes due what waits for its ERP, so many at most; None = that failed.
    async fn wake(&self, parked: &Parked, most: u32) -> Option<u64> {
        let woken = self.store.wake_parked(parked, most).await;
        woken
            .inspect_err(|error| {
                let error = error_chain(error);
                tracing::warn!(
                    error,
                    "what waits for an ERP could not be made due; it is tried again"
                );
            })
            .ok()
    }

    /// Notes what a call to the ERP said; where it is reached again, all that waits for that is due.
    pub(super) async fn heard<T: Sync>(
        &self,
        held: &Held,
        gate: &Gate,
        answer: &Result<T, SystemError>,
    ) {
        let effect = held.effect.effect;
        if self.gates.heard(gate, effect, answer, self.clock.now()) {
            tracing::info!(%gate, "the ERP is reached again");
            self.wake_all(&Parked::At(gate.clone())).await;
        }
    }

    /// Lets the effect wait where its ERP is not reached and another looks; true = it waits. A person's wish to cancel
    /// does not wait: it may need no call.
    pub(super) async fn waits_at_gate(
        &self,
        held: &Held,
        state: &OrderState,
    ) -> Result<bool, EffectError> {
        if state.cancelling.is_some() {
            return Ok(false);
        }
        let (gate, effect) = (Gate::of(state), held.effect.effect);
        match self.gates.pass(&gate, effect, self.clock.now()) {
            Pass::Go => Ok(false),
            Pass::Wait(due_at) => {
                let waits = held.effect.given_back(due_at);
                self.write(held, waits).await.map(|()| true)
            }
        }
    }

    /// Lets the effect go on later; where its ERP is not reached, once it is.
    pub(super) async fn wait_for_erp(
        &self,
        held: &Held,
        state: &OrderState,
        pause: Pause,
        progress: Value,
    ) -> Result<(), EffectError> {
        let due = self.gates.due(&Gate::of(state), held.effect.effect);
        match (pause, due) {
            (Pause::BackOff { .. }, Some(due_at)) => {
                self.write(held, held.later(due_at, progress, false)).await
            }
            (pause, _) => self.wait(held, pause, progress).await,
        }
    }

    /// Leases as many as there is room for, and starts them.
    async fn take_up(
        &self,
        slots: &Arc<Semaphore>,
        freed: &Arc<Notify>,
        tasks: &TaskTracker,
    ) -> usize {
        let room = u16::try_from(slots.available_permits()).unwrap_or(u16::MAX);
        if room == 0 {
            return 0;
        }
        let now = self.clock.now();
        // A look costs a read, a lease a write: every commit wakes the worker, and most bring nothing to do.
        match self.store.next_effect_due().await {
            Ok(Some(due)) if due <= now => {}
            Ok(_) => return 0,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "the next effect is not known");
                return 0;
            }
        }
        let until = now
            .saturating_add(self.config.lease.signed())
            .unwrap_or(now);
        let leased = self.store.lease_effects(now, until, room);
        let leased = match crash_points::EFFECT_LEASE.run(leased).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "no effects could be leased");
                return 0;
            }
        };
        let taken = leased.len();
        for effect in leased {
            let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
                break;
            };
            let (worker, freed) = (self.clone(), Arc::clone(freed));
            tasks.spawn(async move {
                worker.perform(effect).await;
                drop(slot);
                freed.notify_one();
            });
        }
        taken
    }

    /// Until something is due, and never longer than the poll interval: other instances wake nobody here.
    async fn pause(&self, taken: usize, room: usize) -> Duration {
        let poll = self.config.poll.get();
        if room == 0 {
            return poll;
        }
        match self.store.next_effect_due().await {
            Ok(Some(due)) => {
                let wait = Duration::try_from(due.duration_since(self.clock.now()))
                    .unwrap_or(Duration::ZERO);
                // Due already and not to be had: another call under its serial key runs.
                let least = if taken > 0 { Duration::ZERO } else { SHORTEST };
                wait.clamp(least.min(poll), poll)
            }
            Ok(None) => poll,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "the next effect is not known");
                poll
            }
        }
    }

    /// Takes one effect as far as it goes in this lease.
    pub async fn perform(&self, effect: LeasedEffect) {
        let trace = TraceContext::parse(&effect.traceparent)
            .map_or_else(TraceContext::generate, |trace| trace.child());
        let left =
            Duration::try_from(effect.until.duration_since(self.clock.now())).unwrap_or_default();
        let deadline = Some(Deadline::after(left));
        let scope = RequestScope::new(
            "process-apis",
            trace,
            effect.correlation_id.clone(),
            deadline,
        );
        Arc::new(scope)
            .run(Box::pin(self.perform_in_scope(effect)))
            .await;
    }

    async fn perform_in_scope(&self, effect: LeasedEffect) {
        let (order, kind) = (effect.order_id, effect.kind.clone());
        let done = match EffectKind::of(&kind) {
            Some(kind) => {
                let mut held = Held::new(effect, kind);
                match self.take_steps(&mut held).await {
                    Ok(()) => {
                        self.failures.forget(&held);
                        Ok(())
                    }
                    Err(error) => self.failed(&held, error).await,
                }
            }
            None => self.leave_to_others(&effect).await,
        };
        match done {
            Ok(()) => tracing::debug!(%order, kind, "effect taken as far as it goes"),
            Err(EffectError::LeaseLost) => {
                tracing::info!(%order, kind, "the lease of an effect is lost")
            }
            Err(EffectError::NoTime) => {
                tracing::debug!(%order, kind, "an effect goes on in its next lease")
            }
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(%order, kind, error, "an effect could not be done; its lease will expire");
            }
        }
    }

    async fn take_steps(&self, held: &mut Held) -> Result<(), EffectError> {
        match held.kind {
            EffectKind::CreateErpOrder => self.create_order(held).await,
            EffectKind::CancelErpOrder => self.cancel_order(held).await,
            EffectKind::ReleaseToWarehouse => self.release_warehouse(held).await,
            EffectKind::TakeReplacement => self.take_replacement(held).await,
            EffectKind::SweepErpOrder => self.sweep_order(held).await,
        }
    }

    /// A later release wrote it: this one leaves it to an instance that knows it.
    async fn leave_to_others(&self, effect: &LeasedEffect) -> Result<(), EffectError> {
        let (order, kind) = (effect.order_id, &effect.kind);
        tracing::warn!(%order, kind, "an effect of a later release is left to it");
        failures::count("unknown", NEWER_RELEASE);
        self.commit_outcome(effect.given_back(self.soon())).await
    }

    /// When what could not be done is tried again, here or in another instance: by chance, within half a minute.
    pub(super) fn soon(&self) -> Timestamp {
        let pause = Pause::BackOff {
            failures: 10,
            retry_after: None,
        };
        pause.ends(self.clock.now())
    }

    /// The order as it is now.
    pub(super) async fn order(&self, held: &Held) -> Result<Option<Arc<OrderState>>, EffectError> {
        let seen = held.seen();
        let known = seen.as_ref().map_or(0, |seen| seen.version);
        let id = held.effect.order_id.0;
        let found = self
            .store
            .changed_state(StreamKind::Order, id, known)
            .await?;
        let Some(Versioned { state, .. }) = found else {
            return Ok(None);
        };
        match state {
            Some(state) => Ok(Some(held.see(change::read(&state)?))),
            None => Ok(seen),
        }
    }

    /// A call that ends before the lease does, with the instant of its end.
    pub(super) fn call(
        &self,
        held: &Held,
        state: &OrderState,
    ) -> Result<(Call, Timestamp), EffectError> {
        let now = self.clock.now();
        let left = held.effect.until.duration_since(now).saturating_sub(MARGIN);
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
        let time = left.min(self.config.call_time.get());
        if time < LEAST {
            return Err(EffectError::NoTime);
        }
        let company = state.order.company.clone();
        let call = Call::background(
            company,
            held.effect.correlation_id.clone(),
            now,
            time,
            Lane::Order,
        );
        let end = SignedDuration::try_from(time)
            .ok()
            .and_then(|time| now.checked_add(time).ok());
        Ok((call, end.unwrap_or(now)))
    }

    /// Counts an attempt, just before the call it stands for.
    pub(super) async fn begin(&self, held: &mut Held, progress: Value) -> Result<(), EffectError> {
        let LeasedEffect {
            effect,
            lease,
            attempt,
            ..
        } = held.effect;
        let begun = self.store.begin_attempt(AttemptStart {
            effect,
            lease,
            attempts_before: attempt,
            now: self.clock.now(),
            progress,
        });
        match held.points().attempt {
            Some(points) => points.run(begun).await?,
            None => begun.await?,
        }
        held.effect.attempt = attempt.saturating_add(1);
        Ok(())
    }

    /// Commits a command with what became of the effect; the order is read and decided again where it changed
    /// meanwhile. False = the command changed nothing, and nothing was written of the effect either.
    pub(super) async fn settle(
        &self,
        held: &Held,
        command: &Command,
        outcome: impl Fn(&OrderState) -> EffectOutcome + Send,
    ) -> Result<bool, EffectError> {
        let settled = self.settle_with(held, command, None, outcome).await?;
        Ok(settled.is_some())
    }

    /// The same with the record of why; answers the order as it then is.
    pub(super) async fn settle_with(
        &self,
        held: &Held,
        command: &Command,
        decision: Option<NewDecision>,
        outcome: impl Fn(&OrderState) -> EffectOutcome + Send,
    ) -> Result<Option<Arc<OrderState>>, EffectError> {
        let mut last = None;
        for _ in 0..DECISIONS {
            let Some(before) = self.order(held).await? else {
                return Ok(None);
            };
            let around = self.surroundings(held, &before).await?;
            let Some((mut commit, after)) =
                change::command(&before, command, self.cause(held, &before), around)?
            else {
                return Ok(None);
            };
            commit.decision.clone_from(&decision);
            commit
                .effects
                .insert(0, EffectChange::Outcome(outcome(&after)));
            let committed = self.store.commit(commit);
            match held.points().settle.run(committed).await {
                Ok(_) => return Ok(Some(held.see(after))),
                Err(error @ StoreError::VersionConflict { .. }) => last = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        last.map_or(Ok(None), |error| Err(error.into()))
    }

    async fn surroundings(
        &self,
        held: &Held,
        state: &OrderState,
    ) -> Result<Surroundings, EffectError> {
        let now = self.clock.now();
        let correlation_id = held.effect.correlation_id.clone();
        let time = self.config.call_time.get();
        let call = Call::background(
            state.order.company.clone(),
            correlation_id,
            now,
            time,
            Lane::Order,
        );
        let capabilities = self.capabilities(&call).await?;
        Ok(change::surroundings(&capabilities, now))
    }

    /// What the ERP of a call's company can do.
    pub(super) async fn capabilities(&self, call: &Call) -> Result<Capabilities, SystemError> {
        crash_points::CAPABILITIES
            .run(self.capabilities.of(call))
            .await
    }

    /// After so long a person is asked.
    pub(super) fn settle_within(&self) -> SignedDuration {
        self.config.settle_within.signed()
    }

    /// When to look for what else the ERP has of an order.
    pub(super) fn ghost_sweep(&self) -> &[SignedDuration] {
        &self.ghost_sweep
    }

    fn cause(&self, held: &Held, state: &OrderState) -> Cause {
        Cause {
            company: state.order.company.clone(),
            at: self.clock.now(),
            principal: "process-apis".to_owned(),
            channel: state.order.channel.clone(),
            correlation_id: held.effect.correlation_id.clone(),
            traceparent: held.effect.traceparent.clone(),
        }
    }

    /// Lets the effect go on later.
    pub(super) async fn wait(
        &self,
        held: &Held,
        pause: Pause,
        progress: Value,
    ) -> Result<(), EffectError> {
        let due_at = pause.ends(self.clock.now());
        self.write(held, held.later(due_at, progress, false)).await
    }

    /// Writes down what became of the effect, and nothing else.
    pub(super) async fn write(
        &self,
        held: &Held,
        outcome: EffectOutcome,
    ) -> Result<(), EffectError> {
        let committed = self.commit_outcome(outcome);
        held.points().write.run(committed).await
    }

    async fn commit_outcome(&self, outcome: EffectOutcome) -> Result<(), EffectError> {
        let effects = vec![EffectChange::Outcome(outcome)];
        self.store
            .commit(Commit {
                effects,
                ..Commit::default()
            })
            .await?;
        Ok(())
    }
}

impl LeasedEffect {
    /// It waits until then, and what was written down stays.
    pub(super) fn given_back(&self, due_at: Timestamp) -> EffectOutcome {
        EffectOutcome::Later {
            effect: self.effect,
            lease: self.lease,
            due_at,
            progress: None,
            keep_lease: false,
        }
    }
}

/// An effect that this worker holds.
pub(super) struct Held {
    pub(super) effect: LeasedEffect,
    pub(super) kind: EffectKind,
    /// Its order as it was seen last: an order of many lines takes long to read.
    seen: Mutex<Option<Arc<OrderState>>>,
}

impl Held {
    fn new(effect: LeasedEffect, kind: EffectKind) -> Self {
        Self {
            effect,
            kind,
            seen: Mutex::new(None),
        }
    }

    fn seen(&self) -> Option<Arc<OrderState>> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn see(&self, state: OrderState) -> Arc<OrderState> {
        let state = Arc::new(state);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(Arc::clone(&state));
        state
    }

    pub(super) fn points(&self) -> EffectPoints {
        self.kind.points()
    }

    pub(super) fn done(&self) -> EffectOutcome {
        EffectOutcome::Done {
            effect: self.effect.effect,
            lease: self.effect.lease,
        }
    }

    pub(super) fn stopped(&self, progress: Value) -> EffectOutcome {
        EffectOutcome::Stopped {
            effect: self.effect.effect,
            lease: self.effect.lease,
            progress: Some(progress),
        }
    }

    /// A person is asked, and what was written down stays.
    pub(super) fn stopped_as_written(&self) -> EffectOutcome {
        EffectOutcome::Stopped {
            effect: self.effect.effect,
            lease: self.effect.lease,
            progress: None,
        }
    }

    pub(super) fn later(
        &self,
        due_at: Timestamp,
        progress: Value,
        keep_lease: bool,
    ) -> EffectOutcome {
        let LeasedEffect { effect, lease, .. } = self.effect;
        EffectOutcome::Later {
            effect,
            lease,
            due_at,
            progress: Some(progress),
            keep_lease,
        }
    }

    /// When the store was set back after the order was taken: what was done for it before may not be written down.
    pub(super) fn set_back_at(&self, state: &OrderState) -> Option<Timestamp> {
        let at = self.effect.set_back_at;
        at.filter(|at| state.order.received_at <= *at)
    }

    /// What was written down; nothing was, at first.
    pub(super) fn progress<P: Default + serde::de::DeserializeOwned>(
        &self,
    ) -> Result<P, EffectError> {
        match &self.effect.progress {
            Value::Null => Ok(P::default()),
            written => Ok(P::deserialize(written)?),
        }
    }
}

/// The answer to a call, or that none came in its time.
pub(super) async fn within<T>(
    time: Timestamp,
    now: Timestamp,
    call: impl Future<Output = Result<T, SystemError>> + Send,
) -> Result<T, SystemError> {
    let time = Duration::try_from(time.duration_since(now)).unwrap_or_default();
    tokio::time::timeout(time, call)
        .await
        .unwrap_or(Err(SystemError::OutcomeUnknown))
}
