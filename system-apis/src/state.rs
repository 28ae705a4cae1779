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
    crm::{self, backend::CrmBackend},
    erp::{self, backend::ErpBackend, feed::MasterReader},
    guard::{
        Guard, Operation,
        policy::{BreakerSettings, BudgetPolicy},
    },
    intake::{
        deliver::Upward,
        poll::{ProcessDoor, Reader},
    },
    notices::{Change, Notice, Notices, RowsRead},
    systems::{BreakerOrder, SystemStatus, Systems},
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
    /// Its CRM, if it has one.
    pub crm: Option<Arc<CrmBackend>>,
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
    guards: BTreeMap<String, Arc<Guard>>,
    notices: Notices,
    news: BTreeMap<String, Arc<NewsSource>>,
    companies: HashMap<CompanyId, Arc<Company>>,
    erp: Vec<Backend<ErpBackend>>,
    wms: Vec<Backend<WmsBackend>>,
    crm: Vec<Backend<CrmBackend>>,
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
        notices: Notices,
    ) -> Result<Self, BuildError> {
        let mut guards = BTreeMap::new();
        let mut guard_of = |name: &String, budget: BudgetPolicy, breaker: BreakerSettings| {
            let guard = Guard::new(name.clone(), budget, breaker.into(), clock.clone());
            guards.insert(name.clone(), Arc::clone(&guard));
            guard
        };
        let mut erp = BTreeMap::new();
        for (name, instance) in &config.erp {
            let guard = guard_of(name, instance.budget, instance.breaker);
            let connector = erp::registry::connect(&instance.connector)
                .map_err(|source| client_fault(name, source))?;
            erp.insert(
                name.as_str(),
                Arc::new(ErpBackend::new(guard, connector, instance)),
            );
        }
        let mut wms = BTreeMap::new();
        for (name, instance) in &config.wms {
            let guard = guard_of(name, instance.budget, instance.breaker);
            let connector = wms::registry::connect(&instance.connector)
                .map_err(|source| client_fault(name, source))?;
            wms.insert(
                name.as_str(),
                Arc::new(WmsBackend::new(guard, connector, instance)),
            );
        }
        let mut crm = BTreeMap::new();
        for (name, instance) in &config.crm {
            let guard = guard_of(name, instance.budget, instance.breaker);
            let connector = crm::registry::connect(&instance.connector)
                .map_err(|source| client_fault(name, source))?;
            crm.insert(
                name.as_str(),
                Arc::new(CrmBackend::new(guard, connector, instance)),
            );
        }
        let companies = companies(config, (&erp, &wms, &crm))?;
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
        let crm = crm.into_iter().map(|(name, backend)| Backend {
            backend,
            companies: served(&|company| company.crm.as_deref() == Some(name)),
        });
        Ok(Self(Arc::new(Inner {
            guards,
            notices,
            news,
            companies,
            erp: erp.collect(),
            wms: wms.collect(),
            crm: crm.collect(),
            clock: clock.clone(),
        })))
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The backend of this name, if it posts its news.
    pub fn webhook_source(&self, name: &str) -> Option<Arc<NewsSource>> {
        let source = self.0.news.get(name);
        source.filter(|source| source.backend.posts_news()).cloned()
    }

    /// A reader of each backend whose changes are read.
    pub(crate) fn readers(&self) -> Vec<Reader<Arc<WmsBackend>, ProcessDoor>> {
        let polled = self.0.news.iter().filter_map(|(name, source)| {
            let config = source.backend.polled()?;
            let door = ProcessDoor::new(name.clone(), Arc::clone(source), self.0.clock.clone());
            let backend = Arc::clone(&source.backend);
            Some(Reader::new(name.clone(), backend, door, config))
        });
        polled.collect()
    }

    /// A reader of the masters of each ERP whose changes are read.
    pub(crate) fn master_readers(&self) -> Vec<MasterReader> {
        let fed = self.0.erp.iter().filter(|of| of.backend.feed().is_some());
        let readers = fed.map(|of| {
            let backend = Arc::clone(&of.backend);
            MasterReader::new(self.clone(), backend, of.companies.clone())
        });
        readers.collect()
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
        let crm = self
            .0
            .crm
            .iter()
            .map(|of| of.backend.status(of.companies.clone()));
        Systems {
            systems: erp.chain(wms).chain(crm).collect(),
        }
    }

    /// The guard of every backend.
    pub(crate) fn guards(&self) -> impl Iterator<Item = Arc<Guard>> {
        self.0.guards.values().map(Arc::clone)
    }

    /// An operation of a backend, by their names.
    pub(crate) fn operation(&self, system: &str, operation: &str) -> Option<Arc<Operation>> {
        self.0.guards.get(system)?.find(operation)
    }

    /// Facts of a backend have changed: what is kept of them is thrown out here, and in every other instance that the bus
    /// reaches. `read` says from which rows of its feed that is known.
    pub async fn changed(&self, system: &str, changes: Vec<Change>, read: Option<RowsRead>) {
        self.evict(system, &changes).await;
        self.0.notices.tell(Notice::Changed {
            system: system.to_owned(),
            changes,
            read,
        });
    }

    async fn evict(&self, system: &str, changes: &[Change]) {
        if let Some(erp) = self.erp_named(system) {
            for change in changes {
                erp.evict(change).await;
            }
        }
    }

    fn erp_named(&self, system: &str) -> Option<&ErpBackend> {
        let mut backends = self.0.erp.iter().map(|of| &*of.backend);
        backends.find(|backend| backend.name() == system)
    }

    /// A person holds a breaker, or lets go of it: here, and in every other instance that the bus reaches.
    pub(crate) async fn hold_breaker(
        &self,
        system: String,
        operation: String,
        order: Option<BreakerOrder>,
    ) {
        let notice = Notice::Breaker {
            system,
            operation,
            order,
        };
        self.apply(&notice).await;
        self.0.notices.tell(notice);
    }

    /// Does in this instance what a notice says.
    pub(crate) async fn apply(&self, notice: &Notice) {
        match notice {
            Notice::Changed {
                system,
                changes,
                read,
            } => {
                let feed = self.erp_named(system).and_then(ErpBackend::feed);
                let known = feed.zip(read.as_ref());
                if known.is_none_or(|(feed, read)| feed.note(read)) {
                    self.evict(system, changes).await;
                }
            }
            Notice::Breaker {
                system,
                operation,
                order,
            } => {
                if let Some(operation) = self.operation(system, operation) {
                    let now = self.0.clock.now();
                    let order = order.clone().map(|order| order.from(now));
                    operation.breaker().hold(order);
                }
            }
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

/// Backends of one kind by name.
type Named<'a, T> = BTreeMap<&'a str, Arc<T>>;

/// Each company with those that serve it.
fn companies(
    config: &Config,
    (erp, wms, crm): (
        &Named<'_, ErpBackend>,
        &Named<'_, WmsBackend>,
        &Named<'_, CrmBackend>,
    ),
) -> Result<HashMap<CompanyId, Arc<Company>>, BuildError> {
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
        let named = backends.crm.as_ref().map(|name| {
            let backend = crm.get(name.as_str());
            backend.cloned().ok_or_else(|| missing(name))
        });
        let company = Company {
            id: id.clone(),
            erp: Arc::clone(erp),
            sites,
            crm: named.transpose()?,
        };
        companies.insert(id.clone(), Arc::new(company));
    }
    Ok(companies)
}

fn news_sources(
    config: &Config,
    wms: &BTreeMap<&str, Arc<WmsBackend>>,
    upward: Option<&Upward>,
) -> BTreeMap<String, Arc<NewsSource>> {
    let mut sources = BTreeMap::new();
    let telling = wms
        .iter()
        .filter(|(_, backend)| backend.posts_news() || backend.polled().is_some());
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
        sources.insert((*name).to_owned(), Arc::new(source));
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
