//! Each class against each outcome, and an ERP that loses, delays and drops whatever chance says.

use canonical_model::{
    AccountId, Currency, ItemNumber, Money, OrderReference, PurchaseOrderNumber, Quantity,
    ShipToId, SiteId, UnitOfMeasure, UnitPrice, erp_order::ErpOrderLine,
};
use proptest::prelude::*;
use rstest::rstest;
use rust_decimal::dec;

use super::*;

#[path = "read_back_tests.rs"]
mod read_back;

const QUIET: SignedDuration = SignedDuration::from_secs(30);

fn start() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn asked() -> CreateErpOrder {
    CreateErpOrder {
        reference: OrderReference::new("OW1").unwrap(),
        purchase_order_number: PurchaseOrderNumber::new("PO-1").unwrap(),
        account: AccountId::new("ACME").unwrap(),
        ship_to: ShipToId::new("ACME-1").unwrap(),
        currency: Currency::USD,
        lines: vec![ErpOrderLine {
            line: 1,
            order_line: 1,
            item: ItemNumber::new("SKU-1").unwrap(),
            quantity: Quantity::new(dec!(6), UnitOfMeasure::EACH),
            unit_price: UnitPrice {
                amount: dec!(2.50),
                currency: Currency::USD,
                unit: UnitOfMeasure::EACH,
            },
            site: SiteId::new("EAST").unwrap(),
            ship_date: "2026-03-03".parse().unwrap(),
        }],
    }
}

fn number(number: u32) -> ErpOrderNumber {
    ErpOrderNumber::new(format!("SO-{number:04}")).unwrap()
}

fn order(no: u32, state: ErpOrderState) -> ErpOrder {
    let asked = asked();
    ErpOrder {
        number: number(no),
        reference: asked.reference,
        purchase_order_number: asked.purchase_order_number,
        account: asked.account,
        state,
        lines: asked.lines,
        total: Money::new(dec!(15.00), Currency::USD),
        added: Vec::new(),
        as_asked: false,
    }
}

/// The effect between two steps.
struct Doer {
    class: CreateClass,
    now: Timestamp,
    wanted: bool,
    accepted: bool,
    chosen: Option<ErpOrderNumber>,
    retries: u32,
    set_back_at: Option<Timestamp>,
    progress: Progress,
}

impl Doer {
    fn new(class: CreateClass) -> Self {
        let progress = Progress::default();
        Self {
            class,
            now: start(),
            wanted: true,
            accepted: false,
            chosen: None,
            retries: 0,
            set_back_at: None,
            progress,
        }
    }

    fn step(&mut self, observation: Observation) -> Step {
        let asked = asked();
        let situation = Situation {
            class: self.class,
            quiet_period: QUIET,
            asked: &asked,
            wanted: self.wanted,
            accepted: self.accepted,
            chosen: self.chosen.as_ref(),
            retries: self.retries,
            set_back_at: self.set_back_at,
            settle_within: SignedDuration::from_hours(72),
            now: self.now,
        };
        let (step, progress) = next_step(situation, self.progress.clone(), observation);
        // What is written down is all that is kept.
        self.progress = serde_json::from_value(serde_json::to_value(progress).unwrap()).unwrap();
        if let Step::Choose(number) = &step {
            self.chosen = Some(number.clone());
        }
        if matches!(step, Step::Unknown(_)) {
            self.progress = stopped(self.progress.clone());
        }
        if step == Step::Create {
            self.progress = begun(self.progress.clone(), Mutation::Create, self.now);
        }
        step
    }

    fn later(&mut self, seconds: i64) -> Step {
        self.now += SignedDuration::from_secs(seconds);
        self.step(Observation::Fresh)
    }
}

fn waits(step: &Step) -> bool {
    matches!(step, Step::Wait(_))
}

const ALL: [CreateClass; 4] = [
    CreateClass::Unique,
    CreateClass::Staged,
    CreateClass::Searchable,
    CreateClass::Blind,
];

#[test]
fn a_clear_answer_is_taken_by_every_class() {
    for class in [
        CreateClass::Unique,
        CreateClass::Searchable,
        CreateClass::Blind,
    ] {
        let mut doer = Doer::new(class);
        assert_eq!(doer.step(Observation::Fresh), Step::Create);
        let created = Observation::Created(order(1, ErpOrderState::Open));
        assert_eq!(doer.step(created), Step::Accept(number(1)));
    }
}

#[test]
fn staged_chooses_what_was_answered_and_releases_it_where_nothing_was_ever_in_doubt() {
    let created = || Observation::Created(order(2, ErpOrderState::Blocked));
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    // Certainly not done: no doubt.
    doer.step(Observation::NotDone { retry_after: None });
    assert_eq!(doer.step(Observation::Fresh), Step::Create);
    assert_eq!(doer.step(created()), Step::Choose(number(2)));
    assert_eq!(doer.step(Observation::Chosen), Step::Release(number(2)));
    assert_eq!(doer.step(Observation::Released), Step::Accept(number(2)));

    // A crash between the answer and the choice.
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    assert!(waits(&doer.step(Observation::Fresh)));
    assert_eq!(doer.later(30), Step::List);
    let none = Observation::Listed(Vec::new());
    assert_eq!(doer.step(none), Step::Create, "it was never done");
    assert_eq!(doer.step(created()), Step::List, "or will be done yet");
}

#[rstest]
#[case::unread(ErpOrder { as_asked: true, ..order(2, ErpOrderState::Blocked) })]
#[case::at_work(order(2, ErpOrderState::Open))]
#[case::something_else(ErpOrder { lines: Vec::new(), ..order(2, ErpOrderState::Blocked) })]
fn staged_looks_where_the_answer_is_not_what_was_asked(#[case] answered: ErpOrder) {
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    assert_eq!(doer.step(Observation::Created(answered)), Step::List);
}

#[test]
fn once_the_store_was_set_back_a_create_is_begun_in_doubt_and_only_once() {
    for class in ALL {
        let mut doer = Doer::new(class);
        doer.set_back_at = Some(start());
        let first = doer.step(Observation::Fresh);
        match class {
            CreateClass::Unique => assert_eq!(first, Step::Create),
            CreateClass::Staged | CreateClass::Searchable => {
                assert!(waits(&first), "{class:?}");
                assert_eq!(doer.later(30), Step::List);
                assert!(doer.progress.unknowns == 1 && doer.progress.doubt);
            }
            CreateClass::Blind => {
                let Step::Unknown(detail) = first else {
                    panic!("{first:?}")
                };
                assert!(detail.contains("the store was set back"), "{detail}");
                doer.retries = 1;
                assert_eq!(doer.later(60), Step::Create, "a person has looked");
            }
        }
    }
}

#[test]
fn staged_lists_writes_its_choice_down_releases_only_that_and_cancels_the_others() {
    let mut doer = Doer::new(CreateClass::Staged);
    assert_eq!(doer.step(Observation::Fresh), Step::Create);
    assert!(waits(&doer.step(Observation::Unknown)));
    assert_eq!(doer.later(30), Step::List);
    let both = vec![
        order(1, ErpOrderState::Blocked),
        order(2, ErpOrderState::Blocked),
    ];
    assert_eq!(
        doer.step(Observation::Listed(both.clone())),
        Step::Choose(number(1))
    );
    assert_eq!(doer.step(Observation::Chosen), Step::Release(number(1)));
    // A crash here: the choice stands, whatever else turns up.
    assert_eq!(doer.step(Observation::Fresh), Step::List);
    let mut three = both;
    three.insert(0, order(0, ErpOrderState::Blocked));
    assert_eq!(
        doer.step(Observation::Listed(three)),
        Step::Release(number(1))
    );
    assert_eq!(doer.step(Observation::Released), Step::Accept(number(1)));
    doer.accepted = true;
    assert_eq!(doer.step(Observation::Fresh), Step::Cancel(number(0)));
    assert_eq!(
        doer.step(Observation::CancelDone(number(0))),
        Step::Cancel(number(2))
    );
    let refused = Observation::CancelRefused(number(2), "No.".to_owned());
    assert_eq!(doer.step(refused), Step::Finished);
}

#[test]
fn staged_never_releases_a_second_one_beside_one_that_is_in_work() {
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    doer.step(Observation::Unknown);
    doer.later(30);
    let by_hand = vec![
        order(1, ErpOrderState::Blocked),
        order(2, ErpOrderState::Open),
    ];
    assert_eq!(
        doer.step(Observation::Listed(by_hand)),
        Step::Choose(number(2))
    );
    let mut doer = Doer::new(CreateClass::Staged);
    let two = vec![order(1, ErpOrderState::Open), order(2, ErpOrderState::Open)];
    assert!(matches!(
        doer.step(Observation::Listed(two)),
        Step::Unknown(_)
    ));
}

#[rstest]
#[case(Observation::NotDone { retry_after: None })]
#[case(Observation::NotDone { retry_after: Some(SignedDuration::from_secs(7)) })]
fn what_was_certainly_not_done_is_tried_again_by_every_class(#[case] not_done: Observation) {
    for class in ALL {
        let mut doer = Doer::new(class);
        for _ in 0..20 {
            assert_eq!(doer.step(Observation::Fresh), Step::Create, "{class:?}");
            assert!(waits(&doer.step(not_done.clone())), "{class:?}");
        }
        assert!(!doer.progress.may_exist);
    }
}

#[test]
fn a_refusal_is_told_by_every_class_and_a_retry_tries_again() {
    for class in ALL {
        let mut doer = Doer::new(class);
        doer.step(Observation::Fresh);
        let refused = || Observation::Refused("Locked.".to_owned());
        assert_eq!(
            doer.step(refused()),
            Step::Refused("Locked.".to_owned()),
            "{class:?}"
        );
        doer.retries = 1;
        assert_eq!(doer.step(Observation::Fresh), Step::Create, "{class:?}");
        assert_eq!(
            doer.step(refused()),
            Step::Refused("Locked.".to_owned()),
            "{class:?}"
        );
        // It is then cancelled: the ERP certainly has none.
        (doer.wanted, doer.retries) = (false, 2);
        assert_eq!(doer.step(Observation::Fresh), Step::HasNone, "{class:?}");
    }
}

#[test]
fn unique_repeats_after_an_unknown_outcome_and_compares_what_is_there_already() {
    let mut doer = Doer::new(CreateClass::Unique);
    doer.step(Observation::Fresh);
    assert!(waits(&doer.step(Observation::Unknown)));
    assert_eq!(doer.later(1), Step::Create);
    assert_eq!(doer.step(Observation::Conflict), Step::List);
    let there = Observation::Listed(vec![order(1, ErpOrderState::Open)]);
    assert_eq!(doer.step(there), Step::Accept(number(1)));

    let mut doer = Doer::new(CreateClass::Unique);
    doer.step(Observation::Fresh);
    doer.step(Observation::Conflict);
    let mut other = order(1, ErpOrderState::Open);
    other.lines[0].quantity.value = dec!(60);
    let Step::Unknown(detail) = doer.step(Observation::Listed(vec![other])) else {
        panic!()
    };
    assert!(
        detail.contains("SO-0001") && detail.contains("OW1") && detail.contains("PO-1"),
        "{detail}"
    );
}

#[test]
fn searchable_waits_searches_twice_tries_once_more_and_then_asks_a_person() {
    let mut doer = Doer::new(CreateClass::Searchable);
    doer.step(Observation::Fresh);
    for round in 0..2 {
        assert!(waits(&doer.step(Observation::Unknown)), "round {round}");
        assert!(waits(&doer.later(29)), "the quiet period has not passed");
        assert_eq!(doer.later(1), Step::List);
        assert!(
            waits(&doer.step(Observation::Listed(Vec::new()))),
            "one empty search is not enough"
        );
        assert_eq!(doer.later(30), Step::List);
        let step = doer.step(Observation::Listed(Vec::new()));
        assert_eq!(step == Step::Create, round == 0, "{step:?}");
        assert_eq!(matches!(step, Step::Unknown(_)), round == 1, "{step:?}");
    }
    doer.retries = 1;
    assert_eq!(
        doer.step(Observation::Fresh),
        Step::List,
        "after a person said so it looks first"
    );
}

#[test]
fn searchable_takes_the_one_it_finds_and_leaves_two_to_a_person() {
    for found in [1, 2] {
        let mut doer = Doer::new(CreateClass::Searchable);
        doer.step(Observation::Fresh);
        doer.step(Observation::Unknown);
        assert_eq!(doer.later(30), Step::List);
        let orders = (1..=found)
            .map(|no| order(no, ErpOrderState::Open))
            .collect();
        let step = doer.step(Observation::Listed(orders));
        assert_eq!(step == Step::Accept(number(1)), found == 1);
        assert_eq!(matches!(step, Step::Unknown(_)), found == 2);
    }
}

#[test]
fn blind_leaves_an_unknown_outcome_to_a_person_and_does_what_that_person_says() {
    let mut doer = Doer::new(CreateClass::Blind);
    doer.step(Observation::Fresh);
    assert!(matches!(doer.step(Observation::Unknown), Step::Unknown(_)));
    assert!(
        matches!(doer.step(Observation::Fresh), Step::Unknown(_)),
        "not by itself"
    );
    doer.retries = 1;
    assert_eq!(doer.step(Observation::Fresh), Step::Create);
    doer.step(Observation::Unknown);
    (doer.wanted, doer.retries) = (false, 2);
    assert_eq!(doer.step(Observation::Fresh), Step::HasNone);
}

#[test]
fn a_crash_during_the_call_is_an_unknown_outcome() {
    for class in ALL {
        let mut doer = Doer::new(class);
        assert_eq!(doer.step(Observation::Fresh), Step::Create);
        let step = doer.step(Observation::Fresh);
        match class {
            CreateClass::Unique => assert_eq!(step, Step::Create),
            CreateClass::Staged | CreateClass::Searchable => assert!(waits(&step)),
            CreateClass::Blind => assert!(matches!(step, Step::Unknown(_))),
        }
        assert_eq!(doer.progress.unknowns, 1, "{class:?}");
    }
}

#[test]
fn one_that_is_not_wanted_any_more_is_never_begun_and_undone_where_it_was() {
    for class in ALL {
        let mut doer = Doer {
            wanted: false,
            ..Doer::new(class)
        };
        assert_eq!(doer.step(Observation::Fresh), Step::HasNone, "{class:?}");
        let mut doer = Doer::new(class);
        doer.step(Observation::Fresh);
        doer.wanted = false;
        let created = Observation::Created(order(1, ErpOrderState::Open));
        assert_eq!(doer.step(created), Step::Cancel(number(1)), "{class:?}");
    }
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    doer.wanted = false;
    assert!(waits(&doer.step(Observation::Unknown)));
    assert_eq!(doer.later(30), Step::List);
    let ghost = Observation::Listed(vec![order(1, ErpOrderState::Blocked)]);
    assert_eq!(doer.step(ghost), Step::Cancel(number(1)));
    assert_eq!(doer.step(Observation::CancelDone(number(1))), Step::List);
    let gone = Observation::Listed(vec![order(1, ErpOrderState::Cancelled)]);
    assert_eq!(doer.step(gone), Step::HasNone);
}

#[test]
fn one_that_is_not_wanted_is_cancelled_by_the_number_the_erp_gave_though_its_search_lags() {
    for class in [
        CreateClass::Unique,
        CreateClass::Staged,
        CreateClass::Searchable,
    ] {
        let mut doer = Doer::new(class);
        doer.step(Observation::Fresh);
        doer.wanted = false;
        let created = Observation::Created(order(1, ErpOrderState::Open));
        assert_eq!(doer.step(created), Step::Cancel(number(1)));
        assert!(waits(&doer.step(Observation::Failed { retry_after: None })));
        assert_eq!(doer.later(1), Step::List);
        let unseen = doer.step(Observation::Listed(Vec::new()));
        assert_eq!(unseen, Step::Cancel(number(1)), "{class:?}");
        assert_eq!(doer.step(Observation::CancelDone(number(1))), Step::List);
        // The search still shows it as it was.
        let stale = Observation::Listed(vec![order(1, ErpOrderState::Open)]);
        assert_eq!(doer.step(stale), Step::HasNone, "{class:?}");
    }
}

#[test]
fn blind_cancels_what_it_knows_once() {
    let mut doer = Doer::new(CreateClass::Blind);
    doer.step(Observation::Fresh);
    doer.wanted = false;
    let created = Observation::Created(order(1, ErpOrderState::Open));
    assert_eq!(doer.step(created), Step::Cancel(number(1)));
    assert_eq!(doer.step(Observation::CancelDone(number(1))), Step::HasNone);
}

#[test]
fn a_buyer_who_cancels_while_a_blind_erp_does_not_answer_has_not_looked_into_it() {
    let mut doer = Doer::new(CreateClass::Blind);
    doer.step(Observation::Fresh);
    assert!(matches!(doer.step(Observation::Unknown), Step::Unknown(_)));
    // The cancellation came first: the hold was not placed, and what was written down is not that of a stop.
    doer.progress.person_asked = false;
    (doer.wanted, doer.retries) = (false, 1);
    assert!(matches!(doer.later(1), Step::Unknown(_)));
    // Now a person was asked, looks, and cancels.
    doer.retries = 2;
    assert_eq!(doer.later(1), Step::HasNone);
}

#[test]
fn a_refusal_after_an_unknown_outcome_is_believed_once_the_erp_shows_nothing() {
    let mut doer = Doer::new(CreateClass::Unique);
    doer.step(Observation::Fresh);
    doer.step(Observation::Unknown);
    assert_eq!(doer.later(1), Step::Create);
    assert!(waits(
        &doer.step(Observation::Refused("Locked.".to_owned()))
    ));
    assert_eq!(doer.later(30), Step::List);
    assert_eq!(
        doer.step(Observation::Listed(Vec::new())),
        Step::Refused("Locked.".to_owned())
    );
}

#[test]
fn a_refusal_after_a_doubt_that_no_search_bore_out_is_told_too() {
    for class in [CreateClass::Unique, CreateClass::Staged] {
        let mut doer = Doer::new(class);
        doer.step(Observation::Fresh);
        doer.step(Observation::Unknown);
        let none = || Observation::Listed(Vec::new());
        if doer.later(30) == Step::Create {
            assert_eq!(doer.step(Observation::Conflict), Step::List);
        }
        assert_eq!(doer.step(none()), Step::Create, "{class:?}");
        let refused = doer.step(Observation::Refused("Locked.".to_owned()));
        assert!(waits(&refused), "{class:?}: {refused:?}");
        assert_eq!(doer.later(30), Step::List, "{class:?}");
        assert_eq!(doer.step(none()), Step::Refused("Locked.".to_owned()));
    }
}

#[rstest]
#[case::it_comes_to_light(true)]
#[case::it_never_does(false)]
fn what_must_be_there_is_looked_for_as_long_as_the_search_may_lag(#[case] shown: bool) {
    let mut doer = Doer::new(CreateClass::Unique);
    doer.step(Observation::Fresh);
    doer.step(Observation::Unknown);
    assert_eq!(doer.later(30), Step::Create);
    doer.step(Observation::Conflict);
    let list = Observation::Listed;
    assert_eq!(doer.step(list(Vec::new())), Step::Create);
    // It was done late.
    for look in 1..=10 {
        assert_eq!(doer.step(Observation::Conflict), Step::List);
        let step = doer.step(list(Vec::new()));
        let longer =
            matches!(step, Step::Wait(Pause::BackOff { failures, .. }) if failures == look);
        assert!(longer, "{look}: {step:?}");
        assert_eq!(doer.later(3), Step::Create);
    }
    doer.step(Observation::Conflict);
    if shown {
        let there = list(vec![order(1, ErpOrderState::Open)]);
        assert_eq!(doer.step(there), Step::Accept(number(1)));
    } else {
        let step = doer.step(list(Vec::new()));
        assert!(matches!(step, Step::Unknown(_)), "{step:?}");
    }
}

#[test]
fn a_choice_that_the_search_does_not_show_yet_is_given_its_time() {
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    doer.step(Observation::Created(order(2, ErpOrderState::Blocked)));
    assert_eq!(doer.step(Observation::Chosen), Step::Release(number(2)));
    doer.step(Observation::Failed { retry_after: None });
    for _ in 0..10 {
        assert_eq!(doer.later(3), Step::List);
        assert!(waits(&doer.step(Observation::Listed(Vec::new()))));
    }
    assert_eq!(doer.later(2), Step::List);
    let there = Observation::Listed(vec![order(2, ErpOrderState::Open)]);
    assert_eq!(doer.step(there), Step::Accept(number(2)));
}

#[test]
fn one_that_is_there_already_is_waited_for_though_it_is_not_wanted_any_more() {
    let mut doer = Doer::new(CreateClass::Unique);
    doer.step(Observation::Fresh);
    assert_eq!(doer.step(Observation::Conflict), Step::List);
    doer.wanted = false;
    assert!(waits(&doer.step(Observation::Listed(Vec::new()))));
    assert_eq!(doer.later(30), Step::List);
    let there = Observation::Listed(vec![order(1, ErpOrderState::Open)]);
    assert_eq!(doer.step(there), Step::Cancel(number(1)));
}

/// What the model ERP does with a call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answers,
    /// Something on the way asks twice.
    AnswersTwice,
    LosesTheAnswer,
    LosesTheRequest,
    /// Done only after so many seconds: a ghost.
    Late(i64),
    Throttles,
    Crash,
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Answers),
        1 => Just(Fate::AnswersTwice),
        2 => Just(Fate::LosesTheAnswer),
        1 => Just(Fate::LosesTheRequest),
        2 => (1_i64..200).prop_map(Fate::Late),
        1 => Just(Fate::Throttles),
        1 => Just(Fate::Crash),
    ]
}

/// An ERP without idempotency, or with unique references, whose search lags behind.
struct Erp {
    unique: bool,
    lag: SignedDuration,
    now: Timestamp,
    orders: Vec<ErpOrder>,
    /// Since when it has each of them.
    since: Vec<Timestamp>,
    /// Those that it has ever shown.
    shown: Vec<ErpOrderNumber>,
    ghosts: Vec<Timestamp>,
    haunted: bool,
}

impl Erp {
    fn create(&mut self) -> Observation {
        if self.unique && !self.orders.is_empty() {
            return Observation::Conflict;
        }
        let state = if self.unique {
            ErpOrderState::Open
        } else {
            ErpOrderState::Blocked
        };
        let no = u32::try_from(self.orders.len()).unwrap() + 1;
        self.orders.push(order(no, state));
        self.since.push(self.now);
        Observation::Created(order(no, state))
    }

    fn list(&mut self) -> Observation {
        let known = self.orders.iter().zip(&self.since);
        let seen = known.filter(|(_, since)| self.now.duration_since(**since) >= self.lag);
        let seen: Vec<ErpOrder> = seen.map(|(order, _)| order.clone()).collect();
        self.shown
            .extend(seen.iter().map(|order| order.number.clone()));
        Observation::Listed(seen)
    }

    fn wake_ghosts(&mut self, now: Timestamp) {
        let due = self.ghosts.iter().filter(|ghost| **ghost <= now).count();
        self.ghosts.retain(|ghost| *ghost > now);
        self.now = now;
        self.haunted |= due > 0;
        for _ in 0..due {
            self.create();
        }
    }

    fn set(&mut self, number: &ErpOrderNumber, state: ErpOrderState) -> ErpOrder {
        let order = self
            .orders
            .iter_mut()
            .find(|order| order.number == *number)
            .unwrap();
        order.state = state;
        order.clone()
    }

    fn in_work(&self) -> usize {
        self.orders
            .iter()
            .filter(|order| order.state == ErpOrderState::Open)
            .count()
    }
}

fn played(
    doer: &mut Doer,
    erp: &mut Erp,
    fate: Fate,
    call: impl FnOnce(&mut Erp) -> Observation,
) -> Observation {
    let create = doer.progress.in_flight.is_some();
    let lost = if create {
        Observation::Unknown
    } else {
        Observation::Failed { retry_after: None }
    };
    match fate {
        Fate::Answers => call(erp),
        Fate::AnswersTwice if create => {
            erp.create();
            call(erp)
        }
        Fate::AnswersTwice => call(erp),
        Fate::LosesTheAnswer => {
            call(erp);
            lost
        }
        Fate::Late(seconds) if create => {
            erp.ghosts
                .push(doer.now + SignedDuration::from_secs(seconds));
            lost
        }
        Fate::LosesTheRequest | Fate::Late(_) => lost,
        Fate::Throttles if create => Observation::NotDone { retry_after: None },
        Fate::Throttles => Observation::Failed { retry_after: None },
        Fate::Crash => {
            call(erp);
            Observation::Fresh
        }
    }
}

proptest! {
    #[test]
    fn unique_and_staged_never_have_two_in_work_whatever_the_erp_does(
        unique in any::<bool>(),
        fates in prop::collection::vec(any_fate(), 0..25),
        cancel_after in prop::option::of(0_usize..25),
        lag in 0..QUIET.as_secs() - 2,
    ) {
        let class = if unique { CreateClass::Unique } else { CreateClass::Staged };
        let mut doer = Doer::new(class);
        let mut erp = Erp {
            unique,
            lag: SignedDuration::from_secs(lag),
            now: start(),
            orders: Vec::new(),
            since: Vec::new(),
            shown: Vec::new(),
            ghosts: Vec::new(),
            haunted: false,
        };
        let mut fates = fates.into_iter().chain(std::iter::repeat(Fate::Answers));
        let mut observation = Observation::Fresh;
        let mut settled = false;
        for turn in 0..400_usize {
            doer.now += SignedDuration::from_secs(1);
            erp.wake_ghosts(doer.now);
            if cancel_after == Some(turn) && !doer.accepted {
                (doer.wanted, doer.retries) = (false, doer.retries + 1);
            }
            let step = doer.step(observation);
            observation = match step {
                Step::Create => played(&mut doer, &mut erp, fates.next().unwrap(), Erp::create),
                Step::List => played(&mut doer, &mut erp, fates.next().unwrap(), Erp::list),
                Step::Release(number) => {
                    let release = |erp: &mut Erp| {
                        erp.set(&number, ErpOrderState::Open);
                        Observation::Released
                    };
                    played(&mut doer, &mut erp, fates.next().unwrap(), release)
                }
                Step::Cancel(number) => {
                    let cancel = |erp: &mut Erp| {
                        erp.set(&number, ErpOrderState::Cancelled);
                        Observation::CancelDone(number.clone())
                    };
                    played(&mut doer, &mut erp, fates.next().unwrap(), cancel)
                }
                Step::Choose(_) => Observation::Chosen,
                Step::Accept(number) => {
                    prop_assert!(erp.orders.iter().any(|order| order.number == number && order.state == ErpOrderState::Open));
                    doer.accepted = true;
                    Observation::Fresh
                }
                Step::Wait(pause) => {
                    doer.now = doer.now.max(pause.ends(doer.now));
                    Observation::Fresh
                }
                Step::Refused(detail) | Step::Unknown(detail) => {
                    let hidden = ["not show it", "no longer shows"];
                    prop_assert!(!hidden.iter().any(|hidden| detail.contains(hidden)), "a false alarm: {detail}");
                    // A person has it tried again.
                    doer.retries += 1;
                    Observation::Fresh
                }
                Step::HasNone | Step::Finished => {
                    settled = true;
                    break;
                }
            };
            prop_assert!(erp.in_work() <= 1, "{:?}", erp.orders);
        }
        prop_assert!(settled, "never settled: {:?}", doer.progress);
        if doer.accepted {
            prop_assert_eq!(erp.in_work(), 1, "{:?}", erp.orders);
        } else {
            // What was done late and is not shown yet is the sweep's.
            let open = erp.orders.iter().filter(|order| order.state == ErpOrderState::Open);
            let left = open.filter(|order| !erp.haunted || erp.shown.contains(&order.number)).count();
            prop_assert_eq!(left, 0, "{:?}", erp.orders);
        }
    }
}
