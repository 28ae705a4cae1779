//! The one source of time. Everything that asks "what time is it" is given a [`Clock`], so that a
//! test can set it.
//!
//! The time of the system goes on steadily: it begins at the wall clock's and advances as the monotonic clock does.
//! When somebody sets the wall clock, leases, quiet periods and retries must not end early or late by as much. So the
//! difference is taken over little by little, at a twentieth of the time that passes: a lease of 15 s is wrong by 0.75 s
//! at most, and an hour is made good in twenty. Who is believed for how long (tokens, signed contexts) is a matter
//! between machines, and goes by [`Clock::wall`].

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// Of the time that passes, one in so many parts is given to making good what the wall clock differs.
const SLEW: i32 = 20;
/// A difference from which on an operator is told.
const JUMP: SignedDuration = SignedDuration::from_secs(1);

/// Tells the time; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

/// The time of this process, the same for all its clocks.
static STEADY: OnceLock<Mutex<Steady>> = OnceLock::new();

/// A time that goes on steadily.
#[derive(Debug)]
struct Steady {
    read: Instant,
    time: Timestamp,
    told: bool,
}

impl Steady {
    fn begin(read: Instant, wall: Timestamp) -> Self {
        Self {
            read,
            time: wall,
            told: false,
        }
    }

    /// The time at an instant at which the wall clock shows `wall`.
    fn advance(&mut self, read: Instant, wall: Timestamp) -> Timestamp {
        let passed = read.saturating_duration_since(self.read);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::ZERO);
        let steady = self.time.saturating_add(passed).unwrap_or(self.time);
        let differs = wall.duration_since(steady);
        self.tell(differs);
        let most = passed / SLEW;
        let made_good = differs.clamp(-most, most);
        self.time = steady.saturating_add(made_good).unwrap_or(steady);
        self.read = self.read.max(read);
        self.time
    }

    /// Once a jump, not once a look.
    fn tell(&mut self, differs: SignedDuration) {
        let jumped = differs.abs() >= JUMP;
        if jumped && !self.told {
            tracing::warn!(
                seconds = differs.as_secs(),
                "the wall clock was set; times go on steadily and take the difference over at a twentieth of the \
                 time that passes. Restart all layers to take it over at once"
            );
        }
        self.told = jumped;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that asks the system"
)]
fn system_wall() -> Timestamp {
    Timestamp::now()
}

fn system_steady() -> Timestamp {
    let begin = || Mutex::new(Steady::begin(Instant::now(), system_wall()));
    let mut steady = STEADY
        .get_or_init(begin)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    steady.advance(Instant::now(), system_wall())
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct ClockHandle(Arc<Mutex<Timestamp>>);

impl Clock {
    /// The time of the system.
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

    /// The time, which goes on steadily whatever becomes of the wall clock.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_steady(),
            Source::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The wall clock as it stands, for what another machine signed or checks.
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_wall(),
            Source::Manual(_) => self.now(),
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

    #[test]
    fn a_wall_clock_that_is_set_moves_the_time_by_a_twentieth_at_most() {
        let (read, wall) = (
            Instant::now(),
            "2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap(),
        );
        let after = |seconds| read + std::time::Duration::from_secs(seconds);
        let seconds = SignedDuration::from_secs;
        for hour in [seconds(3600), seconds(-3600)] {
            let mut steady = Steady::begin(read, wall);
            // A lease of 15 s, and the clock is set as it begins.
            let ends = wall + seconds(15);
            assert!(steady.advance(after(14), wall + hour + seconds(14)) < ends);
            assert!(steady.advance(after(16), wall + hour + seconds(16)) >= ends);
            // In the end it is as late as the wall clock says.
            let day = 24 * 3600_u64;
            let late = wall + hour + SignedDuration::from_hours(24);
            assert_eq!(steady.advance(after(day), late), late);
        }
    }

    #[test]
    fn the_time_never_goes_back_and_follows_a_wall_clock_that_is_right() {
        let (read, wall) = (
            Instant::now(),
            "2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap(),
        );
        let mut steady = Steady::begin(read, wall);
        let mut before = wall;
        for tenths in 1..200_u64 {
            let passed = std::time::Duration::from_millis(tenths * 100);
            // It shakes by a few milliseconds, as one that is kept right does.
            let shakes = SignedDuration::from_millis(i64::try_from(tenths % 5).unwrap() - 2);
            let shown = wall + SignedDuration::try_from(passed).unwrap() + shakes;
            let now = steady.advance(read + passed, shown);
            assert!(now > before);
            assert!(now.duration_since(shown).abs() < SignedDuration::from_millis(5));
            before = now;
        }
        assert_eq!(steady.advance(read, wall), before, "an instant of before");
    }
}
