//! W1: a page of 20 products with price and availability, warm, through three layers, with token checks and limits.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use tests::processes::{Binaries, Ports};

use super::{
    Options, page_peers,
    portal::{path, target},
};
use crate::{
    contest::{Contestant, Kind, race, standings},
    estate::{Estate, Plan},
    figures::Ratio,
    floors,
    load::{Pace, Target, ask},
    machine::{Machine, Side},
    report::{Goal, Report},
};

/// Pages of the catalogue that are asked for in turn, of one account.
pub(super) const PAGES: usize = 10;
const PRODUCTS: usize = 20;
/// The load: so far from what any of them can do that each is measured at work and none at its end.
const PER_SECOND: u32 = 500;
const CONNECTIONS: u32 = 32;

pub(crate) const ORDERWAY: &str = "Orderway, three layers";
const FLOOR: &str = "three bare hops and JSON";
const STATIC: &str = "one bare hop, bytes";

/// Races the portal's page against floors and peers.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    let mut report = Report::new("W1", "a page of 20 products, warm", machine);
    let estate = Estate::start(binaries, &Plan::default().far_budgets()).await?;
    let folder = estate.folder.path().join("pages");
    let ours = portal(&estate, &folder).await?;
    let mut contestants = vec![ours];
    let mut ports = Ports::default();
    contestants.extend(floors(&mut ports, &folder).await?);
    let peers = page_peers::join(options, &mut ports, &folder, &mut report).await?;
    contestants.extend(peers);
    let pace = Pace::open(PER_SECOND, options.lasts, CONNECTIONS);
    report.settings.extend([
        format!(
            "{PER_SECOND} requests a second for {} s over {CONNECTIONS} connections, {} rounds, each contestant in turn; {PAGES} \
             pages of {PRODUCTS} products of one account",
            options.lasts.as_secs(),
            options.rounds
        ),
        "what is measured has one core, the load and the world outside the other".to_owned(),
    ]);
    report.laps = race(&contestants, pace, options.rounds).await?;
    report.standings = standings(&contestants, &report.laps);
    report.goals = vec![Goal::at_most(
        "CPU a page: to three bare hyper hops and typed JSON",
        report.cpu(ORDERWAY, FLOOR),
        Ratio::hundredths(200),
    )];
    page_peers::judge(options, &mut report);
    Ok(report)
}

/// The portal as a contestant, with its pages kept in a folder for the others.
async fn portal(estate: &Estate, folder: &Path) -> anyhow::Result<Contestant> {
    let token = estate.token("acme-buyer").await?;
    let host = estate.experience.trim_start_matches("http://").to_owned();
    let address: SocketAddr = host.parse()?;
    let mut paths = vec![path(PRODUCTS, None)];
    std::fs::create_dir_all(folder)?;
    for number in 0..PAGES {
        let last = paths.last().cloned().unwrap_or_default();
        let target = target(address, host.clone(), token.clone(), vec![last]);
        let answer = whole(&target).await?;
        std::fs::write(folder.join(format!("{number}.json")), &answer)?;
        let page: serde_json::Value = serde_json::from_slice(&answer)?;
        let next = page.get("next").and_then(serde_json::Value::as_str);
        if let Some(next) = next.filter(|_| number.saturating_add(1) < PAGES) {
            paths.push(path(PRODUCTS, Some(next)));
        }
    }
    anyhow::ensure!(paths.len() == PAGES, "{} pages of {PAGES}", paths.len());
    Ok(Contestant {
        name: ORDERWAY.to_owned(),
        kind: Kind::Orderway,
        version: String::new(),
        target: Arc::new(target(address, host, token, paths)),
        pids: estate.pids(),
        kept: Vec::new(),
    })
}

/// A page on which every product has its price and its stock.
async fn whole(target: &Target) -> anyhow::Result<Vec<u8>> {
    let mut last = String::new();
    for _ in 0..50 {
        let answer = ask(target, 0).await?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        let has = |what: &str| text.matches(what).count() >= PRODUCTS;
        if answer.status().is_success() && has("\"price\":{") && has("\"availability\":{") {
            return Ok(text.into_bytes());
        }
        last = text;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("a page is never whole: {last}")
}

/// The limits: three hops that read and write the page as what it says, and one that sends bytes.
async fn floors(ports: &mut Ports, folder: &Path) -> anyhow::Result<Vec<Contestant>> {
    let place = folder.to_str().context("a folder's name is UTF-8")?;
    let log = |name: &str| folder.with_file_name(format!("{name}.log"));
    let bytes = ["pages", "--folder", place];
    let bytes = floors::start(ports, Side::Measured, &bytes, log("pages")).await?;
    let typed = ["typed-pages", "--folder", place];
    let typed = floors::start(ports, Side::Measured, &typed, log("typed")).await?;
    let to = typed.address.to_string();
    let middle = floors::start(ports, Side::Measured, &["hop", "--to", &to], log("middle")).await?;
    let to = middle.address.to_string();
    let outer = floors::start(ports, Side::Measured, &["hop", "--to", &to], log("outer")).await?;
    let paths: Vec<String> = (0..PAGES).map(|number| format!("/{number}")).collect();
    let contestant = |name: &str, running: Vec<floors::Running>| {
        let address = running.last().map(|last| last.address)?;
        let kept: Vec<_> = running.into_iter().map(|one| one.kept).collect();
        Some(Contestant {
            name: name.to_owned(),
            kind: Kind::Floor,
            version: String::new(),
            target: Arc::new(target(
                address,
                address.to_string(),
                "none".to_owned(),
                paths.clone(),
            )),
            pids: crate::contest::pids(&kept),
            kept,
        })
    };
    Ok([
        contestant(FLOOR, vec![typed, middle, outer]),
        contestant(STATIC, vec![bytes]),
    ]
    .into_iter()
    .flatten()
    .collect())
}
