//! `PostgreSQL` crashes and comes back, again and again, under load, with two instances of each layer on it.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tests::processes::Binaries;
use tokio::time::Instant;

use crate::{
    estate::{Plan, StorePlace},
    floor::Floor,
    load::Load,
    orders::{Mix, planned},
    report::Report,
    run::Run,
    scenarios::Options,
};

const SETTLED_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let (count, rate) = (options.orders.unwrap_or(150), options.rate.unwrap_or(5));
    // In ten times the usual haste, unless there is time.
    let pauses = if options.all {
        (5_000, 20_000)
    } else {
        (3_000, 8_000)
    };
    let plan = Plan {
        class: options.class,
        store: StorePlace::Postgres,
        instances: 2,
        subscribed: true,
        ..Plan::default()
    };
    let run = Run::start(binaries, plan, 40).await?;
    let mut report = Report::new("postgres", options.seed);
    let orders = planned(options.seed, &format!("P{}", options.seed), count, Mix::ALL);
    let lasts = Duration::from_secs(count.checked_div(rate).unwrap_or(0).into());
    let until = Instant::now() + lasts;
    let mut load = Load::start(&run.crowd, &run.log, orders, rate);
    let mut luck = StdRng::seed_from_u64(options.seed ^ 0x0070_6763);
    let mut crashes: usize = 0;
    while Instant::now() < until {
        let pause = Duration::from_millis(luck.random_range(pauses.0..pauses.1));
        tokio::time::sleep(pause).await;
        let down = Duration::from_millis(luck.random_range(0..3_000));
        run.estate.crash_database(down).await?;
        crashes = crashes.saturating_add(1);
    }
    load.settled(SETTLED_WITHIN).await;
    let (found, records, took) = run.settle(SETTLED_WITHIN).await?;
    report.note("orders a second", rate);
    report.note("instances of each layer", 2);
    report.note("crashes of the server", crashes);
    report.must(crashes > 0, || {
        "the server never crashed: nothing was shown".to_owned()
    });
    run.note(&mut report, &found, took);
    Floor::ALL.judge(&mut report, &found);
    run.judge_events(&mut report, &records).await?;
    run.finish(&mut report, &found).await;
    Ok(report)
}
