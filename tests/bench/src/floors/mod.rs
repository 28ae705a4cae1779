//! Limits: programs that do what nobody can do without, and nothing else. Each is this program itself, started as a process of its
//! own: `bench floor …`.

pub(crate) mod events;
pub(crate) mod hop;
pub(crate) mod orders;
pub(crate) mod page;
pub(crate) mod slow;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use tests::processes::{Kept, Ports, Program, until_up};

use crate::machine::Side;

/// Which floor, and where.
#[derive(Debug, Subcommand)]
pub(crate) enum Floor {
    /// Pages of a folder, as bytes that never change.
    Pages {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        folder: PathBuf,
    },
    /// The same pages, put into JSON from what is held of them.
    TypedPages {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        folder: PathBuf,
    },
    /// Passes on what another answers: read as JSON of its type, and written anew.
    Hop {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
    },
    /// The same pages as an ERP gives them that is slow.
    Slow {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        folder: PathBuf,
    },
    /// Takes orders: prices, stock and credit in memory, one commit for up to 64 of them.
    Orders {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        file: PathBuf,
    },
    /// Takes news of shipments: a row and a feed in one commit for up to 64 of them, and each posted, signed, to a subscriber.
    Events {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        file: PathBuf,
        /// The subscriber's address.
        #[arg(long)]
        to: String,
        /// What signs: `whsec_` and base64.
        #[arg(long)]
        secret: String,
    },
    /// Passes on orders: read as JSON of their type, and written anew.
    OrderHop {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
    },
    /// Commits one order after the other, for so many milliseconds, and prints how many a second.
    RawOrders {
        #[arg(long)]
        file: PathBuf,
        #[arg(long)]
        body: PathBuf,
        #[arg(long)]
        millis: u64,
    },
}

/// Does nothing else until it is killed.
pub(crate) async fn serve(floor: Floor) -> anyhow::Result<()> {
    match floor {
        Floor::Pages { listen, folder } => hop::serve_bytes(listen, &folder).await,
        Floor::TypedPages { listen, folder } => hop::serve_typed(listen, &folder).await,
        Floor::Hop { listen, to } => hop::pass_on(listen, to).await,
        Floor::Slow { listen, folder } => slow::serve_slowly(listen, &folder).await,
        Floor::Orders { listen, file } => orders::serve(listen, &file).await,
        Floor::Events {
            listen,
            file,
            to,
            secret,
        } => events::serve(listen, file, &to, &secret).await,
        Floor::OrderHop { listen, to } => orders::pass_on(listen, to).await,
        Floor::RawOrders { file, body, millis } => orders::raw(&file, &body, millis),
    }
}

/// A floor that runs.
pub(crate) struct Running {
    pub(crate) kept: Kept,
    pub(crate) address: SocketAddr,
}

/// Starts a floor: its name and options but for `--listen`.
pub(crate) async fn start(
    ports: &mut Ports,
    side: Side,
    arguments: &[&str],
    log: PathBuf,
) -> anyhow::Result<Running> {
    let address: SocketAddr = format!("127.0.0.1:{}", ports.take()?).parse()?;
    let mut command = side.pinned(&std::env::current_exe()?);
    command.push("floor".into());
    command.extend(arguments.iter().map(PathBuf::from));
    command.push("--listen".into());
    command.push(address.to_string().into());
    let kept = Kept::start(Program {
        name: arguments.join(" "),
        command,
        environment: BTreeMap::new(),
        log,
    });
    let http = reqwest::Client::builder().no_proxy().build()?;
    let up = until_up(&http, &format!("http://{address}/0")).await;
    up.with_context(|| kept.last_lines(5).join("\n"))?;
    Ok(Running { kept, address })
}
