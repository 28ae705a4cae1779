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
    config::{CompanyConfig, Config},
    erp::{self, backend::ErpBackend},
    guard::Guard,
    intake::deliver::Upward,
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

/// A backend that tells news, and where they go.
pub struct NewsSource {
    /// The backend.
    pub backend: Arc<WmsBackend>,
    /// The way up.
    pub upward: Upward,
    /// Its sites, each with its company.
    sites: BTreeMap<SiteId, CompanyId>,
    first_company: CompanyId,
}

impl NewsSource {
    /// The company that ships from a site.
    pub fn company_of(&self, site: &SiteId) -> Option<&CompanyId> {
        self.sites.get(site)
    }

    /// Whose people look at what says no site.
    pub fn first_company(&self) -> &CompanyId {
        &self.first_company
    }
}

struct Inner {
    news: HashMap<String, NewsSource>,
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
    pub(crate) fn new(
        config: &Config,
        clock: &Clock,
        upward: Option<&Upward>,
    ) -> Result<Self, BuildError> {
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
        let served = |named: &dyn Fn(&CompanyConfig) -> bool| {
            let companies = config.companies.iter();
            companies
                .filter(|(_, backends)| named(backends))
                .map(|(id, _)| id.clone())
                .collect()
        };
        let news = news_sources(config, &wms, upward);
        let erp = erp.into_iter().map(|(name, backend)| Backend {
            backend,
            companies: served(&|company| company.erp == name),
        });
        let wms = wms.into_iter().map(|(name, backend)| Backend {
            backend,
            companies: served(&|company| company.sites.values().any(|used| used == name)),
        });
        Ok(Self(Arc::new(Inner {
            news,
            companies,
            erp: erp.collect(),
            wms: wms.collect(),
            clock: clock.clone(),
        })))
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The backend of this name, if news are taken from it.
    pub fn news_source(&self, name: &str) -> Option<&NewsSource> {
        self.0.news.get(name)
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

fn news_sources(
    config: &Config,
    wms: &BTreeMap<&str, Arc<WmsBackend>>,
    upward: Option<&Upward>,
) -> HashMap<String, NewsSource> {
    let mut sources = HashMap::new();
    let telling = wms.iter().filter(|(_, backend)| backend.tells_news());
    for (name, backend) in telling {
        let of_company = |(company, backends): (&CompanyId, &CompanyConfig)| {
            let sites = backends.sites.iter().filter(|(_, wms)| wms == name);
            let sites = sites.map(|(site, _)| (site.clone(), company.clone()));
            sites.collect::<Vec<_>>()
        };
        let sites: BTreeMap<SiteId, CompanyId> =
            config.companies.iter().flat_map(of_company).collect();
        // One that nobody ships from tells nothing of interest.
        let Some((upward, first_company)) = upward.zip(sites.values().min().cloned()) else {
            continue;
        };
        let source = NewsSource {
            backend: Arc::clone(backend),
            upward: upward.clone(),
            sites,
            first_company,
        };
        sources.insert((*name).to_owned(), source);
    }
    sources
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
