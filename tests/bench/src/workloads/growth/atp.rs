//! What is available, over a stock ledger of few items and of very many.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::tests::processes::Binaries;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, Uri,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::Full;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sandbox::{
    Clock, RunningSandbox, Sandbox, SandboxConfig, Seed, SeedSizes,
    seed::{Site, StockRecord},
};
use serde_json::json;

use super::{kibibytes, micros_each, number, told};
use crate::{
    contest::{self, Contestant, Kind, Standing, standings},
    estate::{Estate, Plan},
    figures::{Ratio, mebibytes, micros},
    load::{Pace, Target, ask, succeeded},
    report::{Report, Table},
    say,
    tree::Meter,
    workloads::{
        Options,
        orders::sheets::{ACCOUNT, Identity, Signer},
    },
};

const FEW: u32 = 200;
const MANY: u32 = 100_000;
const SITES: u32 = 10;
/// Items of a question.
const QUESTIONS: [u32; 2] = [1, 20];
/// Items of a question that fills the ledger: the most that one may have.
const PAGE: u32 = 200;
const CALLERS: u32 = 8;
/// From an item to the next of its question: a prime, so that none is asked for twice in one.
const STRIDE: u32 = 7_919;
/// Facts are as fresh as this: no turn asks the ERP.
const FRESH: &str = "6h";

/// Orderway with a stock ledger of so many items.
struct Shop {
    items: u32,
    estate: Estate,
    filled: Filled,
    #[expect(dead_code, reason = "held, so that it goes on until then")]
    world: RunningSandbox,
}

/// How the ledger was filled.
struct Filled {
    used: Duration,
    took: Duration,
    rows: u64,
    bytes: u64,
}

/// Asks over both ledgers in turn.
pub(super) async fn race(
    report: &mut Report,
    binaries: &Binaries,
    options: &Options,
) -> anyhow::Result<()> {
    let mut shops = Vec::new();
    for items in [FEW, MANY] {
        let shop = Box::pin(Shop::open(binaries, items)).await?;
        say(&format!(
            "a stock ledger of {} rows is filled",
            shop.filled.rows
        ))?;
        shops.push(shop);
    }
    let mut contestants = Vec::new();
    for shop in &shops {
        for count in QUESTIONS {
            contestants.push(Contestant {
                name: name(count, shop.items),
                kind: Kind::Orderway,
                version: String::new(),
                target: Arc::new(question(&shop.estate, shop.items, count)?),
                pids: shop.estate.process_pid(),
                kept: Vec::new(),
            });
        }
    }
    let pace = Pace::closed(options.lasts, CALLERS);
    let laps = contest::race(&contestants, pace, options.rounds).await?;
    report.settings.push(settings(options));
    report.tables.push(filled_table(&shops));
    report
        .tables
        .push(answers_table(&standings(&contestants, &laps)));
    report.laps.extend(laps);
    Ok(())
}

fn name(count: u32, items: u32) -> String {
    format!("availability of {count} items, ledger of {items}")
}

fn settings(options: &Options) -> String {
    format!(
        "availability at {SITES} sites: {CALLERS} callers ask process-apis for items by luck, for {} s; the ERP is the sandbox with a world \
         of as many items and sites, without the buyers' own numbers; each ledger was filled by asking for all its items, {PAGE} at a \
         time; then system-apis answer from what they keep (fresh for {FRESH}), and process-apis read their ledger and write nothing. \
         Processor time is that of process-apis alone, with two calls of system-apis for each question",
        options.lasts.as_secs()
    )
}

/// The generated world with so many items, and what stands in its first site in each of ten.
fn world(items: u32) -> Seed {
    let mut seed = Seed::generate(&SeedSizes {
        accounts: 3,
        items,
        rng_seed: 1,
        base_date: Clock::system().today(),
    });
    for account in &mut seed.accounts {
        account.part_numbers.clear();
    }
    let first = seed.sites.first().map(|site| site.id.clone());
    seed.sites = sites()
        .map(|id| Site {
            name: id.clone(),
            id,
        })
        .collect();
    seed.stock.retain(|row| Some(&row.site) == first.as_ref());
    let at_each = |row: StockRecord| {
        sites().map(move |site| StockRecord {
            site,
            ..row.clone()
        })
    };
    seed.stock = seed.stock.into_iter().flat_map(at_each).collect();
    seed
}

fn sites() -> impl Iterator<Item = String> {
    (1..=SITES).map(|number| format!("S{number:02}"))
}

fn plan() -> Plan {
    let sites: Vec<String> = sites()
        .map(|site| format!("{site} = \"warehouse\""))
        .collect();
    let company = format!(
        "{{ NWI = {{ erp = \"main\", crm = \"customers\", sites = {{ {} }} }} }}",
        sites.join(", ")
    );
    let mut plan = Plan::default()
        .far_budgets()
        .with("ORDERWAY_SYSTEM__COMPANIES", company);
    for kind in ["ACCOUNTS", "PRODUCTS", "STOCK"] {
        let name = format!("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__{kind}");
        plan = plan
            .with(&format!("{name}__FRESH"), FRESH)
            .with(&format!("{name}__STALE_IF_ERROR"), FRESH)
            .with(
                &format!("{name}__ENTRIES"),
                MANY.saturating_mul(SITES).saturating_mul(2),
            );
    }
    plan
}

impl Shop {
    /// Fills its ledger by asking for each item once.
    async fn open(binaries: &Binaries, items: u32) -> anyhow::Result<Self> {
        let world = Sandbox::start(SandboxConfig::new(world(items))).await?;
        let estate = Estate::above(&world, binaries, &plan()).await?;
        let every = asking(&estate, PAGE, move |page| {
            let first = u32::try_from(page).unwrap_or(u32::MAX).saturating_mul(PAGE);
            (first..first.saturating_add(PAGE)).collect()
        })?;
        let (begun, meter) = (
            std::time::Instant::now(),
            Meter::start(&estate.process_pid()),
        );
        for page in 0..u64::from(items / PAGE) {
            let answer = ask(&every, page).await?;
            if let Some(why) = (every.judge)(&answer) {
                anyhow::bail!("the ledger is not filled: {why}");
            }
        }
        let (took, used) = (begun.elapsed(), meter.stop().await);
        let store = estate.store();
        let filled = Filled {
            used,
            took,
            rows: number(&store, "SELECT count(*) FROM stock")?,
            bytes: number(
                &store,
                "SELECT pgsize FROM dbstat WHERE aggregate = TRUE AND name = 'stock'",
            )?,
        };
        let wanted = u64::from(items).saturating_mul(SITES.into());
        anyhow::ensure!(
            filled.rows == wanted,
            "{} rows are in the ledger, and {wanted} were to be",
            filled.rows
        );
        Ok(Self {
            items,
            estate,
            filled,
            world,
        })
    }
}

/// Asks for so many items, other ones each time.
fn question(estate: &Estate, items: u32, count: u32) -> anyhow::Result<Target> {
    asking(estate, count, move |number| {
        let first: u32 = StdRng::seed_from_u64(number).random_range(0..items);
        let place = |step: u32| first.saturating_add(step.saturating_mul(STRIDE)) % items;
        (0..count).map(place).collect()
    })
}

/// Asks for these items each time, counted from 0.
fn asking(
    estate: &Estate,
    count: u32,
    items: impl Fn(u64) -> Vec<u32> + Send + Sync + 'static,
) -> anyhow::Result<Target> {
    let host = estate.process.trim_start_matches("http://").to_owned();
    let address: SocketAddr = host.parse()?;
    let host = HeaderValue::try_from(host)?;
    let identity = Identity::Signed(Box::new(Signer::new()?));
    let rows = usize::try_from(count.saturating_mul(SITES))?;
    Ok(Target {
        address,
        request: Box::new(move |number| {
            let number_of = |place: u32| format!("SKU-{:04}", place.saturating_add(1));
            let asked: Vec<String> = items(number).into_iter().map(number_of).collect();
            let body = json!({"account": ACCOUNT, "items": asked}).to_string();
            let mut request = Request::new(Full::new(Bytes::from(body)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = Uri::from_static("/v1/availability/query");
            let headers = request.headers_mut();
            headers.insert(HOST, host.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            identity.show(&number.to_string(), headers);
            request
        }),
        judge: Box::new(move |answer| succeeded(answer).or_else(|| partial(answer, rows))),
    })
}

/// What is wrong with an answer that is not of every item at every site, or not fresh.
fn partial(answer: &Response<Bytes>, rows: usize) -> Option<String> {
    let text = String::from_utf8_lossy(answer.body());
    let told = text.matches("\"site\":").count();
    let fresh = !text.contains("\"degraded\":true");
    (told != rows || !fresh).then(|| format!("{told} rows of {rows}, fresh: {fresh}"))
}

fn filled_table(shops: &[Shop]) -> Table {
    let row = |shop: &Shop| {
        let filled = &shop.filled;
        vec![
            shop.items.to_string(),
            filled.rows.to_string(),
            kibibytes(filled.bytes, shop.items.into()),
            filled.took.as_secs().to_string(),
            micros_each(filled.used, filled.rows),
        ]
    };
    Table {
        title: format!("Stock ledgers at {SITES} sites, filled by asking for every item once"),
        head: [
            "items",
            "rows",
            "KiB an item",
            "filled in s",
            "CPU µs a row, of process-apis",
        ]
        .map(str::to_owned)
        .into(),
        rows: shops.iter().map(row).collect(),
    }
}

/// Each question over both ledgers.
fn answers_table(standings: &[Standing]) -> Table {
    let mut rows = Vec::new();
    for count in QUESTIONS {
        let of = |items| {
            let name = name(count, items);
            standings.iter().find(move |standing| standing.name == name)
        };
        let few = of(FEW);
        for standing in [few, of(MANY)].into_iter().flatten() {
            let ratio = few.and_then(|few| Ratio::of(standing.cpu.median, few.cpu.median));
            rows.push(vec![
                standing.name.clone(),
                told(standing.cpu, micros),
                micros(standing.cpu.median / u64::from(count)),
                ratio.map_or_else(String::new, |ratio| ratio.to_string()),
                standing.p50_us.median.to_string(),
                standing.p99_us.median.to_string(),
                mebibytes(standing.memory_kib.median),
                format!("{} / {}", standing.answered, standing.failed),
            ]);
        }
    }
    Table {
        title: format!("What is available at {SITES} sites"),
        head: [
            "what",
            "CPU µs an answer: median (least to most)",
            "CPU µs an item",
            "to the smaller ledger",
            "p50 µs",
            "p99 µs",
            "MiB (PSS)",
            "answered / not",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_world_has_every_site_alike() {
        let world = world(200);
        assert_eq!((world.items.len(), world.sites.len()), (200, 10));
        let at = |site: &str| {
            let rows = world.stock.iter().filter(|row| row.site == site);
            let items: BTreeSet<_> = rows.map(|row| (&row.item, row.on_hand)).collect();
            items
        };
        assert!(at("S01").len() > 100);
        assert_eq!(at("S01"), at("S10"));
        assert_eq!(at("S01").len() * 10, world.stock.len());
    }

    #[test]
    fn an_answer_that_lacks_a_site_or_is_old_is_not_a_good_one() {
        let answer = |body: &'static str| Response::new(Bytes::from_static(body.as_bytes()));
        let whole = r#"{"items":[{"sites":[{"site":"S01"},{"site":"S02"}]}]}"#;
        assert_eq!(partial(&answer(whole), 2), None);
        assert!(partial(&answer(whole), 3).is_some());
        let old = r#"{"items":[{"sites":[{"site":"S01"}],"degraded":true}]}"#;
        assert!(partial(&answer(old), 1).is_some());
    }
}
