//! The binary of `experience-apis`: serves, checks its configuration, prints its contract, or hashes a secret.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use experience_apis::{Deps, LAYER, asyncapi, build, config::Config, router};
use service_runtime::{
    config::{Environment, load},
    openapi, secret_hash, server, telemetry,
};
use tokio_util::sync::CancellationToken;

/// A quarter of the CPU time of an answer went into the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The longest secret that is ever compared.
const MOST_SECRET: u64 = 1_024;

/// The experience layer of Orderway: portal, EDI and punchout (cXML, OCI).
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder with experience-apis.toml; without it, defaults and environment hold.
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
    /// Prints the contract (`OpenAPI` 3.1).
    Openapi,
    /// Prints the contract of the events (`AsyncAPI` 3.0).
    Asyncapi,
    /// Reads a partner's secret from standard input, and prints the hash for its profile.
    HashSecret,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain, for a person: what is wrong, and what to change.
            drop(writeln!(std::io::stderr(), "{LAYER}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
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
        Command::Asyncapi => print(&asyncapi::text()?),
        Command::HashSecret => hash_secret(),
    }
}

fn hash_secret() -> anyhow::Result<()> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MOST_SECRET.saturating_add(2));
    input
        .read_to_string(&mut text)
        .context("the secret cannot be read from standard input")?;
    let secret = text.trim_end_matches(['\r', '\n']);
    let fits = u64::try_from(secret.len()).is_ok_and(|length| (16..=MOST_SECRET).contains(&length));
    anyhow::ensure!(
        fits,
        "give a secret of 16 to {MOST_SECRET} bytes on standard input"
    );
    let hash = secret_hash::hash_secret(secret)?;
    print(&format!("{hash}\n"))
}

#[tokio::main]
async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init(LAYER, &config.log);
    if config.development {
        tracing::warn!("development mode: one host, no TLS, loopback only");
    }
    let (listen, development) = (config.listen, config.development);
    let deps = Deps::default();
    let readiness = deps.readiness.clone();
    let (router, background) = build(config, deps)?;
    let listener = server::bind(listen, "`listen` in experience-apis.toml").await?;
    tracing::info!(%listen, "experience-apis listen");
    let stop = CancellationToken::new();
    let background = tokio::spawn(background.run(stop.clone()));
    let shutdown = server::drain_signal(readiness, development);
    let drained = server::serve(listener, router, server::ServerOptions::default(), shutdown).await;
    stop.cancel();
    server::finish(background)
        .await
        .context("the background work ended badly")?;
    tracing::info!(?drained, "experience-apis have stopped");
    Ok(())
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the output cannot be written")
}
