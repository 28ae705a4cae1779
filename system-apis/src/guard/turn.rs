//! The backend calls of one connector method: the first has its slot when the method begins, each further one waits for
//! another, so that the budget holds however many calls a backend's dialect needs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Guard,
    budget::Slot,
    lane::{Lane, Ride},
    queue::Claimant,
};
use crate::connector::ConnectorError;

tokio::task_local! {
    static TURN: Arc<Turn>;
}

/// A connector's turn at its backend.
#[derive(Debug)]
pub(super) struct Turn {
    guard: Arc<Guard>,
    operation: &'static str,
    lane: Lane,
    by: Instant,
    first: Mutex<Option<Slot>>,
    waited: Mutex<Duration>,
}

impl Turn {
    /// A turn that has its first slot, and may wait for more until `by`.
    pub(super) fn new(
        guard: Arc<Guard>,
        operation: &'static str,
        lane: Lane,
        by: Instant,
        first: Slot,
    ) -> Arc<Self> {
        Arc::new(Self {
            guard,
            operation,
            lane,
            by,
            first: Mutex::new(Some(first)),
            waited: Mutex::new(Duration::ZERO),
        })
    }

    /// Runs a connector's method in this turn.
    pub(super) async fn run<F: Future>(self: Arc<Self>, method: F) -> F::Output {
        TURN.scope(self, method).await
    }

    /// How long it has waited for further slots: not the backend's time.
    pub(super) fn waited(&self) -> Duration {
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn slot(&self) -> Result<Slot, ConnectorError> {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(first) = first {
            return Ok(first);
        }
        let since = Instant::now();
        // A free place would be given out however late it is.
        if since >= self.by {
            return Err(ConnectorError::NoSlot);
        }
        let further = Claimant {
            operation: self.operation,
            has_begun: true,
        };
        let slot = self
            .guard
            .budget()
            .slot(&Ride::new(self.lane), further, self.by)
            .await;
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += since.elapsed();
        let slot = slot.map_err(|_refused| ConnectorError::NoSlot)?;
        self.guard.count(self.operation, self.lane, "further");
        Ok(slot)
    }
}

/// The slot of the next call of this connector method; nothing where no guard has called it, as in a connector's own
/// tests. Who sends holds it until the answer is read.
pub(crate) async fn slot() -> Result<Option<Slot>, ConnectorError> {
    match TURN.try_with(Arc::clone) {
        Ok(turn) => turn.slot().await.map(Some),
        Err(_outside) => Ok(None),
    }
}
