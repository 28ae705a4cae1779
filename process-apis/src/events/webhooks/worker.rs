//! Serves subscriptions: leases those with something to send, some at a time, and sends a round for each.
//!
//! A lease outlasts every call begun under it, so two instances never send for one subscription at once, and the order
//! of an order's events holds. What a round came to is committed under the lease; a process that dies before it leaves
//! nothing behind but a lease that ends, and what it sent is sent again under the same ids.

use std::sync::Arc;

use canonical_model::subscription::DisabledReason;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use service_runtime::{clock::Clock, telemetry::error_chain};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::{MARGIN, WebhooksConfig},
    read,
    round::{Bounds, Failed, Item, Round, Step},
    secret::SecretError,
    send::{Receiver, Sender},
};
use crate::{
    crash_points,
    events::published::Teller,
    state::AppState,
    store::{
        AuditEntry, Cause, Commit, LeasedSubscription, Store, StoreError, SubscriptionChange,
        SubscriptionLease, SubscriptionRound, SubscriptionRow,
    },
};

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    /// The store does not answer, or another has the subscription.
    #[error("the store refused")]
    Store(#[from] StoreError),
    /// Its secrets cannot be read.
    #[error("the secrets cannot be read")]
    Secret(#[from] SecretError),
}

/// Sends for subscriptions until it is stopped; cheap to clone.
#[derive(Clone)]
pub struct WebhookWorker {
    store: Arc<dyn Store>,
    teller: Teller,
    clock: Clock,
    sender: Sender,
    config: WebhooksConfig,
    healthy: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

impl WebhookWorker {
    /// A worker over the shared services.
    pub fn new(state: &AppState) -> Self {
        let config = state.config.webhooks.clone();
        let failing = config.concurrency.div_euclid(4).max(1);
        Self {
            store: Arc::clone(&state.store),
            teller: state.teller.clone(),
            clock: state.clock.clone(),
            sender: state.webhooks.clone(),
            healthy: Arc::new(Semaphore::new(
                config.concurrency.saturating_sub(failing).max(1),
            )),
            failing: Arc::new(Semaphore::new(failing)),
            config,
        }
    }

    /// Works until stopped, then lets what it has begun come to its end, for the time of a lease at most.
    pub async fn run(self, stop: CancellationToken) {
        let freed = Arc::new(Notify::new());
        let tasks = TaskTracker::new();
        let mut position = self.store.position();
        while !stop.is_cancelled() {
            self.take_up(&freed, &tasks, &stop).await;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = position.changed() => if changed.is_err() { break },
                () = freed.notified() => {}
                () = tokio::time::sleep(self.config.poll.get()) => {}
            }
        }
        tasks.close();
        if tokio::time::timeout(self.config.lease.get(), tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some webhooks were cut off: they are sent again");
        }
    }

    async fn take_up(&self, freed: &Arc<Notify>, tasks: &TaskTracker, stop: &CancellationToken) {
        let room = |slots: &Semaphore| u16::try_from(slots.available_permits()).unwrap_or(u16::MAX);
        let now = self.clock.now();
        let asked = SubscriptionLease {
            now,
            until: now
                .saturating_add(self.config.lease.signed())
                .unwrap_or(now),
            healthy: room(&self.healthy),
            failing: room(&self.failing),
        };
        if asked.healthy == 0 && asked.failing == 0 {
            return;
        }
        let leased = self.store.lease_subscriptions(asked);
        let leased = match crash_points::WEBHOOK_LEASE.run(leased).await {
            Ok(leased) => leased,
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(error, "no webhooks are sent now: the store does not answer");
                return;
            }
        };
        for leased in leased {
            let slots = if leased.row.is_failing() {
                &self.failing
            } else {
                &self.healthy
            };
            // There is one: as many were asked for as there are.
            let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
                continue;
            };
            let (worker, freed, stop) = (self.clone(), Arc::clone(freed), stop.clone());
            tasks.spawn(async move { worker.serve(leased, &stop, slot, &freed).await });
        }
    }

    async fn serve(
        &self,
        leased: LeasedSubscription,
        stop: &CancellationToken,
        slot: OwnedSemaphorePermit,
        freed: &Notify,
    ) {
        let (id, lease) = (leased.row.id, leased.lease);
        let moved = self.round(leased, stop).await;
        if let Err(error) = &moved {
            // It was changed, or ended, while it was served: what was sent is sent again, if it is still wanted.
            let error = error_chain(error);
            tracing::info!(subscription = %id, error, "a round of webhooks does not count");
            let commit = Commit {
                subscriptions: vec![SubscriptionChange::Release { id, lease }],
                ..Commit::default()
            };
            if let Err(error) = self.store.commit(commit).await {
                let error = error_chain(&error);
                tracing::debug!(subscription = %id, error, "its lease ends by itself");
            }
        }
        drop(slot);
        if moved.unwrap_or(false) {
            freed.notify_one();
        }
    }

    /// Reads what there is, sends it, and writes down what came of it; whether anything did.
    async fn round(
        &self,
        leased: LeasedSubscription,
        stop: &CancellationToken,
    ) -> Result<bool, RoundError> {
        let row = leased.row.clone();
        let settings = &row.settings;
        let receiver = self
            .sender
            .receiver(row.id, &settings.url, &settings.secrets)?;
        let bounds = Bounds {
            parallel: self.config.per_subscription,
            most_waiting: usize::from(self.config.max_waiting),
            retry_for: self.config.retry_for.signed(),
        };
        let last = self.last_start(leased.until);
        let mut round = read::round(&self.teller, leased, bounds, self.clock.now()).await?;
        self.send(&mut round, &receiver, last, stop).await;
        let moved = round.has_moved();
        let round = round.finish(self.clock.now());
        self.settle(&row, round).await?;
        Ok(moved)
    }

    /// After this nothing is begun under the lease: its answer might come when another has it.
    fn last_start(&self, until: Timestamp) -> Timestamp {
        let needed: SignedDuration = self.config.timeout.signed().saturating_add(MARGIN.signed());
        until.saturating_sub(needed).unwrap_or(until)
    }

    async fn send(
        &self,
        round: &mut Round,
        receiver: &Receiver,
        last: Timestamp,
        stop: &CancellationToken,
    ) {
        let mut sending = FuturesUnordered::new();
        loop {
            if stop.is_cancelled() || self.clock.now() > last {
                round.stop();
            }
            match round.next(self.clock.now()) {
                Step::Send(item, event) => sending.push(async move {
                    let sent = self.sender.send(receiver, &event).await;
                    (*item, sent)
                }),
                Step::Wait | Step::Done => {
                    let Some((item, sent)) = sending.next().await else {
                        return;
                    };
                    self.came_back(round, item, sent);
                }
            }
        }
    }

    fn came_back(&self, round: &mut Round, item: Item, sent: Result<u16, Failed>) {
        let now = self.clock.now();
        match sent {
            Ok(_status) => round.delivered(item, now),
            Err(failed) => round.failed(item, failed, now),
        }
    }

    async fn settle(
        &self,
        row: &SubscriptionRow,
        round: SubscriptionRound,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let dead = round.put.iter().filter(|row| row.dead_since == Some(now));
        let dead = u64::try_from(dead.count()).unwrap_or(u64::MAX);
        let disabled = round.health.disabled_reason;
        let audit = disabled.map(|reason| AuditEntry {
            action: "subscription.disabled".to_owned(),
            subject: row.id.to_string(),
            detail: serde_json::json!({"account": row.account, "reason": reason}),
        });
        let commit = Commit {
            cause: audit.is_some().then(|| Cause {
                company: row.company.clone(),
                at: now,
                principal: "process-apis".to_owned(),
                channel: "webhooks".to_owned(),
                correlation_id: row.id.to_string(),
                traceparent: String::new(),
            }),
            audit: audit.into_iter().collect(),
            subscriptions: vec![SubscriptionChange::Settle(Box::new(round))],
            ..Commit::default()
        };
        let committed = self.store.commit(commit);
        crash_points::WEBHOOK_SETTLE.run(committed).await?;
        if dead > 0 {
            metrics::counter!("orderway_webhook_dead_letters_total").increment(dead);
        }
        if let Some(reason) = disabled {
            let word = match reason {
                DisabledReason::Gone => "gone",
                DisabledReason::Failing => "failing",
            };
            metrics::counter!("orderway_webhook_disabled_total", "reason" => word).increment(1);
            tracing::warn!(
                subscription = %row.id, account = %row.account, reason = word,
                "a webhook is disabled: its subscriber sees it, and can make it active again"
            );
        }
        Ok(())
    }

    /// One look for what is to be sent, and the rounds of it; for tests that move the clock themselves.
    #[cfg(test)]
    pub(crate) async fn once(&self) -> usize {
        let now = self.clock.now();
        let asked = SubscriptionLease {
            now,
            until: now.saturating_add(self.config.lease.signed()).unwrap(),
            healthy: 64,
            failing: 64,
        };
        let leased = self.store.lease_subscriptions(asked).await.unwrap();
        let rounds = leased.len();
        let stop = CancellationToken::new();
        let serve = leased.into_iter().map(|leased| async {
            let slot = Arc::clone(&self.healthy).acquire_owned().await.unwrap();
            self.serve(leased, &stop, slot, &Notify::new()).await;
        });
        futures_util::future::join_all(serve).await;
        rounds
    }
}
