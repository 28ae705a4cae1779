//! The pure paths, each on one input of the size that buyers send.

use std::{collections::BTreeMap, fmt::Write as _, hint::black_box, sync::Arc};

use anyhow::Context as _;
use canonical_model::{
    Currency, Quantity, UnitOfMeasure, account::Account, order::SalesOrder, price::PriceSchedule,
    product::Product, stock::StockFact,
};
use edi::x12::{self, ReadOptions, purchase_order};
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use process_apis::{
    orders::{
        command::Command, decide::decide, event::Recorded, evolve::fold, projection::sales_order,
        state::OrderState,
    },
    policy::PromisePolicy,
    pricing::resolve::{Asked, resolve},
    promise::atp::{FreeStock, snapshot},
    store::{Steps, StockPosition},
};
use rust_decimal::{Decimal, dec};
use sandbox::{Sandbox, SandboxConfig, Seed};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CallContext, ContextKeys, ContextSigner, ContextVerifier, Hop, LayerIdentity,
    },
    http_client::{BackendClientConfig, backend_client},
    jwt::{Algorithm, HttpJwksFetcher, IssuerConfig, IssuerKeys, TokenVerifier},
};
use tokio::runtime::Builder;

use super::Figure;

const NOON: &str = "2026-11-20T12:00:00Z";
/// Lines of the large order by EDI.
const LINES: usize = 1_000;

/// Each path by its name.
pub(crate) fn measured() -> anyhow::Result<BTreeMap<String, Figure>> {
    let paths = [
        ("price", price()?),
        ("available_to_promise", available_to_promise()?),
        ("decide", decision()?),
        ("edi_read", edi_read()?),
        ("context_check", context_check()?),
        ("token_check", token_check(false)?),
        ("token_check_again", token_check(true)?),
        ("canonical_json", canonical_json()?),
    ];
    Ok(paths.map(|(name, figure)| (name.to_owned(), figure)).into())
}

/// One line against twelve records of every level.
fn price() -> anyhow::Result<Figure> {
    let product: Product = serde_json::from_value(json!({
        "company": "NWI", "item": "SKU-1", "description": "Bearing", "base_unit": "EA", "sales_unit": "EA",
        "conversions": [{"unit": "CT", "numerator": 12, "denominator": 1}], "orderable": true, "as_of": NOON,
    }))?;
    let account: Account = serde_json::from_value(json!({
        "company": "NWI", "account": "ACME", "name": "Acme", "status": "active", "ancestors": [], "currency": "USD",
        "ship_tos": [], "as_of": NOON,
    }))?;
    let records: Vec<Value> = (1..=12)
        .map(|number| {
            let level = if number % 2 == 0 { "list" } else { "contract_sold_to" };
            json!({
                "record": format!("R{number}"), "level": level, "priority": 1, "unit_price": format!("{number}.25"),
                "currency": "USD", "unit": if number % 3 == 0 { "CT" } else { "EA" },
                "break_quantity": (number * 5).to_string(), "promotions": "excluded",
            })
        })
        .collect();
    let schedule: PriceSchedule = serde_json::from_value(json!({
        "company": "NWI", "account": "ACME", "item": "SKU-1", "records": records, "as_of": NOON,
    }))?;
    let asked = Asked {
        account: &account,
        product: &product,
        quantity: Quantity::new(dec!(36), UnitOfMeasure::EACH),
        currency: Currency::USD,
        on: NOON.parse::<Timestamp>()?.to_zoned(TimeZone::UTC).date(),
        promotions: &[],
    };
    anyhow::ensure!(resolve(Some(1), &asked, None, Some(&schedule)).0.is_some());
    Ok(Figure::of(|| {
        resolve(Some(1), &asked, None, Some(&schedule))
    }))
}

/// What a source says of an item at a site becomes what is free there on each day.
fn available_to_promise() -> anyhow::Result<Figure> {
    let day = |number: u32| format!("2026-12-{number:02}");
    let receipts: Vec<Value> = (1..=10)
        .map(|number| json!({"date": day(number), "quantity": "12.5", "confirmed": true}))
        .collect();
    let demand: Vec<Value> = (12..=21)
        .map(|number| json!({"date": day(number), "quantity": "7.5"}))
        .collect();
    let fact: StockFact = serde_json::from_value(json!({
        "company": "NWI", "item": "SKU-1", "site": "EAST", "on_hand": "100", "allocated": "10",
        "quarantined": "0", "safety_stock": "5", "receipts": receipts, "demand": demand, "as_of": NOON,
    }))?;
    let policy = PromisePolicy::default();
    let free = || {
        let (row, _) = snapshot(&fact, &TimeZone::UTC, &policy, SignedDuration::ZERO);
        let position = StockPosition {
            key: row.key,
            as_of: row.as_of,
            first_day: row.first_day,
            claimed: Steps::level(Decimal::ONE, row.available.days()),
            available: row.available,
            own: Steps::default(),
        };
        FreeStock::of(&position)
    };
    Ok(Figure::of(free))
}

/// The log of an order that is held.
fn held() -> anyhow::Result<Vec<Recorded>> {
    let log: Value = serde_json::from_str(include_str!(
        "../../../process-apis/src/orders/golden/0.1-cancel-refused.json"
    ))?;
    let events = log.get("events").and_then(Value::as_array);
    let read = events.into_iter().flatten().map(|event| {
        let of = |name: &str| event.get(name).cloned().unwrap_or_default();
        let version = of("type_version").as_u64().unwrap_or_default();
        let name = of("type");
        let name = name.as_str().unwrap_or_default();
        Ok(Recorded::read(name, u16::try_from(version)?, &of("data"))?)
    });
    read.collect()
}

fn order() -> anyhow::Result<OrderState> {
    fold(&held()?).ok_or_else(|| anyhow::anyhow!("the log is empty"))
}

/// An order is folded from its log, and asked to be cancelled.
fn decision() -> anyhow::Result<Figure> {
    let log = held()?;
    let now: Timestamp = NOON.parse()?;
    let command = Command::Cancel {
        principal: "kim".to_owned(),
        note: "No longer needed.".to_owned(),
        by_seller: true,
    };
    Ok(Figure::of(|| {
        let state = fold(&log)?;
        Some(decide(&state, &command, now))
    }))
}

/// An 850 of a thousand lines, to the order that it is.
fn edi_read() -> anyhow::Result<Figure> {
    let mut file = String::from(
        "ISA*00*          *00*          *ZZ*BUYER          *ZZ*SELLER         *260302*0915*U*00401*000000042*0*P*>~\
         GS*PO*BUYER*SELLER*20260302*0915*7*X*004010~ST*850*0001~BEG*00*NE*PO-1**20260302~",
    );
    for line in 1..=LINES {
        write!(
            file,
            "PO1*{line}*5*EA*2.5**VP*SKU-{line:04}~PID*F****BEARING {line}~"
        )?;
    }
    write!(
        file,
        "CTT*{LINES}~SE*{}*0001~GE*1*7~IEA*1*000000042~",
        2 * LINES + 4
    )?;
    let options = ReadOptions::default();
    let lines = || {
        let read = x12::read(file.as_bytes(), &options);
        let interchanges = read.interchanges.iter();
        let groups = interchanges.flat_map(|interchange| &interchange.groups);
        let sets = groups.flat_map(|group| group.sets.iter().map(|set| (set, &group.version)));
        sets.filter_map(|(set, version)| {
            purchase_order::read(set, version, options.limits.faults).order
        })
        .map(|order| order.lines.len())
        .sum::<usize>()
    };
    anyhow::ensure!(lines() == LINES, "read {} lines", lines());
    Ok(Figure::of(lines))
}

/// The signed context of a hop.
fn context_check() -> anyhow::Result<Figure> {
    let clock = Clock::system();
    let keys = || {
        ContextKeys::new(
            &Secret::from("a key of thirty-two bytes and more".to_owned()),
            None,
        )
    };
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let context = CallContext {
        principal: "acme-buyer".to_owned(),
        accounts: AccountScope::List(vec!["ACME".to_owned(), "ACME-WEST".to_owned()]),
        company: Some("NWI".to_owned()),
        channel: "portal".to_owned(),
        scopes: ["catalog:read", "prices:read", "orders:read", "orders:write"]
            .map(str::to_owned)
            .to_vec(),
        correlation_id: "c-1".to_owned(),
        deadline: clock.now().saturating_add(SignedDuration::from_secs(30))?,
        remaining_ms: 30_000,
        layer: LayerIdentity::ExperienceApis,
    };
    let token = ContextSigner::new(hop, keys()?, clock.clone()).sign(&context)?;
    let callers = vec![(LayerIdentity::ExperienceApis, keys()?)];
    let verifier = ContextVerifier::new(LayerIdentity::ProcessApis, callers, clock);
    anyhow::ensure!(verifier.verify(&token).is_ok());
    Ok(Figure::of(|| verifier.verify(&token)))
}

/// A bearer token: one that was never seen, or one that was.
fn token_check(again: bool) -> anyhow::Result<Figure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let clock = sandbox::Clock::system();
    let config = SandboxConfig::new(Seed::default_world(clock.today()));
    let sandbox = runtime.block_on(Sandbox::start(config))?;
    let forge = sandbox.issuer.forge();
    let issuer = IssuerConfig {
        issuer: sandbox.issuer_url(),
        audience: "orderway".to_owned(),
        algorithm: Algorithm::Es256,
        keys: IssuerKeys::Jwks(serde_json::to_string(&forge.jwks()?)?),
    };
    let http = backend_client(&BackendClientConfig::default())?;
    let verifier = || {
        let fetcher = HttpJwksFetcher::new(http.clone());
        TokenVerifier::new(vec![issuer.clone()], Arc::new(fetcher), Clock::system())
    };
    let token = forge.token("acme-buyer")?;
    let known = verifier()?;
    anyhow::ensure!(runtime.block_on(known.verify(&token)).is_ok());
    // What remembers tokens tidies up now and then: the least of several runs is without that.
    let figures = (0..8).map(|_| {
        let new = if again { None } else { verifier().ok() };
        let verifier = new.as_ref().unwrap_or(&known);
        let taken = allocation_counter::measure(|| {
            black_box(verifier.verify(&token).now_or_never());
        });
        Figure::taken(&taken)
    });
    let least = figures.min_by_key(|figure| figure.allocations);
    least.context("it is measured several times")
}

/// An order to the bytes between layers, and back.
fn canonical_json() -> anyhow::Result<Figure> {
    let order = sales_order(&order()?);
    Ok(Figure::of(|| -> serde_json::Result<SalesOrder> {
        serde_json::from_slice(&serde_json::to_vec(&order)?)
    }))
}
