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
        if ["tests", "chaos", "bench"].contains(&package.name.as_str()) {
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

/// The documents that a text names by their path from the root.
fn documents(text: &str) -> impl Iterator<Item = String> {
    text.split("docs/").skip(1).filter_map(|rest| {
        let of_a_path = |letter: &char| letter.is_ascii_alphanumeric() || "/-_.".contains(*letter);
        let name: String = rest.chars().take_while(of_a_path).collect();
        let name = name.trim_end_matches('.');
        let is_document = Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "md");
        is_document.then(|| format!("docs/{name}"))
    })
}

/// Whoever is sent to a document by an error, a comment or a setting finds it.
#[test]
fn every_document_that_is_named_is_there() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    for folder in ["config", "config/policies", "config/partners", "."] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let named = entries.map(|entry| entry.unwrap().path());
        files.extend(named.filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml" || extension == "yaml")
        }));
    }
    let mut faults = Vec::new();
    let mut found = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for name in documents(&text) {
            found += 1;
            if !root().join(&name).is_file() {
                faults.push(format!("{} names {name}", file.display()));
            }
        }
    }
    assert!(found > 10, "the names are not found any more");
    assert!(faults.is_empty(), "{faults:#?}");
}
