//! The ERP is down while orders come in as always: each is acknowledged, and when it is back all of them get there.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use reqwest::Method;
use sandbox::fault::{CallRecord, Fault, FaultPlan, FaultRule};
use serde_json::json;
use tests::processes::Binaries;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    ack_log::Course,
    callers::USERS,
    estate::Plan,
    load::{Load, until_settled},
    orders::{Mix, PLENTIFUL, SCARCE, SITE, planned},
    outside::Records,
    report::{Report, percentile},
    run::Run,
    scenarios::Options,
};

/// After the ERP is back, and as long again as it was down: a deadline of liveness, for what a slow machine drains too.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);
/// How much longer than the outage facts may be believed: what is tried is not how soon they are too old.
const BELIEVED_S: u64 = 3_600;
/// More calls a second than it takes to drain five times as fast as orders come.
const CALLS_A_SECOND: u32 = 500;
/// Before the ERP fails: what buyers look at is known then.
const BEFORE: Duration = Duration::from_secs(3);
/// The seconds for which an order may wait for its answer.
const STILL_ASKING: u32 = 3;
/// Orders beyond a bound.
const BEYOND: usize = 3;
/// Looked at before and ordered by nobody else: its figures are old by the middle of the outage, and no bound is for orders
/// on new ones.
const SELDOM: &str = "SKU-0002";
/// More of it than an order may be worth.
const TOO_MANY: u64 = 20_000;
/// So much faster than orders come are they drained.
const TIMES_AS_FAST: usize = 5;
/// How much more memory a layer may take at the end of an outage than at its beginning, beside what follows.
const GROWTH_KIB: u64 = 64 * 1024;
/// What the embedded store keeps of its file, once there is enough of it: 16 MiB for its writer and each of three readers.
const PAGES_KIB: u64 = 4 * 16 * 1024;

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let rate = options.rate.unwrap_or(20);
    let down = Duration::from_secs(options.seconds.unwrap_or(60));
    let count = rate.saturating_mul(u32::try_from((BEFORE + down).as_secs())?);
    let believed = format!("{}s", down.as_secs().saturating_add(BELIEVED_S));
    let kept = format!("{{ fresh = \"30s\", stale_if_error = \"{believed}\", entries = 100000 }}");
    let within = SETTLED_WITHIN.saturating_add(down);
    let plan = Plan {
        class: options.class,
        store: options.store,
        subscribed: true,
        policies: vec![
            ("stock = \"1h\"", "stock = \"12h\""),
            ("credit = \"1h\"", "credit = \"12h\""),
        ],
        ..Plan::default()
    }
    .far_bounds()
    .with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__STOCK", &kept)
    .with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__CREDIT", &kept)
    .with(
        "ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND",
        CALLS_A_SECOND,
    )
    .usual_times();
    let run = Run::start(binaries, plan, 40).await?;
    let mut report = Report::new("outage", options.seed);
    report.note("orders a second", rate);
    report.note("the ERP was down, s", down.as_secs());
    looked_at(&run).await?;
    one_order(&run, options.seed, &mut report).await?;
    let orders = planned(options.seed, &format!("O{}", options.seed), count, Mix::ALL);
    let mut load = Load::start(&run.crowd, &run.log, orders, rate);
    tokio::time::sleep(BEFORE).await;
    outage(&run, down, &mut report).await?;

    let returned_at = run.clock.now();
    let had = run.estate.outside.records().await?.orders.len();
    let (sent, unanswered) = run.log.counts();
    let backlog = sent.saturating_sub(had);
    let proxy = &run.estate.outside.erp_proxy;
    proxy.clear_log().await?;
    proxy.heal().await?;
    let before = processor_ticks(&run);
    load.settled(within).await;
    until_none_waits(&run, within).await?;
    used(&mut report, &before, &processor_ticks(&run), backlog)?;
    let (found, records, took) = run.settle(within).await?;
    report.note("orders it did not have when it came back", backlog);
    report.note("without an answer when it came back", unanswered);
    // What was sent in the last seconds may still wait for its answer.
    let most = usize::try_from(rate.saturating_mul(STILL_ASKING))?;
    report.must(unanswered <= most, || {
        format!("{unanswered} orders within the policy were not taken while the ERP was down")
    });
    drained(&mut report, &records, returned_at, rate)?;
    report.note("calls after its return", by_function(&proxy.log().await?));
    let courses = run.log.courses();
    let times = courses.iter().filter_map(Course::took).collect();
    report.note("99 of 100 acknowledged within, ms", percentile(times, 99));
    run.note(&mut report, &found, took);
    report.must(found.refused == 0, || {
        format!("{} orders within the policy were refused", found.refused)
    });
    run.judge_events(&mut report, &records).await?;
    run.finish(&mut report, &found).await;
    Ok(report)
}

/// Every buyer has looked at everything: an order stands on what is known, and what nobody ever asked for is not.
async fn looked_at(run: &Run) -> anyhow::Result<()> {
    let callers = run.crowd.turn(0)?;
    run.estate.outside.set_stock(SELDOM, SITE, TOO_MANY).await?;
    for (account, _) in USERS {
        for item in PLENTIFUL.iter().chain(&SCARCE).chain([&SELDOM]) {
            let line = json!({"item": item, "quantity": {"value": "1", "unit": "EA"}});
            let user = callers.user(account)?;
            let request = user.request(Method::POST, "/basket-checks");
            let seen = user.send(request.json(&json!({"lines": [line]}))).await?;
            anyhow::ensure!(seen.status == 200, "{}", seen.text);
        }
    }
    Ok(())
}

/// What one order costs the ERP where nothing goes wrong.
async fn one_order(run: &Run, seed: u64, report: &mut Report) -> anyhow::Result<()> {
    let proxy = &run.estate.outside.erp_proxy;
    proxy.clear_log().await?;
    for order in planned(seed, "ONE", 1, Mix::PORTAL) {
        until_settled(&run.crowd, &run.log, &order).await;
    }
    let (found, ..) = run.settle(SETTLED_WITHIN).await?;
    report.must(found.released == 1, || {
        "an order was not released before the outage".to_owned()
    });
    let calls = proxy.log().await?;
    report.note("calls for one order", by_function(&calls));
    Ok(())
}

/// Waits until no order waits for the ERP. Orderway's own word ends the wait and nothing else: the judge reads every
/// order again and again, and would slow down the drain.
async fn until_none_waits(run: &Run, within: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < within {
        let operator = run.crowd.turn(0)?.operator();
        let seen = operator.get("/v1/outage?limit=1").await?;
        if seen.at("/orders_awaiting_erp") == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// What each layer used for one of the orders that it drained.
fn used(
    report: &mut Report,
    before: &[(String, u64)],
    after: &[(String, u64)],
    orders: usize,
) -> anyhow::Result<()> {
    let orders = u64::try_from(orders)?;
    for ((name, before), (_, after)) in before.iter().zip(after) {
        let milliseconds = after.saturating_sub(*before).saturating_mul(10);
        let each = milliseconds.checked_div(orders).unwrap_or(0);
        report.note(&format!("processor time of {name}, ms an order"), each);
    }
    Ok(())
}

/// What each layer has used.
fn processor_ticks(run: &Run) -> Vec<(String, u64)> {
    let layers = run.estate.layers.iter();
    layers
        .map(|layer| {
            let ticks = layer.process.processor_ticks().unwrap_or(0);
            (layer.process.name(), ticks)
        })
        .collect()
}

/// How often each function of the ERP was called.
fn by_function(calls: &[CallRecord]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for call in calls {
        let (_, function) = call.path.rsplit_once('/').unwrap_or_default();
        let count = counts.entry(function).or_default();
        *count = count.saturating_add(1);
    }
    let told = counts
        .iter()
        .map(|(function, count)| format!("{function} {count}"));
    told.collect::<Vec<_>>().join(", ")
}

/// The ERP is down for a time; what lies beyond a bound of the policy is refused meanwhile, and no layer grows.
async fn outage(run: &Run, down: Duration, report: &mut Report) -> anyhow::Result<()> {
    let fault = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    let plan = FaultPlan::of_rules(vec![FaultRule::new("", fault)]);
    run.estate.outside.erp_proxy.set(&plan).await?;
    let over = CancellationToken::new();
    let waiting = async {
        tokio::time::sleep(down / 2).await;
        let refused = too_much(run).await;
        tokio::time::sleep(down / 2).await;
        over.cancel();
        refused
    };
    let (memory, refused) = tokio::join!(watch_memory(run, over.clone()), waiting);
    let refused = refused?;
    report.note("orders beyond a bound, refused", refused);
    report.must(refused == BEYOND, || {
        format!("{refused} of {BEYOND} orders beyond a bound were refused")
    });
    for (name, first, last) in &memory {
        report.note(
            &format!("memory of {name}, KiB"),
            format!("{first} to {last}"),
        );
        let most = GROWTH_KIB.saturating_add(PAGES_KIB);
        report.must(last.saturating_sub(*first) <= most, || {
            format!("{name} grew from {first} to {last} KiB: {most} KiB are allowed")
        });
    }
    Ok(())
}

/// How fast the ERP was given what it had missed, once it was found to be back: of nine in ten, since the last few wait for
/// the repetition of what failed.
fn drained(
    report: &mut Report,
    records: &Records,
    returned_at: Timestamp,
    rate: u32,
) -> anyhow::Result<()> {
    let mut after: Vec<i64> = records
        .orders
        .iter()
        .map(|order| order.created_at.duration_since(returned_at).as_millis())
        .filter_map(|after| i64::try_from(after).ok())
        .filter(|after| *after >= 0)
        .collect();
    after.sort_unstable();
    let most = after.len().saturating_mul(9).div_euclid(10);
    let (first, last) = (after.first().copied(), after.last().copied());
    let nine_in_ten = after.get(most).copied();
    let seconds = |milliseconds: Option<i64>| milliseconds.unwrap_or(0).div_euclid(1_000);
    report.note("until it had the first of them, s", seconds(first));
    report.note("until it had nine in ten, s", seconds(nine_in_ten));
    report.note("until it had the last of them, s", seconds(last));
    let took = nine_in_ten.unwrap_or(0).saturating_sub(first.unwrap_or(0));
    let took = usize::try_from(took)?.max(1);
    let a_second = most.saturating_mul(1_000).div_euclid(took);
    report.note("drained a second", a_second);
    let wanted = usize::try_from(rate)?.saturating_mul(TIMES_AS_FAST);
    // A debug build is bound by the processor, not by the budget.
    report.must(cfg!(debug_assertions) || a_second >= wanted, || {
        format!("{a_second} orders a second were drained: {wanted} are wanted")
    });
    Ok(())
}

/// Orders of more than the policy takes while the ERP is down: how many are refused by that bound. Nobody sends them
/// again, so that they must not be in the ERP in the end.
async fn too_much(run: &Run) -> anyhow::Result<usize> {
    let user = run.crowd.turn(0)?.user("ACME")?;
    let mut refused: usize = 0;
    for number in 0..BEYOND {
        let quantity = json!({"value": TOO_MANY.to_string(), "unit": "EA"});
        let line = json!({"item": SELDOM, "quantity": quantity});
        let number = format!("BEYOND-{number}");
        let body = json!({"purchase_order_number": number, "lines": [line]});
        let answer = user.post("/orders", &number, &body).await?;
        let named = answer.at("/code") == "outage-limit" && answer.at("/bound") == "order_value";
        refused = refused.saturating_add(usize::from(answer.status == 503 && named));
    }
    Ok(refused)
}

/// The memory of each layer when it begins and when it is over.
async fn watch_memory(run: &Run, over: CancellationToken) -> Vec<(String, u64, u64)> {
    let now = || -> Vec<(String, u64)> {
        let layers = run.estate.layers.iter();
        layers
            .map(|layer| {
                let kib = layer.process.resident_kib().unwrap_or(0);
                (layer.process.name(), kib)
            })
            .collect()
    };
    // Not what it takes to come to work, but what more orders add.
    let settling = tokio::time::sleep(Duration::from_secs(5));
    over.run_until_cancelled(settling).await;
    let first = now();
    over.cancelled().await;
    let last = now();
    first
        .into_iter()
        .zip(last)
        .map(|((name, first), (_, last))| (name, first, last))
        .collect()
}
