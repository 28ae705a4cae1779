//! The ERP is down while orders come in as always: each is acknowledged, and when it is back all of them get there.

use std::time::Duration;

use sandbox::fault::{Fault, FaultPlan, FaultRule};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    binaries::Binaries,
    estate::Plan,
    load::Load,
    orders::{Mix, planned},
    report::{Report, percentile},
    run::Run,
    scenarios::Options,
};

const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// Before the ERP fails: what buyers look at is known then.
const BEFORE: Duration = Duration::from_secs(3);
/// How much more memory a layer may take at the end of an outage than at its beginning.
const GROWTH_KIB: u64 = 64 * 1024;

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let rate = options.rate.unwrap_or(20);
    let down = Duration::from_secs(options.seconds.unwrap_or(60));
    let count = rate.saturating_mul(u32::try_from((BEFORE + down).as_secs())?);
    let plan = Plan {
        class: options.class,
        store: options.store,
        ..Plan::default()
    };
    let run = Run::start(binaries, plan, 40).await?;
    let mut report = Report::new("outage", options.seed);
    let orders = planned(options.seed, &format!("O{}", options.seed), count, Mix::ALL);
    let mut load = Load::start(&run.crowd, &run.log, orders, rate);
    tokio::time::sleep(BEFORE).await;
    let refused = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    let plan = FaultPlan::of_rules(vec![FaultRule::new("", refused)]);
    run.estate.outside.erp_proxy.set(&plan).await?;
    let over = CancellationToken::new();
    let watching = watch_memory(&run, over.clone());
    let waiting = async {
        tokio::time::sleep(down).await;
        over.cancel();
    };
    let (memory, ()) = tokio::join!(watching, waiting);
    let before = run.estate.outside.records().await?;
    let (sent, unanswered) = run.log.counts();
    run.estate.outside.erp_proxy.heal().await?;
    let back = Instant::now();
    let returned_at = run.clock.now();
    load.settled(SETTLED_WITHIN).await;
    let (found, records, took) = run.settle(SETTLED_WITHIN).await?;

    let backlog = sent.saturating_sub(before.orders.len());
    let drained = records.orders.iter().map(|order| order.created_at).max();
    let drained =
        drained.and_then(|last| Duration::try_from(last.duration_since(returned_at)).ok());
    let drained = drained.unwrap_or_else(|| back.elapsed());
    let courses = run.log.courses();
    let times = courses
        .iter()
        .filter_map(|course| {
            let end = course.end.as_ref()?;
            Duration::try_from(end.at.duration_since(course.invoked_at)).ok()
        })
        .collect();
    report.note("orders a second", rate);
    report.note("the ERP was down, s", down.as_secs());
    report.note("orders it did not have when it came back", backlog);
    report.note("without an answer when it came back", unanswered);
    report.note("until it had the last of them, s", drained.as_secs());
    let milliseconds = usize::try_from(drained.as_millis())?.max(1);
    let a_second = backlog.saturating_mul(1_000).checked_div(milliseconds);
    report.note("drained a second", a_second.unwrap_or(0));
    report.note("99 of 100 acknowledged within, ms", percentile(times, 99));
    for (name, first, last) in &memory {
        report.note(
            &format!("memory of {name}, KiB"),
            format!("{first} to {last}"),
        );
        report.must(last.saturating_sub(*first) <= GROWTH_KIB, || {
            format!("{name} grew from {first} to {last} KiB: {GROWTH_KIB} KiB are allowed")
        });
    }
    run.note(&mut report, &found, took);
    report.must(found.refused == 0, || {
        format!("{} orders within the policy were refused", found.refused)
    });
    run.finish(&mut report, &found).await;
    Ok(report)
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
