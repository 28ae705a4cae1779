//! Ghosts: a create that the ERP carries out long after its answer was given up. Judged by the ERP's own records; when the
//! ghost appears, the test says.

use sandbox::{
    CreateClass, SandboxConfig,
    erp::{OrderStatus, SalesOrder},
    fault::{Fault, FaultPlan, FaultRule, Latency},
};
use serde_json::{Value, json};
use tests::{PortalUser, Setup, World, until};

use crate::support::{CREATE, expect, live, order, struck, the_live_one};

const CANCEL: &str = "/erp/call/SALESORDER_CANCEL";
/// Longer than any test: until [`sandbox::fault::FaultProxy::deliver_now`].
const UNTIL_TOLD: u64 = 600_000;

/// Looks that come soon and go on for as long as a test waits.
fn watchful(class: CreateClass) -> Setup {
    Setup::default().with_create_class(class).with(
        "ORDERWAY_PROCESS__EFFECTS__GHOST_SWEEP",
        r#"["500ms", "1s", "2s", "3s", "4s", "6s", "8s", "10s", "13s", "16s", "20s", "25s", "30s", "40s", "50s", "70s"]"#,
    )
}

/// Creates that nobody hears of any more, and that the ERP gets when the test says so.
fn lost_creates(times: Option<u64>) -> FaultPlan {
    let fault = Fault::DeliverLate {
        after: Latency::Fixed { ms: UNTIL_TOLD },
        hold_ms: 0,
    };
    FaultPlan::of_rules(vec![FaultRule {
        times,
        ..FaultRule::new(CREATE, fault)
    }])
}

/// All that the ERP has of PO-1, cancelled and blocked ones too.
fn known(world: &World) -> Vec<SalesOrder> {
    let mut orders = world.estate.sandbox.erp.orders();
    orders.retain(|order| order.purchase_order_number == "PO-1");
    orders
}

async fn place(world: &World) -> anyhow::Result<(PortalUser, String)> {
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let body = order("PO-1", &[("SKU-0002", "24", "EA")]);
    let placed = buyer.post("/orders", "k", &body).await?;
    expect(&placed, 202);
    Ok((buyer, placed.at("/order_id")))
}

/// An order that the ERP has by its second create, while the first is still on its way.
struct Accepted {
    world: World,
    buyer: PortalUser,
    id: String,
    right: String,
}

impl Accepted {
    async fn start(class: CreateClass) -> anyhow::Result<Self> {
        let world = World::start_with(watchful(class)).await?;
        world.estate.erp_proxy.set_plan(lost_creates(Some(1)))?;
        let (buyer, id) = place(&world).await?;
        buyer.order_until(&id, "released").await?;
        assert_eq!(struck(&world.estate.erp_proxy), 1, "{class:?}");
        let right = the_live_one(&world, "PO-1").await?.number;
        Ok(Self {
            world,
            buyer,
            id,
            right,
        })
    }

    /// The order of the first create, once the ERP has it.
    async fn ghost(&self) -> anyhow::Result<SalesOrder> {
        self.world.estate.erp_proxy.deliver_now();
        until("the ghost", async || {
            let mut known = known(&self.world).into_iter();
            Ok(known.find(|order| order.number != self.right))
        })
        .await
    }

    /// One order stands, the one that was accepted, and its buyer sees nothing else.
    async fn the_right_one_stands(&self) -> anyhow::Result<()> {
        let live = live(&self.world, "PO-1");
        let numbers: Vec<&str> = live.iter().map(|order| order.number.as_str()).collect();
        assert_eq!(numbers, [self.right.as_str()]);
        assert_eq!(self.world.estate.sandbox.wms.pick_requests().len(), 1);
        let seen = self.buyer.get(&format!("/orders/{}", self.id)).await?;
        assert_eq!(
            (
                seen.at("/status"),
                seen.at("/sales_order_number"),
                seen.json()["holds"].clone()
            ),
            ("released".to_owned(), self.right.clone(), json!([])),
            "{}",
            seen.text
        );
        Ok(())
    }

    /// The hold that tells a person of another order, once there is one of this number.
    async fn told(&self, number: u64) -> anyhow::Result<Value> {
        let operator = self.world.operator()?;
        until(
            &format!("hold {number} that tells of another"),
            async || {
                let held = operator.holds("erp_duplicate").await?;
                let held = held.into_iter().find(|held| held["order_id"] == *self.id);
                Ok(held.filter(|held| held["holds"][0]["hold"] == number))
            },
        )
        .await
    }
}

/// The ERP is searched once more than it was.
async fn looked_at_again(world: &World) -> anyhow::Result<()> {
    let looks = || world.estate.sandbox.erp.calls_of("SALESORDER_GETLIST");
    let so_far = looks();
    let another = async || Ok((looks() > so_far).then_some(()));
    until("another look", another).await
}

async fn cancelled_in_erp(world: &World, number: &str) -> anyhow::Result<()> {
    until(&format!("the end of {number} in the ERP"), async || {
        let order = world.estate.sandbox.erp.order(number);
        Ok(order.filter(|order| order.status == OrderStatus::Cancelled))
    })
    .await
    .map(drop)
}

/// What somebody does at the ERP, past all of us.
async fn at_the_erp(
    world: &World,
    base: &str,
    function: &str,
    body: Value,
) -> anyhow::Result<Value> {
    let mut body = body;
    body["BUKRS"] = json!("NWI");
    let request = world.http.post(format!("{base}/erp/call/{function}"));
    let request = request
        .header("X-Api-Key", SandboxConfig::ERP_KEY)
        .json(&body);
    Ok(serde_json::from_str(&request.send().await?.text().await?)?)
}

async fn cancel_at_the_erp(world: &World, number: &str) -> anyhow::Result<()> {
    let base = world.estate.sandbox.erp_url();
    at_the_erp(world, &base, "SALESORDER_CANCEL", json!({"VBELN": number})).await?;
    cancelled_in_erp(world, number).await
}

#[tokio::test]
async fn a_ghost_beside_an_accepted_order_is_cancelled_and_the_right_one_stands()
-> anyhow::Result<()> {
    for class in [CreateClass::Staged, CreateClass::Searchable] {
        let order = Accepted::start(class).await?;
        let ghost = order.ghost().await?;
        assert_eq!(ghost.blocked, class == CreateClass::Staged);
        cancelled_in_erp(&order.world, &ghost.number).await?;
        looked_at_again(&order.world).await?;
        order.the_right_one_stands().await?;
        let told = order.world.operator()?.holds("erp_duplicate").await?;
        assert!(told.is_empty(), "nobody is asked: {told:?}");
        order.world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_unique_erp_makes_no_ghost_of_a_create_that_comes_late() -> anyhow::Result<()> {
    let order = Accepted::start(CreateClass::Unique).await?;
    let erp = &order.world.estate.sandbox.erp;
    order.world.estate.erp_proxy.deliver_now();
    until("the create that comes late", async || {
        Ok((erp.calls_of("SALESORDER_CREATE") == 2).then_some(()))
    })
    .await?;
    looked_at_again(&order.world).await?;
    order.the_right_one_stands().await?;
    assert_eq!(known(&order.world).len(), 1);
    order.world.stop().await
}

#[tokio::test]
async fn a_ghost_of_a_cancelled_order_is_cancelled_too() -> anyhow::Result<()> {
    for class in [
        CreateClass::Staged,
        CreateClass::Unique,
        CreateClass::Searchable,
    ] {
        // Time to cancel it before it is created again.
        let quiet = "ORDERWAY_SYSTEM__ERP__MAIN__CONNECTOR__QUIET_PERIOD";
        let world = World::start_with(watchful(class).with(quiet, "3s")).await?;
        world.estate.erp_proxy.set_plan(lost_creates(None))?;
        let (buyer, id) = place(&world).await?;
        until("the doubt", async || {
            let seen = buyer.get(&format!("/orders/{id}")).await?;
            Ok((!seen.at("/unconfirmed_since").is_empty()).then_some(()))
        })
        .await?;
        expect(&buyer.cancel(&id, "c").await?, 200);
        buyer.order_until(&id, "cancelled").await?;
        let lost = struck(&world.estate.erp_proxy);
        assert!(known(&world).is_empty(), "{class:?}");

        // It has been looked for, and was not there.
        looked_at_again(&world).await?;
        world.estate.erp_proxy.deliver_now();
        until("the creates that come late, and their end", async || {
            let known = known(&world);
            let came = world.estate.sandbox.erp.calls_of("SALESORDER_CREATE") == lost;
            let ended = known
                .iter()
                .all(|order| order.status == OrderStatus::Cancelled);
            Ok((came && ended && !known.is_empty()).then_some(()))
        })
        .await?;
        assert!(world.estate.sandbox.wms.pick_requests().is_empty());
        let seen = buyer.get(&format!("/orders/{id}")).await?;
        assert_eq!(seen.at("/status"), "cancelled", "{}", seen.text);
        assert!(world.operator()?.holds("erp_duplicate").await?.is_empty());
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_ghost_of_a_blind_erp_is_left_to_the_person_who_was_told_of_the_doubt()
-> anyhow::Result<()> {
    let world = World::start_with(watchful(CreateClass::Blind)).await?;
    world.estate.erp_proxy.set_plan(lost_creates(Some(1)))?;
    let (buyer, id) = place(&world).await?;
    buyer.order_until(&id, "held").await?;
    let operator = world.operator()?;
    let held = operator.holds("erp_unknown").await?;
    let detail = held[0]["holds"][0]["detail"].as_str().unwrap().to_owned();
    let reference = held[0]["order_reference"].as_str().unwrap();
    for needed in [reference, "ACME", "PO-1", "Cancel there what you find"] {
        assert!(detail.contains(needed), "{needed} is not in: {detail}");
    }

    world.estate.erp_proxy.deliver_now();
    let ghost = the_live_one(&world, "PO-1").await?;
    assert_eq!(ghost.reference, reference);
    cancel_at_the_erp(&world, &ghost.number).await?;
    expect(&operator.retry(&id).await?, 200);
    let seen = buyer.order_until(&id, "released").await?;
    let right = the_live_one(&world, "PO-1").await?;
    assert_eq!(seen.at("/sales_order_number"), right.number);
    assert_ne!(right.number, ghost.number);
    let searches = world.estate.sandbox.erp.calls_of("SALESORDER_GETLIST");
    assert_eq!(searches, 0, "it cannot be searched");
    world.stop().await
}

#[tokio::test]
async fn a_ghost_that_the_erp_keeps_is_told_with_all_that_is_needed() -> anyhow::Result<()> {
    let order = Accepted::start(CreateClass::Searchable).await?;
    let (world, operator) = (&order.world, order.world.operator()?);
    // While it is about to be cancelled, somebody ships it.
    let held_up = Fault::Reorder {
        behind: 1,
        hold_ms: UNTIL_TOLD,
    };
    let held_up = FaultRule::new(CANCEL, held_up).times(1);
    world
        .estate
        .erp_proxy
        .set_plan(FaultPlan::of_rules(vec![held_up]))?;
    let ghost = order.ghost().await?;
    until("its cancellation", async || {
        Ok((struck(&world.estate.erp_proxy) == 1).then_some(()))
    })
    .await?;
    world.estate.sandbox.erp.ship_and_invoice(&ghost.number)?;
    // Another passes, and it goes on.
    let proxy = world.estate.erp_proxy.url();
    at_the_erp(world, &proxy, "SALESORDER_CANCEL", json!({"VBELN": "0"})).await?;

    let told = order.told(1).await?;
    let hold = &told["holds"][0];
    let detail = hold["detail"].as_str().unwrap();
    let reference = told["order_reference"].as_str().unwrap();
    let amount = ghost.net_value.normalize().to_string();
    for needed in [
        reference,
        "account ACME",
        "purchase order PO-1",
        &order.right,
        &ghost.number,
        &amount,
        "is delivered already",
        "retry the order",
        "release the hold",
    ] {
        assert!(detail.contains(needed), "{needed} is not in: {detail}");
    }
    assert_eq!(hold["released_by"], "holds:release");
    let seen = order.buyer.order_until(&order.id, "held").await?;
    assert_eq!(seen.at("/holds/0/reason"), "order_entry_review");
    assert!(!seen.text.contains(&ghost.number), "{}", seen.text);

    // Tried again, it is looked for again, and still there.
    expect(&operator.retry(&order.id).await?, 200);
    order.told(2).await?;
    // All of it is right, says a person: it goes on as it was.
    expect(&operator.release(&order.id, 2).await?, 200);
    order.buyer.order_until(&order.id, "released").await?;
    assert!(operator.holds("erp_duplicate").await?.is_empty());
    let right = world.estate.sandbox.erp.order(&order.right);
    assert_eq!(right.map(|right| right.status), Some(OrderStatus::Open));
    let left = world.estate.sandbox.erp.order(&ghost.number);
    assert_eq!(left.map(|left| left.status), Some(OrderStatus::Shipped));
    order.world.stop().await
}

#[tokio::test]
async fn an_order_of_another_account_under_our_reference_is_a_person_s_to_cancel()
-> anyhow::Result<()> {
    let order = Accepted::start(CreateClass::Staged).await?;
    let (world, operator) = (&order.world, order.world.operator()?);
    let right = world.estate.sandbox.erp.order(&order.right).unwrap();
    // Somebody copies it there for another customer.
    let line = &right.lines[0];
    let day = line.confirmed_date.unwrap().strftime("%Y%m%d").to_string();
    let copy = json!({"KUNNR": "BOREALIS", "KUNWE": "BOREALIS-01", "BSTKD": "PO-OTHER", "XREF": right.reference,
        "ITEMS": [{"POSNR": line.position, "POSEX": line.external_line, "MATNR": line.item, "KWMENG": "1.000",
            "VRKME": line.unit, "NETPR": "1.00", "WERKS": line.site, "BDDAT": day}]});
    let base = world.estate.sandbox.erp_url();
    let made = at_the_erp(world, &base, "SALESORDER_CREATE", copy).await?;
    let other = made["VBELN"].as_str().unwrap_or_default().to_owned();
    assert!(!other.is_empty(), "{made}");

    let told = order.told(1).await?;
    let detail = told["holds"][0]["detail"].as_str().unwrap();
    for needed in [other.as_str(), "BOREALIS", "PO-OTHER", &order.right, "PO-1"] {
        assert!(detail.contains(needed), "{needed} is not in: {detail}");
    }
    let stands = world.estate.sandbox.erp.order(&other).unwrap();
    assert_eq!(stands.status, OrderStatus::Open, "it may be another's");

    cancel_at_the_erp(world, &other).await?;
    let cancels = world.estate.sandbox.erp.calls_of("SALESORDER_CANCEL");
    expect(&operator.retry(&order.id).await?, 200);
    looked_at_again(&order.world).await?;
    order.the_right_one_stands().await?;
    assert!(operator.holds("erp_duplicate").await?.is_empty());
    assert_eq!(
        world.estate.sandbox.erp.calls_of("SALESORDER_CANCEL"),
        cancels,
        "the person's was the only one"
    );
    order.world.stop().await
}
