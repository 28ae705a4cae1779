//! `cargo run`: starts the estate, sends real documents through its channels, and says what became of each.

mod partners;
mod tour;

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use jiff::tz::TimeZone;
use orderway::{Addresses, Backends, Estate, EstateConfig, backends::Tryton, estate::loopback};
use sandbox::{CreateClass, Procurement, SandboxConfig, Seed};
use service_runtime::{
    clock::Clock,
    http_client::{BackendClientConfig, backend_client},
    server,
};

/// A quarter of the CPU time of an answer went into the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Orderway on one machine: a sandbox ERP, WMS and CRM and the three layers, on loopback.
///
/// These options and the files of the configuration folder set it up, and of the environment only `ORDERWAY_TRYTON_DIR`: the
/// variables that the layers read are for them where they run by themselves.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Sends the documents, says what became of them, and ends.
    #[arg(long)]
    once: bool,
    /// Moves every port up by so many; the usual ones are 7001 to 7003, 7009, 7101 to 7104, 7111 to 7123.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=50_000))]
    port_offset: u16,
    /// Keeps the store in this folder; without it, the store is gone when the program ends.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The layers' files, policies and partners.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"))]
    config_dir: PathBuf,
    /// Writes the layers' logs to the terminal: a level, or directives such as `info,process_apis=debug`.
    #[arg(long, default_value = "error")]
    log: String,
    /// The systems behind the layers: sandbox, or tryton as `tests/backends/tryton up` brought it up.
    #[arg(long, default_value = "sandbox", value_parser = ["sandbox", "tryton"])]
    backend: String,
    /// What the sandbox ERP does with a second create of one order: staged, unique, searchable or blind.
    #[arg(long, default_value = "staged", value_parser = create_class)]
    create_class: CreateClass,
}

fn create_class(text: &str) -> Result<CreateClass, String> {
    match text {
        "staged" => Ok(CreateClass::Staged),
        "unique" => Ok(CreateClass::Unique),
        "searchable" => Ok(CreateClass::Searchable),
        "blind" => Ok(CreateClass::Blind),
        _ => Err("give staged, unique, searchable or blind".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "orderway: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let clock = Clock::system();
    let scratch =
        tempfile::tempdir().context("there is no place for a temporary store: give --data-dir")?;
    let data = arguments
        .data_dir
        .as_deref()
        .unwrap_or_else(|| scratch.path());
    std::fs::create_dir_all(data).with_context(|| format!("{} cannot be made", data.display()))?;

    let backends = match arguments.backend.as_str() {
        "tryton" => Backends::Tryton(Tryton::told()?),
        _ => Backends::Sandbox,
    };
    let offset = arguments.port_offset;
    let mut sandbox = SandboxConfig::new(Seed::default_world(clock.today(&TimeZone::UTC)));
    sandbox.create_class = arguments.create_class;
    // Whoever looks around afterwards sees the orders leave.
    sandbox.wms_floor = (!arguments.once).then_some(Duration::from_secs(5));
    sandbox.erp_address = loopback(7101 + offset);
    sandbox.wms_address = loopback(7102 + offset);
    sandbox.issuer_address = loopback(7103 + offset);
    sandbox.crm_address = loopback(7104 + offset);
    let layers = ["SYSTEM", "PROCESS", "EXPERIENCE"];
    let log = layers.map(|layer| {
        (
            format!("ORDERWAY_{layer}__LOG__LEVEL"),
            arguments.log.clone(),
        )
    });
    let mut settings = Vec::from(log);
    settings.push((
        "ORDERWAY_SYSTEM__ERP__MAIN__CONNECTOR__CREATE_CLASS".to_owned(),
        name_of(arguments.create_class),
    ));
    settings.push((
        "ORDERWAY_EXPERIENCE__PUNCHOUT__SECRETS__ACME_PUNCHOUT".to_owned(),
        "northwind-to-acme-demo".to_owned(),
    ));
    let procurement = loopback(7009 + offset);
    let partners_dir = partners::copied(
        &arguments.config_dir.join("partners"),
        &scratch.path().join("partners"),
        procurement.port(),
    )
    .context("the partners' profiles cannot be copied; give --config-dir")?;
    let estate = Estate::start(EstateConfig {
        sandbox,
        backends,
        addresses: Addresses::usual(offset),
        partners_dir,
        config_dir: arguments.config_dir,
        store: data.join("process-apis.sqlite"),
        settings,
        policies: None,
        clock: clock.clone(),
    })
    .await
    .context("it does not start; where a port is in use, by another Orderway perhaps, give --port-offset 4000")?;

    let http = backend_client(&BackendClientConfig::default())?;
    let procurement = Procurement::start(
        procurement,
        &estate.experience_url,
        sandbox::Clock::system(),
        http,
    )
    .await?;
    tour::run(&estate, &procurement, &clock).await?;
    if !arguments.once {
        tour::say_what_to_try(&estate, &procurement)?;
        server::shutdown_signal().await;
    }
    estate.stop().await?;
    procurement.stop().await;
    Ok(())
}

fn name_of(class: CreateClass) -> String {
    match class {
        CreateClass::Staged => "staged",
        CreateClass::Unique => "unique",
        CreateClass::Searchable => "searchable",
        CreateClass::Blind => "blind",
    }
    .to_owned()
}
