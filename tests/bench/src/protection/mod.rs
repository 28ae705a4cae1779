//! What a real ERP sees of a busy shop, and what its buyers see: through Orderway from empty caches, then warm, with orders
//! beside it; orders while browsing wants more than the ERP can give; and the same demand put on the ERP directly.
//!
//! The ERP is a server of its own before the databases of `tests/backends/tryton`, and is thrown away afterwards; the layers and
//! the load run in this process.

mod demand;
mod direct;
mod open_loop;
mod orders;
mod tables;
mod through;

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use orderway::{Backends, backends::Tryton};
use reqwest::Client;
use sandbox::fault::{CallRecord, FaultPlan};
use serde_json::Value;
use tests::{Operator, Setup, World, own_tryton::OwnTryton};
use uuid::Uuid;

use self::{
    demand::Demand,
    direct::DirectShop,
    open_loop::{Pace, Sample, Seen, drive},
    through::Shop,
};
use crate::say;

/// As long as a browser waits for its page.
const PATIENCE: Duration = Duration::from_secs(30);
/// A shop holds no more requests open than this.
const IN_FLIGHT: usize = 2_000;
/// One order in so long: Tryton takes half an order a second when it has nothing else to do, and those of one account one after
/// the other.
const AN_ORDER_EVERY: Duration = Duration::from_secs(8);
/// Requests a second, and for how long, that warm the caches.
const WARMED_AT: u32 = 20;
const WARMED_FOR: Duration = Duration::from_secs(60);
/// Browsing that wants more than the ERP can give, where nothing is kept: requests a second.
const TOO_MANY: u32 = 50;

/// Measures all of it, and prints it as tables.
pub(crate) async fn run(rate: u32, lasts: Duration, seed: u64) -> anyhow::Result<()> {
    let shared = Tryton::told()?;
    let http = Client::builder().no_proxy().build()?;
    let pace = Pace {
        per_second: rate,
        lasts,
        in_flight: IN_FLIGHT,
        patience: PATIENCE,
    };

    let server = OwnTryton::start(&shared).await?;
    {
        let measured = Measured::start(&server, http.clone(), &[]).await?;
        let title = format!("Through Orderway, from empty caches: {rate} requests a second");
        measured.part(&title, pace, seed).await?;
        measured.warm(pace).await;
        let title = format!("Through Orderway, warm: {rate} requests a second");
        measured.part(&title, pace, seed).await?;
        measured.world.stop().await?;
    }
    {
        let nothing_kept = ["PRODUCTS", "PRICES", "STOCK", "CATALOGUE"];
        let measured = Measured::start(&server, http.clone(), &nothing_kept).await?;
        let quiet = Pace {
            per_second: 1,
            ..pace
        };
        let title = "Orders while one page a second is browsed";
        measured.part(title, quiet, seed).await?;
        let saturated = Pace {
            per_second: TOO_MANY,
            ..pace
        };
        let title =
            format!("Orders while {TOO_MANY} requests a second want facts, and none is kept");
        measured.part(&title, saturated, seed).await?;
        measured.world.stop().await?;
    }
    // What the layers had asked for is done with.
    drop(server);

    let server = OwnTryton::start(&shared).await?;
    let shop = DirectShop::open(&server.told(), http).await?;
    let mut demand = Demand::new(seed);
    let next = || {
        let ask = demand.ask();
        (ask.what.kind(), ask)
    };
    let samples = drive(pace, next, |ask| shop.clone().ask(ask)).await;
    say(&format!(
        "\n## The same demand on Tryton directly, without orders\n\n{}",
        tables::by_kind(&samples)
    ))
}

/// A world before Tryton, and those who use it.
struct Measured {
    world: World,
    shop: Shop,
    operator: Operator,
    /// Where calls of the first company's ERP go.
    path: String,
}

impl Measured {
    async fn start(
        server: &OwnTryton,
        http: Client,
        nothing_kept: &[&str],
    ) -> anyhow::Result<Self> {
        let mut setup = Setup {
            backends: Backends::Tryton(server.told()),
            ..Setup::default()
        };
        let mut settings = vec![];
        for limit in ["CREDENTIAL", "ACCOUNT"] {
            for key in ["PER_SECOND", "BURST"] {
                settings.push((format!("EXPERIENCE__LIMITS__{limit}__{key}"), "100000"));
            }
        }
        for layer in ["EXPERIENCE", "PROCESS", "SYSTEM"] {
            settings.push((format!("{layer}__REQUESTS__IN_FLIGHT"), "4000"));
        }
        let of_one = "EXPERIENCE__REQUESTS__IN_FLIGHT_PER_CREDENTIAL".to_owned();
        settings.push((of_one, "3000"));
        for fact in nothing_kept {
            for key in [
                "FRESH",
                "STALE_WHILE_REVALIDATE",
                "STALE_IF_ERROR",
                "ABSENT",
            ] {
                settings.push((format!("SYSTEM__ERP__TRYTON__CACHE__{fact}__{key}"), "0s"));
            }
        }
        for (name, value) in settings {
            setup = setup.with(&format!("ORDERWAY_{name}"), value);
        }
        let world = World::start_with(setup).await?;
        world.estate.erp_proxy.set_plan(FaultPlan {
            subject: Some("/method".to_owned()),
            ..FaultPlan::default()
        })?;
        Ok(Self {
            shop: Shop::open(&world, &http).await?,
            operator: world.operator()?,
            path: format!("/{}/", server.told().database("erp")?),
            world,
        })
    }

    /// Browses gently until the ERP has told what there is to tell; nothing of it is counted.
    async fn warm(&self, pace: Pace) {
        let gentle = Pace {
            per_second: WARMED_AT,
            lasts: WARMED_FOR,
            ..pace
        };
        let mut all = (0_usize..).map(Demand::in_turn);
        let next = || {
            (
                "page of 20",
                all.next().unwrap_or_else(|| Demand::in_turn(0)),
            )
        };
        drive(gentle, next, |ask| self.shop.clone().ask(1, ask)).await;
    }

    /// One part: the demand, and beside it orders.
    async fn part(&self, title: &str, pace: Pace, seed: u64) -> anyhow::Result<()> {
        self.world.estate.erp_proxy.clear_log();
        let before = self.kept().await?;
        let mut demand = Demand::new(seed);
        let mut number = 0_u64;
        let next = || {
            let ask = demand.ask();
            number = number.saturating_add(1);
            (ask.what.kind(), (number, ask))
        };
        let browsing = drive(pace, next, |(number, ask)| {
            self.shop.clone().ask(number, ask)
        });
        let run = Uuid::new_v4().simple().to_string();
        let ordering = orders::place(&self.shop, &run, AN_ORDER_EVERY, pace.lasts);
        let watching = self.waiting(pace.lasts);
        let (samples, placed, waited) = tokio::join!(browsing, ordering, watching);
        let after = self.kept().await?;
        say(&format!("\n## {title}\n"))?;
        say(&tables::by_kind(&samples))?;
        say(&self.facts(&samples, &before, &after))?;
        say(&self.calls(pace.lasts))?;
        say(&orders::told(&placed?))?;
        say(&format!("Longest wait seen in each lane: {}.", waited?))
    }

    /// Ages, and how the caches served.
    fn facts(&self, samples: &[Sample], before: &Kept, after: &Kept) -> String {
        let seen = tables::seen(samples);
        let ages = seen.iter().filter_map(|answer| answer.oldest);
        let [p50, p99, longest] = tables::spread(ages.collect());
        let sum = |of: fn(&Seen) -> usize| seen.iter().map(of).fold(0, usize::saturating_add);
        let products = sum(|answer| answer.products);
        let of = |name: &str| {
            let count = |kept: &Kept| kept.get(name).copied().unwrap_or_default();
            count(after).saturating_sub(count(before))
        };
        let [hits, renewed, misses, stale] =
            ["hits", "revalidated_hits", "misses", "stale_hits"].map(of);
        let asked = hits
            .saturating_add(renewed)
            .saturating_add(misses)
            .saturating_add(stale);
        format!(
            "Oldest fact of an answer: {p50} ms at the median, {p99} ms p99, {longest} ms at most. Products shown without their \
             price: {} %, without their stock: {} %. Facts asked for: {asked}; answered from what is kept: {} % (of them {renewed} \
             while they were asked for anew), stood in for a failure: {stale}.",
            tables::percent(sum(|answer| answer.unpriced), products),
            tables::percent(sum(|answer| answer.unstocked), products),
            tables::percent(hits.saturating_add(renewed), asked)
        )
    }

    /// What the ERP saw.
    fn calls(&self, lasts: Duration) -> String {
        let proxy = &self.world.estate.erp_proxy;
        // Those of the second company's ERP, which nobody uses, go the same way.
        let of_erp = |call: &CallRecord| call.path.starts_with(&self.path);
        let most = proxy.max_calls_in_window_where(Duration::from_secs(1), of_erp);
        let mut log = proxy.log();
        log.retain(of_erp);
        let mut by_method = BTreeMap::<String, u32>::new();
        for call in &log {
            let method = call.subject.clone().unwrap_or_default();
            let count = by_method.entry(method).or_default();
            *count = count.saturating_add(1);
        }
        let mut by_method: Vec<(String, u32)> = by_method.into_iter().collect();
        by_method.sort_by_key(|(_, count)| Reverse(*count));
        let told: Vec<String> = by_method
            .into_iter()
            .take(6)
            .map(|(method, count)| format!("{count} `{}`", method.trim_start_matches("model.")))
            .collect();
        let took = log
            .iter()
            .map(|call| Duration::from_millis(call.duration_ms));
        let [p50, p99, longest] = tables::spread(took.collect());
        format!(
            "Tryton saw {} calls in {} s, at most {most} in any second (its budget: 10); they took {p50} ms at the median, {p99} ms \
             p99, {longest} ms at most. Most of them: {}.",
            log.len(),
            lasts.as_secs(),
            told.join(", ")
        )
    }

    /// How the caches of the ERP have served until now, over all its operations.
    async fn kept(&self) -> anyhow::Result<Kept> {
        let mut kept = Kept::new();
        let system = self.system().await?;
        let operations = system.get("operations").and_then(Value::as_array);
        for operation in operations.into_iter().flatten() {
            let cache = operation.get("cache").and_then(Value::as_object);
            for (name, count) in cache.into_iter().flatten() {
                let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
                let sum = kept.entry(name.clone()).or_default();
                *sum = sum.saturating_add(count.unwrap_or_default());
            }
        }
        Ok(kept)
    }

    /// The longest time that the first of a lane was seen to wait, looked at ten times a second.
    async fn waiting(&self, lasts: Duration) -> anyhow::Result<String> {
        let mut longest = BTreeMap::<String, u64>::new();
        let end = tokio::time::Instant::now() + lasts;
        while tokio::time::Instant::now() < end {
            let system = self.system().await?;
            let lanes = system.pointer("/budget/lanes").and_then(Value::as_array);
            for lane in lanes.into_iter().flatten() {
                let name = lane.get("lane").and_then(Value::as_str);
                let oldest = lane.get("oldest_ms").and_then(Value::as_u64);
                let seen = longest.entry(name.unwrap_or_default().to_owned());
                let seen = seen.or_default();
                *seen = (*seen).max(oldest.unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let told: Vec<String> = longest
            .into_iter()
            .map(|(lane, ms)| format!("{lane} {ms} ms"))
            .collect();
        Ok(told.join(", "))
    }

    async fn system(&self) -> anyhow::Result<Value> {
        let systems = self.operator.get("/v1/systems").await?;
        let all = systems.json();
        let all = all.get("systems").and_then(Value::as_array);
        let found = all
            .into_iter()
            .flatten()
            .find(|system| system.get("system").is_some_and(|name| name == "tryton"));
        found
            .cloned()
            .with_context(|| format!("no system tryton: {}", systems.text))
    }
}

/// Counters of the caches by name.
type Kept = BTreeMap<String, usize>;
