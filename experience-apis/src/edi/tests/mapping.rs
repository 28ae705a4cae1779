//! Purchase orders as requests, from documents written for the case.

use canonical_model::{
    Currency, ShipToId,
    order::{LinePolicy, SourceDocument},
};
use edi::x12::Limits;
use jiff::civil::{Date, date};
use rstest::rstest;
use rust_decimal::dec;

use super::{Interchange, facts::acme};
use crate::edi::{
    agreement::{Agreement, ReceivedOrder, judge},
    lines::lines,
    mapping::request,
    owed::Refusal,
    profile::{OnWarning, PastDates, Profile, SeveralPlaces, UnitAbsent, UnknownAddress},
};

const TODAY: Date = date(2026, 3, 2);

fn profile() -> Profile {
    let mut profile: Profile =
        toml::from_str(include_str!("../../../../config/partners/acme-edi.toml")).unwrap();
    profile.past_dates = PastDates::Reject;
    profile
}

fn received(profile: &Profile, body: &str) -> ReceivedOrder {
    let text = Interchange::new(1).order(body).text();
    let judged = judge(&Agreement::of(profile), text.as_bytes(), &Limits::default()).unwrap();
    judged
        .orders
        .first()
        .unwrap_or_else(|| panic!("not accepted: {body}"))
        .clone()
}

fn order(lines: &str) -> String {
    format!("BEG*00*NE*PO-1**20260301~{lines}")
}

fn mapped(
    profile: &Profile,
    body: &str,
) -> Result<canonical_model::order::SalesOrderRequest, Refusal> {
    let source = SourceDocument {
        document_id: canonical_model::DocumentId::generate(),
        partner: "acme-edi".to_owned(),
        transaction: "7/0001".to_owned(),
    };
    request(profile, &received(profile, body), &acme(), TODAY, source).map(|(request, _)| request)
}

const LINE: &str = "PO1*1*10*EA*10**VP*SKU-0001~";

#[test]
fn a_split_line_is_a_line_for_each_date() {
    let body = order(
        "DTM*002*20260401~PO1*1*10*EA*10**VP*SKU-0001~SCH*4*EA***002*20260310~SCH*6*EA***002*20260320~",
    );
    let request = mapped(&profile(), &body).unwrap();
    let split: Vec<_> = request
        .lines
        .iter()
        .map(|line| (line.quantity, line.requested_delivery_date.unwrap()))
        .collect();
    assert_eq!(
        split,
        [(dec!(4), date(2026, 3, 10)), (dec!(6), date(2026, 3, 20))]
    );
    let read = received(&profile(), &body);
    let lines = lines(&profile(), &read.order, Currency::USD, TODAY);
    assert_eq!(lines.of[0].wanted, 0..2);
}

#[test]
fn a_split_that_does_not_add_up_is_refused_or_taken_by_its_line() {
    let body =
        order("PO1*1*10*EA*10**VP*SKU-0001~SCH*4*EA***002*20260310~SCH*5*EA***002*20260320~");
    let refusal = mapped(&profile(), &body).unwrap_err();
    assert!(refusal.messages[0].contains("SCH"), "{refusal:?}");
    let lenient = Profile {
        on_warning: OnWarning::Accept,
        ..profile()
    };
    let request = mapped(&lenient, &body).unwrap();
    assert_eq!(request.lines.len(), 1);
    assert_eq!(
        (
            request.lines[0].quantity,
            request.lines[0].requested_delivery_date
        ),
        (dec!(10), Some(date(2026, 3, 10)))
    );
}

#[rstest]
#[case("PO1*1*10*EA*120*DZ*VP*SKU-0001~", None)]
#[case("PO1*1*10*EA*120*HP*VP*SKU-0001~", Some("1.2"))]
#[case("PO1*1*10*EA*0**VP*SKU-0001~", Some("0"))]
fn a_price_is_per_one_unit_or_the_line_is_refused(#[case] line: &str, #[case] price: Option<&str>) {
    let mapped = mapped(&profile(), &order(line));
    match price {
        Some(price) => {
            let expected = mapped.unwrap().lines[0]
                .expected_unit_price
                .clone()
                .unwrap();
            assert_eq!(
                (expected.amount.to_string().as_str(), expected.unit.code()),
                (price, "EA")
            );
        }
        None => assert!(mapped.unwrap_err().lines[0].reason.contains("PO105")),
    }
}

#[test]
fn a_price_basis_can_be_agreed() {
    let mut agreed = profile();
    agreed.price_bases.insert("XX".to_owned(), 12);
    let request = mapped(&agreed, &order("PO1*1*10*EA*120*XX*VP*SKU-0001~")).unwrap();
    let expected = request.lines[0].expected_unit_price.clone().unwrap();
    assert_eq!(expected.amount, dec!(10));
}

#[test]
fn a_price_is_known_where_the_unit_is_not_sent() {
    let lenient = Profile {
        unit_absent: UnitAbsent::SalesUnit,
        ..profile()
    };
    let received = received(&lenient, &order("PO1*1*10**450*HP*VP*SKU-0001~"));
    let usd = Currency::from_code("USD").unwrap();
    let lines = lines(&lenient, &received.order, usd, TODAY);
    assert_eq!(lines.of[0].price, Some(dec!(4.5)));
    assert_eq!(lines.wanted[0].expected_unit_price, None);
}

#[test]
fn a_line_without_a_price_expects_none() {
    let request = mapped(&profile(), &order("PO1*1*10*EA***VP*SKU-0001~")).unwrap();
    assert_eq!(request.lines[0].expected_unit_price, None);
}

#[test]
fn units_are_the_partner_s_own_first_and_never_guessed() {
    let unit = |profile: &Profile, code: &str| {
        let body = order(&format!("PO1*1*10*{code}***VP*SKU-0001~"));
        mapped(profile, &body)
            .map(|request| request.lines[0].unit.map(|unit| unit.code().to_owned()))
    };
    assert_eq!(
        unit(&profile(), "CS").unwrap().as_deref(),
        Some("XCS"),
        "as agreed"
    );
    assert_eq!(unit(&profile(), "DZ").unwrap().as_deref(), Some("DZN"));
    assert!(
        unit(&profile(), "QQ").unwrap_err().lines[0]
            .reason
            .contains("QQ")
    );
    assert!(
        unit(&profile(), "").unwrap_err().lines[0]
            .reason
            .contains("PO103")
    );
    let lenient = Profile {
        unit_absent: UnitAbsent::SalesUnit,
        ..profile()
    };
    assert_eq!(unit(&lenient, "").unwrap(), None);
}

#[test]
fn products_are_tried_in_the_agreed_order_whatever_theirs() {
    let request = mapped(
        &profile(),
        &order("PO1*1*1*EA*10**UP*036000291452*ZZ*X*BP*ACM-1*VP*SKU-0001~"),
    )
    .unwrap();
    let values: Vec<&str> = request.lines[0]
        .identifiers
        .iter()
        .map(|identifier| identifier.value.as_str())
        .collect();
    assert_eq!(values, ["SKU-0001", "ACM-1", "036000291452"]);
    let refusal = mapped(&profile(), &order("PO1*1*1*EA*10**MG*M-1~")).unwrap_err();
    assert!(refusal.lines[0].reason.contains("VP"), "{refusal:?}");
}

#[test]
fn one_wrong_line_refuses_all_or_only_itself() {
    let body = order(&format!("{LINE}PO1*2*10*QQ*10**VP*SKU-0002~"));
    assert_eq!(mapped(&profile(), &body).unwrap().lines.len(), 1);
    let strict = Profile {
        line_policy: LinePolicy::AllOrNothing,
        ..profile()
    };
    assert_eq!(mapped(&strict, &body).unwrap_err().lines[0].line, 1);
}

#[rstest]
#[case("N1*ST*X*92*PLANT2~", Ok(Some("ACME-02")))]
#[case("N1*ST*X*UL*0614141000128~", Ok(Some("ACME-01")))]
#[case("N1*ST*X*91*ACME-02~", Ok(Some("ACME-02")))]
#[case("N1*ST*X*92*0001~", Ok(Some("ACME-01")))]
#[case("N1*ST*X*92*ACME-02~", Err("92 ACME-02"))]
#[case("N1*ST*X*1*PLANT2~", Err("1 PLANT2"))]
#[case(
    "N1*ST*X~N3*2 INDUSTRIAL PARKWAY~N4*Columbus*OH*43004~",
    Ok(Some("ACME-02"))
)]
#[case(
    "N1*ST*X~N3*9 Elsewhere~N4*Columbus*OH*43004~",
    Err("no delivery address")
)]
#[case("N1*ST*Only a name~", Ok(Some("ACME-01")))]
#[case("", Ok(Some("ACME-01")))]
fn a_place_is_found_by_what_was_agreed(
    #[case] party: &str,
    #[case] place: Result<Option<&str>, &str>,
) {
    let found = mapped(&profile(), &order(&format!("{party}{LINE}")));
    match place {
        Ok(place) => assert_eq!(found.unwrap().ship_to.as_ref().map(ShipToId::as_str), place),
        Err(reason) => {
            let refusal = found.unwrap_err();
            assert!(refusal.messages[0].contains(reason), "{refusal:?}");
        }
    }
}

#[test]
fn an_order_for_several_places_is_refused_and_one_for_a_single_place_is_taken() {
    let split = |second: &str| format!("{LINE}SDQ*EA*92*PLANT1*4*{second}*6~");
    let refusal = mapped(&profile(), &order(&split("PLANT2"))).unwrap_err();
    assert!(
        refusal.messages[0].contains("one 850 for each"),
        "{refusal:?}"
    );
    assert_eq!(
        mapped(&profile(), &order(&split("PLANT1")))
            .unwrap()
            .ship_to
            .unwrap()
            .as_str(),
        "ACME-01"
    );
}

#[test]
fn several_places_are_served_through_the_heading_where_that_was_agreed() {
    let mut agreed = profile();
    agreed.ship_to.several_places = SeveralPlaces::UseHeading;
    let split = format!("N1*ST*DC*92*PLANT2~{LINE}SDQ*EA*92*S-1*4*S-2*6~");
    let request = mapped(&agreed, &order(&split)).unwrap();
    assert_eq!(request.ship_to.unwrap().as_str(), "ACME-02");
    assert_eq!(request.lines.len(), 1);
    assert_eq!(request.lines[0].quantity, dec!(10));
}

#[test]
fn without_a_place_the_agreement_decides() {
    let mut strict = profile();
    strict.ship_to.required = true;
    assert!(mapped(&strict, &order(LINE)).unwrap_err().messages[0].contains("N1 ST"));
    let mut open = profile();
    open.ship_to.default = None;
    open.ship_to.unknown_address = UnknownAddress::UseDefault;
    assert_eq!(
        mapped(&open, &order(&format!("N1*ST*X~N3*9 Elsewhere~{LINE}")))
            .unwrap()
            .ship_to,
        None
    );
}

#[test]
fn a_past_date_is_passed_on_or_means_as_soon_as_possible() {
    let body = order(&format!("DTM*002*20250101~{LINE}"));
    assert_eq!(
        mapped(&profile(), &body).unwrap().lines[0].requested_delivery_date,
        Some(date(2025, 1, 1))
    );
    let lenient = Profile {
        past_dates: PastDates::AsSoonAsPossible,
        ..profile()
    };
    assert_eq!(
        mapped(&lenient, &body).unwrap().lines[0].requested_delivery_date,
        None
    );
}

#[rstest]
#[case("BEG*00*BE*PO-1**20260301~", "BEG02")]
#[case("BEG*00*NE*PO-1**20260301~CUR*BY*QQQ~", "CUR02")]
fn headings_that_are_no_order_are_refused(#[case] heading: &str, #[case] names: &str) {
    let refusal = mapped(&profile(), &format!("{heading}{LINE}")).unwrap_err();
    assert!(refusal.messages[0].contains(names), "{refusal:?}");
}
