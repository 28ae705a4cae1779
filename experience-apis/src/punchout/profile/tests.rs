//! Profiles as an operator writes them, right and wrong.

use std::fs;

use rstest::rstest;
use service_runtime::config::HumanDuration;
use tempfile::TempDir;

use super::{Differences, OnDifference, load};
use crate::config::{Config, Punchout};

const DEMO: &str = include_str!("../../../../config/partners/punchout/acme-punchout.toml");

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn config(folder: &TempDir, development: bool) -> Config {
    Config {
        development,
        punchout: Punchout {
            partners_dir: folder.path().to_owned(),
            public_url: "https://orders.example.com".to_owned(),
            link_key: "k".repeat(32).into(),
            ..Punchout::default()
        },
        ..Config::default()
    }
}

fn faults(files: &[(&str, &str)], development: bool) -> Vec<String> {
    let folder = folder(files);
    let error = load(&config(&folder, development)).unwrap_err();
    error.0.iter().map(|fault| fault.key.clone()).collect()
}

#[test]
fn the_demo_profile_is_sound_in_development_only() {
    let folder = folder(&[("acme-punchout.toml", DEMO), ("README.md", "no profile")]);
    let partners = load(&config(&folder, true)).unwrap();
    let demo = &partners["acme-punchout"];
    assert_eq!(demo.account.as_str(), "ACME");
    assert_eq!(demo.price_lock, HumanDuration::from_secs(30 * 86_400));
    assert_eq!(demo.differences, Differences::default());
    assert_eq!(demo.differences.unit, OnDifference::Refuse);
    assert_eq!(
        faults(&[("acme-punchout.toml", DEMO)], false),
        [
            "acme-punchout.return_urls",
            "acme-punchout.frame_ancestors",
            "acme-punchout.cxml.senders",
            "acme-punchout.oci.logins"
        ]
    );
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let wrong = DEMO
        .replace("\"1.2.053\"", "\"1.1.010\"")
        .replace("default_unspsc = \"31000000\"", "default_unspsc = \"31\"")
        .replace(
            "\"https://procure.example.com/punchout/\", ",
            "\"http://procure.example.com/\", ",
        )
        .replace("form_targets = []", "form_targets = [\"*\"]")
        .replace("charset = \"ISO-8859-1\"", "charset = \"EBCDIC\"")
        .replace("pbkdf2-sha256$50000$", "plain$");
    let found = faults(
        &[
            ("acme-punchout.toml", &wrong),
            ("other.toml", DEMO),
            ("broken.toml", "colour = 3"),
        ],
        true,
    );
    assert_eq!(
        found,
        [
            "acme-punchout.return_urls",
            "acme-punchout.form_targets",
            "acme-punchout.default_unspsc",
            "acme-punchout.cxml.version",
            "acme-punchout.cxml.senders.0.hash",
            "acme-punchout.oci.logins.0.hash",
            "acme-punchout.oci.charset",
            "broken",
            "other.id",
        ]
    );
}

#[test]
fn two_partners_are_told_apart_by_from() {
    let twin = DEMO.replace("id = \"acme-punchout\"", "id = \"twin\"");
    let both = [("acme-punchout.toml", DEMO), ("twin.toml", &twin)];
    assert_eq!(faults(&both, true), ["twin.cxml.theirs"]);
    let apart = twin.replace(
        "theirs = [{ domain = \"NetworkID\", identity = \"AN01-ACME\" }]",
        "theirs = [{ domain = \"NetworkID\", identity = \"AN01-OTHER\" }]",
    );
    let folder = folder(&[("acme-punchout.toml", DEMO), ("twin.toml", &apart)]);
    assert_eq!(load(&config(&folder, true)).unwrap().len(), 2);
}

#[test]
fn what_partners_need_of_the_configuration_is_asked_for() {
    let confirming = DEMO.replace("# confirmation_url", "confirmation_url");
    let folder = folder(&[("acme-punchout.toml", &confirming)]);
    let mut config = config(&folder, true);
    config.punchout.public_url = "http://orders.example.com".to_owned();
    config.punchout.link_key = "short".to_owned().into();
    let error = load(&config).unwrap_err();
    let keys: Vec<_> = error.0.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "punchout.link_key",
            "punchout.public_url",
            "punchout.secrets.acme-punchout"
        ]
    );
    config.punchout.public_url = "http://127.0.0.1:7003".to_owned();
    config.punchout.link_key = "k".repeat(32).into();
    let secret = ("acme_punchout".to_owned(), "s".to_owned().into());
    config.punchout.secrets.extend([secret]);
    assert_eq!(load(&config).unwrap().len(), 1);
}

#[rstest]
#[case("https://orders.example.com", true)]
#[case("https://orders.example.com/", true)]
#[case("https://orders.example.com/b2b", false)]
#[case("https://orders.example.com?x=1", false)]
#[case("https://user@orders.example.com", false)]
#[case("orders.example.com", false)]
fn links_begin_with_an_origin(#[case] address: &str, #[case] sound: bool) {
    let folder = folder(&[("acme-punchout.toml", DEMO)]);
    let mut config = config(&folder, true);
    config.punchout.public_url = address.to_owned();
    let keys = load(&config).err().map(|error| {
        let keys = error.0.iter().map(|fault| fault.key.clone());
        keys.collect::<Vec<_>>()
    });
    let expected = (!sound).then(|| vec!["punchout.public_url".to_owned()]);
    assert_eq!(keys, expected);
}

#[test]
fn a_fault_never_quotes_a_hash() {
    let wrong = DEMO.replace("label = ", "lable = ");
    let folder = folder(&[("acme-punchout.toml", &wrong)]);
    let text = load(&config(&folder, true)).unwrap_err().to_string();
    assert!(text.contains("lable") && !text.contains("pbkdf2"), "{text}");
}

#[test]
fn without_a_folder_there_are_no_partners_and_nothing_is_asked_for() {
    assert!(load(&Config::default()).unwrap().is_empty());
}
