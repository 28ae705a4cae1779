//! How long to wait before something is tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// However long a backend asks us to stay away, we look again after this.
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
    /// The instant: doubled for each failure up to half a minute, half of it by chance so that many do not come at
    /// once.
    pub fn ends(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Until(instant) => instant,
            Self::BackOff {
                failures,
                retry_after,
            } => {
                let doubled =
                    FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
                let most = doubled.min(LONGEST);
                let own = most / 2 + rand::rng().random_range(Duration::ZERO..=most / 2);
                let own = SignedDuration::try_from(own).unwrap_or(SignedDuration::ZERO);
                let asked = retry_after
                    .unwrap_or_default()
                    .clamp(SignedDuration::ZERO, LONGEST_ASKED);
                now.saturating_add(asked.saturating_add(own)).unwrap_or(now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_to_its_bound_and_honours_what_the_backend_asked() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let length = |failures, retry_after| {
            Pause::BackOff {
                failures,
                retry_after,
            }
            .ends(now)
            .duration_since(now)
        };
        for _ in 0..100 {
            assert!(length(1, None) <= SignedDuration::from_millis(200));
            assert!(length(3, None) >= SignedDuration::from_millis(400));
            assert!(length(1_000, None) <= SignedDuration::from_secs(30));
            assert!(length(1_000, None) >= SignedDuration::from_secs(15));
            assert!(length(1, Some(SignedDuration::from_secs(7))) >= SignedDuration::from_secs(7));
            assert!(
                length(1, Some(SignedDuration::from_hours(9))) <= SignedDuration::from_secs(301)
            );
            assert!(length(1, Some(SignedDuration::from_secs(-9))) >= SignedDuration::ZERO);
        }
    }
}
