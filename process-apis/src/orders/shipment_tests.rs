//! Judging news of shipments case by case; what holds over any sequence of them is in `ledger_properties.rs`.

use canonical_model::{
    UnitOfMeasure,
    order::{LineQuantities, OrderStatus},
    shipment::{ShipmentNews, ShipmentNewsLine},
};
use rstest::rstest;
use rust_decimal::{Decimal, dec};

use super::super::{
    event::Recorded,
    evolve::evolve,
    projection,
    testing::{cancelled, news, news_line, picks, released_order, site},
};
use super::*;

const SOURCE: &str = "warehouse";

/// The order of ten pieces and two boxes of twelve, with both warehouses.
fn order() -> OrderState {
    released_order()
}

fn judged(state: &OrderState, news: &ShipmentNews) -> Verdict {
    judge(state, SOURCE, news, false)
}

/// What happens, which must be something.
fn applied(state: &OrderState, news: &ShipmentNews) -> (OrderState, &'static str) {
    let Verdict::Apply(events) = judged(state, news) else {
        panic!("{:?}", judged(state, news))
    };
    let after = events.iter().fold(Some(state.clone()), evolve).unwrap();
    (after, events.last().unwrap().word())
}

fn reason(state: &OrderState, news: &ShipmentNews) -> NewsReason {
    match judged(state, news) {
        Verdict::Refuse(reason) | Verdict::Wait(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn parts(quantities: &LineQuantities) -> [Decimal; 4] {
    let LineQuantities {
        released,
        picked,
        packed,
        shipped,
        ..
    } = *quantities;
    [released, picked, packed, shipped]
}

#[test]
fn what_is_picked_packed_and_shipped_moves_through_the_line() {
    let state = order();
    assert_eq!(
        parts(&state.quantities[0]),
        [dec!(9), dec!(0), dec!(0), dec!(0)]
    );
    let (state, word) = applied(&state, &news("S-1", 1, &[picks(1, 6, 0, 0)]));
    assert_eq!(word, "order.picked");
    assert_eq!(
        parts(&state.quantities[0]),
        [dec!(3), dec!(6), dec!(0), dec!(0)]
    );
    let (state, word) = applied(&state, &news("S-1", 2, &[picks(1, 6, 4, 0)]));
    assert_eq!(word, "order.packed");
    assert_eq!(
        parts(&state.quantities[0]),
        [dec!(3), dec!(2), dec!(4), dec!(0)]
    );
    let (state, word) = applied(&state, &news("S-1", 3, &[picks(1, 6, 6, 6)]));
    assert_eq!(word, "order.shipped");
    assert_eq!(
        parts(&state.quantities[0]),
        [dec!(3), dec!(0), dec!(0), dec!(6)]
    );
    assert_eq!(state.status(), OrderStatus::PartiallyShipped);
    let shown = projection::sales_order(&state);
    assert_eq!(
        (shown.shipments[0].version, shown.shipments[0].status),
        (3, ShipmentStatus::Shipped)
    );
}

#[test]
fn pieces_of_a_box_are_counted_in_boxes() {
    let (state, _) = applied(&order(), &news("S-1", 1, &[picks(2, 18, 18, 0)]));
    assert_eq!(
        parts(&state.quantities[1]),
        [dec!(0.5), dec!(0), dec!(1.5), dec!(0)]
    );
    let (state, _) = applied(&state, &news("S-1", 2, &[picks(2, 24, 24, 24)]));
    assert_eq!(
        parts(&state.quantities[1]),
        [dec!(0), dec!(0), dec!(0), dec!(2)]
    );
    // Five pieces are no exact number of boxes of twelve.
    let odd = news("S-2", 1, &[picks(2, 5, 0, 0)]);
    assert_eq!(reason(&order(), &odd), NewsReason::InexactQuantity);
}

#[test]
fn an_order_is_shipped_once_all_of_it_is() {
    let (state, _) = applied(
        &order(),
        &news("S-1", 1, &[picks(1, 6, 6, 6), picks(2, 24, 24, 24)]),
    );
    assert_eq!(state.status(), OrderStatus::PartiallyShipped);
    let west = ShipmentNews {
        site: site("WEST"),
        ..news("S-2", 1, &[picks(1, 3, 3, 3)])
    };
    let (state, _) = applied(&state, &west);
    assert_eq!(
        state.status(),
        OrderStatus::PartiallyShipped,
        "one of ten is backordered"
    );
    assert_eq!(state.quantities[0].backordered, dec!(1));
    assert!(
        state
            .lines()
            .all(|(line, quantities)| quantities.balances(line.ordered.value))
    );
}

#[test]
fn what_is_known_changes_nothing() {
    let first = news("S-1", 1, &[picks(1, 6, 0, 0)]);
    let (state, _) = applied(&order(), &first);
    assert_eq!(judged(&state, &first), Verdict::Known);
    let (state, _) = applied(&state, &news("S-1", 2, &[picks(1, 6, 6, 0)]));
    assert_eq!(judged(&state, &first), Verdict::Known);
    // Another backend's shipment of the same number is another one.
    assert!(matches!(
        judge(&state, "other", &news("S-1", 1, &[]), false),
        Verdict::Apply(_)
    ));
}

#[test]
fn a_gap_waits_until_the_source_has_been_asked() {
    let third = news("S-1", 3, &[picks(1, 6, 6, 6)]);
    assert_eq!(judged(&order(), &third), Verdict::Wait(NewsReason::Gap));
    assert!(matches!(
        judge(&order(), SOURCE, &third, true),
        Verdict::Apply(_)
    ));
}

#[test]
fn a_correction_gives_back_what_was_picked_and_not_what_has_left() {
    let (state, _) = applied(&order(), &news("S-1", 1, &[picks(1, 6, 6, 2)]));
    let (corrected, word) = applied(&state, &news("S-1", 2, &[picks(1, 4, 2, 2)]));
    assert_eq!(word, "order.shipped");
    assert_eq!(
        parts(&corrected.quantities[0]),
        [dec!(5), dec!(2), dec!(0), dec!(2)]
    );
    for lines in [&[picks(1, 6, 6, 1)][..], &[]] {
        let less = news("S-1", 2, lines);
        assert_eq!(reason(&state, &less), NewsReason::ShippedReduced);
    }
}

#[rstest]
#[case::more_than_the_site_has(&[picks(1, 7, 0, 0)], NewsReason::OverShipped)]
#[case::more_in_two_parts(&[picks(1, 4, 0, 0), picks(1, 3, 0, 0)], NewsReason::OverShipped)]
#[case::no_such_line(&[picks(9, 1, 0, 0)], NewsReason::UnknownLine)]
#[case::a_rejected_line(&[picks(3, 1, 0, 0)], NewsReason::UnknownLine)]
#[case::packed_before_it_is_picked(&[picks(1, 2, 3, 0)], NewsReason::InconsistentQuantities)]
#[case::shipped_before_it_is_packed(&[picks(1, 3, 2, 3)], NewsReason::InconsistentQuantities)]
#[case::negative(&[picks(1, 0, 0, -1)], NewsReason::InconsistentQuantities)]
fn what_does_not_fit_the_lines_is_refused(
    #[case] lines: &[ShipmentNewsLine],
    #[case] expected: NewsReason,
) {
    let refused = news("S-1", 1, lines);
    assert_eq!(
        judged(&order(), &refused),
        Verdict::Refuse(expected),
        "{lines:?}"
    );
}

#[test]
fn parts_of_a_line_are_added_up() {
    let (state, _) = applied(
        &order(),
        &news("S-1", 1, &[picks(1, 4, 4, 0), picks(1, 2, 0, 0)]),
    );
    assert_eq!(
        parts(&state.quantities[0]),
        [dec!(3), dec!(2), dec!(4), dec!(0)]
    );
}

#[test]
fn two_shipments_share_what_a_site_has() {
    let (state, _) = applied(&order(), &news("S-1", 1, &[picks(1, 4, 4, 4)]));
    let over = news("S-2", 1, &[picks(1, 3, 0, 0)]);
    assert_eq!(reason(&state, &over), NewsReason::OverShipped);
    let (state, _) = applied(&state, &news("S-2", 1, &[picks(1, 2, 0, 0)]));
    assert_eq!(
        parts(&state.quantities[0]),
        [dec!(3), dec!(2), dec!(0), dec!(4)]
    );
}

#[test]
fn another_product_unit_site_or_order_is_refused() {
    let other = ShipmentNewsLine {
        item: "SKU-9".parse().unwrap(),
        ..news_line(1)
    };
    assert_eq!(
        reason(&order(), &news("S-1", 1, &[other])),
        NewsReason::UnknownLine
    );
    let boxes = ShipmentNewsLine {
        unit: UnitOfMeasure::from_code("XBX").unwrap(),
        ..news_line(2)
    };
    assert_eq!(
        reason(&order(), &news("S-1", 1, &[boxes])),
        NewsReason::WrongUnit
    );
    let elsewhere = ShipmentNews {
        site: site("NORTH"),
        ..news("S-1", 1, &[])
    };
    assert_eq!(reason(&order(), &elsewhere), NewsReason::WrongSite);
    let theirs = ShipmentNews {
        sales_order_number: Some("SO-9".parse().unwrap()),
        ..news("S-1", 1, &[])
    };
    assert_eq!(reason(&order(), &theirs), NewsReason::WrongOrder);
    // A shipment does not move to another site.
    let (state, _) = applied(&order(), &news("S-1", 1, &[picks(1, 1, 0, 0)]));
    let moved = ShipmentNews {
        site: site("WEST"),
        ..news("S-1", 2, &[picks(1, 1, 0, 0)])
    };
    assert_eq!(reason(&state, &moved), NewsReason::WrongSite);
}

#[test]
fn a_warehouse_that_is_not_known_to_have_it_is_asked_first() {
    let begun = super::super::testing::release_begun_order();
    let first = ShipmentNews {
        release_number: Some("PR-7".to_owned()),
        ..news("S-1", 1, &[picks(1, 6, 6, 6)])
    };
    assert_eq!(
        judged(&begun, &first),
        Verdict::Wait(NewsReason::NotReleased)
    );
    // It says itself that it has it: the call that told it was never answered.
    let Verdict::Apply(events) = judge(&begun, SOURCE, &first, true) else {
        panic!()
    };
    let words: Vec<_> = events.iter().map(OrderEvent::word).collect();
    assert_eq!(words, ["order.released", "order.shipped"]);
    let without = ShipmentNews {
        release_number: None,
        ..first.clone()
    };
    assert_eq!(
        judge(&begun, SOURCE, &without, true),
        Verdict::Wait(NewsReason::NotReleased)
    );
    // One that was never told cannot have it.
    let accepted = super::super::testing::accepted_order();
    assert_eq!(
        judge(&accepted, SOURCE, &first, true),
        Verdict::Wait(NewsReason::NotReleased)
    );
}

#[test]
fn an_order_that_has_ended_or_is_not_understood_takes_nothing() {
    let first = news("S-1", 1, &[picks(1, 1, 0, 0)]);
    assert_eq!(reason(&cancelled(), &first), NewsReason::OrderEnded);
    let mut later = order();
    later.unknown_events.push("order.painted".to_owned());
    assert_eq!(
        judged(&later, &first),
        Verdict::Wait(NewsReason::NotUnderstood)
    );
}

#[test]
fn an_event_of_a_shipment_reads_back() {
    let (state, _) = applied(&order(), &news("S-1", 1, &[picks(2, 18, 18, 0)]));
    let event = OrderEvent::Packed(Box::new(state.shipments[0].clone()));
    let new = event.to_new().unwrap();
    let read = Recorded::read(new.event_type, new.type_version, &new.data).unwrap();
    assert_eq!(read, Recorded::Known(event));
    let data: serde_json::Value = new.data.read().unwrap();
    assert_eq!(data["lines"][0]["picked"], "1.5");
}
