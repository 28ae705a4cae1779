//! `short`, which is a part of `.ci/run`, and `long`, for a person with hours to spare: which scenarios, how large, and
//! which of them beside each other.

use futures_util::future::join_all;
use sandbox::CreateClass;
use tests::processes::Binaries;

use crate::{
    estate::StorePlace,
    report::Report,
    scenarios::{Options, Scenario},
};

/// Seeds that broke something once: scenario, seed, class of the ERP, orders.
///
/// 3: an order by EDI or cXML, acknowledged when it was stored, was taken a minute later only; the judge of then called it
/// lost.
const REGRESSIONS: [(Scenario, u64, CreateClass, u32); 1] =
    [(Scenario::Kills, 3, CreateClass::Unique, 150)];

/// One scenario of a suite.
type Step = (Scenario, Options);
/// Steps in order.
type Lane = Vec<Step>;

/// Runs one part after the other, in each part the lanes beside each other, and the steps of each in order.
pub(crate) async fn run(binaries: &Binaries, parts: Vec<Vec<Lane>>) -> anyhow::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for lanes in parts {
        reports.extend(run_lanes(binaries, lanes).await?);
    }
    Ok(reports)
}

async fn run_lanes(binaries: &Binaries, lanes: Vec<Lane>) -> anyhow::Result<Vec<Report>> {
    let lanes = lanes.into_iter().map(async |lane| {
        let mut reports = Vec::new();
        for (scenario, options) in lane {
            reports.push(scenario.run(binaries, &options).await?);
        }
        anyhow::Ok(reports)
    });
    let mut reports = Vec::new();
    for lane in join_all(lanes).await {
        reports.extend(lane?);
    }
    Ok(reports)
}

/// Fits into twelve minutes on two cores: most of it is waiting. The outage comes first and by itself, since so many orders
/// a second need the machine.
pub(crate) fn short(options: &Options) -> Vec<Vec<Lane>> {
    let of = |class, orders| Options {
        class,
        orders: Some(orders),
        ..options.clone()
    };
    let plain = || options.clone();
    let alone = vec![vec![(Scenario::Outage, plain())]];
    let lanes = vec![
        vec![
            (Scenario::CrashPoints, plain()),
            (Scenario::Kills, of(CreateClass::Unique, 150)),
            (Scenario::Nats, plain()),
            (Scenario::Reservations, on_postgres(options)),
            (Scenario::Postgres, plain()),
        ],
        vec![
            (Scenario::Kills, of(CreateClass::Staged, 300)),
            (Scenario::CrashPoints, on_postgres(options)),
            (Scenario::Kills, of(CreateClass::Searchable, 100)),
            (Scenario::Flood, plain()),
        ],
        vec![
            (Scenario::Storm, plain()),
            (Scenario::Reservations, plain()),
            (Scenario::Syscalls, plain()),
        ],
    ];
    vec![alone, lanes]
}

fn on_postgres(options: &Options) -> Options {
    Options {
        store: StorePlace::Postgres,
        ..options.clone()
    }
}

/// Every case, in the sizes that a release is held to.
pub(crate) fn long(options: &Options) -> Vec<Vec<Lane>> {
    let all = Options {
        all: true,
        ..options.clone()
    };
    let kills = |class| Options {
        class,
        orders: Some(10_000),
        rate: Some(10),
        faults: Some(500),
        ..all.clone()
    };
    let hour = Options {
        seconds: Some(3_600),
        ..all.clone()
    };
    let minutes = Options {
        seconds: Some(600),
        ..all.clone()
    };
    let regressions = REGRESSIONS.map(|(scenario, seed, class, orders)| {
        let regression = Options {
            seed,
            class,
            orders: Some(orders),
            ..options.clone()
        };
        (scenario, regression)
    });
    vec![vec![
        vec![
            (Scenario::CrashPoints, all.clone()),
            (Scenario::Kills, kills(CreateClass::Staged)),
            (Scenario::Kills, kills(CreateClass::Unique)),
            (Scenario::Kills, kills(CreateClass::Searchable)),
        ],
        vec![
            (Scenario::Outage, hour),
            (Scenario::Flood, all.clone()),
            (Scenario::Storm, all.clone()),
            (Scenario::Syscalls, all.clone()),
            (
                Scenario::Nats,
                Options {
                    orders: Some(3_000),
                    ..all.clone()
                },
            ),
            (Scenario::CrashPoints, on_postgres(&all)),
            (
                Scenario::Postgres,
                Options {
                    orders: Some(4_500),
                    ..all.clone()
                },
            ),
            (Scenario::Reservations, on_postgres(&all)),
            (Scenario::Reservations, minutes),
            (Scenario::StartUp, all.clone()),
        ],
        regressions.to_vec(),
    ]]
}
