//! What holds over any sequence of news and commands: the ledger of every line balances, and what has ended stays so.
//!
//! After all news the order is what the newest version of each shipment says, however they came.

use std::collections::BTreeMap;

use canonical_model::{
    order::{HoldKind, LineQuantities, OrderStatus},
    shipment::{ShipmentNews, ShipmentNewsLine},
};
use proptest::{prelude::*, sample::Index};
use rust_decimal::{Decimal, dec};

use super::{
    Command,
    decide::decide,
    event::OrderEvent,
    evolve::evolve,
    shipment::{Verdict, judge},
    state::{OrderState, ReleaseStage},
    testing::{after, begun_with, line, line_of_boxes, news, now, picks, site, taking},
};

const SOURCE: &str = "warehouse";
const SHIPMENTS: [&str; 3] = ["S-1", "S-2", "S-3"];

/// Of line 1 six pieces ship from EAST, of line 2 two boxes of twelve; each shipment has a share of its own, so that what
/// one holds never stands against another.
fn order() -> OrderState {
    after(&begun_with(vec![line(1), line_of_boxes(2)], true))
}

/// Pieces in which a line is picked: a quarter of a box is exact, a piece of it is not.
const STEP: [i64; 2] = [1, 3];

/// All versions of each shipment, the first one first: any history that the order has room for, in which what has left
/// stays away.
fn histories() -> impl Strategy<Value = Vec<Vec<ShipmentNews>>> {
    let version = prop::collection::vec((0..=2_i64, 0..=2_i64, 0..=2_i64), 2);
    let history = prop::collection::vec(version, 1..6);
    prop::collection::vec(history, 3).prop_map(|histories| {
        let named = SHIPMENTS.iter().zip(histories);
        named
            .map(|(name, versions)| legal(name, versions))
            .collect()
    })
}

fn legal(name: &str, versions: Vec<Vec<(i64, i64, i64)>>) -> Vec<ShipmentNews> {
    let mut gone = [0_i64; 2];
    let told = (1_u64..).zip(versions).map(|(version, lines)| {
        let lines = (1_u32..).zip(lines).zip(STEP.iter().zip(&mut gone));
        let lines: Vec<_> = lines
            .map(|((number, (a, b, c)), (step, gone))| {
                *gone = (*gone).max(a.min(b).min(c));
                let packed = (*gone).max(a.min(b));
                let picked = packed.max(a);
                picks(number, picked * step, packed * step, *gone * step)
            })
            .collect();
        news(name, version, &lines)
    });
    told.collect()
}

/// The newest version of each shipment, as the ledger of the two lines must have it; computed from the news alone.
fn expected<'a>(newest: impl Iterator<Item = &'a ShipmentNews>) -> [LineQuantities; 2] {
    let mut ledger = [
        LineQuantities {
            released: dec!(9),
            backordered: dec!(1),
            ..LineQuantities::default()
        },
        LineQuantities {
            released: dec!(2),
            ..LineQuantities::default()
        },
    ];
    for line in newest.flat_map(|news| &news.lines) {
        let index = usize::try_from(line.line - 1).unwrap();
        let per = [dec!(1), dec!(12)][index];
        let (picked, packed, shipped) = (line.picked / per, line.packed / per, line.shipped / per);
        ledger[index].released -= picked;
        ledger[index].picked += picked - packed;
        ledger[index].packed += packed - shipped;
        ledger[index].shipped += shipped;
    }
    ledger
}

/// The door, in small: news that have nothing missing before them are applied, others wait until the source is asked.
struct Door {
    state: OrderState,
    waiting: BTreeMap<String, ShipmentNews>,
}

impl Door {
    fn new(state: OrderState) -> Self {
        Self {
            state,
            waiting: BTreeMap::new(),
        }
    }

    fn take(&mut self, news: &ShipmentNews, asked: bool) -> Verdict {
        let verdict = judge(&self.state, SOURCE, news, asked);
        match &verdict {
            Verdict::Apply(events) => events.iter().for_each(|event| self.happen(event)),
            Verdict::Wait(_) => {
                self.waiting.insert(news.shipment.to_string(), news.clone());
            }
            Verdict::Known | Verdict::Refuse(_) => {}
        }
        verdict
    }

    fn happen(&mut self, event: &OrderEvent) {
        let before = self.state.clone();
        self.state = evolve(Some(before.clone()), event).unwrap();
        assert_eq!(self.state.version, before.version + 1);
        assert_balanced(&self.state);
        for (was, is) in before.quantities.iter().zip(&self.state.quantities) {
            assert!(was.shipped <= is.shipped, "what has left stays away");
        }
    }

    /// The source is asked about what waits, and answers how the shipment stands.
    fn settle(&mut self, truth: &[Vec<ShipmentNews>]) {
        for name in std::mem::take(&mut self.waiting).into_keys() {
            let histories = truth.iter().filter_map(|history| history.last());
            let mut newest = histories.filter(|newest| newest.shipment.as_str() == name);
            self.take(newest.next().unwrap(), true);
        }
        assert!(self.waiting.is_empty());
    }
}

fn assert_balanced(state: &OrderState) {
    for (line, quantities) in state.lines() {
        assert!(
            quantities.balances(line.ordered.value),
            "line {}: {quantities:?}",
            line.line
        );
        let LineQuantities {
            open,
            rejected,
            cancelled,
            backordered,
            allocated,
            released,
            picked,
            packed,
            shipped,
            ..
        } = *quantities;
        let parts = [
            open,
            rejected,
            cancelled,
            backordered,
            allocated,
            released,
            picked,
            packed,
            shipped,
        ];
        assert!(
            parts.iter().all(|part| *part >= Decimal::ZERO),
            "line {}: {quantities:?}",
            line.line
        );
    }
}

fn ledger_of(state: &OrderState) -> &[LineQuantities] {
    &state.quantities
}

/// Any line that a confused warehouse may name.
fn garbage() -> impl Strategy<Value = ShipmentNews> {
    let line = (0..5_u32, -3..30_i64, -3..30_i64, -3..30_i64)
        .prop_map(|(line, a, b, c)| picks(line, a, b, c));
    let lines = prop::collection::vec(line, 0..4);
    let place = prop::sample::select(vec!["EAST", "WEST", "NORTH"]);
    (0..4_usize, 0..6_u64, place, lines).prop_map(|(name, version, at, lines)| ShipmentNews {
        site: site(at),
        ..news(&format!("S-{name}"), version, &lines)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Doubled, reordered and lost as it may be.
    #[test]
    fn the_newest_version_seen_of_each_shipment_is_what_counts(
        truth in histories(),
        came in prop::collection::vec((any::<Index>(), any::<Index>()), 0..40),
    ) {
        let mut door = Door::new(order());
        let mut seen: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for (shipment, version) in &came {
            let shipment = shipment.index(truth.len());
            let news = version.get(&truth[shipment]);
            seen.entry(shipment).or_default().push(news.version);
            door.take(news, false);
        }
        door.settle(&truth);
        // Where the newest that came had something missing before it at the time, the source told the newest there is.
        let mut newest = Vec::new();
        for (shipment, versions) in &seen {
            let history = &truth[*shipment];
            let mut known = 0;
            let mut asked = false;
            for version in versions {
                match *version {
                    version if version == known + 1 => known = version,
                    version if version > known => asked = true,
                    _ => {}
                }
            }
            let counts = if asked { history.len() } else { usize::try_from(known).unwrap() };
            prop_assert!(u64::try_from(counts).unwrap() >= *versions.iter().max().unwrap());
            newest.push(&history[counts - 1]);
        }
        let expected = expected(newest.into_iter());
        prop_assert_eq!(ledger_of(&door.state), expected);
    }

    /// However a whole history comes, it ends the same.
    #[test]
    fn doubles_and_another_order_of_the_same_news_end_the_same(
        truth in histories(),
        doubled in prop::collection::vec((any::<Index>(), any::<Index>()), 0..10),
        order_of_two in Just(()).prop_perturb(|(), mut rng| [rng.next_u64(), rng.next_u64()]),
    ) {
        let mut all: Vec<&ShipmentNews> = truth.iter().flatten().collect();
        all.extend(doubled.iter().map(|(shipment, version)| version.get(shipment.get(truth.as_slice()).as_slice())));
        let straight = {
            let mut door = Door::new(order());
            truth.iter().flatten().for_each(|news| drop(door.take(news, false)));
            prop_assert!(door.waiting.is_empty());
            door.state
        };
        for seed in order_of_two {
            let mut keyed: Vec<_> = (0_u64..).zip(&all).collect();
            keyed.sort_by_key(|(index, _)| (index + 1).wrapping_mul(seed | 1).rotate_left(17));
            let mut door = Door::new(order());
            for (_, news) in keyed {
                door.take(news, false);
            }
            door.settle(&truth);
            prop_assert_eq!(&door.state.quantities, &straight.quantities);
            prop_assert_eq!(&door.state.shipments, &straight.shipments);
            prop_assert_eq!(door.state.status(), straight.status());
        }
    }

    /// Whatever a warehouse says, the ledger holds, and what it says twice changes nothing.
    #[test]
    fn no_news_upset_the_ledger(all in prop::collection::vec((garbage(), any::<bool>()), 0..40)) {
        let mut door = Door::new(order());
        for (news, asked) in &all {
            let before = door.state.version;
            let verdict = door.take(news, *asked);
            let changed = door.state.version - before;
            prop_assert_eq!(changed > 0, matches!(verdict, Verdict::Apply(_)));
            if changed > 0 {
                prop_assert_eq!(door.take(news, *asked), Verdict::Known);
            }
        }
    }
}

/// What may be asked of an order, or told to it, by number; a warehouse answers only where it was told.
fn step(state: &OrderState, number: u8, lines: &[ShipmentNewsLine]) -> Vec<OrderEvent> {
    let by = "somebody".to_owned();
    let at = if number.is_multiple_of(2) {
        "EAST"
    } else {
        "WEST"
    };
    let (told, detail) = (site(at), "Why.".to_owned());
    let begun = state.release_stage(&told) == Some(ReleaseStage::Begun);
    let retries = state.retries;
    let command = match number % 16 {
        0 => Command::ReleaseHold {
            hold: state.holds_placed,
            principal: by,
            note: detail,
        },
        1 => Command::Retry {
            principal: by,
            note: detail,
        },
        2 => Command::Cancel {
            principal: by,
            note: detail,
            by_seller: true,
        },
        3 => Command::ErpOrderChosen {
            number: "SO-1".parse().unwrap(),
        },
        4 | 5 => Command::ErpAccepted {
            number: "SO-1".parse().unwrap(),
            at: now(),
            totals: None,
        },
        6 if state.accepted_at.is_none() => Command::ErpRejected { detail, retries },
        7 => Command::ErpUnknown { detail, retries },
        8 if state.cancelling.is_some() => Command::ErpHasNone,
        9 => Command::ErpCancelRefused { detail },
        10 | 11 => Command::BeginRelease { site: told },
        12 if begun => Command::WarehouseFailed {
            site: told,
            detail,
            certain: retries.is_multiple_of(2),
            retries,
        },
        12 | 13 if begun => Command::WarehouseReleased {
            site: told,
            release_number: "PR-1".to_owned(),
        },
        _ => {
            let version = state.version;
            let news = ShipmentNews {
                site: told,
                ..news(at, version, lines)
            };
            return match judge(state, SOURCE, &news, true) {
                Verdict::Apply(events) => events,
                Verdict::Known | Verdict::Wait(_) | Verdict::Refuse(_) => Vec::new(),
            };
        }
    };
    decide(state, &command, now()).unwrap_or_default()
}

fn may_follow(from: OrderStatus, to: OrderStatus) -> bool {
    use OrderStatus::{
        Accepted, Cancelled, Held, PartiallyShipped, Received, Rejected, Released, Shipped,
    };
    match from {
        Received => matches!(to, Held | Accepted | Rejected | Cancelled),
        Held => true,
        Accepted => matches!(to, Held | Released | Rejected | Cancelled),
        Released => matches!(to, Held | PartiallyShipped | Shipped),
        PartiallyShipped => matches!(to, Held | Shipped),
        Rejected | Cancelled | Shipped => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// An order moves along its graph, by one version an event, and what has ended stays as it is.
    #[test]
    fn an_order_moves_along_its_graph(
        held in any::<bool>(),
        covered in any::<bool>(),
        steps in prop::collection::vec((any::<u8>(), 0..7_i64, 0..7_i64, 0..7_i64), 0..60),
    ) {
        let kinds: &[HoldKind] = if held { &[HoldKind::Credit] } else { &[] };
        let mut state = if covered {
            // Nothing of it is backordered: all of it can leave.
            after(&begun_with(vec![line_of_boxes(1)], true))
        } else {
            after(&taking(kinds))
        };
        let most = if covered { 12 } else { 1 };
        for (number, picked, packed, shipped) in steps {
            let (packed, shipped) = (packed.min(picked), shipped.min(packed).min(picked));
            let lines = [picks(1, picked * most / 3, packed * most / 3, shipped * most / 3)];
            for event in step(&state, number, &lines) {
                let after = evolve(Some(state.clone()), &event).unwrap();
                let (from, to) = (state.status(), after.status());
                prop_assert!(from == to || may_follow(from, to), "{} led from {:?} to {:?}", event.word(), from, to);
                prop_assert_eq!(after.version, state.version + 1);
                assert_balanced(&after);
                state = after;
            }
        }
    }
}
