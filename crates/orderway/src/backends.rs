//! Which systems stand behind the layers: the sandbox's own, or a running Tryton (docs/backends/tryton.md).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;

/// The systems behind the layers. The token issuer is the sandbox's in any case.
#[derive(Debug, Clone, Default)]
pub enum Backends {
    /// The sandbox's ERP and WMS.
    #[default]
    Sandbox,
    /// Tryton as ERP, WMS and CRM of the first company and as ERP of the second; the sandbox's WMS is the second's.
    Tryton(Tryton),
}

impl Backends {
    /// What `system-apis` call the sandbox's warehouse: before Tryton it is the second company's alone.
    pub(crate) fn sandbox_warehouse(&self) -> &'static str {
        match self {
            Self::Sandbox => "warehouse",
            Self::Tryton(_) => "warehouse2",
        }
    }
}

/// A running Tryton, as `tests/backends/tryton up` tells of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Tryton {
    /// Its base URL.
    pub url: String,
    users: BTreeMap<String, User>,
    databases: BTreeMap<String, Database>,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    login: String,
    password: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Database {
    name: String,
    company: Company,
}

#[derive(Debug, Clone, Deserialize)]
struct Company {
    id: i64,
}

impl Tryton {
    /// The file that tells of it: in the folder that `ORDERWAY_TRYTON_DIR` names, else in `tryton` of the target folder.
    pub fn file() -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let of = |variable| std::env::var_os(variable).map(PathBuf::from);
        let folder = of("ORDERWAY_TRYTON_DIR").unwrap_or_else(|| {
            let target = of("CARGO_TARGET_DIR").unwrap_or_else(|| root.join("target"));
            target.join("tryton")
        });
        folder.join("tryton.json")
    }

    /// The one that is told of; an error says how to bring it up.
    pub fn told() -> anyhow::Result<Self> {
        let file = Self::file();
        let text = std::fs::read(&file).with_context(|| {
            format!(
                "no Tryton is told of in {}: run tests/backends/tryton up, or name its folder in ORDERWAY_TRYTON_DIR",
                file.display()
            )
        })?;
        let tryton: Self = serde_json::from_slice(&text).with_context(|| {
            format!("{} is not what tests/backends/tryton wrote", file.display())
        })?;
        Ok(tryton)
    }

    /// The name of the database of a role: `erp`, `erp2`, `wms` or `crm`.
    pub fn database(&self, role: &str) -> anyhow::Result<&str> {
        Ok(&self.of_role(role)?.name)
    }

    /// The id that its company has there.
    pub(crate) fn company(&self, role: &str) -> anyhow::Result<i64> {
        Ok(self.of_role(role)?.company.id)
    }

    fn of_role(&self, role: &str) -> anyhow::Result<&Database> {
        let database = self.databases.get(role);
        database.with_context(|| format!("this Tryton has no database as {role}"))
    }

    /// Name and password of the gateway's user.
    pub fn gateway(&self) -> anyhow::Result<(&str, &str)> {
        let user = self.users.get("gateway");
        let user = user.context("this Tryton has no user for the gateway")?;
        Ok((&user.login, &user.password))
    }

    /// What `system-apis` have to be told beside config/system-apis.tryton.toml: where the proxies before it are, and who
    /// calls.
    pub(crate) fn settings(
        &self,
        [erp_url, wms_url, crm_url]: [&str; 3],
    ) -> anyhow::Result<Vec<(String, String)>> {
        let (user, password) = self.gateway()?;
        let mut settings = vec![("ORDERWAY_ENV".to_owned(), "tryton".to_owned())];
        for (instance, role, url) in [
            ("ERP__TRYTON", "erp", erp_url),
            ("ERP__TRYTON2", "erp2", erp_url),
            ("WMS__TRYTON_WMS", "wms", wms_url),
            ("CRM__TRYTON_CRM", "crm", crm_url),
        ] {
            let database = self.database(role)?;
            let own = [
                ("URL", url),
                ("DATABASE", database),
                ("USER", user),
                ("PASSWORD", password),
            ];
            settings.extend(own.map(|(key, value)| {
                let name = format!("ORDERWAY_SYSTEM__{instance}__CONNECTOR__{key}");
                (name, value.to_owned())
            }));
        }
        Ok(settings)
    }
}
