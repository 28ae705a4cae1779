//! Facts past fresh while they are asked for anew, keys that the source does not know, and what has changed.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Fresh a minute, half a minute longer while asked anew, ten minutes while the backend fails; absence ten seconds.
fn ageing(calls_per_second: u32) -> (Arc<Backend>, Arc<Read>) {
    let backend = Arc::new(Backend::default());
    let policy = CachePolicy::seconds(60, 600)
        .revalidated(30)
        .remembering_absence(10);
    let read = read_with(&guard(calls_per_second), &backend, 100, policy);
    (backend, read)
}

#[tokio::test(start_paused = true)]
async fn a_little_too_old_is_answered_at_once_and_asked_for_once() {
    let (backend, read) = ageing(1_000);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    sleep(70 * SECOND).await;
    backend.delay(Duration::from_millis(200));
    let asked = Instant::now();
    let answers = join_all((0..100).map(|_| read.get(&"ACME", vec![1], terms()))).await;
    assert_eq!(asked.elapsed(), Duration::ZERO, "nobody waits for it");
    for answer in answers {
        let Provenance {
            revalidated, age, ..
        } = answer.as_ref().unwrap().provenance;
        assert_eq!((revalidated, age), (1, 70 * SECOND));
        assert!(!answer.unwrap().provenance.degraded());
    }
    sleep(SECOND).await;
    let answer = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!((backend.calls(), answer.provenance.hits), (2, 1));
    assert!(answer.provenance.age <= SECOND);
}

#[tokio::test(start_paused = true)]
async fn beyond_its_window_and_for_a_caller_who_wants_younger_the_source_is_asked() {
    let (backend, read) = ageing(1_000);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    sleep(70 * SECOND).await;
    let young = read
        .get(&"ACME", vec![1], not_older_than(60))
        .await
        .unwrap();
    assert_eq!((young.provenance.misses, backend.calls()), (1, 2));
    sleep(90 * SECOND).await;
    let late = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!((late.provenance.misses, backend.calls()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn while_the_backend_fails_it_is_degraded_only_beyond_the_window() {
    let (backend, read) = ageing(1_000);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    backend.fail(true);
    sleep(80 * SECOND).await;
    let within = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert!(!within.provenance.degraded());
    sleep(20 * SECOND).await;
    let beyond = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert!(beyond.provenance.degraded());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_holds_up_nobody_who_looks_around_and_takes_an_older_fact() {
    let (backend, read) = ageing(1_000);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    sleep(100 * SECOND).await;
    backend.delay(20 * SECOND);
    let asked = Instant::now();
    let told = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!(asked.elapsed(), 2 * SECOND);
    assert!(told.provenance.degraded());
    assert_eq!(told.provenance.age, 102 * SECOND, "its age is told");
    // Who is about to order waits, and so does who takes nothing older, or knows nothing.
    let ordering = Terms {
        lane: Lane::Checkout,
        ..terms()
    };
    let ordered = read.get(&"ACME", vec![1], ordering).await.unwrap();
    assert_eq!(asked.elapsed(), 20 * SECOND);
    assert!(!ordered.provenance.degraded());
    assert_eq!(backend.calls(), 2, "what was asked for first went on");
    let strange = read.get(&"ACME", vec![2], terms()).await.unwrap();
    assert_eq!((asked.elapsed(), strange.facts.len()), (40 * SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_anew_waits_behind_everybody() {
    let (backend, read) = ageing(1);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    sleep(70 * SECOND).await;
    read.get(&"FIRST", vec![0], terms()).await.unwrap();
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    read.get(&"BOREALIS", vec![2], terms()).await.unwrap();
    sleep(10 * SECOND).await;
    assert_eq!(backend.keys_by_call(), [[1], [0], [2], [1]]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_source_does_not_know_is_asked_for_once_in_a_while() {
    let (backend, read) = ageing(1_000);
    for _ in 0..5 {
        let answer = read.get(&"ACME", vec![9_001], terms()).await.unwrap();
        assert!(answer.facts.is_empty());
        sleep(SECOND).await;
    }
    assert_eq!(backend.calls(), 1);
    let other = read.get(&"BOREALIS", vec![9_001], terms()).await.unwrap();
    assert_eq!(
        (backend.calls(), other.provenance.misses),
        (2, 1),
        "one account's absence is not another's"
    );
    backend.grown.store(true, Ordering::SeqCst);
    let told = read.get(&"ACME", vec![9_001], terms()).await.unwrap();
    assert_eq!(
        (told.provenance.hits, told.provenance.age),
        (1, 5 * SECOND),
        "its age is told"
    );
    let young = read.get(&"ACME", vec![9_001], not_older_than(5)).await;
    assert_eq!(value(&young.unwrap(), 9_001), "ACME-9001");
    sleep(10 * SECOND).await;
    let later = read.get(&"BOREALIS", vec![9_001], terms()).await.unwrap();
    assert_eq!(value(&later, 9_001), "BOREALIS-9001");
    let now = read.get(&"ACME", vec![9_001], terms()).await.unwrap();
    assert_eq!((now.provenance.hits, backend.calls()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn what_the_source_no_longer_knows_is_not_told_from_before() {
    let (backend, read) = ageing(1_000);
    backend.grown.store(true, Ordering::SeqCst);
    read.get(&"ACME", vec![9_001], terms()).await.unwrap();
    backend.grown.store(false, Ordering::SeqCst);
    let gone = read.get(&"ACME", vec![9_001], not_older_than(0)).await;
    assert!(gone.unwrap().facts.is_empty());
    let still = read.get(&"ACME", vec![9_001], terms()).await.unwrap();
    assert!(still.facts.is_empty(), "{still:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_is_asked_for_again_and_the_rest_is_kept() {
    let (backend, read) = ageing(1_000);
    read.get(&"ACME", vec![1, 2, 9_001], terms()).await.unwrap();
    read.get(&"BOREALIS", vec![1], terms()).await.unwrap();
    read.evict(Arc::new(|scope, key| {
        *scope == "ACME" && [1, 9_001].contains(key)
    }))
    .await;
    read.get(&"BOREALIS", vec![1], terms()).await.unwrap();
    assert_eq!(backend.calls(), 2);
    read.get(&"ACME", vec![1, 2, 9_001], terms()).await.unwrap();
    let mut keys = backend.keys_of_last_call();
    keys.sort_unstable();
    assert_eq!(keys, [1, 9_001]);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_when_something_changes_is_not_believed_afterwards() {
    let (backend, read) = ageing(1_000);
    backend.delay(200 * SECOND / 1_000);
    let before = read.get(&"ACME", vec![1], terms());
    let after = async {
        sleep(100 * SECOND / 1_000).await;
        read.evict(Arc::new(|_, key| *key == 1)).await;
        sleep(SECOND / 1_000).await;
        let asked = Instant::now();
        let answer = read.get(&"ACME", vec![1], terms()).await.unwrap();
        assert!(answer.facts[&1].started.at >= asked);
    };
    let (before, ()) = tokio::join!(before, after);
    assert!(before.is_ok());
    let answer = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!((backend.calls(), answer.provenance.hits), (2, 1));
    assert!(answer.provenance.age < 200 * SECOND / 1_000 + SECOND / 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_after_a_change_leaves_nothing_behind() {
    let (backend, read) = ageing(1_000);
    backend.delay(200 * SECOND / 1_000);
    let change = async {
        sleep(100 * SECOND / 1_000).await;
        read.evict(Arc::new(|_, _| true)).await;
    };
    let (before, ()) = tokio::join!(read.get(&"ACME", vec![1, 9_001], terms()), change);
    assert!(
        before.is_ok(),
        "who asked before has the answer from before"
    );
    read.get(&"ACME", vec![1, 9_001], terms()).await.unwrap();
    assert_eq!((backend.calls(), backend.keys_of_last_call().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_not_forgotten_however_many_others_follow_it() {
    let (backend, read) = ageing(1_000);
    backend.delay(200 * SECOND / 1_000);
    let changes = async {
        sleep(100 * SECOND / 1_000).await;
        read.evict(Arc::new(|_, key| *key == 1)).await;
        for _other in 0..1_000 {
            read.evict(Arc::new(|_, key| *key == 2)).await;
        }
    };
    let (before, ()) = tokio::join!(read.get(&"ACME", vec![1], terms()), changes);
    assert!(before.is_ok());
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!(backend.calls(), 2);
    let kept = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!((backend.calls(), kept.provenance.hits), (2, 1));
}

/// From the second call on, the row of key 7 makes no sense.
#[tokio::test(start_paused = true)]
async fn a_row_that_makes_no_sense_is_no_absent_key() {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let read: Arc<Read> = Arc::new(KeyedRead::new(
        guard(1_000).operation("prices", Kind::Read, Duration::from_secs(20)),
        CachePolicy::seconds(60, 600).remembering_absence(10),
        100,
        Arc::new(move |scope: &'static str, keys: Vec<u32>, _started| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            let makes_sense = |key: &u32| first || *key != 7;
            let (sound, odd): (Vec<u32>, Vec<u32>) = keys.into_iter().partition(makes_sense);
            let batch = Batch {
                found: sound
                    .into_iter()
                    .map(|key| (key, format!("{scope}-{key}")))
                    .collect(),
                implausible: odd.into_iter().map(|key| format!("key {key}")).collect(),
            };
            async move { Ok(batch) }.boxed()
        }),
    ));
    read.get(&"ACME", vec![7], terms()).await.unwrap();
    sleep(100 * SECOND).await;
    let answer = read.get(&"ACME", vec![1, 7], terms()).await.unwrap();
    assert_eq!(value(&answer, 7), "ACME-7", "the older fact stands in");
    assert!(answer.provenance.degraded());
    assert_eq!(value(&answer, 1), "ACME-1");
    let unknown = read.get(&"BOREALIS", vec![1, 7], terms()).await;
    assert!(unknown.is_err(), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_changed_is_asked_for_anew_and_stands_in_while_the_source_does_not_answer() {
    let (backend, read) = ageing(1_000);
    let ask = async || read.get(&"ACME", vec![1], terms()).await.unwrap();
    ask().await;
    read.doubt(Arc::new(|_, key| *key == 1)).await;
    backend.fail(true);
    let stands_in = ask().await;
    assert_eq!(value(&stands_in, 1), "ACME-1");
    assert!(stands_in.provenance.degraded(), "it may be wrong");
    let check_out = Terms {
        lane: Lane::Checkout,
        ..terms()
    };
    let ordered = read.get(&"ACME", vec![1], check_out).await;
    assert!(ordered.is_err(), "nobody orders by what may be wrong");
    backend.fail(false);
    let (anew, kept) = (ask().await, ask().await);
    assert_eq!((anew.provenance.misses, anew.provenance.stale), (1, 0));
    assert_eq!(kept.provenance.hits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_when_something_may_have_changed_is_not_relied_on() {
    let (backend, read) = ageing(1_000);
    backend.delay(200 * SECOND / 1_000);
    let change = async {
        sleep(100 * SECOND / 1_000).await;
        read.doubt(Arc::new(|_, _| true)).await;
    };
    let (before, ()) = tokio::join!(read.get(&"ACME", vec![1], terms()), change);
    assert!(before.is_ok());
    let after = read.get(&"ACME", vec![1], terms()).await.unwrap();
    assert_eq!((backend.calls(), after.provenance.misses), (2, 1));
}

/// The page is shown without what nobody knows; who is about to order, or needs all of it, waits on.
#[tokio::test(start_paused = true)]
async fn who_looks_around_does_not_wait_long_for_what_nobody_knows() {
    let (backend, read) = ageing(1_000);
    read.get(&"ACME", vec![1], terms()).await.unwrap();
    backend.delay(9 * SECOND);
    let asked = Instant::now();
    let looks = async || {
        let answer = read.get_known(&"ACME", vec![1, 2], terms()).await.unwrap();
        (asked.elapsed(), answer)
    };
    let check_out = Terms {
        lane: Lane::Checkout,
        ..terms()
    };
    let orders = async || {
        let answer = read
            .get_known(&"ACME", vec![1, 2], check_out)
            .await
            .unwrap();
        (asked.elapsed(), answer)
    };
    let ((looked, page), (waited, basket)) = tokio::join!(looks(), orders());
    assert_eq!((looked, page.facts.len()), (5 * SECOND, 1));
    assert_eq!(
        (page.provenance.unknown, page.provenance.degraded()),
        (1, true)
    );
    assert!(waited >= 9 * SECOND);
    assert_eq!(basket.facts.len(), 2);
    let next = read.get_known(&"ACME", vec![1, 2], terms()).await.unwrap();
    assert_eq!(
        (next.facts.len(), backend.calls()),
        (2, 2),
        "it was fetched all the same"
    );
}
