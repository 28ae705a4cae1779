//! The one source of time. Everything that asks "what time is it" is given a [`Clock`], so that a
//! test can set it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// Tells the time; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct ClockHandle(Arc<Mutex<Timestamp>>);

impl Clock {
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until its handle moves it.
    pub fn fixed(at: Timestamp) -> (Self, ClockHandle) {
        let shared = Arc::new(Mutex::new(at));
        (
            Self(Source::Manual(Arc::clone(&shared))),
            ClockHandle(shared),
        )
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The business date in a zone.
    pub fn today(&self, zone: &TimeZone) -> civil::Date {
        zone.to_datetime(self.now()).date()
    }
}

impl ClockHandle {
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Moves the clock; backwards when the duration is negative. Saturates at the ends of time.
    pub fn advance(&self, by: SignedDuration) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at = at.saturating_add(by).unwrap_or(*at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_by_its_handle() {
        let start: Timestamp = "2026-03-01T23:30:00Z".parse().unwrap();
        let (clock, handle) = Clock::fixed(start);
        assert_eq!(clock.now(), start);
        handle.advance(SignedDuration::from_hours(1));
        assert_eq!(clock.now().to_string(), "2026-03-02T00:30:00Z");
        handle.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn the_date_is_the_zone_s_own() {
        let (clock, _handle) = Clock::fixed("2026-03-01T23:30:00Z".parse().unwrap());
        assert_eq!(clock.today(&TimeZone::UTC).to_string(), "2026-03-01");
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(clock.today(&berlin).to_string(), "2026-03-02");
    }
}
