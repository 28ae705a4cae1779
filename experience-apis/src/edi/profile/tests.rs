//! Profiles as an operator writes them, right and wrong.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{OnWarning, load};

const DEMO: &str = include_str!("../../../../config/partners/acme-edi.toml");

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn faults(files: &[(&str, &str)], development: bool) -> Vec<String> {
    let error = load(folder(files).path(), development).unwrap_err();
    error.0.iter().map(|fault| fault.key.clone()).collect()
}

#[test]
fn the_demo_profile_is_sound_in_development_only() {
    let partners = load(
        folder(&[("acme-edi.toml", DEMO), ("README.md", "no profile")]).path(),
        true,
    )
    .unwrap();
    assert_eq!(partners["acme-edi"].account.as_str(), "ACME");
    assert_eq!(partners["acme-edi"].on_warning, OnWarning::Reject);
    assert_eq!(
        faults(&[("acme-edi.toml", DEMO)], false),
        ["acme-edi.credentials"]
    );
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let wrong = DEMO
        .replace(
            "qualifier = \"ZZ\"\nid = \"ACMEMFG\"",
            "qualifier = \"ZZZ\"\nid = \"ACMEMFGACMEMFGACME\"",
        )
        .replace("versions = [", "versions = [\"\", ")
        .replace("pbkdf2-sha256$50000$", "plain$");
    let found = faults(
        &[
            ("acme-edi.toml", &wrong),
            ("other.toml", DEMO),
            ("broken.toml", "colour = 3"),
        ],
        true,
    );
    assert_eq!(
        found,
        [
            "acme-edi.credentials.0.hash",
            "acme-edi.theirs.0.qualifier",
            "acme-edi.theirs.0.id",
            "acme-edi.theirs.0",
            "acme-edi.versions",
            "broken",
            "other.id",
        ]
    );
}

#[test]
fn a_fault_never_quotes_a_hash() {
    let error = load(
        folder(&[("acme-edi.toml", &DEMO.replace("label = ", "lable = "))]).path(),
        true,
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("lable") && !text.contains("pbkdf2"), "{text}");
}

#[test]
fn a_folder_that_is_not_there_is_a_fault_and_no_folder_is_not() {
    assert!(load(&PathBuf::from("no-such-folder"), true).is_err());
    assert!(load(&PathBuf::new(), true).unwrap().is_empty());
}
