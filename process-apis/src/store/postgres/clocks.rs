//! Whether this instance's clock is the server's. Leases, quiet periods and pauses go by each instance's own clock: of two
//! that differ, one would take over what the other still does. So an instance leases nothing and begins no attempt unless
//! its clock is shown to be within a second of the server's, which all instances share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use service_runtime::clock::Clock;
use sqlx::PgPool;

use super::{
    super::StoreError,
    value::{broken, instant},
};

/// So far apart two clocks may be. A lease outlasts the calls under it by twice as much.
const MOST: SignedDuration = SignedDuration::from_secs(1);
/// An answer that took too long shows nothing; the server is asked so often.
const TRIES: u32 = 3;

/// The clock of this instance, beside the server's.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    clock: Clock,
    told: Arc<AtomicBool>,
}

impl Clocks {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            told: Arc::default(),
        }
    }

    /// Refused where the two are apart, or cannot be shown not to be.
    pub(super) async fn compare(&self, pool: &PgPool) -> Result<(), StoreError> {
        let mut connection = pool.acquire().await?;
        for _ in 0..TRIES {
            let before = self.clock.now();
            let shown: i64 = sqlx::query_scalar(
                "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint",
            )
            .fetch_one(&mut *connection)
            .await?;
            let ahead = Ahead::of(before, instant(shown)?, self.clock.now());
            metrics::gauge!("orderway_store_clock_ahead_seconds").set(ahead.middle().as_secs_f64());
            if ahead.is_within(MOST) {
                self.tell(None);
                return Ok(());
            }
            if let Some(apart) = ahead.is_beyond(MOST) {
                self.tell(Some(apart));
                return Err(StoreError::ClocksApart(apart));
            }
        }
        Err(broken("PostgreSQL took too long to tell its time"))
    }

    /// Once a change, not once a look.
    fn tell(&self, apart: Option<SignedDuration>) {
        if self.told.swap(apart.is_some(), Ordering::Relaxed) == apart.is_some() {
            return;
        }
        match apart {
            Some(apart) => {
                let error = StoreError::ClocksApart(apart);
                tracing::error!(%error, "this instance is not ready and takes up no work");
            }
            None => tracing::info!("this instance's clock is the database server's again"),
        }
    }
}

/// How far our clock is ahead of the server's: between these two, since the answer took its time.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    least: SignedDuration,
    most: SignedDuration,
}

impl Ahead {
    fn of(before: Timestamp, server: Timestamp, after: Timestamp) -> Self {
        Self {
            least: before.duration_since(server),
            most: after.duration_since(server),
        }
    }

    fn middle(self) -> SignedDuration {
        self.least.saturating_add(self.most) / 2
    }

    fn is_within(self, bound: SignedDuration) -> bool {
        self.least >= -bound && self.most <= bound
    }

    /// By how much at least, in whole seconds, if it is certain.
    fn is_beyond(self, bound: SignedDuration) -> Option<SignedDuration> {
        let nearest = if self.least > bound {
            self.least
        } else if self.most < -bound {
            self.most
        } else {
            return None;
        };
        Some(SignedDuration::from_secs(nearest.abs().as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(least: i64, most: i64) -> Ahead {
        let seconds = |tenths: i64| SignedDuration::from_millis(tenths * 100);
        Ahead {
            least: seconds(least),
            most: seconds(most),
        }
    }

    #[test]
    fn only_what_an_answer_shows_is_said_of_the_clocks() {
        let one = SignedDuration::from_secs(1);
        // In tenths of a second: within, apart, or not shown.
        for (least, most, within, beyond) in [
            (-1, 1, true, None),
            (-10, 10, true, None),
            (-11, 9, false, None),
            (-300, 1, false, None),
            (-6000, -5999, false, Some(599)),
            (-30, -11, false, Some(1)),
            (25, 26, false, Some(2)),
        ] {
            let ahead = ahead(least, most);
            assert_eq!(ahead.is_within(one), within, "{ahead:?}");
            let beyond = beyond.map(SignedDuration::from_secs);
            assert_eq!(ahead.is_beyond(one), beyond, "{ahead:?}");
        }
    }
}
