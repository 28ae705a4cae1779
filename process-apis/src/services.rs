//! Experience services that are not ours: a channel that somebody else runs, under a key and within bounds of its own
//! (docs/adding-a-channel.md).

use serde::Deserialize;
use service_runtime::{
    config::{Faults, Secret},
    context::{ContextError, ContextKeys, ExperienceService},
};

use crate::config::{ContextConfig, DEVELOPMENT_KEY};

/// An experience service of somebody's own: docs/adding-a-channel.md.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Verifies its contexts; at least 32 bytes, and no other caller's.
    pub key: Secret,
    /// The key before, while keys rotate.
    #[serde(default)]
    pub key_previous: Option<Secret>,
    /// The channels it is; none of ours.
    pub channels: Vec<String>,
    /// The companies it sells for.
    pub companies: Vec<String>,
    /// The scopes that its callers may hold.
    pub scopes: Vec<String>,
}

/// Channels that are Orderway's own, or name something else where a channel would stand.
const OWN_CHANNELS: [&str; 8] = [
    "portal", "edi", "punchout", "process", "operator", "webhooks", "feed", "intake",
];

/// The services as the verifier of contexts knows them.
pub fn known(context: &ContextConfig) -> Result<Vec<ExperienceService>, ContextError> {
    let services = context.services.iter().map(|(name, service)| {
        Ok(ExperienceService {
            name: name.clone(),
            keys: ContextKeys::new(&service.key, service.key_previous.as_ref())?,
            channels: service.channels.clone(),
            companies: service.companies.clone(),
            scopes: service.scopes.clone(),
        })
    });
    services.collect()
}

/// What services need: a key of their own, and bounds that say something.
pub fn check(context: &ContextConfig, development: bool, faults: &mut Faults) {
    let previous = context.experience_key_previous.as_ref();
    let ours = std::iter::once(&context.experience_key).chain(previous);
    let mut keys: Vec<&str> = ours.map(Secret::expose).collect();
    for (name, service) in &context.services {
        let at = |key: &str| format!("context.services.{name}.{key}");
        let letters = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        faults.check(
            letters(name) && !OWN_CHANNELS.contains(&name.as_str()),
            &at("name"),
            "name it with small letters, digits and hyphens, and not as one of our channels",
        );
        for key in std::iter::once(&service.key).chain(&service.key_previous) {
            let key = key.expose();
            faults.check(key.len() >= 32, &at("key"), "give at least 32 bytes");
            faults.check(
                development || !key.starts_with(DEVELOPMENT_KEY),
                &at("key"),
                "this key stands in a public file: give a secret one in the environment",
            );
            faults.check(
                !keys.contains(&key),
                &at("key"),
                "another caller has this key: whoever signs with it could not be told apart",
            );
            keys.push(key);
        }
        let own = |channel: &String| OWN_CHANNELS.contains(&channel.as_str());
        faults.check(
            !service.channels.is_empty()
                && service.channels.iter().all(|channel| letters(channel))
                && !service.channels.iter().any(own),
            &at("channels"),
            format!(
                "name at least one, with small letters, digits and hyphens, and none of {}",
                OWN_CHANNELS.join(", ")
            ),
        );
        faults.check(
            !service.companies.is_empty() && !service.scopes.is_empty(),
            &at("companies"),
            "name at least one company and one scope: without them it may do nothing",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use service_runtime::config::{Environment, load};

    use crate::config::Config;

    fn with(service: &str, key: &str, channels: &str) -> Result<Config, String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let setting = format!(
            "{{ {service} = {{ key = \"{key}\", channels = {channels}, companies = [\"NWI\"], scopes = [\"orders:read\"] }} }}"
        );
        let environment =
            Environment::from([("ORDERWAY_PROCESS__CONTEXT__SERVICES", setting.as_str())]);
        load(crate::LAYER, Some(&directory), &environment).map_err(|error| error.to_string())
    }

    const KEY: &str = "a-key-of-the-kiosk-and-of-nobody-else";

    #[test]
    fn a_service_with_a_key_and_a_channel_of_its_own_is_taken() {
        let config = with("kiosk", KEY, "[\"kiosk\"]").unwrap();
        assert_eq!(config.context.services["kiosk"].channels, ["kiosk"]);
    }

    #[test]
    fn a_service_that_could_pass_for_somebody_else_is_refused() {
        let ours = "development-only-experience-to-process-key";
        for (service, key, channels, fault) in [
            ("kiosk", "short", "[\"kiosk\"]", "at least 32 bytes"),
            ("kiosk", ours, "[\"kiosk\"]", "another caller has this key"),
            ("kiosk", KEY, "[\"edi\"]", "none of portal, edi"),
            ("kiosk", KEY, "[]", "name at least one"),
            ("intake", KEY, "[\"kiosk\"]", "not as one of our channels"),
        ] {
            let faults = with(service, key, channels).unwrap_err();
            assert!(faults.contains(fault), "{fault}: {faults}");
        }
    }
}
