//! The estate: everything that is started, and how its parts find each other.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use axum::Router;
use process_apis::policy::Policies;
use sandbox::{
    NewsTarget, RunningSandbox, Sandbox, SandboxConfig,
    fault::{FaultConfig, FaultProxy},
};
use service_runtime::{
    clock::Clock,
    config::{Environment, load},
    health::Readiness,
    http_client::{BackendClientConfig, backend_client},
    server::{self, ServerOptions},
    telemetry,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{backends::Backends, books::Books, floor::Floor, rpc::Rpc};

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
    /// The fault proxy in front of the CRM, and its control.
    pub crm_proxy: [SocketAddr; 2],
}

impl Addresses {
    /// Free ports on loopback.
    pub const fn any() -> Self {
        let any = loopback(0);
        Self {
            system: any,
            process: any,
            experience: any,
            erp_proxy: [any, any],
            wms_proxy: [any, any],
            crm_proxy: [any, any],
        }
    }

    /// The usual ports, moved up by `offset`.
    pub const fn usual(offset: u16) -> Self {
        Self {
            system: loopback(7001 + offset),
            process: loopback(7002 + offset),
            experience: loopback(7003 + offset),
            erp_proxy: [loopback(7111 + offset), loopback(7121 + offset)],
            wms_proxy: [loopback(7112 + offset), loopback(7122 + offset)],
            crm_proxy: [loopback(7113 + offset), loopback(7123 + offset)],
        }
    }
}

/// A port on loopback.
pub const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// What an estate is made of.
pub struct EstateConfig {
    /// The sandbox: the issuer, and the backends unless others stand in.
    pub sandbox: SandboxConfig,
    /// Which backends the layers have.
    pub backends: Backends,
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
    /// In front of the CRM.
    pub crm_proxy: FaultProxy,
    /// Base URL of `system-apis`.
    pub system_url: String,
    /// Base URL of `process-apis`.
    pub process_url: String,
    /// Base URL of `experience-apis`.
    pub experience_url: String,
    layers: Layers,
    plan: Plan,
}

/// What the layers are started from, the first time and again.
struct Plan {
    addresses: Addresses,
    config_dir: PathBuf,
    partners_dir: PathBuf,
    store: PathBuf,
    settings: Vec<(String, String)>,
    policies: Option<Policies>,
    clock: Clock,
    erp_key: String,
    wms_token: String,
    crm_token: String,
    backends: Backends,
}

/// The layers that run, and their base URLs.
struct Layers {
    system: (Layer, String),
    process: (Layer, String),
    experience: (Layer, String),
}

impl Estate {
    /// Starts everything, from the backends up.
    pub async fn start(config: EstateConfig) -> anyhow::Result<Self> {
        let EstateConfig {
            sandbox,
            backends,
            addresses,
            config_dir,
            partners_dir,
            store,
            settings,
            policies,
            clock,
        } = config;
        let (erp_key, wms_token) = (sandbox.erp_key.clone(), sandbox.wms_token.clone());
        let crm_token = sandbox.crm_token.clone();
        let sandbox = Sandbox::start(sandbox).await?;
        let [erp_url, wms_url, crm_url] = match &backends {
            Backends::Sandbox => [sandbox.erp_url(), sandbox.wms_url(), sandbox.crm_url()],
            Backends::Tryton(tryton) => std::array::repeat(tryton.url.clone()),
        };
        let erp_proxy = proxy(&erp_url, addresses.erp_proxy).await?;
        let wms_proxy = proxy(&wms_url, addresses.wms_proxy).await?;
        let crm_proxy = proxy(&crm_url, addresses.crm_proxy).await?;
        let proxies = [erp_proxy, wms_proxy, crm_proxy];

        let plan = Plan {
            addresses,
            config_dir,
            partners_dir,
            store,
            settings,
            policies,
            clock,
            erp_key,
            wms_token,
            crm_token,
            backends,
        };
        let layers = plan.start(&sandbox, proxies.each_ref()).await?;
        Ok(Self::of(sandbox, proxies, layers, plan))
    }

    fn of(
        sandbox: RunningSandbox,
        [erp_proxy, wms_proxy, crm_proxy]: [FaultProxy; 3],
        layers: Layers,
        plan: Plan,
    ) -> Self {
        Self {
            sandbox,
            erp_proxy,
            wms_proxy,
            crm_proxy,
            system_url: layers.system.1.clone(),
            process_url: layers.process.1.clone(),
            experience_url: layers.experience.1.clone(),
            layers,
            plan,
        }
    }

    /// The books of a company's ERP, past the layers and the proxy: of `NWI`, and before Tryton of `NWI2`.
    pub fn books(&self, company: &str) -> anyhow::Result<Books> {
        match &self.plan.backends {
            Backends::Sandbox => Ok(Books::Sandbox(self.sandbox.erp.clone())),
            Backends::Tryton(tryton) => {
                let role = if company == "NWI2" { "erp2" } else { "erp" };
                let http = backend_client(&BackendClientConfig::default())?;
                Ok(Books::Tryton(Rpc::of(tryton, role, http)?))
            }
        }
    }

    /// The floor of a company's warehouse, past the layers and the proxy: before Tryton the sandbox's is that of `NWI2`.
    pub fn floor(&self, company: &str) -> anyhow::Result<Floor> {
        match &self.plan.backends {
            Backends::Tryton(tryton) if company != "NWI2" => {
                let http = backend_client(&BackendClientConfig::default())?;
                Ok(Floor::Tryton(Rpc::of(tryton, "wms", http)?))
            }
            Backends::Sandbox | Backends::Tryton(_) => Ok(Floor::Sandbox(self.sandbox.wms.clone())),
        }
    }

    /// Stops everything, from the top down, each layer after its requests are answered.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.layers.stop().await?;
        // Connections of theirs that nothing was ever sent on are waited for a little: all at once.
        tokio::join!(
            self.erp_proxy.stop(),
            self.wms_proxy.stop(),
            self.crm_proxy.stop(),
            self.sandbox.stop()
        );
        Ok(())
    }

    /// Stops the layers in order, and the backends where they are.
    pub async fn stop_layers(self) -> anyhow::Result<()> {
        self.layers.stop().await
    }

    /// Stops the layers and starts them again on the same store and the same ports; the backends and their proxies go
    /// on.
    pub async fn restart_layers(self) -> anyhow::Result<Self> {
        let Self {
            sandbox,
            erp_proxy,
            wms_proxy,
            crm_proxy,
            layers,
            mut plan,
            ..
        } = self;
        plan.addresses = layers.addresses(plan.addresses)?;
        layers.stop().await?;
        let proxies = [erp_proxy, wms_proxy, crm_proxy];
        let layers = plan.start(&sandbox, proxies.each_ref()).await?;
        Ok(Self::of(sandbox, proxies, layers, plan))
    }

    /// Stops `process-apis` and starts them again on the same store and the same port; all others go on.
    pub async fn restart_process(self) -> anyhow::Result<Self> {
        let Self {
            sandbox,
            erp_proxy,
            wms_proxy,
            crm_proxy,
            layers,
            plan,
            ..
        } = self;
        let Layers {
            system,
            process: (process, process_url),
            experience,
        } = layers;
        process.stop().await?;
        let address = process_url.trim_start_matches("http://").parse()?;
        let (listener, process_url) = listen(address, "--port-offset").await?;
        let layers = Layers {
            process: (plan.start_process(&system.1, listener).await?, process_url),
            system,
            experience,
        };
        let proxies = [erp_proxy, wms_proxy, crm_proxy];
        Ok(Self::of(sandbox, proxies, layers, plan))
    }
}

impl Plan {
    async fn start(
        &self,
        sandbox: &RunningSandbox,
        [erp, wms, crm]: [&FaultProxy; 3],
    ) -> anyhow::Result<Layers> {
        let (config_dir, clock) = (&self.config_dir, &self.clock);
        let (listener, system_url) = listen(self.addresses.system, "--port-offset").await?;
        // Calls go down and news come up: each of the two knows where the other is.
        let (above, process_url) = listen(self.addresses.process, "--port-offset").await?;
        let own = self.of_backends(&process_url, &sandbox.wms_url(), [erp, wms, crm])?;
        let environment = self.environment(own);
        let system = start_system(config_dir, &environment, clock.clone(), listener)?;

        sandbox.wms.send_news_to(Some(NewsTarget {
            url: format!(
                "{system_url}/v1/webhooks/{}",
                self.backends.sandbox_warehouse()
            ),
            secret: SandboxConfig::WMS_NEWS_SECRET.to_owned(),
            http: backend_client(&BackendClientConfig::default())?,
        }));

        let process = self.start_process(&system_url, above).await?;

        let (listener, experience_url) = listen(self.addresses.experience, "--port-offset").await?;
        let issuer = sandbox.issuer_url();
        let mut own = self.punchout(&experience_url)?;
        own.extend([
            ("ORDERWAY_EXPERIENCE__DEVELOPMENT", "true".to_owned()),
            (
                "ORDERWAY_EXPERIENCE__PROCESS__BASE_URL",
                process_url.clone(),
            ),
            (
                "ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY",
                "development-only-experience-to-process-key".to_owned(),
            ),
            (
                "ORDERWAY_EXPERIENCE__EDI__PARTNERS_DIR",
                path_text(&self.partners_dir)?,
            ),
            (
                "ORDERWAY_EXPERIENCE__ISSUERS",
                format!(
                    "[{{ issuer = \"{issuer}\", audience = \"orderway\", algorithm = \"ES256\", \
                     keys = {{ jwks_url = \"{issuer}/jwks.json\" }} }}]"
                ),
            ),
        ]);
        let environment = self.environment(own);
        let experience = start_experience(config_dir, &environment, clock.clone(), listener)?;
        Ok(Layers {
            system: (system, system_url),
            process: (process, process_url),
            experience: (experience, experience_url),
        })
    }

    /// What `system-apis` are told of the layer above, and of the backends behind their proxies.
    fn of_backends(
        &self,
        process_url: &str,
        sandbox_wms: &str,
        [erp, wms, crm]: [&FaultProxy; 3],
    ) -> anyhow::Result<Vec<(String, String)>> {
        let [erp, wms, crm] = [erp.url(), wms.url(), crm.url()];
        let named = |key: &str, value: &str| (format!("ORDERWAY_SYSTEM__{key}"), value.to_owned());
        let (mut own, sandbox_wms) = match &self.backends {
            Backends::Sandbox => {
                let own = vec![
                    named("ERP__MAIN__CONNECTOR__BASE_URL", &erp),
                    named("ERP__MAIN__CONNECTOR__API_KEY", &self.erp_key),
                    named("CRM__CUSTOMERS__CONNECTOR__BASE_URL", &crm),
                    named("CRM__CUSTOMERS__CONNECTOR__TOKEN", &self.crm_token),
                ];
                (own, wms.as_str())
            }
            // The proxies stand before the first company's systems: none is left for the second's warehouse.
            Backends::Tryton(tryton) => (tryton.settings([&erp, &wms, &crm])?, sandbox_wms),
        };
        let warehouse = self.backends.sandbox_warehouse().to_uppercase();
        let of_warehouse = |key: &str, value| named(&format!("WMS__{warehouse}__{key}"), value);
        own.extend([
            named("PROCESS__BASE_URL", process_url),
            of_warehouse("NEWS__SECRET", SandboxConfig::WMS_NEWS_SECRET),
            of_warehouse("CONNECTOR__BASE_URL", sandbox_wms),
            of_warehouse("CONNECTOR__TOKEN", &self.wms_token),
        ]);
        Ok(own)
    }

    async fn start_process(
        &self,
        system_url: &str,
        listener: TcpListener,
    ) -> anyhow::Result<Layer> {
        let environment = self.environment(vec![
            ("ORDERWAY_PROCESS__SYSTEM__BASE_URL", system_url.to_owned()),
            ("ORDERWAY_PROCESS__STORE__PATH", path_text(&self.store)?),
        ]);
        let (policies, clock) = (self.policies.clone(), self.clock.clone());
        start_process(&self.config_dir, &environment, policies, clock, listener).await
    }

    /// Punchout partners stand in a folder of their own; without it there are none.
    fn punchout(&self, public_url: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
        let partners = self.partners_dir.join("punchout");
        if !partners.is_dir() {
            return Ok(Vec::new());
        }
        Ok(vec![
            (
                "ORDERWAY_EXPERIENCE__PUNCHOUT__PARTNERS_DIR",
                path_text(&partners)?,
            ),
            (
                "ORDERWAY_EXPERIENCE__PUNCHOUT__PUBLIC_URL",
                public_url.to_owned(),
            ),
            (
                "ORDERWAY_EXPERIENCE__PUNCHOUT__LINK_KEY",
                "development-only-key-of-punchout-links".to_owned(),
            ),
        ])
    }

    /// What the estate itself decides, and over it what it was told.
    fn environment<N: Into<String>>(&self, own: Vec<(N, String)>) -> Environment {
        let own = own.into_iter().map(|(name, value)| (name.into(), value));
        own.chain(self.settings.iter().cloned()).collect()
    }
}

impl Layers {
    /// Where they listen, whatever port was asked for.
    fn addresses(&self, asked: Addresses) -> anyhow::Result<Addresses> {
        let of = |(_, url): &(Layer, String)| -> anyhow::Result<SocketAddr> {
            Ok(url.trim_start_matches("http://").parse()?)
        };
        Ok(Addresses {
            system: of(&self.system)?,
            process: of(&self.process)?,
            experience: of(&self.experience)?,
            ..asked
        })
    }

    /// From the top down, each after its requests are answered.
    async fn stop(self) -> anyhow::Result<()> {
        self.experience.0.stop().await?;
        self.process.0.stop().await?;
        self.system.0.stop().await
    }
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    path.to_str()
        .map(str::to_owned)
        .with_context(|| format!("{} is not UTF-8: choose another path", path.display()))
}

async fn proxy(
    target: &str,
    [address, control_address]: [SocketAddr; 2],
) -> anyhow::Result<FaultProxy> {
    let config = FaultConfig {
        address,
        control_address,
        ..FaultConfig::default()
    };
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
    let config: system_apis::config::Config =
        load(system_apis::LAYER, Some(config_dir), environment)?;
    telemetry::init(system_apis::LAYER, &config.log);
    let deps = system_apis::Deps {
        clock,
        ..system_apis::Deps::default()
    };
    let readiness = deps.readiness.clone();
    let (router, background) = system_apis::build(config, deps)?;
    Ok(Layer::serve(
        listener,
        router,
        (ServerOptions::default(), readiness),
        |stop| background.run(stop),
    ))
}

async fn start_process(
    config_dir: &Path,
    environment: &Environment,
    policies: Option<Policies>,
    clock: Clock,
    listener: TcpListener,
) -> anyhow::Result<Layer> {
    let config: process_apis::config::Config =
        load(process_apis::LAYER, Some(config_dir), environment)?;
    telemetry::init(process_apis::LAYER, &config.log);
    let policies = match policies {
        Some(policies) => policies,
        None => Policies::load(Some(config_dir))?,
    };
    let deps = process_apis::Deps {
        clock,
        policies,
        ..process_apis::Deps::default()
    };
    let readiness = deps.readiness.clone();
    let (router, background) = Box::pin(process_apis::build(config, deps)).await?;
    Ok(Layer::serve(
        listener,
        router,
        (process_apis::server_options(), readiness),
        |stop| background.run(stop),
    ))
}

fn start_experience(
    config_dir: &Path,
    environment: &Environment,
    clock: Clock,
    listener: TcpListener,
) -> anyhow::Result<Layer> {
    let config: experience_apis::config::Config =
        load(experience_apis::LAYER, Some(config_dir), environment)?;
    telemetry::init(experience_apis::LAYER, &config.log);
    let deps = experience_apis::Deps {
        clock,
        ..experience_apis::Deps::default()
    };
    let readiness = deps.readiness.clone();
    let (router, background) = experience_apis::build(config, deps)?;
    Ok(Layer::serve(
        listener,
        router,
        (ServerOptions::default(), readiness),
        |stop| background.run(stop),
    ))
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
        (options, readiness): (ServerOptions, Readiness),
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
            server::serve(listener, router, options, shutdown).await;
        });
        Self {
            stop,
            serving,
            background,
        }
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
