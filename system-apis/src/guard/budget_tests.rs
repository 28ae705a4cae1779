//! The budget of one backend, under a clock that stands still.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    budget::{Budget, Refused, Slot},
    lane::{Lane, Ride},
    policy::BudgetPolicy,
    queue::Claimant,
};

fn policy(calls_per_second: u32, in_flight: u32, waiting: u32) -> BudgetPolicy {
    BudgetPolicy {
        calls_per_second: NonZeroU32::new(calls_per_second).unwrap(),
        in_flight: NonZeroU32::new(in_flight).unwrap(),
        waiting,
        reserved_for_orders: 0,
        ..BudgetPolicy::default()
    }
}

fn budget(calls_per_second: u32, in_flight: u32, waiting: u32) -> Arc<Budget> {
    Arc::new(Budget::new(policy(calls_per_second, in_flight, waiting)))
}

async fn slot(budget: &Budget, lane: Lane, deadline: Instant) -> Result<Slot, Refused> {
    slot_of(budget, "prices", lane, deadline).await
}

async fn slot_of(
    budget: &Budget,
    operation: &'static str,
    lane: Lane,
    deadline: Instant,
) -> Result<Slot, Refused> {
    budget
        .slot(&Ride::new(lane), begins(operation), deadline)
        .await
}

fn begins(operation: &'static str) -> Claimant {
    Claimant {
        operation,
        has_begun: false,
    }
}

/// Lets every task come to where it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn soon(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// The most of `instants` in any window of one second, both ends counted.
fn most_in_a_second(instants: &[Instant]) -> usize {
    instants
        .iter()
        .map(|start| {
            let end = *start + Duration::from_secs(1);
            instants
                .iter()
                .filter(|at| **at >= *start && **at <= end)
                .count()
        })
        .max()
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn no_second_holds_more_than_the_budget_and_one_under_a_burst() {
    for rate in [1, 7, 50, 200] {
        let budget = budget(rate, 1_000, 10_000);
        let calls = join_all((0..rate * 3).map(|_| {
            let budget = Arc::clone(&budget);
            async move {
                let _slot = slot(&budget, Lane::Browse, soon(60)).await.unwrap();
                Instant::now()
            }
        }))
        .await;
        let most = u32::try_from(most_in_a_second(&calls)).unwrap();
        assert!(most <= rate + 1, "{most} calls in a second at {rate}");
        let took = calls.iter().max().unwrap().duration_since(calls[0]);
        assert!(
            took < Duration::from_secs(4),
            "budget left unused: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_in_flight_than_allowed() {
    let budget = budget(1_000, 2, 10);
    let first = slot(&budget, Lane::Browse, soon(1)).await.unwrap();
    let _second = slot(&budget, Lane::Browse, soon(1)).await.unwrap();
    assert_eq!(
        slot(&budget, Lane::Browse, soon(1)).await.unwrap_err(),
        Refused::TooLate
    );
    assert_eq!(budget.status().in_flight, 2);
    drop(first);
    assert!(slot(&budget, Lane::Browse, soon(1)).await.is_ok());
}

/// Who was served in which order, when all wait before the next slot comes.
async fn served(lanes: Vec<Lane>) -> Vec<Lane> {
    let budget = budget(10, 100, 1_000);
    drop(slot(&budget, Lane::Browse, soon(1)).await.unwrap());
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for lane in lanes {
        let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
        tasks.push(tokio::spawn(async move {
            let _slot = slot(&budget, lane, soon(60)).await.unwrap();
            served.lock().unwrap().push(lane);
        }));
        tokio::task::yield_now().await;
    }
    join_all(tasks).await;
    std::mem::take(&mut *served.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_lane_goes_first_whoever_came_before() {
    let least_urgent_first = Lane::ALL.into_iter().rev().flat_map(|lane| [lane; 3]);
    let order = served(least_urgent_first.collect()).await;
    let expected: Vec<Lane> = Lane::ALL.into_iter().flat_map(|lane| [lane; 3]).collect();
    assert_eq!(order, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_lifted_goes_before_those_that_it_stood_behind() {
    let budget = budget(10, 100, 1_000);
    drop(slot(&budget, Lane::Browse, soon(1)).await.unwrap());
    let served = Arc::new(Mutex::new(Vec::new()));
    let last = Arc::new(Ride::new(Lane::Bulk));
    let rides = [Lane::Checkout; 5].map(|lane| Arc::new(Ride::new(lane)));
    let rides: Vec<Arc<Ride>> = rides.into_iter().chain([Arc::clone(&last)]).collect();
    let tasks: Vec<_> = rides
        .into_iter()
        .enumerate()
        .map(|(number, ride)| {
            let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
            tokio::spawn(async move {
                let _slot = budget
                    .slot(&ride, begins("prices"), soon(60))
                    .await
                    .unwrap();
                served.lock().unwrap().push(number);
            })
        })
        .collect();
    settle().await;
    assert_eq!(budget.status().lanes[3].waiting, 1);
    last.lift(Lane::Order);
    last.lift(Lane::Browse);
    join_all(tasks).await;
    assert_eq!(*served.lock().unwrap(), [5, 0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_place_in_flight_is_kept_for_orders() {
    let budget = Arc::new(Budget::new(BudgetPolicy {
        reserved_for_orders: 1,
        ..policy(1_000, 3, 10)
    }));
    let held = [
        slot(&budget, Lane::Browse, soon(1)).await.unwrap(),
        slot(&budget, Lane::Checkout, soon(1)).await.unwrap(),
    ];
    let waiting = Arc::clone(&budget);
    let browsing = tokio::spawn(async move { slot(&waiting, Lane::Browse, soon(60)).await });
    settle().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    for _ in 0..3 {
        assert!(slot(&budget, Lane::Order, soon(1)).await.is_ok());
    }
    let status = budget.status();
    assert_eq!((status.in_flight, status.reserved_for_orders), (2, 1));
    assert!(status.lanes[2].oldest_ms > 0, "{status:?}");
    drop(held);
    assert!(browsing.await.unwrap().is_ok());
}

/// Twenty wait for prices before one waits for stock, and two places are there.
#[tokio::test(start_paused = true)]
async fn an_operation_that_asks_for_much_holds_back_no_other() {
    let budget = budget(1_000, 2, 100);
    let held = [
        slot(&budget, Lane::Browse, soon(1)).await.unwrap(),
        slot(&budget, Lane::Browse, soon(1)).await.unwrap(),
    ];
    let served = Arc::new(Mutex::new(Vec::new()));
    let wants = [vec!["prices"; 20], vec!["stock"]].concat();
    let tasks: Vec<_> = wants
        .into_iter()
        .map(|operation| {
            let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
            tokio::spawn(async move {
                let _slot = slot_of(&budget, operation, Lane::Browse, soon(60)).await;
                served.lock().unwrap().push(operation);
                tokio::time::sleep(Duration::from_secs(1)).await;
            })
        })
        .collect();
    settle().await;
    drop(held);
    join_all(tasks).await;
    let served = served.lock().unwrap();
    assert!(served[..2].contains(&"stock"), "{served:?}");
}

/// What has been asked for already would be in vain if its last call came too late.
#[tokio::test(start_paused = true)]
async fn a_further_call_goes_before_those_that_begin() {
    let budget = budget(1_000, 1, 100);
    let held = slot(&budget, Lane::Browse, soon(1)).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = [false, false, true]
        .map(|has_begun| {
            let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
            tokio::spawn(async move {
                let claimant = Claimant {
                    has_begun,
                    ..begins("prices")
                };
                let ride = Ride::new(Lane::Browse);
                let _slot = budget.slot(&ride, claimant, soon(60)).await.unwrap();
                served.lock().unwrap().push(has_begun);
            })
        })
        .into_iter()
        .collect();
    settle().await;
    drop(held);
    join_all(tasks).await;
    assert_eq!(*served.lock().unwrap(), [true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn check_outs_leave_one_slot_in_four_to_who_looks_around_and_orders_none() {
    let (browse, check_out) = (Lane::Browse, Lane::Checkout);
    let crowd = [vec![browse; 2], vec![check_out; 8]].concat();
    let fair = [check_out, check_out, check_out, browse];
    let rest = [check_out; 2];
    assert_eq!(served(crowd).await, [&fair[..], &fair, &rest].concat());
    let orders = [vec![browse], vec![Lane::Order; 8]].concat();
    assert_eq!(
        served(orders).await,
        [vec![Lane::Order; 8], vec![browse]].concat()
    );
}

/// The instants at which calls began that were all asked for at once.
async fn begun(budget: &Arc<Budget>, calls: u32) -> Vec<Instant> {
    let calls = (0..calls).map(|_| async {
        let _slot = slot(budget, Lane::Browse, soon(600)).await.unwrap();
        Instant::now()
    });
    join_all(calls).await
}

#[tokio::test(start_paused = true)]
async fn a_slow_backend_gets_fewer_calls_to_a_floor_and_a_well_one_its_budget_again() {
    let budget = budget(20, 100, 1_000);
    for _ in 0..10 {
        budget.ended(true);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(budget.status().pace_percent, 25);
    // The first slot was due long ago, and the second stands a slot of the new pace behind it.
    let slow = begun(&budget, 21).await;
    assert!(most_in_a_second(&slow) <= 6, "{slow:?}");
    for _ in 0..10 {
        budget.ended(false);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(budget.status().pace_percent, 100);
    let well = begun(&budget, 60).await;
    let most = most_in_a_second(&well);
    assert!((19..=21).contains(&most), "{most} in a second");
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_all_calls_and_is_told_to_those_who_cannot_wait() {
    let budget = budget(100, 100, 1_000);
    budget.pause(Some(Duration::from_secs(3)));
    assert_eq!(
        slot(&budget, Lane::Order, soon(1)).await.unwrap_err(),
        Refused::Paused {
            retry_after: Duration::from_secs(3)
        }
    );
    let start = Instant::now();
    let _slot = slot(&budget, Lane::Order, soon(10)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let budget = budget(1, 1, 2);
    drop(slot(&budget, Lane::Browse, soon(1)).await.unwrap());
    let (a, b, c) = tokio::join!(
        slot(&budget, Lane::Browse, soon(30)),
        async {
            tokio::task::yield_now().await;
            slot(&budget, Lane::Browse, soon(1)).await
        },
        async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            slot(&budget, Lane::Browse, soon(1)).await
        }
    );
    let refused = [a.err(), b.err(), c.err()];
    assert!(refused.contains(&Some(Refused::QueueFull)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_full_of_others_turns_no_order_away() {
    let budget = budget(1, 10, 2);
    drop(slot(&budget, Lane::Browse, soon(1)).await.unwrap());
    let browsing = [(); 2].map(|()| {
        let budget = Arc::clone(&budget);
        tokio::spawn(async move { slot(&budget, Lane::Browse, soon(30)).await.map(drop) })
    });
    tokio::task::yield_now().await;
    assert_eq!(
        slot(&budget, Lane::Checkout, soon(30)).await.unwrap_err(),
        Refused::QueueFull
    );
    assert!(slot(&budget, Lane::Order, soon(30)).await.is_ok());
    for task in browsing {
        task.await.unwrap().unwrap();
    }
}
