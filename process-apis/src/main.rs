//! The binary of `process-apis`: serves, or checks its configuration, brings up the store's schema, or prints its
//! contract.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use process_apis::{
    Deps, LAYER, STORE_FAILED, build,
    config::Config,
    maintenance::{self, Maintenance},
    operator,
    policy::Policies,
    router,
    store::Engine,
};
use service_runtime::{
    config::{ConfigError, Environment, load},
    openapi, server, telemetry,
};
use tokio_util::sync::CancellationToken;

/// A quarter of the CPU time of an answer went into the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The process layer of Orderway: prices, promises, credit, and orders taken once.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder with process-apis.toml and policies/; without it, defaults and environment hold.
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
    /// Brings up the schema of the store, and ends.
    Migrate,
    #[command(flatten)]
    Maintenance(Maintenance),
    /// Prints the published contract.
    Openapi,
    /// Prints the points at which a test can kill the process, a line each.
    #[cfg(feature = "crash-points")]
    CrashPoints,
    /// Prints the header under which an operator lists and releases holds, or reads documents; good for a minute.
    OperatorHeader {
        /// The company.
        #[arg(long)]
        company: String,
        /// Who the operator is; it stands in the audit trail.
        #[arg(long)]
        principal: String,
        /// Under which channel: operator, for holds; edi or punchout, for the documents of that channel.
        #[arg(long, default_value = "operator")]
        channel: String,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    // Data file and backups hold all orders and prices.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let directory = arguments.config_dir.as_deref();
    let read = || -> Result<(Config, Policies), ConfigError> {
        Ok((
            load::<Config>(LAYER, directory, &Environment::from_process())?,
            Policies::load(directory)?,
        ))
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let (config, policies) = read()?;
            return serve(config, policies);
        }
        Command::CheckConfig => {
            read()?;
            print("the configuration is sound\n")?;
        }
        Command::Migrate => {
            let (config, _) = read()?;
            tokio::runtime::Runtime::new()?.block_on(Engine::migrate(&config.store))?;
            print("the schema of the store is up to date\n")?;
        }
        Command::Maintenance(command) => {
            let (config, _) = read()?;
            let runtime = tokio::runtime::Runtime::new()?;
            let sound =
                runtime.block_on(maintenance::run(command, &config, &mut std::io::stdout()))?;
            if !sound {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Openapi => print(&openapi::normalise(&router::contract())?)?,
        #[cfg(feature = "crash-points")]
        Command::CrashPoints => {
            for point in process_apis::crash_points::all() {
                print(&format!("{}\n", point.name()))?;
            }
        }
        Command::OperatorHeader {
            company,
            principal,
            channel,
        } => {
            let (config, _) = read()?;
            print(&operator::header(&config, &company, &principal, &channel)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn serve(config: Config, policies: Policies) -> anyhow::Result<ExitCode> {
    telemetry::init(LAYER, &config.log);
    if config.development {
        tracing::warn!("development mode: keys from public files, loopback only");
    }
    let (listen, development) = (config.listen, config.development);
    let deps = Deps {
        policies,
        ..Deps::default()
    };
    let readiness = deps.readiness.clone();
    let listener = server::bind(listen, "`listen` in process-apis.toml").await?;
    let (router, background) = build(config, deps).await?;
    tracing::info!(%listen, "process-apis listen");
    let stop = CancellationToken::new();
    let (failed, has_failed) = (CancellationToken::new(), background.store_failed());
    let wind_down = background.wind_down();
    let background = tokio::spawn(background.run(stop.clone()));
    let shutdown = {
        let failed = failed.clone();
        async move {
            tokio::select! {
                () = server::drain_signal(readiness.clone(), development) => {}
                () = has_failed => failed.cancel(),
            }
            readiness.drain();
            // Effects come to their end while the last requests do.
            wind_down.cancel();
        }
    };
    let drained = server::serve(listener, router, process_apis::server_options(), shutdown).await;
    stop.cancel();
    // It ends in its own time, which began with the drain.
    background
        .await
        .context("the background work ended badly")?;
    if failed.is_cancelled() {
        tracing::error!(?drained, "process-apis have stopped: the store has failed");
        return Ok(ExitCode::from(STORE_FAILED));
    }
    tracing::info!(?drained, "process-apis have stopped");
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the output cannot be written")
}
