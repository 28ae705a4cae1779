//! Reads the profiles at start.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use service_runtime::config::Faults;

use super::Profile;
use crate::profiles::{self, PartnerProfile};

pub use crate::profiles::ProfilesError;

/// All profiles of a folder, by partner id. An empty path means no partners.
pub fn load(
    folder: &Path,
    development: bool,
) -> Result<BTreeMap<String, Arc<Profile>>, ProfilesError> {
    profiles::load(folder, "edi.partners_dir", development)
}

impl PartnerProfile for Profile {
    fn id(&self) -> &str {
        &self.id
    }

    fn check_production(&self, faults: &mut Faults) {
        let published = self
            .credentials
            .iter()
            .any(|credential| credential.development_only);
        faults.check(
            !published,
            "credentials",
            "a published secret is for development mode only: give the partner one of its own",
        );
    }
}
