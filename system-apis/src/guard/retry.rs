//! Extra calls for reads that failed: at most one in ten, so that retries never feed an outage.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde::Serialize;
use utoipa::ToSchema;

/// What a retry costs, in tenths of a call.
const PRICE: u32 = 10;
/// The most that is saved up: ten retries.
const MOST: u32 = 100;

/// The retries that one backend's calls have earned: each call earns a tenth of one.
#[derive(Debug)]
pub(super) struct RetryBudget {
    tenths: Mutex<u32>,
    spent: AtomicU64,
}

/// Extra calls for reads that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RetryStatus {
    /// How many may be made now. Ten calls earn one.
    pub available: u32,
    /// How many were made since the process started.
    pub spent: u64,
}

impl Default for RetryBudget {
    /// One retry in hand.
    fn default() -> Self {
        Self {
            tenths: Mutex::new(PRICE),
            spent: AtomicU64::new(0),
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
                self.spent.fetch_add(1, Ordering::Relaxed);
                true
            }
            None => false,
        }
    }

    /// What is in hand, and what was spent.
    pub(super) fn status(&self) -> RetryStatus {
        let tenths = self.tenths.lock().unwrap_or_else(PoisonError::into_inner);
        RetryStatus {
            available: *tenths / PRICE,
            spent: self.spent.load(Ordering::Relaxed),
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
