//! Runs what carries an idempotency key, once: joined in process while it runs, settled across instances by the unique
//! key at commit, replayed from the stored answer afterwards.
//!
//! The work runs in a task of its own that requests only await, so a client that hangs up changes nothing, for itself
//! or for those who joined. Only an answer that was committed is stored: whatever wrote nothing may be tried again.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use service_runtime::{
    clock::Clock,
    context::CallContext,
    extract::{IdempotencyKey, Json},
    problem::{Problem, codes},
    trace::RequestScope,
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::{
    error,
    store::{IdempotencyAnswer, Store, StoreError},
};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a repetition waits for the first before it is told to come again.
const JOIN_TIME: Duration = Duration::from_secs(10);
/// How much may run at once.
const MAX_RUNNING: usize = 10_000;

/// Whose key it is, for which operation, and what was asked.
#[derive(Debug, Clone)]
pub struct Keyed {
    scope: String,
    key: String,
    fingerprint: String,
}

/// The answer to a keyed request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// What it is about.
    pub subject: Option<Uuid>,
    /// Whether it was given before under this key.
    pub replayed: bool,
    /// Whether it was given before to the same order under another key.
    pub duplicate: bool,
}

/// Why work came to no answer of its own.
#[derive(Debug)]
pub enum WorkError {
    /// Another instance was first with the key.
    KeyUsed(Box<IdempotencyAnswer>),
    /// It failed, or was refused; nothing was written.
    Problem(Problem),
}

impl From<Problem> for WorkError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyUsed(answer) => Self::KeyUsed(answer),
            other => Self::Problem(error::store_problem(&other)),
        }
    }
}

impl Keyed {
    /// The key of a caller's request. `operation` names what is done, with the object where there is one, so that a
    /// key never crosses callers or operations.
    pub fn new(
        caller: &CallContext,
        operation: &str,
        key: &IdempotencyKey,
        body: &impl Serialize,
    ) -> Result<Self, Problem> {
        let company = caller.company.as_deref().unwrap_or("-");
        let scope = format!(
            "{company}/{}/{}/{operation}",
            caller.channel, caller.principal
        );
        let fingerprint = fingerprint(operation, body)?;
        Ok(Self {
            scope,
            key: key.as_str().to_owned(),
            fingerprint,
        })
    }

    /// The answer as the commit of the work stores it.
    pub fn answer(&self, answer: &Answer, now: Timestamp) -> IdempotencyAnswer {
        IdempotencyAnswer {
            scope: self.scope.clone(),
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            status: answer.status,
            body: answer.body.clone(),
            subject: answer.subject,
            expires_at: now.saturating_add(KEPT).unwrap_or(Timestamp::MAX),
        }
    }

    fn compare(&self, stored: IdempotencyAnswer) -> Result<Answer, Problem> {
        if stored.fingerprint == self.fingerprint {
            let IdempotencyAnswer {
                status,
                body,
                subject,
                ..
            } = stored;
            return Ok(Answer {
                status,
                body,
                subject,
                replayed: true,
                duplicate: false,
            });
        }
        Err(reused())
    }
}

/// SHA-256 over the operation and the canonical body, in hexadecimal.
pub fn fingerprint(operation: &str, body: &impl Serialize) -> Result<String, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
    let parts = [operation.as_bytes(), b"\n", body.as_slice()];
    Ok(service_runtime::fingerprint::sha256(parts))
}

fn reused() -> Problem {
    Problem::new(
        codes::IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was used for another request. Send a new key with a new request, and the same key only \
         with the same one.",
    )
}

impl Answer {
    /// A first answer.
    pub fn new(status: StatusCode, body: &impl Serialize, subject: Uuid) -> Result<Self, Problem> {
        let body = serde_json::to_value(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self {
            status: status.as_u16(),
            body,
            subject: Some(subject),
            replayed: false,
            duplicate: false,
        })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, Json(self.body)).into_response();
        let yes = HeaderValue::from_static("true");
        if self.replayed {
            response
                .headers_mut()
                .insert("idempotency-replayed", yes.clone());
        }
        if self.duplicate {
            response.headers_mut().insert("orderway-duplicate", yes);
        }
        response
    }
}

type Outcome = Result<Answer, Problem>;
type Running = HashMap<(String, String), (String, watch::Receiver<Option<Outcome>>)>;

/// Runs keyed work once; cheap to clone.
#[derive(Clone)]
pub struct Once {
    store: Arc<dyn Store>,
    clock: Clock,
    running: Arc<Mutex<Running>>,
    tasks: TaskTracker,
}

impl Once {
    /// Answers are looked up in the store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            running: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Does the work, joins it where it runs already, or replays its answer.
    pub async fn run<F, Fut>(&self, keyed: Keyed, work: F) -> Result<Answer, Problem>
    where
        F: FnOnce(Keyed) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Answer, WorkError>> + Send + 'static,
    {
        match self.enter(&keyed)? {
            Place::First(tell, outcome) => {
                self.start(keyed, tell, work);
                wait(outcome).await
            }
            Place::Joined(outcome) => {
                let joined = tokio::time::timeout(JOIN_TIME, wait(outcome)).await;
                let answer = joined.map_err(|_elapsed| {
                    Problem::new(
                        codes::REQUEST_IN_PROGRESS,
                        "The first request with this key still runs; send it again.",
                    )
                    .with_retry_after(SignedDuration::from_secs(1))
                })??;
                Ok(Answer {
                    replayed: true,
                    ..answer
                })
            }
        }
    }

    /// Waits until everything that runs has come to its end.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn enter(&self, keyed: &Keyed) -> Result<Place, Problem> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let room = running.len() < MAX_RUNNING;
        match running.entry((keyed.scope.clone(), keyed.key.clone())) {
            Entry::Occupied(first) => {
                let (fingerprint, outcome) = first.get();
                if *fingerprint == keyed.fingerprint {
                    Ok(Place::Joined(outcome.clone()))
                } else {
                    Err(reused())
                }
            }
            Entry::Vacant(place) if room => {
                let (tell, outcome) = watch::channel(None);
                place.insert((keyed.fingerprint.clone(), outcome.clone()));
                Ok(Place::First(tell, outcome))
            }
            Entry::Vacant(_) => Err(Problem::new(
                codes::OVERLOADED,
                "Too much is running; send it again.",
            )
            .with_retry_after(SignedDuration::from_secs(1))),
        }
    }

    fn start<F, Fut>(&self, keyed: Keyed, tell: watch::Sender<Option<Outcome>>, work: F)
    where
        F: FnOnce(Keyed) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Answer, WorkError>> + Send + 'static,
    {
        let key = (keyed.scope.clone(), keyed.key.clone());
        let leave = Leave {
            running: Arc::clone(&self.running),
            key,
        };
        let (store, clock) = (Arc::clone(&self.store), self.clock.clone());
        let task = async move {
            // Dropped last, and on a panic too: whoever comes then reads the stored answer or begins anew.
            let _leave = leave;
            let outcome = settle(store.as_ref(), &clock, keyed, work).await;
            tell.send_replace(Some(outcome));
        };
        match RequestScope::current() {
            Some(scope) => self.tasks.spawn(Arc::new(scope.detached()).run(task)),
            None => self.tasks.spawn(task),
        };
    }
}

async fn settle<F, Fut>(store: &dyn Store, clock: &Clock, keyed: Keyed, work: F) -> Outcome
where
    F: FnOnce(Keyed) -> Fut,
    Fut: Future<Output = Result<Answer, WorkError>>,
{
    let stored = store.idempotency(&keyed.scope, &keyed.key).await;
    let stored = stored.map_err(|error| error::store_problem(&error))?;
    if let Some(stored) = stored.filter(|stored| stored.expires_at > clock.now()) {
        return keyed.compare(stored);
    }
    match work(keyed.clone()).await {
        Ok(answer) => Ok(answer),
        Err(WorkError::KeyUsed(stored)) => keyed.compare(*stored),
        Err(WorkError::Problem(problem)) => Err(problem),
    }
}

enum Place {
    First(
        watch::Sender<Option<Outcome>>,
        watch::Receiver<Option<Outcome>>,
    ),
    Joined(watch::Receiver<Option<Outcome>>),
}

async fn wait(mut outcome: watch::Receiver<Option<Outcome>>) -> Outcome {
    let told = outcome
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|told| told.clone());
    told.unwrap_or_else(|| {
        Err(Problem::new(
            codes::INTERNAL,
            "It broke off; send it again with the same key.",
        ))
    })
}

struct Leave {
    running: Arc<Mutex<Running>>,
    key: (String, String),
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::{
        baskets::testing::{Seller, call_for},
        store::Commit,
    };

    fn keyed(body: &str) -> Keyed {
        let key = IdempotencyKey::parse("k").unwrap();
        Keyed::new(&call_for(&["A"]).context, "test", &key, &body).unwrap()
    }

    fn answer(body: &str) -> Answer {
        Answer::new(StatusCode::CREATED, &body, Uuid::nil()).unwrap()
    }

    async fn commit(store: &dyn Store, keyed: &Keyed, answer: &Answer) -> Result<(), StoreError> {
        let idempotency = Some(keyed.answer(answer, crate::baskets::testing::noon()));
        let commit = Commit {
            idempotency,
            ..Commit::default()
        };
        store.commit(commit).await.map(drop)
    }

    #[tokio::test]
    async fn the_loser_of_a_race_between_instances_gets_the_winner_s_answer_or_a_refusal() {
        let Seller { sources, .. } = Seller::open();
        let once = Once::new(Arc::clone(&sources.store), sources.clock);
        for (asked, expected) in [("same", Ok(201)), ("other", Err(422))] {
            let store = Arc::clone(&sources.store);
            let reply = once.run(keyed(asked), move |mine| async move {
                // Another instance commits in between.
                drop(commit(store.as_ref(), &keyed("same"), &answer("theirs")).await);
                commit(store.as_ref(), &mine, &answer("ours")).await?;
                Ok(answer("ours"))
            });
            let reply = reply.await;
            let got = reply
                .as_ref()
                .map(|answer| answer.status)
                .map_err(|problem| problem.status);
            assert_eq!(got, expected);
            assert!(
                reply.is_err()
                    || reply.is_ok_and(|answer| answer.replayed && answer.body == "theirs")
            );
        }
    }

    #[tokio::test]
    async fn what_failed_or_broke_off_may_be_tried_again_under_its_key() {
        let Seller { sources, .. } = Seller::open();
        let once = Once::new(sources.store, sources.clock);
        let broken = once
            .run(keyed("same"), |_| async { panic!("as a test does") })
            .await;
        assert!(broken.unwrap_err().is(codes::INTERNAL));
        let refused = once
            .run(keyed("same"), |_| async { Err(error::contention().into()) })
            .await;
        assert!(refused.unwrap_err().is(codes::CONTENTION));
        let done = once
            .run(keyed("same"), |_| async { Ok(answer("done")) })
            .await
            .unwrap();
        assert!(!done.replayed);
    }

    #[tokio::test]
    async fn a_running_key_joins_the_same_request_and_refuses_another() {
        let Seller { sources, .. } = Seller::open();
        let once = Once::new(sources.store, sources.clock);
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let first = once.run(keyed("same"), |_| async {
            wait.await.unwrap();
            Ok(answer("done"))
        });
        let mut first = Box::pin(first);
        assert!((&mut first).now_or_never().is_none());
        let other = once
            .run(keyed("other"), |_| async { Ok(answer("other")) })
            .await;
        assert!(other.unwrap_err().is(codes::IDEMPOTENCY_KEY_REUSED));
        let joined = once.run(keyed("same"), |_| async { panic!("it runs already") });
        let mut joined = Box::pin(joined);
        assert!((&mut joined).now_or_never().is_none());
        // The first hangs up; the work goes on for those who joined.
        drop(first);
        go.send(()).unwrap();
        assert!(joined.await.unwrap().replayed);
    }
}
