//! The shared store: `PostgreSQL`, for any number of instances. One round trip a commit: `orderway_commit`, a function in
//! the migrations, applies it whole in a transaction of its own.
//!
//! How a domain plugs in. In Rust, its file makes of its part of the [`Commit`] a JSON value (`given`), which
//! `commit` puts under the part's name if it is not empty. In SQL, `orderway_commit` (migrations/postgres/0001) hands
//! that value to the domain's function: `commit_<part>(cause jsonb, given jsonb, texts text[][, contents bytea[]])`.
//!
//! - `cause` is `{company, at, principal, channel, correlation_id, traceparent}`, or NULL.
//! - Instants and durations are whole nanoseconds (`value::nanoseconds`, bigint columns): timestamptz would cut them.
//!   Decimals are strings (numeric columns), days ISO dates (date), ids strings (uuid), enums their JSON words (text).
//! - What the server stores but does not read (states, payloads, contexts, facts) does not stand in the JSON: it is added
//!   to `texts` as JSON text by `Parts::text`, bytes to `contents` by `Parts::content`, and the
//!   JSON names its number: `texts[(given ->> 'state')::integer]`. Columns of it are text, and come back as they were.
//! - The function locks the rows that it tests first, in the order of their keys (`… ORDER BY key FOR UPDATE`), and tests
//!   them in a LATER statement, whose snapshot sees what it waited for; then it writes. Functions are called in the order
//!   in which `orderway_commit` has them, on every instance, so that commits do not wait for each other in a circle.
//! - Where a condition does not hold: `PERFORM refuse('stock_short', jsonb_build_object(…));`. It raises SQLSTATE OW001
//!   with the name as message and the JSON as detail, which undoes all. `commit::meaning` makes the [`StoreError`] of it:
//!   its member names are those of the error's own type (`{"company", "item", "site"}` for a `StockKey`). The detail
//!   stands in the server's log: it names keys only, and what the caller gets beyond them is read again in Rust.
//! - A unique violation (23505), deadlock or serialization failure in a commit is tried again by itself, a few times: a
//!   race that a unique index decides needs no code, as long as the second try finds the winner by its test.
//! - Functions that answer (`commit_documents`, `commit_sessions`) return JSON; `committed` in the domain's file reads it.
//!
//! Reads are plain statements over the pool. Filters are put together with `QueryBuilder`, so that each uses its own
//! index.

mod audit;
mod bounds;
mod clocks;
mod commit;
mod credit;
mod decisions;
mod documents;
mod effects;
mod events;
mod fault;
mod idempotency;
pub(super) mod import;
mod mailbox;
mod migrate;
mod news;
mod open;
mod retention;
mod sequencer;
mod sessions;
mod stock;
mod streams;
mod subscriptions;
mod sweep;
mod value;
mod wake;

#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod race_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, DocumentId, OrderId, OrderReference, PurchaseOrderNumber, SessionId,
    SubscriptionId, decision::DecisionRecord, document::Document, event::CloudEvent,
    session::Session,
};
use jiff::Timestamp;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use self::open::PostgresOptions;
use self::{open::Server, sequencer::Sequencer, wake::Waker};
use super::{
    AttemptStart, Backlog, BoundFilter, BoundSum, Commit, Committed, CreditKey, CreditLevel,
    CreditLevelFact, DeliveryFilter, DeliveryRow, DocumentFilter, DocumentLease, EventFilter,
    IdempotencyAnswer, Kept, LeasedEffect, LeasedSubscription, OrderFilter, Outdated, Owner,
    Parked, ParkedNews, SessionFilter, StockKey, StockPosition, StockSnapshot, Store, StoreError,
    StoredEvent, StreamKind, SubscriptionFilter, SubscriptionLease, SubscriptionRow, Versioned,
    Written,
};

/// A store in a `PostgreSQL` database.
#[derive(Debug)]
pub struct PostgresStore {
    server: Server,
    pool: PgPool,
    position: watch::Sender<u64>,
    document_work: watch::Sender<u64>,
    sequencer: Arc<Sequencer>,
    waker: Arc<Waker>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl PostgresStore {
    /// Connects; refused where the server could lose what it acknowledges, or the schema is not this release's.
    pub async fn open(options: &PostgresOptions) -> anyhow::Result<Self> {
        let store = Self::open_to_read(options).await?;
        let (sequencer, until) = (Arc::clone(&store.sequencer), store.stop.clone());
        store.tasks.spawn(async move { sequencer.run(until).await });
        let (teller, until) = (Arc::clone(&store.waker), store.stop.clone());
        store.tasks.spawn(async move { teller.tell(until).await });
        let (hearer, until) = (Arc::clone(&store.waker), store.stop.clone());
        store.tasks.spawn(async move { hearer.hear(until).await });
        Ok(store)
    }

    /// Connects to read only, beside the instances: it gives no positions, and hears of nothing new.
    pub async fn open_to_read(options: &PostgresOptions) -> anyhow::Result<Self> {
        let server = open::connect(options).await?;
        let pool = server.pool().clone();
        migrate::check(&pool).await?;
        let channel = wake::channel(&pool).await?;
        let position = watch::Sender::new(events::newest_position(&pool).await?);
        let document_work = watch::Sender::new(0);
        let sequencer = Sequencer::new(
            server.clone(),
            channel.clone(),
            options.sequencer_lease,
            position.clone(),
        );
        let waker = Waker::new(
            server.clone(),
            channel,
            Arc::clone(&sequencer),
            position.clone(),
            document_work.clone(),
        );
        let stop = server.retired().child_token();
        Ok(Self {
            server,
            pool,
            position,
            document_work,
            sequencer,
            waker,
            stop,
            tasks: TaskTracker::new(),
        })
    }

    /// Brings the schema up.
    pub async fn migrate(options: &PostgresOptions) -> anyhow::Result<()> {
        migrate::migrate(options).await
    }

    /// Leaves the feed to another instance and closes the connections. What is asked later is refused.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.pool.close().await;
    }

    /// The first line of the audit trail that does not follow from the one before; None = the trail is whole.
    pub async fn first_broken_audit_line(&self) -> Result<Option<i64>, StoreError> {
        audit::first_broken(&self.pool).await
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let committed = commit::commit(&self.server, &commit).await?;
        if !commit.changes.is_empty() || !commit.audit.is_empty() {
            self.waker.committed();
        }
        if !commit.documents.is_empty() {
            self.waker.document_changed();
        }
        Ok(committed)
    }

    async fn install_stock(
        &self,
        snapshots: Vec<StockSnapshot>,
    ) -> Result<Vec<StockPosition>, StoreError> {
        commit::retried(&self.server, || stock::install(&self.pool, &snapshots)).await
    }

    async fn stock(
        &self,
        keys: &[StockKey],
        own: Option<Owner>,
    ) -> Result<Vec<StockPosition>, StoreError> {
        self.server
            .read(|| stock::positions(&self.pool, keys, own))
            .await
    }

    async fn stock_at_best(
        &self,
        keys: &[StockKey],
        own: Owner,
    ) -> Result<Vec<StockPosition>, StoreError> {
        self.server
            .read(|| stock::at_best(&self.pool, keys, own))
            .await
    }

    async fn install_credit(
        &self,
        facts: Vec<CreditLevelFact>,
    ) -> Result<Vec<CreditLevel>, StoreError> {
        commit::retried(&self.server, || credit::install(&self.pool, &facts)).await
    }

    async fn credit(&self, keys: &[CreditKey]) -> Result<Vec<CreditLevel>, StoreError> {
        self.server.read(|| credit::levels(&self.pool, keys)).await
    }

    async fn bounds(
        &self,
        company: &CompanyId,
        filter: BoundFilter,
    ) -> Result<Vec<BoundSum>, StoreError> {
        self.server
            .read(|| bounds::sums(&self.pool, company, &filter))
            .await
    }

    async fn idempotency(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<IdempotencyAnswer>, StoreError> {
        self.server
            .read(|| idempotency::find(&self.pool, scope, key))
            .await
    }

    async fn changed_state(
        &self,
        kind: StreamKind,
        id: Uuid,
        known: u64,
    ) -> Result<Option<Versioned<Option<Written>>>, StoreError> {
        self.server
            .read(|| streams::changed_state(&self.pool, kind, id, known))
            .await
    }

    async fn stream_ids(
        &self,
        kind: StreamKind,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.server
            .read(|| streams::ids(&self.pool, kind, after, limit))
            .await
    }

    async fn stream(
        &self,
        kind: StreamKind,
        id: Uuid,
        after: u64,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.server
            .read(|| streams::stream(&self.pool, kind, id, after, limit))
            .await
    }

    async fn order_of_purchase_order(
        &self,
        company: &CompanyId,
        account: &AccountId,
        purchase_order_number: &PurchaseOrderNumber,
        release_number: Option<&str>,
    ) -> Result<Option<OrderId>, StoreError> {
        let number = purchase_order_number;
        self.server
            .read(|| {
                streams::of_purchase_order(&self.pool, company, account, number, release_number)
            })
            .await
    }

    async fn orders(
        &self,
        company: &CompanyId,
        filter: OrderFilter,
    ) -> Result<Vec<Versioned<Written>>, StoreError> {
        self.server
            .read(|| streams::orders(&self.pool, company, &filter))
            .await
    }

    async fn expired_reservations(
        &self,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.server
            .in_time(streams::expired_reservations(&self.pool, now, limit))
            .await
    }

    async fn held_reservations(
        &self,
        company: &CompanyId,
        account: &AccountId,
        limit: u32,
    ) -> Result<Vec<Written>, StoreError> {
        self.server
            .read(|| streams::held_reservations(&self.pool, company, account, limit))
            .await
    }

    async fn decision(&self, id: Uuid) -> Result<Option<(CompanyId, DecisionRecord)>, StoreError> {
        self.server.read(|| decisions::read(&self.pool, id)).await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<CloudEvent>, StoreError> {
        self.server
            .read(|| events::events(&self.pool, &filter))
            .await
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    async fn lease_effects(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u16,
    ) -> Result<Vec<LeasedEffect>, StoreError> {
        self.server
            .in_time(effects::lease(&self.pool, now, until, limit))
            .await
    }

    async fn begin_attempt(&self, start: AttemptStart) -> Result<(), StoreError> {
        let tried = AtomicBool::new(false);
        self.server
            .read(|| async {
                self.server.compare_clocks().await?;
                let again = tried.swap(true, Ordering::Relaxed);
                effects::begin_attempt(&self.pool, &start, again).await
            })
            .await
    }

    async fn wake_parked(&self, parked: &Parked, most: u32) -> Result<u64, StoreError> {
        self.server
            .bounded(effects::wake(&self.pool, parked, most))
            .await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.server.read(|| effects::backlog(&self.pool)).await
    }

    async fn next_effect_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.server.read(|| effects::next_due(&self.pool)).await
    }

    async fn lease_documents(&self, lease: DocumentLease) -> Result<Vec<Document>, StoreError> {
        self.server
            .in_time(mailbox::lease(&self.pool, &lease))
            .await
    }

    async fn documents(
        &self,
        company: &CompanyId,
        filter: DocumentFilter,
    ) -> Result<Vec<Document>, StoreError> {
        self.server
            .read(|| mailbox::documents(&self.pool, company, &filter))
            .await
    }

    async fn document(
        &self,
        company: &CompanyId,
        id: DocumentId,
    ) -> Result<Option<Document>, StoreError> {
        self.server
            .read(|| mailbox::find(&self.pool, company, id))
            .await
    }

    fn document_work(&self) -> watch::Receiver<u64> {
        self.document_work.subscribe()
    }

    async fn session(
        &self,
        company: &CompanyId,
        channel: &str,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.server
            .read(|| sessions::find(&self.pool, company, channel, id, now))
            .await
    }

    async fn sessions(
        &self,
        company: &CompanyId,
        filter: SessionFilter,
    ) -> Result<Vec<Session>, StoreError> {
        self.server
            .read(|| sessions::sessions(&self.pool, company, &filter))
            .await
    }

    async fn order_of_reference(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Option<OrderId>, StoreError> {
        self.server
            .read(|| streams::of_reference(&self.pool, company, reference))
            .await
    }

    async fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError> {
        self.server.read(|| news::cursor(&self.pool, reader)).await
    }

    async fn parked(&self, source: &str, key: &str) -> Result<Option<ParkedNews>, StoreError> {
        self.server
            .read(|| news::parked(&self.pool, source, key))
            .await
    }

    async fn parked_by_id(
        &self,
        company: &CompanyId,
        id: Uuid,
    ) -> Result<Option<ParkedNews>, StoreError> {
        self.server
            .read(|| news::parked_by_id(&self.pool, company, id))
            .await
    }

    async fn quarantined(
        &self,
        company: &CompanyId,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<ParkedNews>, StoreError> {
        self.server
            .read(|| news::quarantined(&self.pool, company, after, limit))
            .await
    }

    async fn lease_parked(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u16,
    ) -> Result<Vec<ParkedNews>, StoreError> {
        self.server
            .in_time(news::lease(&self.pool, now, until, limit))
            .await
    }

    async fn next_parked_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.server.read(|| news::next_due(&self.pool)).await
    }

    async fn subscription(
        &self,
        company: &CompanyId,
        id: SubscriptionId,
    ) -> Result<Option<SubscriptionRow>, StoreError> {
        self.server
            .read(|| subscriptions::find(&self.pool, company, id))
            .await
    }

    async fn subscriptions(
        &self,
        company: &CompanyId,
        filter: SubscriptionFilter,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.server
            .read(|| subscriptions::subscriptions(&self.pool, company, &filter))
            .await
    }

    async fn lease_subscriptions(
        &self,
        lease: SubscriptionLease,
    ) -> Result<Vec<LeasedSubscription>, StoreError> {
        self.server
            .in_time(subscriptions::lease(&self.pool, lease))
            .await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        self.server
            .bounded(subscriptions::deliveries(&self.pool, filter))
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.server.bounded(sweep::sweep(&self.pool, now)).await
    }

    async fn outdated(&self, kept: Kept) -> Result<Vec<Outdated>, StoreError> {
        self.server
            .bounded(retention::outdated(&self.pool, &kept))
            .await
    }

    async fn forget(&self, kept: Kept, limit: u16) -> Result<u64, StoreError> {
        self.server
            .bounded(retention::forget(&self.pool, &kept, limit))
            .await
    }

    async fn set_back(&self, at: Timestamp) -> Result<(), StoreError> {
        self.server.in_time(effects::set_back(&self.pool, at)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let written = async {
            let needs = sqlx::query_scalar(
                "UPDATE store_check SET times = times + 1 RETURNING (SELECT version FROM schema_needs)",
            )
            .fetch_one(&self.pool)
            .await?;
            self.server.heed(needs)
        };
        self.server.in_time(written).await
    }
}
