//! The binary of `system-apis`: serves, or checks its configuration, or prints its contract.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use service_runtime::{
    config::{Environment, load},
    openapi, server, telemetry,
};
use system_apis::{Deps, LAYER, build, config::Config, router};
use tokio_util::sync::CancellationToken;

/// A quarter of the CPU time of an answer went into the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The system layer of Orderway: one guarded face for each ERP, WMS and CRM.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder with system-apis.toml; without it, defaults and environment hold.
    #[arg(long, global = true)]
    config_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until told to stop (the default).
    Serve,
    /// Reads the configuration, tells all its faults, and ends.
    CheckConfig,
    /// Prints the contract of this layer.
    Openapi,
    /// Prints the points at which a test can kill the process, a line each.
    #[cfg(feature = "crash-points")]
    CrashPoints,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let load = || {
        let environment = Environment::from_process();
        load::<Config>(LAYER, arguments.config_dir.as_deref(), &environment)
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(load()?),
        Command::CheckConfig => {
            drop(build(load()?, Deps::default())?);
            print("the configuration is sound\n")
        }
        Command::Openapi => print(&openapi::normalise(&router::contract())?),
        #[cfg(feature = "crash-points")]
        Command::CrashPoints => system_apis::crash_points::all()
            .into_iter()
            .try_for_each(|point| print(&format!("{}\n", point.name()))),
    }
}

#[tokio::main]
async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init(LAYER, &config.log);
    if config.development {
        tracing::warn!("development mode: keys from public files, loopback only");
    }
    let (listen, development) = (config.listen, config.development);
    let deps = Deps::default();
    let readiness = deps.readiness.clone();
    let (router, background) = build(config, deps)?;
    let listener = server::bind(listen, "`listen` in system-apis.toml").await?;
    tracing::info!(%listen, "system-apis listen");
    let stop = CancellationToken::new();
    let background = tokio::spawn(background.run(stop.clone()));
    let shutdown = server::drain_signal(readiness, development);
    let drained = server::serve(listener, router, server::ServerOptions::default(), shutdown).await;
    stop.cancel();
    server::finish(background)
        .await
        .context("the background work ended badly")?;
    tracing::info!(?drained, "system-apis have stopped");
    Ok(())
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the output cannot be written")
}
