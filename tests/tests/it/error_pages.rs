//! Every error code that any layer can answer has its page, every page belongs to a code, and each says what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A row of an `error_codes!` table.
struct Row {
    code: String,
    status: u64,
    title: String,
    retryable: bool,
}

/// Every row of every table, read from the sources: a table that is new is found too.
fn rows() -> Vec<Row> {
    let mut files = Vec::new();
    for folder in [
        "experience-apis/src",
        "process-apis/src",
        "system-apis/src",
        "crates",
    ] {
        rust_files(&tests::root().join(folder), &mut files);
    }
    let mut rows = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        if text.contains("error_codes!") {
            rows.extend(text.lines().filter_map(row));
        }
    }
    rows
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `pub NAME = ("code", 404, "Title", false);`
fn row(line: &str) -> Option<Row> {
    let (name, rest) = line.trim().strip_prefix("pub ")?.split_once(" = (")?;
    let is_constant = name
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let fields = rest.strip_suffix(");").filter(|_| is_constant)?;
    let fields: Value = serde_json::from_str(&format!("[{fields}]")).ok()?;
    Some(Row {
        code: fields[0].as_str()?.to_owned(),
        status: fields[1].as_u64()?,
        title: fields[2].as_str()?.to_owned(),
        retryable: fields[3].as_bool()?,
    })
}

fn pages() -> BTreeMap<String, String> {
    let folder = tests::root().join("docs/errors");
    let pages = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = pages.filter(|page| page.file_stem().is_some_and(|stem| stem != "README"));
    pages
        .map(|page| {
            let code = page.file_stem().unwrap().to_str().unwrap().to_owned();
            (code, fs::read_to_string(page).unwrap())
        })
        .collect()
}

/// The text under a heading, up to the next.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let after = page
        .split_once(&format!("\n## {heading}\n"))
        .map_or("", |(_, after)| after);
    after.split("\n## ").next().unwrap_or_default().trim()
}

#[test]
fn the_tables_of_all_layers_are_found() {
    let codes: BTreeSet<_> = rows().into_iter().map(|row| row.code).collect();
    let linked = [
        service_runtime::problem::codes::ALL,
        experience_apis::error::codes::ALL,
        process_apis::error::ALL,
        process_apis::baskets::codes::ALL,
        process_apis::documents::ALL,
        system_apis::error::ALL,
    ];
    for code in linked.into_iter().flatten() {
        assert!(
            codes.contains(code.code),
            "{} is in no table that was read",
            code.code
        );
    }
    assert!(
        codes.contains("not-an-interchange"),
        "the EDI channel's table was not read"
    );
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages = pages();
    let codes: BTreeSet<_> = rows().into_iter().map(|row| row.code).collect();
    let without: Vec<_> = codes
        .iter()
        .filter(|code| !pages.contains_key(*code))
        .collect();
    let stray: Vec<_> = pages.keys().filter(|page| !codes.contains(*page)).collect();
    assert!(
        without.is_empty() && stray.is_empty(),
        "codes without a page: {without:?}; pages without a code: {stray:?}"
    );
}

#[test]
fn every_page_says_what_it_means_and_what_to_do() {
    let mut faults = Vec::new();
    for (code, page) in pages() {
        if !page.starts_with(&format!("# {code}\n")) {
            faults.push(format!("{code}: its title is not the code"));
        }
        for heading in ["What it means", "What to do"] {
            if section(&page, heading).split_whitespace().count() < 5 {
                faults.push(format!("{code}: `{heading}` says nothing"));
            }
        }
        if page.contains("TODO") {
            faults.push(format!("{code}: it is not finished"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A code that two layers share means one thing; its page shows it as it is answered.
#[test]
fn every_page_shows_the_problem_as_it_is_answered() {
    let pages = pages();
    let mut faults = Vec::new();
    for row in rows() {
        let Some(page) = pages.get(&row.code) else {
            continue;
        };
        let example = section(page, "Example")
            .trim_start_matches("```json")
            .trim_end_matches("```");
        let Ok(example) = serde_json::from_str::<Value>(example) else {
            faults.push(format!("{}: its example is not JSON", row.code));
            continue;
        };
        let shown = |name: &str| &example[name];
        let same = shown("code") == row.code.as_str()
            && shown("type") == format!("/errors/{}", row.code).as_str()
            && shown("status") == row.status
            && shown("title") == row.title.as_str()
            && shown("retryable") == row.retryable;
        if !same {
            faults.push(format!(
                "{}: {} {:?} retryable {} is not what its page shows",
                row.code, row.status, row.title, row.retryable
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
