//! A world with a punchout partner in it.

use std::sync::Arc;

use super::{
    CxmlBuyer, OciBuyer, Site,
    profile::{demonstration, replaced},
};
use crate::{Setup, World};

/// The partner of the demonstration.
const PARTNER: &str = super::profile::PARTNER;

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
