//! Every file of config/ loads with the loader that production uses, and names every key there is.

use std::{collections::BTreeSet, fs, path::PathBuf};

use process_apis::policy::Policies;
use service_runtime::config::{ConfigError, Environment, load};

fn folder() -> PathBuf {
    tests::root().join("config")
}

fn experience(extra: &[(&str, &str)]) -> Result<experience_apis::config::Config, ConfigError> {
    let issuers = r#"[{ issuer = "https://login.example", audience = "orderway", algorithm = "ES256", keys = { jwks_url = "https://login.example/jwks.json" } }]"#;
    let needed = [
        (
            "ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY",
            "0123456789abcdef0123456789abcdef",
        ),
        ("ORDERWAY_EXPERIENCE__ISSUERS", issuers),
    ];
    load(
        experience_apis::LAYER,
        Some(&folder()),
        &environment(&needed, extra),
    )
}

fn process(extra: &[(&str, &str)]) -> Result<process_apis::config::Config, ConfigError> {
    load(
        process_apis::LAYER,
        Some(&folder()),
        &environment(&[], extra),
    )
}

fn system(extra: &[(&str, &str)]) -> Result<system_apis::config::Config, ConfigError> {
    load(
        system_apis::LAYER,
        Some(&folder()),
        &environment(&[], extra),
    )
}

fn environment(needed: &[(&str, &str)], extra: &[(&str, &str)]) -> Environment {
    let pairs = needed.iter().chain(extra);
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn every_layer_loads_its_file() {
    experience(&[]).unwrap();
    process(&[]).unwrap();
    system(&[]).unwrap();
    Policies::load(Some(&folder())).unwrap();
}

/// What lies over it for Tryton is whole but for the passwords.
#[test]
fn the_file_for_tryton_needs_its_passwords_alone() {
    let environment = ("ORDERWAY_ENV", "tryton");
    let of = |instance: &str| format!("ORDERWAY_SYSTEM__{instance}__CONNECTOR__PASSWORD");
    let instances = [
        "ERP__TRYTON",
        "ERP__TRYTON2",
        "WMS__TRYTON_WMS",
        "CRM__TRYTON_CRM",
    ]
    .map(of);
    let error = system(&[environment]).unwrap_err().to_string();
    assert_eq!(
        error.matches(".connector.password").count(),
        instances.len(),
        "{error}"
    );
    let passwords = instances.iter().map(|name| (name.as_str(), "secret"));
    let all: Vec<_> = passwords.chain([environment]).collect();
    let config = system(&all).unwrap();
    let companies: Vec<_> = config.companies.values().collect();
    let [first, second] = companies.as_slice() else {
        panic!("{companies:?}")
    };
    assert_ne!(first.erp, second.erp);
    assert!(first.sites.keys().eq(second.sites.keys()));
    assert!(first.sites.values().all(|wms| wms == "tryton_wms"));
    assert!(second.sites.values().all(|wms| wms == "warehouse2"));
    assert_eq!(first.crm.as_deref(), Some("tryton_crm"));
}

#[test]
fn a_public_key_opens_nothing_outside_development_mode() {
    let error = process(&[("ORDERWAY_PROCESS__DEVELOPMENT", "false")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("experience_key") && error.contains("system_key"),
        "{error}"
    );
    let error = system(&[("ORDERWAY_SYSTEM__DEVELOPMENT", "false")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("process_key"), "{error}");
}

#[test]
fn a_key_that_there_is_not_is_named() {
    let errors = [
        experience(&[("ORDERWAY_EXPERIENCE__PORTAL__MAX_WIAT", "1s")])
            .unwrap_err()
            .to_string(),
        process(&[("ORDERWAY_PROCESS__EFFECTS__MAX_WIAT", "1s")])
            .unwrap_err()
            .to_string(),
        system(&[("ORDERWAY_SYSTEM__REQUESTS__MAX_WIAT", "1s")])
            .unwrap_err()
            .to_string(),
    ];
    for error in errors {
        assert!(error.contains("max_wiat"), "{error}");
    }
}

/// serde tells the keys it expects when it meets one it does not know: every one of them stands in the file, in force
/// or as a comment.
#[expect(clippy::too_many_lines, reason = "one case after another")]
#[test]
fn every_key_of_every_table_stands_in_the_files() {
    let mut tables = Vec::new();
    for at in [
        "",
        "LOG__",
        "PROCESS__",
        "CONTEXT__",
        "LIMITS__",
        "LIMITS__CREDENTIAL__",
        "REQUESTS__",
        "PORTAL__",
        "EDI__",
    ] {
        tables.push((
            "experience-apis.toml",
            at,
            keys(experience(&[(
                &format!("ORDERWAY_EXPERIENCE__{at}NO_SUCH_KEY"),
                "1",
            )])),
        ));
    }
    for at in [
        "",
        "LOG__",
        "REQUESTS__",
        "CONTEXT__",
        "SYSTEM__",
        "STORE__",
        "EFFECTS__",
        "HOUSEKEEPING__",
    ] {
        tables.push((
            "process-apis.toml",
            at,
            keys(process(&[(
                &format!("ORDERWAY_PROCESS__{at}NO_SUCH_KEY"),
                "1",
            )])),
        ));
    }
    let system_tables = [
        "",
        "LOG__",
        "REQUESTS__",
        "BUS__",
        "CONTEXT__",
        "COMPANIES__NEW__",
        "ERP__MAIN__",
        "ERP__MAIN__BUDGET__",
        "ERP__MAIN__BREAKER__",
        "ERP__MAIN__CACHE__",
        "ERP__MAIN__CHANGES__",
        "ERP__MAIN__CONNECTOR__",
        "ERP__MAIN__CONNECTOR__HTTP__",
        "WMS__WAREHOUSE__",
        "WMS__WAREHOUSE__BUDGET__",
        "WMS__WAREHOUSE__BREAKER__",
        "WMS__WAREHOUSE__CONNECTOR__",
        "WMS__WAREHOUSE__CONNECTOR__HTTP__",
    ];
    for at in system_tables {
        tables.push((
            "system-apis.toml",
            at,
            keys(system(&[(
                &format!("ORDERWAY_SYSTEM__{at}NO_SUCH_KEY"),
                "1",
            )])),
        ));
    }
    let mut missing = Vec::new();
    for (file, table, keys) in tables {
        let text = fs::read_to_string(folder().join(file)).unwrap();
        let words: BTreeSet<_> = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .collect();
        assert!(
            !keys.is_empty(),
            "{file}: the keys of `{table}` were not told"
        );
        missing.extend(
            keys.into_iter()
                .filter(|key| !words.contains(key.as_str()))
                .map(|key| format!("{file} `{table}`: {key}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// From "unknown field `x`, expected one of `a`, `b`".
fn keys<T>(loaded: Result<T, ConfigError>) -> Vec<String> {
    let Err(error) = loaded else {
        panic!("a key that there is not was taken")
    };
    let text = error.to_string();
    let expected = text
        .split_once("expected")
        .map_or("", |(_, expected)| expected);
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_policies_file_says_all_that_the_code_would_assume() {
    let from_file = Policies::load(Some(&folder())).unwrap();
    let assumed = Policies::default();
    let shown = |policies: &Policies| {
        let text = format!(
            "{:#?}",
            Policies {
                sites: Default::default(),
                ..policies.clone()
            }
        );
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (file, code) = (shown(&from_file), shown(&assumed));
    let differences: Vec<_> = file
        .iter()
        .zip(&code)
        .filter(|(file, code)| file != code)
        .collect();
    assert_eq!(file.len(), code.len());
    assert!(
        differences.is_empty(),
        "default.toml is not the defaults: {differences:#?}"
    );
}

#[test]
fn the_partner_profiles_load_and_only_in_development_where_their_secret_is_published() {
    let partners = folder().join("partners");
    let profiles = experience_apis::edi::profile::load(&partners, true).unwrap();
    let files = fs::read_dir(&partners).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|e| e == "toml")
    });
    assert_eq!(profiles.len(), files.count());
    let refused = experience_apis::edi::profile::load(&partners, false);
    assert!(refused.is_err(), "a published secret opens production");
}

/// What compose.yaml sets, with its variables filled in as .env.example asks.
fn composed() -> Environment {
    let filled = |value: &str| match value.trim().trim_matches('"') {
        "${ISSUERS:?set it in .env}" => {
            let example = fs::read_to_string(tests::root().join(".env.example")).unwrap();
            let issuers = example
                .lines()
                .find_map(|line| line.strip_prefix("ISSUERS="));
            issuers.unwrap().to_owned()
        }
        url if ["${ERP_URL", "${WMS_URL", "${CRM_URL", "${PUBLIC_URL"]
            .iter()
            .any(|name| url.starts_with(name)) =>
        {
            "https://backend.example".to_owned()
        }
        secret if secret.starts_with("${") => "x".repeat(48),
        plain => plain.replace("${POSTGRES_PASSWORD}", "secret"),
    };
    let file = fs::read_to_string(tests::root().join("compose.yaml")).unwrap();
    let pairs = file
        .lines()
        .filter_map(|line| line.trim().split_once(':'))
        .filter(|(name, _)| name.starts_with("ORDERWAY_"));
    pairs
        .map(|(name, value)| (name.to_owned(), filled(value)))
        .collect()
}

/// What the README has a person export, with what it leaves open filled in.
fn exported() -> Environment {
    let readme = fs::read_to_string(tests::root().join("README.md")).unwrap();
    let (_, block) = readme.split_once("4. **Secrets**").unwrap();
    let (_, block) = block.split_once("```sh").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let joined = block.replace(",\n     algorithm", ", algorithm");
    let mut pairs = Vec::new();
    for line in joined.lines().map(str::trim) {
        let Some(words) = line.strip_prefix("export ") else {
            continue;
        };
        if let Some((name, value)) = words.split_once("='") {
            pairs.push((name.to_owned(), value.trim_end_matches('\'').to_owned()));
            continue;
        }
        for word in words.split(" #").next().unwrap().split_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let open = value.starts_with('$') || value == "…";
            // A folder of one's own: here there is none.
            let value = if open {
                "x".repeat(48)
            } else {
                value.to_owned()
            };
            if !name.ends_with("PARTNERS_DIR") {
                pairs.push((name.to_owned(), value));
            }
        }
    }
    pairs.into_iter().collect()
}

#[test]
fn what_the_readme_exports_is_a_sound_production_configuration() {
    let (folder, exported) = (folder(), exported());
    let system: system_apis::config::Config =
        load(system_apis::LAYER, Some(&folder), &exported).unwrap();
    let process: process_apis::config::Config =
        load(process_apis::LAYER, Some(&folder), &exported).unwrap();
    let experience: experience_apis::config::Config =
        load(experience_apis::LAYER, Some(&folder), &exported).unwrap();
    assert!(!system.development && !process.development && !experience.development);
}

#[test]
fn the_compose_file_is_a_sound_production_configuration() {
    let (folder, composed) = (folder(), composed());
    let system: system_apis::config::Config =
        load(system_apis::LAYER, Some(&folder), &composed).unwrap();
    let process: process_apis::config::Config =
        load(process_apis::LAYER, Some(&folder), &composed).unwrap();
    let experience: experience_apis::config::Config =
        load(experience_apis::LAYER, Some(&folder), &composed).unwrap();
    assert!(!system.development && !process.development && !experience.development);
}
