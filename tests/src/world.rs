//! A world: the sandbox and the three layers in this process.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use orderway::{Addresses, Backends, Estate, EstateConfig};
use process_apis::policy::Policies;
use sandbox::{CreateClass, SandboxConfig, Seed};
use service_runtime::clock::Clock;

use crate::{EdiPartner, Operator, PortalUser, root};

/// What a world is made of. Start from [`Setup::default`] and change what matters.
pub struct Setup {
    /// The backends; None = the default world, dated today.
    pub sandbox: Option<SandboxConfig>,
    /// Which backends the layers have.
    pub backends: Backends,
    /// Settings laid over the files, as environment variables.
    pub settings: Vec<(String, String)>,
    /// The rules; None = those of the files.
    pub policies: Option<Policies>,
    /// The layers' clock.
    pub clock: Clock,
    /// Partner profiles beside none of the committed ones: file name and content. Empty = the committed ones.
    pub partners: Vec<(String, String)>,
    /// Punchout partner profiles in place of the committed ones. Empty = the committed ones.
    pub punchout_partners: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sandbox: None,
            backends: Backends::Sandbox,
            settings: Vec::new(),
            policies: None,
            clock: Clock::system(),
            partners: Vec::new(),
            punchout_partners: Vec::new(),
        }
    }
}

impl Setup {
    /// A world whose time stands still until it is moved: the layers' and the sandbox's alike.
    pub fn at(instant: Timestamp) -> (Self, Time) {
        let (clock, layers) = Clock::fixed(instant);
        let (sandbox_clock, sandbox) = sandbox::Clock::fixed(instant);
        let mut config = SandboxConfig::new(Seed::default_world(sandbox_clock.today()));
        config.clock = sandbox_clock;
        let setup = Self {
            sandbox: Some(config),
            clock,
            ..Self::default()
        };
        (setup, Time { layers, sandbox })
    }

    /// Lays a setting over the files: `("ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND", "5")`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Both backends in other words.
    #[must_use]
    pub fn with_sandbox(mut self, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let today = self.clock.today(&TimeZone::UTC);
        let sandbox = self.sandbox.get_or_insert_with(|| default_sandbox(today));
        change(sandbox);
        self
    }

    /// An ERP of this class, and layers that know it; the quiet periods are short.
    #[must_use]
    pub fn with_create_class(self, class: CreateClass) -> Self {
        let word = match class {
            CreateClass::Staged => "staged",
            CreateClass::Unique => "unique",
            CreateClass::Searchable => "searchable",
            CreateClass::Blind => "blind",
        };
        self.with("ORDERWAY_SYSTEM__ERP__MAIN__CONNECTOR__CREATE_CLASS", word)
            .with(
                "ORDERWAY_SYSTEM__ERP__MAIN__CONNECTOR__QUIET_PERIOD",
                "200ms",
            )
            .with(
                "ORDERWAY_SYSTEM__WMS__WAREHOUSE__CONNECTOR__QUIET_PERIOD",
                "200ms",
            )
            .with_sandbox(|sandbox| sandbox.create_class = class)
    }

    /// A partner that orders for this account with the secret `acme-edi-demo`, by the rules of the demonstration's
    /// profile with some of its text replaced.
    pub fn with_partner(
        mut self,
        id: &str,
        account: &str,
        changes: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let demonstration = std::fs::read_to_string(root().join("config/partners/acme-edi.toml"))?;
        let mut profile = demonstration
            .replace("id = \"acme-edi\"", &format!("id = \"{id}\""))
            .replace("account = \"ACME\"", &format!("account = \"{account}\""))
            .replace("\"ACME-01\"", &format!("\"{account}-01\""));
        for (old, new) in changes {
            anyhow::ensure!(
                profile.contains(old),
                "the demonstration's profile has no {old}"
            );
            profile = profile.replace(old, new);
        }
        self.partners.push((format!("{id}.toml"), profile));
        Ok(self)
    }
}

/// The folder of partners: that of the files, or one of the test's own where it names any.
fn partners_dir(setup: &Setup, scratch: &Path) -> anyhow::Result<PathBuf> {
    let committed = root().join("config/partners");
    if setup.partners.is_empty() && setup.punchout_partners.is_empty() {
        return Ok(committed);
    }
    let folder = scratch.join("partners");
    for (place, committed, partners) in [
        (folder.clone(), committed.clone(), &setup.partners),
        (
            folder.join("punchout"),
            committed.join("punchout"),
            &setup.punchout_partners,
        ),
    ] {
        std::fs::create_dir(&place)?;
        for (name, content) in partners {
            std::fs::write(place.join(name), content)?;
        }
        let files = std::fs::read_dir(committed)?.flatten();
        for file in files.filter(|file| partners.is_empty() && file.path().is_file()) {
            std::fs::copy(file.path(), place.join(file.file_name()))?;
        }
    }
    Ok(folder)
}

fn default_sandbox(today: jiff::civil::Date) -> SandboxConfig {
    SandboxConfig::new(Seed::default_world(today))
}

/// Moves the time of a world.
#[derive(Debug, Clone)]
pub struct Time {
    layers: service_runtime::clock::ClockHandle,
    sandbox: sandbox::ClockHandle,
}

impl Time {
    /// Moves every clock on.
    pub fn advance(&self, by: SignedDuration) {
        self.layers.advance(by);
        self.sandbox.advance(by);
    }
}

/// A running world; its store is gone with it.
pub struct World {
    /// Everything that runs.
    pub estate: Estate,
    /// What the test calls with.
    pub http: reqwest::Client,
    clock: Clock,
    scratch: tempfile::TempDir,
}

impl World {
    /// The default world.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Setup::default()).await
    }

    /// A world of one's own.
    pub async fn start_with(setup: Setup) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let partners_dir = partners_dir(&setup, scratch.path())?;
        let today = setup.clock.today(&TimeZone::UTC);
        let quiet = ["SYSTEM", "PROCESS", "EXPERIENCE"]
            .map(|layer| (format!("ORDERWAY_{layer}__LOG__LEVEL"), "off".to_owned()));
        let estate = EstateConfig {
            sandbox: setup.sandbox.unwrap_or_else(|| default_sandbox(today)),
            backends: setup.backends,
            addresses: Addresses::any(),
            config_dir: root().join("config"),
            partners_dir,
            store: scratch.path().join("process-apis.sqlite"),
            settings: quiet.into_iter().chain(setup.settings).collect(),
            policies: setup.policies,
            clock: setup.clock.clone(),
        };
        // All three layers are put together in it: too large to be carried about by value.
        let estate = Box::pin(Estate::start(estate)).await?;
        let http = service_runtime::http_client::backend_client(&Default::default())?;
        Ok(Self {
            estate,
            http,
            clock: setup.clock,
            scratch,
        })
    }

    /// A storefront's user: a client of the sandbox's issuer (`acme-buyer`, `acme-west-buyer`, `borealis-buyer`),
    /// acting for one account.
    pub fn portal_user(&self, client: &str, account: &str) -> anyhow::Result<PortalUser> {
        let token = self.estate.sandbox.issuer.forge().token(client)?;
        let http = self.http.clone();
        Ok(PortalUser::new(
            http,
            &self.estate.experience_url,
            token,
            account,
        ))
    }

    /// A trading partner with its secret.
    pub fn edi_partner(&self, id: &str, secret: &str) -> EdiPartner {
        EdiPartner::new(self.http.clone(), &self.estate.experience_url, id, secret)
    }

    /// A person of the seller with every right.
    pub fn operator(&self) -> anyhow::Result<Operator> {
        Operator::new(
            self.http.clone(),
            &self.estate.process_url,
            self.clock.clone(),
        )
    }

    /// What time it is here.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Stops the layers in order and starts them again on the same store and at the same addresses; the backends
    /// go on.
    pub async fn restart_layers(self) -> anyhow::Result<Self> {
        let Self {
            estate,
            http,
            clock,
            scratch,
        } = self;
        let estate = estate.restart_layers().await?;
        Ok(Self {
            estate,
            http,
            clock,
            scratch,
        })
    }

    /// The same for `process-apis` alone: those above and below go on.
    pub async fn restart_process(self) -> anyhow::Result<Self> {
        let estate = self.estate.restart_process().await?;
        Ok(Self { estate, ..self })
    }

    /// Stops the layers in order, and the backends where they are.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.estate.stop_layers().await
    }
}
