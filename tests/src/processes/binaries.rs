//! The programs of the estate, built by cargo and copied aside, so that another build does not change them under a run.

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
pub enum Binary {
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
    pub const fn name(self) -> &'static str {
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
pub struct Binaries {
    places: BTreeMap<Binary, PathBuf>,
    _folder: tempfile::TempDir,
}

/// How they are built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Build<'a> {
    /// A profile of the workspace; None = the one that this very program was built with.
    pub profile: Option<&'a str>,
    /// Features, as `package/feature`.
    pub features: &'a [&'a str],
}

/// What cargo says of a thing that it built.
#[derive(Deserialize)]
struct Built {
    reason: String,
    executable: Option<PathBuf>,
}

impl Binaries {
    /// Builds them, or takes those of a folder where one is named.
    pub async fn get(ready: Option<&Path>, how: Build<'_>) -> anyhow::Result<Self> {
        let found = match ready {
            Some(folder) => Binary::ALL
                .map(|binary| (binary, folder.join(binary.name())))
                .to_vec(),
            None => build(how).await?,
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

    /// The folder that cargo builds in.
    pub fn target(&self) -> anyhow::Result<PathBuf> {
        Ok(own_build()?.1)
    }

    /// Where one is.
    pub fn path(&self, binary: Binary) -> anyhow::Result<&Path> {
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

async fn build(how: Build<'_>) -> anyhow::Result<Vec<(Binary, PathBuf)>> {
    let (own_profile, target) = own_build()?;
    let profile = how.profile.unwrap_or(&own_profile);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(crate::root()).arg("build");
    for binary in Binary::ALL {
        command.args(["--package", binary.name()]);
    }
    for feature in how.features {
        command.args(["--features", feature]);
    }
    command
        .args(["--locked", "--message-format", "json-render-diagnostics"])
        .args(["--profile", profile])
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
