//! Opening the data file: one process at a time, durable commits, a `SQLite` without the known faults.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rusqlite::{Connection, config::DbConfig};
use uuid::Uuid;

use super::migrate::{check, migrate};

/// Another program (a backup, a shell) may hold the file so long before a write fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_KEPT: usize = 192;
/// Pages kept in memory by each connection: 16 MiB. A negative number is KiB.
const CACHE_KIB: i32 = -16_384;

/// Where the data is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    File(PathBuf),
    /// A memory that all connections of this process share.
    Memory(String),
}

impl Place {
    pub(super) fn memory() -> Self {
        Self::Memory(format!("file:/orderway-{}?vfs=memdb", Uuid::new_v4()))
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = match self {
            Self::File(path) => Connection::open(path)?,
            Self::Memory(uri) => Connection::open(uri)?,
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Else a statement is planned anew for each value that the planner looks at, such as that of a LIMIT.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }
}

/// The lock that keeps a second process out; it ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct InstanceLock {
    _file: Option<File>,
}

impl InstanceLock {
    /// Of who only reads.
    pub(super) fn none() -> Self {
        Self { _file: None }
    }
}

pub(super) fn lock(place: &Place) -> anyhow::Result<InstanceLock> {
    let Place::File(path) = place else {
        return Ok(InstanceLock::none());
    };
    // One file has one lock, by whatever link it is named; one that is not there yet has no links.
    let file = path.canonicalize().unwrap_or_else(|_absent| path.clone());
    let mut name = file.into_os_string();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .with_context(|| {
            format!(
                "cannot open {}; the directory must exist and be writable",
                lock_path.display()
            )
        })?;
    match file.try_lock() {
        Ok(()) => Ok(InstanceLock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => bail!(
            "another process has {} open; stop it, or give this one a data file of its own",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
        }
    }
}

/// The connection that writes, on a migrated file.
pub(super) fn writer(place: &Place) -> anyhow::Result<Connection> {
    let mut connection = place
        .connect()
        .with_context(|| format!("cannot open {}", describe(place)))?;
    let version: String = connection.query_row("SELECT sqlite_version()", (), |row| row.get(0))?;
    ensure!(
        is_sound(&version),
        "SQLite {version} can damage a data file; build with 3.51.3 or later, not 3.52.0"
    );
    if let Place::File(path) = place {
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
        ensure!(
            mode == "wal",
            "{} cannot be used with a write-ahead log ({mode})",
            path.display()
        );
    }
    // NORMAL would lose acknowledged commits when the power fails (RELIABILITY P8).
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// A connection that only reads, on a file that is there and has a schema that this release knows.
pub(super) fn existing(place: &Place) -> anyhow::Result<Connection> {
    if let Place::File(path) = place {
        ensure!(path.is_file(), "there is no {}", path.display());
    }
    let connection = reader(place)?;
    check(&connection).with_context(|| format!("{} cannot be read", describe(place)))?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(place: &Place) -> anyhow::Result<Connection> {
    let connection = place.connect()?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn describe(place: &Place) -> String {
    match place {
        Place::File(path) => Path::display(path).to_string(),
        Place::Memory(uri) => uri.clone(),
    }
}

/// The write-ahead log of earlier versions could be damaged; 3.52.0 was withdrawn (RELIABILITY P9).
fn is_sound(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let triple = [parts.next(), parts.next(), parts.next()].map(|part| part.unwrap_or(0));
    triple >= [3, 51, 3] && triple != [3, 52, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsound_versions_are_known() {
        for (version, sound) in [
            ("3.40.1", false),
            ("3.51.2", false),
            ("3.51.3", true),
            ("3.52.0", false),
            ("3.53.0", true),
        ] {
            assert_eq!(is_sound(version), sound, "{version}");
        }
    }

    #[test]
    fn a_second_process_is_kept_out_with_a_clear_word() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::File(directory.path().join("data.sqlite"));
        let first = lock(&place).unwrap();
        assert!(
            lock(&place)
                .unwrap_err()
                .to_string()
                .contains("another process has")
        );
        drop(first);
        lock(&place).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_one_lock_by_whatever_link_it_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (
            directory.path().join("data.sqlite"),
            directory.path().join("link.sqlite"),
        );
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let _first = lock(&Place::File(file)).unwrap();
        assert!(lock(&Place::File(link)).is_err());
    }
}
