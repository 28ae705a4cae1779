//! What the routes share: each company with its backends.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use canonical_model::{CompanyId, SiteId};
use jiff::Timestamp;
use service_runtime::{
    clock::Clock,
    health::{CheckResult, Readiness},
};

use crate::{
    BuildError,
    config::Config,
    erp::{self, backend::ErpBackend},
    guard::Guard,
    systems::{SystemStatus, Systems},
    wms::{self, backend::WmsBackend},
};

/// A company and who serves it.
pub struct Company {
    /// Its number.
    pub id: CompanyId,
    /// Its ERP.
    pub erp: Arc<ErpBackend>,
    /// Its sites, each with its WMS.
    pub sites: BTreeMap<SiteId, Arc<WmsBackend>>,
}

struct Backend<T> {
    backend: Arc<T>,
    companies: Vec<CompanyId>,
}

struct Inner {
    companies: HashMap<CompanyId, Arc<Company>>,
    erp: Vec<Backend<ErpBackend>>,
    wms: Vec<Backend<WmsBackend>>,
    clock: Clock,
}

/// The state of the layer; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

impl AppState {
    /// Makes every configured backend and its guard.
    pub(crate) fn new(config: &Config, clock: &Clock) -> Result<Self, BuildError> {
        let mut erp = BTreeMap::new();
        for (name, instance) in &config.erp {
            let guard = Guard::new(
                name.clone(),
                instance.budget,
                instance.breaker.into(),
                clock.clone(),
            );
            let connector = erp::registry::connect(&instance.connector)
                .map_err(|source| client_fault(name, source))?;
            erp.insert(
                name.as_str(),
                Arc::new(ErpBackend::new(guard, connector, instance)),
            );
        }
        let mut wms = BTreeMap::new();
        for (name, instance) in &config.wms {
            let guard = Guard::new(
                name.clone(),
                instance.budget,
                instance.breaker.into(),
                clock.clone(),
            );
            let connector = wms::registry::connect(&instance.connector)
                .map_err(|source| client_fault(name, source))?;
            wms.insert(
                name.as_str(),
                Arc::new(WmsBackend::new(guard, connector, instance)),
            );
        }
        let mut companies = HashMap::new();
        for (id, backends) in &config.companies {
            let missing = |backend: &str| BuildError::Backend {
                company: id.to_string(),
                backend: backend.to_owned(),
            };
            let mut sites = BTreeMap::new();
            for (site, name) in &backends.sites {
                let backend = wms.get(name.as_str()).ok_or_else(|| missing(name))?;
                sites.insert(site.clone(), Arc::clone(backend));
            }
            let erp = erp
                .get(backends.erp.as_str())
                .ok_or_else(|| missing(&backends.erp))?;
            let company = Company {
                id: id.clone(),
                erp: Arc::clone(erp),
                sites,
            };
            companies.insert(id.clone(), Arc::new(company));
        }
        let served = |named: &dyn Fn(&crate::config::CompanyConfig) -> bool| {
            let companies = config.companies.iter();
            companies
                .filter(|(_, backends)| named(backends))
                .map(|(id, _)| id.clone())
                .collect()
        };
        let erp = erp.into_iter().map(|(name, backend)| Backend {
            backend,
            companies: served(&|company| company.erp == name),
        });
        let wms = wms.into_iter().map(|(name, backend)| Backend {
            backend,
            companies: served(&|company| company.sites.values().any(|used| used == name)),
        });
        Ok(Self(Arc::new(Inner {
            companies,
            erp: erp.collect(),
            wms: wms.collect(),
            clock: clock.clone(),
        })))
    }

    /// The company of this number.
    pub fn company(&self, id: &str) -> Option<Arc<Company>> {
        let id = CompanyId::new(id).ok()?;
        self.0.companies.get(&id).cloned()
    }

    /// The wall clock, against which a caller's end is held.
    pub fn wall(&self) -> Timestamp {
        self.0.clock.wall()
    }

    /// The state of every guard.
    pub fn systems(&self) -> Systems {
        let erp = self
            .0
            .erp
            .iter()
            .map(|of| of.backend.status(of.companies.clone()));
        let wms = self
            .0
            .wms
            .iter()
            .map(|of| of.backend.status(of.companies.clone()));
        Systems {
            systems: erp.chain(wms).collect(),
        }
    }

    /// A stopped operation is told by `/readyz`, and does not take the instance out of service.
    pub(crate) fn register_checks(&self, readiness: &Readiness) {
        let state = self.clone();
        readiness.register("backends", move || {
            let stopped: Vec<String> = state.systems().systems.iter().filter_map(stopped).collect();
            std::future::ready(if stopped.is_empty() {
                CheckResult::ok()
            } else {
                CheckResult::degraded(format!("not called for now: {}", stopped.join("; ")))
            })
        });
    }
}

fn stopped(system: &SystemStatus) -> Option<String> {
    let operations: Vec<&str> = system.stopped().collect();
    (!operations.is_empty()).then(|| format!("{} ({})", system.system, operations.join(", ")))
}

fn client_fault(backend: &str, source: reqwest::Error) -> BuildError {
    BuildError::Client {
        backend: backend.to_owned(),
        source,
    }
}
