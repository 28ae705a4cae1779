//! Reads one source's changes on from its cursor, and delivers each page with its step.

use std::time::Duration;

use async_trait::async_trait;
use canonical_model::{ShipmentNumber, intake::CursorStep, shipment::ShipmentNews};
use service_runtime::{http_client::HopError, telemetry::error_chain};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    PollConfig,
    door::{Delivered, Door},
    memory::Memory,
    watermark::{Next, Scan},
};
use crate::{
    guard::GuardError,
    intake::feed::{Change, From, Page, Stamp, Told, Unread},
};

/// So many shipments are looked for at once.
const MOST_SOUGHT: usize = 100;
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How much less often one reads who was not first: another is at it.
const SECOND: u32 = 4;

/// A change feed behind its guard.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// As of the feed.
    async fn changes(&self, from: From) -> Result<Page, GuardError>;
    /// As of the feed.
    async fn missing(
        &self,
        shipments: Vec<ShipmentNumber>,
    ) -> Result<Vec<ShipmentNumber>, GuardError>;
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("the source's changes cannot be read")]
    Source(#[from] GuardError),
    #[error("process-apis do not take what was read")]
    Door(#[from] HopError),
}

/// What a look brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new.
    Quiet,
    /// Something was delivered.
    Told,
    /// Another instance moved the cursor meanwhile; it has delivered what lies before it.
    Second,
}

/// Reads one source.
pub struct Reader<S, D> {
    name: String,
    source: S,
    door: D,
    config: PollConfig,
    memory: Memory,
    newest: Option<Stamp>,
    /// Where the cursor stood when it was last looked at.
    left: Option<Option<String>>,
    second: bool,
    swept: Instant,
}

impl<S: Source, D: Door> Reader<S, D> {
    /// Of a source, by its name.
    pub fn new(name: String, source: S, door: D, config: PollConfig) -> Self {
        Self {
            name,
            source,
            door,
            config,
            memory: Memory::default(),
            newest: None,
            left: None,
            second: false,
            swept: Instant::now(),
        }
    }

    /// Reads until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        while let Some(look) = stop.run_until_cancelled(self.look_and_sweep()).await {
            failures = match look {
                Ok(_) => 0,
                Err(error) => {
                    let (source, error) = (self.name.as_str(), error_chain(&error));
                    tracing::warn!(
                        source,
                        error,
                        "changes cannot be read on; it is tried again"
                    );
                    failures.saturating_add(1)
                }
            };
            let pause = jittered(self.pause(failures));
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn look_and_sweep(&mut self) -> Result<Look, ReadError> {
        let look = self.look().await?;
        if self.swept.elapsed() >= self.config.sweep.get() {
            self.sweep().await?;
            self.swept = Instant::now();
        }
        Ok(look)
    }

    pub(super) fn pause(&self, failures: u32) -> Duration {
        let interval = self.config.interval.get();
        let usual = if self.second {
            interval.saturating_mul(SECOND)
        } else {
            interval
        };
        let longer = interval.saturating_mul(2_u32.saturating_pow(failures));
        usual.max(longer.min(LONGEST_PAUSE.max(interval)))
    }

    /// Reads everything that is visible now, and delivers what this reader has not delivered yet.
    pub(super) async fn look(&mut self) -> Result<Look, ReadError> {
        let mut stands = self.door.cursor().await?;
        if self.left.as_ref().is_some_and(|left| *left != stands) {
            self.second = true;
        }
        self.left = Some(stands.clone());
        let mark = stands.as_deref().and_then(Stamp::parse);
        if mark.is_none() && stands.is_some() {
            let source = self.name.as_str();
            tracing::warn!(source, cursor = ?stands, "the cursor is none of ours: all is read again");
        }
        let mut scan = Scan::begin(mark, self.newest, self.overlap());
        let mut look = Look::Quiet;
        loop {
            let page = self.source.changes(scan.from()).await?;
            let next = scan.read(&page);
            let to = scan.mark().map(|mark| mark.to_string());
            let step = to.filter(|to| Some(to) != stands.as_ref());
            let step = step.map(|to| CursorStep {
                from: stands.clone(),
                to,
            });
            if let Some(delivered) = self.deliver(page.changes, step.clone()).await? {
                if delivered == Delivered::CursorMoved {
                    self.second = true;
                    return Ok(Look::Second);
                }
                look = Look::Told;
            }
            self.newest = scan.newest();
            if let Some(step) = step {
                self.second = false;
                stands = Some(step.to);
                self.left = Some(stands.clone());
                if let Some(mark) = scan.mark() {
                    self.memory.forget_before(mark);
                }
            }
            if next == Next::Rest {
                return Ok(look);
            }
        }
    }

    /// Delivers what is new of a page; None = nothing had to be.
    async fn deliver(
        &mut self,
        mut changes: Vec<Change>,
        step: Option<CursorStep>,
    ) -> Result<Option<Delivered>, ReadError> {
        changes.retain(|change| !self.memory.knows(change));
        let places: Vec<_> = changes.iter().map(|change| change.at.clone()).collect();
        let (mut shipments, mut unread) = (Vec::<ShipmentNews>::new(), Vec::<Unread>::new());
        for change in changes {
            match change.told {
                Told::Shipment(shipment) => shipments.push(*shipment),
                Told::Unreadable(one) => unread.push(one),
                Told::NotOurs => {}
            }
        }
        let delivered = if shipments.is_empty() && unread.is_empty() && step.is_none() {
            None
        } else {
            let delivered = self.door.deliver(shipments.clone(), unread, step).await?;
            if delivered == Delivered::CursorMoved {
                return Ok(Some(delivered));
            }
            Some(delivered)
        };
        shipments
            .iter()
            .for_each(|shipment| self.memory.note(shipment));
        self.memory.delivered(places);
        Ok(delivered)
    }

    /// Looks for the shipments that are known to be open, and tells of those that are gone.
    pub(super) async fn sweep(&mut self) -> Result<(), ReadError> {
        for some in self.memory.open().chunks(MOST_SOUGHT) {
            let missing = self.source.missing(some.to_vec()).await?;
            if some.len() > 1 && missing.len() == some.len() {
                // More likely its user may not see them any more than that all were deleted.
                let source = self.name.as_str();
                tracing::error!(
                    source,
                    "none of the open shipments is shown any more: not believed"
                );
                continue;
            }
            let gone = self.memory.missed(some, &missing);
            if gone.is_empty() {
                continue;
            }
            for shipment in &gone {
                let (source, shipment) = (self.name.as_str(), shipment.shipment.as_str());
                tracing::warn!(source, shipment, "an open shipment is no longer there");
            }
            self.door.deliver(gone.clone(), Vec::new(), None).await?;
            self.memory.gone(&gone);
        }
        Ok(())
    }

    fn overlap(&self) -> i64 {
        i64::try_from(self.config.overlap.get().as_micros()).unwrap_or(i64::MAX)
    }
}

/// Within a quarter: instances that started together do not stay together.
fn jittered(pause: Duration) -> Duration {
    pause.saturating_mul(rand::random_range(75..=125)) / 100
}
