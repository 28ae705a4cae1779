//! The embedded store: `SQLite`, one writer thread that commits many commands with one fsync, a few readers. One process
//! at a time has the file.

mod apply;
mod audit;
pub mod backup;
mod bounds;
mod credit;
mod decisions;
mod documents;
mod effects;
mod events;
pub(super) mod export;
mod fault;
mod idempotency;
mod mailbox;
mod migrate;
mod news;
mod open;
mod query;
mod readers;
mod retention;
mod sessions;
mod stock;
mod streams;
mod subscriptions;
mod value;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, DocumentId, OrderId, OrderReference, PurchaseOrderNumber, SessionId,
    SubscriptionId, decision::DecisionRecord, document::Document, event::CloudEvent,
    session::Session,
};
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use self::{open::Place, readers::Readers, writer::Writer};
use super::{
    AttemptStart, Backlog, BoundFilter, BoundSum, Commit, Committed, CreditKey, CreditLevel,
    CreditLevelFact, DeliveryFilter, DeliveryRow, DocumentFilter, DocumentLease, EventFilter,
    IdempotencyAnswer, Kept, LeasedEffect, LeasedSubscription, OrderFilter, Outdated, Owner,
    Parked, ParkedNews, SessionFilter, StockKey, StockPosition, StockSnapshot, Store, StoreError,
    StoredEvent, StreamKind, SubscriptionFilter, SubscriptionLease, SubscriptionRow, Versioned,
    Written,
};

const READERS: usize = 3;
/// So many expired rows of a kind are deleted at a time: other commands wait for them.
const SWEEP: u32 = 500;

/// A store in a file, or in memory for tests.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    position: watch::Sender<u64>,
    document_work: watch::Sender<u64>,
}

impl SqliteStore {
    /// Opens the file, or makes it; brings its schema up. Blocks while it does, and is refused while another process
    /// has the file.
    pub fn open(path: impl AsRef<Path>) -> anyhow::Result<Self> {
        Self::open_at(&Place::File(path.as_ref().to_owned()))
    }

    /// A store that is gone when it is dropped, for tests.
    pub fn open_in_memory() -> anyhow::Result<Self> {
        Self::open_at(&Place::memory())
    }

    /// Opens a file to read it only, also while another process works on it. What would write fails.
    pub fn open_to_read(path: impl AsRef<Path>) -> anyhow::Result<Self> {
        let place = Place::File(path.as_ref().to_owned());
        let connection = open::existing(&place)?;
        Self::start(&place, connection, open::InstanceLock::none())
    }

    fn open_at(place: &Place) -> anyhow::Result<Self> {
        let lock = open::lock(place)?;
        let connection = open::writer(place)?;
        Self::start(place, connection, lock)
    }

    fn start(
        place: &Place,
        connection: rusqlite::Connection,
        lock: open::InstanceLock,
    ) -> anyhow::Result<Self> {
        let newest = events::newest_position(&connection)?;
        let readers = (0..READERS)
            .map(|_| open::reader(place))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            writer: Writer::start(connection, lock)?,
            readers: Readers::start(readers)?,
            position: watch::Sender::new(newest),
            document_work: watch::Sender::new(0),
        })
    }

    /// Writes what is queued, folds the write-ahead log in and frees the file. What is asked later is refused.
    pub async fn close(&self) {
        self.writer.stop().await;
    }

    /// Turns true when a write or fsync has failed for good: nothing is taken any more, and only a restart recovers.
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.writer.failed()
    }

    /// The first line of the audit trail that does not follow from the one before; None = the trail is whole.
    pub async fn first_broken_audit_line(&self) -> Result<Option<i64>, StoreError> {
        self.readers.run(audit::first_broken).await
    }

    fn announce(&self, committed: &Committed) {
        if let Some(newest) = committed.position {
            self.position.send_if_modified(|position| {
                let newer = newest > *position;
                *position = newest.max(*position);
                newer
            });
        }
        if !committed.documents.is_empty() {
            self.document_work
                .send_modify(|times| *times = times.wrapping_add(1));
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let committed = self
            .writer
            .run(move |connection| apply::apply_or_tell(connection, &commit))
            .await?;
        self.announce(&committed);
        Ok(committed)
    }

    async fn install_stock(
        &self,
        snapshots: Vec<StockSnapshot>,
    ) -> Result<Vec<StockPosition>, StoreError> {
        let asked = snapshots.clone();
        if let Some(known) = self
            .readers
            .run(move |connection| stock::unless_newer(connection, &asked))
            .await?
        {
            return Ok(known);
        }
        self.writer
            .run(move |connection| stock::install(connection, &snapshots))
            .await
    }

    async fn stock(
        &self,
        keys: &[StockKey],
        own: Option<Owner>,
    ) -> Result<Vec<StockPosition>, StoreError> {
        let keys = keys.to_vec();
        self.readers
            .run(move |connection| stock::positions(connection, &keys, own))
            .await
    }

    async fn stock_at_best(
        &self,
        keys: &[StockKey],
        own: Owner,
    ) -> Result<Vec<StockPosition>, StoreError> {
        let keys = keys.to_vec();
        self.readers
            .run(move |connection| stock::at_best(connection, &keys, own))
            .await
    }

    async fn install_credit(
        &self,
        facts: Vec<CreditLevelFact>,
    ) -> Result<Vec<CreditLevel>, StoreError> {
        let asked = facts.clone();
        if let Some(known) = self
            .readers
            .run(move |connection| credit::unless_newer(connection, &asked))
            .await?
        {
            return Ok(known);
        }
        self.writer
            .run(move |connection| credit::install(connection, &facts))
            .await
    }

    async fn credit(&self, keys: &[CreditKey]) -> Result<Vec<CreditLevel>, StoreError> {
        let keys = keys.to_vec();
        self.readers
            .run(move |connection| credit::levels(connection, &keys))
            .await
    }

    async fn bounds(
        &self,
        company: &CompanyId,
        filter: BoundFilter,
    ) -> Result<Vec<BoundSum>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| bounds::sums(connection, &company, &filter))
            .await
    }

    async fn idempotency(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<IdempotencyAnswer>, StoreError> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        self.readers
            .run(move |connection| idempotency::find(connection, &scope, &key))
            .await
    }

    async fn changed_state(
        &self,
        kind: StreamKind,
        id: Uuid,
        known: u64,
    ) -> Result<Option<Versioned<Option<Written>>>, StoreError> {
        self.readers
            .run(move |connection| streams::changed_state(connection, kind, id, known))
            .await
    }

    async fn stream_ids(
        &self,
        kind: StreamKind,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.readers
            .run(move |connection| streams::ids(connection, kind, after, limit))
            .await
    }

    async fn stream(
        &self,
        kind: StreamKind,
        id: Uuid,
        after: u64,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.readers
            .run(move |connection| streams::stream(connection, kind, id, after, limit))
            .await
    }

    async fn order_of_purchase_order(
        &self,
        company: &CompanyId,
        account: &AccountId,
        purchase_order_number: &PurchaseOrderNumber,
        release_number: Option<&str>,
    ) -> Result<Option<OrderId>, StoreError> {
        let (company, account, number) = (
            company.clone(),
            account.clone(),
            purchase_order_number.clone(),
        );
        let release = release_number.map(str::to_owned);
        let read = move |connection: &rusqlite::Connection| {
            streams::of_purchase_order(connection, &company, &account, &number, release.as_deref())
        };
        self.readers.run(read).await
    }

    async fn orders(
        &self,
        company: &CompanyId,
        filter: OrderFilter,
    ) -> Result<Vec<Versioned<Written>>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| streams::orders(connection, &company, &filter))
            .await
    }

    async fn expired_reservations(
        &self,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.readers
            .run(move |connection| streams::expired_reservations(connection, now, limit))
            .await
    }

    async fn held_reservations(
        &self,
        company: &CompanyId,
        account: &AccountId,
        limit: u32,
    ) -> Result<Vec<Written>, StoreError> {
        let (company, account) = (company.clone(), account.clone());
        let read =
            move |connection: &_| streams::held_reservations(connection, &company, &account, limit);
        self.readers.run(read).await
    }

    async fn decision(&self, id: Uuid) -> Result<Option<(CompanyId, DecisionRecord)>, StoreError> {
        self.readers
            .run(move |connection| decisions::read(connection, id))
            .await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<CloudEvent>, StoreError> {
        self.readers
            .run(move |connection| events::events(connection, &filter))
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
        self.writer
            .run(move |connection| effects::lease(connection, now, until, limit))
            .await
    }

    async fn begin_attempt(&self, start: AttemptStart) -> Result<(), StoreError> {
        self.writer
            .run(move |connection| effects::begin_attempt(connection, &start))
            .await
    }

    async fn wake_parked(&self, parked: &Parked, most: u32) -> Result<u64, StoreError> {
        // Mostly nothing waits: then there is nothing to write.
        let which = parked.clone();
        let any = move |connection: &_| effects::any_parked(connection, &which);
        if !self.readers.run(any).await? {
            return Ok(0);
        }
        let which = parked.clone();
        self.writer
            .run(move |connection| effects::wake(connection, &which, most))
            .await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.readers.run(effects::backlog).await
    }

    async fn next_effect_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers.run(effects::next_due).await
    }

    async fn lease_documents(&self, lease: DocumentLease) -> Result<Vec<Document>, StoreError> {
        self.writer
            .run(move |connection| mailbox::lease(connection, &lease))
            .await
    }

    async fn documents(
        &self,
        company: &CompanyId,
        filter: DocumentFilter,
    ) -> Result<Vec<Document>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| mailbox::documents(connection, &company, &filter))
            .await
    }

    async fn document(
        &self,
        company: &CompanyId,
        id: DocumentId,
    ) -> Result<Option<Document>, StoreError> {
        let company = company.clone();
        let content = mailbox::Content::Take;
        let found = self
            .readers
            .run(move |connection| mailbox::find(connection, &company, id, content))
            .await?;
        // A lease is shown only to whom it was given.
        Ok(found.map(|document| Document {
            lease: None,
            ..document
        }))
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
        let (company, channel) = (company.clone(), channel.to_owned());
        self.readers
            .run(move |connection| sessions::find(connection, &company, &channel, id, now))
            .await
    }

    async fn sessions(
        &self,
        company: &CompanyId,
        filter: SessionFilter,
    ) -> Result<Vec<Session>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| sessions::sessions(connection, &company, &filter))
            .await
    }

    async fn order_of_reference(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Option<OrderId>, StoreError> {
        let (company, reference) = (company.clone(), reference.clone());
        self.readers
            .run(move |connection| news::order_of_reference(connection, &company, &reference))
            .await
    }

    async fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError> {
        let reader = reader.to_owned();
        self.readers
            .run(move |connection| news::cursor(connection, &reader))
            .await
    }

    async fn parked(&self, source: &str, key: &str) -> Result<Option<ParkedNews>, StoreError> {
        let (source, key) = (source.to_owned(), key.to_owned());
        self.readers
            .run(move |connection| news::parked(connection, &source, &key))
            .await
    }

    async fn parked_by_id(
        &self,
        company: &CompanyId,
        id: Uuid,
    ) -> Result<Option<ParkedNews>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| news::parked_by_id(connection, &company, id))
            .await
    }

    async fn quarantined(
        &self,
        company: &CompanyId,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<ParkedNews>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| news::quarantined(connection, &company, after, limit))
            .await
    }

    async fn lease_parked(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u16,
    ) -> Result<Vec<ParkedNews>, StoreError> {
        self.writer
            .run(move |connection| news::lease(connection, now, until, limit))
            .await
    }

    async fn next_parked_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers.run(news::next_due).await
    }

    async fn subscription(
        &self,
        company: &CompanyId,
        id: SubscriptionId,
    ) -> Result<Option<SubscriptionRow>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| subscriptions::find(connection, &company, id))
            .await
    }

    async fn subscriptions(
        &self,
        company: &CompanyId,
        filter: SubscriptionFilter,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        let company = company.clone();
        self.readers
            .run(move |connection| subscriptions::subscriptions(connection, &company, &filter))
            .await
    }

    async fn lease_subscriptions(
        &self,
        lease: SubscriptionLease,
    ) -> Result<Vec<LeasedSubscription>, StoreError> {
        let any = self
            .readers
            .run(move |connection| subscriptions::sendable(connection, lease.now))
            .await?;
        if !any {
            return Ok(Vec::new());
        }
        self.writer
            .run(move |connection| subscriptions::lease(connection, lease))
            .await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        self.readers
            .run(move |connection| subscriptions::deliveries(connection, filter))
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sweep = move |connection: &rusqlite::Connection| {
            let rows = idempotency::sweep(connection, now, SWEEP)?;
            let rows = rows.saturating_add(sessions::sweep(connection, now)?);
            let rows = rows.saturating_add(subscriptions::sweep(connection, now)?);
            Ok(rows.saturating_add(news::sweep(connection, now)?))
        };
        self.writer.run(sweep).await
    }

    async fn outdated(&self, kept: Kept) -> Result<Vec<Outdated>, StoreError> {
        self.readers
            .run(move |connection| retention::outdated(connection, &kept))
            .await
    }

    async fn forget(&self, kept: Kept, limit: u16) -> Result<u64, StoreError> {
        self.writer
            .run(move |connection| retention::forget(connection, &kept, limit))
            .await
    }

    async fn set_back(&self, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .run(move |connection| effects::set_back(connection, at))
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let write = |connection: &rusqlite::Connection| {
            connection
                .prepare_cached("UPDATE store_check SET times = times + 1")?
                .execute(())?;
            Ok(())
        };
        self.writer.run(write).await
    }
}
