//! The order suite: what holds whichever ERP, warehouse and CRM stand behind. It runs on the sandbox and on Tryton, chosen
//! by configuration alone; faults come from the proxy in front, and what is true is read from the ERP's own books and done on
//! the warehouse's own floor.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use jiff::tz::TimeZone;
use orderway::{
    Backends, Floor,
    books::{BookedOrder, Books, Standing},
    floor::{Goods, Release},
};
use reqwest::Method;
use rust_decimal::{Decimal, dec};
use sandbox::{
    Seed,
    fault::{Fault, FaultPlan, FaultRule},
    seed::PriceKind,
};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    context::{CONTEXT_HEADER, Hop, LayerIdentity},
};
use tests::{Answer, PortalUser, PurchaseOrder, Setup, World, needs, texts, until};
use uuid::Uuid;

use crate::{
    findings::{PROCESS_TO_SYSTEM, answer_of, signed},
    support::{CREATE, decimal, expect, order, struck},
};

const FROM_ABOVE: Hop = Hop {
    from: LayerIdentity::ProcessApis,
    to: LayerIdentity::SystemApis,
};

/// A world before one ERP, warehouse and CRM, and what differs in speaking of them.
struct Scene {
    world: World,
    books: Books,
    floor: Floor,
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
            floor: world.estate.floor("NWI")?,
            world,
            backends,
            run: Uuid::new_v4().simple().to_string().split_off(24),
        })
    }

    /// A purchase order number of this run.
    fn number(&self, of: &str) -> String {
        format!("{of}-{}", self.run)
    }

    /// One SKU-0002 is ordered under this purchase order number, and the order is taken: its id.
    async fn takes_one(&self, buyer: &PortalUser, number: &str) -> anyhow::Result<String> {
        let body = order(number, &[("SKU-0002", "1", "EA")]);
        let placed = buyer.post("/orders", number, &body).await?;
        expect(&placed, 202);
        Ok(placed.at("/order_id"))
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
    let mut placed = Vec::new();
    for buyer in [&first, &second] {
        let id = scene.takes_one(buyer, &number).await?;
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
    // Each has a warehouse of its own too: what leaves the one is news of its own company's order alone.
    for (company, (_, reference)) in ["NWI2", "NWI"].iter().zip(&placed) {
        let others = estate.floor(company)?.releases_of(reference).await?;
        assert!(others.is_empty(), "{company}: {others:?}");
    }
    let floor = estate.floor("NWI2")?;
    let release = the_release(&floor, &placed[1].1).await?;
    floor.pick(&release, &release.goods).await?;
    floor.pack(&release).await?;
    floor.ship(&release).await?;
    second.order_until(&placed[1].0, "shipped").await?;
    let seen = first.get(&format!("/orders/{}", placed[0].0)).await?;
    assert_eq!(seen.at("/status"), "released");
    scene.world.stop().await
}

/// What the warehouse was asked to send for an order, all of it from one site.
async fn the_release(floor: &Floor, reference: &str) -> anyhow::Result<Release> {
    let mut releases = floor.releases_of(reference).await?;
    let release = releases.pop().filter(|_| releases.is_empty());
    release.ok_or_else(|| anyhow::anyhow!("{reference} is not one release: {releases:?}"))
}

/// One after the other: a real ERP takes half an order a second.
async fn every_case(backends: Backends) -> anyhow::Result<()> {
    let scene = Scene::before(backends).await?;
    Box::pin(it_is_booked_as_it_was_shown(&scene)).await?;
    Box::pin(an_850_is_booked_and_answered(&scene)).await?;
    Box::pin(what_the_warehouse_ships_is_what_the_buyer_reads(&scene)).await?;
    Box::pin(what_is_picked_short_stays_with_the_order(&scene)).await?;
    Box::pin(accounts_stand_as_the_crm_says(&scene)).await?;
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

/// An order of these lines that the warehouse has, and what it was asked to send for it.
async fn released(
    scene: &Scene,
    buyer: &PortalUser,
    number: &str,
    lines: &[(&str, &str, &str)],
) -> anyhow::Result<(String, Release)> {
    let placed = buyer.post("/orders", number, &order(number, lines)).await?;
    expect(&placed, 202);
    let id = placed.at("/order_id");
    let seen = buyer.order_until(&id, "released").await?;
    let release = the_release(&scene.floor, &seen.at("/order_reference")).await?;
    Ok((id, release))
}

/// The order, once so much of each of its lines stands so.
async fn until_lines(
    buyer: &PortalUser,
    id: &str,
    (part, wanted): (&str, &[&str]),
) -> anyhow::Result<Answer> {
    until(&format!("{part}: {wanted:?}"), async || {
        let seen = buyer.get(&format!("/orders/{id}")).await?;
        let so_much = |line: usize| seen.at(&format!("/lines/{line}/quantities/{part}"));
        let is = (0..wanted.len()).map(so_much).eq(wanted.iter().copied());
        Ok(is.then_some(seen))
    })
    .await
}

async fn what_the_warehouse_ships_is_what_the_buyer_reads(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let lines = [("SKU-0002", "2", "EA"), ("SKU-0001", "1", "XCT")];
    let (id, release) = released(scene, &buyer, &scene.number("PO-9"), &lines).await?;
    // The carton is twelve pieces on the shelves.
    let asked = [("SKU-0001", dec!(12)), ("SKU-0002", dec!(2))];
    assert_eq!(
        release.goods,
        Goods::from(asked.map(|(item, much)| (item.to_owned(), much)))
    );

    scene.floor.pick(&release, &release.goods).await?;
    let seen = until_lines(&buyer, &id, ("picked", &["2", "1"])).await?;
    assert_eq!(seen.at("/status"), "released");
    scene.floor.pack(&release).await?;
    until_lines(&buyer, &id, ("packed", &["2", "1"])).await?;
    scene.floor.ship(&release).await?;
    let seen = buyer.order_until(&id, "shipped").await?;

    let shipments = texts(&seen.json(), "/shipments");
    let [shipment] = shipments.as_slice() else {
        panic!("{}", seen.text)
    };
    assert_eq!(shipment["status"], "shipped");
    assert_eq!(shipment["site"], release.site);
    for line in [0, 1] {
        let (left, ordered) = (
            seen.at(&format!("/lines/{line}/quantities/shipped")),
            lines[line].1,
        );
        assert_eq!(left, ordered, "{}", seen.text);
    }
    // Tryton knows neither without modules that are not in use.
    let told = matches!(scene.backends, Backends::Sandbox);
    for key in ["tracking_numbers", "ssccs"] {
        let numbers = texts(shipment, &format!("/{key}"));
        assert_eq!(!numbers.is_empty(), told, "{key}: {shipment}");
    }
    Ok(())
}

async fn what_is_picked_short_stays_with_the_order(scene: &Scene) -> anyhow::Result<()> {
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    let lines = [("SKU-0002", "3", "EA"), ("SKU-0001", "2", "EA")];
    let (id, release) = released(scene, &buyer, &scene.number("PO-10"), &lines).await?;
    let mut taken = release.goods.clone();
    taken.insert("SKU-0002".to_owned(), dec!(1));
    scene.floor.pick(&release, &taken).await?;
    scene.floor.pack(&release).await?;
    scene.floor.ship(&release).await?;
    let seen = buyer.order_until(&id, "partially_shipped").await?;
    let of_lines = ["shipped", "released"]
        .map(|part| [0, 1].map(|line| seen.at(&format!("/lines/{line}/quantities/{part}"))));
    assert_eq!(of_lines, [["1", "2"], ["2", "0"]], "{}", seen.text);
    Ok(())
}

/// No order asks the CRM; it answers whoever is let in below.
async fn accounts_stand_as_the_crm_says(scene: &Scene) -> anyhow::Result<()> {
    let system = &scene.world.estate.system_url;
    let call = |method, path: &str| {
        let url = format!("{system}/v1/companies/NWI/crm{path}");
        let request = scene.world.http.request(method, url);
        request.header(CONTEXT_HEADER, signed(FROM_ABOVE, PROCESS_TO_SYSTEM))
    };
    let can = answer_of(call(Method::GET, "/capabilities")).await;
    expect(&can, 200);
    // Which of the two it is: people alone complete what Tryton keeps.
    let is_sandbox = matches!(scene.backends, Backends::Sandbox);
    assert_eq!(can.json()["completes_tasks"], is_sandbox, "{}", can.text);
    let asked = json!({"accounts": ["ACME", "NOBODY"]});
    let told = answer_of(call(Method::POST, "/accounts/query").json(&asked)).await;
    expect(&told, 200);
    let standings = texts(&told.json(), "/standings");
    assert_eq!(standings.len(), 1, "{}", told.text);
    assert_eq!(told.at("/standings/0/account"), "ACME");
    assert_eq!(told.at("/standings/0/status"), "active");
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
    let id = scene.takes_one(&buyer, &number).await?;
    buyer.order_until(&id, "released").await?;
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
    let id = scene.takes_one(&buyer, &number).await?;
    until("an attempt at the ERP", async || {
        Ok((struck(&scene.world.estate.erp_proxy) >= 1).then_some(()))
    })
    .await?;
    let meanwhile = scene.books.orders_of(&number).await?;
    assert!(meanwhile.is_empty(), "{meanwhile:?}");
    scene.plan(Vec::new())?;
    buyer.order_until(&id, "released").await?;
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
    let id = scene.takes_one(&buyer, &number).await?;
    until("an attempt at the ERP", async || {
        Ok((struck(&scene.world.estate.erp_proxy) >= 1).then_some(()))
    })
    .await?;
    let cancelled = buyer.cancel(&id, "k-6-cancel").await?;
    scene.plan(Vec::new())?;
    // Whether it came in time is the ERP's to say; whatever it says, both tell the same.
    if cancelled.status.is_success() {
        until("an end that both tell alike", async || {
            let seen = buyer.get(&format!("/orders/{id}")).await?;
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
    let id = scene.takes_one(&buyer, &number).await?;
    scene.world = scene.world.restart_layers().await?;
    scene.plan(Vec::new())?;
    let buyer = scene.world.portal_user("acme-buyer", "ACME")?;
    buyer.order_until(&id, "released").await?;
    scene.the_live_one(&number).await?;
    scene.world.stop().await
}
