//! The profile of the demonstration's punchout partner, for a site of the test's own.

use super::Site;
use crate::root;

/// The partner of the demonstration.
pub(super) const PARTNER: &str = "acme-punchout";

/// The demonstration's profile, with the addresses of a site.
pub fn demonstration(site: &Site) -> anyhow::Result<String> {
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

pub(super) fn replaced(mut profile: String, changes: &[(&str, &str)]) -> anyhow::Result<String> {
    for (old, new) in changes {
        anyhow::ensure!(
            profile.contains(old),
            "the demonstration's profile has no {old}"
        );
        profile = profile.replace(old, new);
    }
    Ok(profile)
}
