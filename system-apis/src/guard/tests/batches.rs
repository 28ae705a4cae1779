//! Misses that wait for their slot: merged, the most wanted first, in the lane of the most urgent.

use super::*;

/// A backend whose one slot a second has just gone, so that all that is asked for now waits.
async fn busy(keys_per_call: usize) -> (Arc<Backend>, Arc<Read>) {
    let backend = Arc::new(Backend::default());
    let read = read_of(&guard(1), &backend, keys_per_call);
    read.get(&"FIRST", vec![0], terms()).await.unwrap();
    (backend, read)
}

async fn ask(read: &Arc<Read>, account: &'static str, keys: Vec<u32>, lane: Lane) {
    let terms = Terms { lane, ..terms() };
    let answer = read.get(&account, keys.clone(), terms).await.unwrap();
    for key in keys {
        assert_eq!(value(&answer, key), format!("{account}-{key}"));
    }
}

#[tokio::test(start_paused = true)]
async fn misses_of_many_buyers_who_wait_are_one_call() {
    let (backend, read) = busy(100).await;
    let asked = (0..40).map(|n| ask(&read, "ACME", vec![n, n + 1, 99], Lane::Browse));
    join_all(asked).await;
    assert_eq!(backend.calls(), 2);
    assert_eq!(backend.keys_of_last_call().len(), 42, "each key once");
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_batch_waits_goes_with_it() {
    let (backend, read) = busy(100).await;
    let late = async {
        sleep(Duration::from_millis(900)).await;
        ask(&read, "ACME", vec![2], Lane::Browse).await;
    };
    tokio::join!(ask(&read, "ACME", vec![1], Lane::Browse), late);
    let mut keys = backend.keys_of_last_call();
    keys.sort_unstable();
    assert_eq!((backend.calls(), keys), (2, vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn where_more_wait_than_fit_what_most_want_goes_first() {
    let (backend, read) = busy(2).await;
    let wanted = [1, 3, 2, 4, 3, 2, 3].map(|key| ask(&read, "ACME", vec![key], Lane::Browse));
    join_all(wanted).await;
    let mut last = backend.keys_of_last_call();
    last.sort_unstable();
    assert_eq!(
        (&backend.keys_by_call()[1], last),
        (&vec![3, 2], vec![1, 4])
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_in_the_lane_of_the_most_urgent_who_waits_for_it() {
    let (backend, read) = busy(100).await;
    let checkout = async {
        sleep(Duration::from_millis(100)).await;
        ask(&read, "ACME-WEST", vec![7], Lane::Checkout).await;
    };
    tokio::join!(
        ask(&read, "ACME", vec![1], Lane::Browse),
        ask(&read, "BOREALIS", vec![2], Lane::Browse),
        ask(&read, "ACME-WEST", vec![7, 8], Lane::Browse),
        checkout,
    );
    let mut first = backend.keys_by_call()[1].clone();
    first.sort_unstable();
    assert_eq!(first, [7, 8], "{:?}", backend.keys_by_call());
    assert_eq!(backend.calls(), 4, "accounts do not share a call");
}

#[tokio::test(start_paused = true)]
async fn an_urgent_key_is_in_the_first_call_however_many_want_others() {
    let (backend, read) = busy(2).await;
    let browsing = [1, 2, 3, 1, 2, 3].map(|key| ask(&read, "ACME", vec![key], Lane::Browse));
    let checkout = async {
        sleep(Duration::from_millis(100)).await;
        ask(&read, "ACME", vec![9], Lane::Checkout).await;
    };
    tokio::join!(join_all(browsing), checkout);
    assert_eq!(backend.keys_by_call()[1][0], 9);
    assert_eq!(backend.calls(), 3);
}

/// Its place in flight is held by a call that hangs.
#[tokio::test(start_paused = true)]
async fn who_came_late_to_a_batch_that_came_too_late_has_its_own_time() {
    let budget = BudgetPolicy {
        in_flight: NonZeroU32::new(1).unwrap(),
        ..BudgetPolicy::default()
    };
    let guard = Guard::new("erp".to_owned(), budget, guard(1).breakers, Clock::system());
    let backend = Arc::new(Backend::default());
    let read = read_of(&guard, &backend, 100);
    let hanging = guard.operation("accounts", Kind::Read, Duration::from_secs(100));
    let hang = hanging.run(
        Terms {
            deadline: Instant::now() + Duration::from_secs(100),
            ..terms()
        },
        |_started| sleep(Duration::from_secs(18)).map(Ok),
    );
    let first = async {
        sleep(Duration::from_millis(10)).await;
        read.get(&"ACME", vec![1], terms()).await
    };
    let late = async {
        sleep(Duration::from_secs(10)).await;
        read.get(&"ACME", vec![2], terms()).await
    };
    let (hung, first, late) = tokio::join!(hang, first, late);
    assert!(hung.is_ok());
    assert!(
        matches!(first, Err(GuardError::DeadlineExceeded)),
        "{first:?}"
    );
    assert_eq!(value(&late.unwrap(), 2), "ACME-2");
    assert_eq!(backend.keys_by_call(), [[2]]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_who_go_away_leave_the_call_to_one_who_stays() {
    let (backend, read) = busy(100).await;
    let leaving: Vec<_> = (0..1_000)
        .map(|_| {
            let read = Arc::clone(&read);
            tokio::spawn(async move { read.get(&"ACME", vec![1], terms()).await })
        })
        .collect();
    sleep(Duration::from_millis(100)).await;
    let staying = read.get(&"ACME", vec![1], terms());
    for task in leaving {
        task.abort();
    }
    assert_eq!(value(&staying.await.unwrap(), 1), "ACME-1");
    assert_eq!(backend.calls(), 2);
    assert_eq!(read.waiting_keys(), 0);
}
