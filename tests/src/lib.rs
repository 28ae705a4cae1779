//! The world of the integration tests: the sandbox and the three layers in one process, and a caller of each kind.

mod callers;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use orderway::{Addresses, Estate, EstateConfig};
use process_apis::policy::Policies;
use sandbox::{SandboxConfig, Seed};
use service_runtime::clock::Clock;

pub use callers::{Answer, EdiPartner, PortalUser};

/// What a world is made of. Start from [`Setup::default`] and change what matters.
pub struct Setup {
    /// The backends; None = the default world, dated today.
    pub sandbox: Option<SandboxConfig>,
    /// Settings laid over the files, as environment variables.
    pub settings: Vec<(String, String)>,
    /// The rules; None = those of the files.
    pub policies: Option<Policies>,
    /// The layers' clock.
    pub clock: Clock,
    /// Partner profiles beside none of the committed ones: file name and content. Empty = the committed ones.
    pub partners: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { sandbox: None, settings: Vec::new(), policies: None, clock: Clock::system(), partners: Vec::new() }
    }
}

impl Setup {
    /// Lays a setting over the files: `("ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND", "5")`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running world; its store is gone with it.
pub struct World {
    /// Everything that runs.
    pub estate: Estate,
    /// What the test calls with.
    pub http: reqwest::Client,
    _scratch: tempfile::TempDir,
}

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

impl World {
    /// The default world.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Setup::default()).await
    }

    /// A world of one's own.
    pub async fn start_with(setup: Setup) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let partners_dir = if setup.partners.is_empty() {
            root().join("config/partners")
        } else {
            let folder = scratch.path().join("partners");
            std::fs::create_dir(&folder)?;
            for (name, content) in &setup.partners {
                std::fs::write(folder.join(name), content)?;
            }
            folder
        };
        let today = setup.clock.today(&TimeZone::UTC);
        let estate = Estate::start(EstateConfig {
            sandbox: setup.sandbox.unwrap_or_else(|| SandboxConfig::new(Seed::default_world(today))),
            addresses: Addresses::any(),
            config_dir: root().join("config"),
            partners_dir,
            store: scratch.path().join("process-apis.sqlite"),
            settings: setup.settings,
            policies: setup.policies,
            clock: setup.clock,
        })
        .await?;
        let client = service_runtime::http_client::backend_client(&Default::default())?;
        Ok(Self { estate, http: client, _scratch: scratch })
    }

    /// A storefront's user: a client of the sandbox's issuer (`acme-buyer`, `acme-west-buyer`, `borealis-buyer`),
    /// acting for one account.
    pub fn portal_user(&self, client: &str, account: &str) -> anyhow::Result<PortalUser> {
        let token = self.estate.sandbox.issuer.forge().token(client)?;
        Ok(PortalUser::new(self.http.clone(), &self.estate.experience_url, token, account))
    }

    /// A trading partner with its secret.
    pub fn edi_partner(&self, id: &str, secret: &str) -> EdiPartner {
        EdiPartner::new(self.http.clone(), &self.estate.experience_url, id, secret)
    }

    /// Stops everything in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.estate.stop().await
    }
}
