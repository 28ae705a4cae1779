//! What the layers are told when they run against a sandbox on this machine: its development keys, and each other's addresses.

/// The variables of a layer, by the names that its configuration has for them: `("LISTEN", …)` of `EXPERIENCE` is
/// `ORDERWAY_EXPERIENCE__LISTEN`.
pub fn of_layer<'a>(
    layer: &str,
    settings: impl IntoIterator<Item = (&'a str, String)>,
) -> Vec<(String, String)> {
    settings
        .into_iter()
        .map(|(name, value)| (format!("ORDERWAY_{layer}__{name}"), value))
        .collect()
}

/// Of `experience-apis` at `url`, above the `process-apis` of `below`, for the tokens of the issuer; nobody is held back by limits
/// that are not what is looked at.
pub fn of_experience(url: &str, below: &str, issuer: &str) -> Vec<(String, String)> {
    let issuers = format!(
        "[{{ issuer = \"{issuer}\", audience = \"orderway\", algorithm = \"ES256\", keys = {{ jwks_url = \
         \"{issuer}/jwks.json\" }} }}]"
    );
    let mut own = of_layer(
        "EXPERIENCE",
        [
            ("DEVELOPMENT", "true".to_owned()),
            ("PROCESS__BASE_URL", below.to_owned()),
            (
                "CONTEXT__PROCESS_KEY",
                "development-only-experience-to-process-key".to_owned(),
            ),
            ("PUNCHOUT__PUBLIC_URL", url.to_owned()),
            (
                "PUNCHOUT__LINK_KEY",
                "development-only-key-of-punchout-links".to_owned(),
            ),
            ("ISSUERS", issuers),
        ],
    );
    for limit in ["CREDENTIAL", "ACCOUNT"] {
        for bound in ["PER_SECOND", "BURST"] {
            let name = format!("ORDERWAY_EXPERIENCE__LIMITS__{limit}__{bound}");
            own.push((name, "100000".to_owned()));
        }
    }
    own
}
