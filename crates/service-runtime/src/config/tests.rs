//! Configuration as an operator meets it.

use super::*;
use rstest::rstest;
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Layer {
    listen: String,
    workers: u32,
    timeout: HumanDuration,
    store: Store,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Store {
    url: String,
    password: Secret,
    hosts: Vec<String>,
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        (&self.url, self.password.expose(), &self.hosts)
            == (&other.url, other.password.expose(), &other.hosts)
    }
}

impl Default for Layer {
    fn default() -> Self {
        let (listen, timeout) = ("127.0.0.1:7002".to_owned(), HumanDuration::from_secs(5));
        Self {
            listen,
            workers: 4,
            timeout,
            store: Store::default(),
        }
    }
}

impl Validate for Layer {
    fn validate(&self, faults: &mut Faults) {
        faults.check(self.workers > 0, "workers", "give at least 1");
        faults.within("store", &self.store);
    }
}

impl Validate for Store {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            !self.url.starts_with("ftp"),
            "url",
            "give a database address",
        );
    }
}

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let base = "workers = 2\ntimeout = \"250ms\"\n[store]\nurl = \"sqlite:a\"\nhosts = [\"a\"]\n";
    std::fs::write(dir.path().join("process-apis.toml"), base).unwrap();
    std::fs::write(
        dir.path().join("process-apis.prod.toml"),
        "[store]\nurl = \"postgres://p\"\n",
    )
    .unwrap();
    dir
}

#[test]
fn files_and_environment_are_laid_over_each_other() {
    let dir = directory();
    let environment = Environment::from([
        ("ORDERWAY_ENV", "prod"),
        ("ORDERWAY_PROCESS__WORKERS", "8"),
        ("ORDERWAY_PROCESS__STORE__PASSWORD", "12345"),
        ("ORDERWAY_PROCESS__STORE__HOSTS", "[\"b\", \"c\"]"),
        ("ORDERWAY_SYSTEM__WORKERS", "99"),
    ]);
    let loaded: Layer = load("process-apis", Some(dir.path()), &environment).unwrap();
    assert_eq!(
        (loaded.workers, loaded.timeout),
        (8, HumanDuration::from_millis(250))
    );
    assert_eq!(loaded.store.url, "postgres://p");
    assert_eq!(loaded.store.password.expose(), "12345");
    assert_eq!(loaded.store.hosts, ["b", "c"]);
    assert_eq!(loaded.listen, "127.0.0.1:7002");
}

#[test]
fn without_a_directory_the_defaults_hold() {
    let loaded: Layer = load("process-apis", None, &Environment::default()).unwrap();
    assert_eq!(loaded, Layer::default());
}

#[rstest]
#[case("ORDERWAY_PROCESS__WROKERS", "1", "wrokers")]
#[case("ORDERWAY_PROCESS__WORKERS", "many", "workers")]
#[case("ORDERWAY_PROCESS__TIMEOUT", "5 parsecs", "timeout")]
fn a_wrong_key_or_value_is_named(#[case] name: &str, #[case] value: &str, #[case] key: &str) {
    let error =
        load::<Layer>("process-apis", None, &Environment::from([(name, value)])).unwrap_err();
    assert!(error.to_string().contains(key), "{error}");
}

#[test]
fn all_faults_are_told_at_once() {
    let environment = Environment::from([
        ("ORDERWAY_PROCESS__WORKERS", "0"),
        ("ORDERWAY_PROCESS__STORE__URL", "ftp://x"),
    ]);
    let text = load::<Layer>("process-apis", None, &environment)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("workers: give at least 1")
            && text.contains("store.url: give a database address"),
        "{text}"
    );
}

#[test]
fn a_missing_or_broken_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error =
        load::<Layer>("process-apis", Some(dir.path()), &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("process-apis.toml"), "{error}");
    std::fs::write(dir.path().join("process-apis.toml"), "workers = = 1").unwrap();
    let error =
        load::<Layer>("process-apis", Some(dir.path()), &Environment::default()).unwrap_err();
    assert!(matches!(error, ConfigError::Syntax { .. }));
}

#[test]
fn a_secret_is_never_printed() {
    let store = Store {
        password: Secret::from("hunter2".to_owned()),
        ..Store::default()
    };
    assert!(!format!("{store:?}").contains("hunter2"));
}

#[rstest]
#[case("250ms", Some(250))]
#[case("5s", Some(5_000))]
#[case("7d", Some(604_800_000))]
#[case("5", None)]
#[case("-5s", None)]
#[case("s", None)]
#[case("99999999999999999999s", None)]
fn durations_are_read(#[case] text: &str, #[case] millis: Option<u64>) {
    let parsed = text.parse::<HumanDuration>().ok();
    assert_eq!(parsed, millis.map(HumanDuration::from_millis));
    if let Some(duration) = parsed {
        assert_eq!(duration.to_string(), text);
    }
}

#[rstest]
#[case("2MiB", Some(2_097_152))]
#[case("64KiB", Some(65_536))]
#[case("512B", Some(512))]
#[case("2 MiB", Some(2_097_152))]
#[case("2 parsecs", None)]
fn sizes_are_read(#[case] text: &str, #[case] bytes: Option<u64>) {
    assert_eq!(text.parse::<ByteSize>().ok().map(ByteSize::get), bytes);
}
