//! How fast a backend may be asked at most: the share of its budget that this instance has, cut while the backend is slow
//! or asks for less. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Slots are this share of a second further apart than the budget says, so that jitter on the way does not make one
/// second at the backend hold more calls than the budget: 100 / 95.
const SPACING_PERCENT: u64 = 95;
/// All of the share.
const WHOLE: u32 = 1_000;
/// What is left of the pace after each cut, in thousandths of what it was.
const CUT: u32 = 750;
/// What it gains by each step back, in thousandths of the share.
const STEP: u32 = 100;
/// Cuts, and steps back, are at least so far apart.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pace of calls to one backend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    share: u32,
    /// The share is leased until then; after that at most `stated` of it is used.
    leased_until: Option<Instant>,
    stated: u32,
    floor: u32,
    thousandths: u32,
    changed: Option<Instant>,
}

impl Pace {
    /// The whole stated share, of which at least `floor_percent` stay when it is cut.
    pub(super) fn new(stated: u32, floor_percent: u8) -> Self {
        Self {
            share: stated,
            leased_until: None,
            stated,
            floor: u32::from(floor_percent.clamp(1, 100)) * WHOLE / 100,
            thousandths: WHOLE,
            changed: None,
        }
    }

    /// The time between two slots; none while there is no share.
    pub(super) fn spacing(&self, now: Instant) -> Option<Duration> {
        let rate = u64::from(self.share(now)) * u64::from(self.thousandths) * SPACING_PERCENT;
        let nanos = 1_000_000_000_u64 * 100 * u64::from(WHOLE);
        nanos.checked_div(rate).map(Duration::from_nanos)
    }

    /// Calls a second that this instance may make.
    pub(super) fn share(&self, now: Instant) -> u32 {
        match self.leased_until {
            Some(end) if now >= end => self.share.min(self.stated),
            _ => self.share,
        }
    }

    /// Whether the share is leased, and the lease lasts.
    pub(super) fn is_leased(&self, now: Instant) -> bool {
        self.leased_until.is_some_and(|end| now < end)
    }

    /// Another share from now on, until a lease ends; no lease = the stated share.
    pub(super) fn set_share(&mut self, lease: Option<(u32, Instant)>) {
        (self.share, self.leased_until) = match lease {
            Some((share, end)) => (share, Some(end)),
            None => (self.stated, None),
        };
    }

    /// How much of the share is used at most, in percent.
    pub(super) fn percent(&self) -> u32 {
        self.thousandths / 10
    }

    /// The backend was slow, or asked for less. Whether that is news.
    pub(super) fn cut(&mut self, now: Instant) -> bool {
        let lower = (self.thousandths * CUT / WHOLE).max(self.floor);
        if lower == self.thousandths || !self.may_change(now) {
            return false;
        }
        self.thousandths = lower;
        self.changed = Some(now);
        true
    }

    /// The backend was well.
    pub(super) fn rise(&mut self, now: Instant) {
        if self.thousandths < WHOLE && self.may_change(now) {
            self.thousandths = (self.thousandths + STEP).min(WHOLE);
            self.changed = Some(now);
        }
    }

    fn may_change(&self, now: Instant) -> bool {
        self.changed
            .is_none_or(|changed| now.duration_since(changed) >= PATIENCE)
    }
}

/// How long the calls of an operation usually take, and whether they take much longer now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latency {
    seen: u32,
    usual: u64,
    recent: u64,
}

/// Calls before a backend is judged.
const ENOUGH: u32 = 8;
/// Slow is so many times the usual …
const SLOW: u64 = 3;
/// … and this much, in microseconds.
const AT_LEAST: u64 = 50_000;

impl Latency {
    /// Notes how long a call took that failed: as slow it counts, as fast it says nothing.
    pub(super) fn note_failure(&mut self, took: Duration) -> bool {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.seen > 0 && micros > self.usual && self.note(took)
    }

    /// Notes how long a call took. Whether the backend is slow now.
    pub(super) fn note(&mut self, took: Duration) -> bool {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 8);
        let took = took.min(u64::MAX / 8);
        if self.seen == 0 {
            (self.usual, self.recent) = (took, took);
        }
        self.seen = self.seen.saturating_add(1);
        // Quick to believe that it is fast, slow to believe that it is slow for good.
        self.usual = if took < self.usual {
            self.usual - (self.usual - took) / 8
        } else {
            self.usual + (took - self.usual) / 128
        };
        self.recent = if took < self.recent {
            self.recent - (self.recent - took) / 4
        } else {
            self.recent + (took - self.recent) / 4
        };
        self.seen > ENOUGH && self.recent > self.usual.saturating_mul(SLOW).saturating_add(AT_LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_falls_fast_to_its_floor_and_comes_back_gently_to_its_share_and_never_beyond() {
        let mut pace = Pace::new(20, 25);
        let mut seen = Vec::new();
        for _ in 0..8 {
            pace.cut(Instant::now());
            pace.cut(Instant::now());
            seen.push(pace.percent());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(seen, [75, 56, 42, 31, 25, 25, 25, 25]);
        seen.clear();
        for _ in 0..9 {
            pace.rise(Instant::now());
            pace.rise(Instant::now());
            seen.push(pace.percent());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(seen, [35, 45, 55, 65, 75, 85, 95, 100, 100]);
        let now = Instant::now();
        assert_eq!(pace.spacing(now), Pace::new(20, 25).spacing(now));
    }

    #[test]
    fn slow_is_held_against_the_usual_and_becomes_the_usual_in_time() {
        let mut latency = Latency::default();
        for _ in 0..20 {
            assert!(!latency.note(Duration::from_millis(40)));
        }
        assert!(!latency.note(Duration::from_millis(300)), "once is chance");
        let slow = (0..500).filter(|_| latency.note(Duration::from_millis(300)));
        let slow = slow.count();
        assert!((10..200).contains(&slow), "{slow} calls were called slow");
        assert!(!latency.note(Duration::from_millis(300)), "now it is usual");
        assert!(!latency.note(Duration::from_millis(40)));
    }
}
