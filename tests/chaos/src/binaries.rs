//! The binaries under test: built with the profile that this program was built with, with their crash points, and
//! linked aside, so that another build does not change them under a run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::process::Command;

/// A program of the estate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Binary {
    /// The outside world.
    Sandbox,
    /// `system-apis`.
    System,
    /// `process-apis`.
    Process,
    /// `experience-apis`.
    Experience,
}

impl Binary {
    const ALL: [Self; 4] = [Self::Sandbox, Self::System, Self::Process, Self::Experience];

    /// The package, which the binary is named after.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::System => "system-apis",
            Self::Process => "process-apis",
            Self::Experience => "experience-apis",
        }
    }
}

/// Where the binaries are; they go with it.
#[derive(Debug)]
pub(crate) struct Binaries {
    places: BTreeMap<Binary, PathBuf>,
    _folder: tempfile::TempDir,
}

/// What cargo says of a thing that it built.
#[derive(Deserialize)]
struct Built {
    reason: String,
    executable: Option<PathBuf>,
}

impl Binaries {
    /// Builds them, or takes those of a folder where one is named.
    pub(crate) async fn get(ready: Option<&Path>) -> anyhow::Result<Self> {
        let found = match ready {
            Some(folder) => Binary::ALL
                .map(|binary| (binary, folder.join(binary.name())))
                .to_vec(),
            None => build().await?,
        };
        let folder = tempfile::tempdir()?;
        let mut places = BTreeMap::new();
        for (binary, from) in found {
            let to = folder.path().join(binary.name());
            std::fs::copy(&from, &to)
                .with_context(|| format!("{} cannot be copied", from.display()))?;
            places.insert(binary, to);
        }
        Ok(Self {
            places,
            _folder: folder,
        })
    }

    /// Where one is.
    pub(crate) fn path(&self, binary: Binary) -> anyhow::Result<&Path> {
        let path = self.places.get(&binary).map(PathBuf::as_path);
        path.with_context(|| format!("cargo built no {}", binary.name()))
    }
}

/// The profile and the target folder of this very program.
fn own_build() -> anyhow::Result<(String, PathBuf)> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let profile = if name == "debug" {
        "dev".to_owned()
    } else {
        name.into_owned()
    };
    let target = folder.parent().context("a profile has its own folder")?;
    Ok((profile, target.to_owned()))
}

async fn build() -> anyhow::Result<Vec<(Binary, PathBuf)>> {
    let (profile, target) = own_build()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(tests::root()).arg("build");
    for binary in Binary::ALL {
        command.args(["--package", binary.name()]);
    }
    command
        .args(["--features", "process-apis/crash-points"])
        .args(["--features", "system-apis/crash-points"])
        .args(["--locked", "--message-format", "json-render-diagnostics"])
        .args(["--profile", &profile])
        .arg("--target-dir")
        .arg(target)
        .kill_on_drop(true)
        .stderr(Stdio::inherit());
    let output = command.output().await.context("cargo cannot be started")?;
    anyhow::ensure!(output.status.success(), "the binaries cannot be built");
    let mut found = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let Ok(built) = serde_json::from_str::<Built>(line) else {
            continue;
        };
        let Some(executable) = built
            .executable
            .filter(|_| built.reason == "compiler-artifact")
        else {
            continue;
        };
        let name = executable.file_name().unwrap_or_default();
        if let Some(binary) = Binary::ALL.into_iter().find(|one| name == one.name()) {
            found.push((binary, executable));
        }
    }
    Ok(found)
}
