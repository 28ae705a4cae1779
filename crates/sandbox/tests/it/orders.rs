//! Sales orders in the ERP: each create class, what an order does to stock and credit.

use std::time::Duration;

use jiff::SignedDuration;
use rstest::rstest;
use sandbox::erp::OrderStatus;
use sandbox::{AccountChange, Clock, CreateClass, RunningSandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::{codes, config, erp, http, order, start, start_with};

async fn of_class(create_class: CreateClass) -> RunningSandbox {
    start_with(SandboxConfig {
        create_class,
        ..config()
    })
    .await
}

async fn list(sandbox: &RunningSandbox, reference: &str) -> Value {
    let body = json!({ "BUKRS": "NWI", "XREF": reference });
    erp(&sandbox.erp_url(), "SALESORDER_GETLIST", body).await
}

async fn create(sandbox: &RunningSandbox, reference: &str) -> Value {
    erp(&sandbox.erp_url(), "SALESORDER_CREATE", order(reference)).await
}

#[rstest]
#[case::staged(CreateClass::Staged, true)]
#[case::searchable(CreateClass::Searchable, false)]
#[case::blind(CreateClass::Blind, false)]
#[tokio::test]
async fn a_repeated_create_makes_a_second_order(#[case] class: CreateClass, #[case] blocked: bool) {
    let sandbox = of_class(class).await;
    let first = create(&sandbox, "R1").await;
    let second = create(&sandbox, "R1").await;
    assert_eq!(first["VBELN"], "0000100001");
    assert_eq!(second["VBELN"], "0000100002");
    let warned = codes(&first).contains(&"W SR/053".to_owned());
    assert_eq!(warned, !blocked, "a class without blocks says so");
    let orders = sandbox.erp.orders_by_reference("R1");
    assert_eq!(orders.len(), 2);
    assert!(orders.iter().all(|order| order.blocked == blocked));
    let listed = list(&sandbox, "R1").await;
    if class == CreateClass::Blind {
        assert_eq!(codes(&listed), ["E SR/053"]);
    } else {
        assert_eq!(listed["ORDERS"].as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn unique_refuses_the_second_and_names_the_first() {
    let sandbox = of_class(CreateClass::Unique).await;
    create(&sandbox, "R1").await;
    let second = create(&sandbox, "R1").await;
    assert_eq!(codes(&second), ["E V1/042"]);
    assert_eq!(second["VBELN"], "");
    assert_eq!(second["RETURN"][0]["MESSAGE_V1"], "0000100001");
    assert_eq!(sandbox.erp.orders().len(), 1);
    assert_eq!(codes(&create(&sandbox, "R2").await), ["S V1/311"]);
}

#[tokio::test]
async fn the_index_lags_and_the_number_does_not() {
    let (clock, hand) = Clock::fixed("2026-11-20T14:30:00Z".parse().expect("an instant"));
    let sandbox = start_with(SandboxConfig {
        clock,
        index_lag: Duration::from_secs(60),
        ..config()
    })
    .await;
    create(&sandbox, "R1").await;
    let detail = json!({ "BUKRS": "NWI", "VBELN": ["0000100001", "0000999999"] });
    let found = erp(&sandbox.erp_url(), "SALESORDER_GETDETAIL", detail).await;
    assert_eq!(found["ORDERS"][0]["ERZET"], "143000");
    assert_eq!(codes(&found), ["E V1/302"]);
    assert_eq!(list(&sandbox, "R1").await["ORDERS"], json!([]));
    hand.advance(SignedDuration::from_secs(60));
    assert_eq!(
        list(&sandbox, "R1").await["ORDERS"][0]["VBELN"],
        "0000100001"
    );
}

struct Books {
    open_orders: String,
    demands: Value,
    on_hand: String,
    receivables: String,
}

async fn books(sandbox: &RunningSandbox) -> Books {
    let url = sandbox.erp_url();
    let credit = json!({ "BUKRS": "NWI", "KUNNR": ["ACME"] });
    let credit = erp(&url, "CREDIT_GETSTATUS", credit).await["CREDIT"][0].clone();
    let stock = json!({ "BUKRS": "NWI", "MATNR": ["SKU-0001"], "WERKS": ["EAST"] });
    let stock = erp(&url, "STOCK_GETLIST", stock).await["STOCK"][0].clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Books {
        open_orders: text(&credit["OPENORD"]),
        receivables: text(&credit["OPENITM"]),
        on_hand: text(&stock["LABST"]),
        demands: stock["DEMANDS"].clone(),
    }
}

#[tokio::test]
async fn only_a_released_order_counts_and_a_cancelled_one_counts_no_more() {
    let sandbox = start().await;
    let url = sandbox.erp_url();
    let number = json!({ "BUKRS": "NWI", "VBELN": "0000100001", "ABGRU": "changed my mind" });
    create(&sandbox, "R1").await;
    let staged = books(&sandbox).await;
    assert_eq!(staged.open_orders, "4000.00");
    assert_eq!(staged.demands, json!([]));

    let released = erp(&url, "SALESORDER_RELEASE", number.clone()).await;
    assert_eq!(codes(&released), ["S V1/312"]);
    let again = erp(&url, "SALESORDER_RELEASE", number.clone()).await;
    assert_eq!(codes(&again), ["W V1/314"]);
    let open = books(&sandbox).await;
    // 2 cartons at 450.00 per 100: 9.00; 24 pieces on the confirmed day.
    assert_eq!(open.open_orders, "4009.00");
    assert_eq!(
        open.demands,
        json!([{ "BDTER": "20261125", "MENGE": "24.000", "VBELN": "0000100001" }])
    );

    let cancelled = erp(&url, "SALESORDER_CANCEL", number.clone()).await;
    assert_eq!(codes(&cancelled), ["S V1/313"]);
    let again = erp(&url, "SALESORDER_CANCEL", number.clone()).await;
    assert_eq!(codes(&again), ["W V1/315"]);
    assert_eq!(
        codes(&erp(&url, "SALESORDER_RELEASE", number).await),
        ["E V1/309"]
    );
    let closed = books(&sandbox).await;
    assert_eq!(closed.open_orders, "4000.00");
    assert_eq!(closed.demands, json!([]));
    let order = sandbox.erp.order("0000100001").expect("kept");
    assert_eq!(order.cancel_reason, "changed my mind");
}

#[tokio::test]
async fn a_blocked_order_is_changed_whole_or_not_at_all() {
    let sandbox = start().await;
    let url = sandbox.erp_url();
    let mut two = order("R1");
    let mut second = two["ITEMS"][0].clone();
    second["POSNR"] = json!("000020");
    second["POSEX"] = json!("2");
    two["ITEMS"].as_array_mut().expect("items").push(second);
    erp(&url, "SALESORDER_CREATE", two).await;
    let key = "0000100001";
    let change = async |items: Value| {
        let body = json!({ "BUKRS": "NWI", "VBELN": key, "ITEMS": items });
        codes(&erp(&url, "SALESORDER_CHANGE", body).await)
    };
    let kept = || sandbox.erp.order(key).expect("kept");
    let before = kept();

    let more = json!({ "POSNR": "000010", "POSEX": "1", "KWMENG": "200.000", "VRKME": "KAR", "BDDAT": "20261201" });
    let gone = json!({ "POSNR": "000020", "KWMENG": "0.000" });
    let both = json!([more, gone]);
    for (wrong, expected) in [
        (json!({ "POSNR": "000030", "KWMENG": "1.000" }), "E V1/319"),
        (
            json!({ "POSNR": "000020", "POSEX": "1", "KWMENG": "0.000" }),
            "E V1/319",
        ),
        (
            json!({ "POSNR": "000020", "KWMENG": "1.000", "VRKME": "ST" }),
            "E V1/321",
        ),
        (json!({ "POSNR": "000020", "KWMENG": "1.000-" }), "E 00/055"),
        (
            json!({ "POSNR": "000020", "BDDAT": "20261301" }),
            "E 00/055",
        ),
    ] {
        assert_eq!(change(json!([more, wrong])).await, [expected]);
        assert_eq!(kept(), before);
    }
    let all = json!([{ "POSNR": "000010", "KWMENG": "0.000" }, gone]);
    assert_eq!(change(all).await, ["E V1/320"]);

    assert_eq!(change(both.clone()).await, ["S V1/316"]);
    let after = kept();
    let [line] = after.lines.as_slice() else {
        panic!("one line, not {:?}", after.lines);
    };
    assert_eq!(line.base_quantity, 2400.into());
    assert_eq!(
        line.confirmed_date.expect("a day").to_string(),
        "2026-12-01"
    );
    // 200 cartons at 450.00 per 100 bear no freight, and 5.75 % of tax.
    assert_eq!((before.added.len(), after.added.len()), (2, 1));
    assert_eq!(
        (after.net_value.to_string(), after.gross_value.to_string()),
        ("900.00".to_owned(), "951.75".to_owned())
    );
    assert_eq!(change(both.clone()).await, ["W V1/317"]);
    assert_eq!(books(&sandbox).await.open_orders, "4000.00", "blocked yet");

    let number = json!({ "BUKRS": "NWI", "VBELN": key });
    erp(&url, "SALESORDER_RELEASE", number.clone()).await;
    assert_eq!(books(&sandbox).await.open_orders, "4900.00");
    assert_eq!(change(both.clone()).await, ["W V1/317"], "it stands so");
    let fewer = json!([{ "POSNR": "000010", "KWMENG": "1.000" }]);
    assert_eq!(change(fewer.clone()).await, ["E V1/318"]);
    erp(&url, "SALESORDER_CANCEL", number).await;
    assert_eq!(change(both).await, ["E V1/309"]);
    let nowhere = json!({ "BUKRS": "NWI", "VBELN": "4711", "ITEMS": fewer });
    assert_eq!(
        codes(&erp(&url, "SALESORDER_CHANGE", nowhere).await),
        ["E V1/302"]
    );
}

#[tokio::test]
async fn a_shipped_order_becomes_an_invoice_and_a_receivable() {
    let sandbox = of_class(CreateClass::Searchable).await;
    let url = sandbox.erp_url();
    create(&sandbox, "R1").await;
    let before = books(&sandbox).await;
    let ship = format!("{url}/erp/control/orders/0000100001/ship-and-invoice");
    let status = async || {
        let answer = http().post(&ship).send().await.expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!(status().await, 200);
    assert_eq!(status().await, 409);
    let after = books(&sandbox).await;
    assert_eq!(
        (before.open_orders.as_str(), after.open_orders.as_str()),
        ("4009.00", "4000.00")
    );
    assert_eq!(
        (before.receivables.as_str(), after.receivables.as_str()),
        ("5000.00", "5009.00")
    );
    let on_hand = |books: &Books| {
        books
            .on_hand
            .parse::<rust_decimal::Decimal>()
            .expect("number")
    };
    assert_eq!(on_hand(&before) - on_hand(&after), 24.into());
    assert_eq!(sandbox.erp.orders()[0].status, OrderStatus::Shipped);

    let body = json!({ "BUKRS": "NWI", "VBELN": ["0000100001"] });
    let invoices = erp(&url, "INVOICE_GETLIST", body).await;
    let invoice = &invoices["INVOICES"][0];
    assert_eq!(
        (&invoice["AUBEL"], &invoice["NETWR"]),
        (&json!("0000100001"), &json!("9.00"))
    );
    // Freight on a small order, and tax on lines and freight: (9.00 + 25.00) × 5.75 % = 1.955.
    let added = json!([
        {"KSCHL": "HF00", "VTEXT": "Freight", "KWERT": "25.00"},
        {"KSCHL": "MWST", "VTEXT": "Sales tax US OH 5.75 %", "KWERT": "1.96"},
    ]);
    assert_eq!(
        (&invoice["KONDS"], &invoice["BRTWR"]),
        (&added, &json!("35.96"))
    );
    let body = json!({ "BUKRS": "NWI", "VBELN": ["0000100001"] });
    let orders = erp(&url, "SALESORDER_GETDETAIL", body).await;
    let order = &orders["ORDERS"][0];
    assert_eq!(
        (&order["KONDS"], &order["NETWR"], &order["BRTWR"]),
        (&added, &json!("9.00"), &json!("35.96"))
    );
    assert_eq!(
        (&invoice["XREF"], &invoice["BSTKD"]),
        (&json!("R1"), &json!("PO-4711"))
    );
    let cancel = json!({ "BUKRS": "NWI", "VBELN": "0000100001" });
    assert_eq!(
        codes(&erp(&url, "SALESORDER_CANCEL", cancel).await),
        ["E V1/310"]
    );
}

#[rstest]
#[case::unknown_customer("/KUNNR", "NOBODY", "E F2/153")]
#[case::foreign_ship_to("/KUNWE", "BOREALIS-01", "E VP/112")]
#[case::no_reference("/XREF", "", "E 00/055")]
#[case::long_reference("/XREF", "123456789012345678901", "E 00/055")]
#[case::bad_date("/VDATU", "20261301", "E 00/055")]
#[case::unknown_material("/ITEMS/0/MATNR", "SKU-9999", "E M3/305")]
#[case::discontinued("/ITEMS/0/MATNR", "SKU-0099", "E M3/306")]
#[case::unit_of_another("/ITEMS/0/VRKME", "PAL", "E M3/070")]
#[case::unknown_plant("/ITEMS/0/WERKS", "NORTH", "E M7/018")]
#[case::nothing_ordered("/ITEMS/0/KWMENG", "0.000", "E 00/055")]
#[case::negative("/ITEMS/0/KWMENG", "5.000-", "E 00/055")]
#[case::huge("/ITEMS/0/KWMENG", "99999999999999999999", "E 00/055")]
#[case::worth_too_much("/ITEMS/0/PEINH", "0.0000000000000001", "E 00/055")]
#[case::short_position("/ITEMS/0/POSNR", "10", "E 00/055")]
#[tokio::test]
async fn a_wrong_order_is_refused_and_nothing_is_kept(
    #[case] field: &str,
    #[case] value: &str,
    #[case] expected: &str,
) {
    let sandbox = start().await;
    let mut body = order("R1");
    *body.pointer_mut(field).expect("a field") = json!(value);
    let answer = erp(&sandbox.erp_url(), "SALESORDER_CREATE", body).await;
    assert!(codes(&answer).contains(&expected.to_owned()), "{answer}");
    assert_eq!(answer["VBELN"], "");
    assert!(sandbox.erp.orders().is_empty());
}

#[tokio::test]
async fn a_blocked_customer_may_not_order() {
    let sandbox = start().await;
    let change = AccountChange {
        blocked: Some(true),
        ..AccountChange::default()
    };
    sandbox.erp.set_account("ACME", change).expect("known");
    assert_eq!(codes(&create(&sandbox, "R1").await), ["E F2/154"]);
}

#[tokio::test]
async fn anyone_can_look_at_the_orders_in_plain_json() {
    let sandbox = start().await;
    create(&sandbox, "R1").await;
    let url = format!("{}/erp/control/orders?reference=R1", sandbox.erp_url());
    let orders: Value = http().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(orders[0]["number"], "0000100001");
    assert_eq!(orders[0]["blocked"], true);
    assert_eq!(orders[0]["lines"][0]["base_quantity"], "24.000");
}
