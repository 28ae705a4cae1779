//! Reads the profiles at start.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use service_runtime::config::Faults;

use super::{
    Profile, ProfilesError,
    address::{is_https, is_loopback, is_origin},
};
use crate::{
    config::Config,
    profiles::{self, PartnerProfile},
};

/// All profiles, by partner id; none unless a folder is named.
pub fn load(config: &Config) -> Result<BTreeMap<String, Arc<Profile>>, ProfilesError> {
    let (punchout, development) = (&config.punchout, config.development);
    let partners = profiles::load(&punchout.partners_dir, "punchout.partners_dir", development)?;
    let mut faults = Faults::default();
    check_together(&partners, &mut faults);
    if !partners.is_empty() {
        let link_key = punchout.link_key.expose().len();
        faults.check(
            link_key >= 32,
            "punchout.link_key",
            "give at least 32 bytes, by ORDERWAY_EXPERIENCE__PUNCHOUT__LINK_KEY, the same for all instances",
        );
        let address = punchout.public_url.trim_end_matches('/');
        // The shop's pages are told by their path alone, so nothing may stand before it.
        faults.check(
            is_origin(address) && (is_https(address) || (development && is_loopback(address))),
            "punchout.public_url",
            "give the https address under which browsers reach the shop, without a path, such as https://orders.example.com",
        );
    }
    for profile in partners.values() {
        let confirms = profile
            .cxml
            .as_ref()
            .is_some_and(|cxml| cxml.confirmation_url.is_some());
        faults.check(
            !confirms || punchout.secret(&profile.id).is_some(),
            &format!("punchout.secrets.{}", profile.id),
            "give the secret that goes out with confirmations, by ORDERWAY_EXPERIENCE__PUNCHOUT__SECRETS__ and the partner's id, in capitals, with _ for -",
        );
    }
    if faults.is_empty() {
        Ok(partners)
    } else {
        Err(ProfilesError(faults))
    }
}

/// Several partners may send through one network, as one Sender; then From must tell them apart.
fn check_together(partners: &BTreeMap<String, Arc<Profile>>, faults: &mut Faults) {
    let mut taken = BTreeSet::new();
    for profile in partners.values() {
        let Some(cxml) = &profile.cxml else { continue };
        let senders = cxml
            .senders
            .iter()
            .map(|sender| (sender.domain.to_ascii_lowercase(), &sender.identity));
        let senders: BTreeSet<_> = senders.collect();
        for sender in senders {
            for theirs in &cxml.theirs {
                let from = (theirs.domain.to_ascii_lowercase(), &theirs.identity);
                faults.check(
                    taken.insert((sender.clone(), from)),
                    &format!("{}.cxml.theirs", profile.id),
                    format!(
                        "another partner has From {} {} and the same sender: tell them apart",
                        theirs.domain, theirs.identity
                    ),
                );
            }
        }
    }
}

impl PartnerProfile for Profile {
    fn id(&self) -> &str {
        &self.id
    }

    fn check_production(&self, faults: &mut Faults) {
        const PUBLISHED: &str =
            "a published secret is for development mode only: give the partner one of its own";
        for url in &self.return_urls {
            faults.check(
                is_https(url),
                "return_urls",
                format!("`{url}`: carts go back over https; plain http is for loopback in development mode"),
            );
        }
        let framing = self.frame_ancestors.as_deref().unwrap_or_default();
        for (key, origins) in [
            ("frame_ancestors", framing),
            ("form_targets", &self.form_targets),
        ] {
            for origin in origins {
                faults.check(
                    is_https(origin),
                    key,
                    format!("`{origin}`: plain http is for loopback in development mode"),
                );
            }
        }
        if let Some(cxml) = &self.cxml {
            let published = cxml.senders.iter().any(|sender| sender.development_only);
            faults.check(!published, "cxml.senders", PUBLISHED);
            let encrypted = cxml.confirmation_url.as_deref().is_none_or(is_https);
            faults.check(
                encrypted,
                "cxml.confirmation_url",
                "confirmations go over https; plain http is for loopback in development mode",
            );
        }
        if let Some(oci) = &self.oci {
            let published = oci.logins.iter().any(|login| login.development_only);
            faults.check(!published, "oci.logins", PUBLISHED);
        }
    }
}
