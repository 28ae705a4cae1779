//! Placing orders from stored documents: nobody waits at the other end, so what fails for a moment is tried again, and
//! an answer of the layer below is either the partner's or a reason to come back.

use std::time::Duration;

use rand::Rng as _;
use service_runtime::{http_client::HopError, problem::Problem};

use crate::clients::process::CallError;

/// Attempts at one call under one lease.
const ATTEMPTS: u32 = 3;
/// Between two of them, doubled each time; the layer below may ask for more.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What a problem means for an order that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The partner is told why.
    Refused,
    /// An earlier attempt took it.
    TakenAsItWas,
    /// It is tried again: what was received is a promise.
    Later,
}

/// What a problem of taking or changing an order means.
pub(crate) fn verdict(problem: &Problem) -> Verdict {
    match (problem.status, problem.code.as_str()) {
        (_, "idempotency-key-reused") => Verdict::TakenAsItWas,
        (_, "request-in-progress") => Verdict::Later,
        (400 | 409 | 413 | 422, _) => Verdict::Refused,
        _ => Verdict::Later,
    }
}

/// Calls until it is settled, a few times at most.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match call().await {
            Err(error) if is_passing(&error) => {
                let wait = asked_wait(&error).unwrap_or(pause).min(LONGEST_PAUSE);
                let jitter = rand::rng().random_range(0..100);
                tokio::time::sleep(wait.saturating_add(Duration::from_millis(jitter))).await;
                pause = pause.saturating_mul(2);
            }
            settled => return settled,
        }
    }
    call().await
}

/// Whether it may go well in a moment.
fn is_passing(error: &CallError) -> bool {
    match &error.0 {
        HopError::Problem(problem) => match verdict(problem) {
            // A wrong credential or a missing account does not come right in seconds.
            Verdict::Later => problem.retryable,
            Verdict::Refused | Verdict::TakenAsItWas => false,
        },
        HopError::Timeout | HopError::TooLate | HopError::Connect(_) | HopError::Protocol(..) => {
            true
        }
        HopError::Build(_) => false,
    }
}

fn asked_wait(error: &CallError) -> Option<Duration> {
    match &error.0 {
        HopError::Problem(problem) => problem
            .retry_after
            .and_then(|after| Duration::try_from(after).ok()),
        _ => None,
    }
}
