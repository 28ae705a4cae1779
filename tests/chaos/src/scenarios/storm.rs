//! The ERP allows a few calls a second and answers 429 beyond; ten times as many are wanted.

use std::{collections::BTreeMap, time::Duration};

use sandbox::fault::{FaultPlan, RateLimit};

use crate::{
    binaries::Binaries,
    estate::Plan,
    load::Load,
    orders::{Mix, planned},
    report::Report,
    run::Run,
    scenarios::Options,
};

const ALLOWED: usize = 5;
const SETTLED_WITHIN: Duration = Duration::from_secs(240);

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let (count, rate) = (options.orders.unwrap_or(30), options.rate.unwrap_or(10));
    let plan = Plan {
        class: options.class,
        store: options.store,
        ..Plan::default()
    }
    .with(
        "ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND",
        ALLOWED,
    )
    .with("ORDERWAY_SYSTEM__ERP__MAIN__READ_TIMEOUT", "20s")
    .usual_times();
    let run = Run::start(binaries, plan, 40).await?;
    let mut report = Report::new("storm", options.seed);
    let proxy = &run.estate.outside.erp_proxy;
    let limit = RateLimit {
        calls: ALLOWED,
        window_ms: 1_000,
        retry_after_s: 1,
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
    let first = calls.first().map_or(0, |call| call.at_us);
    let last = calls.last().map_or(0, |call| call.at_us);
    let lasted = Duration::from_micros(last.saturating_sub(first));
    let seconds = usize::try_from(lasted.as_secs())?.saturating_add(1);
    let done = calls.iter().filter(|call| call.reached_backend).count();
    let stats = proxy.stats(1_000, "").await?;
    report.note("calls a second that the ERP allows", ALLOWED);
    report.note("calls that the ERP did", done);
    let mut functions: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &calls {
        let count = functions.entry(&call.path).or_default();
        *count = count.saturating_add(1);
    }
    report.note("calls by function", functions);
    report.note(
        "calls that it refused with 429",
        calls.len().saturating_sub(done),
    );
    report.note("seconds", seconds);
    report.note(
        "most calls that arrived in a second",
        stats.max_calls_in_window,
    );
    run.note(&mut report, &found, took);
    report.must(done <= ALLOWED.saturating_mul(seconds), || {
        format!("the ERP did {done} calls in {seconds} s, and allows {ALLOWED} a second")
    });
    report.must(found.held == 0 && found.refused == 0, || {
        format!(
            "{} orders held and {} refused by the storm",
            found.held, found.refused
        )
    });
    run.finish(&mut report, &found).await;
    Ok(report)
}
