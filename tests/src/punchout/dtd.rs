//! The outside judge of cXML: every document is held against the published DTD of the version that it declares.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::needs;

/// `xmllint` and the folder of DTDs.
#[derive(Debug, Clone)]
pub struct Dtds {
    xmllint: PathBuf,
    folder: PathBuf,
}

impl Dtds {
    /// If both are there; otherwise it is said what is missing.
    pub fn find() -> Option<Self> {
        let xmllint = needs::xmllint()?;
        let folder = needs::dtd()?;
        Some(Self { xmllint, folder })
    }

    /// Fails with the judge's own words if the document is not valid.
    pub fn judge(&self, document: &[u8]) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(document);
        let declared = text.split("<!DOCTYPE cXML SYSTEM \"").nth(1);
        let declared = declared.and_then(|rest| rest.split('"').next());
        let declared = declared.with_context(|| format!("no DOCTYPE: {text}"))?;
        let dtd = self.of(declared)?;
        let mut judge = Command::new(&self.xmllint)
            .args(["--noout", "--nonet", "--dtdvalid"])
            .args([dtd.as_path(), Path::new("-")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = judge.stdin.take().context("no input")?;
        input.write_all(document)?;
        drop(input);
        let verdict = judge.wait_with_output()?;
        let words = String::from_utf8_lossy(&verdict.stderr);
        anyhow::ensure!(verdict.status.success(), "{declared}: {words}\n{text}");
        Ok(())
    }

    /// `http://xml.cxml.org/schemas/cXML/<version>/<module>.dtd`, as published.
    fn of(&self, declared: &str) -> anyhow::Result<PathBuf> {
        let parts: Vec<&str> = declared.rsplit('/').take(3).collect();
        let [module, version, "cXML"] = parts.as_slice() else {
            anyhow::bail!("no address of a DTD: {declared}");
        };
        let file = self.folder.join(version).join(module);
        anyhow::ensure!(
            file.is_file(),
            "this version's DTD is not there: {declared}"
        );
        Ok(file)
    }
}
