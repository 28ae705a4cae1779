//! Where the sandbox takes the time from, so that a test can set it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A source of the current instant.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

/// Moves the time of the [`Clock`] it came with.
#[derive(Clone, Debug)]
pub struct ClockHandle(Arc<Mutex<Timestamp>>);

impl Clock {
    /// The machine's own time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the sandbox reads the machine's time"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// Any function as a clock.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that stands still until its handle moves it.
    pub fn fixed(at: Timestamp) -> (Self, ClockHandle) {
        let handle = ClockHandle(Arc::new(Mutex::new(at)));
        let reader = handle.clone();
        (Self::from_fn(move || reader.get()), handle)
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// The current day, in UTC.
    pub fn today(&self) -> Date {
        self.now().to_zoned(TimeZone::UTC).date()
    }
}

impl ClockHandle {
    /// The instant the clock stands at.
    pub fn get(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the clock to an instant.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Moves the clock on; at the end of time it stays there.
    pub fn advance(&self, by: SignedDuration) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at = at.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
