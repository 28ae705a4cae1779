//! Reads the profiles at start; a fault in any of them is told with all others.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use service_runtime::config::Faults;

use super::Profile;

/// A profile is a page of text; more is a wrong file.
const MOST_BYTES: u64 = 256 * 1024;

/// What is wrong with the profiles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the partner profiles have faults:\n{0}")]
pub struct ProfilesError(pub Faults);

/// All profiles of a folder, by partner id. An empty path means no partners.
pub fn load(
    folder: &Path,
    development: bool,
) -> Result<BTreeMap<String, Arc<Profile>>, ProfilesError> {
    let mut faults = Faults::default();
    let mut partners = BTreeMap::new();
    if folder.as_os_str().is_empty() {
        return Ok(partners);
    }
    for path in files(folder, &mut faults) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if let Some(profile) = one(&path, name, development, &mut faults) {
            partners.insert(profile.id.clone(), Arc::new(profile));
        }
    }
    if faults.is_empty() {
        Ok(partners)
    } else {
        Err(ProfilesError(faults))
    }
}

fn files(folder: &Path, faults: &mut Faults) -> Vec<std::path::PathBuf> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let toml =
                |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "toml");
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
                "edi.partners_dir",
                format!("the folder {} cannot be read: {error}", folder.display()),
            );
            Vec::new()
        }
    }
}

fn one(path: &Path, name: &str, development: bool, faults: &mut Faults) -> Option<Profile> {
    let profile = match read(path) {
        Ok(profile) => profile,
        Err(message) => {
            faults.add(name, message);
            return None;
        }
    };
    faults.within(name, &profile);
    faults.check(
        profile.id == name,
        &format!("{name}.id"),
        "the file must be named after the id",
    );
    let published = profile
        .credentials
        .iter()
        .any(|credential| credential.development_only);
    faults.check(
        development || !published,
        &format!("{name}.credentials"),
        "a published secret is for development mode only: give the partner one of its own",
    );
    Some(profile)
}

fn read(path: &Path) -> Result<Profile, String> {
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
