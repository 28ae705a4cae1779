//! The connector against a live Tryton, alone and behind a proxy that breaks calls.

use std::sync::{Arc, Mutex};

use canonical_model::{
    AccountId, CompanyId, Currency, ErpOrderNumber, ItemNumber, OrderReference,
    PurchaseOrderNumber, Quantity, ShipToId, SiteId, UnitOfMeasure, UnitPrice,
    erp_order::{AmendErpOrder, CreateErpOrder, ErpLineAmendment, ErpOrderLine, ErpOrderState},
};
use jiff::{ToSpan as _, civil::Date};
use rust_decimal::{Decimal, dec};
use sandbox::{
    Seed,
    fault::{Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule},
};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::{Faults, HumanDuration, Secret, Validate as _},
};

use super::{client::TrytonErpConnector, config::TrytonErp};
use crate::{
    connector::ConnectorError,
    erp::{
        config::ErpConnectorConfig,
        connector::{ErpConnector, PriceAsk},
        contract::{self, World},
    },
    tryton::{
        Tryton, TrytonServer,
        live::{Live, live},
        values::Day,
    },
};

fn world(live: &Live, calls: Box<dyn Fn() -> u64 + Send + Sync>) -> World {
    let today = live.base_date("erp");
    let seed = Seed::default_world(today);
    let run = new_run();
    let tryton = Arc::new(Tryton::new(&live.server("erp")).unwrap());
    World {
        company: CompanyId::new("NWI").unwrap(),
        account: AccountId::new("ACME").unwrap(),
        child: AccountId::new("ACME-WEST").unwrap(),
        ship_to: ShipToId::new("ACME-01").unwrap(),
        item: ItemNumber::new("SKU-0001").unwrap(),
        buyer_part_number: "ACM-9001".to_owned(),
        gtin: seed.items[0].gtin.clone().unwrap(),
        site: SiteId::new("EAST").unwrap(),
        ship_date: today + 3.days(),
        fine_price: dec!(0.1234),
        run,
        calls,
        most_calls: 16,
        invoice: Some(Box::new(move |number| {
            let tryton = Arc::clone(&tryton);
            Box::pin(async move { ship_and_invoice(&tryton, &number, today).await })
        })),
        calls_before_create: 2,
        calls_before_amend: 1,
    }
}

/// Ships an order whole and posts its invoice, as people would.
async fn ship_and_invoice(tryton: &Tryton, number: &ErpOrderNumber, today: Date) {
    let sale: i64 = number.as_str().parse().unwrap();
    let context = tryton.context().await.unwrap();
    let never: (usize, fn(&str) -> bool) = (0, |_| false);
    let ids = |field: &'static str| {
        let context = &context;
        async move {
            let read: Vec<Value> = tryton
                .read("sale.sale", &[sale], &[field], context)
                .await
                .unwrap();
            serde_json::from_value::<Vec<i64>>(read[0][field].clone()).unwrap()
        }
    };
    for shipment in ids("shipments").await {
        for button in ["assign_try", "pick", "pack", "ship", "do"] {
            tryton
                .press("stock.shipment.out", button, shipment, &context, never)
                .await
                .unwrap();
        }
    }
    let invoices = ids("invoices").await;
    let dated = json!({"invoice_date": Day(today)});
    tryton
        .write("account.invoice", &invoices, &dated, &context)
        .await
        .unwrap();
    for invoice in invoices {
        tryton
            .press("account.invoice", "post", invoice, &context, never)
            .await
            .unwrap();
    }
}

/// Confirmations at the same time lock each other out.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Eight characters that no other run has.
fn new_run() -> String {
    let millis = Clock::default().now().as_millisecond();
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut left = usize::try_from(millis).unwrap();
    let mut text = String::new();
    for _digit in 0..8 {
        text.push(char::from(digits[left % 36]));
        left /= 36;
    }
    text
}

/// A connector to the ERP, by way of an address.
fn connect(live: &Live, url: &str, timeout: HumanDuration) -> TrytonErpConnector {
    let mut settings = TrytonErp::at(live.server("erp"));
    url.clone_into(&mut settings.server.url);
    settings.server.http.timeout = timeout;
    TrytonErpConnector::new(&settings).unwrap()
}

const PATIENT: HumanDuration = HumanDuration::from_secs(60);

#[tokio::test]
async fn the_contract_holds() {
    let Some(live) = live() else { return };
    let _alone = ALONE.lock().await;
    let server = live.server("erp");
    let proxy = FaultProxy::start(&server.url, FaultConfig::default())
        .await
        .unwrap();
    let patient = connect(&live, &proxy.url(), PATIENT);
    let world = world(&live, Box::new(move || proxy.stats().calls));
    contract::run(&patient, &world).await;
    let hasty = |url: &str| connect(&live, url, HumanDuration::from_secs(4));
    contract::breaks(hasty, &server.url, &world).await;
}

fn one_order(live: &Live, account: &str, site: &str, quantity: Decimal) -> CreateErpOrder {
    CreateErpOrder {
        reference: OrderReference::new(format!("OWT{}", new_run())).unwrap(),
        purchase_order_number: PurchaseOrderNumber::new("PO-4711").unwrap(),
        account: AccountId::new(account).unwrap(),
        ship_to: ShipToId::new(format!("{account}-01")).unwrap(),
        currency: Currency::USD,
        lines: vec![ErpOrderLine {
            line: 1,
            order_line: 1,
            item: ItemNumber::new("SKU-0002").unwrap(),
            quantity: Quantity::new(quantity, UnitOfMeasure::EACH),
            unit_price: UnitPrice {
                amount: dec!(9.10),
                currency: Currency::USD,
                unit: UnitOfMeasure::EACH,
            },
            site: SiteId::new(site).unwrap(),
            ship_date: live.base_date("erp") + 3.days(),
        }],
    }
}

fn nwi() -> CompanyId {
    CompanyId::new("NWI").unwrap()
}

fn once(fault: Fault, skip: u64) -> FaultPlan {
    FaultPlan {
        rules: vec![FaultRule {
            skip,
            ..FaultRule::new("", fault).times(1)
        }],
        ..FaultPlan::default()
    }
}

/// The calls of a release before the one that confirms: a look, the quotation, a look.
const BEFORE_CONFIRM: u64 = 3;

#[tokio::test]
async fn a_release_looks_what_became_of_a_confirmation_that_failed() {
    let Some(live) = live() else { return };
    let _alone = ALONE.lock().await;
    let url = live.server("erp").url;
    let proxy = FaultProxy::start(&url, FaultConfig::default())
        .await
        .unwrap();
    let erp = connect(&live, &proxy.url(), PATIENT);
    let state = async |number: &ErpOrderNumber| {
        let read = erp
            .orders(&nwi(), std::slice::from_ref(number))
            .await
            .unwrap();
        read.found[0].1.state
    };

    let order = one_order(&live, "ACME", "EAST", dec!(1));
    let number = erp.create_order(&nwi(), &order).await.unwrap();
    let locked = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    proxy.set_plan(once(locked, BEFORE_CONFIRM)).unwrap();
    let busy = erp.release_order(&nwi(), &number).await.unwrap_err();
    assert!(
        matches!(busy, ConnectorError::Unavailable(_)),
        "seen that it is not done: {busy:?}"
    );
    assert_eq!(state(&number).await, ErpOrderState::Blocked);
    // It is quoted already, so the first call that changes something is the confirmation. Its answer is lost; that Tryton was
    // locked by others is the only reason why it may not be done.
    loop {
        proxy.set_plan(once(Fault::DropAfterCommit, 1)).unwrap();
        let Err(error) = erp.release_order(&nwi(), &number).await else {
            break;
        };
        assert_eq!(state(&number).await, ErpOrderState::Blocked, "{error:?}");
    }
    assert_eq!(state(&number).await, ErpOrderState::Open);
    erp.cancel_order(&nwi(), &number).await.unwrap();
}

/// From the release on, and no earlier, both stock and credit count an order: that is what the capabilities say.
#[tokio::test]
async fn an_order_counts_from_its_release_until_it_is_cancelled() {
    let Some(live) = live() else { return };
    let _alone = ALONE.lock().await;
    let erp = connect(&live, &live.server("erp").url, PATIENT);
    let quantity = dec!(17);
    let order = one_order(&live, "ACME-WEST", "WEST", quantity);
    let key = (order.lines[0].item.clone(), order.lines[0].site.clone());
    let counts = async || {
        let as_of = Clock::default().now();
        let stock = erp
            .stock(&nwi(), std::slice::from_ref(&key), as_of)
            .await
            .unwrap();
        let demand = stock.found[0].1.demand.iter();
        let demand = demand.filter(|demand| demand.quantity == quantity).count();
        let accounts = std::slice::from_ref(&order.account);
        let credit = erp.credit(&nwi(), accounts, as_of).await.unwrap();
        (demand, credit.found[0].1.exposure())
    };
    let before = counts().await;
    let number = erp.create_order(&nwi(), &order).await.unwrap();
    assert_eq!(counts().await, before, "a draft counts nowhere");
    while let Err(busy) = erp.release_order(&nwi(), &number).await {
        assert!(matches!(busy, ConnectorError::Unavailable(_)), "{busy:?}");
    }
    assert_eq!(
        counts().await,
        (before.0 + 1, before.1 + quantity * dec!(9.10))
    );
    erp.cancel_order(&nwi(), &number).await.unwrap();
    assert_eq!(counts().await, before);
}

#[tokio::test]
async fn what_tryton_cannot_hold_is_refused_and_not_sent() {
    let Some(live) = live() else { return };
    let _alone = ALONE.lock().await;
    let erp = connect(&live, &live.server("erp").url, PATIENT);
    let order = || one_order(&live, "ACME", "EAST", dec!(2));
    let mut sites = order();
    sites.lines.push(sites.lines[0].clone());
    sites.lines[1].line = 2;
    sites.lines[1].site = SiteId::new("WEST").unwrap();
    let mut fine = order();
    fine.lines[0].unit_price.amount = dec!(0.12345);
    let mut half = order();
    half.lines[0].quantity.value = dec!(0.555);
    let mut unit = order();
    unit.lines[0].quantity.unit = UnitOfMeasure::from_code("KGM").unwrap();
    unit.lines[0].unit_price.unit = unit.lines[0].quantity.unit;
    let mut nowhere = order();
    nowhere.ship_to = ShipToId::new("BOREALIS-01").unwrap();
    let refused = [
        (sites, "several"),
        (fine, "decimals"),
        (half, "decimals"),
        (unit, "KGM"),
        (nowhere, "BOREALIS-01"),
    ];
    for (order, why) in refused {
        let error = erp.create_order(&nwi(), &order).await.unwrap_err();
        let ConnectorError::Rejected { message } = &error else {
            panic!("{error:?}");
        };
        assert!(message.contains(why), "{message}");
        assert_eq!(erp.find_orders(&nwi(), &order.reference).await.unwrap(), []);
    }
    let other = CompanyId::new("NWI2").unwrap();
    let other = erp.create_order(&other, &order()).await.unwrap_err();
    assert!(matches!(other, ConnectorError::NotFound), "{other:?}");
}

/// A refused confirmation leaves a quotation, of which Tryton keeps the figures. The price that was sent holds for the new
/// quantity too: Tryton would ask another.
#[tokio::test]
async fn a_quotation_is_amended_and_its_price_stays() {
    let Some(live) = live() else { return };
    let _alone = ALONE.lock().await;
    let erp = connect(&live, &live.server("erp").url, PATIENT);
    let mut order = one_order(&live, "ACME", "EAST", dec!(2));
    let number = erp.create_order(&nwi(), &order).await.unwrap();
    let tryton = Tryton::new(&live.server("erp")).unwrap();
    let context = tryton.context().await.unwrap();
    let id: i64 = number.as_str().parse().unwrap();
    tryton
        .press("sale.sale", "quote", id, &context, (9, |_| true))
        .await
        .unwrap();

    let line = &mut order.lines[0];
    line.quantity.value = dec!(30);
    line.ship_date += 1.days();
    let asked = PriceAsk {
        item: line.item.clone(),
        quantity: Some(line.quantity),
    };
    let as_of = Clock::default().now();
    let prices = erp
        .prices(&nwi(), &order.account, &[asked], as_of)
        .await
        .unwrap();
    assert_ne!(prices.found[0].1[0].record.unit_price, dec!(9.10));
    let amendment = AmendErpOrder {
        lines: vec![ErpLineAmendment {
            line: line.line,
            order_line: line.order_line,
            quantity: Some(line.quantity),
            ship_date: Some(line.ship_date),
        }],
    };
    erp.amend_order(&nwi(), &number, &amendment).await.unwrap();
    let read = async || {
        let numbers = std::slice::from_ref(&number);
        let read = erp.orders(&nwi(), numbers).await.unwrap();
        let order = read.found[0].1.clone();
        (order.lines, order.total.amount, order.state)
    };
    let total = dec!(273.00);
    assert_eq!(
        read().await,
        (order.lines.clone(), total, ErpOrderState::Blocked)
    );
    while let Err(busy) = erp.release_order(&nwi(), &number).await {
        assert!(matches!(busy, ConnectorError::Unavailable(_)), "{busy:?}");
    }
    assert_eq!(read().await, (order.lines, total, ErpOrderState::Open));
    erp.cancel_order(&nwi(), &number).await.unwrap();
}

/// Tryton would write a released order as well: that nobody has touched it since it was read is for Tryton to see.
#[tokio::test]
async fn an_order_that_somebody_changes_meanwhile_is_not_amended() {
    let written = Arc::new(Mutex::new(Value::Null));
    let seen = Arc::clone(&written);
    let amount = json!({"__class__": "Decimal", "decimal": "9.10"});
    let line = json!({"id": 7, "type": "line", "sequence": 1, "product.": {"id": 1, "code": "SKU-0001"}, "quantity": 2.0,
        "unit.": {"id": 1, "symbol": "u", "digits": 0}, "unit_price": amount, "amount": amount, "note": "Line 1 ships 2026-11-25",
        "shipping_date": null, "shipment_cost": null});
    let sale = json!({"id": 14, "_timestamp": "1795213530.229163", "reference": "OW-1", "description": "PO", "state": "draft",
        "shipment_state": "none", "invoice_state": "none", "party.": {"id": 6, "code": "ACME"}, "tax_amount": null,
        "currency.": {"id": 1, "code": "USD"}, "warehouse.": {"id": 16, "code": "EAST"}, "shipping_date": null, "lines.": [line],
        "create_date": {"__class__": "datetime", "year": 2026, "month": 11, "day": 21}});
    let erp = answering(move |asked| match asked["method"].as_str() {
        Some("common.db.login") => json!({"result": [4, "key", null]}),
        Some("model.sale.sale.search_read") => json!({"result": [sale]}),
        Some("model.sale.sale.write") => {
            asked["params"].clone_into(&mut seen.lock().unwrap());
            json!({"error": ["ConcurrencyException", "Records were modified in the meanwhile"]})
        }
        _company => json!({"result": [{"id": 3}]}),
    });
    let amendment = AmendErpOrder {
        lines: vec![ErpLineAmendment {
            line: 1,
            order_line: 1,
            quantity: Some(Quantity::new(dec!(5), UnitOfMeasure::EACH)),
            ship_date: None,
        }],
    };
    let number = ErpOrderNumber::new("0000000014").unwrap();
    let amended = erp.await.amend_order(&nwi(), &number, &amendment).await;
    assert!(
        matches!(amended, Err(ConnectorError::Unavailable(_))),
        "{amended:?}"
    );
    let context = json!({"company": 3, "_timestamp": {"sale.sale,14": "1795213530.229163"}});
    assert_eq!(
        *written.lock().unwrap(),
        json!([[14], {"lines": [["write", [7], {"quantity": 5}]]}, context])
    );
}

/// A Tryton that answers everything with one record, which is somebody else's.
async fn lying() -> TrytonErpConnector {
    let record = json!({"id": 9, "_timestamp": "1795213530.229163", "code": "BOREALIS", "name": "Borealis", "active": true, "currency.": {"id": 1, "code": "USD"},
        "sale_price_list": null, "customer_payment_term": null, "customer_tax_rule": null,
        "credit_limit_amount": null, "credit_amount": {"__class__": "Decimal", "decimal": "0"},
        "receivable": {"__class__": "Decimal", "decimal": "0"}, "symbol": "u", "category": 1, "factor": 1.0, "digits": 0,
        "reference": "OW-OTHER", "description": "PO", "state": "draft", "shipment_state": "none", "invoice_state": "none",
        "shipping_date": null, "party.": {"id": 6, "code": "BOREALIS"}, "warehouse.": {"id": 16, "code": "EAST"}, "lines": [],
        "create_date": {"__class__": "datetime", "year": 2026, "month": 11, "day": 21}});
    answering(move |asked| match asked["method"].as_str() {
        Some("common.db.login") => json!({"result": [4, "key", null]}),
        _other => json!({"result": [record]}),
    })
    .await
}

/// A Tryton that answers so.
async fn answering(
    answer: impl Fn(&Value) -> Value + Clone + Send + Sync + 'static,
) -> TrytonErpConnector {
    let answer = async move |body: String| {
        let asked: Value = serde_json::from_str(&body).unwrap();
        let mut told = answer(&asked);
        asked["id"].clone_into(&mut told["id"]);
        told.to_string()
    };
    let router = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    TrytonErpConnector::new(&TrytonErp::at(TrytonServer {
        url,
        database: "erp".to_owned(),
        user: "gateway".to_owned(),
        password: Secret::from("secret".to_owned()),
        company: "NWI".to_owned(),
        http: Default::default(),
    }))
    .unwrap()
}

#[tokio::test]
async fn an_answer_for_another_account_or_order_is_refused_whole() {
    let erp = lying().await;
    let as_of = "2026-11-20T12:00:00Z".parse().unwrap();
    let acme = AccountId::new("ACME").unwrap();
    let number = ErpOrderNumber::new("0000000014").unwrap();
    let ask = PriceAsk {
        item: ItemNumber::new("SKU-0001").unwrap(),
        quantity: None,
    };
    let accounts = std::slice::from_ref(&acme);
    let amendment = AmendErpOrder { lines: Vec::new() };
    let errors = [
        erp.accounts(&nwi(), accounts, as_of).await.unwrap_err(),
        erp.credit(&nwi(), accounts, as_of).await.unwrap_err(),
        erp.prices(&nwi(), &acme, &[ask], as_of).await.unwrap_err(),
        erp.find_orders(&nwi(), &OrderReference::new("OW-MINE").unwrap())
            .await
            .unwrap_err(),
        erp.orders(&nwi(), std::slice::from_ref(&number))
            .await
            .unwrap_err(),
        erp.amend_order(&nwi(), &number, &amendment)
            .await
            .unwrap_err(),
        erp.release_order(&nwi(), &number).await.unwrap_err(),
        erp.cancel_order(&nwi(), &number).await.unwrap_err(),
        erp.invoices(&nwi(), &number).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, ConnectorError::Protocol(_)), "{error:?}");
    }
}

#[test]
fn the_settings_are_flat_and_a_key_that_does_not_exist_is_named() {
    let settings = || {
        json!({"kind": "tryton", "url": "https://erp.example.com", "database": "erp", "user": "gateway",
            "password": "secret", "company": "NWI", "http": {"timeout": "20s"}})
    };
    let read = |settings: Value| serde_json::from_value::<ErpConnectorConfig>(settings);
    let ErpConnectorConfig::Tryton(tryton) = read(settings()).unwrap() else {
        panic!("another kind");
    };
    let faults = |tryton: &TrytonErp| {
        let mut faults = Faults::default();
        tryton.validate(&mut faults);
        faults.iter().count()
    };
    assert_eq!(faults(&tryton), 0);
    assert_eq!(tryton.server.http.timeout, HumanDuration::from_secs(20));
    let mut wrong = tryton;
    wrong.server.database = "erp/../other".to_owned();
    wrong.server.password = Secret::default();
    wrong.ship_to_prefix = String::new();
    assert_eq!(faults(&wrong), 3);
    let mut typo = settings();
    typo["quite_period"] = json!("5s");
    let error = read(typo).unwrap_err().to_string();
    assert!(error.contains("quite_period"), "{error}");
}
