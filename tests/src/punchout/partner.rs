//! A world with a punchout partner in it.

use std::sync::Arc;

use super::{CxmlBuyer, OciBuyer, Site};
use crate::{Setup, World, root};

/// The partner of the demonstration.
const PARTNER: &str = "acme-punchout";

/// Another like it, which orders for BOREALIS.
const STRANGER: [(&str, &str); 5] = [
    (PARTNER, "borealis-punchout"),
    ("account = \"ACME\"", "account = \"BOREALIS\""),
    ("\"ACME-01\"", "\"BOREALIS-01\""),
    ("\"AN01-ACME\"", "\"AN01-BOREALIS\""),
    ("user = \"acme\"", "user = \"borealis\""),
];

impl Setup {
    /// The demonstration's punchout partner, whose carts go back to this site, and which is told there what becomes of
    /// its orders; with some text of its profile replaced.
    pub fn with_punchout_partner(
        self,
        site: &Site,
        changes: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let profile = replaced(demonstration(site)?, changes)?;
        Ok(self.with_profile(PARTNER, profile))
    }

    /// Beside it another, `borealis-punchout`, which calls itself AN01-BOREALIS.
    pub fn with_punchout_stranger(self, site: &Site) -> anyhow::Result<Self> {
        let profile = replaced(demonstration(site)?, &STRANGER)?;
        Ok(self.with_profile("borealis-punchout", profile))
    }

    fn with_profile(mut self, id: &str, profile: String) -> Self {
        self.punchout_partners.push((format!("{id}.toml"), profile));
        let secret = format!(
            "ORDERWAY_EXPERIENCE__PUNCHOUT__SECRETS__{}",
            id.replace('-', "_").to_uppercase()
        );
        self.with(&secret, "northwind-to-acme-demo")
    }
}

/// The demonstration's profile, with the addresses of a site.
fn demonstration(site: &Site) -> anyhow::Result<String> {
    let path = root().join(format!("config/partners/punchout/{PARTNER}.toml"));
    let url = &site.url;
    let addresses = [
        (
            "[\"https://procure.example.com/punchout/\", \"http://localhost:7009/punchout/\"]",
            format!("[\"{url}/\"]"),
        ),
        (
            "[\"https://procure.example.com\", \"http://localhost:7009\"]",
            format!("[\"{url}\"]"),
        ),
        (
            "# confirmation_url = \"https://procure.example.com/cxml\"",
            format!("confirmation_url = \"{url}/confirmations\""),
        ),
    ];
    let addresses: Vec<_> = addresses
        .iter()
        .map(|(old, new)| (*old, new.as_str()))
        .collect();
    replaced(std::fs::read_to_string(path)?, &addresses)
}

fn replaced(mut profile: String, changes: &[(&str, &str)]) -> anyhow::Result<String> {
    for (old, new) in changes {
        anyhow::ensure!(
            profile.contains(old),
            "the demonstration's profile has no {old}"
        );
        profile = profile.replace(old, new);
    }
    Ok(profile)
}

impl World {
    /// The demonstration's partner, as it speaks cXML.
    pub fn cxml_buyer(&self, site: &Arc<Site>) -> CxmlBuyer {
        CxmlBuyer::new(self.http.clone(), &self.estate.experience_url, site)
    }

    /// The demonstration's partner, as it speaks OCI.
    pub fn oci_buyer(&self, site: &Arc<Site>) -> OciBuyer {
        OciBuyer::new(
            self.http.clone(),
            &self.estate.experience_url,
            PARTNER,
            site,
        )
    }
}
