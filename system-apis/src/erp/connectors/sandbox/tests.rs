//! The connector against a live sandbox, and before a proxy that breaks calls in every way.

use canonical_model::{
    AccountId, CompanyId, Currency, ItemNumber, OrderReference, PurchaseOrderNumber, Quantity,
    ShipToId, SiteId, UnitOfMeasure, UnitPrice,
    capabilities::CreateClass,
    erp_order::{ChargeKind, CreateErpOrder, ErpOrderLine},
    price::PromotionRule,
};
use jiff::{Timestamp, civil::date};
use rstest::rstest;
use rust_decimal::dec;
use sandbox::{RunningSandbox, Sandbox, SandboxConfig, Seed};
use service_runtime::config::{HumanDuration, Secret};

use super::{client::SandboxErpConnector, config::SandboxErp, mapping, wire};
use crate::{
    connector::ConnectorError,
    erp::{
        connector::{ErpConnector, PriceAsk},
        contract::{self, World},
    },
};

fn settings(base_url: &str, create_class: CreateClass) -> SandboxErp {
    let key = Secret::from(SandboxConfig::ERP_KEY.to_owned());
    SandboxErp::at(base_url.to_owned(), key, create_class)
}

async fn sandbox(class: sandbox::CreateClass) -> RunningSandbox {
    let seed = Seed::default_world(date(2026, 11, 20));
    let config = SandboxConfig {
        create_class: class,
        ..SandboxConfig::new(seed)
    };
    Sandbox::start(config).await.unwrap()
}

fn company() -> CompanyId {
    CompanyId::new("NWI").unwrap()
}

fn acme() -> AccountId {
    AccountId::new("ACME").unwrap()
}

fn item() -> ItemNumber {
    ItemNumber::new("SKU-0001").unwrap()
}

fn ask(item: ItemNumber) -> PriceAsk {
    PriceAsk {
        item,
        quantity: None,
    }
}

fn order(reference: &str) -> CreateErpOrder {
    CreateErpOrder {
        reference: OrderReference::new(reference).unwrap(),
        purchase_order_number: PurchaseOrderNumber::new("PO-4711").unwrap(),
        account: acme(),
        ship_to: ShipToId::new("ACME-01").unwrap(),
        currency: Currency::USD,
        lines: vec![ErpOrderLine {
            line: 1,
            order_line: 1,
            item: item(),
            quantity: Quantity::new(dec!(12), UnitOfMeasure::EACH),
            unit_price: UnitPrice {
                amount: dec!(9.10),
                currency: Currency::USD,
                unit: UnitOfMeasure::EACH,
            },
            site: SiteId::new("EAST").unwrap(),
            ship_date: date(2026, 11, 25),
        }],
    }
}

#[rstest]
#[case::staged(sandbox::CreateClass::Staged, CreateClass::Staged)]
#[case::unique(sandbox::CreateClass::Unique, CreateClass::Unique)]
#[case::searchable(sandbox::CreateClass::Searchable, CreateClass::Searchable)]
#[case::blind(sandbox::CreateClass::Blind, CreateClass::Blind)]
#[tokio::test]
async fn the_contract_holds(#[case] class: sandbox::CreateClass, #[case] declared: CreateClass) {
    let sandbox = sandbox(class).await;
    let erp = SandboxErpConnector::new(&settings(&sandbox.erp_url(), declared)).unwrap();
    let (seen, shipping) = (sandbox.erp.clone(), sandbox.erp.clone());
    let gtin = Seed::default_world(date(2026, 11, 20)).items[0]
        .gtin
        .clone();
    let world = World {
        company: company(),
        account: acme(),
        child: AccountId::new("ACME-WEST").unwrap(),
        ship_to: ShipToId::new("ACME-01").unwrap(),
        item: item(),
        buyer_part_number: "ACM-9001".to_owned(),
        gtin: gtin.unwrap(),
        site: SiteId::new("EAST").unwrap(),
        ship_date: date(2026, 11, 25),
        fine_price: dec!(0.123456),
        run: String::new(),
        calls: Box::new(move || seen.calls().values().sum()),
        most_calls: 1,
        invoice: Some(Box::new(move |number| {
            shipping.ship_and_invoice(number.as_str()).unwrap();
            Box::pin(std::future::ready(()))
        })),
        calls_before_create: 0,
        calls_before_amend: 0,
    };
    contract::run(&erp, &world).await;
    if declared == CreateClass::Staged {
        let hasty = |url: &str| {
            let mut settings = settings(url, declared);
            settings.http.timeout = HumanDuration::from_millis(500);
            SandboxErpConnector::new(&settings).unwrap()
        };
        contract::breaks(hasty, &sandbox.erp_url(), &world).await;
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refused_connection_and_a_refused_key_are_certainly_not_done() {
    let sandbox = sandbox(sandbox::CreateClass::Staged).await;
    let mut settings = settings(&sandbox.erp_url(), CreateClass::Staged);
    settings.api_key = Secret::from("wrong".to_owned());
    let erp = SandboxErpConnector::new(&settings).unwrap();
    let refused = erp
        .create_order(&company(), &order("OW-KEY"))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, ConnectorError::Unavailable(_)),
        "{refused:?}"
    );
    sandbox.stop().await;
    let gone = erp
        .create_order(&company(), &order("OW-GONE"))
        .await
        .unwrap_err();
    assert!(matches!(gone, ConnectorError::Unavailable(_)), "{gone:?}");
}

#[tokio::test]
async fn what_the_erp_cannot_hold_is_refused_before_it_is_called() {
    let sandbox = sandbox(sandbox::CreateClass::Staged).await;
    let erp = SandboxErpConnector::new(&settings(&sandbox.erp_url(), CreateClass::Staged)).unwrap();
    let mut long = order("OW-LONG");
    long.purchase_order_number = PurchaseOrderNumber::new("P".repeat(36)).unwrap();
    let mut fine = order("OW-FINE");
    fine.lines[0].quantity.value = dec!(0.0001);
    let mut twice = order("OW-TWICE");
    twice.lines.push(twice.lines[0].clone());
    for order in [long, fine, twice] {
        let refused = erp.create_order(&company(), &order).await.unwrap_err();
        assert!(
            matches!(refused, ConnectorError::Rejected { .. }),
            "{refused:?}"
        );
    }
    assert_eq!(sandbox.erp.calls_of("SALESORDER_CREATE"), 0);
}

fn condition() -> wire::Condition {
    wire::Condition {
        matnr: "SKU-0008".to_owned(),
        kschl: "ZK02".to_owned(),
        prio: "20".to_owned(),
        holder: "ACME".to_owned(),
        ktnum: "C-ACME-2026".to_owned(),
        ktver: "3".to_owned(),
        kmein: "KAR".to_owned(),
        netpr: "450.00".to_owned(),
        peinh: "100".to_owned(),
        kstbm: "24.000".to_owned(),
        waers: "USD".to_owned(),
        datab: "20260101".to_owned(),
        kzpro: String::new(),
        gkwrt: String::new(),
        datbi: "20261231".to_owned(),
    }
}

#[test]
fn a_price_is_per_one_unit_and_ends_the_day_after_its_last() {
    let record = mapping::price(&condition()).unwrap().record;
    assert_eq!(record.unit_price, dec!(4.5));
    assert_eq!(
        (record.unit.code(), record.break_quantity),
        ("XCT", dec!(24))
    );
    assert_eq!(record.valid_from, Some(date(2026, 1, 1)));
    assert_eq!(record.valid_to, Some(date(2027, 1, 1)));
    assert_eq!(record.contract.unwrap().version, 3);
    let endless = wire::Condition {
        datbi: "99991231".to_owned(),
        ..condition()
    };
    assert_eq!(mapping::price(&endless).unwrap().record.valid_to, None);
}

#[rstest]
#[case::negative("5.00-", "1", "USD", "24.000")]
#[case::free("0.00", "1", "USD", "24.000")]
#[case::inexact("10.00", "3", "USD", "24.000")]
#[case::per_nothing("10.00", "0", "USD", "24.000")]
#[case::no_number("1e3", "1", "USD", "24.000")]
#[case::no_currency("10.00", "1", "XQQ", "24.000")]
#[case::negative_break("10.00", "1", "USD", "1.000-")]
fn a_price_that_makes_no_sense_is_refused(
    #[case] netpr: &str,
    #[case] peinh: &str,
    #[case] waers: &str,
    #[case] kstbm: &str,
) {
    let row = wire::Condition {
        netpr: netpr.to_owned(),
        peinh: peinh.to_owned(),
        waers: waers.to_owned(),
        kstbm: kstbm.to_owned(),
        ..condition()
    };
    assert!(mapping::price(&row).is_err());
}

#[test]
fn stock_and_credit_are_told_as_canonical_facts_count_them() {
    let row: wire::Stock = serde_json::from_value(serde_json::json!({
        "MATNR": "SKU-0001", "WERKS": "EAST", "LABST": "120.000", "RESRV": "10.000",
        "INSME": "5.000", "EISBE": "20.000",
        "RECEIPTS": [{"EINDT": "20261125", "MENGE": "50.000", "CONF": "X", "EBELN": "45000001"}],
        "DEMANDS": [{"BDTER": "20261123", "MENGE": "24.000", "VBELN": "0000100001"}]
    }))
    .unwrap();
    let as_of = "2026-11-20T12:00:00Z".parse().unwrap();
    let (_, stock) = mapping::stock(&company(), &row, as_of).unwrap();
    assert_eq!(
        (stock.on_hand, stock.quarantined),
        (dec!(125), dec!(5)),
        "of any quality"
    );
    assert_eq!((stock.allocated, stock.safety_stock), (dec!(10), dec!(20)));
    assert!(stock.receipts[0].confirmed);
    assert_eq!(stock.demand[0].quantity, dec!(24));

    let row: wire::Credit = serde_json::from_value(serde_json::json!({
        "KUNNR": "ACME", "WAERS": "USD", "KLIMK": "", "OPENORD": "4000.00", "OPENDLV": "1500.00",
        "OPENBIL": "0.00", "OPENITM": "3800.00", "UNAPPL": "500.00-", "CRBLK": ""
    }))
    .unwrap();
    let (_, credit) = mapping::credit(&company(), &row, as_of).unwrap();
    assert_eq!((credit.limit, credit.unapplied_credits), (None, dec!(500)));
    assert_eq!(credit.exposure(), dec!(8800));
}

/// An ERP that gives this answer to every function.
async fn lying(answer: serde_json::Value) -> SandboxErpConnector {
    let body = answer.to_string();
    let router = axum::Router::new().fallback(move || std::future::ready(body.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    SandboxErpConnector::new(&settings(&url, CreateClass::Staged)).unwrap()
}

#[tokio::test]
async fn an_answer_for_another_account_or_order_is_refused_whole() {
    let as_of = "2026-11-20T12:00:00Z".parse().unwrap();
    let erp = lying(serde_json::json!({
        "CUSTOMERS": [{"KUNNR": "BOREALIS"}], "CREDIT": [{"KUNNR": "BOREALIS"}],
        "CONDITIONS": [{"MATNR": "SKU-0001", "KSCHL": "ZK02", "HOLDER": "BOREALIS"}],
        "ORDERS": [{"VBELN": "0000000009", "XREF": "OW-OTHER"}], "RETURN": []
    }))
    .await;
    let number = canonical_model::ErpOrderNumber::new("0000100001").unwrap();
    let errors = [
        erp.accounts(&company(), &[acme()], as_of)
            .await
            .unwrap_err(),
        erp.credit(&company(), &[acme()], as_of).await.unwrap_err(),
        erp.prices(&company(), &acme(), &[ask(item())], Timestamp::UNIX_EPOCH)
            .await
            .unwrap_err(),
        erp.find_orders(&company(), &order("OW-MINE").reference)
            .await
            .unwrap_err(),
        erp.orders(&company(), &[number]).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, ConnectorError::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_refused_and_the_others_are_kept() {
    let price = |item: &str, price: &str| {
        serde_json::json!({"MATNR": item, "KSCHL": "PR00", "PRIO": "90", "HOLDER": "", "KMEIN": "ST",
            "NETPR": price, "PEINH": "1", "KSTBM": "0.000", "WAERS": "USD"})
    };
    let erp = lying(serde_json::json!({
        "CONDITIONS": [price("SKU-0001", "9.99"), price("SKU-0002", "0.00"), price("SKU-0002", "8.00")]
    }))
    .await;
    let second = ItemNumber::new("SKU-0002").unwrap();
    let batch = erp
        .prices(
            &company(),
            &acme(),
            &[ask(item()), ask(second)],
            Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap();
    assert_eq!((batch.found.len(), batch.implausible.len()), (1, 1));
    assert_eq!(batch.found[0].0, ask(item()));
}

#[tokio::test]
async fn an_order_entered_by_hand_under_our_reference_is_shown_with_the_others() {
    let line = |posex: &str, price: &str| {
        serde_json::json!({"POSNR": "000010", "POSEX": posex, "MATNR": "SKU-0001", "KWMENG": "2.000", "VRKME": "ST",
            "NETPR": price, "PEINH": "1", "WERKS": "EAST", "VDATU": "20261120", "BDDAT": ""})
    };
    let order = |number: &str, state: &str, line: serde_json::Value| {
        serde_json::json!({"VBELN": number, "XREF": "OW-1", "BSTKD": " PO-1", "KUNNR": "ACME", "WAERS": "USD",
            "STAT": state, "LIFSK": "", "NETWR": "19.98", "ITEMS": [line]})
    };
    let erp = lying(serde_json::json!({"RETURN": [], "ORDERS": [
        order("1", "A", line("3", "9.99")),
        order("2", "A", line("", "0.00")),
        order("3", "A", line("A1", "9.99")),
        order("4", "?", line("4", "9.99")),
    ]}))
    .await;
    let numbers =
        ["1", "2", "3", "4"].map(|number| canonical_model::ErpOrderNumber::new(number).unwrap());
    let batch = erp.orders(&company(), &numbers).await.unwrap();
    let lines: Vec<_> = batch
        .found
        .iter()
        .map(|(_, order)| (order.lines[0].order_line, order.lines[0].unit_price.amount))
        .collect();
    assert_eq!(lines, [(3, dec!(9.99)), (0, dec!(0)), (0, dec!(9.99))]);
    assert_eq!(batch.implausible.len(), 1, "{:?}", batch.implausible);
}

#[tokio::test]
async fn what_the_erp_added_to_an_order_stands_apart_from_its_lines() {
    let condition = |kind: &str, text: &str, amount: &str| serde_json::json!({"KSCHL": kind, "VTEXT": text, "KWERT": amount});
    let erp = lying(serde_json::json!({"RETURN": [], "ORDERS": [
        {"VBELN": "1", "XREF": "OW-1", "BSTKD": "PO-1", "KUNNR": "ACME", "WAERS": "USD", "STAT": "A", "LIFSK": "",
            "NETWR": "100.00", "ITEMS": [], "KONDS": [
                condition("HF00", "Freight", "25.00"),
                condition("MWST", "Tax", "7.19"),
                condition("ZRAB", "Autumn rebate", "2.19-"),
            ]},
    ]}))
    .await;
    let number = canonical_model::ErpOrderNumber::new("1").unwrap();
    let batch = erp.orders(&company(), &[number]).await.unwrap();
    let order = &batch.found[0].1;
    let added: Vec<_> = order
        .added
        .iter()
        .map(|charge| (charge.kind, charge.amount.amount))
        .collect();
    assert_eq!(
        added,
        [
            (ChargeKind::Freight, dec!(25.00)),
            (ChargeKind::Tax, dec!(7.19)),
            (ChargeKind::Other, dec!(-2.19)),
        ]
    );
    let totals = order.totals().unwrap();
    assert_eq!(
        (totals.net.amount, totals.gross.amount),
        (dec!(100.00), dec!(130.00))
    );
}

#[test]
fn a_price_says_what_promotions_may_do_and_its_floor_is_per_one_unit() {
    let silent = mapping::price(&condition()).unwrap().record;
    assert_eq!(
        (silent.promotions, silent.floor),
        (PromotionRule::Excluded, None)
    );
    let row = |rule: &str, floor: &str| wire::Condition {
        kzpro: rule.to_owned(),
        gkwrt: floor.to_owned(),
        ..condition()
    };
    let open = mapping::price(&row("C", "400.00")).unwrap().record;
    assert_eq!(
        (open.promotions, open.floor),
        (PromotionRule::Combined, Some(dec!(4)))
    );
    let lower = mapping::price(&row("L", "")).unwrap().record;
    assert_eq!(lower.promotions, PromotionRule::IfLower);
    for nonsense in [row("?", ""), row("C", "cheap")] {
        assert!(mapping::price(&nonsense).is_err(), "{nonsense:?}");
    }
}

#[tokio::test]
async fn nonsense_after_a_change_leaves_its_outcome_unknown() {
    let erp = lying(serde_json::json!({"VBELN": "", "RETURN": []})).await;
    let created = erp
        .create_order(&company(), &order("OW-NONSENSE"))
        .await
        .unwrap_err();
    assert!(
        matches!(created, ConnectorError::OutcomeUnknown(_)),
        "{created:?}"
    );
}
