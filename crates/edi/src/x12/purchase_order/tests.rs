//! Purchase orders as partners send them, right and wrong.

use super::{Reading, WarningKind, date_of, read};
use crate::x12::fixtures::{BODY, answer, body_with, order};
use crate::x12::{ReadOptions, read as read_file};
use jiff::civil::date;
use rust_decimal::Decimal;

fn reading(body: &[&str]) -> Reading {
    let document = order(body);
    let outcome = read_file(document.as_bytes(), &ReadOptions::default());
    let group = &outcome.interchanges[0].groups[0];
    read(&group.sets[0], &group.version, 100)
}

/// The AK3 to AK5 lines of the answer.
fn verdict(body: &[&str]) -> String {
    answer(order(body).as_bytes())
        .lines()
        .filter(|line| {
            !line.starts_with("AK1") && !line.starts_with("AK2") && !line.starts_with("AK9")
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn kinds(body: &[&str]) -> Vec<WarningKind> {
    reading(body)
        .warnings
        .iter()
        .map(|warning| warning.kind)
        .collect()
}

#[test]
fn an_order_is_read_whole() {
    let reading = reading(&BODY);
    assert!(reading.faults.is_empty() && reading.warnings.is_empty());
    let order = reading.order.unwrap();
    assert_eq!(
        (
            order.purpose.as_str(),
            order.order_type.as_str(),
            order.purchase_order_number.as_str()
        ),
        ("00", "SA", "PO-1001")
    );
    assert_eq!(
        (
            order.release_number.as_deref(),
            order.date,
            order.currency.as_deref()
        ),
        (Some("R1"), Some(date(2026, 3, 1)), Some("USD"))
    );
    assert_eq!(date_of(&order.dates, "002"), Some(date(2026, 3, 20)));
    let ship_to = order.party("ST").unwrap();
    assert_eq!(
        (
            ship_to.id_qualifier.as_deref(),
            ship_to.id.as_deref(),
            ship_to.city.as_deref()
        ),
        (Some("92"), Some("D7"), Some("Portland"))
    );
    assert_eq!(ship_to.streets, ["1 Quay Street"]);
    let (first, second) = (&order.lines[0], &order.lines[1]);
    assert_eq!(
        (first.quantity, first.unit.as_deref(), first.unit_price),
        (Decimal::TEN, Some("EA"), Some(Decimal::new(250, 2)))
    );
    assert_eq!(
        (
            first.product_id("BP"),
            first.product_id("VP"),
            first.product_id("UP")
        ),
        (Some("B-1"), Some("V-1"), None)
    );
    assert_eq!(
        (
            first.price_basis.as_deref(),
            second.price_basis.as_deref(),
            first.segment_number
        ),
        (Some("PE"), None, 9)
    );
    assert_eq!(first.descriptions, ["Bolt"]);
    assert_eq!(order.totals.unwrap().lines, Some(2));
    assert_eq!(
        (order.amounts[0].qualifier.as_str(), order.amounts[0].amount),
        ("TT", Decimal::from(145))
    );
}

#[test]
fn item_24_unknown_segments_are_named_and_passed_over() {
    assert_eq!(verdict(&body_with(2, "XYZ*1")), "AK3*XYZ*4**1 AK5*E*5");
    assert_eq!(verdict(&body_with(2, "BIG*1")), "AK3*BIG*4**2 AK5*E*5");
    assert!(reading(&body_with(2, "XYZ*1")).order.is_some());
    for dialect in [
        "N9*ZZ*1",
        "SAC*C*D240***500",
        "TC2*J*1234",
        "TXI*TX**2",
        "IT8*******B0",
        "ITD*14*3*2",
        "TD5*A*92*P3",
        "NTE*SPH*hello",
        "MEA*PD*WD*1*IN",
        "PER*BD*Tom",
        "CSH*Y",
        "PO4*1*2*EA",
    ] {
        assert_eq!(verdict(&body_with(2, dialect)), "AK5*A", "{dialect}");
    }
}

#[test]
fn item_25_what_an_order_cannot_do_without() {
    assert_eq!(
        verdict(&body_with(0, "BEG*00*SA***20260301")),
        "AK3*BEG*2**8 AK4*3*324*1 AK5*R*5"
    );
    assert_eq!(
        verdict(&body_with(7, "PO1*1**EA*2.50**VP*V-1")),
        "AK3*PO1*9*PO1*8 AK4*2*330*1 AK5*R*5"
    );
    assert_eq!(verdict(&body_with(0, "")), "AK3*BEG*12**3 AK5*R*5");
    assert_eq!(verdict(&BODY[..7]), "AK3*PO1*8**3 AK5*R*5");
    assert_eq!(
        verdict(&[
            "BEG*00*SA*1**20260301",
            "BEG*00*SA*2**20260301",
            "PO1**1*EA***VP*A"
        ]),
        "AK3*BEG*3**5 AK5*R*5"
    );
    assert_eq!(
        verdict(&["REF*DP*1", "BEG*00*SA*2**20260301", "PO1**1*EA***VP*A"]),
        "AK3*BEG*3**7 AK5*E*5"
    );
    assert!(
        reading(&body_with(0, "BEG*00*SA***20260301"))
            .order
            .is_none()
    );
}

#[test]
fn what_is_mandatory_but_not_needed_is_named() {
    assert_eq!(
        verdict(&body_with(0, "BEG*00*SA*PO-1")),
        "AK3*BEG*2**8 AK4*5*373*1 AK5*E*5"
    );
    assert_eq!(
        verdict(&body_with(1, "CUR*BY")),
        "AK3*CUR*3**8 AK4*2*100*1 AK5*E*5"
    );
    assert_eq!(
        verdict(&body_with(7, "PO1*1*10*EACH*2.50**VP*V-1")),
        "AK3*PO1*9*PO1*8 AK4*3*355*5*EACH AK5*E*5"
    );
}

#[test]
fn item_26_dates_must_exist() {
    assert_eq!(
        verdict(&body_with(0, "BEG*00*SA*PO-1**20260230")),
        "AK3*BEG*2**8 AK4*5*373*8*20260230 AK5*R*5"
    );
    assert_eq!(
        verdict(&body_with(3, "DTM*002*2026-3-20")),
        "AK3*DTM*5**8 AK4*2*373*8*2026-3-20 AK5*R*5"
    );
    assert_eq!(
        verdict(&body_with(3, "DTM*002*260320")),
        "AK3*DTM*5**8 AK4*2*373*4*260320 AK5*E*5"
    );
    let short = reading(&body_with(3, "DTM*002*260320")).order.unwrap();
    assert_eq!(date_of(&short.dates, "002"), Some(date(2026, 3, 20)));
    let century = reading(&body_with(3, "DTM*002*980320***19")).order.unwrap();
    assert_eq!(date_of(&century.dates, "002"), Some(date(1998, 3, 20)));
}

#[test]
fn item_27_what_is_too_long_is_never_cut() {
    assert_eq!(
        verdict(&body_with(0, "BEG*00*SA*12345678901234567890123**20260301")),
        "AK3*BEG*2**8 AK4*3*324*5*12345678901234567890123 AK5*R*5"
    );
    assert_eq!(
        verdict(&body_with(6, "N4*Portland*Oregon*97201")),
        "AK3*N4*8*N1*8 AK4*2*156*5*Oregon AK5*E*5"
    );
}

#[test]
fn numbers_that_are_none_are_rejected() {
    for (line, fault) in [
        ("PO1*1*1O*EA*2.50**VP*V-1", "AK4*2*330*6*1O"),
        ("PO1*1*10*EA*2,50**VP*V-1", "AK4*4*212*6*2,50"),
        ("PO1*1*-10*EA*2.50**VP*V-1", "AK4*2*330*6*-10"),
        ("PO1*1*10*EA*-2.50**VP*V-1", "AK4*4*212*6*-2.50"),
        (
            "PO1*1*9999999999999999*EA*2.50**VP*V-1",
            "AK4*2*330*5*9999999999999999",
        ),
    ] {
        assert_eq!(
            verdict(&body_with(7, line)),
            format!("AK3*PO1*9*PO1*8 {fault} AK5*R*5")
        );
    }
}

#[test]
fn item_29_lines_without_a_number_stay_without() {
    let order = reading(&body_with(7, "PO1**10*EA*2.50**VP*V-1"))
        .order
        .unwrap();
    assert_eq!(order.lines[0].assigned_id, None);
}

#[test]
fn item_30_product_ids_come_in_pairs() {
    assert_eq!(
        verdict(&body_with(7, "PO1*1*10*EA*2.50**VP*V-1*UP")),
        "AK3*PO1*9*PO1*8 AK4*9*234*2 AK5*E*5"
    );
    assert_eq!(
        verdict(&body_with(7, "PO1*1*10*EA*2.50**VP*V-1**123")),
        "AK3*PO1*9*PO1*8 AK4*8*235*2 AK5*E*5"
    );
    assert_eq!(
        verdict(&body_with(7, "PO1*1*10*EA*2.50**VP")),
        "AK3*PO1*9*PO1*8 AK4*7*234*2 AK5*R*5"
    );
    assert_eq!(
        kinds(&body_with(7, "PO1*1*10*EA*2.50**VP*V-1*VP*V-9")),
        [WarningKind::AmbiguousProduct]
    );
}

#[test]
fn item_31_totals_are_checked() {
    assert_eq!(kinds(&body_with(10, "CTT*3*14")), [WarningKind::LineCount]);
    assert_eq!(kinds(&body_with(10, "CTT*2*15")), [WarningKind::HashTotal]);
    assert_eq!(kinds(&body_with(10, "CTT*000002**0000000.00*01")), []);
    assert_eq!(kinds(&body_with(10, "CTT*2*14.000")), []);
    assert_eq!(
        kinds(&body_with(9, "PO1*1*4*CA*30**VP*V-2")),
        [WarningKind::RepeatedLineId]
    );
}

#[test]
fn item_32_schedules_and_places_split_the_line() {
    let split = |parts: &[&'static str]| -> Vec<&'static str> {
        BODY[..9]
            .iter()
            .copied()
            .chain(parts.iter().copied())
            .chain(BODY[9..].iter().copied())
            .collect()
    };
    let dated = split(&["SCH*6*EA***002*20260320", "SCH*4*EA***002*20260401"]);
    let order = reading(&dated).order.unwrap();
    let dates: Vec<_> = order.lines[0]
        .schedules
        .iter()
        .map(|part| part.date.as_ref().unwrap().date)
        .collect();
    assert_eq!(
        (dates, kinds(&dated)),
        (vec![date(2026, 3, 20), date(2026, 4, 1)], vec![])
    );
    let places = split(&["SDQ*EA*92*0001*3*0002*3", "SDQ*EA*92*0003*4"]);
    let order = reading(&places).order.unwrap();
    assert_eq!(
        order.lines[0].schedules[2].place,
        Some(("92".into(), "0003".into()))
    );
    assert_eq!(kinds(&places), []);
    assert_eq!(
        kinds(&split(&["SCH*6*EA***002*20260320"])),
        [WarningKind::ScheduleQuantity]
    );
    assert_eq!(
        kinds(&split(&["SDQ*EA*92*0001*3*0002*8"])),
        [WarningKind::ScheduleQuantity]
    );
    assert_eq!(
        verdict(&split(&["SDQ*EA*92*0001*3*0002*x"])),
        "AK3*SDQ*11*PO1*8 AK4*6*380*6*x AK5*R*5"
    );
    assert_eq!(
        verdict(&split(&["SDQ*EA*92*0001"])),
        "AK3*SDQ*11*PO1*8 AK4*4*380*1 AK5*R*5"
    );
}

#[test]
fn what_belongs_to_a_line_stays_there() {
    let body = [
        "BEG*00*NE*PO-7**20260301",
        "N9*ZZ*1",
        "DTM*007*20260105",
        "MSG*for the heading",
        "N1*BY*Buyer*UL*5412345000013",
        "PO1**5*DZ***IN*1",
        "DTM*010*20260310",
        "MSG*for the line",
        "REF*CO*77",
        "N1*ST*Line Dock*92*L1",
        "N4*Reno*NV*89501",
        "AMT*1*12",
    ];
    let order = reading(&body).order.unwrap();
    let line = &order.lines[0];
    assert_eq!(
        (order.dates.len(), order.parties.len(), order.amounts.len()),
        (0, 1, 0)
    );
    assert_eq!(order.messages, ["for the heading"]);
    assert_eq!(
        (line.messages.as_slice(), line.references[0].value.as_str()),
        (["for the line".into()].as_slice(), "77")
    );
    assert_eq!(date_of(&line.dates, "010"), Some(date(2026, 3, 10)));
    assert_eq!(line.parties[0].city.as_deref(), Some("Reno"));
    assert_eq!(order.party("BY").unwrap().city, None);
}
