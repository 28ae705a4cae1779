//! The CRM's own limit: so many calls in each second, told in headers of every answer.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);

/// Calls are counted in windows of a second.
#[derive(Debug)]
pub(super) struct CallLimit {
    calls: u32,
    window: Mutex<(Instant, u32)>,
}

/// What a call is told of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) taken: bool,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Whole seconds until the next window.
    pub(super) reset: u64,
}

impl CallLimit {
    pub(super) fn new(calls: NonZeroU32) -> Self {
        Self {
            calls: calls.get(),
            window: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Counts a call.
    pub(super) fn call(&self) -> Standing {
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        let taken = window.1 < self.calls;
        if taken {
            window.1 = window.1.saturating_add(1);
        }
        Standing {
            taken,
            limit: self.calls,
            remaining: self.calls.saturating_sub(window.1),
            reset: 1,
        }
    }
}
