//! Records as Tryton wrote them, and what they become.

use canonical_model::{
    AccountId, CompanyId, ItemNumber, SiteId, UnitOfMeasure,
    erp_order::{ChargeKind, ErpOrderState},
    item::{ItemIdentifier, ItemScheme},
};
use jiff::{Timestamp, civil::date};
use rstest::rstest;
use rust_decimal::{Decimal, dec};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    super::{codes::Places, config::TrytonErp, wire},
    Rows, Units, account, credit, gtins, is_named, order, order_id, product, state, stock,
};
use crate::tryton::TrytonServer;

/// By its text, as it comes: quantities are read from theirs.
fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn as_of() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn company() -> CompanyId {
    CompanyId::new("NWI").unwrap()
}

fn day(year: i16, month: i8, day: i8) -> Value {
    json!({"__class__": "date", "year": year, "month": month, "day": day})
}

fn amount(text: &str) -> Value {
    json!({"__class__": "Decimal", "decimal": text})
}

fn settings() -> TrytonErp {
    TrytonErp::at(TrytonServer {
        url: "http://127.0.0.1".to_owned(),
        database: "erp".to_owned(),
        user: "gateway".to_owned(),
        password: "secret".to_owned().into(),
        company: "NWI".to_owned(),
        http: Default::default(),
    })
}

fn units(more: &[(i64, &str, f64)]) -> Units {
    let mut all = vec![json!({"id": 1, "symbol": "u", "category": 1, "factor": 1.0, "digits": 0})];
    all.push(json!({"id": 2, "symbol": "kg", "category": 2, "factor": 1.0, "digits": 2}));
    for (id, symbol, factor) in more {
        all.push(json!({"id": id, "symbol": symbol, "category": 1, "factor": factor, "digits": 0}));
    }
    Units::of(read(Value::Array(all)))
}

fn item(identifiers: Value) -> wire::Product {
    read(
        json!({"id": 1, "code": "SKU-0001", "name": "Ball bearing 6001", "active": true, "salable": true,
        "default_uom": 1, "sale_uom": 1, "identifiers.": identifiers,
        "categories.": [{"id": 14, "code": "31171504", "parent.": {"id": 2, "code": "UNSPSC"}},
            {"id": 4, "code": "BEARINGS", "parent.": {"id": 1, "code": "FAMILY"}}],
        "product_customers.": [{"id": 1, "code": "ACM-9001", "party.": {"id": 4, "code": "ACME"}},
            {"id": 9, "code": "B-1", "party.": {"id": 6, "code": "BOREALIS"}}],
        "product_suppliers.": [{"id": 1, "lead_time": {"__class__": "timedelta", "seconds": 345600.0}}],
        "template.": {"id": 1, "account_category.": {"id": 1, "customer_taxes_used": [1]}}}),
    )
}

#[test]
fn a_product_is_told_in_codes() {
    let row = item(json!([{"id": 1, "type": "ean", "code": "10614141000019"},
        {"id": 2, "type": null, "code": "XCT-12:20614141000011"}]));
    let acme = AccountId::new("ACME").unwrap();
    let units = units(&[(36, "XCT-12", 12.0)]);
    let told = product(&company(), &row, Some(&acme), &units, as_of()).unwrap();
    assert_eq!(
        (told.base_unit, told.sales_unit),
        (UnitOfMeasure::EACH, UnitOfMeasure::EACH)
    );
    let [carton] = told.conversions.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (carton.unit.code(), carton.numerator, carton.denominator),
        ("XCT", 12, 1)
    );
    assert_eq!(told.gtin.as_deref(), Some("10614141000019"));
    assert_eq!(told.unspsc.as_deref(), Some("31171504"));
    assert_eq!(told.replenishment_days, Some(4));
    assert_eq!(told.buyer_part_number.as_deref(), Some("ACM-9001"));
    let named = |scheme, value: &str| {
        let value = value.to_owned();
        is_named(&row, &acme, &ItemIdentifier { scheme, value })
    };
    assert!(named(ItemScheme::Gtin, "20614141000011"), "of the carton");
    assert!(named(ItemScheme::BuyerPartNumber, "ACM-9001"));
    assert!(
        !named(ItemScheme::BuyerPartNumber, "B-1"),
        "which is another's"
    );
    assert_eq!(gtins("0614141000012").last().unwrap(), "00614141000012");
    assert_eq!(gtins("%"), [""; 0], "no pattern");
}

#[rstest]
#[case::the_only_one(&[(36, "XCT-12", 12.0)], json!([]), Some(36))]
#[case::by_its_number(&[(36, "XCT-12", 12.0), (37, "XCT-10", 10.0)], json!([{"id": 2, "type": null, "code": "XCT-10:2"}]), Some(37))]
#[case::nobody_can_say(&[(36, "XCT-12", 12.0), (37, "XCT-10", 10.0)], json!([]), None)]
#[case::not_what_it_says(&[(36, "XCT-12", 10.0)], json!([]), None)]
fn a_pack_is_chosen_only_where_there_is_no_doubt(
    #[case] packs: &[(i64, &str, f64)],
    #[case] identifiers: Value,
    #[case] expected: Option<i64>,
) {
    let (units, row) = (units(packs), item(identifiers));
    let carton = UnitOfMeasure::from_code("XCT").unwrap();
    assert_eq!(units.find(&row, carton).map(|unit| unit.id), expected);
    assert_eq!(
        units.conversions(&row).unwrap().len(),
        usize::from(expected.is_some())
    );
}

#[test]
fn a_unit_without_a_code_refuses_its_product() {
    let mut row = item(json!([]));
    row.default_uom = 99;
    assert!(product(&company(), &row, None, &units(&[]), as_of()).is_err());
}

fn party() -> Value {
    json!({"id": 5, "code": "ACME-WEST", "name": "Acme West", "active": true, "currency.": {"id": 1, "code": "USD"},
        "customer_currency.": null, "sale_price_list": 2, "sale_price_list.": {"id": 2, "name": "ACME"},
        "customer_payment_term": 10, "customer_tax_rule": null,
        "addresses.": [
            {"id": 5, "party_name": "Acme West", "street": "1 Main", "city": "Columbus", "postal_code": "43004",
             "country.": {"id": 1, "code": "US"}, "subdivision.": {"id": 1, "code": "US-OH"}, "delivery": false, "invoice": true},
            {"id": 6, "party_name": "Plant", "street": "1 Dock\nGate 2", "city": "Columbus", "postal_code": null,
             "country.": {"id": 1, "code": "US"}, "subdivision.": {"id": 1, "code": "US-OH"}, "delivery": true, "invoice": false}],
        "identifiers.": [{"id": 8, "code": "DUNS:123456790", "address": null}, {"id": 9, "code": "SHIPTO:ACME-WEST-01", "address": 6},
            {"id": 10, "code": "GLN:0614141000227", "address": 6}],
        "relations.": [{"id": 2, "type.": {"id": 1, "name": "Parent"}, "to.": {"id": 4, "code": "ACME"}},
            {"id": 3, "type.": {"id": 2, "name": "Child"}, "to.": {"id": 7, "code": "ACME-LAB"}}]})
}

#[test]
fn an_account_has_its_parent_and_the_addresses_that_have_a_number() {
    let (_, record) = account(&company(), &read(party()), &settings(), as_of()).unwrap();
    assert_eq!(record.parent, Some(AccountId::new("ACME").unwrap()));
    let [plant] = record.account.ship_tos.as_slice() else {
        panic!("{record:?}")
    };
    assert_eq!(
        (plant.ship_to.as_str(), plant.address.region.as_deref()),
        ("ACME-WEST-01", Some("OH"))
    );
    assert_eq!(plant.address.lines, ["1 Dock", "Gate 2"]);
    assert_eq!(plant.identifiers.len(), 1);
    let mut two = party();
    two["relations."][1]["type."]["name"] = json!("Parent");
    assert!(
        account(&company(), &read(two), &settings(), as_of()).is_err(),
        "whose limit would hold?"
    );
}

#[rstest]
#[case::owes(amount("50000.00"), "8818.57", "8800.00", (Some(dec!(50000.00)), false), dec!(8818.57))]
#[case::stopped(amount("0"), "0", "0", (Some(dec!(0)), true), dec!(0))]
#[case::no_limit(Value::Null, "100", "100", (None, false), dec!(100))]
#[case::has_paid_ahead(Value::Null, "-20.00", "-50.00", (None, false), dec!(-20.00))]
fn exposure_is_what_tryton_counts_against_the_limit(
    #[case] limit: Value,
    #[case] counted: &str,
    #[case] receivable: &str,
    #[case] told: (Option<Decimal>, bool),
    #[case] exposure: Decimal,
) {
    let row = json!({"id": 4, "code": "ACME", "currency.": {"id": 1, "code": "USD"}, "credit_limit_amount": limit,
        "credit_amount": amount(counted), "receivable": amount(receivable)});
    let (_, fact) = credit(&company(), &read(row), as_of()).unwrap();
    assert_eq!((fact.limit, fact.blocked), told);
    assert_eq!(fact.exposure(), exposure);
    assert!(fact.open_receivables >= dec!(0) && fact.unapplied_credits >= dec!(0));
}

fn step(
    id: i64,
    (from, to): (i64, i64),
    state: &str,
    quantity: f64,
    date: Value,
    origin: &str,
) -> Value {
    json!({"id": id, "product.": {"id": 1, "code": "SKU-0001"}, "internal_quantity": quantity, "state": state,
        "planned_date": date, "from_location": from, "to_location": to, "origin": origin})
}

/// A warehouse 16 with input 10, output 11 and storage 12; 7 is the customer, 6 the supplier, 15 lies outside.
fn places() -> Places {
    let place = |id: i64, code: &str, kind: &str, parent: Value| json!({"id": id, "code": code, "type": kind, "parent": parent});
    let places: Vec<wire::Place> = read(json!([
        place(16, "EAST", "warehouse", Value::Null),
        place(10, "IN", "storage", json!(16)),
        place(11, "OUT", "storage", json!(16)),
        place(12, "STO", "storage", json!(16)),
        place(13, "BIN", "storage", json!(12)),
        place(15, "APART", "storage", Value::Null)
    ]));
    Places::of(&places)
}

#[test]
fn stock_is_what_lies_there_and_what_crosses_the_border() {
    let places = places();
    assert_eq!(places.inside(&[16]), [10, 11, 12, 13, 16]);
    let soon = || day(2026, 11, 23);
    let rows = Rows {
        on_hand: [(
            16,
            read(json!([{"id": 1, "code": "SKU-0001", "quantity": 100.0}])),
        )]
        .into(),
        outward: read(json!([
            // Ordered; of the second 3 are assigned to be picked; the third is picked.
            step(1, (11, 7), "draft", 5.0, soon(), "sale.line,1"),
            step(2, (11, 7), "draft", 8.0, soon(), "sale.line,2"),
            step(3, (13, 11), "assigned", 3.0, soon(), "stock.move,2"),
            step(4, (12, 11), "draft", 5.0, soon(), "stock.move,2"),
            step(5, (11, 7), "assigned", 4.0, soon(), "sale.line,3"),
            // Set aside by hand; and late, so wanted today.
            step(
                6,
                (12, 15),
                "assigned",
                10.0,
                day(2026, 11, 1),
                "stock.shipment.internal,1"
            ),
            step(7, (11, 7), "draft", 1.0, Value::Null, "sale.line,4"),
        ])),
        inward: read(json!([
            step(
                8,
                (6, 10),
                "draft",
                60.0,
                day(2026, 11, 26),
                "purchase.line,1"
            ),
            step(9, (6, 10), "draft", 9.0, Value::Null, "purchase.line,2"),
            step(3, (13, 11), "assigned", 3.0, soon(), "stock.move,2"),
        ])),
        points: read(
            json!([{"id": 1, "product.": {"id": 1, "code": "SKU-0001"}, "location": 16, "min_quantity": 20.0}]),
        ),
    };
    let key = (
        ItemNumber::new("SKU-0001").unwrap(),
        SiteId::new("EAST").unwrap(),
    );
    let (_, fact) = stock(&company(), &key, 16, &rows, &places, as_of())
        .unwrap()
        .unwrap();
    assert_eq!(
        (fact.on_hand, fact.allocated, fact.safety_stock),
        (dec!(100), dec!(17), dec!(20))
    );
    let demand: Vec<_> = fact
        .demand
        .iter()
        .map(|one| (one.date, one.quantity))
        .collect();
    let later = date(2026, 11, 23);
    assert_eq!(
        demand,
        [
            (later, dec!(5)),
            (later, dec!(5)),
            (date(2026, 11, 20), dec!(1))
        ]
    );
    let receipts: Vec<_> = fact
        .receipts
        .iter()
        .map(|one| (one.date, one.quantity))
        .collect();
    assert_eq!(
        receipts,
        [(date(2026, 11, 26), dec!(60))],
        "what has no day is expected on none"
    );
    let unknown = (ItemNumber::new("SKU-0009").unwrap(), key.1);
    assert!(stock(&company(), &unknown, 16, &rows, &places, as_of()).is_none());
}

#[test]
fn an_order_shows_our_lines_and_what_somebody_entered_by_hand() {
    let line = |sequence: Value, note: Value| {
        json!({"id": 1, "type": "line", "sequence": sequence, "product.": {"id": 1, "code": "SKU-0001"},
        "quantity": 2.0, "unit.": {"id": 1, "symbol": "u", "digits": 0}, "unit_price": amount("9.1000"), "amount": amount("18.20"),
        "note": note, "shipping_date": null, "shipment_cost": null})
    };
    let mut freight = line(json!(3), Value::Null);
    freight["shipment_cost"] = amount("25.00");
    let mut title = line(json!(4), Value::Null);
    title["type"] = json!("title");
    let ours = json!("Your order: PO 1\nOur reference: OW-1\nLine 11 ships 2026-11-25");
    let row = json!({"id": 14, "_timestamp": "1795213530.229163", "reference": "OW-1", "description": "PO 1", "tax_amount": amount("4.30"), "state": "draft", "shipment_state": "none", "invoice_state": "none",
        "party.": {"id": 4, "code": "ACME"}, "currency.": {"id": 1, "code": "USD"}, "warehouse.": {"id": 16, "code": "EAST"},
        "shipping_date": day(2026, 11, 24), "create_date": {"__class__": "datetime", "year": 2026, "month": 11, "day": 21,
        "hour": 1, "minute": 2, "second": 3, "microsecond": 4}, "lines.": [line(json!(1), ours), line(Value::Null, json!("call first")), freight, title]});
    let (number, told) = order(&read(row)).unwrap();
    assert_eq!(
        (number.as_str(), order_id(&number)),
        ("0000000014", Some(14))
    );
    let lines: Vec<_> = told
        .lines
        .iter()
        .map(|line| (line.line, line.order_line, line.ship_date))
        .collect();
    assert_eq!(
        lines,
        [(1, 11, date(2026, 11, 25)), (2, 0, date(2026, 11, 24))]
    );
    assert_eq!(
        (told.total.amount, told.state),
        (dec!(36.40), ErpOrderState::Blocked)
    );
    assert_eq!(told.lines[0].unit_price.amount, dec!(9.1));
    let added: Vec<_> = told
        .added
        .iter()
        .map(|one| (one.kind, one.amount.amount))
        .collect();
    assert_eq!(
        added,
        [
            (ChargeKind::Freight, dec!(18.20)),
            (ChargeKind::Tax, dec!(4.30))
        ]
    );
}

#[rstest]
#[case("quotation", "none", "none", Some(ErpOrderState::Blocked))]
#[case("confirmed", "none", "none", Some(ErpOrderState::Open))]
#[case("processing", "waiting", "none", Some(ErpOrderState::Open))]
#[case(
    "processing",
    "partially shipped",
    "awaiting payment",
    Some(ErpOrderState::Open)
)]
#[case(
    "processing",
    "sent",
    "awaiting payment",
    Some(ErpOrderState::Completed)
)]
#[case("done", "sent", "paid", Some(ErpOrderState::Completed))]
#[case("done", "none", "none", Some(ErpOrderState::Cancelled))]
#[case("cancelled", "none", "none", Some(ErpOrderState::Cancelled))]
#[case("lost", "none", "none", None)]
fn a_state_is_told_by_what_was_shipped_too(
    #[case] of: &str,
    #[case] shipment: &str,
    #[case] invoice: &str,
    #[case] expected: Option<ErpOrderState>,
) {
    assert_eq!(state(of, shipment, invoice), expected);
}
