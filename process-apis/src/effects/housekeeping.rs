//! What is tidied up beside the requests: reservations that have run out, and rows past their time.

use std::time::Duration;

use service_runtime::telemetry::error_chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{crash_points, promise::reservations, state::AppState, store::StoreError};

/// So many reservations end at a time.
const BATCH: u16 = 200;

/// Tidies up until it is stopped.
pub async fn run(state: AppState, stop: CancellationToken) {
    tokio::join!(expire_reservations(&state, &stop), sweep(&state, &stop));
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn expire_reservations(state: &AppState, stop: &CancellationToken) {
    let mut ticks = every(state.config.housekeeping.reservations_every.get());
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) =
            reservations::expire_due(state.store.as_ref(), &state.clock, BATCH).await
        {
            let error = error_chain(&error);
            tracing::warn!(
                error,
                "reservations that have run out could not be released; it is tried again"
            );
        }
    }
}

async fn sweep(state: &AppState, stop: &CancellationToken) {
    let mut ticks = every(state.config.housekeeping.sweep_every.get());
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = sweep_all(state, stop).await {
            let error = error_chain(&error);
            tracing::warn!(
                error,
                "rows past their time could not be deleted; it is tried again"
            );
        }
    }
}

/// A share at a time, so that other commands get their turn, until nothing is past its time: more may come in a
/// period than one share holds.
async fn sweep_all(state: &AppState, stop: &CancellationToken) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let deleted = state.store.sweep(state.clock.now());
        let deleted = crash_points::SWEEP.run(deleted).await?;
        if deleted == 0 {
            break;
        }
        tracing::debug!(deleted, "rows past their time are deleted");
    }
    Ok(())
}
