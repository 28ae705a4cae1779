//! The ERP allows a few calls a second and answers 429 beyond; ten times as many are wanted.

use std::{collections::BTreeMap, time::Duration};

use sandbox::fault::{CallRecord, FaultPlan, Outcome, RateLimit};
use tests::processes::Binaries;

use crate::{
    estate::Plan,
    load::Load,
    orders::{Mix, planned},
    report::Report,
    run::Run,
    scenarios::Options,
};

/// Calls a second that the ERP does.
const ALLOWED: usize = 5;
/// Calls a second that Orderway was told it does.
const BUDGET: usize = 50;
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Calls that were on their way when the first was refused come so much later at most.
const ON_THE_WAY: Duration = Duration::from_millis(300);
/// Of so many refusals, one call in a pause is put down to the machine.
const SELDOM: usize = 20;
/// What the proxy writes down in whole milliseconds.
const ROUNDED: Duration = Duration::from_millis(5);
const SETTLED_WITHIN: Duration = Duration::from_secs(300);

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let (count, rate) = (options.orders.unwrap_or(30), options.rate.unwrap_or(10));
    let plan = Plan {
        class: options.class,
        store: options.store,
        ..Plan::default()
    }
    .with(
        "ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND",
        BUDGET,
    )
    .with("ORDERWAY_SYSTEM__ERP__MAIN__READ_TIMEOUT", "20s")
    .usual_times();
    let run = Run::start(binaries, plan, 40).await?;
    let mut report = Report::new("storm", options.seed);
    let proxy = &run.estate.outside.erp_proxy;
    let limit = RateLimit {
        calls: ALLOWED,
        window_ms: 1_000,
        retry_after_s: RETRY_AFTER.as_secs(),
    };
    proxy
        .set(&FaultPlan {
            seed: options.seed,
            rate_limit: Some(limit),
            ..FaultPlan::default()
        })
        .await?;
    proxy.clear_log().await?;
    let orders = planned(
        options.seed,
        &format!("S{}", options.seed),
        count,
        Mix::PORTAL,
    );
    let mut load = Load::start(&run.crowd, &run.log, orders, rate);
    load.settled(SETTLED_WITHIN).await;
    let (found, _, took) = run.settle(SETTLED_WITHIN).await?;

    let calls = proxy.log().await?;
    counted(&mut report, &calls)?;
    honoured(&mut report, &calls);
    run.note(&mut report, &found, took);
    report.must(found.held == 0 && found.refused == 0, || {
        format!(
            "{} orders held and {} refused by the storm",
            found.held, found.refused
        )
    });
    run.finish(&mut report, &found).await;
    Ok(report)
}

/// The ERP did no more than it allows, though it was asked for more.
fn counted(report: &mut Report, calls: &[CallRecord]) -> anyhow::Result<()> {
    let first = calls.first().map_or(0, |call| call.at_us);
    let last = calls.last().map_or(0, |call| call.at_us);
    let lasted = Duration::from_micros(last.saturating_sub(first));
    let seconds = usize::try_from(lasted.as_secs())?.saturating_add(1);
    let done = calls.iter().filter(|call| call.reached_backend).count();
    let refused = calls.iter().filter(|call| is_refused(call)).count();
    let mut functions: BTreeMap<&str, usize> = BTreeMap::new();
    for call in calls {
        let count = functions.entry(&call.path).or_default();
        *count = count.saturating_add(1);
    }
    report.note("calls a second that the ERP allows", ALLOWED);
    report.note("calls a second that the budget allows", BUDGET);
    report.note("calls by function", functions);
    report.note("seconds", seconds);
    report.note("calls that the ERP did", done);
    report.note("calls that it refused with 429", refused);
    report.must(done <= ALLOWED.saturating_mul(seconds), || {
        format!("the ERP did {done} calls in {seconds} s, and allows {ALLOWED} a second")
    });
    report.must(refused > 0, || {
        "no call was refused with 429: nothing was tried".to_owned()
    });
    // Between two pauses the ERP does what it allows, and refuses what comes beside the first that is too many.
    report.must(refused <= done, || {
        format!("the ERP refused {refused} calls and did {done}: it was not left alone")
    });
    Ok(())
}

/// After a refusal nobody calls until its `Retry-After` is over, but what was on its way.
fn honoured(report: &mut Report, calls: &[CallRecord]) {
    let refused: Vec<&CallRecord> = calls.iter().filter(|call| is_refused(call)).collect();
    let late = calls.iter().filter_map(|call| {
        let at = Duration::from_micros(call.at_us);
        let since = refused.iter().map(|refused| {
            let told = Duration::from_micros(refused.at_us)
                .saturating_add(Duration::from_millis(refused.duration_ms));
            at.saturating_sub(told + ROUNDED)
        });
        since
            .filter(|since| *since > ON_THE_WAY && *since + ROUNDED * 2 < RETRY_AFTER)
            .max()
    });
    let late: Vec<u128> = late.map(|since| since.as_millis()).collect();
    report.note("calls in a pause that it had asked for", late.len());
    report.note("so long after its beginning, ms", &late);
    // A machine that is busy holds up a call, or the answer before it: now and then.
    report.must(late.len().saturating_mul(SELDOM) <= refused.len(), || {
        format!("calls came {late:?} ms after a refusal, before its Retry-After was over")
    });
}

fn is_refused(call: &CallRecord) -> bool {
    call.outcome == Outcome::RateLimited
}
