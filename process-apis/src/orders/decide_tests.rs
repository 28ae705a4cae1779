//! Rules of orders, and the ledger of quantities under any sequence of commands.

use canonical_model::{
    ErpOrderNumber, SiteId,
    order::{HoldReason, OrderStatus},
};
use proptest::prelude::*;
use rstest::rstest;
use rust_decimal::Decimal;

use super::*;
use crate::orders::{
    event::Recorded,
    evolve::{evolve, fold},
    state::{SCHEMA_FIRST, SCHEMA_REPLACED, SCHEMA_TOLD},
    testing::{after, now, replacement, site, taking, taking_provisionally},
};

fn number() -> ErpOrderNumber {
    ErpOrderNumber::new("SO-1").unwrap()
}

fn person(hold: u32) -> Command {
    Command::ReleaseHold {
        hold,
        principal: "carla".to_owned(),
        note: "paid".to_owned(),
    }
}

fn cancel_by(by_seller: bool) -> Command {
    Command::Cancel {
        principal: "buyer".to_owned(),
        note: String::new(),
        by_seller,
    }
}

fn replace_by(number: u128) -> Command {
    Command::Replace {
        replacement: Box::new(replacement(number)),
        by_seller: false,
    }
}

fn replaced(number: u128) -> Command {
    Command::Replaced {
        order_id: replacement(number).order_id,
    }
}

fn replacement_refused(number: u128) -> Command {
    Command::ReplacementRefused {
        order_id: replacement(number).order_id,
        detail: "No.".to_owned(),
        reasons: Vec::new(),
    }
}

/// Which order is to take its place, or took it.
fn replacing(state: &OrderState) -> Option<u128> {
    let pending = state.replacement.as_ref().map(|pending| pending.order_id);
    pending.or(state.replaced_by).map(|id| id.0.as_u128())
}

fn words(state: &OrderState, command: &Command) -> Vec<&'static str> {
    let events = decide(state, command, now()).unwrap();
    events.iter().map(OrderEvent::word).collect()
}

fn retry_command() -> Command {
    Command::Retry {
        principal: "carla".to_owned(),
        note: String::new(),
    }
}

fn accepted() -> Command {
    Command::ErpAccepted {
        number: number(),
        at: now(),
        totals: None,
    }
}

/// The order after the commands; each must be taken.
fn carried_out(kinds: &[HoldKind], commands: &[Command]) -> OrderState {
    commands
        .iter()
        .fold(after(&taking(kinds)), |state, command| {
            let events = decide(&state, command, now()).unwrap();
            assert!(
                !events.is_empty(),
                "{command:?} changes nothing on {state:?}"
            );
            events.iter().fold(Some(state), evolve).unwrap()
        })
}

fn begin(at: &str) -> Command {
    Command::BeginRelease { site: site(at) }
}

fn released(at: &str) -> Command {
    Command::WarehouseReleased {
        site: site(at),
        release_number: "R-1".to_owned(),
    }
}

#[test]
fn an_order_goes_through_erp_and_warehouses_and_its_quantities_follow() {
    let state = carried_out(&[], &[]);
    assert_eq!(state.status(), OrderStatus::Received);
    assert_eq!(state.quantities[0].open, Decimal::TEN);
    assert_eq!(state.quantities[1].rejected, Decimal::TEN);
    let state = carried_out(
        &[],
        &[Command::ErpOrderChosen { number: number() }, accepted()],
    );
    assert_eq!(state.status(), OrderStatus::Accepted);
    assert_eq!(
        (
            state.quantities[0].allocated,
            state.quantities[0].backordered
        ),
        (9.into(), 1.into())
    );
    let commands = [
        accepted(),
        begin("EAST"),
        released("EAST"),
        begin("WEST"),
        released("WEST"),
    ];
    let state = carried_out(&[], &commands);
    assert_eq!(state.status(), OrderStatus::Released);
    assert_eq!(
        (
            state.quantities[0].released,
            state.quantities[0].backordered
        ),
        (9.into(), 1.into())
    );
}

#[test]
fn a_hold_is_released_by_its_number_once() {
    let held = after(&taking(&[HoldKind::Credit, HoldKind::PriceMismatch]));
    assert_eq!(held.status(), OrderStatus::Held);
    assert_eq!(decide(&held, &person(3), now()), Err(Refusal::NoSuchHold));
    let first = carried_out(&[HoldKind::Credit, HoldKind::PriceMismatch], &[person(1)]);
    assert_eq!(
        (first.status(), first.create),
        (OrderStatus::Held, CreateStage::Waiting)
    );
    assert_eq!(decide(&first, &person(1), now()), Err(Refusal::NoSuchHold));
    let both = carried_out(
        &[HoldKind::Credit, HoldKind::PriceMismatch],
        &[person(1), person(2)],
    );
    assert_eq!(
        (both.status(), both.create),
        (OrderStatus::Received, CreateStage::Begun)
    );
}

#[test]
fn what_stopped_is_retried_and_not_released() {
    let unknown = Command::ErpUnknown {
        detail: "Look.".to_owned(),
        retries: 0,
    };
    let stopped = carried_out(&[], std::slice::from_ref(&unknown));
    assert_eq!(stopped.status(), OrderStatus::Held);
    assert_eq!(
        decide(&stopped, &person(1), now()),
        Err(Refusal::HoldNeedsRetry)
    );
    let again = carried_out(&[], &[unknown.clone(), retry_command()]);
    assert_eq!((again.status(), again.retries), (OrderStatus::Received, 1));
    assert_eq!(
        decide(&again, &retry_command(), now()),
        Err(Refusal::NothingToRetry)
    );
    // News from before the retry counts no more.
    assert_eq!(decide(&again, &unknown, now()), Ok(Vec::new()));
}

#[test]
fn a_held_order_is_cancelled_at_once_and_one_that_the_erp_may_have_when_that_is_settled() {
    assert_eq!(
        carried_out(&[HoldKind::Credit], &[cancel_by(false)]).status(),
        OrderStatus::Cancelled
    );
    let asked = carried_out(&[], &[cancel_by(false)]);
    assert_eq!(asked.status(), OrderStatus::Received);
    assert_eq!(decide(&asked, &cancel_by(false), now()), Ok(Vec::new()));
    let done = carried_out(&[], &[cancel_by(false), Command::ErpHasNone]);
    assert!(done.is_closed());
    assert!(matches!(
        decide(&done, &cancel_by(true), now()),
        Err(Refusal::NotCancellable(_))
    ));
    assert_eq!(decide(&done, &accepted(), now()), Ok(Vec::new()));
}

#[test]
fn of_cancellation_and_release_to_the_warehouse_exactly_one_wins() {
    let begun = carried_out(&[], &[accepted(), begin("EAST")]);
    assert!(matches!(
        decide(&begun, &cancel_by(true), now()),
        Err(Refusal::NotCancellable(_))
    ));
    let cancelling = carried_out(&[], &[accepted(), cancel_by(false)]);
    assert_eq!(decide(&cancelling, &begin("EAST"), now()), Ok(Vec::new()));
    let refused = Command::ErpCancelRefused {
        detail: "Delivered.".to_owned(),
    };
    let stands = carried_out(&[], &[accepted(), cancel_by(false), refused, begin("EAST")]);
    assert_eq!(stands.status(), OrderStatus::Accepted);
    let certain = Command::WarehouseFailed {
        site: site("EAST"),
        detail: "Closed.".to_owned(),
        certain: true,
        retries: 0,
    };
    let failed = carried_out(&[], &[accepted(), begin("EAST"), certain, cancel_by(true)]);
    assert!(failed.cancelling.is_some());
}

#[test]
fn what_the_erp_refused_ends_as_rejected_and_what_it_may_have_is_not_the_buyer_s_to_cancel() {
    let refused = Command::ErpRejected {
        detail: "Material locked.".to_owned(),
        retries: 0,
    };
    let ended = carried_out(&[], &[refused, cancel_by(true), Command::ErpHasNone]);
    assert_eq!(ended.status(), OrderStatus::Rejected);
    let unknown = Command::ErpUnknown {
        detail: "Look.".to_owned(),
        retries: 0,
    };
    let state = carried_out(&[], std::slice::from_ref(&unknown));
    assert!(matches!(
        decide(&state, &cancel_by(false), now()),
        Err(Refusal::NotCancellable(_))
    ));
    let state = carried_out(&[], &[unknown, cancel_by(true)]);
    assert!(state.cancelling.is_some() && state.holds.is_empty());
}

#[test]
fn what_is_to_take_its_place_is_known_before_it_is_cancelled() {
    let held = after(&taking(&[HoldKind::Credit]));
    assert_eq!(
        words(&held, &replace_by(8)),
        ["order.replacement_requested", "order.cancelled"]
    );
    let received = after(&taking(&[]));
    assert_eq!(
        words(&received, &replace_by(8)),
        ["order.replacement_requested", "order.cancel_requested"]
    );
    let cancelled = carried_out(&[], &[replace_by(8), Command::ErpHasNone]);
    assert_eq!(
        (cancelled.status(), replacing(&cancelled)),
        (OrderStatus::Cancelled, Some(8))
    );
    let replaced = carried_out(&[], &[replace_by(8), Command::ErpHasNone, replaced(8)]);
    assert_eq!(
        (replaced.replacement.as_ref(), replaced.replaced_by),
        (None, Some(replacement(8).order_id))
    );
}

#[test]
fn the_last_request_counts_and_a_cancellation_drops_it() {
    let pending = carried_out(&[], &[replace_by(8)]);
    assert_eq!(
        words(&pending, &replace_by(9)),
        ["order.replacement_requested"]
    );
    let again = carried_out(&[], &[replace_by(8), replace_by(9)]);
    assert_eq!(replacing(&again), Some(9));
    assert_eq!(
        words(&again, &cancel_by(false)),
        ["order.replacement_dropped"]
    );
    let dropped = carried_out(&[], &[replace_by(8), cancel_by(false)]);
    assert!(dropped.cancelling.is_some() && replacing(&dropped).is_none());
    let taken_up = carried_out(&[], &[replace_by(8), cancel_by(false), replace_by(9)]);
    assert_eq!(replacing(&taken_up), Some(9));
}

#[test]
fn what_is_to_take_the_place_of_an_order_that_has_ended_may_still_be_changed_or_dropped() {
    let ended = [replace_by(8), Command::ErpHasNone];
    let with = |command| carried_out(&[], &[&ended[..], &[command]].concat());
    assert_eq!(
        words(&carried_out(&[], &ended), &cancel_by(false)),
        ["order.replacement_dropped"]
    );
    let other = with(replace_by(9));
    assert_eq!(replacing(&other), Some(9));
    assert!(words(&other, &replacement_refused(8)).is_empty());
    assert_eq!(words(&other, &replaced(9)), ["order.replaced"]);
    for settled in [cancel_by(false), replaced(8), replacement_refused(8)] {
        for late in [replace_by(9), cancel_by(true)] {
            assert!(matches!(
                decide(&with(settled.clone()), &late, now()),
                Err(Refusal::NotCancellable(_))
            ));
        }
    }
}

#[test]
fn an_order_that_the_erp_goes_on_with_is_replaced_by_none() {
    let refused = Command::ErpCancelRefused {
        detail: "Delivered.".to_owned(),
    };
    let stands = carried_out(&[], &[accepted(), replace_by(8), refused]);
    assert_eq!(
        (stands.status(), replacing(&stands)),
        (OrderStatus::Accepted, None)
    );
    let begun = carried_out(&[], &[accepted(), begin("EAST")]);
    assert!(matches!(
        decide(&begun, &replace_by(8), now()),
        Err(Refusal::NotCancellable(_))
    ));
}

#[test]
fn only_of_the_order_awaited_it_is_said_what_became_of_it_and_once() {
    let pending = carried_out(&[], &[replace_by(8)]);
    assert!(words(&pending, &replaced(8)).is_empty(), "it still stands");
    let ended = carried_out(&[], &[replace_by(8), Command::ErpHasNone]);
    assert!(words(&ended, &replaced(9)).is_empty());
    assert!(words(&ended, &replacement_refused(9)).is_empty());
    for settled in [replaced(8), replacement_refused(8)] {
        let told = carried_out(&[], &[replace_by(8), Command::ErpHasNone, settled]);
        assert!(words(&told, &replaced(8)).is_empty());
        assert!(words(&told, &replacement_refused(8)).is_empty());
    }
}

fn doubt(seconds_ago: i64) -> Command {
    Command::ErpOutcomeUnknown {
        since: now() - jiff::SignedDuration::from_secs(seconds_ago),
    }
}

#[test]
fn a_doubt_is_noted_since_when_it_is_one_until_the_erp_s_word_is_known() {
    let doubted = carried_out(&[], &[doubt(9)]);
    let since = now() - jiff::SignedDuration::from_secs(9);
    assert_eq!(
        (doubted.erp_unknown_since, doubted.erp_doubted),
        (Some(since), true)
    );
    assert_eq!(doubted.status(), OrderStatus::Received);
    assert!(words(&doubted, &doubt(0)).is_empty(), "the first counts");
    let refused = Command::ErpRejected {
        detail: "No.".to_owned(),
        retries: 0,
    };
    let none = [doubt(9), cancel_by(false), Command::ErpHasNone];
    for settled in [
        carried_out(&[], &[doubt(9), accepted()]),
        carried_out(&[], &[doubt(9), refused]),
        carried_out(&[], &none),
    ] {
        assert_eq!(settled.erp_unknown_since, None);
        assert!(
            settled.erp_doubted,
            "what came of it may come to light later"
        );
    }
    let has_it = carried_out(&[], &[accepted()]);
    assert!(words(&has_it, &doubt(0)).is_empty(), "the ERP has it");
    assert!(!has_it.erp_doubted);
}

fn duplicate(retries: u32) -> Command {
    Command::ErpDuplicate {
        detail: "The ERP has SO-1 and SO-2.".to_owned(),
        erp_orders: vec!["SO-2".parse().unwrap()],
        retries,
    }
}

#[test]
fn another_order_of_the_erp_is_told_whatever_became_of_this_one() {
    let with_the_warehouse = [accepted(), begin("EAST"), released("EAST")];
    let ended = [doubt(0), cancel_by(false), Command::ErpHasNone];
    for (so_far, held_as) in [
        (&with_the_warehouse[..1], OrderStatus::Held),
        (&with_the_warehouse[..], OrderStatus::Held),
        (&ended[..], OrderStatus::Cancelled),
    ] {
        let before = carried_out(&[], so_far);
        let told = [so_far, &[duplicate(before.retries)]].concat();
        let held = carried_out(&[], &told);
        assert!(held.is_held_for(HoldKind::ErpDuplicate));
        assert_eq!(held.status(), held_as);
        assert_eq!(held.holds[0].reason.released_by, "holds:release");
        assert!(held.is_told_of(&["SO-2".parse().unwrap()]) && held.schema == SCHEMA_TOLD);
        let number = held.holds[0].hold;
        for (command, retries) in [(person(number), 0), (retry_command(), 1)] {
            let over = carried_out(&[], &[&told[..], &[command]].concat());
            assert_eq!(over.status(), before.status(), "it stands as before");
            assert_eq!(over.holds, []);
            assert_eq!(over.quantities, before.quantities);
            assert_eq!(over.retries, before.retries + retries);
        }
        // A person had it looked for meanwhile: what was found before that is looked at anew.
        assert!(words(&before, &duplicate(before.retries + 1)).is_empty());
    }
}

/// Taken while the ERP did not answer.
fn provisional() -> OrderState {
    after(&taking_provisionally())
}

fn look_again(differences: &[HoldKind]) -> Command {
    let differs = |kind: &HoldKind| HoldReason {
        kind: *kind,
        detail: "It is another now.".to_owned(),
        released_by: "holds:release".to_owned(),
        line: None,
    };
    Command::Revalidate {
        decision_id: Uuid::from_u128(3),
        differences: differences.iter().map(differs).collect(),
    }
}

#[test]
fn what_was_taken_provisionally_goes_on_once_it_was_looked_at_again() {
    let taken = provisional();
    let events = decide(&taken, &look_again(&[]), now()).unwrap();
    let sound = events.iter().fold(Some(taken), evolve).unwrap();
    assert_eq!(
        (sound.status(), sound.create, sound.provisional.is_none()),
        (OrderStatus::Received, CreateStage::Begun, true)
    );
    assert!(words(&sound, &look_again(&[])).is_empty(), "once is enough");
    assert!(words(&after(&taking(&[])), &look_again(&[])).is_empty());
}

#[test]
fn what_differs_holds_it_and_takes_it_off_its_way_into_the_erp() {
    let taken = provisional();
    let differences = [HoldKind::PriceMismatch, HoldKind::Credit];
    let events = decide(&taken, &look_again(&differences), now()).unwrap();
    let held = events.iter().fold(Some(taken.clone()), evolve).unwrap();
    assert_eq!(
        (held.status(), held.create),
        (OrderStatus::Held, CreateStage::Waiting)
    );
    let holds: Vec<_> = held.holds.iter().map(|hold| hold.hold).collect();
    assert_eq!(holds, [1, 2]);
    assert!(!held.order.credit.claimed, "its credit is given back");
    let released = |state: OrderState, hold| {
        let events = decide(&state, &person(hold), now()).unwrap();
        events.iter().fold(Some(state), evolve).unwrap()
    };
    let first = released(held, 1);
    assert_eq!(first.create, CreateStage::Waiting);
    assert_eq!(released(first, 2).create, CreateStage::Begun);

    // What somebody wants cancelled is not held for what it was taken on.
    let cancel = decide(&taken, &cancel_by(false), now()).unwrap();
    let cancelling = cancel.iter().fold(Some(taken), evolve).unwrap();
    assert!(words(&cancelling, &look_again(&differences)).is_empty());
}

#[test]
fn an_earlier_release_keeps_off_what_it_would_lose_and_reads_all_else() {
    let schema = |commands: &[Command]| carried_out(&[], commands).schema;
    assert_eq!(schema(&[accepted(), cancel_by(false)]), SCHEMA_FIRST);
    assert_eq!(schema(&[replace_by(8)]), SCHEMA_REPLACED);
    let mut older = serde_json::to_value(carried_out(&[], &[accepted()])).unwrap();
    let members = older.as_object_mut().unwrap();
    for added in ["replacement", "replaced_by", "acknowledged"] {
        members.remove(added);
    }
    members["order"].as_object_mut().unwrap().remove("replaces");
    let read = crate::orders::change::read(&crate::store::Written::of(&older).unwrap()).unwrap();
    assert_eq!(replacing(&read), None);
}

#[test]
fn commands_on_a_history_that_is_not_understood_are_refused() {
    let mut events: Vec<Recorded> = taking(&[]).into_iter().map(Recorded::Known).collect();
    events.push(Recorded::Unknown {
        event_type: "order.painted".to_owned(),
        type_version: 1,
    });
    let state = fold(&events).unwrap();
    assert_eq!(state.version, 2);
    assert_eq!(
        decide(&state, &accepted(), now()),
        Err(Refusal::NotUnderstood("order.painted".to_owned()))
    );
}

#[rstest]
#[case(accepted())]
#[case(released("EAST"))]
fn news_told_twice_changes_nothing_more(#[case] news: Command) {
    let once = carried_out(&[], &[accepted(), begin("EAST"), released("EAST")]);
    assert_eq!(decide(&once, &news, now()), Ok(Vec::new()));
}

fn any_command() -> impl Strategy<Value = Command> {
    let site = prop_oneof![Just("EAST"), Just("WEST"), Just("NORTH")]
        .prop_map(|name| SiteId::new(name).unwrap());
    prop_oneof![
        (1_u32..4).prop_map(person),
        Just(retry_command()),
        any::<bool>().prop_map(cancel_by),
        (8_u128..10).prop_map(replace_by),
        (8_u128..10).prop_map(replaced),
        (8_u128..10).prop_map(replacement_refused),
        Just(Command::ErpOrderChosen { number: number() }),
        Just(accepted()),
        (0_u32..3).prop_map(|retries| Command::ErpRejected {
            detail: "No.".to_owned(),
            retries
        }),
        (0_u32..3).prop_map(|retries| Command::ErpUnknown {
            detail: "Look.".to_owned(),
            retries
        }),
        Just(Command::ErpHasNone),
        (0_i64..3).prop_map(doubt),
        (0_u32..3).prop_map(duplicate),
        prop_oneof![Just(vec![]), Just(vec![HoldKind::Credit])]
            .prop_map(|differences| look_again(&differences)),
        Just(Command::ErpCancelRefused {
            detail: "No.".to_owned()
        }),
        site.clone().prop_map(|site| Command::BeginRelease { site }),
        site.clone().prop_map(|site| Command::WarehouseReleased {
            site,
            release_number: "R".to_owned()
        }),
        (site, any::<bool>(), 0_u32..3).prop_map(|(site, certain, retries)| {
            Command::WarehouseFailed {
                site,
                detail: "No.".to_owned(),
                certain,
                retries,
            }
        }),
    ]
}

fn any_holds() -> impl Strategy<Value = Vec<HoldKind>> {
    prop_oneof![
        Just(vec![]),
        Just(vec![HoldKind::Credit]),
        Just(vec![HoldKind::PriceMismatch, HoldKind::Credit])
    ]
}

proptest! {
    #[test]
    fn the_ledger_balances_whatever_is_commanded(
        kinds in any_holds(),
        commands in prop::collection::vec(any_command(), 0..40),
        is_provisional in any::<bool>(),
    ) {
        let mut log = if is_provisional { taking_provisionally() } else { taking(&kinds) };
        let mut state = after(&log);
        for command in &commands {
            let was_closed = state.is_closed();
            let Ok(events) = decide(&state, command, now()) else { continue };
            let after_the_end = |event: &OrderEvent| {
                matches!(event, OrderEvent::Replaced(_) | OrderEvent::ReplacementRefused(_)
                    | OrderEvent::ReplacementRequested(_) | OrderEvent::ReplacementDropped(_)
                    // What the ERP has besides is told of whatever became of it.
                    | OrderEvent::Held(_) | OrderEvent::HoldReleased(_) | OrderEvent::Retried(_))
            };
            prop_assert!(!was_closed || events.iter().all(after_the_end), "what has ended is final");
            let version = state.version;
            for event in &events {
                state = evolve(Some(state), event).unwrap();
            }
            prop_assert_eq!(state.version, version + u64::try_from(events.len()).unwrap());
            log.extend(events);
            for (line, quantities) in state.lines() {
                prop_assert!(quantities.balances(line.ordered.value), "{:?}", quantities);
            }
            prop_assert!(!(state.is_closed() && state.releases.iter().any(|r| r.stage == ReleaseStage::Released)));
        }
        // The state is what its log comes to, also when that was stored and read.
        let read = log.iter().map(|event| {
            let new = event.to_new().unwrap();
            Recorded::read(new.event_type, new.type_version, &new.data).unwrap()
        });
        prop_assert_eq!(fold(&read.collect::<Vec<_>>()), Some(state.clone()));
        let stored = serde_json::to_value(&state).unwrap();
        prop_assert_eq!(serde_json::from_value::<OrderState>(stored).unwrap(), state);
    }
}
