//! Extra calls for reads that failed: at most one in ten, so that retries never feed an outage.

use std::sync::{Mutex, PoisonError};

/// What a retry costs, in tenths of a call.
const PRICE: u32 = 10;
/// The most that is saved up: ten retries.
const MOST: u32 = 100;

/// The retries that one backend's calls have earned: each call earns a tenth of one.
#[derive(Debug)]
pub(super) struct RetryBudget {
    tenths: Mutex<u32>,
}

impl Default for RetryBudget {
    /// One retry in hand.
    fn default() -> Self {
        Self {
            tenths: Mutex::new(PRICE),
        }
    }
}

impl RetryBudget {
    /// A call was made.
    pub(super) fn earn(&self) {
        let mut tenths = self.tenths.lock().unwrap_or_else(PoisonError::into_inner);
        *tenths = tenths.saturating_add(1).min(MOST);
    }

    /// Takes a retry if there is one.
    pub(super) fn spend(&self) -> bool {
        let mut tenths = self.tenths.lock().unwrap_or_else(PoisonError::into_inner);
        match tenths.checked_sub(PRICE) {
            Some(left) => {
                *tenths = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_failing_calls_cost_a_tenth_more() {
        let budget = RetryBudget::default();
        let retries = (0..1_000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert!((90..=101).contains(&retries), "{retries}");
    }
}
