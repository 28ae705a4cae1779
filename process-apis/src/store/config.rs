//! Where the coordination state is kept: configuration.

use std::path::PathBuf;

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Secret, Validate};

use super::postgres::PostgresOptions;

/// Where the coordination state is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The `SQLite` file; made where there is none.
    pub path: PathBuf,
    /// A `PostgreSQL` database, for any number of instances; then there is no file.
    pub url: Option<Secret>,
    /// The most connections to `PostgreSQL`.
    pub connections: u32,
    /// The longest wait for a connection.
    pub connect_time: HumanDuration,
    /// The longest that a statement may take.
    pub statement_time: HumanDuration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data/process-apis.sqlite"),
            url: None,
            connections: 12,
            connect_time: HumanDuration::from_secs(10),
            statement_time: HumanDuration::from_secs(10),
        }
    }
}

impl StoreConfig {
    /// How to connect to `PostgreSQL`; None = the embedded store.
    pub(crate) fn postgres(&self) -> Option<PostgresOptions> {
        let url = self.url.as_ref().filter(|url| !url.is_empty())?;
        Some(PostgresOptions {
            connections: self.connections,
            connect_time: self.connect_time.get(),
            statement_time: self.statement_time.get(),
            ..PostgresOptions::new(url.expose())
        })
    }
}

impl Validate for StoreConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            (4..=64).contains(&self.connections),
            "connections",
            "give 4 to 64: one hears of news, the others work; more would wait in the server instead of here",
        );
        for (name, time) in [
            ("connect_time", self.connect_time),
            ("statement_time", self.statement_time),
        ] {
            faults.check(
                (HumanDuration::from_secs(1)..=HumanDuration::from_secs(60)).contains(&time),
                name,
                "give 1s to 60s",
            );
        }
        if let Some(options) = self.postgres() {
            let known =
                options.url.starts_with("postgres://") || options.url.starts_with("postgresql://");
            faults.check(
                known && options.server().is_ok(),
                "url",
                "give postgres://user:password@host:5432/database, with / ? # @ and : of a password percent-encoded",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use service_runtime::config::{Environment, load};

    use crate::config::Config;

    fn configured(url: &'static str) -> Result<Config, String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");
        let environment = Environment::from([("ORDERWAY_PROCESS__STORE__URL", url)]);
        load(
            crate::LAYER,
            Some(std::path::Path::new(folder)),
            &environment,
        )
        .map_err(|error: service_runtime::config::ConfigError| error.to_string())
    }

    #[test]
    fn an_address_of_postgresql_names_the_engine_and_is_never_shown() {
        let config = configured("postgres://orderway:secret-word@db.example.com/orderway").unwrap();
        let options = config.store.postgres().unwrap();
        assert_eq!(options.connections, 12);
        assert!(!format!("{config:?}").contains("secret-word"));
        assert!(configured("").unwrap().store.postgres().is_none());
        let faults = configured("mysql://orderway:secret-word@db/orderway").unwrap_err();
        assert!(
            faults.contains("store.url") && !faults.contains("secret-word"),
            "{faults}"
        );
    }
}
