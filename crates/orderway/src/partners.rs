//! The partners' profiles as this run needs them: the demonstration's procurement system has its port here, and takes
//! confirmations.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The file of the punchout partner that the procurement system plays.
const DEMONSTRATION: &str = "acme-punchout.toml";
/// Where the committed profile has it.
const COMMITTED: &str = "http://localhost:7009";

/// Copies the profiles of a folder and of `punchout` in it.
pub(crate) fn copied(from: &Path, to: &Path, port: u16) -> std::io::Result<PathBuf> {
    copy(from, to, port)?;
    let punchout = from.join("punchout");
    if punchout.is_dir() {
        copy(&punchout, &to.join("punchout"), port)?;
    }
    Ok(to.to_owned())
}

fn copy(from: &Path, to: &Path, port: u16) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let mut profile = fs::read_to_string(entry.path())?;
        if entry.file_name() == DEMONSTRATION {
            let own = format!("http://localhost:{port}");
            profile = profile.replace(COMMITTED, &own).replace(
                "# confirmation_url = \"https://procure.example.com/cxml\"",
                &format!("confirmation_url = \"{own}/confirmations\""),
            );
        }
        fs::write(to.join(entry.file_name()), profile)?;
    }
    Ok(())
}
