//! The bus is killed, its stream purged and deleted, and the process that publishes killed, under load: in the end the
//! stream has every event, and none that did not commit.

use std::time::Duration;

use anyhow::Context as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;
use tests::processes::{Binaries, Binary};
use tokio::time::Instant;

use crate::{
    estate::Plan,
    floor::Floor,
    load::Load,
    orders::{Mix, planned},
    report::Report,
    run::Run,
    scenarios::Options,
};

const SETTLED_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let Some(program) = tests::needs::nats_server() else {
        return Ok(Report::skipped("nats", "needs nats"));
    };
    let (count, rate) = (options.orders.unwrap_or(150), options.rate.unwrap_or(5));
    let plan = Plan {
        class: options.class,
        store: options.store,
        bus: Some(program),
        ..Plan::default()
    };
    let run = Run::start(binaries, plan, 40).await?;
    let bus = run.estate.bus.as_ref().context("the estate has a bus")?;
    let mut report = Report::new("nats", options.seed);
    let orders = planned(options.seed, &format!("N{}", options.seed), count, Mix::ALL);
    let lasts = Duration::from_secs(count.checked_div(rate).unwrap_or(0).into());
    let until = Instant::now() + lasts;
    let mut load = Load::start(&run.crowd, &run.log, orders, rate);
    let mut luck = StdRng::seed_from_u64(options.seed ^ 0x6e61_7473);
    let (mut kills, mut purges, mut deletions): (usize, usize, usize) = (0, 0, 0);
    // Each fault once; what comes then is luck.
    let mut due = vec![3, 2, 1, 0];
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(luck.random_range(1_000..4_000))).await;
        let by_luck = luck.random_range(0..4);
        match due.pop().unwrap_or(by_luck) {
            0 => {
                bus.kill();
                kills = kills.saturating_add(1);
            }
            1 => {
                purges = purges.saturating_add(usize::from(bus.purge().await.is_ok()));
            }
            2 => {
                deletions = deletions.saturating_add(usize::from(bus.delete().await.is_ok()));
            }
            _ => {
                run.estate
                    .layer(Binary::Process)?
                    .process
                    .signal(Signal::KILL);
            }
        }
    }
    load.settled(SETTLED_WITHIN).await;
    let (found, records, took) = run.settle(SETTLED_WITHIN).await?;
    report.note("kills of the server", kills);
    report.note("purges of the stream", purges);
    report.note("deletions of the stream", deletions);
    report.must(kills > 0 && purges.saturating_add(deletions) > 0, || {
        "the bus was left in peace: nothing was shown".to_owned()
    });
    run.note(&mut report, &found, took);
    Floor::ALL.judge(&mut report, &found);
    run.judge_events(&mut report, &records).await?;
    let published = bus.published(&run).await?;
    report.note("events in the stream", published.events);
    report.note("whole after, s", published.after.as_secs());
    report.violations.extend(published.faults());
    run.finish(&mut report, &found).await;
    Ok(report)
}
