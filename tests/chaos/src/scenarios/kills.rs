//! Processes are killed and stopped under a load of all channels, while the backends answer late, twice, out of order, in
//! part, or not at all.

use std::time::Duration;

use sandbox::CreateClass;
use tests::processes::Binaries;
use tokio::time::Instant;

use crate::{
    ack_log::Course,
    estate::{Plan, word},
    faults::{LATEST_DELIVERY, Rhythm, backends, hits, strike},
    floor::Floor,
    load::Load,
    orders::{Mix, planned},
    report::{Report, percentile},
    run::Run,
    scenarios::Options,
    twice::{Twice, made_twice},
};

/// Everything is settled or held by then after the last fault.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// So many of a hundred faults strike a process that has work in flight.
const LEAST_SHARE: usize = 60;
/// So long the state is read in any case.
const LEAST_LOOK: Duration = Duration::from_secs(5);
/// When an ERP is searched for what it has of an order besides the right one.
const LOOKS: &str = "[\"10s\", \"30s\", \"60s\"]";
/// What stays in doubt is a person's matter.
const FLOOR: Floor = Floor {
    released_percent: 90,
    waits_for: &["erp_unknown", "erp_duplicate"],
};
/// Enough of a scarce item for a part of those who want it.
const SCARCE: u32 = 40;

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let (count, rate) = (options.orders.unwrap_or(300), options.rate.unwrap_or(5));
    let plan = plan(options);
    let quiet_period = plan.quiet_period;
    let run = Run::start(binaries, plan, SCARCE).await?;
    let name = format!("kills {}", word(options.class));
    let mut report = Report::new(&name, options.seed);
    run.estate
        .outside
        .erp_proxy
        .set(&backends(options.seed))
        .await?;
    run.estate
        .outside
        .wms_proxy
        .set(&backends(options.seed ^ 1))
        .await?;
    let lasting = count.checked_div(rate).unwrap_or(0);
    let faults = options.faults.unwrap_or(usize::try_from(lasting / 2)?);
    // Spread over the load, whatever is asked for.
    let every = Duration::from_secs(lasting.into())
        .checked_div(u32::try_from(faults)?)
        .unwrap_or(Duration::from_secs(2));
    let rhythm = Rhythm {
        every,
        count: faults,
        longest_stop: quiet_period
            .saturating_sub(Duration::from_millis(500))
            .min(Duration::from_secs(3)),
    };
    let orders = planned(options.seed, &format!("K{}", options.seed), count, Mix::ALL);
    let mut load = Load::start(&run.crowd, &run.log, orders, rate);
    let struck = strike(&run.estate, options.seed, rhythm).await;
    let last = Instant::now();
    // The last fault was the last: backends behave from here on.
    run.estate.outside.erp_proxy.heal().await?;
    run.estate.outside.wms_proxy.heal().await?;
    // But for what is still to be delivered late.
    tokio::time::sleep(LATEST_DELIVERY).await;
    load.settled(SETTLED_WITHIN).await;
    let left = SETTLED_WITHIN.saturating_sub(last.elapsed());
    let (found, records, _) = run.settle(left.max(LEAST_LOOK)).await?;
    let took = last.elapsed();

    let courses = run.log.courses();
    let share = hits(&struck, &courses, &records)
        .saturating_mul(100)
        .checked_div(struck.len())
        .unwrap_or(100);
    report.note("orders a second", rate);
    report.note("process faults", struck.len());
    report.note("faults that hit work in flight, %", share);
    let erp = run.estate.outside.erp_proxy.log().await?;
    let wms = run.estate.outside.wms_proxy.log().await?;
    let backend = erp.iter().chain(&wms).filter(|call| call.fault.is_some());
    report.note("backend faults", backend.count());
    let late = erp
        .iter()
        .chain(&wms)
        .filter(|call| call.repeat_of.is_some());
    report.note("requests delivered late or twice", late.count());
    let twice = made_twice(&records, &erp);
    origins(&mut report, &twice);
    if options.class == CreateClass::Searchable {
        report
            .diagnostics
            .extend(twice.iter().flat_map(Twice::told));
    }
    let times = courses.iter().filter_map(Course::took).collect();
    report.note("99 of 100 acknowledged within, ms", percentile(times, 99));
    run.note(&mut report, &found, took);
    report.must(share >= LEAST_SHARE, || {
        format!("{share} % of the faults hit work in flight: {LEAST_SHARE} % are wanted")
    });
    FLOOR.judge(&mut report, &found);
    run.judge_events(&mut report, &records).await?;
    run.finish(&mut report, &found).await;
    Ok(report)
}

fn plan(options: &Options) -> Plan {
    // It makes two orders, or drafts, of a request that is doubled under way: the second is found by this search.
    Plan {
        class: options.class,
        quiet_period: LATEST_DELIVERY.saturating_mul(2),
        store: options.store,
        subscribed: true,
        ..Plan::default()
    }
    .with("ORDERWAY_PROCESS__EFFECTS__GHOST_SWEEP", LOOKS)
}

/// Whose doing it was that the ERP made an order twice.
fn origins(report: &mut Report, twice: &[Twice]) {
    let some = |count: fn(&Twice) -> bool| twice.iter().filter(|twice| count(twice)).count();
    report.note(
        "made twice: by a request doubled under way",
        some(|twice| twice.doubled > 0),
    );
    report.note(
        "made twice: by one delivered late",
        some(|twice| twice.late > 0),
    );
    report.note(
        "made twice: by a second create of ours",
        some(|twice| twice.ours > 1),
    );
    for twice in twice {
        report.must(twice.is_explained(), || {
            format!("nobody's creates made all of {twice:?}")
        });
    }
}
