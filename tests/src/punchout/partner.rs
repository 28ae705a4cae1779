//! A world with a punchout partner in it.

use std::sync::Arc;

use super::{CxmlBuyer, OciBuyer, Site};
use crate::{Setup, World, root};

/// The partner of the demonstration.
const PARTNER: &str = "acme-punchout";

impl Setup {
    /// The demonstration's punchout partner, whose carts go back to this site, and which is told there what becomes of
    /// its orders; with some text of its profile replaced.
    pub fn with_punchout_partner(
        mut self,
        site: &Site,
        changes: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
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
        let changes = changes.iter().map(|(old, new)| (*old, (*new).to_owned()));
        let mut profile = std::fs::read_to_string(path)?;
        for (old, new) in addresses.into_iter().chain(changes) {
            anyhow::ensure!(
                profile.contains(old),
                "the demonstration's profile has no {old}"
            );
            profile = profile.replace(old, &new);
        }
        self.punchout_partners
            .push((format!("{PARTNER}.toml"), profile));
        Ok(self.with(
            "ORDERWAY_EXPERIENCE__PUNCHOUT__SECRETS__ACME_PUNCHOUT",
            "northwind-to-acme-demo",
        ))
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
