//! What is done with subscriptions, between the routes and the store.

use std::sync::Arc;

use axum::http::StatusCode;
use canonical_model::{
    CompanyId, SubscriptionId,
    subscription::{
        ChangeSubscription, Delivery, DeliveryHealth, DeliveryPage, DeliverySearch,
        NewSubscription, ReplaySubscription, RotateSecret, Subscription, SubscriptionPage,
        SubscriptionSearch, SubscriptionState, SubscriptionTest,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use service_runtime::{
    context::CallContext,
    extract::{Etag, IfMatch},
    page::{Page, PageQuery},
    problem::{FieldError, Problem},
    trace::RequestScope,
};
use uuid::Uuid;

use super::{
    secret::{SecretError, SigningSecret},
    types,
};
use crate::{
    crash_points,
    error::{contention, store_problem},
    events::reach::Reach,
    faults::Faults,
    idempotency::{Answer, Keyed, WorkError},
    state::AppState,
    store::{
        AuditEntry, Cause, Commit, DeliveryFilter, DeliveryRow, DeliveryState, EventFilter,
        IdempotencyAnswer, SealedSecret, Store, StoreError, SubscriptionChange, SubscriptionFilter,
        SubscriptionRow, SubscriptionSettings,
    },
};

const SCOPE: &str = "webhooks:write";
const MOST_TYPES: usize = 20;
const MOST_DESCRIPTION: usize = 200;
/// Secrets that sign at a time: one that was rotated twice in a day still works.
const MOST_SECRETS: usize = 3;
const USUAL_OVERLAP: u32 = 24 * 3_600;
const LONGEST_OVERLAP: u32 = 7 * 24 * 3_600;
/// How often a change is decided again when the subscription changed meanwhile.
const ATTEMPTS: usize = 3;
/// Events near an instant may have been committed out of the order of their times by so much.
const NEAR: SignedDuration = SignedDuration::from_mins(1);

/// The subscriptions of one caller: those of its accounts. Cheap to clone.
#[derive(Clone)]
pub(super) struct Subscriptions {
    state: AppState,
    caller: CallContext,
    reach: Reach,
}

impl Subscriptions {
    pub(super) fn of(state: AppState, caller: &CallContext) -> Result<Self, Problem> {
        caller.require(SCOPE)?;
        Ok(Self {
            reach: Reach::of(caller)?,
            caller: caller.clone(),
            state,
        })
    }

    fn store(&self) -> &dyn Store {
        self.state.store.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.state.clock.now()
    }

    /// Makes a subscription. The secret is in the first answer only, not in the one that is stored.
    pub(super) async fn create(
        self,
        request: NewSubscription,
        keyed: Keyed,
    ) -> Result<Answer, WorkError> {
        let now = self.now();
        self.check(&request.url, &request.types, request.description.as_deref())
            .await?;
        let (id, secret) = (SubscriptionId::generate(), made()?);
        let settings = SubscriptionSettings {
            url: request.url,
            types: request.types,
            description: request.description,
            secrets: vec![self.seal(id, &secret)?],
        };
        let position = *self.state.store.position().borrow();
        let row = SubscriptionRow {
            id,
            company: self.reach.company.clone(),
            account: request.account.clone(),
            version: 1,
            settings: settings.clone(),
            state: SubscriptionState::Active,
            health: Default::default(),
            paused_until: None,
            position,
            waiting: 0,
            dead: 0,
            created_at: now,
            changed_at: now,
        };
        let answer = Answer::new(StatusCode::CREATED, &shown(&row, now), id.0)?;
        let create = SubscriptionChange::Create {
            id,
            account: request.account,
            settings,
            position,
            most: self.state.config.webhooks.max_per_account,
        };
        let kept = keyed.answer(&answer, now);
        self.commit(create, "created", &row, Some(kept)).await?;
        Ok(with_secret(answer, &secret))
    }

    /// A subscription of the caller's.
    pub(super) async fn find(&self, id: SubscriptionId) -> Result<SubscriptionRow, Problem> {
        let found = self.store().subscription(&self.reach.company, id).await;
        let found = found.map_err(|error| store_problem(&error))?;
        found
            .filter(|row| self.reach.sees(&row.account))
            .ok_or_else(Problem::not_found)
    }

    pub(super) async fn read(&self, id: SubscriptionId) -> Result<Subscription, Problem> {
        Ok(shown(&self.find(id).await?, self.now()))
    }

    pub(super) async fn list(
        &self,
        search: SubscriptionSearch,
    ) -> Result<SubscriptionPage, Problem> {
        let page = PageQuery {
            limit: search.limit.map(u32::from),
            cursor: search.cursor,
        };
        let limit = page.limit()?;
        let mut accounts = self.reach.accounts.clone();
        if let Some(account) = search.account {
            self.caller.require_account(account.as_str())?;
            accounts = Some(vec![account]);
        }
        let filter = SubscriptionFilter {
            accounts,
            after: page.after()?,
            limit: u16::try_from(limit).unwrap_or(u16::MAX).saturating_add(1),
        };
        let rows = self
            .store()
            .subscriptions(&self.reach.company, filter)
            .await;
        let rows = rows.map_err(|error| store_problem(&error))?;
        let now = self.now();
        let items = rows.iter().map(|row| shown(row, now)).collect();
        let page = Page::from_probe(items, limit, |one: &Subscription| one.subscription_id)?;
        Ok(SubscriptionPage {
            items: page.items,
            next: page.next,
        })
    }

    /// Changes a subscription, unless it has changed since the caller read it.
    pub(super) async fn change(
        &self,
        id: SubscriptionId,
        if_match: &IfMatch,
        request: ChangeSubscription,
    ) -> Result<Subscription, Problem> {
        let row = self.find(id).await?;
        self.check(&request.url, &request.types, request.description.as_deref())
            .await?;
        if_match.check(&Etag::version(row.version))?;
        let change = SubscriptionChange::Change {
            id,
            expected_version: row.version,
            settings: SubscriptionSettings {
                url: request.url,
                types: request.types,
                description: request.description,
                secrets: row.settings.secrets.clone(),
            },
            state: if request.active {
                SubscriptionState::Active
            } else {
                SubscriptionState::Paused
            },
        };
        let changed = self.commit(change, "changed", &row, None).await;
        changed.map_err(|error| store_problem(&error))?;
        self.read(id).await
    }

    /// Ends a subscription, unless it has changed since the caller read it.
    pub(super) async fn delete(
        &self,
        id: SubscriptionId,
        if_match: &IfMatch,
    ) -> Result<(), Problem> {
        let row = self.find(id).await?;
        if_match.check(&Etag::version(row.version))?;
        let delete = SubscriptionChange::Delete {
            id,
            expected_version: row.version,
        };
        let deleted = self.commit(delete, "deleted", &row, None).await;
        deleted.map_err(|error| store_problem(&error))
    }

    /// Gives a new secret; those before sign too for a time.
    pub(super) async fn rotate(
        self,
        id: SubscriptionId,
        request: RotateSecret,
        keyed: Keyed,
    ) -> Result<Answer, WorkError> {
        let overlap = request.overlap_seconds.unwrap_or(USUAL_OVERLAP);
        Faults::default()
            .add(
                overlap <= LONGEST_OVERLAP,
                "/overlap_seconds",
                "out-of-range",
                "Send at most 604800 seconds, which are 7 days.",
            )
            .finish()?;
        let secret = made()?;
        for _ in 0..ATTEMPTS {
            let (row, now) = (self.find(id).await?, self.now());
            let ends = now
                .saturating_add(SignedDuration::from_secs(i64::from(overlap)))
                .unwrap_or(now);
            let older = row.settings.secrets.iter().map(|older| SealedSecret {
                sealed: older.sealed.clone(),
                until: Some(older.until.map_or(ends, |until| until.min(ends))),
            });
            let older = older.filter(|older| older.until.is_some_and(|until| now < until));
            let newest = self.seal(id, &secret)?;
            let secrets = std::iter::once(newest).chain(older).take(MOST_SECRETS);
            let row = SubscriptionRow {
                settings: SubscriptionSettings {
                    secrets: secrets.collect(),
                    ..row.settings
                },
                version: row.version.saturating_add(1),
                changed_at: now,
                ..row
            };
            let answer = Answer::new(StatusCode::OK, &shown(&row, now), id.0)?;
            let change = SubscriptionChange::Change {
                id,
                expected_version: row.version.saturating_sub(1),
                settings: row.settings.clone(),
                state: row.state,
            };
            let kept = keyed.answer(&answer, now);
            match self
                .commit(change, "secret_rotated", &row, Some(kept))
                .await
            {
                Ok(()) => return Ok(with_secret(answer, &secret)),
                Err(StoreError::SubscriptionChanged(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(contention().into())
    }

    /// Sends again what was sent before.
    pub(super) async fn replay(
        self,
        id: SubscriptionId,
        request: ReplaySubscription,
        keyed: Keyed,
    ) -> Result<Answer, WorkError> {
        for _ in 0..ATTEMPTS {
            let (row, now) = (self.find(id).await?, self.now());
            let position = match (request.after, request.since) {
                (Some(after), None) => after,
                (None, Some(since)) => self.position_before(&row, since).await?,
                _ => {
                    let detail = "Send either `since` or `after`.";
                    let fault = FieldError::new("", "exactly-one", detail);
                    return Err(Problem::validation(vec![fault]).into());
                }
            };
            let row = SubscriptionRow {
                version: row.version.saturating_add(1),
                position: row.position.min(position),
                changed_at: now,
                ..row
            };
            let answer = Answer::new(StatusCode::ACCEPTED, &shown(&row, now), id.0)?;
            let rewind = SubscriptionChange::Rewind {
                id,
                expected_version: row.version.saturating_sub(1),
                position,
            };
            let kept = keyed.answer(&answer, now);
            match self.commit(rewind, "replayed", &row, Some(kept)).await {
                Ok(()) => return Ok(answer),
                Err(StoreError::SubscriptionChanged(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(contention().into())
    }

    /// A position before everything of the account since an instant, found by halving.
    async fn position_before(
        &self,
        row: &SubscriptionRow,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        let since = since.saturating_sub(NEAR).unwrap_or(since);
        // All at or before `low` is older; what follows `high` is not.
        let (mut low, mut high) = (0, row.position);
        while low < high {
            let middle = low.midpoint(high);
            let filter = EventFilter {
                after: middle,
                limit: 1,
                accounts: Some(vec![row.account.clone()]),
                company: Some(row.company.clone()),
                ..EventFilter::default()
            };
            let next = self.store().events(filter).await?.into_iter().next();
            match next.filter(|next| next.time < since) {
                Some(older) => low = older.position.min(high),
                None => high = middle,
            }
        }
        Ok(high)
    }

    /// Sends one dead letter again.
    pub(super) async fn replay_dead_letter(
        self,
        id: SubscriptionId,
        event: Uuid,
        keyed: Keyed,
    ) -> Result<Answer, WorkError> {
        let (row, now) = (self.find(id).await?, self.now());
        let filter = DeliveryFilter {
            event: Some(event),
            ..all(id, DeliveryState::Dead)
        };
        let found = self.store().deliveries(filter).await?;
        let dead = found.into_iter().next().ok_or_else(Problem::not_found)?;
        let replay = SubscriptionChange::Replay {
            id,
            position: dead.position,
            due_at: now,
        };
        let due = DeliveryRow {
            due_at: Some(now),
            ..dead
        };
        let answer = Answer::new(StatusCode::ACCEPTED, &delivery(due), event)?;
        let kept = keyed.answer(&answer, now);
        self.commit(replay, "dead_letter_replayed", &row, Some(kept))
            .await?;
        Ok(answer)
    }

    /// Events that failed: those that are tried again, or those that were given up.
    pub(super) async fn deliveries(
        &self,
        id: SubscriptionId,
        state: DeliveryState,
        search: DeliverySearch,
    ) -> Result<DeliveryPage, Problem> {
        let row = self.find(id).await?;
        let page = PageQuery {
            limit: search.limit.map(u32::from),
            cursor: search.cursor,
        };
        let limit = page.limit()?;
        let filter = DeliveryFilter {
            after: page.after()?.unwrap_or(0),
            limit: u16::try_from(limit).unwrap_or(u16::MAX).saturating_add(1),
            ..all(row.id, state)
        };
        let rows = self.store().deliveries(filter).await;
        let rows = rows.map_err(|error| store_problem(&error))?;
        let items = rows.into_iter().map(delivery).collect();
        let page = Page::from_probe(items, limit, |one: &Delivery| one.position)?;
        Ok(DeliveryPage {
            items: page.items,
            next: page.next,
        })
    }

    /// Sends a test event now, and tells what came of it; nothing of the answer but its status.
    pub(super) async fn test(&self, id: SubscriptionId) -> Result<SubscriptionTest, Problem> {
        let (row, event_id) = (self.find(id).await?, Uuid::now_v7());
        let receiver = self
            .state
            .webhooks
            .receiver(id, &row.settings.url, &row.settings.secrets);
        let receiver = receiver.map_err(|error| Problem::internal(&error))?;
        let sent = self
            .state
            .webhooks
            .post(&receiver, event_id, &self.test_event(&row, event_id))
            .await;
        Ok(match sent {
            Ok(status) => SubscriptionTest {
                event_id,
                delivered: true,
                status: Some(status),
                failure: None,
            },
            Err(failed) => SubscriptionTest {
                event_id,
                delivered: false,
                status: failed.failure.status,
                failure: Some(failed.failure),
            },
        })
    }

    fn test_event(&self, row: &SubscriptionRow, event_id: Uuid) -> Value {
        json!({
            "specversion": "1.0",
            "id": event_id,
            "source": source(&row.company),
            "type": "com.orderway.webhook.test.v1",
            "subject": row.id,
            "time": self.now(),
            "datacontenttype": "application/json",
            "account": row.account,
            "correlationid": self.caller.correlation_id,
            "data": {"message": "This is a test. Answer 2xx."},
        })
    }

    async fn check(
        &self,
        url: &str,
        patterns: &[String],
        description: Option<&str>,
    ) -> Result<(), Problem> {
        let faults = Faults::default().count("/types", patterns.len(), MOST_TYPES);
        let known = patterns.iter().take(MOST_TYPES).enumerate();
        let faults = known.fold(faults, |faults, (index, pattern)| {
            let detail = "Send a type such as order.shipped, its full name, or order.*.";
            let pointer = format!("/types/{index}");
            faults.add(types::is_known(pattern), &pointer, "unknown-type", detail)
        });
        let faults = match description {
            Some(text) => faults.text("/description", text, MOST_DESCRIPTION),
            None => faults,
        };
        let refused = self.state.webhooks.check(url).await.err();
        let detail = refused.map(|refused| format!("This address is not called: {refused}."));
        faults
            .add(
                refused.is_none(),
                "/url",
                "address-refused",
                detail.unwrap_or_default(),
            )
            .finish()
    }

    fn seal(&self, id: SubscriptionId, secret: &SigningSecret) -> Result<SealedSecret, Problem> {
        let sealed = self.state.webhooks.keys().seal(id, secret);
        Ok(SealedSecret {
            sealed: sealed.map_err(|error| Problem::internal(&error))?,
            until: None,
        })
    }

    async fn commit(
        &self,
        change: SubscriptionChange,
        done: &str,
        row: &SubscriptionRow,
        idempotency: Option<IdempotencyAnswer>,
    ) -> Result<(), StoreError> {
        let scope = RequestScope::current();
        // An address may hold a secret in its path or query: only the host is told.
        let url = url_host(&row.settings.url);
        let commit = Commit {
            cause: Some(Cause {
                company: self.reach.company.clone(),
                at: self.now(),
                principal: self.caller.principal.clone(),
                channel: self.caller.channel.clone(),
                correlation_id: self.caller.correlation_id.clone(),
                traceparent: scope
                    .map(|scope| scope.trace.traceparent())
                    .unwrap_or_default(),
            }),
            audit: vec![AuditEntry {
                action: format!("subscription.{done}"),
                subject: row.id.to_string(),
                detail: json!({"account": row.account, "host": url}),
            }],
            subscriptions: vec![change],
            idempotency,
            ..Commit::default()
        };
        let store = Arc::clone(&self.state.store);
        crash_points::SUBSCRIPTION_CHANGE
            .run(store.commit(commit))
            .await
            .map(drop)
    }
}

fn made() -> Result<SigningSecret, Problem> {
    SigningSecret::generate().map_err(|error: SecretError| Problem::internal(&error))
}

fn source(company: &CompanyId) -> String {
    format!("/companies/{company}")
}

fn url_host(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.host_str().map(str::to_owned)
}

fn all(subscription: SubscriptionId, state: DeliveryState) -> DeliveryFilter {
    DeliveryFilter {
        subscription,
        state,
        event: None,
        due_by: None,
        after: 0,
        limit: 1,
    }
}

/// The first answer shows the secret.
fn with_secret(answer: Answer, secret: &SigningSecret) -> Answer {
    let mut body = answer.body;
    if let Some(members) = body.as_object_mut() {
        members.insert("secret".to_owned(), Value::String(secret.text()));
    }
    Answer { body, ..answer }
}

/// A repeated answer does not, also where it joined the first.
pub(super) fn without_secret_if_repeated(answer: Answer) -> Answer {
    let mut body = answer.body;
    if let Some(members) = body.as_object_mut().filter(|_| answer.replayed) {
        members.remove("secret");
    }
    Answer { body, ..answer }
}

fn shown(row: &SubscriptionRow, now: Timestamp) -> Subscription {
    let settings = row.settings.clone();
    let older = settings.secrets.iter().filter_map(|secret| secret.until);
    let health = row.health.clone();
    Subscription {
        subscription_id: row.id,
        account: row.account.clone(),
        previous_secret_until: older.filter(|until| now < *until).max(),
        url: settings.url,
        types: settings.types,
        description: settings.description,
        state: row.state,
        disabled_reason: health
            .disabled_reason
            .filter(|_| row.state == SubscriptionState::Disabled),
        version: row.version,
        created_at: row.created_at,
        changed_at: row.changed_at,
        secret: None,
        delivery: DeliveryHealth {
            position: row.position,
            waiting_orders: row.waiting,
            dead_letters: row.dead,
            last_success_at: health.last_success_at,
            failing_since: health.failing_since,
            paused_until: row.paused_until.filter(|until| now < *until),
            last_failure: health.last_failure,
        },
    }
}

fn delivery(row: DeliveryRow) -> Delivery {
    Delivery {
        event_id: row.event_id,
        event_type: row.detail.event_type,
        subject: row.subject,
        sequence: row.detail.sequence,
        position: row.position,
        attempts: row.detail.attempts,
        first_failed_at: row.detail.first_failed_at,
        next_attempt_at: row.due_at,
        dead_since: row.dead_since,
        last_failure: row.detail.last_failure,
    }
}
