//! docs/adding-a-connector.md, followed: the code that it shows is that of the tree, what it has its readers copy and change is
//! there to be copied and changed, and its call is understood.

use std::path::Path;

use tests::{World, needs, root};
use tokio::process::Command;

use crate::support::blocks;

const DOCUMENT: &str = "adding-a-connector.md";

/// The blocks of a language that name a file, each with that name.
fn of_files(language: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("docs").join(DOCUMENT)).unwrap();
    let opening = format!("\n```{language} ");
    let blocks = text.split(&opening).skip(1).map(|rest| {
        let (path, code) = rest.split_once('\n').unwrap();
        let code = code.split("\n```").next().unwrap_or_default();
        (path.to_owned(), code.to_owned())
    });
    blocks.collect()
}

/// Each part stands in the file, one after the other.
fn stands_in(path: &str, parts: &[String]) {
    let file = std::fs::read_to_string(root().join(path)).unwrap();
    let mut rest = file.as_str();
    for part in parts {
        let part = format!("{}\n", part.trim_matches('\n'));
        let Some((_before, after)) = rest.split_once(&part) else {
            panic!("docs/{DOCUMENT} shows what {path} does not have, or not in this order:\n{part}")
        };
        rest = after;
    }
}

#[test]
fn the_code_of_the_document_is_that_of_the_tree() {
    let shown = of_files("rust");
    let files = ["mod.rs", "config.rs", "wire.rs", "mapping.rs", "client.rs"];
    for file in files {
        let path = format!("system-apis/src/crm/connectors/sandbox/{file}");
        assert!(shown.iter().any(|(one, _)| *one == path), "{path}");
    }
    for (path, code) in shown {
        let parts = code.split("// …\n").map(str::to_owned);
        stands_in(&path, &parts.collect::<Vec<_>>());
    }
}

#[test]
fn what_the_document_changes_is_there_to_be_changed() {
    let changes = of_files("diff");
    assert_eq!(changes.len(), 4, "three files, and one that goes red");
    for (path, change) in changes {
        let before = |hunk: &str| {
            let lines = hunk.lines().filter(|line| !line.starts_with('+'));
            let lines = lines.map(|line| line.get(1..).unwrap_or_default());
            lines.collect::<Vec<_>>().join("\n")
        };
        let hunks: Vec<String> = change.split("@@\n").map(before).collect();
        stands_in(&path, &hunks);
    }
}

/// Types the first command of the document, in a copy of what it works on.
async fn copied(folder: &Path) -> anyhow::Result<()> {
    let sandbox = "system-apis/src/crm/connectors/sandbox";
    std::fs::create_dir_all(folder.join(sandbox))?;
    for file in std::fs::read_dir(root().join(sandbox))? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(sandbox).join(file.file_name()))?;
    }
    let commands = blocks(DOCUMENT, "sh").remove(0);
    let typed = Command::new("sh")
        .args(["-euc", &commands])
        .current_dir(folder)
        .status()
        .await?;
    anyhow::ensure!(typed.success(), "{commands}");
    Ok(())
}

#[tokio::test]
async fn the_copy_has_the_names_that_the_changes_give_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    copied(folder.path()).await?;
    let copy = folder
        .path()
        .join("system-apis/src/crm/connectors/plainbook");
    for (file, name) in [
        ("config.rs", "pub struct PlainbookCrm {"),
        ("client.rs", "impl CrmConnector for PlainbookCrmConnector {"),
    ] {
        let text = std::fs::read_to_string(copy.join(file))?;
        assert!(text.contains(name), "{file} has no {name}");
        assert!(!text.contains("SandboxCrm"), "{file}");
    }
    Ok(())
}

#[tokio::test]
async fn the_call_of_the_document_is_understood_and_one_of_another_key_is_not() -> anyhow::Result<()>
{
    let Some(python) = needs::python() else {
        return Ok(());
    };
    let world = World::start().await?;
    let scripts = blocks(DOCUMENT, "python");
    let [script] = scripts.as_slice() else {
        panic!("not one script: {scripts:?}")
    };
    let call = async |more: &[&str], key: Option<&str>| -> anyhow::Result<String> {
        let mut command = Command::new(&python);
        command.args(["-c", script]).args(more);
        command.env("ORDERWAY_SYSTEM", &world.estate.system_url);
        if let Some(key) = key {
            command.env("ORDERWAY_SYSTEM__CONTEXT__PROCESS_KEY", key);
        }
        let output = command.output().await?;
        let failed = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{failed}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let crm = "/v1/companies/NWI/crm";
    let query = format!("{crm}/accounts/query");
    let asked = ["POST", &query, r#"{"accounts": ["ACME", "NOBODY"]}"#];
    let told = call(&asked, None).await?;
    assert!(told.starts_with("200 "), "{told}");
    assert!(
        told.contains("acc_070001") && !told.contains("NOBODY"),
        "{told}"
    );
    let tasks = format!("{crm}/tasks");
    let task = r#"{"task_reference": "TRIAL-2", "account": "NOBODY", "subject": "Call"}"#;
    let refused = call(&["POST", &tasks, task], None).await?;
    assert!(refused.starts_with("422 "), "{refused}");
    assert!(refused.contains("knows no account NOBODY"), "{refused}");
    let other = "a-key-that-no-layer-of-this-world-has";
    let unknown = call(&["GET", "/v1/systems"], Some(other)).await?;
    assert!(unknown.starts_with("401 "), "{unknown}");
    world.stop().await
}
