//! The guard as a whole, before a backend that counts, delays and fails as told.

mod ageing;
mod batches;
mod leaks;

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use service_runtime::clock::Clock;
use tokio::time::{Instant, sleep};

use super::{
    breaker::BreakerState,
    policy::{BreakerPolicy, BudgetPolicy, CachePolicy},
    *,
};
use crate::connector::Batch;

type Read = KeyedRead<&'static str, u32, String>;

/// A backend under the test's control.
#[derive(Default)]
struct Backend {
    calls: Mutex<Vec<(Instant, Vec<u32>)>>,
    failing: AtomicBool,
    delay_ms: AtomicU64,
    /// Whether the keys exist that otherwise do not.
    grown: AtomicBool,
}

impl Backend {
    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn keys_of_last_call(&self) -> Vec<u32> {
        self.calls.lock().unwrap().last().unwrap().1.clone()
    }

    fn keys_by_call(&self) -> Vec<Vec<u32>> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|(_, keys)| keys.clone()).collect()
    }

    fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.delay_ms.store(millis, Ordering::SeqCst);
    }

    async fn answer(
        &self,
        scope: &'static str,
        keys: Vec<u32>,
    ) -> Result<Batch<u32, String>, ConnectorError> {
        self.calls
            .lock()
            .unwrap()
            .push((Instant::now(), keys.clone()));
        sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
        if self.failing.load(Ordering::SeqCst) {
            return Err(ConnectorError::Unavailable("told to".into()));
        }
        // From 9,000 on nothing exists there.
        let grown = self.grown.load(Ordering::SeqCst);
        let known = keys.into_iter().filter(|key| grown || *key < 9_000);
        Ok(Batch {
            found: known.map(|key| (key, format!("{scope}-{key}"))).collect(),
            implausible: Vec::new(),
        })
    }
}

fn guard(calls_per_second: u32) -> Arc<Guard> {
    let budget = BudgetPolicy {
        calls_per_second: NonZeroU32::new(calls_per_second).unwrap(),
        in_flight: NonZeroU32::new(100).unwrap(),
        waiting: 10_000,
        ..BudgetPolicy::default()
    };
    let breakers = BreakerPolicy {
        window: Duration::from_secs(30),
        minimum_calls: 4,
        failure_percent: 50,
        open_for: Duration::from_secs(5),
    };
    Guard::new("erp".to_owned(), budget, breakers, Clock::system())
}

fn read_of(guard: &Arc<Guard>, backend: &Arc<Backend>, keys_per_call: usize) -> Arc<Read> {
    let policy = CachePolicy::seconds(60, 600);
    read_with(guard, backend, keys_per_call, policy)
}

fn read_with(
    guard: &Arc<Guard>,
    backend: &Arc<Backend>,
    keys_per_call: usize,
    policy: CachePolicy,
) -> Arc<Read> {
    let asked = Arc::clone(backend);
    Arc::new(KeyedRead::new(
        guard.operation("prices", Kind::Read, Duration::from_secs(20)),
        policy,
        keys_per_call,
        Arc::new(move |scope, keys, _started| {
            let backend = Arc::clone(&asked);
            async move { backend.answer(scope, keys).await }.boxed()
        }),
    ))
}

fn read(keys_per_call: usize) -> (Arc<Backend>, Arc<Read>) {
    let backend = Arc::new(Backend::default());
    let read = read_of(&guard(1_000), &backend, keys_per_call);
    (backend, read)
}

fn terms() -> Terms {
    Terms {
        deadline: Instant::now() + Duration::from_secs(30),
        lane: Lane::Browse,
        oldest: None,
        oldest_stale: None,
    }
}

fn not_older_than(seconds: u64) -> Terms {
    Terms {
        oldest: Some(Duration::from_secs(seconds)),
        ..terms()
    }
}

fn value(answer: &Answer<u32, String>, key: u32) -> &str {
    answer.facts[&key].value.as_str()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_identical_misses_are_one_call() {
    let (backend, read) = read(100);
    backend.delay(Duration::from_millis(200));
    let answers = join_all((0..1_000).map(|_| read.get(&"ACME", vec![1, 2], terms()))).await;
    assert!(
        answers
            .iter()
            .all(|answer| value(answer.as_ref().unwrap(), 2) == "ACME-2")
    );
    assert_eq!(backend.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_who_come_while_a_call_is_under_way_join_it_key_by_key() {
    let (backend, read) = read(100);
    backend.delay(Duration::from_millis(200));
    let second = async {
        sleep(Duration::from_millis(100)).await;
        read.get(&"ACME", vec![2, 3], terms()).await
    };
    let (first, second) = tokio::join!(read.get(&"ACME", vec![1, 2], terms()), second);
    assert_eq!(value(&first.unwrap(), 1), "ACME-1");
    assert_eq!(value(&second.unwrap(), 2), "ACME-2");
    assert_eq!((backend.calls(), backend.keys_of_last_call()), (2, vec![3]));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_takes_nothing_from_those_who_joined() {
    let (backend, read) = read(100);
    backend.delay(Duration::from_millis(200));
    let leader = {
        let read = Arc::clone(&read);
        tokio::spawn(async move { read.get(&"ACME", vec![1], terms()).await })
    };
    sleep(Duration::from_millis(50)).await;
    let follower = read.get(&"ACME", vec![1], terms());
    leader.abort();
    assert_eq!(value(&follower.await.unwrap(), 1), "ACME-1");
    assert_eq!(backend.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_missing_keys_are_asked_for_and_unknown_ones_are_absent() {
    let (backend, read) = read(100);
    read.get(&"ACME", vec![1, 2], terms()).await.unwrap();
    let answer = read
        .get(&"ACME", vec![1, 2, 3, 9_001], terms())
        .await
        .unwrap();
    assert_eq!(backend.keys_of_last_call(), [3, 9_001]);
    assert_eq!(answer.facts.len(), 3);
    let Provenance { hits, misses, .. } = answer.provenance;
    assert_eq!((hits, misses), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn many_keys_are_asked_for_in_calls_of_the_size_that_the_backend_takes() {
    let (backend, read) = read(100);
    let answer = read
        .get(&"ACME", (0..250).collect(), terms())
        .await
        .unwrap();
    assert_eq!((answer.facts.len(), backend.calls()), (250, 3));
}

#[tokio::test(start_paused = true)]
async fn no_account_ever_sees_what_is_another_s() {
    let (backend, read) = read(7);
    backend.delay(Duration::from_millis(20));
    let accounts = ["ACME", "ACME-WEST", "BOREALIS"];
    let queries = (0_usize..600).map(|n| {
        let (account, read) = (accounts[n % 3], Arc::clone(&read));
        let first = u32::try_from(n * 7 % 50).unwrap();
        async move {
            sleep(Duration::from_millis(u64::try_from(n).unwrap() / 3)).await;
            let answer = read
                .get(&account, (first..first + 10).collect(), terms())
                .await
                .unwrap();
            for (key, fact) in answer.facts {
                assert_eq!(fact.value, format!("{account}-{key}"));
            }
        }
    });
    join_all(queries).await;
    assert!(backend.calls() < 100, "{} calls", backend.calls());
}

#[tokio::test(start_paused = true)]
async fn facts_age_and_the_caller_can_ask_for_younger_ones() {
    let (backend, read) = read(100);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    let answer = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!((backend.calls(), answer.provenance.age.as_secs()), (1, 20));
    read.get(&"ACME", vec![1], not_older_than(10))
        .await
        .unwrap();
    assert_eq!(backend.calls(), 2);
    sleep(Duration::from_secs(61)).await;
    read.get(&"ACME", vec![1], not_older_than(3_600))
        .await
        .unwrap();
    assert_eq!(
        backend.calls(),
        3,
        "an hour is not longer than a fact is fresh"
    );
}

#[tokio::test(start_paused = true)]
async fn from_the_source_means_a_call_that_began_after_the_question() {
    let (backend, read) = read(100);
    backend.delay(Duration::from_millis(200));
    let late = async {
        sleep(Duration::from_millis(100)).await;
        let asked = Instant::now();
        let answer = read.get(&"ACME", vec![1], not_older_than(0)).await.unwrap();
        assert!(answer.facts[&1].started.at >= asked);
    };
    let (early, ()) = tokio::join!(read.get(&"ACME", vec![1], terms()), late);
    assert!(early.is_ok());
    assert_eq!(backend.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_backend_fails_older_facts_stand_in_and_say_so_within_bounds() {
    let (backend, read) = read(100);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    backend.fail(true);
    sleep(Duration::from_secs(100)).await;
    let answer = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert!(answer.provenance.degraded());
    assert_eq!(answer.provenance.age.as_secs(), 100);

    let demanding = read.get(&"ACME", vec![1], not_older_than(30)).await;
    assert!(demanding.is_err(), "older than the caller takes");
    let unknown = read.get(&"ACME", vec![1, 2], terms()).await;
    assert!(unknown.is_err(), "nothing stands in for a key never read");
    sleep(Duration::from_secs(600)).await;
    assert!(
        read.get(&"ACME", vec![1], terms()).await.is_err(),
        "beyond the bound"
    );

    backend.fail(false);
    let answer = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert!(!answer.provenance.degraded());
}

#[tokio::test(start_paused = true)]
async fn the_breaker_spares_a_failing_operation_and_finds_out_when_it_is_well() {
    let (backend, read) = read(100);
    backend.fail(true);
    for _ in 0..10 {
        assert!(read.get(&"ACME", vec![1], terms()).await.is_err());
    }
    let spent = backend.calls();
    assert!(spent <= 5, "{spent} calls, one of them a retry");
    assert_eq!(read.operation().breaker_state(), BreakerState::Open);
    let refused = read.get(&"ACME", vec![1], terms()).await.unwrap_err();
    assert!(
        matches!(refused, GuardError::CircuitOpen { .. }),
        "{refused:?}"
    );

    backend.fail(false);
    sleep(Duration::from_secs(5)).await;
    assert!(read.get(&"ACME", vec![1], terms()).await.is_ok());
    assert_eq!(read.operation().breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn no_second_holds_more_calls_than_the_budget_and_one() {
    let backend = Arc::new(Backend::default());
    let read = read_of(&guard(10), &backend, 1);
    backend.delay(Duration::from_millis(30));
    let long = Terms {
        deadline: Instant::now() + Duration::from_secs(60),
        ..terms()
    };
    join_all((0..100).map(|key| read.get(&"ACME", vec![key], long))).await;
    let calls: Vec<Instant> = backend
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|(at, _)| *at)
        .collect();
    let window = Duration::from_secs(1);
    for start in &calls {
        let within = calls
            .iter()
            .filter(|at| *at >= start && **at <= *start + window)
            .count();
        assert!(within <= 11, "{within} calls within a second");
    }
    assert!(
        calls.len() >= 100,
        "everything was asked for: {}",
        calls.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_backend_asks_for_is_kept() {
    let guard = guard(100);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let operation = guard.operation("orders", Kind::Read, Duration::from_secs(20));
    let throttled = |first: bool| {
        let calls = Arc::clone(&calls);
        operation.run(terms(), move |started| {
            calls.lock().unwrap().push(started.at);
            let retry_after = Some(Duration::from_secs(3));
            std::future::ready(if first {
                Err(ConnectorError::Throttled { retry_after })
            } else {
                Ok(())
            })
        })
    };
    assert!(throttled(true).await.is_err());
    assert!(throttled(false).await.is_ok());
    let calls = calls.lock().unwrap();
    assert_eq!(
        calls.len(),
        2,
        "a read is not repeated against the backend's wish"
    );
    assert!(calls[1] - calls[0] >= Duration::from_secs(3));
}

/// An operation that fails or hangs as told, and how often it was called.
async fn outcome_of(kind: Kind, hangs: bool) -> (GuardError, usize) {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let operation = guard(100).operation("create_order", kind, Duration::from_secs(2));
    let outcome = operation
        .run(terms(), move |_started| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Err::<(), _>(ConnectorError::Unavailable("told to".into()))
            }
        })
        .await;
    let calls = usize::try_from(calls.load(Ordering::SeqCst)).unwrap();
    (outcome.map(drop).unwrap_err(), calls)
}

fn is(error: &GuardError, wanted: fn(&ConnectorError) -> bool) -> bool {
    matches!(error, GuardError::Connector(cause) if wanted(cause))
}

#[tokio::test(start_paused = true)]
async fn reads_are_repeated_and_changes_never() {
    let (error, calls) = outcome_of(Kind::Read, false).await;
    assert_eq!(calls, 2);
    assert!(is(&error, |cause| matches!(
        cause,
        ConnectorError::Unavailable(_)
    )));
    let (error, calls) = outcome_of(Kind::Mutation, false).await;
    assert_eq!(calls, 1);
    assert!(is(&error, |cause| matches!(
        cause,
        ConnectorError::Unavailable(_)
    )));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_cut_off_is_unknown_and_one_that_never_began_is_not() {
    let (error, _) = outcome_of(Kind::Mutation, true).await;
    assert!(is(&error, |cause| matches!(
        cause,
        ConnectorError::OutcomeUnknown(_)
    )));

    let operation = guard(1).operation("create_order", Kind::Mutation, Duration::from_secs(20));
    let soon = Terms {
        deadline: Instant::now() + Duration::from_millis(100),
        ..terms()
    };
    let create = || operation.run(soon, |_started| std::future::ready(Ok(())));
    assert!(create().await.is_ok());
    let late = create().await.unwrap_err();
    assert!(matches!(late, GuardError::DeadlineExceeded), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_fails_its_callers_and_nobody_after_them() {
    let panicked = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&panicked);
    let read: Read = KeyedRead::new(
        guard(100).operation("prices", Kind::Read, Duration::from_secs(20)),
        CachePolicy::seconds(60, 600),
        100,
        Arc::new(move |_scope, keys, _started| {
            let first = !once.swap(true, Ordering::SeqCst);
            async move {
                assert!(!first, "told to");
                let found = keys.into_iter().map(|key| (key, String::new()));
                Ok(Batch {
                    found: found.collect(),
                    implausible: Vec::new(),
                })
            }
            .boxed()
        }),
    );
    assert!(read.get(&"ACME", vec![1], terms()).await.is_err());
    assert!(read.get(&"ACME", vec![1], terms()).await.is_ok());

    let operation = guard(100).operation("create_order", Kind::Mutation, Duration::from_secs(20));
    let broken = || -> Result<(), ConnectorError> { panic!("told to") };
    let unknown = operation
        .run(terms(), move |_started| async move { broken() })
        .await
        .unwrap_err();
    assert!(is(&unknown, |cause| matches!(
        cause,
        ConnectorError::OutcomeUnknown(_)
    )));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_too_long_to_be_answered_in_time_is_not_begun() {
    let operation = guard(1).operation("create_order", Kind::Mutation, Duration::from_secs(20));
    let create = |deadline| {
        let terms = Terms {
            deadline,
            ..terms()
        };
        // Well, and slower than what is left at the last moment.
        let call = |_started| sleep(Duration::from_millis(100)).map(Ok);
        operation.run(terms, call)
    };
    let now = Instant::now();
    assert!(create(now + Duration::from_secs(10)).await.is_ok());
    // The next slot comes 1.05 s after the first.
    let late = create(now + Duration::from_millis(1_100))
        .await
        .unwrap_err();
    assert!(matches!(late, GuardError::DeadlineExceeded), "{late:?}");
    assert!(create(now + Duration::from_secs(10)).await.is_ok());
}

/// A connector may need several calls for one answer, such as one that looks numbers up first.
#[tokio::test(start_paused = true)]
async fn every_call_of_a_method_takes_a_slot_of_its_own() {
    let guard = guard(10);
    let operation = guard.operation("release_order", Kind::Mutation, Duration::from_secs(20));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let methods = (0..8).map(|_| {
        let (operation, sent) = (Arc::clone(&operation), Arc::clone(&sent));
        async move {
            let method = operation.run(terms(), move |_started| {
                let sent = Arc::clone(&sent);
                async move {
                    for _ in 0..3 {
                        let _slot = turn::slot().await?;
                        sent.lock().unwrap().push(Instant::now());
                    }
                    Ok(())
                }
            });
            method.await.unwrap();
        }
    });
    join_all(methods).await;
    let sent = sent.lock().unwrap();
    assert_eq!(sent.len(), 24);
    for start in sent.iter() {
        let second = *start..=*start + Duration::from_secs(1);
        let within = sent.iter().filter(|at| second.contains(at)).count();
        assert!(within <= 11, "{within} calls in a second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_comes_to_no_further_slot_says_so_and_nothing_is_held_against_the_backend() {
    let guard = guard(1);
    let operation = guard.operation("release_order", Kind::Mutation, Duration::from_millis(500));
    for _ in 0..6 {
        let short = operation.run(terms(), |_started| async {
            drop(turn::slot().await?);
            drop(turn::slot().await?);
            Ok(())
        });
        let error = short.await.unwrap_err();
        assert!(
            matches!(&error, GuardError::Connector(cause) if matches!(**cause, ConnectorError::NoSlot)),
            "{error:?}"
        );
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(operation.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_method_begins_no_call_in_the_last_quarter_of_its_time_however_free_the_backend_is() {
    let guard = guard(1_000);
    let operation = guard.operation("prices", Kind::Read, Duration::from_secs(4));
    for (first, begins) in [(2_900, true), (3_100, false)] {
        let method = operation.run(terms(), move |_started| async move {
            let slot = turn::slot().await?;
            sleep(Duration::from_millis(first)).await;
            drop(slot);
            drop(turn::slot().await?);
            Ok(())
        });
        assert_eq!(method.await.is_ok(), begins, "after {first} ms");
    }
}
