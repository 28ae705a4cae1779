//! What a round begins, and what follows from what comes back.

use canonical_model::{
    SubscriptionId,
    public_event::{OrderNews, PublicEventType},
    subscription::SubscriptionState,
};
use serde_json::json;

use super::*;
use crate::store::{SubscriptionRow, SubscriptionSettings};

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

/// The event at a position, of an order by its number.
fn event(position: u64, order: u128) -> PublicEvent {
    let news: OrderNews = serde_json::from_value(json!({
        "order_id": Uuid::from_u128(order), "order_reference": "OW1", "purchase_order_number": "PO-1",
        "channel": "portal", "status": "received", "version": 1,
        "total": {"amount": "1.00", "currency": "USD"}, "holds": [], "lines": [],
    }))
    .unwrap();
    PublicEvent {
        specversion: "1.0".to_owned(),
        id: Uuid::from_u128(u128::from(position)),
        source: "/companies/US01".to_owned(),
        event_type: PublicEventType::Received.name().to_owned(),
        subject: Uuid::from_u128(order).to_string(),
        time: at(0),
        datacontenttype: "application/json".to_owned(),
        sequence: position,
        position,
        account: "A-1".parse().unwrap(),
        correlationid: String::new(),
        traceparent: String::new(),
        data: news,
    }
}

fn told(position: u64, order: u128) -> Told {
    Told::Event(Box::new(event(position, order)))
}

fn leased(health: SubscriptionHealth, position: u64) -> LeasedSubscription {
    LeasedSubscription {
        row: SubscriptionRow {
            id: SubscriptionId::generate(),
            company: "US01".parse().unwrap(),
            account: "A-1".parse().unwrap(),
            version: 1,
            settings: SubscriptionSettings {
                url: "https://example.com/".to_owned(),
                types: Vec::new(),
                description: None,
                secrets: Vec::new(),
            },
            state: SubscriptionState::Active,
            health,
            paused_until: None,
            position,
            waiting: 0,
            dead: 0,
            created_at: at(0),
            changed_at: at(0),
        },
        lease: Uuid::nil(),
        until: at(15),
    }
}

const BOUNDS: Bounds = Bounds {
    parallel: 4,
    most_waiting: 100,
    retry_for: SignedDuration::from_hours(72),
};

fn fresh(news: &[(u64, u128)], end: u64) -> Round {
    let mut round = Round::new(leased(SubscriptionHealth::default(), 0), Vec::new(), BOUNDS);
    let news = news.iter().map(|(position, order)| told(*position, *order));
    round.add_news(news.collect(), end, at(0));
    round
}

fn failed(status: u16) -> Failed {
    Failed {
        failure: DeliveryFailure {
            at: at(0),
            cause: FailureCause::Answer,
            status: Some(status),
        },
        leave_alone: None,
        gone: status == 410,
    }
}

/// Runs a round to its end, one at a time; `takes` says which positions the receiver takes. Answers what was sent.
fn run(round: &mut Round, now: Timestamp, takes: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut sent = Vec::new();
    loop {
        match round.next(now) {
            Step::Send(item, event) => {
                sent.push(event.position);
                if takes(event.position) {
                    round.delivered(*item, now);
                } else {
                    round.failed(*item, failed(500), now);
                }
            }
            Step::Wait => panic!("nothing is on its way"),
            Step::Done => return sent,
        }
    }
}

#[test]
fn what_is_taken_moves_the_cursor_to_the_end_of_what_was_read() {
    let mut round = fresh(&[(3, 1), (5, 2), (6, 1)], 9);
    assert_eq!(run(&mut round, at(0), |_| true), [3, 5, 6]);
    let round = round.finish(at(1));
    assert_eq!(
        (round.position, round.put.len(), round.over.len()),
        (9, 0, 0)
    );
    assert_eq!(round.health.last_success_at, Some(at(0)));
    assert_eq!((round.paused_until, round.wake), (None, None));
}

#[test]
fn of_one_order_one_event_is_on_its_way_and_of_others_as_many_as_may() {
    let mut round = fresh(&[(1, 1), (2, 2), (3, 1), (4, 3)], 4);
    let Step::Send(first, _) = round.next(at(0)) else {
        panic!()
    };
    let Step::Send(second, _) = round.next(at(0)) else {
        panic!()
    };
    assert!(
        matches!(round.next(at(0)), Step::Wait),
        "order 1 is on its way"
    );
    round.delivered(*first, at(0));
    let Step::Send(third, event) = round.next(at(0)) else {
        panic!()
    };
    assert_eq!(event.position, 3);
    round.delivered(*second, at(0));
    round.delivered(*third, at(0));
    assert_eq!(run(&mut round, at(0), |_| true), [4]);
}

#[test]
fn a_poison_event_parks_its_own_order_and_no_other() {
    let mut round = fresh(&[(1, 1), (2, 2), (3, 1), (4, 2)], 4);
    let sent = run(&mut round, at(0), |position| position != 1);
    assert_eq!(sent, [1, 2, 4], "3 is of the order that waits");
    let round = round.finish(at(0));
    assert_eq!(round.position, 4);
    let waits = &round.put[0];
    assert_eq!(
        (round.put.len(), waits.position, waits.detail.attempts),
        (1, 1, 1)
    );
    assert!(waits.due_at >= Some(at(4)) && waits.due_at <= Some(at(5)));
    assert_eq!(
        (round.health.failures, round.health.failing_since),
        (0, None),
        "another succeeded"
    );
}

fn waits(position: u64, order: u128, attempts: u32, since: Timestamp) -> DeliveryRow {
    let mut row = row(&event(position, order), at(0));
    row.detail.attempts = attempts;
    row.detail.first_failed_at = Some(since);
    row
}

#[test]
fn an_order_that_waits_goes_on_in_its_order_and_then_with_the_news() {
    let mut round = Round::new(
        leased(SubscriptionHealth::default(), 8),
        vec![waits(1, 1, 2, at(0))],
        BOUNDS,
    );
    assert_eq!(round.due(at(0), 16).len(), 1);
    let lane = (Uuid::from_u128(1), vec![told(1, 1), told(3, 1)], false);
    round.add_waiting(vec![lane], at(0));
    round.add_news(vec![told(9, 1)], 9, at(0));
    assert_eq!(run(&mut round, at(0), |_| true), [1, 3, 9]);
    let round = round.finish(at(0));
    assert_eq!(
        (round.over, round.put.len(), round.position),
        (vec![1, 3], 0, 9)
    );
}

#[test]
fn an_order_with_more_than_a_round_sends_waits_at_the_next() {
    let mut round = Round::new(
        leased(SubscriptionHealth::default(), 8),
        vec![waits(1, 1, 1, at(0))],
        BOUNDS,
    );
    let lane = (Uuid::from_u128(1), vec![told(1, 1), told(3, 1)], true);
    round.add_waiting(vec![lane], at(0));
    round.add_news(vec![told(9, 1)], 9, at(0));
    assert_eq!(run(&mut round, at(7), |_| true), [1]);
    let round = round.finish(at(7));
    assert_eq!(
        (round.over, round.put[0].position, round.position),
        (vec![1], 3, 9)
    );
}

#[test]
fn after_72_hours_an_event_is_a_dead_letter_and_its_order_goes_on() {
    let hours = |hours: i64| at(hours * 3_600);
    let round_at = |now: Timestamp| {
        let mut round = Round::new(
            leased(SubscriptionHealth::default(), 8),
            vec![waits(1, 1, 20, at(0))],
            BOUNDS,
        );
        let lane = (Uuid::from_u128(1), vec![told(1, 1), told(3, 1)], false);
        round.add_waiting(vec![lane], now);
        round.add_news(Vec::new(), 8, now);
        assert_eq!(run(&mut round, now, |_| false), [1]);
        round.finish(now)
    };
    let early = round_at(hours(71));
    assert_eq!(early.put[0].state, DeliveryState::Waiting);
    assert_eq!(
        early.put[0].due_at,
        Some(hours(72)),
        "the last attempt is at the end"
    );
    let late = round_at(hours(72));
    let states: Vec<_> = late
        .put
        .iter()
        .map(|row| (row.position, row.state))
        .collect();
    assert_eq!(
        states,
        [(1, DeliveryState::Dead), (3, DeliveryState::Waiting)]
    );
    assert_eq!(
        late.put[1].due_at,
        Some(hours(72)),
        "the next one is tried at once"
    );
    assert_eq!(
        late.health.disabled_reason, None,
        "one order is not the receiver"
    );
}

#[test]
fn a_receiver_that_fails_for_all_pauses_the_cursor_and_not_every_order() {
    let news: Vec<_> = (1..=20)
        .map(|position| (position, u128::from(position)))
        .collect();
    let mut round = fresh(&news, 20);
    assert_eq!(run(&mut round, at(0), |_| false), [1, 2, 3, 4, 5]);
    let round = round.finish(at(0));
    assert_eq!(
        (round.position, round.put.len(), round.health.failures),
        (5, 5, OPEN)
    );
    assert!(round.paused_until >= Some(at(4)) && round.paused_until <= Some(at(5)));
    assert_eq!(round.health.failing_since, Some(at(0)));
}

fn failing(try_next: bool) -> SubscriptionHealth {
    SubscriptionHealth {
        failures: OPEN,
        failing_since: Some(at(0)),
        try_next,
        ..SubscriptionHealth::default()
    }
}

#[test]
fn while_it_fails_one_event_is_tried_in_turn_one_that_waits_and_the_next_of_the_log() {
    let probe = |try_next: bool, takes: bool| {
        let mut round = Round::new(
            leased(failing(try_next), 5),
            vec![waits(1, 1, 1, at(0)), waits(2, 2, 1, at(0))],
            BOUNDS,
        );
        assert_eq!(round.due(at(0), 16).len(), 1, "one is enough to know");
        let lane = (Uuid::from_u128(1), vec![told(1, 1)], false);
        round.add_waiting(vec![lane], at(10));
        round.add_news(vec![told(6, 2), told(7, 3), told(8, 4)], 8, at(10));
        let sent = run(&mut round, at(10), |_| takes);
        (sent, round.finish(at(10)))
    };
    let (sent, round) = probe(false, false);
    assert_eq!((sent, round.position), (vec![1], 5));
    assert!(round.health.try_next && round.health.failures == OPEN + 1);
    let (sent, round) = probe(true, false);
    assert_eq!(
        (sent, round.position),
        (vec![7], 6),
        "6 is of an order that waits"
    );
    assert!(round.put.is_empty(), "it stays in the log and waits there");
    assert!(round.paused_until > Some(at(10)) && !round.health.try_next);
    let (sent, round) = probe(true, true);
    assert_eq!((sent, round.position), (vec![7], 7));
    assert_eq!((round.health.failures, round.paused_until), (0, None));
    assert_eq!(round.wake, Some(at(10)), "all that waits is due");
}

#[test]
fn nothing_but_failure_for_72_hours_disables_and_nothing_is_given_up() {
    let end = at(72 * 3_600);
    let mut round = Round::new(
        leased(failing(false), 5),
        vec![waits(1, 1, 20, at(0))],
        BOUNDS,
    );
    let lane = (Uuid::from_u128(1), vec![told(1, 1)], false);
    round.add_waiting(vec![lane], end);
    round.add_news(Vec::new(), 5, end);
    assert_eq!(run(&mut round, end, |_| false), [1]);
    let round = round.finish(end);
    assert_eq!(round.health.disabled_reason, Some(DisabledReason::Failing));
    assert_eq!(round.put[0].state, DeliveryState::Waiting);
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_more_and_loses_nothing() {
    let mut round = fresh(&[(1, 1), (2, 2)], 2);
    let Step::Send(first, _) = round.next(at(0)) else {
        panic!()
    };
    round.failed(*first, failed(410), at(0));
    assert!(matches!(round.next(at(0)), Step::Done));
    let round = round.finish(at(0));
    assert_eq!((round.position, round.put.len()), (0, 0));
    assert_eq!(round.health.disabled_reason, Some(DisabledReason::Gone));
}

#[test]
fn a_receiver_that_asks_to_be_left_alone_is() {
    let mut round = fresh(&[(1, 1), (2, 2)], 2);
    let Step::Send(first, _) = round.next(at(0)) else {
        panic!()
    };
    let busy = Failed {
        leave_alone: Some(SignedDuration::from_secs(120)),
        ..failed(429)
    };
    round.failed(*first, busy, at(0));
    assert!(matches!(round.next(at(0)), Step::Done));
    let round = round.finish(at(0));
    assert_eq!((round.position, round.paused_until), (1, Some(at(120))));
}

/// One order waits, and no more may.
fn as_many_waiting_as_may() -> Round {
    let bounds = Bounds {
        most_waiting: 1,
        ..BOUNDS
    };
    let waiting = vec![waits(1, 1, 1, at(0))];
    Round::new(leased(SubscriptionHealth::default(), 5), waiting, bounds)
}

#[test]
fn with_as_many_orders_waiting_as_may_the_cursor_stays() {
    let mut round = as_many_waiting_as_may();
    round.add_news(vec![told(6, 2), told(7, 3)], 7, at(0));
    assert_eq!(run(&mut round, at(0), |_| false), [6]);
    let round = round.finish(at(0));
    assert_eq!((round.position, round.put.len()), (5, 0));
    assert!(round.paused_until.is_some());
}

#[test]
fn a_replay_is_sent_once_more_and_is_over_or_stays_a_dead_letter() {
    let dead = DeliveryRow {
        state: DeliveryState::Dead,
        dead_since: Some(at(0)),
        ..waits(1, 1, 20, at(0))
    };
    let replay = |takes: bool| {
        let mut round = Round::new(leased(SubscriptionHealth::default(), 8), Vec::new(), BOUNDS);
        let event = Replayed::Event(Box::new(event(1, 1)));
        round.add_replays(vec![(dead.clone(), event)], at(9));
        round.add_news(Vec::new(), 8, at(9));
        assert_eq!(run(&mut round, at(9), |_| takes), [1]);
        round.finish(at(9))
    };
    assert_eq!(replay(true).over, [1]);
    let again = replay(false);
    assert_eq!(
        (again.put[0].state, again.put[0].due_at),
        (DeliveryState::Dead, None)
    );
    assert_eq!(again.put[0].detail.attempts, 21);
    let mut round = Round::new(leased(SubscriptionHealth::default(), 8), Vec::new(), BOUNDS);
    round.add_replays(vec![(dead, Replayed::NotYet)], at(9));
    round.add_news(Vec::new(), 8, at(9));
    let stays = round.finish(at(9));
    assert!(stays.over.is_empty(), "what cannot be told is not deleted");
    let stays = &stays.put[0];
    assert_eq!((stays.state, stays.due_at), (DeliveryState::Dead, None));
    let failure = stays.detail.last_failure.as_ref().unwrap();
    assert_eq!(failure.cause, FailureCause::NotReadable);
}

#[test]
fn what_cannot_be_told_yet_waits_and_counts_for_nothing() {
    let mut round = Round::new(leased(SubscriptionHealth::default(), 0), Vec::new(), BOUNDS);
    let unknown = DeliveryRow {
        due_at: None,
        ..row(&event(1, 1), at(0))
    };
    let news = vec![Told::NotYet(Box::new(unknown)), told(2, 1), told(3, 2)];
    round.add_news(news, 3, at(0));
    assert_eq!(run(&mut round, at(0), |_| true), [3]);
    let round = round.finish(at(0));
    assert_eq!(
        (round.position, round.put[0].position, round.health.failures),
        (3, 1, 0)
    );
    let failure = round.put[0].detail.last_failure.as_ref().unwrap();
    assert_eq!(failure.cause, FailureCause::NotReadable);
}

#[test]
fn with_as_many_orders_waiting_as_may_what_cannot_be_told_yet_stays_in_the_log() {
    let mut round = as_many_waiting_as_may();
    let unknown = row(&event(7, 2), at(0));
    let news = vec![told(6, 3), Told::NotYet(Box::new(unknown)), told(8, 2)];
    round.add_news(news, 8, at(0));
    assert_eq!(run(&mut round, at(0), |_| true), [6]);
    let round = round.finish(at(0));
    assert_eq!((round.position, round.put.len()), (6, 0));
    assert!(
        round.paused_until > Some(at(0)),
        "it is not asked at once again"
    );
}

/// A round of a receiver that has failed so often, over news of as many orders.
fn trial(failures: u32, failed: &Failed) -> (Vec<u64>, SubscriptionRound) {
    let health = SubscriptionHealth {
        failures,
        ..failing(true)
    };
    let mut round = Round::new(leased(health, 0), Vec::new(), BOUNDS);
    let news = (1..=9).map(|position| told(position, u128::from(position)));
    round.add_news(news.collect(), 9, at(0));
    let mut sent = Vec::new();
    while let Step::Send(item, event) = round.next(at(0)) {
        sent.push(event.position);
        round.failed(*item, failed.clone(), at(0));
    }
    (sent, round.finish(at(0)))
}

#[test]
fn what_a_failing_receiver_refuses_waits_by_itself_after_some_trials() {
    let (sent, round) = trial(OPEN + 2, &failed(400));
    assert_eq!((sent, round.position, round.put.len()), (vec![1], 0, 0));
    let (sent, round) = trial(OPEN + 3, &failed(400));
    assert_eq!(sent, [1, 2, 3, 4, 5], "a few at a time");
    assert_eq!((round.position, round.put.len()), (5, 5));
    assert!(
        round.health.try_next,
        "the next time it goes on behind them"
    );
    assert!(round.paused_until > Some(at(0)));

    let silent = Failed {
        failure: DeliveryFailure {
            cause: FailureCause::Timeout,
            status: None,
            ..failed(500).failure
        },
        ..failed(500)
    };
    let busy = Failed {
        leave_alone: Some(SignedDuration::from_secs(120)),
        ..failed(503)
    };
    for failed in [silent, busy, failed(410)] {
        let (sent, round) = trial(OPEN + 3, &failed);
        assert_eq!((sent, round.position, round.put.len()), (vec![1], 0, 0));
    }
}
