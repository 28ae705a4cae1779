//! The sequencer: one instance at a time gives committed events their place in the feed and chains the audit trail. A
//! number taken before the commit would let a reader pass an event that commits later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use sqlx::{postgres::types::PgInterval, types::Json};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{super::StoreError, open::Server, value::count};

/// So many events and audit lines are taken in a transaction at most.
const BATCH: i32 = 1_000;
/// However quiet it is, the holder looks so often: the instance that committed may have ended before it could say so.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After a failure it is tried again so soon.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// The sequencer of one instance; it works while it holds the lease.
#[derive(Debug)]
pub(super) struct Sequencer {
    server: Server,
    /// New with every start: whoever finds another's name at the lease has been overtaken.
    me: Uuid,
    lease: Duration,
    /// Where readers listen.
    channel: String,
    position: watch::Sender<u64>,
    work: Notify,
    holds: AtomicBool,
}

/// What a run came to.
#[derive(Debug, Deserialize)]
struct Run {
    position: i64,
    more: bool,
}

impl Sequencer {
    pub(super) fn new(
        server: Server,
        channel: String,
        lease: Duration,
        position: watch::Sender<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            server,
            me: Uuid::new_v4(),
            lease,
            channel,
            position,
            work: Notify::new(),
            holds: AtomicBool::new(false),
        })
    }

    /// There is something to stamp, or the lease is free.
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Whether this instance held the lease when it last looked.
    pub(super) fn holds(&self) -> bool {
        self.holds.load(Ordering::Relaxed)
    }

    /// Works until told to stop, then leaves the lease to another.
    pub(super) async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = self.once().await;
            tokio::select! {
                () = stop.cancelled() => {}
                _ = timeout(wait, self.work.notified()) => {}
            }
        }
        if self.holds()
            && let Err(error) = self.release().await
        {
            tracing::warn!(%error, "the lease of the feed was not given back; it ends by itself");
        }
    }

    /// Stamps what there is, if it may; answers when to look again.
    async fn once(&self) -> Duration {
        loop {
            match self.server.bounded(self.stamp()).await {
                Ok(Some(run)) => {
                    if !self.holds.swap(true, Ordering::Relaxed) {
                        tracing::info!("this instance gives the feed its positions now");
                    }
                    raise(&self.position, count(run.position));
                    if !run.more {
                        return LOOK_AGAIN.min(self.lease / 3);
                    }
                }
                Ok(None) => {
                    self.holds.store(false, Ordering::Relaxed);
                    return self.lease / 3;
                }
                Err(error) => {
                    tracing::warn!(%error, "the feed could not be gone on with; it is tried again");
                    return AFTER_FAILURE;
                }
            }
        }
    }

    async fn stamp(&self) -> Result<Option<Run>, StoreError> {
        let lease = PgInterval {
            months: 0,
            days: 0,
            microseconds: i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX),
        };
        let run: Option<Json<Run>> = sqlx::query_scalar("SELECT sequence_events($1, $2, $3, $4)")
            .bind(self.me)
            .bind(lease)
            .bind(BATCH)
            .bind(&self.channel)
            .fetch_one(self.server.pool())
            .await?;
        Ok(run.map(|run| run.0))
    }

    async fn release(&self) -> Result<(), StoreError> {
        sqlx::query(
            "WITH released AS (UPDATE sequencer SET until = '-infinity' WHERE id = 1 AND holder = $1 RETURNING id)
             SELECT pg_notify($2, 'released') FROM released",
        )
        .bind(self.me)
        .bind(&self.channel)
        .execute(self.server.pool())
        .await?;
        Ok(())
    }
}

/// A position is never taken back, in whichever order its news arrive.
pub(super) fn raise(position: &watch::Sender<u64>, newest: u64) {
    position.send_if_modified(|known| {
        let newer = newest > *known;
        *known = newest.max(*known);
        newer
    });
}
