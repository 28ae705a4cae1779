//! Waking each other: instances tell and hear of new work over NOTIFY. Nothing depends on it but time: who missed a word
//! (its connection was lost, the teller ended) finds the work when it next looks.
//!
//! The word is not said inside the commit: a transaction with NOTIFY waits for every other one that has it, its flush to
//! the disk included, and commits would queue up one by one. It is said behind it, for all commits since the last time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::StoreError,
    events::newest_position,
    open::Server,
    sequencer::{Sequencer, raise},
};

/// So often the connection is asked whether it still lives, and the schema whether it is still this release's.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// What does not answer so long is taken for lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// The wait before another try.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// Where the instances on one schema hear each other.
pub(super) async fn channel(pool: &PgPool) -> Result<String, StoreError> {
    let channel = sqlx::query_scalar("SELECT 'orderway_' || current_schema()")
        .fetch_one(pool)
        .await?;
    Ok(channel)
}

/// Tells the others, and hears them.
#[derive(Debug)]
pub(super) struct Waker {
    server: Server,
    channel: String,
    sequencer: Arc<Sequencer>,
    position: watch::Sender<u64>,
    document_work: watch::Sender<u64>,
    to_tell: Notify,
    events: AtomicBool,
    documents: AtomicBool,
}

impl Waker {
    pub(super) fn new(
        server: Server,
        channel: String,
        sequencer: Arc<Sequencer>,
        position: watch::Sender<u64>,
        document_work: watch::Sender<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            server,
            channel,
            sequencer,
            position,
            document_work,
            to_tell: Notify::new(),
            events: AtomicBool::new(false),
            documents: AtomicBool::new(false),
        })
    }

    /// Something was committed that the sequencer must see.
    pub(super) fn committed(&self) {
        if self.sequencer.holds() {
            self.sequencer.wake();
        } else {
            self.events.store(true, Ordering::Relaxed);
            self.to_tell.notify_one();
        }
    }

    /// A document may have become workable.
    pub(super) fn document_changed(&self) {
        self.bump_documents();
        self.documents.store(true, Ordering::Relaxed);
        self.to_tell.notify_one();
    }

    fn bump_documents(&self) {
        self.document_work
            .send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Tells the others until told to stop.
    pub(super) async fn tell(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.to_tell.notified() => {}
            }
            for (flag, word) in [(&self.events, "committed"), (&self.documents, "documents")] {
                if flag.swap(false, Ordering::Relaxed)
                    && let Err(error) = self.server.bounded(self.notify(word)).await
                {
                    tracing::warn!(%error, word, "the other instances could not be woken; it is tried again");
                    flag.store(true, Ordering::Relaxed);
                    sleep(AFTER_FAILURE).await;
                    self.to_tell.notify_one();
                }
            }
        }
    }

    /// Nothing is written, so nothing need reach the disk.
    async fn notify(&self, word: &str) -> Result<(), StoreError> {
        sqlx::query("SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)")
            .bind(&self.channel)
            .bind(word)
            .execute(self.server.pool())
            .await?;
        Ok(())
    }

    /// Hears the others until told to stop; a lost connection is made anew.
    pub(super) async fn hear(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                ended = self.listen() => if let Err(error) = ended {
                    tracing::warn!(%error, "the connection that hears of new work was lost; it is made anew");
                },
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(AFTER_FAILURE) => {}
            }
        }
    }

    async fn listen(&self) -> Result<(), StoreError> {
        let mut listener = PgListener::connect_with(self.server.pool()).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        // What was said before.
        self.catch_up().await?;
        self.bump_documents();
        self.sequencer.wake();
        let mut beat = Instant::now() + HEARTBEAT;
        loop {
            match timeout_at(beat, listener.try_recv()).await {
                Ok(Ok(Some(heard))) => self.heard(heard.payload()),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_elapsed) => {
                    beat = Instant::now() + HEARTBEAT;
                    let asked = sqlx::query_scalar("SELECT version FROM schema_needs")
                        .fetch_one(&mut listener);
                    let needs = timeout(PATIENCE, asked)
                        .await
                        .map_err(|error| StoreError::Failed(error.into()))??;
                    self.server.heed(needs)?;
                    self.catch_up().await?;
                }
            }
        }
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let newest = self
            .server
            .bounded(newest_position(self.server.pool()))
            .await?;
        raise(&self.position, newest);
        Ok(())
    }

    fn heard(&self, word: &str) {
        match word {
            "committed" if self.sequencer.holds() => self.sequencer.wake(),
            "committed" => {}
            "released" => self.sequencer.wake(),
            "documents" => self.bump_documents(),
            _ => {
                let position = word
                    .strip_prefix("position ")
                    .and_then(|number| number.parse().ok());
                if let Some(position) = position {
                    raise(&self.position, position);
                }
            }
        }
    }
}
