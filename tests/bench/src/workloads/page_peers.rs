//! W1 beside other software: the same pages through three hops of gateways, and from a flow that works them out.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context as _;
use serde_json::Value;
use tests::processes::{Kept, Ports};

use super::{
    Options,
    pages::{ORDERWAY, PAGES},
    portal::target,
};
use crate::{
    contest::{Contestant, Kind, pids},
    figures::Ratio,
    floors::{self, hop},
    load::ask,
    machine::Side,
    peers::{self, envoy, nginx, node_red},
    report::{Goal, Report},
};

const NGINX: &str = "three nginx hops";
const ENVOY: &str = "three Envoy hops";
const NODE_RED: &str = "Node-RED page";

/// Those that can be had, each looked at once: its pages are those of the folder. The others are told in the report.
pub(super) async fn join(
    options: &Options,
    ports: &mut Ports,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<Vec<Contestant>> {
    if !options.peers {
        return Ok(Vec::new());
    }
    let aside = |name: &str| folder.with_file_name(name);
    let mut found = Vec::new();
    let started = with_world(ports, folder, "nginx").await;
    let started = match started {
        Ok(world) => nginx::three_hops(ports, &aside("nginx"), world.address)
            .await
            .map(|peer| (peer, Some(world.kept))),
        Err(error) => Err(error),
    };
    found.push((NGINX, started));
    let started = envoy::three_hops(ports, &options.cache, &aside("envoy"), folder).await;
    found.push((ENVOY, started.map(|peer| (peer, None))));
    let started = with_world(ports, folder, "node-red").await;
    let started = match started {
        Ok(world) => node_red::page(ports, &options.cache, &aside("node-red"), world.address)
            .await
            .map(|peer| (peer, Some(world.kept))),
        Err(error) => Err(error),
    };
    found.push((NODE_RED, started));
    let mut contestants = Vec::new();
    for (name, started) in found {
        let joined = match started {
            Ok((peer, world)) => looked_at(name, peer, world, folder).await,
            Err(error) => Err(error),
        };
        match joined {
            Ok(contestant) => contestants.push(contestant),
            Err(error) => report.left_out.push(format!("{name}: {error:#}")),
        }
    }
    report.settings.extend([
        "nginx and Envoy have their three hops in one process of one worker, the token is a text to compare with, the limit one \
         bucket, and what they pass on they do not read; Orderway verifies a signed token, limits each caller, and works the page out"
            .to_owned(),
        "nginx's inner hop answers from its cache on disk, Envoy's from memory; Node-RED fetches each page from outside, works out \
         its lines again, and has one hop, without a limit"
            .to_owned(),
    ]);
    Ok(contestants)
}

/// The pages as an upstream, on the side of the load.
async fn with_world(
    ports: &mut Ports,
    folder: &Path,
    name: &str,
) -> anyhow::Result<floors::Running> {
    let place = folder.to_str().context("a folder's name is UTF-8")?;
    let log = folder.with_file_name(format!("{name}-world.log"));
    floors::start(ports, Side::Load, &["pages", "--folder", place], log).await
}

/// One that gives the very pages.
async fn looked_at(
    name: &str,
    peer: peers::Running,
    world: Option<Kept>,
    folder: &Path,
) -> anyhow::Result<Contestant> {
    let address: SocketAddr = peer.address;
    let paths: Vec<String> = (0..PAGES).map(|number| format!("/{number}")).collect();
    let target = target(address, address.to_string(), "none".to_owned(), paths);
    let pages = hop::pages(folder)?;
    for (number, page) in (0..).zip(&pages) {
        let answer = ask(&target, number).await?;
        let same = answer.status().is_success()
            && serde_json::from_slice::<Value>(answer.body())?
                == serde_json::from_str::<Value>(page)?;
        anyhow::ensure!(same, "page {number} is not that page: {}", answer.status());
    }
    let kept = vec![peer.kept];
    Ok(Contestant {
        name: name.to_owned(),
        kind: Kind::Peer,
        version: peer.version,
        target: Arc::new(target),
        pids: pids(&kept),
        kept: kept.into_iter().chain(world).collect(),
    })
}

/// The goals that name them.
pub(super) fn judge(options: &Options, report: &mut Report) {
    if !options.peers {
        return;
    }
    let goals = [
        ("CPU a page: to three Envoy hops", ENVOY, 70),
        ("CPU a page: to the Node-RED page", NODE_RED, 20),
        ("CPU a page: stretch: nginx's three hops", NGINX, 100),
    ];
    for (what, peer, bound) in goals {
        let is = report.cpu(ORDERWAY, peer);
        report
            .goals
            .push(Goal::at_most(what, is, Ratio::hundredths(bound)));
    }
}
