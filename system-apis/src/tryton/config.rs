//! Where a Tryton is, and as whom it is used.

use serde::Deserialize;
use service_runtime::{
    config::{Faults, Secret, Validate},
    http_client::BackendClientConfig,
};

/// One database of a Tryton server.
#[derive(Debug, Clone, Deserialize)]
pub struct TrytonServer {
    /// Such as `https://erp.example.com`, without the database.
    pub url: String,
    /// The database.
    pub database: String,
    /// The login of a user of its own, whose language is English and who is no administrator.
    pub user: String,
    /// That user's password.
    #[serde(default)]
    pub password: Secret,
    /// The code of the company's party there; it is the only company that is read and changed.
    pub company: String,
    /// Connections to it.
    #[serde(default)]
    pub http: BackendClientConfig,
}

impl Validate for TrytonServer {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            reqwest::Url::parse(&self.url).is_ok_and(|url| url.has_host()),
            "url",
            "give an address such as https://erp.example.com",
        );
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|one| one.is_ascii_alphanumeric() || "_-.".contains(one))
        };
        faults.check(
            plain(&self.database),
            "database",
            "give the database's name: letters, digits, and any of _-.",
        );
        faults.check(
            !self.user.is_empty() && !self.user.contains(':'),
            "user",
            "give the user's login, without a colon",
        );
        faults.check(
            !self.password.is_empty(),
            "password",
            "give the user's password in the environment",
        );
        faults.check(
            !self.company.is_empty(),
            "company",
            "give the code of the company's party",
        );
    }
}
