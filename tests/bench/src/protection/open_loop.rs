//! An open loop: requests go out by the clock, whatever became of those before, and their time counts from when they were to
//! go out, so that a server that stalls is not spared the requests that it holds up.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

/// How requests go out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How many a second.
    pub(crate) per_second: u32,
    /// For how long.
    pub(crate) lasts: Duration,
    /// How many may be under way; more are not sent, and are told apart.
    pub(crate) in_flight: usize,
    /// How long one is waited for.
    pub(crate) patience: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered; with what was seen in it, where it was looked at.
    Answered(Option<Seen>),
    /// It was answered otherwise: a status, or what else there is to tell.
    Refused(String),
    /// No answer came in time.
    Lost,
    /// Too many were under way.
    NotSent,
}

/// What an answer says of facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The age of the oldest fact in it.
    pub(crate) oldest: Option<Duration>,
    /// Products in it.
    pub(crate) products: usize,
    /// Those of them whose price was not known.
    pub(crate) unpriced: usize,
    /// Those of them whose stock was not known.
    pub(crate) unstocked: usize,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// What kind it was of.
    pub(crate) kind: &'static str,
    /// From when it was to go out until its answer was there in whole.
    pub(crate) took: Duration,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// Sends until the time is over, and waits for what is under way then.
pub(crate) async fn drive<A, F>(
    pace: Pace,
    mut next: impl FnMut() -> (&'static str, A),
    send: impl Fn(A) -> F,
) -> Vec<Sample>
where
    F: Future<Output = anyhow::Result<Outcome>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(pace.in_flight));
    let apart = Duration::from_secs(1)
        .checked_div(pace.per_second)
        .unwrap_or_default();
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    let mut samples = Vec::new();
    for number in 0_u32.. {
        let due = begun + apart.saturating_mul(number);
        if due.duration_since(begun) >= pace.lasts {
            break;
        }
        tokio::time::sleep_until(due).await;
        let (kind, ask) = next();
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            samples.push(Sample {
                kind,
                took: Duration::ZERO,
                outcome: Outcome::NotSent,
            });
            continue;
        };
        let sent = send(ask);
        under_way.spawn(async move {
            let outcome = match tokio::time::timeout_at(due + pace.patience, sent).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(error)) => Outcome::Refused(cause(&error)),
                Err(_elapsed) => Outcome::Lost,
            };
            drop(place);
            Sample {
                kind,
                took: due.elapsed(),
                outcome,
            }
        });
        while let Some(Ok(sample)) = under_way.try_join_next() {
            samples.push(sample);
        }
    }
    while let Some(done) = under_way.join_next().await {
        samples.extend(done.ok());
    }
    samples
}

/// What lies at the bottom of an error, which is the same for many.
fn cause(error: &anyhow::Error) -> String {
    error.root_cause().to_string()
}
