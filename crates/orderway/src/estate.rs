//! The estate: everything that is started, and how its parts find each other.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use axum::Router;
use process_apis::policy::Policies;
use sandbox::{
    RunningSandbox, Sandbox, SandboxConfig,
    fault::{FaultConfig, FaultProxy},
};
use service_runtime::{
    clock::Clock,
    config::{Environment, load},
    health::Readiness,
    server::{self, ServerOptions},
    telemetry,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Where everything listens; port 0 takes a free one.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// `system-apis`.
    pub system: SocketAddr,
    /// `process-apis`.
    pub process: SocketAddr,
    /// `experience-apis`.
    pub experience: SocketAddr,
    /// The fault proxy in front of the ERP, and its control.
    pub erp_proxy: [SocketAddr; 2],
    /// The fault proxy in front of the WMS, and its control.
    pub wms_proxy: [SocketAddr; 2],
}

impl Addresses {
    /// Free ports on loopback.
    pub const fn any() -> Self {
        let any = loopback(0);
        Self { system: any, process: any, experience: any, erp_proxy: [any, any], wms_proxy: [any, any] }
    }

    /// The usual ports, moved up by `offset`.
    pub const fn usual(offset: u16) -> Self {
        Self {
            system: loopback(7001 + offset),
            process: loopback(7002 + offset),
            experience: loopback(7003 + offset),
            erp_proxy: [loopback(7111 + offset), loopback(7121 + offset)],
            wms_proxy: [loopback(7112 + offset), loopback(7122 + offset)],
        }
    }
}

/// A port on loopback.
pub const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// What an estate is made of.
pub struct EstateConfig {
    /// The backends and the issuer.
    pub sandbox: SandboxConfig,
    /// Where everything listens.
    pub addresses: Addresses,
    /// The folder with the layers' files, policies and partners.
    pub config_dir: PathBuf,
    /// The folder of partner profiles.
    pub partners_dir: PathBuf,
    /// The store's file.
    pub store: PathBuf,
    /// Settings laid over the files, as environment variables: `("ORDERWAY_SYSTEM__ERP__MAIN__…", "…")`.
    pub settings: Vec<(String, String)>,
    /// The rules; None = those of the files.
    pub policies: Option<Policies>,
    /// The layers' clock.
    pub clock: Clock,
}

/// A running estate. [`Estate::stop`] ends it in order; dropping it ends its tasks where they are.
pub struct Estate {
    /// The backends, to be looked into.
    pub sandbox: RunningSandbox,
    /// In front of the ERP.
    pub erp_proxy: FaultProxy,
    /// In front of the WMS.
    pub wms_proxy: FaultProxy,
    /// Base URL of `system-apis`.
    pub system_url: String,
    /// Base URL of `process-apis`.
    pub process_url: String,
    /// Base URL of `experience-apis`.
    pub experience_url: String,
    experience: Layer,
    process: Layer,
    system: Layer,
}

impl Estate {
    /// Starts everything, from the backends up.
    pub async fn start(config: EstateConfig) -> anyhow::Result<Self> {
        let EstateConfig { sandbox, addresses, config_dir, partners_dir, store, settings, policies, clock } = config;
        let (erp_key, wms_token) = (sandbox.erp_key.clone(), sandbox.wms_token.clone());
        let sandbox = Sandbox::start(sandbox).await?;
        let erp_proxy = proxy(&sandbox.erp_url(), addresses.erp_proxy).await?;
        let wms_proxy = proxy(&sandbox.wms_url(), addresses.wms_proxy).await?;

        let with = |own: Vec<(&str, String)>| -> Environment {
            let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
            own.chain(settings.iter().cloned()).collect()
        };
        let (listener, system_url) = listen(addresses.system, "--port-offset").await?;
        let environment = with(vec![
            ("ORDERWAY_SYSTEM__ERP__MAIN__CONNECTOR__BASE_URL", erp_proxy.url()),
            ("ORDERWAY_SYSTEM__ERP__MAIN__CONNECTOR__API_KEY", erp_key),
            ("ORDERWAY_SYSTEM__WMS__WAREHOUSE__CONNECTOR__BASE_URL", wms_proxy.url()),
            ("ORDERWAY_SYSTEM__WMS__WAREHOUSE__CONNECTOR__TOKEN", wms_token),
        ]);
        let system = start_system(&config_dir, &environment, clock.clone(), listener)?;

        let (listener, process_url) = listen(addresses.process, "--port-offset").await?;
        let environment = with(vec![
            ("ORDERWAY_PROCESS__SYSTEM__BASE_URL", system_url.clone()),
            ("ORDERWAY_PROCESS__STORE__PATH", path_text(&store)?),
        ]);
        let process = start_process(&config_dir, &environment, policies, clock.clone(), listener).await?;

        let (listener, experience_url) = listen(addresses.experience, "--port-offset").await?;
        let issuer = sandbox.issuer_url();
        let environment = with(vec![
            ("ORDERWAY_EXPERIENCE__DEVELOPMENT", "true".to_owned()),
            ("ORDERWAY_EXPERIENCE__PROCESS__BASE_URL", process_url.clone()),
            ("ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY", "development-only-experience-to-process-key".to_owned()),
            ("ORDERWAY_EXPERIENCE__EDI__PARTNERS_DIR", path_text(&partners_dir)?),
            (
                "ORDERWAY_EXPERIENCE__ISSUERS",
                format!(
                    "[{{ issuer = \"{issuer}\", audience = \"orderway\", algorithm = \"ES256\", \
                     keys = {{ jwks_url = \"{issuer}/jwks.json\" }} }}]"
                ),
            ),
        ]);
        let experience = start_experience(&config_dir, &environment, clock, listener)?;
        Ok(Self { sandbox, erp_proxy, wms_proxy, system_url, process_url, experience_url, experience, process, system })
    }

    /// Stops everything, from the top down, each layer after its requests are answered.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.experience.stop().await?;
        self.process.stop().await?;
        self.system.stop().await?;
        self.erp_proxy.stop().await;
        self.wms_proxy.stop().await;
        self.sandbox.stop().await;
        Ok(())
    }

    /// Stops the layers and leaves the backends, with what they have.
    pub async fn stop_layers(self) -> anyhow::Result<RunningSandbox> {
        self.experience.stop().await?;
        self.process.stop().await?;
        self.system.stop().await?;
        Ok(self.sandbox)
    }
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8: choose another path", path.display()))
}

async fn proxy(target: &str, [address, control_address]: [SocketAddr; 2]) -> anyhow::Result<FaultProxy> {
    let config = FaultConfig { address, control_address, ..FaultConfig::default() };
    Ok(FaultProxy::start(target, config).await?)
}

async fn listen(address: SocketAddr, how: &str) -> anyhow::Result<(TcpListener, String)> {
    let listener = server::bind(address, how).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

fn start_system(
    config_dir: &Path,
    environment: &Environment,
    clock: Clock,
    listener: TcpListener,
) -> anyhow::Result<Layer> {
    let config: system_apis::config::Config = load(system_apis::LAYER, Some(config_dir), environment)?;
    telemetry::init(system_apis::LAYER, &config.log);
    let deps = system_apis::Deps { clock, ..system_apis::Deps::default() };
    let readiness = deps.readiness.clone();
    let (router, background) = system_apis::build(config, deps)?;
    Ok(Layer::serve(listener, router, readiness, |stop| background.run(stop)))
}

async fn start_process(
    config_dir: &Path,
    environment: &Environment,
    policies: Option<Policies>,
    clock: Clock,
    listener: TcpListener,
) -> anyhow::Result<Layer> {
    let config: process_apis::config::Config = load(process_apis::LAYER, Some(config_dir), environment)?;
    telemetry::init(process_apis::LAYER, &config.log);
    let policies = match policies {
        Some(policies) => policies,
        None => Policies::load(Some(config_dir))?,
    };
    let deps = process_apis::Deps { clock, policies, ..process_apis::Deps::default() };
    let readiness = deps.readiness.clone();
    let (router, background) = tokio::task::spawn_blocking(move || process_apis::build(config, deps)).await??;
    Ok(Layer::serve(listener, router, readiness, |stop| background.run(stop)))
}

fn start_experience(
    config_dir: &Path,
    environment: &Environment,
    clock: Clock,
    listener: TcpListener,
) -> anyhow::Result<Layer> {
    let config: experience_apis::config::Config = load(experience_apis::LAYER, Some(config_dir), environment)?;
    telemetry::init(experience_apis::LAYER, &config.log);
    let deps = experience_apis::Deps { clock, ..experience_apis::Deps::default() };
    let readiness = deps.readiness.clone();
    let (router, background) = experience_apis::build(config, deps)?;
    Ok(Layer::serve(listener, router, readiness, |stop| background.run(stop)))
}

/// A layer that serves, and what runs beside it.
struct Layer {
    stop: CancellationToken,
    serving: JoinHandle<()>,
    background: JoinHandle<()>,
}

impl Layer {
    fn serve<F: Future<Output = ()> + Send + 'static>(
        listener: TcpListener,
        router: Router,
        readiness: Readiness,
        background: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let background = tokio::spawn(background(stop.clone()));
        let stopped = stop.clone().cancelled_owned();
        let shutdown = async move {
            stopped.await;
            readiness.drain();
        };
        let serving = tokio::spawn(async move {
            server::serve(listener, router, ServerOptions::default(), shutdown).await;
        });
        Self { stop, serving, background }
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        (&mut self.serving).await?;
        (&mut self.background).await?;
        Ok(())
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.stop.cancel();
        self.serving.abort();
        self.background.abort();
    }
}
