//! The order suite: what holds whichever ERP stands behind. It runs on the sandbox and on Tryton, chosen by configuration
//! alone; faults come from the proxy in front, and what is true is read from the ERP's own books.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use jiff::tz::TimeZone;
use orderway::{
    Backends,
    books::{BookedOrder, Books, Standing},
};
use rust_decimal::{Decimal, dec};
use sandbox::{
    Seed,
    fault::{Fault, FaultPlan, FaultRule},
    seed::PriceKind,
};
use serde_json::Value;
use service_runtime::clock::Clock;
use tests::{PortalUser, PurchaseOrder, Setup, World, needs, texts, until};
use uuid::Uuid;

use crate::support::{CREATE, decimal, expect, order, struck};

/// A world before one ERP, and what differs in speaking of it.
struct Scene {
    world: World,
    books: Books,
    backends: Backends,
    /// No order of an earlier run has it.
    run: String,
}

impl Scene {
    async fn before(backends: Backends) -> anyhow::Result<Self> {
        let mut setup = Setup {
            backends: backends.clone(),
            ..Setup::default()
        };
        if let Backends::Tryton(_) = backends {
            // An answer that is lost here is that of work that is done: nothing comes late.
            let name = "ORDERWAY_SYSTEM__ERP__TRYTON__CONNECTOR__QUIET_PERIOD";
            setup = setup.with(name, "1s");
        }
        let world = World::start_with(setup).await?;
        Ok(Self {
            books: world.estate.books("NWI")?,
            world,
            backends,
            run: Uuid::new_v4().simple().to_string().split_off(24),
        })
    }

    /// A purchase order number of this run.
    fn number(&self, of: &str) -> String {
        format!("{of}-{}", self.run)
    }

    /// What strikes the creation of an order.
    fn on_create(&self, fault: Fault) -> FaultRule {
        match self.backends {
            Backends::Sandbox => FaultRule::new(CREATE, fault),
            Backends::Tryton(_) => FaultRule::new("/", fault).saying("\"model.sale.sale.create\""),
        }
    }

    fn plan(&self, rules: Vec<FaultRule>) -> anyhow::Result<()> {
        Ok(self
            .world
            .estate
            .erp_proxy
            .set_plan(FaultPlan::of_rules(rules))?)
    }

    /// The order of a purchase order number once it is in work: the only one, and no draft is left beside it.
    async fn the_live_one(&self, number: &str) -> anyhow::Result<BookedOrder> {
        until(&format!("{number} alone in the ERP"), async || {
            let mut orders = self.books.orders_of(number).await?;
            orders.retain(|order| order.standing != Standing::Cancelled);
            let live = |order: &BookedOrder| order.standing == Standing::Live;
            anyhow::ensure!(
                orders.iter().filter(|order| live(order)).count() < 2,
                "{number} is several orders: {orders:?}"
            );
            Ok(orders.pop().filter(|last| orders.is_empty() && live(last)))
        })
        .await
    }
}

#[tokio::test]
async fn on_the_sandbox() -> anyhow::Result<()> {
    every_case(Backends::Sandbox).await
}

#[tokio::test]
async fn on_tryton() -> anyhow::Result<()> {
    match needs::tryton() {
        Some(tryton) => every_case(Backends::Tryton(tryton)).await,
        None => Ok(()),
    }
}

/// Both have an account ACME and the same items: only the company tells them apart.
#[tokio::test]
async fn two_companies_on_two_erps_never_meet() -> anyhow::Result<()> {
    let Some(tryton) = needs::tryton() else {
        return Ok(());
    };
    let scene = Scene::before(Backends::Tryton(tryton)).await?;
    let estate = &scene.world.estate;
    let forge = estate.sandbox.issuer.forge();
    let mut claims = forge.claims("acme-buyer")?;
    claims.company = "NWI2".to_owned();
    let http = scene.world.http.clone();
    let second = PortalUser::new(http, &estate.experience_url, forge.sign(&claims)?, "ACME");
    let first = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-8");
    let body = order(&number, &[("SKU-0002", "1", "EA")]);
    let mut placed = Vec::new();
    for buyer in [&first, &second] {
        let taken = buyer.post("/orders", "k-8", &body).await?;
        expect(&taken, 202);
        let id = taken.at("/order_id");
        let seen = buyer.order_until(&id, "released").await?;
        placed.push((id, seen.at("/order_reference")));
    }
    for (company, (_, reference)) in ["NWI", "NWI2"].iter().zip(&placed) {
        let orders = estate.books(company)?.orders_of(&number).await?;
        let live: Vec<_> = orders
            .iter()
            .filter(|order| order.standing == Standing::Live)
            .collect();
        let [live] = live.as_slice() else {
            panic!("{company}: {orders:?}")
        };
        assert!(live.numbers.contains(reference), "{company}: {live:?}");
    }
    // What is the other company's looks as if there were no such thing.
    for (buyer, (other, _)) in [(&first, &placed[1]), (&second, &placed[0])] {
        let seen = buyer.get(&format!("/orders/{other}")).await?;
        expect(&seen, 404);
    }
    scene.world.stop().await
}

/// One after the other: a real ERP takes half an order a second.
async fn every_case(backends: Backends) -> anyhow::Result<()> {
    let scene = Scene::before(backends).await?;
    Box::pin(it_is_booked_as_it_was_shown(&scene)).await?;
    Box::pin(an_850_is_booked_and_answered(&scene)).await?;
    Box::pin(ten_at_once_under_one_key_are_one_order(&scene)).await?;
    Box::pin(a_lost_answer_leaves_one_order(&scene)).await?;
    Box::pin(what_was_taken_in_an_outage_is_booked_after_it(&scene)).await?;
    Box::pin(one_cancelled_in_time_is_never_in_work(&scene)).await?;
    Box::pin(a_restart_loses_nothing(scene)).await
}

/// What ACME's contract says that one of 24 SKU-0002 costs, in the world that both ERPs hold.
fn agreed() -> Decimal {
    let today = Clock::system().today(&TimeZone::UTC);
    let prices = Seed::default_world(today).prices;
    let contract = prices.into_iter().find(|price| {
        let of_acme = price.kind == PriceKind::ContractAccount && price.holder == "ACME";
        of_acme && price.item == "SKU-0002" && price.from_quantity == dec!(24)
    });
    contract.unwrap().price
}

async fn it_is_booked_as_it_was_shown(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-1");
    // By the piece with a break, by the carton, and from one site alone.
    let lines = [
        ("SKU-0002", "24", "EA"),
        ("SKU-0001", "2", "XCT"),
        ("SKU-0025", "5", "EA"),
    ];
    let placed = buyer.order("k-1", &order(&number, &lines)).await?;
    expect(&placed, 202);
    let seen = buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;

    assert_eq!(
        seen.at("/lines/0/price/unit_price/amount"),
        agreed().to_string()
    );
    let booked = scene.the_live_one(&number).await?;
    assert_eq!(booked.account, "ACME");
    let reference = seen.at("/order_reference");
    for kept in [&number, &reference] {
        assert!(booked.numbers.contains(kept), "{kept}: {booked:?}");
    }
    let mut shown: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    for line in texts(&seen.json(), "/lines") {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap();
        let of_carton = if text("/ordered/unit") == "XCT" {
            12
        } else {
            1
        };
        let pieces = decimal(text("/ordered/value")) * Decimal::from(of_carton);
        let total = decimal(text("/price/total/amount"));
        shown.insert(text("/item").to_owned(), (pieces, total));
    }
    let mut in_books: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    for line in booked.lines {
        let sum = in_books.entry(line.item).or_default();
        *sum = (sum.0 + line.pieces, sum.1 + line.amount);
    }
    assert_eq!(in_books, shown);
    Ok(())
}

async fn an_850_is_booked_and_answered(scene: &Scene) -> anyhow::Result<()> {
    let partner = scene.world.edi_partner("acme-edi", "acme-edi-demo");
    let number = scene.number("PO-2");
    let lines = [
        ["24", "EA", "", "VP", "SKU-0002"],
        ["2", "CT", "", "BP", "ACM-9001"],
    ];
    let document = PurchaseOrder::new(&number, 7, &lines).interchange(scene.world.now());
    expect(&partner.send(document).await?, 200);
    let answers = partner.order_acknowledgments(1).await?;
    assert!(answers[0].contains(&number), "{answers:?}");
    let booked = scene.the_live_one(&number).await?;
    let items: Vec<&str> = booked.lines.iter().map(|line| line.item.as_str()).collect();
    assert_eq!(items, ["SKU-0002", "SKU-0001"]);
    Ok(())
}

async fn ten_at_once_under_one_key_are_one_order(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-3");
    let body = order(&number, &[("SKU-0002", "1", "EA")]);
    let answers = try_join_all((0..10).map(|_| buyer.post("/orders", "k-3", &body))).await?;
    for answer in &answers {
        expect(answer, 202);
        assert_eq!(answer.at("/order_id"), answers[0].at("/order_id"));
    }
    buyer
        .order_until(&answers[0].at("/order_id"), "released")
        .await?;
    scene.the_live_one(&number).await?;
    Ok(())
}

/// The ERP has created it, and nobody hears so.
async fn a_lost_answer_leaves_one_order(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-4");
    scene.plan(vec![scene.on_create(Fault::DropAfterCommit).times(1)])?;
    let placed = buyer
        .post(
            "/orders",
            "k-4",
            &order(&number, &[("SKU-0002", "1", "EA")]),
        )
        .await?;
    expect(&placed, 202);
    buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    assert_eq!(struck(&scene.world.estate.erp_proxy), 1);
    scene.plan(Vec::new())?;
    scene.the_live_one(&number).await?;
    Ok(())
}

async fn what_was_taken_in_an_outage_is_booked_after_it(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-5");
    let gone = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    scene.plan(vec![scene.on_create(gone)])?;
    let placed = buyer
        .post(
            "/orders",
            "k-5",
            &order(&number, &[("SKU-0002", "1", "EA")]),
        )
        .await?;
    expect(&placed, 202);
    until("an attempt at the ERP", async || {
        Ok((struck(&scene.world.estate.erp_proxy) >= 1).then_some(()))
    })
    .await?;
    let meanwhile = scene.books.orders_of(&number).await?;
    assert!(meanwhile.is_empty(), "{meanwhile:?}");
    scene.plan(Vec::new())?;
    buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    scene.the_live_one(&number).await?;
    Ok(())
}

async fn one_cancelled_in_time_is_never_in_work(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-6");
    // Its creation is done and its answer lost, again and again, until it is cancelled.
    scene.plan(vec![
        scene.on_create(Fault::DropAfterCommit).times(1),
        scene.on_create(Fault::Status {
            status: 503,
            retry_after_s: None,
        }),
    ])?;
    let placed = buyer
        .post(
            "/orders",
            "k-6",
            &order(&number, &[("SKU-0002", "1", "EA")]),
        )
        .await?;
    expect(&placed, 202);
    until("an attempt at the ERP", async || {
        Ok((struck(&scene.world.estate.erp_proxy) >= 1).then_some(()))
    })
    .await?;
    let cancelled = buyer.cancel(&placed.at("/order_id"), "k-6-cancel").await?;
    scene.plan(Vec::new())?;
    // Whether it came in time is the ERP's to say; whatever it says, both tell the same.
    if cancelled.status.is_success() {
        until("an end that both tell alike", async || {
            let seen = buyer
                .get(&format!("/orders/{}", placed.at("/order_id")))
                .await?;
            let orders = scene.books.orders_of(&number).await?;
            let live = orders.iter().any(|order| order.standing == Standing::Live);
            let drafts = orders.iter().any(|order| order.standing == Standing::Draft);
            anyhow::ensure!(
                !(live && seen.at("/status") == "cancelled"),
                "cancelled here, in work there: {orders:?}"
            );
            let ended = match seen.at("/status").as_str() {
                "cancelled" => !live && !drafts,
                "released" => live && !drafts,
                _ => false,
            };
            Ok(ended.then_some(()))
        })
        .await?;
    } else {
        scene.the_live_one(&number).await?;
    }
    Ok(())
}

async fn a_restart_loses_nothing(mut scene: Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let number = scene.number("PO-7");
    let gone = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    scene.plan(vec![scene.on_create(gone)])?;
    let placed = buyer
        .post(
            "/orders",
            "k-7",
            &order(&number, &[("SKU-0002", "1", "EA")]),
        )
        .await?;
    expect(&placed, 202);
    scene.world = scene.world.restart_layers().await?;
    scene.plan(Vec::new())?;
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    scene.the_live_one(&number).await?;
    scene.world.stop().await
}
