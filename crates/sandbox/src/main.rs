//! Runs the sandbox alone: the systems, a fault proxy before each backend, and a
//! list of where everything is.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use jiff::civil::Date;
use sandbox::fault::{FaultConfig, FaultPlan, FaultProxy};
use sandbox::{
    Clock, CreateClass, NewsTarget, RunningSandbox, Sandbox, SandboxConfig, Seed, SeedSizes,
    TaskRule,
};

/// An ERP, a WMS, a CRM and a token issuer on loopback, with a fault proxy before each backend.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port of the ERP; 0 takes a free one, here and below.
    #[arg(long, default_value_t = 7101)]
    erp_port: u16,
    /// Port of the WMS.
    #[arg(long, default_value_t = 7102)]
    wms_port: u16,
    /// Port of the token issuer.
    #[arg(long, default_value_t = 7103)]
    issuer_port: u16,
    /// Port of the CRM.
    #[arg(long, default_value_t = 7104)]
    crm_port: u16,
    /// Port of the fault proxy before the ERP.
    #[arg(long, default_value_t = 7111)]
    erp_proxy_port: u16,
    /// Port of the fault proxy before the WMS.
    #[arg(long, default_value_t = 7112)]
    wms_proxy_port: u16,
    /// Port of the fault proxy before the CRM.
    #[arg(long, default_value_t = 7113)]
    crm_proxy_port: u16,
    /// Port of the control API of the ERP's proxy.
    #[arg(long, default_value_t = 7121)]
    erp_proxy_control_port: u16,
    /// Port of the control API of the WMS's proxy.
    #[arg(long, default_value_t = 7122)]
    wms_proxy_control_port: u16,
    /// Port of the control API of the CRM's proxy.
    #[arg(long, default_value_t = 7123)]
    crm_proxy_control_port: u16,
    /// Number of accounts.
    #[arg(long, default_value_t = 3)]
    accounts: u32,
    /// Number of items.
    #[arg(long, default_value_t = 200)]
    items: u32,
    /// Chooses quantities and prices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Day the dates of the world are relative to (YYYY-MM-DD); today if not given.
    #[arg(long)]
    base_date: Option<Date>,
    /// What the ERP does with a repeated create.
    #[arg(long, value_enum, default_value = "staged")]
    create_class: CreateClassArgument,
    /// Milliseconds an order stays out of the ERP's list by reference.
    #[arg(long, default_value_t = 0)]
    index_lag_ms: u64,
    /// Lets the WMS take a second pick request of the same clientRef.
    #[arg(long)]
    repeatable_client_ref: bool,
    /// What the CRM does with a second task of the same externalReference.
    #[arg(long, value_enum, default_value = "unique")]
    crm_tasks: TaskRuleArgument,
    /// Where the WMS posts its news, such as `http://127.0.0.1:7001/v1/webhooks/warehouse`; nowhere if not given.
    #[arg(long)]
    wms_news_url: Option<String>,
    /// Signs the WMS's news.
    #[arg(long, default_value = SandboxConfig::WMS_NEWS_SECRET)]
    wms_news_secret: String,
    /// Milliseconds after which each pick request goes a step on by itself; 0 = by hand only.
    #[arg(long, default_value_t = 0)]
    wms_floor_ms: u64,
    /// A fault plan (JSON) for the proxy before the ERP.
    #[arg(long)]
    fault_plan: Option<PathBuf>,
    /// Prints the seed as JSON and ends.
    #[arg(long)]
    print_seed: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CreateClassArgument {
    Staged,
    Unique,
    Searchable,
    Blind,
}

impl From<CreateClassArgument> for CreateClass {
    fn from(argument: CreateClassArgument) -> Self {
        match argument {
            CreateClassArgument::Staged => Self::Staged,
            CreateClassArgument::Unique => Self::Unique,
            CreateClassArgument::Searchable => Self::Searchable,
            CreateClassArgument::Blind => Self::Blind,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TaskRuleArgument {
    Unique,
    Searchable,
    Blind,
}

impl From<TaskRuleArgument> for TaskRule {
    fn from(argument: TaskRuleArgument) -> Self {
        match argument {
            TaskRuleArgument::Unique => Self::Unique,
            TaskRuleArgument::Searchable => Self::Searchable,
            TaskRuleArgument::Blind => Self::Blind,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let clock = Clock::system();
    let seed = Seed::generate(&SeedSizes {
        accounts: arguments.accounts,
        items: arguments.items,
        rng_seed: arguments.seed,
        base_date: arguments.base_date.unwrap_or_else(|| clock.today()),
    });
    if arguments.print_seed {
        let text = serde_json::to_string_pretty(&seed)?;
        writeln!(std::io::stdout(), "{text}")?;
        return Ok(());
    }
    let plan = match &arguments.fault_plan {
        Some(path) => read_plan(path)?,
        None => FaultPlan::default(),
    };
    let sandbox = Sandbox::start(SandboxConfig {
        clock,
        create_class: arguments.create_class.into(),
        index_lag: Duration::from_millis(arguments.index_lag_ms),
        unique_client_ref: !arguments.repeatable_client_ref,
        wms_floor: (arguments.wms_floor_ms > 0)
            .then(|| Duration::from_millis(arguments.wms_floor_ms)),
        erp_address: loopback(arguments.erp_port),
        crm_tasks: arguments.crm_tasks.into(),
        wms_address: loopback(arguments.wms_port),
        crm_address: loopback(arguments.crm_port),
        issuer_address: loopback(arguments.issuer_port),
        ..SandboxConfig::new(seed)
    })
    .await?;
    sandbox
        .wms
        .send_news_to(arguments.wms_news_url.map(|url| NewsTarget {
            url,
            secret: arguments.wms_news_secret,
            http: reqwest::Client::default(),
        }));
    let erp_ports = [arguments.erp_proxy_port, arguments.erp_proxy_control_port];
    let wms_ports = [arguments.wms_proxy_port, arguments.wms_proxy_control_port];
    let crm_ports = [arguments.crm_proxy_port, arguments.crm_proxy_control_port];
    let erp_proxy = proxy(&sandbox.erp_url(), erp_ports, plan).await?;
    let wms_proxy = proxy(&sandbox.wms_url(), wms_ports, FaultPlan::default()).await?;
    let crm_proxy = proxy(&sandbox.crm_url(), crm_ports, FaultPlan::default()).await?;
    let proxies = [
        ("ERP", &erp_proxy),
        ("WMS", &wms_proxy),
        ("CRM", &crm_proxy),
    ];
    announce(&sandbox, proxies)?;
    tokio::signal::ctrl_c().await?;
    tokio::join!(erp_proxy.stop(), wms_proxy.stop(), crm_proxy.stop());
    sandbox.stop().await;
    Ok(())
}

async fn proxy(
    target: &str,
    [port, control_port]: [u16; 2],
    plan: FaultPlan,
) -> anyhow::Result<FaultProxy> {
    let config = FaultConfig {
        plan,
        address: loopback(port),
        control_address: loopback(control_port),
        ..FaultConfig::default()
    };
    Ok(FaultProxy::start(target, config).await?)
}

fn read_plan(path: &PathBuf) -> anyhow::Result<FaultPlan> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("the fault plan {} cannot be read", path.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("the fault plan {} is not one", path.display()))
}

fn announce(sandbox: &RunningSandbox, proxies: [(&str, &FaultProxy); 3]) -> std::io::Result<()> {
    let (erp, wms, issuer) = (sandbox.erp_url(), sandbox.wms_url(), sandbox.issuer_url());
    let mut out = std::io::stdout().lock();
    writeln!(out, "The sandbox is up (development only, loopback only).")?;
    writeln!(
        out,
        "  ERP      {erp}/erp/call/…   X-Api-Key: {}",
        SandboxConfig::ERP_KEY
    )?;
    writeln!(
        out,
        "  WMS      {wms}/wms/v2/…     Bearer {}",
        SandboxConfig::WMS_TOKEN
    )?;
    writeln!(
        out,
        "  CRM      {}/crm/v3/…     Bearer {}",
        sandbox.crm_url(),
        SandboxConfig::CRM_TOKEN
    )?;
    writeln!(out, "  issuer   {issuer}/token")?;
    for (name, proxy) in proxies {
        let (url, control) = (proxy.url(), proxy.control_url());
        writeln!(
            out,
            "  {name} behind a fault proxy: {url}, its control: {control}/__fault/rules"
        )?;
    }
    writeln!(out, "Try:")?;
    writeln!(
        out,
        "  curl -s {issuer}/token -d grant_type=client_credentials -d client_id=acme-buyer -d client_secret=acme-buyer-secret"
    )?;
    writeln!(out, "  curl -s {erp}/erp/control/orders")?;
    writeln!(out, "Ctrl-C stops it.")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
