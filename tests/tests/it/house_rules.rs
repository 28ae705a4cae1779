//! Rules of the house that the compiler does not hold: who may depend on whom, and how files begin and grow.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// What each crate of ours may depend on, of ours (ARCHITECTURE.md). Tests and benches may see more.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("canonical-model", &[]),
    ("service-runtime", &[]),
    ("edi", &[]),
    ("sandbox", &[]),
    ("system-apis", &["canonical-model", "service-runtime"]),
    ("process-apis", &["canonical-model", "service-runtime"]),
    (
        "experience-apis",
        &["canonical-model", "service-runtime", "edi"],
    ),
    (
        "orderway",
        &[
            "canonical-model",
            "service-runtime",
            "sandbox",
            "system-apis",
            "process-apis",
            "experience-apis",
        ],
    ),
];

#[test]
fn no_crate_depends_on_another_that_it_may_not_see() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .unwrap();
    let ours: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        if ["tests", "chaos"].contains(&package.name.as_str()) {
            continue;
        }
        let Some(may) = allowed.get(package.name.as_str()) else {
            faults.push(format!(
                "{} is not listed: say what it may depend on",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let is_normal = dependency.kind == cargo_metadata::DependencyKind::Normal;
            if is_normal
                && ours.contains(&dependency.name)
                && !may.contains(&dependency.name.as_str())
            {
                faults.push(format!(
                    "{} must not depend on {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir()
            && path
                .file_name()
                .is_some_and(|name| name != "target" && name != ".git")
        {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_endless() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//! ") {
            faults.push(format!("{} does not open with `//!`", file.display()));
        }
        if text.lines().count() > 800 {
            faults.push(format!(
                "{} is over 800 lines: it is usually two files",
                file.display()
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A routes file maps and calls; SQL and HTTP clients have rooms of their own.
#[test]
fn routes_files_hold_no_sql_and_no_http_client() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    let faults: Vec<_> = files
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "routes.rs"))
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            ["rusqlite", "sqlx", "reqwest", "HopClient"]
                .iter()
                .any(|word| text.contains(word))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
