//! Configuration of the layer: see config/system-apis.toml for every key.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
};

use canonical_model::{CompanyId, SiteId, capabilities::CreateClass};
use serde::Deserialize;
use service_runtime::{
    config::{ByteSize, Faults, HumanDuration, Secret, Validate},
    http_client::HopConfig,
    telemetry::LogConfig,
};

use crate::{
    bus::BusConfig,
    crm::{
        config::{CrmConnectorConfig, CrmInstance},
        connectors::sandbox::config::SandboxCrm,
    },
    erp::{
        config::{ErpConnectorConfig, ErpInstance},
        connectors::sandbox::config::SandboxErp,
    },
    intake::NewsConfig,
    wms::{
        config::{WmsConnectorConfig, WmsInstance},
        connectors::sandbox::config::SandboxWms,
    },
};

/// What begins a key that stands in a committed file and protects nothing.
const DEVELOPMENT_KEY: &str = "development-only";
/// What begins a secret of the sandbox, which is as public.
const SANDBOX_SECRET: &str = "sandbox-";

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    #[serde(default = "usual_listen")]
    pub listen: SocketAddr,
    /// Development mode: keys from committed files are taken, and only loopback is listened on.
    #[serde(default)]
    pub development: bool,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
    /// The limits of requests.
    #[serde(default)]
    pub requests: Requests,
    /// The keys of the layer above.
    pub context: ContextConfig,
    /// The layer above, to which news of backends are delivered.
    #[serde(default = "usual_process")]
    pub process: HopConfig,
    /// Where the instances of this layer meet.
    #[serde(default)]
    pub bus: BusConfig,
    /// Who sells, and which backends serve it.
    #[serde(default)]
    pub companies: BTreeMap<CompanyId, CompanyConfig>,
    /// ERP instances by name.
    #[serde(default)]
    pub erp: BTreeMap<String, ErpInstance>,
    /// WMS instances by name.
    #[serde(default)]
    pub wms: BTreeMap<String, WmsInstance>,
    /// CRM instances by name.
    #[serde(default)]
    pub crm: BTreeMap<String, CrmInstance>,
}

fn usual_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7001))
}

fn usual_process() -> HopConfig {
    HopConfig::new("http://127.0.0.1:7002")
}

/// The limits of requests to this layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// The longest that a request may take; the caller's deadline may be shorter.
    pub timeout: HumanDuration,
    /// The largest body.
    pub max_body: ByteSize,
    /// Requests at work; more are told to come back.
    pub in_flight: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            timeout: HumanDuration::from_secs(30),
            max_body: ByteSize::mib(2),
            in_flight: 1_000,
        }
    }
}

/// The keys by which contexts of `process-apis` are verified.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextConfig {
    /// The key in use; at least 32 bytes.
    pub process_key: Secret,
    /// The key before, while keys rotate.
    #[serde(default)]
    pub process_key_previous: Option<Secret>,
    /// Signs what is delivered to `process-apis`; at least 32 bytes. Needed where news are taken.
    #[serde(default)]
    pub intake_key: Option<Secret>,
}

/// The backends of a company.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanyConfig {
    /// Its ERP instance.
    pub erp: String,
    /// Its sites, each with the WMS instance that runs it.
    #[serde(default)]
    pub sites: BTreeMap<SiteId, String>,
    /// Its CRM instance, if it has one.
    #[serde(default)]
    pub crm: Option<String>,
}

/// A running sandbox: where it is, and how it is set.
#[derive(Debug, Clone)]
pub struct SandboxBackends {
    /// The company it sells for.
    pub company: CompanyId,
    /// The company's sites.
    pub sites: Vec<SiteId>,
    /// Its ERP's base URL.
    pub erp_url: String,
    /// Its ERP's key.
    pub erp_key: Secret,
    /// What its ERP does with a second create.
    pub create_class: CreateClass,
    /// Its WMS's base URL.
    pub wms_url: String,
    /// Its WMS's token.
    pub wms_token: Secret,
    /// Its CRM's base URL.
    pub crm_url: String,
    /// Its CRM's token.
    pub crm_token: Secret,
}

impl Config {
    /// The defaults on loopback in front of one sandbox, as backends `main`, `warehouse` and `customers`; start from it
    /// and change what matters.
    pub fn for_sandbox(listen: SocketAddr, process_key: Secret, backends: SandboxBackends) -> Self {
        let erp = ErpInstance::of(ErpConnectorConfig::Sandbox(SandboxErp::at(
            backends.erp_url,
            backends.erp_key,
            backends.create_class,
        )));
        let wms = WmsInstance::of(WmsConnectorConfig::Sandbox(SandboxWms::at(
            backends.wms_url,
            backends.wms_token,
        )));
        let crm = CrmInstance::of(CrmConnectorConfig::Sandbox(SandboxCrm::at(
            backends.crm_url,
            backends.crm_token,
        )));
        let (warehouse, customers) = ("warehouse".to_owned(), "customers".to_owned());
        let company = CompanyConfig {
            erp: "main".to_owned(),
            sites: backends
                .sites
                .into_iter()
                .map(|site| (site, warehouse.clone()))
                .collect(),
            crm: Some(customers.clone()),
        };
        Self {
            listen,
            development: true,
            log: LogConfig::default(),
            requests: Requests::default(),
            context: ContextConfig {
                process_key,
                process_key_previous: None,
                intake_key: None,
            },
            process: usual_process(),
            bus: BusConfig::default(),
            companies: BTreeMap::from([(backends.company, company)]),
            erp: BTreeMap::from([("main".to_owned(), erp)]),
            wms: BTreeMap::from([(warehouse, wms)]),
            crm: BTreeMap::from([(customers, crm)]),
        }
    }
}

impl Config {
    /// What news need: a key to deliver them with, and a site that says whose they are.
    fn check_news(&self, faults: &mut Faults) {
        faults.within("process", &self.process);
        if let Some(key) = &self.context.intake_key {
            faults.check(
                key.expose().len() >= 32,
                "context.intake_key",
                "give at least 32 bytes, the same as process-apis have",
            );
            faults.check(
                self.development || !key.expose().starts_with(DEVELOPMENT_KEY),
                "context.intake_key",
                "this key stands in a public file: give a secret one in the environment",
            );
        }
        let telling = self.wms.iter();
        let telling = telling.filter(|(_, wms)| wms.news.is_some() || wms.connector.has_feed());
        for (name, wms) in telling {
            let public = |secret: &Secret| secret.expose().starts_with(SANDBOX_SECRET);
            let mut secrets = wms.news.iter().flat_map(NewsConfig::secrets);
            faults.check(
                self.development || !secrets.any(public),
                &format!("wms.{name}.news.secret"),
                "this secret stands in a public file: give the one that the backend signs with in the environment",
            );
            faults.check(
                self.context.intake_key.is_some(),
                "context.intake_key",
                format!("news of [wms.{name}] are delivered with it: give the one that process-apis have"),
            );
            let sites = self.companies.values().flat_map(|company| &company.sites);
            let mut seen = HashSet::new();
            for (site, _) in sites.filter(|(_, wms)| *wms == name) {
                faults.check(
                    seen.insert(site),
                    &format!("wms.{name}.news"),
                    format!(
                        "two companies ship from its site {site}, and its news could not be told apart: give each company \
                         a block of its own"
                    ),
                );
            }
        }
    }
}

impl Validate for Config {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            !self.development || self.listen.ip().is_loopback(),
            "listen",
            "development mode listens on loopback only: use 127.0.0.1, or set development = false",
        );
        faults.within("log", &self.log);
        faults.within("bus", &self.bus);
        let key = self.context.process_key.expose();
        faults.check(
            key.len() >= 32,
            "context.process_key",
            "give at least 32 bytes, the same as process-apis have",
        );
        faults.check(
            self.development || !key.starts_with(DEVELOPMENT_KEY),
            "context.process_key",
            "this key stands in a public file: give a secret one in the environment",
        );
        self.check_news(faults);
        for (company, backends) in &self.companies {
            faults.check(
                self.erp.contains_key(&backends.erp),
                &format!("companies.{company}.erp"),
                format!("there is no [erp.{}]", backends.erp),
            );
            if let Some(crm) = &backends.crm {
                faults.check(
                    self.crm.contains_key(crm),
                    &format!("companies.{company}.crm"),
                    format!("there is no [crm.{crm}]"),
                );
            }
            for (site, wms) in &backends.sites {
                faults.check(
                    self.wms.contains_key(wms),
                    &format!("companies.{company}.sites.{site}"),
                    format!("there is no [wms.{wms}]"),
                );
            }
        }
        for (name, instance) in &self.erp {
            faults.within(&format!("erp.{name}"), instance);
        }
        for (name, instance) in &self.wms {
            faults.within(&format!("wms.{name}"), instance);
        }
        for (name, instance) in &self.crm {
            faults.within(&format!("crm.{name}"), instance);
        }
        let mut names = HashSet::new();
        let backends = self.erp.keys().chain(self.wms.keys());
        for name in backends.chain(self.crm.keys()) {
            faults.check(
                names.insert(name),
                name,
                "two backends have this name: metrics and logs could not tell them apart",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use service_runtime::config::{ConfigError, Environment, load};

    use super::*;

    fn committed(environment: &Environment) -> Result<Config, ConfigError> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        load(crate::LAYER, Some(&directory), environment)
    }

    #[test]
    fn the_committed_file_is_sound() {
        let config = committed(&Environment::default()).unwrap();
        assert!(config.development);
        assert!(!config.companies.is_empty());
    }

    #[test]
    fn public_keys_and_open_addresses_are_refused() {
        let production = Environment::from([("ORDERWAY_SYSTEM__DEVELOPMENT", "false")]);
        let faults = committed(&production).unwrap_err().to_string();
        for key in [
            "context.process_key",
            "context.intake_key",
            "wms.warehouse.news.secret",
        ] {
            assert!(faults.contains(key), "{key}: {faults}");
        }

        let open = Environment::from([("ORDERWAY_SYSTEM__LISTEN", "0.0.0.0:7001")]);
        let faults = committed(&open).unwrap_err().to_string();
        assert!(faults.contains("loopback"), "{faults}");
    }

    #[test]
    fn a_company_without_its_backend_is_refused() {
        let environment = Environment::from([
            ("ORDERWAY_SYSTEM__COMPANIES__X__ERP", "nowhere"),
            ("ORDERWAY_SYSTEM__COMPANIES__X__CRM", "neverland"),
        ]);
        let faults = committed(&environment).unwrap_err().to_string();
        assert!(faults.contains("no [erp.nowhere]"), "{faults}");
        assert!(faults.contains("no [crm.neverland]"), "{faults}");
    }
}
