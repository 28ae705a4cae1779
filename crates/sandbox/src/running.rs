//! The whole sandbox: configured, started, inspected, stopped.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::Clock;
use crate::crm::{Crm, CrmRules, TaskRule};
use crate::erp::{CreateClass, Erp, ErpRules};
use crate::issuer::{Issuer, IssuerClient};
use crate::seed::Seed;
use crate::server::{Server, StartError, listen};
use crate::wms::{Wms, WmsRules};

/// What a sandbox is made of. Start from [`SandboxConfig::new`] and change what matters.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The world at the start.
    pub seed: Seed,
    /// Where every system takes the time from.
    pub clock: Clock,
    /// What the ERP does with a repeated create.
    pub create_class: CreateClass,
    /// How long an order stays out of the ERP's list by reference.
    pub index_lag: Duration,
    /// Whether the WMS refuses a second pick request of the same `clientRef`.
    pub unique_client_ref: bool,
    /// How often each pick request goes a step on by itself (picked, packed, shipped); None = by hand only.
    pub wms_floor: Option<Duration>,
    /// What the CRM does with a second task of the same `externalReference`.
    pub crm_tasks: TaskRule,
    /// Calls that the CRM takes in a second; more are answered 429.
    pub crm_calls_per_second: NonZeroU32,
    /// The ERP's API key.
    pub erp_key: String,
    /// The WMS's bearer token.
    pub wms_token: String,
    /// The CRM's bearer token.
    pub crm_token: String,
    /// Who may fetch a token.
    pub clients: Vec<IssuerClient>,
    /// How long a token is valid.
    pub token_lifetime: Duration,
    /// Where the ERP listens; port 0 takes a free one.
    pub erp_address: SocketAddr,
    /// Where the WMS listens.
    pub wms_address: SocketAddr,
    /// Where the CRM listens.
    pub crm_address: SocketAddr,
    /// Where the issuer listens.
    pub issuer_address: SocketAddr,
}

impl SandboxConfig {
    /// The ERP's key unless configured otherwise.
    pub const ERP_KEY: &'static str = "sandbox-erp-key";
    /// The WMS's token unless configured otherwise.
    pub const WMS_TOKEN: &'static str = "sandbox-wms-token";
    /// The CRM's token unless configured otherwise.
    pub const CRM_TOKEN: &'static str = "sandbox-crm-token";
    /// Calls that the CRM takes in a second unless configured otherwise.
    pub const CRM_CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
    /// What the WMS signs its news with, unless told otherwise.
    pub const WMS_NEWS_SECRET: &'static str = "sandbox-wms-news-secret";

    /// The defaults around a seed: staged creates, no lag, free loopback ports.
    pub fn new(seed: Seed) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            seed,
            clock: Clock::system(),
            create_class: CreateClass::Staged,
            index_lag: Duration::ZERO,
            unique_client_ref: true,
            wms_floor: None,
            crm_tasks: TaskRule::Unique,
            crm_calls_per_second: Self::CRM_CALLS_PER_SECOND,
            erp_key: Self::ERP_KEY.to_owned(),
            wms_token: Self::WMS_TOKEN.to_owned(),
            crm_token: Self::CRM_TOKEN.to_owned(),
            clients: IssuerClient::demo(),
            token_lifetime: Duration::from_secs(15 * 60),
            erp_address: any_port,
            wms_address: any_port,
            crm_address: any_port,
            issuer_address: any_port,
        }
    }
}

/// Starts the systems.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Starts the ERP, the WMS, the CRM and the issuer.
    pub async fn start(config: SandboxConfig) -> Result<RunningSandbox, StartError> {
        let (erp_listener, erp_address) = listen(config.erp_address).await?;
        let (wms_listener, wms_address) = listen(config.wms_address).await?;
        let (crm_listener, crm_address) = listen(config.crm_address).await?;
        let (issuer_listener, issuer_address) = listen(config.issuer_address).await?;

        let erp = Erp::new(
            &config.seed,
            ErpRules {
                create_class: config.create_class,
                index_lag: config.index_lag,
                key: config.erp_key,
            },
            config.clock.clone(),
        );
        let wms = Wms::new(
            &config.seed,
            WmsRules {
                unique_client_ref: config.unique_client_ref,
                token: config.wms_token,
                floor: config.wms_floor,
            },
            config.clock.clone(),
        );
        let crm = Crm::new(
            &config.seed,
            &CrmRules {
                tasks: config.crm_tasks,
                token: config.crm_token,
                calls_per_second: config.crm_calls_per_second,
            },
            config.clock.clone(),
        );
        let issuer = Issuer::new(
            format!("http://{issuer_address}"),
            config.seed.company.id.clone(),
            config.clients,
            config.token_lifetime,
            config.clock,
        )
        .map_err(StartError::Key)?;

        let servers = vec![
            Server::start(erp_listener, erp.router()),
            Server::start(wms_listener, wms.router()),
            Server::start(crm_listener, crm.router()),
            Server::start(issuer_listener, issuer.router()),
        ];
        Ok(RunningSandbox {
            erp,
            wms,
            crm,
            issuer,
            erp_address,
            wms_address,
            crm_address,
            issuer_address,
            servers,
        })
    }
}

/// A running sandbox: its addresses, and handles that look inside it.
#[derive(Debug)]
pub struct RunningSandbox {
    /// The ERP's records.
    pub erp: Erp,
    /// The WMS's records.
    pub wms: Wms,
    /// The CRM's records.
    pub crm: Crm,
    /// The issuer, and a forge for wrong tokens.
    pub issuer: Issuer,
    erp_address: SocketAddr,
    wms_address: SocketAddr,
    crm_address: SocketAddr,
    issuer_address: SocketAddr,
    servers: Vec<Server>,
}

impl RunningSandbox {
    /// The ERP's base URL, without a slash at the end.
    pub fn erp_url(&self) -> String {
        format!("http://{}", self.erp_address)
    }

    /// The WMS's base URL.
    pub fn wms_url(&self) -> String {
        format!("http://{}", self.wms_address)
    }

    /// The CRM's base URL.
    pub fn crm_url(&self) -> String {
        format!("http://{}", self.crm_address)
    }

    /// The issuer's base URL, which is also its `iss`.
    pub fn issuer_url(&self) -> String {
        format!("http://{}", self.issuer_address)
    }

    /// Lets calls under way end, then closes the ports.
    pub async fn stop(self) {
        futures_util::future::join_all(self.servers.into_iter().map(Server::stop)).await;
    }
}
