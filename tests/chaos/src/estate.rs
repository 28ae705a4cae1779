//! The estate: the outside world, which stays up, and the three layers as processes, which are killed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use reqwest::Client;
use sandbox::CreateClass;
use service_runtime::http_client::{BackendClientConfig, backend_client};
use tests::{
    processes::{Binaries, Binary, Kept, Ports, Program, settings, until_up},
    punchout::Site,
};

use crate::{
    bus::Bus,
    cluster::Cluster,
    outside::{Outside, Proxy},
};

const PUNCHOUT_SECRET: &str = "northwind-to-acme-demo";

/// What an estate is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What the ERP does with a repeated create, and what the connector believes.
    pub(crate) class: CreateClass,
    /// How long the ERP's and the warehouse's searches may miss something.
    pub(crate) quiet_period: Duration,
    /// Where the store is.
    pub(crate) store: StorePlace,
    /// Instances of `process-apis`; more than one need `PostgreSQL`.
    pub(crate) instances: usize,
    /// Settings laid over all others.
    pub(crate) settings: Vec<(String, String)>,
    /// Lines of the policies, and what stands in their place.
    pub(crate) policies: Vec<(&'static str, &'static str)>,
    /// Whether the buyer's site is posted every event.
    pub(crate) subscribed: bool,
    /// Whether the WMS takes a second request of the same reference, and is searched.
    pub(crate) searchable_warehouse: bool,
    /// The program of the bus, where there is one.
    pub(crate) bus: Option<PathBuf>,
}

/// Where the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// A file of the estate's own.
    Sqlite,
    /// A server of the estate's own.
    Postgres,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            class: CreateClass::Staged,
            quiet_period: Duration::from_secs(2),
            store: StorePlace::Sqlite,
            instances: 1,
            settings: Vec::new(),
            policies: Vec::new(),
            subscribed: false,
            searchable_warehouse: false,
            bus: None,
        }
    }
}

impl Plan {
    /// Leases and times of calls as they usually are, where nobody dies: short ones are for a run that waits for them.
    pub(crate) fn usual_times(self) -> Self {
        self.with("ORDERWAY_PROCESS__EFFECTS__LEASE", "15s")
            .with("ORDERWAY_PROCESS__EFFECTS__CALL_TIME", "10s")
    }

    /// So long after everything seems settled something may still come of what was begun: a request that the proxy held
    /// back, and what follows the end of a lease.
    pub(crate) fn aftermath(&self) -> Duration {
        let lease = Duration::from_secs(6);
        self.quiet_period.saturating_mul(2).saturating_add(lease)
    }

    /// The bounds of sums of provisional orders are far away: what is tried is not where they are.
    pub(crate) fn far_bounds(mut self) -> Self {
        self.policies.extend([
            (
                "max_account_value = \"25000\"",
                "max_account_value = \"100000000\"",
            ),
            (
                "max_item_quantity = \"1000\"",
                "max_item_quantity = \"1000000\"",
            ),
        ]);
        self
    }

    /// Lays a setting over the files.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A layer that can be killed.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) binary: Binary,
    pub(crate) url: String,
    pub(crate) process: Kept,
}

/// Everything that runs; it ends when it is dropped.
pub(crate) struct Estate {
    pub(crate) outside: Outside,
    /// From the backends up.
    pub(crate) layers: Vec<Layer>,
    /// The buyer's own web site.
    pub(crate) site: Arc<Site>,
    pub(crate) http: Client,
    /// Where events are published.
    pub(crate) bus: Option<Bus>,
    _sandbox: Kept,
    /// Where the store is a server.
    database: Option<Arc<Cluster>>,
    scratch: tempfile::TempDir,
}

impl Estate {
    /// Starts everything, and waits until it is ready.
    pub(crate) async fn start(binaries: &Binaries, plan: &Plan) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let http = backend_client(&BackendClientConfig {
            max_idle_connections: 256,
            ..BackendClientConfig::default()
        })?;
        let site = Arc::new(Site::start().await?);
        copy_config(&scratch.path().join("config"), plan)?;
        let mut ports = Ports::default();
        let system = ports.url()?;
        let place = Place {
            folder: scratch.path(),
            news: format!("{system}/v1/webhooks/warehouse"),
        };
        let program = binaries.path(Binary::Sandbox)?;
        let (sandbox, outside) = start_sandbox(program, &place, plan, &mut ports, &http)?;
        until_up(&http, &format!("{}/erp/control/calls", outside.erp)).await?;
        let mut estate = Self {
            outside,
            layers: Vec::new(),
            site,
            http,
            bus: None,
            _sandbox: sandbox,
            database: None,
            scratch,
        };
        for account in ["ACME", "ACME-WEST", "BOREALIS"] {
            estate.outside.unlimited_credit(account).await?;
        }
        if plan.store == StorePlace::Postgres {
            estate.start_database(binaries, &mut ports).await?;
        }
        if let Some(program) = &plan.bus {
            let bus = Bus::start(program, estate.scratch.path(), ports.take()?);
            estate.bus = Some(bus);
        }
        estate.start_layers(binaries, plan, &system, &mut ports)?;
        estate.ready().await?;
        Ok(estate)
    }

    async fn start_database(
        &mut self,
        binaries: &Binaries,
        ports: &mut Ports,
    ) -> anyhow::Result<()> {
        let programs = tests::needs::postgres_programs();
        let programs = programs.context("there is no PostgreSQL to start")?;
        let port = ports.take()?;
        let starting = tokio::task::spawn_blocking(move || Cluster::start(&programs, port));
        let database = starting.await??;
        let migrated = tokio::process::Command::new(binaries.path(Binary::Process)?)
            .arg("--config-dir")
            .arg(self.config())
            .arg("migrate")
            .env("ORDERWAY_PROCESS__STORE__URL", database.url())
            .output()
            .await?;
        anyhow::ensure!(
            migrated.status.success(),
            "the schema cannot be brought up: {}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        self.database = Some(Arc::new(database));
        Ok(())
    }

    /// The database server crashes, and comes back after a while.
    pub(crate) async fn crash_database(&self, down: Duration) -> anyhow::Result<()> {
        let database = self.database.clone().context("the store is a file")?;
        let crashing = Arc::clone(&database);
        tokio::task::spawn_blocking(move || crashing.crash()).await??;
        tokio::time::sleep(down).await;
        tokio::task::spawn_blocking(move || database.up()).await?
    }

    fn start_layers(
        &mut self,
        binaries: &Binaries,
        plan: &Plan,
        system: &str,
        ports: &mut Ports,
    ) -> anyhow::Result<()> {
        let instances: Vec<String> = (0..plan.instances)
            .map(|_| ports.url())
            .collect::<anyhow::Result<_>>()?;
        let experience: Vec<String> = (0..plan.instances)
            .map(|_| ports.url())
            .collect::<anyhow::Result<_>>()?;
        let above = instances.first().context("there is an instance")?;
        let own = self.of_system(plan, above);
        self.add(binaries, plan, (Binary::System, 0), system, own)?;
        for (number, url) in (0..).zip(&instances) {
            let own = self.of_process(system)?;
            self.add(binaries, plan, (Binary::Process, number), url, own)?;
        }
        for (number, (url, below)) in (0..).zip(experience.iter().zip(&instances)) {
            let own = self.of_experience(url, below)?;
            self.add(binaries, plan, (Binary::Experience, number), url, own)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        binaries: &Binaries,
        plan: &Plan,
        (binary, number): (Binary, u32),
        url: &str,
        own: Vec<(String, String)>,
    ) -> anyhow::Result<()> {
        let layer = match binary {
            Binary::Sandbox | Binary::System => "SYSTEM",
            Binary::Process => "PROCESS",
            Binary::Experience => "EXPERIENCE",
        };
        let listen = url.trim_start_matches("http://").to_owned();
        let common = [
            (format!("ORDERWAY_{layer}__LISTEN"), listen),
            (format!("ORDERWAY_{layer}__LOG__LEVEL"), "warn".to_owned()),
        ];
        let laid_over = plan.settings.iter().cloned();
        let environment: BTreeMap<String, String> =
            common.into_iter().chain(own).chain(laid_over).collect();
        let name = if number == 0 {
            binary.name().to_owned()
        } else {
            format!("{}-{number}", binary.name())
        };
        let program = Program {
            command: vec![
                binaries.path(binary)?.to_owned(),
                "--config-dir".into(),
                self.config(),
            ],
            environment,
            log: self.scratch.path().join(format!("{name}.log")),
            name,
        };
        self.layers.push(Layer {
            binary,
            url: url.to_owned(),
            process: Kept::start(program),
        });
        Ok(())
    }

    fn of_system(&self, plan: &Plan, above: &str) -> Vec<(String, String)> {
        let erp = "ORDERWAY_SYSTEM__ERP__MAIN";
        let wms = "ORDERWAY_SYSTEM__WMS__WAREHOUSE";
        let (erp_proxy, wms_proxy) = (&self.outside.erp_proxy.url, &self.outside.wms_proxy.url);
        let quiet = milliseconds(plan.quiet_period);
        let mut own = vec![
            (
                "ORDERWAY_SYSTEM__PROCESS__BASE_URL".to_owned(),
                above.to_owned(),
            ),
            (format!("{erp}__CONNECTOR__BASE_URL"), erp_proxy.clone()),
            (
                format!("{erp}__CONNECTOR__CREATE_CLASS"),
                word(plan.class).to_owned(),
            ),
            (format!("{erp}__CONNECTOR__QUIET_PERIOD"), quiet.clone()),
            (format!("{wms}__CONNECTOR__QUIET_PERIOD"), quiet),
            (format!("{wms}__CONNECTOR__BASE_URL"), wms_proxy.clone()),
        ];
        if plan.searchable_warehouse {
            let name = format!("{wms}__CONNECTOR__RELEASE_CLASS");
            own.push((name, "searchable".to_owned()));
        }
        for backend in [erp, wms] {
            own.push((
                format!("{backend}__BUDGET__CALLS_PER_SECOND"),
                "200".to_owned(),
            ));
            own.push((format!("{backend}__BUDGET__IN_FLIGHT"), "32".to_owned()));
        }
        own
    }

    fn of_process(&self, below: &str) -> anyhow::Result<Vec<(String, String)>> {
        let mut own = vec![
            (
                "ORDERWAY_PROCESS__SYSTEM__BASE_URL".to_owned(),
                below.to_owned(),
            ),
            (
                "ORDERWAY_PROCESS__EFFECTS__LEASE".to_owned(),
                "6s".to_owned(),
            ),
            (
                "ORDERWAY_PROCESS__EFFECTS__CALL_TIME".to_owned(),
                "2s".to_owned(),
            ),
            (
                "ORDERWAY_PROCESS__DOCUMENTS__LEASE".to_owned(),
                "6s".to_owned(),
            ),
        ];
        own.push(match &self.database {
            None => (
                "ORDERWAY_PROCESS__STORE__PATH".to_owned(),
                text(&self.scratch.path().join("process-apis.sqlite"))?,
            ),
            Some(database) => ("ORDERWAY_PROCESS__STORE__URL".to_owned(), database.url()),
        });
        if let Some(bus) = &self.bus {
            // Whoever publishes is soon missed when it has died.
            let of_bus = [
                ("URL", bus.url.as_str()),
                ("LEASE", "2s"),
                ("DUPLICATE_WINDOW", "1s"),
            ];
            let of_bus = of_bus.map(|(name, value)| {
                let name = format!("ORDERWAY_PROCESS__BUS__{name}");
                (name, value.to_owned())
            });
            own.extend(of_bus);
        }
        Ok(own)
    }

    fn of_experience(&self, url: &str, below: &str) -> anyhow::Result<Vec<(String, String)>> {
        let partners = self.scratch.path().join("partners");
        let punchout = partners.join("punchout");
        if !punchout.is_dir() {
            std::fs::create_dir_all(&punchout)?;
            let edi = tests::root().join("config/partners/acme-edi.toml");
            std::fs::copy(edi, partners.join("acme-edi.toml"))?;
            let profile = tests::punchout::demonstration(&self.site)?;
            std::fs::write(punchout.join("acme-punchout.toml"), profile)?;
        }
        let mut own = settings::of_experience(url, below, &self.outside.issuer);
        own.extend(settings::of_layer(
            "EXPERIENCE",
            [
                ("EDI__PARTNERS_DIR", text(&partners)?),
                ("PUNCHOUT__PARTNERS_DIR", text(&punchout)?),
                (
                    "PUNCHOUT__SECRETS__ACME_PUNCHOUT",
                    PUNCHOUT_SECRET.to_owned(),
                ),
            ],
        ));
        Ok(own)
    }

    /// Waits until every layer is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        for layer in &self.layers {
            let probe = format!("{}/readyz", layer.url);
            if let Err(error) = until_up(&self.http, &probe).await {
                let failure = layer.process.failure().unwrap_or_default();
                let log = layer.process.last_lines(20).join("\n");
                return Err(error.context(format!(
                    "{} is not ready {failure}\n{log}",
                    layer.process.name()
                )));
            }
        }
        Ok(())
    }

    /// The layers of a kind.
    pub(crate) fn of(&self, binary: Binary) -> impl Iterator<Item = &Layer> {
        self.layers
            .iter()
            .filter(move |layer| layer.binary == binary)
    }

    /// The first layer of a kind.
    pub(crate) fn layer(&self, binary: Binary) -> anyhow::Result<&Layer> {
        self.of(binary)
            .next()
            .with_context(|| format!("there is no {}", binary.name()))
    }

    /// Base URLs of the instances of `experience-apis`.
    pub(crate) fn experience_urls(&self) -> Vec<String> {
        self.of(Binary::Experience)
            .map(|layer| layer.url.clone())
            .collect()
    }

    fn config(&self) -> PathBuf {
        self.scratch.path().join("config")
    }

    /// Where the store's file and the logs are.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }
}

/// The committed configuration, with its policies changed as the plan says: a file of the run's own, so that nobody
/// changes it under a layer that starts again.
fn copy_config(to: &Path, plan: &Plan) -> anyhow::Result<()> {
    let from = tests::root().join("config");
    std::fs::create_dir_all(to.join("policies"))?;
    for entry in std::fs::read_dir(&from)?.flatten() {
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    let mut policies = std::fs::read_to_string(from.join("policies/default.toml"))?;
    for (old, new) in &plan.policies {
        anyhow::ensure!(policies.contains(old), "the policies have no {old}");
        policies = policies.replace(old, new);
    }
    std::fs::write(to.join("policies/default.toml"), policies)?;
    Ok(())
}

/// What the connector's configuration calls it.
pub(crate) const fn word(class: CreateClass) -> &'static str {
    match class {
        CreateClass::Staged => "staged",
        CreateClass::Unique => "unique",
        CreateClass::Searchable => "searchable",
        CreateClass::Blind => "blind",
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Where the outside world writes its log, and where its warehouse posts its news.
struct Place<'a> {
    folder: &'a Path,
    news: String,
}

fn start_sandbox(
    program: &Path,
    place: &Place<'_>,
    plan: &Plan,
    ports: &mut Ports,
    http: &Client,
) -> anyhow::Result<(Kept, Outside)> {
    let mut command: Vec<PathBuf> = vec![
        program.to_owned(),
        "--create-class".into(),
        word(plan.class).into(),
        "--wms-news-url".into(),
        place.news.clone().into(),
    ];
    if plan.searchable_warehouse {
        command.push("--repeatable-client-ref".into());
    }
    // Nobody calls the CRM here: any port will do.
    for option in ["--crm-port", "--crm-proxy-port", "--crm-proxy-control-port"] {
        command.push(option.into());
        command.push("0".into());
    }
    let mut urls = Vec::new();
    for option in [
        "--erp-port",
        "--wms-port",
        "--issuer-port",
        "--erp-proxy-port",
        "--wms-proxy-port",
        "--erp-proxy-control-port",
        "--wms-proxy-control-port",
    ] {
        let port = ports.take()?;
        command.push(option.into());
        command.push(port.to_string().into());
        urls.push(format!("http://127.0.0.1:{port}"));
    }
    let Ok(
        [
            erp,
            wms,
            issuer,
            erp_proxy_url,
            wms_proxy_url,
            erp_control,
            wms_control,
        ],
    ) = <[String; 7]>::try_from(urls)
    else {
        anyhow::bail!("seven ports were asked for");
    };
    let kept = Kept::start(Program {
        name: "sandbox".to_owned(),
        command,
        environment: BTreeMap::new(),
        log: place.folder.join("sandbox.log"),
    });
    let outside = Outside {
        http: http.clone(),
        erp,
        wms,
        issuer,
        erp_proxy: Proxy::new(http.clone(), erp_proxy_url, erp_control),
        wms_proxy: Proxy::new(http.clone(), wms_proxy_url, wms_control),
    };
    Ok((kept, outside))
}
