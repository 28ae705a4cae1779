//! The bus is killed, its stream purged and deleted, and the process that publishes killed, under load: in the end the
//! stream has every event, and none that did not commit.

use std::{collections::BTreeSet, net::TcpListener, path::Path, time::Duration};

use async_nats::jetstream::{self, Context};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    binaries::{Binaries, Binary},
    estate::Plan,
    events,
    load::Load,
    orders::{Mix, planned},
    process::{Kept, Program},
    report::Report,
    run::Run,
    scenarios::Options,
};

const STREAM: &str = "ORDERWAY";
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let Some(program) = tests::needs::nats_server() else {
        return Ok(Report::skipped("nats", "needs nats"));
    };
    let (count, rate) = (options.orders.unwrap_or(150), options.rate.unwrap_or(5));
    let folder = tempfile::tempdir()?;
    let bus = Bus::start(&program, folder.path())?;
    let plan = Plan {
        class: options.class,
        store: options.store,
        ..Plan::default()
    }
    .with("ORDERWAY_PROCESS__BUS__URL", &bus.url)
    .with("ORDERWAY_PROCESS__BUS__LEASE", "2s")
    .with("ORDERWAY_PROCESS__BUS__DUPLICATE_WINDOW", "1s");
    let run = Run::start(binaries, plan, 40).await?;
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
                bus.server.signal(Signal::KILL);
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
    run.judge_events(&mut report, &records).await?;
    published(&run, &bus, &mut report).await?;
    run.finish(&mut report, &found).await;
    Ok(report)
}

/// Everything in the feed is in the stream, and nothing else.
async fn published(run: &Run, bus: &Bus, report: &mut Report) -> anyhow::Result<()> {
    let feed = events::feed(run).await?;
    let told: BTreeSet<String> = feed.into_iter().map(|event| event.id).collect();
    let begun = Instant::now();
    let in_stream = loop {
        let ids = bus.ids().await.unwrap_or_default();
        if told.is_subset(&ids) || begun.elapsed() > PUBLISHED_WITHIN {
            break ids;
        }
        tokio::time::sleep(PAUSE).await;
    };
    let missing = told.difference(&in_stream).count();
    let strange = in_stream.difference(&told).count();
    report.note("events in the stream", in_stream.len());
    report.note("whole after, s", begun.elapsed().as_secs());
    report.must(missing == 0, || {
        format!("{missing} events are not in the stream")
    });
    report.must(strange == 0, || {
        format!("{strange} events in the stream are of nothing that was committed")
    });
    Ok(())
}

/// A server of the run's own.
struct Bus {
    server: Kept,
    url: String,
}

impl Bus {
    fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = free.port().to_string();
        let command = vec![
            program.to_owned(),
            "-a".into(),
            "127.0.0.1".into(),
            "-p".into(),
            port.clone().into(),
            "-js".into(),
            "-sd".into(),
            folder.join("data"),
        ];
        let server = Kept::start(Program {
            name: "nats-server".to_owned(),
            command,
            environment: Default::default(),
            log: folder.join("nats.log"),
        });
        let url = format!("nats://127.0.0.1:{port}");
        Ok(Self { server, url })
    }

    async fn context(&self) -> anyhow::Result<Context> {
        Ok(jetstream::new(async_nats::connect(&self.url).await?))
    }

    async fn purge(&self) -> anyhow::Result<()> {
        let stream = self.context().await?.get_stream(STREAM).await?;
        stream.purge().await?;
        Ok(())
    }

    async fn delete(&self) -> anyhow::Result<()> {
        self.context().await?.delete_stream(STREAM).await?;
        Ok(())
    }

    /// The ids of all events in the stream.
    async fn ids(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut stream = self.context().await?.get_stream(STREAM).await?;
        let state = stream.info().await?.state.clone();
        let mut ids = BTreeSet::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                let event: Value = serde_json::from_slice(&message.payload)?;
                let id = event.get("id").and_then(Value::as_str);
                ids.extend(id.map(str::to_owned));
            }
        }
        Ok(ids)
    }
}
