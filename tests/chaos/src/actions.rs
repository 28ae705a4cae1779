//! What buyers and sellers do, one thing after another: together it passes every point at which a layer can be killed.
//!
//! Each is persistent, as its caller would be: it asks again, the same, until it has an answer.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use reqwest::Method;
use sandbox::fault::{CallRecord, Fault, FaultPlan, FaultRule, Latency};
use serde_json::{Value, json};
use tests::{
    Answer,
    punchout::{Operation, Order, OrderType},
};

use crate::{
    callers::{Callers, Said, lost, not_taken},
    load::until_settled,
    orders::{Channel, PLENTIFUL, PlannedOrder, SCARCE},
    outside::{ErpOrder, ErpStatus, Proxy},
    run::Run,
};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// After this, stock is older than an order may stand on.
const GROWN_OLD: Duration = Duration::from_millis(1_500);
/// An ERP that does not answer is back by then.
const OUTAGE: Duration = Duration::from_secs(5);
const ONE_CALL: Duration = Duration::from_secs(10);
/// Between the numbers of two orders of one action.
const ANOTHER: u32 = 100_000;
/// A create that is given up at once, and done when another has taken its place.
const COMES_LATE: Fault = Fault::DeliverLate {
    after: Latency::Fixed { ms: 1_500 },
    hold_ms: 0,
};

/// Something that somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// An order by the portal.
    Portal,
    /// The same number under another key.
    Repeat,
    /// An order by EDI.
    Edi,
    /// An order by cXML.
    Cxml,
    /// An order whose create is done, and not answered.
    LostCreate,
    /// An order that the ERP makes twice, and does not show when it is read back: both are found then.
    DoubledCreate,
    /// An order whose create the ERP carries out when another has long taken its place.
    Ghost,
    /// The same, and somebody at the ERP releases and ships it before it can be cancelled.
    Delivered,
    /// An order whose pick request is made, and not answered.
    LostPick,
    /// An order at a wrong price, held, and released by a person.
    Held,
    /// An order that is accepted and then cancelled.
    Cancelled,
    /// The same, and the ERP's answer is lost.
    LostCancel,
    /// An order that another takes the place of.
    Replaced,
    /// A change that changes nothing.
    Unchanged,
    /// Stock reserved and given back.
    Reserved,
    /// Stock reserved until it runs out.
    RunOut,
    /// Prices locked.
    Quoted,
    /// A visit to the shop.
    Visited,
    /// An order that the warehouse ships.
    Shipped,
    /// News of a shipment that fits no order, put aside by a person.
    Strange,
    /// An order while somebody is told of all of them.
    Told,
    /// An order that is taken while the ERP does not answer.
    Provisional,
    /// An order whose events come to the bus although its server has just been killed.
    Published,
}

impl Action {
    /// All of them.
    pub(crate) const ALL: [Self; 23] = [
        Self::Portal,
        Self::Repeat,
        Self::Edi,
        Self::Cxml,
        Self::LostCreate,
        Self::DoubledCreate,
        Self::Ghost,
        Self::Delivered,
        Self::LostPick,
        Self::Held,
        Self::Cancelled,
        Self::LostCancel,
        Self::Replaced,
        Self::Unchanged,
        Self::Reserved,
        Self::RunOut,
        Self::Quoted,
        Self::Visited,
        Self::Shipped,
        Self::Strange,
        Self::Told,
        Self::Provisional,
        Self::Published,
    ];

    /// Does it, under a number that no other has.
    pub(crate) async fn take(self, run: &Run, number: u32) -> anyhow::Result<()> {
        let doing = self.dispatch(run, number);
        let done = tokio::time::timeout(PATIENCE, doing).await;
        done.with_context(|| format!("{self:?} number {number} came to no end"))?
    }

    async fn dispatch(self, run: &Run, number: u32) -> anyhow::Result<()> {
        let plenty = PLENTIFUL.first().copied().unwrap_or_default();
        let late = SCARCE.first().copied().unwrap_or_default();
        let of = |channel, item| order(number, channel, item);
        match self {
            Self::Portal => placed(run, &of(Channel::Portal, plenty)).await,
            Self::Repeat => repeated(run, &of(Channel::Portal, plenty)).await,
            Self::Edi => placed(run, &of(Channel::Edi, plenty)).await,
            Self::Cxml => placed(run, &of(Channel::Cxml, plenty)).await,
            Self::LostCreate => {
                let erp = &run.estate.outside.erp_proxy;
                misled(erp, "/erp/call/SALESORDER_CREATE", Fault::DropAfterCommit).await?;
                through(run, &of(Channel::Portal, plenty)).await
            }
            Self::DoubledCreate => {
                doubled(&run.estate.outside.erp_proxy).await?;
                through(run, &of(Channel::Portal, plenty)).await
            }
            Self::Ghost => ghost(run, number, plenty).await,
            Self::Delivered => delivered(run, number, plenty).await,
            Self::LostPick => {
                let wms = &run.estate.outside.wms_proxy;
                misled(wms, "/wms/v2/pickRequests", Fault::DropAfterCommit).await?;
                through(run, &of(Channel::Portal, plenty)).await
            }
            Self::Held => held(run, &of(Channel::Portal, plenty)).await,
            Self::Cancelled => cancelled(run, &of(Channel::Portal, late)).await,
            Self::LostCancel => {
                let erp = &run.estate.outside.erp_proxy;
                misled(erp, "/erp/call/SALESORDER_CANCEL", Fault::DropAfterCommit).await?;
                cancelled(run, &of(Channel::Portal, late)).await
            }
            Self::Replaced => replaced(run, number, late, 2).await,
            Self::Unchanged => replaced(run, number, late, 1).await,
            Self::Reserved => reserved(run, number, plenty).await,
            Self::RunOut => run_out(run, number, plenty).await,
            Self::Quoted => quoted(run, number, plenty).await,
            Self::Visited => visited(run, number).await,
            Self::Shipped => shipped(run, &of(Channel::Portal, plenty)).await,
            Self::Strange => strange(run, number, plenty).await,
            Self::Provisional => provisional(run, &of(Channel::Portal, plenty)).await,
            Self::Published => published(run, &of(Channel::Portal, plenty)).await,
            Self::Told => told(run, &of(Channel::Portal, plenty)).await,
        }
    }
}

fn order(number: u32, channel: Channel, item: &'static str) -> PlannedOrder {
    PlannedOrder {
        number: format!("A-{number:05}"),
        sequence: number,
        account: "ACME",
        channel,
        lines: [(item, 1)].into(),
        revised: None,
    }
}

/// The next call of a path goes wrong.
async fn misled(proxy: &Proxy, path: &str, fault: Fault) -> anyhow::Result<()> {
    let rule = FaultRule {
        method: Some("POST".to_owned()),
        ..FaultRule::new(path, fault).times(1)
    };
    proxy.set(&FaultPlan::of_rules(vec![rule])).await
}

/// The next create comes to the ERP twice, and what was created cannot be read back.
async fn doubled(erp: &Proxy) -> anyhow::Result<()> {
    let after = Latency::Fixed { ms: 0 };
    let refused = Fault::Status {
        status: 400,
        retry_after_s: None,
    };
    let rules = [
        ("SALESORDER_CREATE", Fault::Duplicate { after }),
        ("SALESORDER_GETDETAIL", refused),
    ];
    let rule = |(function, fault)| FaultRule::new(&format!("/erp/call/{function}"), fault).times(1);
    erp.set(&FaultPlan::of_rules(rules.into_iter().map(rule).collect()))
        .await
}

async fn placed(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    until_settled(&run.crowd, &run.log, order).await;
    Ok(())
}

/// Placed, and followed until the warehouse has it.
async fn through(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    placed(run, order).await?;
    standing(run, order, &["released", "held"]).await.map(drop)
}

/// Places orders until one has a ghost, which is not cleared away before the ERP takes cancellations: where the late create
/// came first, it was taken for the right one.
async fn haunted(run: &Run, number: u32, item: &'static str) -> anyhow::Result<PlannedOrder> {
    let outside = &run.estate.outside;
    let rule = |path: &str, fault| FaultRule {
        method: Some("POST".to_owned()),
        ..FaultRule::new(path, fault)
    };
    let busy = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    let plan = FaultPlan::of_rules(vec![
        rule("/erp/call/SALESORDER_CREATE", COMES_LATE).times(1),
        rule("/erp/call/SALESORDER_CANCEL", busy),
    ]);
    for attempt in 0_u32.. {
        let another = attempt.saturating_mul(ANOTHER);
        let order = order(number.saturating_add(another), Channel::Portal, item);
        outside.erp_proxy.clear_log().await?;
        outside.erp_proxy.set(&plan).await?;
        through(run, &order).await?;
        while !has_come(&outside.erp_proxy.log().await?) {
            tokio::time::sleep(PAUSE).await;
        }
        if in_erp(run, &order).await?.len() > 1 {
            return Ok(order);
        }
    }
    anyhow::bail!("no order has a ghost")
}

/// Whether what was to be delivered late has been.
fn has_come(log: &[CallRecord]) -> bool {
    log.iter()
        .any(|call| call.repeat_of.is_some() && call.status.is_some())
}

/// What the ERP has of an order.
async fn in_erp(run: &Run, order: &PlannedOrder) -> anyhow::Result<Vec<ErpOrder>> {
    let records = run.estate.outside.records().await?;
    let orders = records.orders.into_iter();
    Ok(orders
        .filter(|erp| erp.purchase_order_number == order.number)
        .collect())
}

/// Until the ghost of an order is cleared away.
async fn ghost(run: &Run, number: u32, item: &'static str) -> anyhow::Result<()> {
    let order = haunted(run, number, item).await?;
    run.estate.outside.erp_proxy.heal().await?;
    let live = |erp: &&ErpOrder| erp.status != ErpStatus::Cancelled;
    while in_erp(run, &order).await?.iter().filter(live).count() > 1 {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Until a person is told of a ghost that was shipped, and lets both stand.
async fn delivered(run: &Run, number: u32, item: &'static str) -> anyhow::Result<()> {
    let order = haunted(run, number, item).await?;
    let outside = &run.estate.outside;
    let ours = in_erp(run, &order).await?;
    let ghost = ours
        .iter()
        .find(|erp| erp.blocked && erp.status == ErpStatus::Open);
    let ghost = ghost.with_context(|| format!("none of {ours:?} is a draft"))?;
    run.delivered_by_hand(&ghost.number);
    outside.deliver_by_hand(&ghost.number).await?;
    outside.erp_proxy.heal().await?;
    let seen = standing(run, &order, &["held"]).await?;
    released_by_a_person(run, id_of(&seen)).await
}

async fn repeated(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    placed(run, order).await?;
    let callers = run.crowd.turn(0)?;
    let again = callers.write_again(
        order,
        Channel::Portal,
        order.sequence.saturating_add(1_000_000),
    );
    loop {
        match callers.send(&again).await {
            Said::Taken { .. } => return Ok(()),
            Said::Refused(text) => anyhow::bail!("the repetition was refused: {text}"),
            Said::Later(_) | Said::Unclear(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The orders of a number, the newest first: a replacement has the number of the one that it replaces.
async fn listed(run: &Run, order: &PlannedOrder) -> Vec<Value> {
    let path = format!("/orders?purchase_order_number={}", order.number);
    let Ok(callers) = run.crowd.turn(0) else {
        return Vec::new();
    };
    let seen = callers.get(order.account, &path).await;
    let page = seen.map(|seen| seen.json()).unwrap_or_default();
    page.get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn stands(order: &Value) -> &str {
    if order.get("held") == Some(&Value::Bool(true)) {
        return "held";
    }
    order
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Reads an order until it stands so.
async fn standing(run: &Run, order: &PlannedOrder, wanted: &[&str]) -> anyhow::Result<Value> {
    loop {
        let newest = listed(run, order).await.into_iter().next();
        if let Some(newest) = newest.filter(|order| wanted.contains(&stands(order))) {
            return Ok(newest);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn id_of(order: &Value) -> &str {
    order
        .get("order_id")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Asks until there is an answer that settles it.
pub(crate) async fn persist(
    callers: &Callers,
    account: &str,
    path: &str,
    key: &str,
    (version, body): (Option<&str>, &Value),
) -> anyhow::Result<Answer> {
    loop {
        let user = callers.user(account)?;
        let mut request = user
            .request(Method::POST, path)
            .timeout(ONE_CALL)
            .header("Idempotency-Key", key);
        if let Some(version) = version {
            request = request.header("If-Match", version);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let said = match user.send(request).await {
            Ok(answer) if answer.status.is_success() => return Ok(answer),
            Ok(answer) => match not_taken(&answer) {
                Said::Refused(_) => return Ok(answer),
                said => said,
            },
            Err(error) => lost(&error),
        };
        drop(said);
        tokio::time::sleep(PAUSE).await;
    }
}

fn line(item: &str) -> Value {
    json!({"item": item, "quantity": {"value": "1", "unit": "EA"}})
}

async fn held(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    let callers = run.crowd.turn(0)?;
    let item = order.lines.keys().next().copied().unwrap_or_default();
    let mut line = line(item);
    if let Some(line) = line.as_object_mut() {
        let price = json!({"amount": "0.01", "currency": "USD", "unit": "EA"});
        line.insert("expected_unit_price".to_owned(), price);
    }
    let body = json!({"purchase_order_number": order.number, "lines": [line]});
    run.log.invoke(order)?;
    let answer = persist(
        callers,
        order.account,
        "/orders",
        &order.number,
        (None, &body),
    )
    .await?;
    anyhow::ensure!(answer.status == 202, "{}", answer.text);
    let order_id = Some(answer.at("/order_id"));
    run.log.answered(
        order,
        &Said::Taken {
            order_id,
            status: None,
        },
    )?;
    let seen = standing(run, order, &["held"]).await?;
    released_by_a_person(run, id_of(&seen)).await
}

/// A person releases every hold of an order.
async fn released_by_a_person(run: &Run, order_id: &str) -> anyhow::Result<()> {
    let operator = run.crowd.turn(0)?.operator();
    loop {
        // A release whose answer was lost is seen in the order.
        let read = operator.get(&format!("/v1/orders/{order_id}")).await;
        if let Some(read) = read.ok().filter(|read| read.status == 200) {
            let read = read.json();
            let open = read.get("holds").and_then(Value::as_array);
            let Some(hold) = open.into_iter().flatten().next() else {
                return Ok(());
            };
            let hold = hold.get("hold").and_then(Value::as_u64);
            let hold = u32::try_from(hold.context("a hold has a number")?)?;
            let released = operator.release(order_id, hold).await;
            if released.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(());
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn cancelled(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    placed(run, order).await?;
    let seen = standing(run, order, &["accepted", "held", "cancelled"]).await?;
    let (callers, id) = (run.crowd.turn(0)?, id_of(&seen));
    for attempt in 0_u32.. {
        if let Ok(read) = callers.get(order.account, &format!("/orders/{id}")).await {
            if read.at("/status") == "cancelled" {
                return Ok(());
            }
            let path = format!("/orders/{id}/cancel");
            let key = format!("cancel-{}-{attempt}", order.number);
            let version = Some(read.header("etag"));
            let answer =
                persist(callers, order.account, &path, &key, (version, &Value::Null)).await?;
            if answer.status.is_success() {
                break;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    standing(run, order, &["cancelled", "held"]).await.map(drop)
}

/// An order by cXML, and an update of it to so many pieces.
async fn replaced(run: &Run, number: u32, item: &'static str, pieces: u32) -> anyhow::Result<()> {
    let revised: BTreeMap<&'static str, u32> = [(item, pieces)].into();
    let first = PlannedOrder {
        revised: Some(revised.clone()),
        ..order(number, Channel::Cxml, item)
    };
    placed(run, &first).await?;
    standing(run, &first, &["accepted", "held"]).await?;
    let callers = run.crowd.turn(0)?;
    let update = PlannedOrder {
        lines: revised,
        ..first.clone()
    };
    let update = callers.write_update(&update, number.saturating_add(1_000_000));
    loop {
        match callers.send(&update).await {
            Said::Taken { .. } => break,
            Said::Refused(text) => anyhow::bail!("the update was refused: {text}"),
            Said::Later(_) | Said::Unclear(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    if pieces == 1 {
        return Ok(());
    }
    // The one before has ended, and the one that takes its place is where it was.
    loop {
        let listed = listed(run, &first).await;
        let ended = listed.iter().any(|order| stands(order) == "cancelled");
        let newest = listed.first().map(stands);
        if ended && newest.is_some_and(|status| matches!(status, "accepted" | "held")) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn reserved(run: &Run, number: u32, item: &str) -> anyhow::Result<()> {
    let callers = run.crowd.turn(0)?;
    let body = json!({"lines": [line(item)]});
    let key = format!("reserve-{number}");
    let answer = persist(callers, "ACME", "/reservations", &key, (None, &body)).await?;
    anyhow::ensure!(answer.status == 201, "{}", answer.text);
    let path = format!("/reservations/{}/release", answer.at("/reservation_id"));
    let key = format!("release-{number}");
    let answer = persist(callers, "ACME", &path, &key, (None, &Value::Null)).await?;
    anyhow::ensure!(answer.status.is_success(), "{}", answer.text);
    Ok(())
}

async fn run_out(run: &Run, number: u32, item: &str) -> anyhow::Result<()> {
    let callers = run.crowd.turn(0)?;
    let body = json!({"lines": [line(item)], "seconds": 1});
    let key = format!("reserve-{number}");
    let answer = persist(callers, "ACME", "/reservations", &key, (None, &body)).await?;
    anyhow::ensure!(answer.status == 201, "{}", answer.text);
    // It reads as expired at once; its stock is back with the event.
    let id = answer.at("/reservation_id");
    loop {
        let events = callers
            .operator()
            .events("reservation.expired")
            .await
            .unwrap_or_default();
        if events
            .iter()
            .any(|event| event.get("subject").is_some_and(|subject| *subject == *id))
        {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn quoted(run: &Run, number: u32, item: &str) -> anyhow::Result<()> {
    let callers = run.crowd.turn(0)?;
    let body = json!({"lines": [line(item)]});
    let key = format!("quote-{number}");
    let answer = persist(callers, "ACME", "/quotes", &key, (None, &body)).await?;
    anyhow::ensure!(answer.status == 201, "{}", answer.text);
    Ok(())
}

async fn visited(run: &Run, number: u32) -> anyhow::Result<()> {
    let callers = run.crowd.turn(0)?;
    let payload_id = format!("visit-{number}@procure.example.com");
    while callers
        .cxml()
        .set_up(&payload_id, &Operation::Create)
        .await
        .is_err()
    {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn shipped(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    through(run, order).await?;
    let records = run.estate.outside.records().await?;
    let numbers = records
        .orders
        .iter()
        .filter(|erp| erp.purchase_order_number == order.number);
    let numbers: Vec<&str> = numbers.map(|erp| erp.number.as_str()).collect();
    for pick in records
        .picks
        .iter()
        .filter(|pick| numbers.contains(&pick.order_ref.as_str()))
    {
        for step in ["pick", "pack", "ship"] {
            run.estate.outside.work(&pick.pick_request_id, step).await?;
        }
    }
    standing(run, order, &["shipped"]).await.map(drop)
}

async fn strange(run: &Run, number: u32, item: &str) -> anyhow::Result<()> {
    let pick = run.estate.outside.strange_pick(number, item).await?;
    run.estate.outside.work(&pick, "pick").await?;
    let operator = run.crowd.turn(0)?.operator();
    let mut asked = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        let answer = operator.get("/v1/news").await;
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else {
            continue;
        };
        let listed = answer.json();
        let listed = listed.get("items").and_then(Value::as_array);
        let ours = listed.into_iter().flatten().find(|news| {
            let text = news.to_string();
            text.contains(&format!("{number:010}"))
        });
        let id = ours.and_then(|news| news.get("id")).and_then(Value::as_str);
        let Some(id) = id else {
            if asked {
                // It was put aside, and the answer was lost.
                return Ok(());
            }
            continue;
        };
        asked = true;
        let path = format!("/v1/news/{id}/dismiss");
        let body = json!({"note": "It is none of ours."});
        let done = operator.post(&path, &body).await;
        if done.is_ok_and(|answer| answer.status.is_success() || answer.status == 404) {
            return Ok(());
        }
    }
}

async fn provisional(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    let erp = &run.estate.outside.erp_proxy;
    let fault = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    erp.set(&FaultPlan::of_rules(vec![FaultRule::new("", fault)]))
        .await?;
    // What was known has grown old by then: the order stands on it provisionally.
    tokio::time::sleep(GROWN_OLD).await;
    // Where it is not taken so, it is taken once the ERP is back: that is soon in any case.
    let taken = tokio::time::timeout(OUTAGE, placed(run, order)).await;
    erp.heal().await?;
    if taken.is_err() {
        placed(run, order).await?;
    }
    standing(run, order, &["released", "held"]).await.map(drop)
}

async fn told(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    let operator = run.crowd.turn(0)?.operator();
    let url = format!("{}/webhooks", run.estate.site.url);
    let body = json!({"account": order.account, "url": url, "types": []});
    while !operator
        .post("/v1/subscriptions", &body)
        .await
        .is_ok_and(|answer| answer.status == 201)
    {
        tokio::time::sleep(PAUSE).await;
    }
    through(run, order).await?;
    loop {
        let posted = run.estate.site.webhooks();
        let number = order.number.as_bytes();
        if posted
            .iter()
            .any(|body| body.windows(number.len()).any(|part| part == number))
        {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn published(run: &Run, order: &PlannedOrder) -> anyhow::Result<()> {
    let Some(bus) = &run.estate.bus else {
        return Ok(());
    };
    let before = bus.last().await?;
    bus.kill();
    placed(run, order).await?;
    loop {
        // Its server, or its stream, may just be gone.
        let events = bus.events(before).await.unwrap_or_default();
        let is_ours = |event: &Value| {
            let number = event.pointer("/data/purchase_order_number");
            number.is_some_and(|number| *number == *order.number)
        };
        if events.iter().any(is_ours) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Callers {
    /// An update by cXML of an order that came so.
    fn write_update(&self, order: &PlannedOrder, control: u32) -> crate::callers::Request {
        let first = format!("{}.{}@procure.example.com", order.number, order.sequence);
        let update = Order {
            kind: OrderType::Update,
            replaces: Some(first),
            ..self.cxml_order(order)
        };
        let payload_id = format!("{}.{control}@procure.example.com", order.number);
        crate::callers::Request::Cxml(self.cxml().order_document(&payload_id, &update))
    }
}
