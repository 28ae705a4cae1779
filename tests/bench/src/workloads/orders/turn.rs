//! A turn of a contestant: it is offered orders, and its processes are watched until the last of them has gone where it goes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use service_runtime::clock::Clock;
use tests::Operator;

use super::sheets::Token;
use crate::{
    contest::{Contestant, Kind, Lap, Standing, lap},
    estate::Estate,
    figures::{Spread, mebibytes, micros},
    load::{Pace, drive},
    machine::load_average,
    report::Table,
    tree::Meter,
};

/// How long it may take after the load until nothing is left to do.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Where the orders of Orderway end.
pub(in crate::workloads) struct Behind<'a> {
    pub(in crate::workloads) estate: &'a Estate,
    operator: Operator,
    token: Token,
}

#[derive(Deserialize)]
struct Filed {
    blocked: bool,
    status: String,
}

impl<'a> Behind<'a> {
    pub(in crate::workloads) fn new(estate: &'a Estate, token: Token) -> anyhow::Result<Self> {
        let http = estate.http.clone();
        Ok(Self {
            operator: Operator::new(http, &estate.process, Clock::system())?,
            estate,
            token,
        })
    }

    /// The token lives a quarter of an hour.
    pub(in crate::workloads) async fn log_in(&self) -> anyhow::Result<()> {
        self.token.set(&self.estate.token("acme-buyer").await?)
    }

    /// How many orders the ERP has that count.
    async fn filed(&self) -> anyhow::Result<u64> {
        let url = format!("{}/erp/control/orders", self.estate.erp);
        let answer = self.estate.http.get(url).send().await?.error_for_status()?;
        let filed: Vec<Filed> = serde_json::from_slice(&answer.bytes().await?)?;
        let counts = |order: &&Filed| !order.blocked && order.status != "cancelled";
        Ok(u64::try_from(filed.iter().filter(counts).count())?)
    }

    /// Whether an order stands so.
    async fn any(&self, status: &str) -> anyhow::Result<bool> {
        let answer = self
            .operator
            .get(&format!("/v1/orders?status={status}&limit=1"))
            .await?;
        let json = answer.json();
        let items = json.get("items").and_then(Value::as_array);
        let items = items.with_context(|| format!("no list of orders: {}", answer.text))?;
        Ok(!items.is_empty())
    }

    /// Waits until the ERP and the warehouse have everything; false where that takes too long.
    pub(in crate::workloads) async fn drained(&self) -> anyhow::Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < DRAINED_WITHIN {
            if !self.any("received").await? && !self.any("accepted").await? {
                return Ok(true);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(false)
    }
}

/// Who is offered orders, how many callers there are, and where the orders end.
pub(in crate::workloads) struct Racer<'a> {
    pub(in crate::workloads) contestant: Contestant,
    pub(in crate::workloads) callers: u32,
    pub(in crate::workloads) behind: Option<&'a Behind<'a>>,
}

/// What a turn has shown beside its lap.
pub(in crate::workloads) struct Turn {
    pub(in crate::workloads) lap: Lap,
    /// Orders that arrived at the end.
    pub(in crate::workloads) arrived: u64,
    /// From the first order until the last one had arrived.
    pub(in crate::workloads) took: Duration,
    /// Whether all had, before the patience ended.
    pub(in crate::workloads) drained: bool,
}

impl<'a> Racer<'a> {
    /// The same under another name.
    pub(super) fn named(&self, name: String) -> Racer<'a> {
        let one = &self.contestant;
        Racer {
            contestant: Contestant {
                name,
                kind: one.kind,
                version: one.version.clone(),
                target: Arc::clone(&one.target),
                pids: one.pids.clone(),
                kept: Vec::new(),
            },
            ..*self
        }
    }

    /// One turn, as fast as its callers go.
    pub(in crate::workloads) async fn turn(
        &self,
        lasts: Duration,
        round: usize,
    ) -> anyhow::Result<Turn> {
        self.paced(Pace::closed(lasts, self.callers), round).await
    }

    /// One turn. Processor time counts until the last order has arrived, and for each that has.
    pub(super) async fn paced(&self, pace: Pace, round: usize) -> anyhow::Result<Turn> {
        let before = match self.behind {
            Some(behind) => {
                behind.log_in().await?;
                behind.filed().await?
            }
            None => 0,
        };
        let load = load_average();
        let begun = Instant::now();
        let meter = Meter::start(&self.contestant.pids);
        let came = drive(pace, &self.contestant.target).await;
        anyhow::ensure!(
            came.answered() > 0,
            "{} takes no order: {:?}",
            self.contestant.name,
            came.refused.first()
        );
        let drained = match self.behind {
            Some(behind) => behind.drained().await?,
            None => true,
        };
        let took = begun.elapsed();
        let used = meter.stop().await;
        let mut lap = lap(&self.contestant, round, &came, used, load);
        let arrived = match self.behind {
            Some(behind) => behind.filed().await?.saturating_sub(before),
            None => lap.answered,
        };
        let used = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        lap.cpu_ns = used.checked_div(arrived).unwrap_or_default();
        Ok(Turn {
            lap,
            arrived,
            took,
            drained,
        })
    }
}

/// How each stands: what an order costs until it has arrived, how fast orders are acknowledged, and how fast they arrive.
pub(in crate::workloads) fn table(title: &str, standings: &[Standing], turns: &[Turn]) -> Table {
    let row = |standing: &Standing| {
        let own: Vec<&Turn> = turns
            .iter()
            .filter(|turn| turn.lap.contestant == standing.name)
            .collect();
        let rate = Spread::of(own.iter().map(|turn| per_second(turn.arrived, turn.took)));
        let arrived: u64 = own.iter().map(|turn| turn.arrived).sum();
        let undrained = own.iter().filter(|turn| !turn.drained).count();
        let name = &standing.name;
        let cpu = standing.cpu;
        vec![
            match standing.kind {
                Kind::Orderway => format!("**{name}**"),
                Kind::Floor => format!("{name} (limit)"),
                Kind::Peer => format!("{name} {}", standing.version),
            },
            format!(
                "{} ({} to {})",
                micros(cpu.median),
                micros(cpu.least),
                micros(cpu.most)
            ),
            standing.per_second.median.to_string(),
            rate.median.to_string(),
            standing.p50_us.median.to_string(),
            standing.p99_us.median.to_string(),
            mebibytes(standing.memory_kib.median),
            format!("{} / {arrived} / {}", standing.answered, standing.failed),
            undrained.to_string(),
        ]
    };
    Table {
        title: title.to_owned(),
        head: [
            "who",
            "CPU µs an order: median (least to most)",
            "acknowledged a second",
            "arrived a second",
            "p50 µs",
            "p99 µs",
            "MiB (PSS)",
            "acknowledged / arrived / not taken",
            "rounds not drained in 120 s",
        ]
        .map(str::to_owned)
        .into(),
        rows: standings.iter().map(row).collect(),
    }
}

fn per_second(count: u64, took: Duration) -> u64 {
    let rate = u128::from(count).saturating_mul(1_000_000_000) / took.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}
