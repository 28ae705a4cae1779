//! Partner profiles of a channel, read at start: one file a partner. A fault in any of them is told with all others.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use service_runtime::config::{Faults, Validate};

/// A profile is a page of text; more is a wrong file.
const MOST_BYTES: u64 = 256 * 1024;

/// What was agreed with one trading partner.
pub trait PartnerProfile: DeserializeOwned + Validate {
    /// Its id, after which its file is named.
    fn id(&self) -> &str;

    /// What only development mode takes, such as a published secret.
    fn check_production(&self, faults: &mut Faults);
}

/// What is wrong with the profiles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the partner profiles have faults:\n{0}")]
pub struct ProfilesError(pub Faults);

/// All profiles of a folder, which stands in the configuration under `key`, by partner id. An empty path means no
/// partners.
pub fn load<P: PartnerProfile>(
    folder: &Path,
    key: &str,
    development: bool,
) -> Result<BTreeMap<String, Arc<P>>, ProfilesError> {
    let mut faults = Faults::default();
    let mut partners = BTreeMap::new();
    if folder.as_os_str().is_empty() {
        return Ok(partners);
    }
    for path in files(folder, key, &mut faults) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if let Some(profile) = one::<P>(&path, name, development, &mut faults) {
            partners.insert(profile.id().to_owned(), Arc::new(profile));
        }
    }
    if faults.is_empty() {
        Ok(partners)
    } else {
        Err(ProfilesError(faults))
    }
}

fn files(folder: &Path, key: &str, faults: &mut Faults) -> Vec<PathBuf> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let toml = |path: &PathBuf| path.extension().is_some_and(|end| end == "toml");
            let mut found: Vec<_> = entries
                .flatten()
                .map(|entry| entry.path())
                .filter(toml)
                .collect();
            found.sort();
            found
        }
        Err(error) => {
            faults.add(
                key,
                format!("the folder {} cannot be read: {error}", folder.display()),
            );
            Vec::new()
        }
    }
}

fn one<P: PartnerProfile>(
    path: &Path,
    name: &str,
    development: bool,
    faults: &mut Faults,
) -> Option<P> {
    let profile: P = match read(path) {
        Ok(profile) => profile,
        Err(message) => {
            faults.add(name, message);
            return None;
        }
    };
    faults.within(name, &profile);
    faults.check(
        profile.id() == name,
        &format!("{name}.id"),
        "the file must be named after the id",
    );
    if !development {
        faults.within(name, &InProduction(&profile));
    }
    Some(profile)
}

struct InProduction<'a, P>(&'a P);

impl<P: PartnerProfile> Validate for InProduction<'_, P> {
    fn validate(&self, faults: &mut Faults) {
        self.0.check_production(faults);
    }
}

fn read<P: PartnerProfile>(path: &Path) -> Result<P, String> {
    let told = |error: std::io::Error| format!("the file cannot be read: {error}");
    let length = std::fs::metadata(path).map_err(told)?.len();
    if length > MOST_BYTES {
        return Err("the file is too large for a profile".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(told)?;
    // Only the message: the whole error quotes the line, and a line may hold a hash.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start));
        let line = line.map_or(1, |before| before.matches('\n').count().saturating_add(1));
        format!("line {line}: {}", error.message().trim())
    })
}
