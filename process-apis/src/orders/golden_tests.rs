//! Logs of every release, folded again: what an order's events once came to, they come to for ever.
//!
//! One file a story and release in `golden/`: the events as they were stored, and the hash of the state after them. A
//! release adds files and changes none. `ORDERWAY_WRITE_GOLDEN=1` writes those of this release that are not there yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use canonical_model::order::{FactAge, HoldKind, OrderStatus, TakenOn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    event::{
        Accepted, CancelRefused, CancelRequested, Cancelled, ClaimedBound, ErpOrderChosen,
        ErpOutcomeUnknown, Held, HoldReleased, OrderEvent, ProvisionallyAccepted, Recorded,
        Rejected, ReleaseBegun, Released, Replaced, ReplacementDropped, ReplacementRefused,
        Retried, Revalidated,
    },
    evolve::{evolve, fold},
    replay::state_hash,
    shipment::{Verdict, judge},
    state::OrderState,
    testing::{
        accepted_with, after, begun_with, charges, line, line_of_boxes, news, picks, replacement,
        site, taking,
    },
};
use crate::store::Written;

/// The release that writes files now.
const RELEASE: &str = "0.1";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "type")]
    event_type: String,
    type_version: u16,
    data: Value,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Golden {
    /// What becomes of the order, in a sentence.
    story: String,
    /// The version of the projection that is hashed.
    schema: u16,
    status: OrderStatus,
    hash: String,
    events: Vec<Stored>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/orders/golden")
}

fn files() -> BTreeMap<String, Golden> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| {
        let path = file.unwrap().path();
        let golden = serde_json::from_slice(&std::fs::read(&path).unwrap());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (
            name.clone(),
            golden.unwrap_or_else(|error| panic!("{name}: {error}")),
        )
    });
    files.collect()
}

fn folded(golden: &Golden) -> OrderState {
    let events: Vec<Recorded> = golden
        .events
        .iter()
        .map(|event| Recorded::read(&event.event_type, event.type_version, &event.data).unwrap())
        .collect();
    fold(&events).unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn shipped(mut events: Vec<OrderEvent>, shares: &[(u64, i64, i64, i64)]) -> Vec<OrderEvent> {
    let mut state = after(&events);
    for (version, picked, packed, gone) in shares {
        let told = news("SH-1", *version, &[picks(1, *picked, *packed, *gone)]);
        let Verdict::Apply(happened) = judge(&state, "warehouse", &told, true) else {
            panic!("{told:?}")
        };
        for event in happened {
            state = evolve(Some(state), &event).unwrap();
            events.push(event);
        }
    }
    events
}

fn then(mut events: Vec<OrderEvent>, more: Vec<OrderEvent>) -> Vec<OrderEvent> {
    events.extend(more);
    events
}

/// The stories of this release, by the name of their file.
#[expect(
    clippy::too_many_lines,
    reason = "one list, read from top to bottom: each entry is a story"
)]
fn stories() -> Vec<(&'static str, &'static str, Vec<OrderEvent>)> {
    let (principal, note) = (|| text("somebody"), || text("Why."));
    let lines = || vec![line(1), line_of_boxes(2)];
    let chosen = || {
        OrderEvent::ErpOrderChosen(ErpOrderChosen {
            sales_order_number: "SO-1".parse().unwrap(),
        })
    };
    let accepted = || {
        OrderEvent::Accepted(Accepted {
            sales_order_number: "SO-1".parse().unwrap(),
            accepted_at: super::testing::now(),
            erp_totals: None,
        })
    };
    let charged = OrderEvent::Accepted(Accepted {
        sales_order_number: "SO-1".parse().unwrap(),
        accepted_at: super::testing::now(),
        erp_totals: Some(Box::new(charges())),
    });
    let asked = || {
        OrderEvent::CancelRequested(CancelRequested {
            principal: principal(),
            note: note(),
        })
    };
    let cancelled = || {
        OrderEvent::Cancelled(Cancelled {
            principal: principal(),
            note: note(),
        })
    };
    let hold = |kind| match taking(&[kind]).pop() {
        Some(OrderEvent::Held(held)) => held,
        other => panic!("{other:?}"),
    };
    let released_hold = |kind| {
        OrderEvent::HoldReleased(HoldReleased {
            hold: 1,
            kind,
            principal: principal(),
            note: note(),
        })
    };
    let provisional = OrderEvent::ProvisionallyAccepted(Box::new(ProvisionallyAccepted {
        taken_on: TakenOn {
            erp_away: true,
            price: None,
            stock: Some(FactAge {
                as_of: super::testing::now(),
                degraded: true,
            }),
            credit: None,
        },
        bounds: vec![ClaimedBound {
            bound: text("value/ACME"),
            amount: 25.into(),
            limit: 1000.into(),
        }],
    }));
    let revalidated = OrderEvent::Revalidated(Revalidated {
        decision_id: uuid::Uuid::from_u128(3),
        held: false,
        credit_held: false,
    });
    let unanswered = OrderEvent::ErpOutcomeUnknown(ErpOutcomeUnknown {
        since: super::testing::now(),
    });
    let begun = OrderEvent::ReleaseBegun(ReleaseBegun { site: site("EAST") });
    let not_released = OrderEvent::Held(Held {
        not_released: Some(site("EAST")),
        ..hold(HoldKind::Warehouse)
    });
    let retried = OrderEvent::Retried(Retried {
        holds: vec![1],
        principal: principal(),
        note: note(),
    });
    let told = OrderEvent::Released(Released {
        site: site("EAST"),
        release_number: text("PR-1"),
    });
    let rejected = OrderEvent::Rejected(Rejected {
        detail: text("The account is closed."),
        principal: principal(),
    });
    let mut another = hold(HoldKind::ErpDuplicate);
    for hold in &mut another.holds {
        hold.erp_orders.push("SO-2".parse().unwrap());
    }
    let wanted = || OrderEvent::ReplacementRequested(Box::new(replacement(8)));
    let other = replacement(8).order_id;
    vec![
        (
            "plain",
            "Taken, accepted, and told to both warehouses.",
            begun_with(lines(), true),
        ),
        (
            "staged",
            "Of the ERP's orders one was chosen, and that one was accepted.",
            then(taking(&[]), vec![chosen(), accepted()]),
        ),
        (
            "charged",
            "The ERP added freight and tax.",
            then(taking(&[]), vec![charged]),
        ),
        (
            "unanswered",
            "A create was not answered; the ERP was found to have it.",
            then(taking(&[]), vec![unanswered, chosen(), accepted()]),
        ),
        (
            "held",
            "Held for credit, let go by a person, and accepted.",
            then(
                taking(&[HoldKind::Credit]),
                vec![released_hold(HoldKind::Credit), accepted()],
            ),
        ),
        (
            "provisional",
            "Taken while the ERP did not answer, looked at again, and accepted.",
            then(taking(&[]), vec![provisional, revalidated, accepted()]),
        ),
        (
            "let-stand",
            "The ERP had another of it, which a person let stand.",
            then(
                accepted_with(lines()),
                vec![
                    OrderEvent::Held(another),
                    released_hold(HoldKind::ErpDuplicate),
                ],
            ),
        ),
        (
            "rejected",
            "The ERP refused it, and a person ended it.",
            then(
                taking(&[]),
                vec![
                    OrderEvent::Held(hold(HoldKind::ErpRejected)),
                    asked(),
                    rejected,
                ],
            ),
        ),
        (
            "cancelled",
            "Cancelled before the ERP had it.",
            then(taking(&[HoldKind::PriceMismatch]), vec![cancelled()]),
        ),
        (
            "cancel-refused",
            "To be cancelled after the ERP had it, which went on with it.",
            then(
                accepted_with(lines()),
                vec![
                    asked(),
                    OrderEvent::CancelRefused(CancelRefused {
                        detail: text("It is being picked."),
                    }),
                ],
            ),
        ),
        (
            "retried",
            "A warehouse did not take it; a person had it tried again.",
            then(
                accepted_with(lines()),
                vec![begun.clone(), not_released, retried, begun, told],
            ),
        ),
        (
            "replaced",
            "Another order took its place.",
            then(
                taking(&[]),
                vec![
                    wanted(),
                    asked(),
                    cancelled(),
                    OrderEvent::Replaced(Replaced { order_id: other }),
                ],
            ),
        ),
        (
            "replacement-refused",
            "It ended, and the order that was to take its place had faults.",
            then(
                taking(&[]),
                vec![
                    wanted(),
                    asked(),
                    cancelled(),
                    OrderEvent::ReplacementRefused(ReplacementRefused {
                        order_id: other,
                        detail: text("It is no longer sold."),
                        reasons: Vec::new(),
                    }),
                ],
            ),
        ),
        (
            "replacement-dropped",
            "To be replaced, and then only to be cancelled.",
            then(
                taking(&[]),
                vec![
                    wanted(),
                    OrderEvent::ReplacementDropped(ReplacementDropped {
                        order_id: other,
                        principal: principal(),
                    }),
                    asked(),
                    cancelled(),
                ],
            ),
        ),
        (
            "partially-shipped",
            "Picked, packed in part, corrected, and shipped in part.",
            shipped(
                begun_with(lines(), true),
                &[(1, 6, 0, 0), (2, 6, 4, 0), (3, 5, 4, 0), (4, 5, 5, 5)],
            ),
        ),
        (
            "shipped",
            "All of it has left.",
            shipped(
                begun_with(vec![line_of_boxes(1)], true),
                &[(1, 18, 0, 0), (2, 24, 24, 0), (3, 24, 24, 24)],
            ),
        ),
    ]
}

fn written(story: &str, events: &[OrderEvent]) -> Golden {
    let state = after(events);
    let stored = events.iter().map(|event| {
        let new = event.to_new().unwrap();
        Stored {
            event_type: new.event_type.to_owned(),
            type_version: new.type_version,
            data: new.data.read().unwrap(),
        }
    });
    Golden {
        story: story.to_owned(),
        schema: state.schema,
        status: state.status(),
        hash: state_hash(&state).unwrap(),
        events: stored.collect(),
    }
}

#[test]
fn every_log_comes_to_what_it_once_came_to() {
    let files = files();
    assert!(files.len() > 10, "only {} logs were found", files.len());
    for (name, golden) in files {
        let state = folded(&golden);
        assert_eq!(
            (state.schema, state.status(), state_hash(&state).unwrap()),
            (golden.schema, golden.status, golden.hash.clone()),
            "{name}: {}",
            golden.story
        );
        for (line, quantities) in state.lines() {
            assert!(quantities.balances(line.ordered.value), "{name}");
        }
        // A state of that release reads back as it is.
        let text = Written::of(&state).unwrap();
        assert_eq!(super::change::read(&text).unwrap(), state, "{name}");
    }
}

#[test]
fn every_type_of_event_is_in_a_log() {
    let files = files();
    let all = files.values().flat_map(|golden| &golden.events);
    let seen: BTreeSet<(&str, u16)> = all
        .map(|event| (event.event_type.as_str(), event.type_version))
        .collect();
    let missing: Vec<_> = OrderEvent::TYPES
        .iter()
        .filter(|one| !seen.contains(one))
        .collect();
    assert!(
        missing.is_empty(),
        "no log in golden/ has {missing:?}: add a story"
    );
}

#[test]
fn the_stories_of_this_release_are_written_down() {
    let files = files();
    let write = std::env::vars().any(|(name, _)| name == "ORDERWAY_WRITE_GOLDEN");
    for (name, story, events) in stories() {
        let name = format!("{RELEASE}-{name}");
        let golden = written(story, &events);
        match files.get(&name) {
            Some(known) => assert_eq!(
                *known, golden,
                "{name} is written otherwise now: its events would not be understood as before"
            ),
            None if write => {
                let text = serde_json::to_string_pretty(&golden).unwrap();
                std::fs::write(folder().join(format!("{name}.json")), text + "\n").unwrap();
            }
            None => panic!("{name} is not there: run with ORDERWAY_WRITE_GOLDEN=1"),
        }
    }
}
