//! How long to wait before something is tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// However short a backend asks us to stay away …
const SHORTEST_ASKED: SignedDuration = SignedDuration::from_millis(100);
/// … and however long, we look again after this.
const LONGEST_ASKED: SignedDuration = SignedDuration::from_mins(5);

/// When an effect goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// At an instant: a quiet period has then passed.
    Until(Timestamp),
    /// After so many failures in a row, and not before the backend said.
    BackOff {
        /// Failures in a row.
        failures: u32,
        /// What the backend said.
        retry_after: Option<SignedDuration>,
    },
}

impl Pause {
    /// The instant: anything up to a bound that is doubled for each failure, up to half a minute. All of it is chance, so
    /// that many do not come at once; what the backend said comes before it.
    pub fn ends(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Until(instant) => instant,
            Self::BackOff {
                failures,
                retry_after,
            } => {
                let doubled =
                    FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
                let own = rand::rng().random_range(Duration::ZERO..=doubled.min(LONGEST));
                let own = SignedDuration::try_from(own).unwrap_or(SignedDuration::ZERO);
                let asked = retry_after
                    .map(|asked| asked.clamp(SHORTEST_ASKED, LONGEST_ASKED))
                    .unwrap_or_default();
                now.saturating_add(asked.saturating_add(own)).unwrap_or(now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shortest and the longest of many, in milliseconds.
    fn lengths(failures: u32, retry_after: Option<SignedDuration>) -> (i128, i128) {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let pause = Pause::BackOff {
            failures,
            retry_after,
        };
        let lengths = (0..500).map(|_| pause.ends(now).duration_since(now).as_millis());
        let (mut shortest, mut longest) = (i128::MAX, 0);
        for length in lengths {
            (shortest, longest) = (shortest.min(length), longest.max(length));
        }
        (shortest, longest)
    }

    #[test]
    fn a_pause_is_anything_up_to_a_bound_that_grows() {
        for (failures, bound) in [
            (1, 200),
            (2, 400),
            (4, 1_600),
            (8, 25_600),
            (9, 30_000),
            (1_000, 30_000),
        ] {
            let (shortest, longest) = lengths(failures, None);
            assert!(shortest < bound / 10, "{failures}: {shortest} of {bound}");
            assert!(longest > bound / 10 * 9, "{failures}: {longest} of {bound}");
            assert!(longest <= bound, "{failures}: {longest} of {bound}");
        }
    }

    #[test]
    fn what_the_backend_asked_for_comes_before_it() {
        for (asked, heeded) in [
            (7_000, 7_000),
            (9 * 3_600_000, 300_000),
            (0, 100),
            (-9_000, 100),
        ] {
            let (shortest, longest) = lengths(3, Some(SignedDuration::from_millis(asked)));
            assert!(shortest >= heeded, "{asked}: {shortest}");
            assert!(
                longest <= heeded + 800 && longest > shortest,
                "{asked}: {longest}"
            );
        }
    }
}
