//! When what failed is tried again.

use jiff::SignedDuration;
use rand::Rng as _;

/// The pauses after the first, second, third … failure; the last one ever after. In seconds.
const PAUSES: [u32; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600];
/// Up to a fifth of a pause is taken off it, so that those who failed together do not come back together.
const SPREAD: u32 = 5;
/// The longest pause of a whole receiver: one that works again is not to wait for hours.
const LONGEST_OF_ALL: u32 = 1_800;
/// However long a receiver asks to be left alone, we look again after this.
const LONGEST_ASKED: SignedDuration = SignedDuration::from_hours(6);

/// After so many failures of one event (from 1).
pub(super) fn after(failures: u32) -> SignedDuration {
    spread(pause(failures))
}

/// After so many failures of a whole receiver (from 1).
pub(super) fn after_all(failures: u32) -> SignedDuration {
    spread(pause(failures).min(LONGEST_OF_ALL))
}

/// What a receiver asked for, within reason.
pub(super) fn asked(retry_after: SignedDuration) -> SignedDuration {
    retry_after.clamp(SignedDuration::ZERO, LONGEST_ASKED)
}

fn pause(failures: u32) -> u32 {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let longest = PAUSES.last().copied().unwrap_or_default();
    PAUSES.get(index).copied().unwrap_or(longest)
}

fn spread(seconds: u32) -> SignedDuration {
    let most = u64::from(seconds.saturating_mul(1_000).div_euclid(SPREAD));
    let off = rand::rng().random_range(0..=most);
    let millis = u64::from(seconds).saturating_mul(1_000).saturating_sub(off);
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_seconds_to_hours() {
        let within = |pause: SignedDuration, seconds: i64| {
            let longest = SignedDuration::from_secs(seconds);
            pause <= longest && pause >= longest * 4 / 5
        };
        for _ in 0..100 {
            assert!(within(after(1), 5));
            assert!(within(after(5), 1_800));
            assert!(within(after(9), 21_600));
            assert!(within(after(10_000), 21_600));
            assert!(within(after_all(1), 5));
            assert!(within(after_all(10_000), 1_800));
        }
        assert_eq!(asked(SignedDuration::from_secs(-1)), SignedDuration::ZERO);
        assert_eq!(asked(SignedDuration::from_hours(99)), LONGEST_ASKED);
    }

    #[test]
    fn within_72_hours_an_event_is_tried_often_enough() {
        let mut at = SignedDuration::ZERO;
        let mut attempts = 1_u32;
        while at < SignedDuration::from_hours(72) {
            at = at.saturating_add(after(attempts));
            attempts += 1;
        }
        assert!((18..=26).contains(&attempts), "{attempts}");
    }
}
