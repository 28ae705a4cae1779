//! Other software that takes orders of 5 lines, beside Orderway through three layers: reported, and bound by no goal. What each does
//! and leaves out is said of it.

use std::{path::Path, sync::Arc, time::Duration};

use tests::processes::Ports;

use super::{
    LINES, Options, Racer, THREE, of,
    sheets::{Identity, Numbers, Sheet, target},
    stand,
    turn::table,
};
use crate::{
    contest::{Contestant, Kind, Standing, pids},
    figures::Ratio,
    load::{Pace, Target, succeeded},
    peers::{Shop, Site, dbos, medusa, node_red, oscar, pgbench::Server, restate, vendure},
    report::{Report, Table},
    say,
};

/// A cart of some takes seconds, and the first one more.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
enum Peer {
    NodeRed,
    Restate,
    Dbos,
    Oscar,
    Vendure,
    Medusa,
}

impl Peer {
    const ALL: [Self; 6] = [
        Self::NodeRed,
        Self::Restate,
        Self::Dbos,
        Self::Oscar,
        Self::Vendure,
        Self::Medusa,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::NodeRed => "Node-RED, one flow",
            Self::Restate => "Restate, five durable steps",
            Self::Dbos => "DBOS on PostgreSQL, five durable steps",
            Self::Oscar => "django-oscar on SQLite",
            Self::Vendure => "Vendure on PostgreSQL",
            Self::Medusa => "Medusa on PostgreSQL",
        }
    }

    /// As many as keep it busy, and no more.
    const fn callers(self) -> u32 {
        match self {
            Self::NodeRed => 32,
            Self::Restate | Self::Dbos => 16,
            Self::Oscar | Self::Vendure | Self::Medusa => 2,
        }
    }

    /// What its order is, beside Orderway's.
    const fn what(self) -> &'static str {
        match self {
            Self::NodeRed => {
                "one function prices, and holds stock and credit in memory; nothing is durable"
            }
            Self::Restate => {
                "as it comes (its log is synced), one node; the steps are trivial: no stock and no credit is held"
            }
            Self::Dbos => {
                "one process of FastAPI; the steps are trivial: no stock and no credit is held"
            }
            Self::Oscar => {
                "its own basket, strategy, offers, stock and order creator behind a JSON view; WAL, synchronous=FULL; two workers of \
                 gunicorn; no tax, no credit"
            }
            Self::Vendure => {
                "order, lines, address, shipping, payment by its own services, in one transaction behind a JSON route; with taxes, \
                 promotions and stock; no credit"
            }
            Self::Medusa => {
                "cart, shipping, payment and completion by its own workflows behind a JSON route; with taxes, promotions and stock; its \
                 events and locks are in memory; no credit"
            }
        }
    }

    async fn open(self, site: Site<'_>) -> anyhow::Result<Shop> {
        match self {
            Self::NodeRed => node_red::orders(site).await,
            Self::Restate => restate::orders(site).await,
            Self::Dbos => dbos::orders(site).await,
            Self::Oscar => oscar::orders(site).await,
            Self::Vendure => Box::pin(vendure::orders(site)).await,
            Self::Medusa => Box::pin(medusa::orders(site)).await,
        }
    }
}

/// Those that can be had, in turn with Orderway; the others are told in the report.
pub(super) async fn race(
    report: &mut Report,
    racers: &[Racer<'_>],
    (folder, numbers): (&Path, &Numbers),
    options: &Options,
) -> anyhow::Result<()> {
    let [lines, _] = LINES;
    let ours = of(THREE, lines);
    let own = |racer: &&Racer<'_>| racer.contestant.name == ours;
    let mut beside: Vec<Racer<'_>> = racers
        .iter()
        .filter(own)
        .map(|racer| racer.named(format!("{ours}, beside peers")))
        .collect();
    let mut ports = Ports::default();
    // Their databases live as long as they are raced.
    let mut servers = Vec::new();
    for peer in Peer::ALL {
        let site = Site {
            ports: &mut ports,
            cache: &options.cache,
            folder: folder.join(format!("{peer:?}")),
        };
        match open(peer, site, numbers).await {
            Ok((racer, server)) => {
                report
                    .settings
                    .push(format!("{}: {}", racer.contestant.name, peer.what()));
                beside.push(racer);
                servers.extend(server);
            }
            Err(error) => report.left_out.push(format!("{}: {error:#}", peer.name())),
        }
    }
    report.settings.push(
        "the peers have no token to check, no audit trail and no ERP behind them; the processor time of a PostgreSQL counts with its \
         shop's, and their orders end where they are answered"
            .to_owned(),
    );
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        for racer in &beside {
            let turned = racer.paced(pace(options.lasts, racer.callers), round).await;
            match turned {
                Ok(turn) => turns.push(turn),
                Err(error) => report.left_out.push(format!("round {round}: {error:#}")),
            }
        }
        say(&format!(
            "round {round} of {} beside peers is done",
            options.rounds
        ))?;
    }
    let standings = stand(&beside, &turns);
    let table = table(
        "Beside other software: orders of 5 lines",
        &standings,
        &turns,
    );
    report.tables.push(with_ratios(table, &standings));
    report.laps.extend(turns.into_iter().map(|turn| turn.lap));
    Ok(())
}

fn pace(lasts: Duration, callers: u32) -> Pace {
    Pace {
        patience: PATIENCE,
        ..Pace::closed(lasts, callers)
    }
}

/// One that runs and has taken orders, with its database.
async fn open<'a>(
    peer: Peer,
    site: Site<'_>,
    numbers: &Numbers,
) -> anyhow::Result<(Racer<'a>, Option<Server>)> {
    let [lines, _] = LINES;
    let shop = peer.open(site).await?;
    let url = format!("http://{}", shop.address);
    let order = (Sheet::portal(lines), numbers.clone());
    let target = Target {
        judge: Box::new(succeeded),
        ..target(&url, shop.path, Identity::None, order)?
    };
    let mut processes = pids(&shop.kept);
    processes.extend(shop.server.iter().flat_map(Server::pids));
    let racer = Racer {
        contestant: Contestant {
            name: format!("{}, {} callers", peer.name(), peer.callers()),
            kind: Kind::Peer,
            version: shop.version,
            target: Arc::new(target),
            pids: processes,
            kept: shop.kept,
        },
        callers: peer.callers(),
        behind: None,
    };
    racer
        .paced(pace(Duration::from_secs(1), racer.callers), 0)
        .await?;
    Ok((racer, shop.server))
}

/// With what an order costs Orderway beside what it costs each.
fn with_ratios(mut table: Table, standings: &[Standing]) -> Table {
    let ours = standings
        .iter()
        .find(|standing| standing.kind == Kind::Orderway);
    let ratios = standings.iter().map(|standing| {
        let ratio = ours.and_then(|ours| Ratio::of(ours.cpu.median, standing.cpu.median));
        ratio.map_or_else(String::new, |ratio| ratio.to_string())
    });
    for (row, ratio) in table.rows.iter_mut().zip(ratios) {
        row.push(ratio);
    }
    table.head.push("CPU: Orderway to it".to_owned());
    table
}
