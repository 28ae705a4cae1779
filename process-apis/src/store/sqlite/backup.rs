//! Backups of the data file: taken while it is worked on, looked at before they are trusted, and put back.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    audit, effects,
    open::{self, Place},
};

/// What `SQLite` keeps beside a data file: its write-ahead log, and the index of that.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What a sound backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Orders.
    pub orders: u64,
    /// The newest feed position; 0 = no event.
    pub position: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Copies the data file as it is at one moment, also while a process works on it, and looks at the copy.
///
/// A copy of the file alone would miss what is still in its write-ahead log.
pub fn back_up(path: &Path, to: &Path) -> anyhow::Result<Backup> {
    ensure!(
        !to.exists(),
        "{} is there already; a backup is never overwritten",
        to.display()
    );
    let part = beside(to, ".part");
    let found = copy(path, &part)?;
    sync(&part)?;
    fs::rename(&part, to).with_context(|| format!("cannot name the backup {}", to.display()))?;
    sync(folder(to))?;
    Ok(found)
}

/// Copies a store with what its write-ahead log holds, over what was left there, and looks at the copy.
fn copy(path: &Path, to: &Path) -> anyhow::Result<Backup> {
    let source = open::existing(&Place::File(path.to_owned()))?;
    source.pragma_update(None, "query_only", false)?;
    // A log that was left there would be taken for the copy's own.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let left = beside(to, suffix);
        if left.exists() {
            fs::remove_file(&left).with_context(|| format!("cannot remove {}", left.display()))?;
        }
    }
    let name = to.to_str().context("the name of the copy is not UTF-8")?;
    source
        .execute("VACUUM INTO ?1", [name])
        .with_context(|| format!("{} cannot be copied", path.display()))?;
    verify(to)
}

/// Whether a file is a sound store: its pages, its schema and its audit trail.
pub fn verify(path: &Path) -> anyhow::Result<Backup> {
    let connection = open::existing(&Place::File(path.to_owned()))?;
    let sound: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0))?;
    ensure!(sound == "ok", "{} is damaged: {sound}", path.display());
    if let Some(line) = audit::first_broken(&connection)? {
        anyhow::bail!(
            "line {line} of the audit trail in {} does not follow from the one before",
            path.display()
        );
    }
    Ok(Backup {
        orders: count(&connection, "SELECT count(*) FROM sales_order")?,
        position: count(&connection, "SELECT coalesce(max(position), 0) FROM event")?,
        bytes: fs::metadata(path)?.len(),
    })
}

/// Puts a backup in the place of the data file, which is kept under another name. Refused while a process has the file.
/// Answers what was put back, and where the file before is.
///
/// At every moment the file before, whole, or the backup, whole, is in the place: whoever starts then opens one of the two.
pub fn restore(
    from: &Path,
    path: &Path,
    kept: &str,
    now: Timestamp,
) -> anyhow::Result<(Backup, Option<PathBuf>)> {
    let (part, before) = (beside(path, ".restoring"), beside(path, kept));
    let prepare = || {
        verify(from)?;
        let lock = open::lock(&Place::File(path.to_owned()))?;
        let found = copy(from, &part)?;
        set_back(&part, now)?;
        Ok::<_, anyhow::Error>((lock, found, keep(path, &before)?))
    };
    let (lock, found, is_kept) = prepare().context("nothing was changed")?;
    put(&part, path, &before).with_context(|| {
        let before = before.display();
        format!("restore again before anything is started; the file before is kept as {before}")
    })?;
    drop(lock);
    Ok((found, is_kept.then_some(before)))
}

/// Brings the schema up, and notes that what was done outside may not be written down.
fn set_back(path: &Path, now: Timestamp) -> anyhow::Result<()> {
    let connection = open::writer(&Place::File(path.to_owned()))?;
    effects::set_back(&connection, now)?;
    ensure!(fold(&connection)?, "something reads {}", path.display());
    connection.close().map_err(|(_, error)| error)?;
    sync(path)
}

/// Gives the data file, which stays in its place, a second name; false = there is nothing to keep.
fn keep(path: &Path, before: &Path) -> anyhow::Result<bool> {
    ensure!(!before.exists(), "{} is there already", before.display());
    if !path.exists() {
        // The log of a file that was moved away is kept all the same.
        return Ok(BESIDE.iter().any(|suffix| beside(path, suffix).exists()));
    }
    // A damaged file keeps its log beside it.
    let folded = Connection::open(path).and_then(|connection| fold(&connection));
    ensure!(
        folded.unwrap_or(true),
        "something reads {}; wait for its end, or stop it",
        path.display()
    );
    // Not every file system has second names.
    fs::hard_link(path, before)
        .or_else(|_| fs::copy(path, before).map(drop))
        .with_context(|| format!("cannot keep the file as {}", before.display()))?;
    sync(before)?;
    sync(folder(path))?;
    Ok(true)
}

/// Puts the copy in the place; what is left there of a log belongs to the file before.
fn put(part: &Path, path: &Path, before: &Path) -> anyhow::Result<()> {
    for suffix in BESIDE {
        let (old, aside) = (beside(path, suffix), beside(before, suffix));
        if old.exists() {
            fs::rename(&old, &aside)
                .with_context(|| format!("cannot move {} aside", old.display()))?;
        }
    }
    sync(folder(path))?;
    fs::rename(part, path).with_context(|| format!("cannot name the copy {}", path.display()))?;
    sync(folder(path))
}

/// Brings the write-ahead log into the file; false = somebody else reads it.
fn fold(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| {
        let busy: bool = row.get(0)?;
        Ok(!busy)
    })
}

fn count(connection: &Connection, sql: &str) -> anyhow::Result<u64> {
    let number: i64 = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(u64::try_from(number)?)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn sync(path: &Path) -> anyhow::Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("{} cannot be brought to the disk", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, sqlite::SqliteStore, suite::order};

    fn now() -> Timestamp {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    /// A store of one order, a backup of it, and a second order since; the store still works.
    async fn at_work(folder: &Path) -> (PathBuf, PathBuf, SqliteStore) {
        let (path, backup) = (folder.join("data.sqlite"), folder.join("backup.sqlite"));
        let store = SqliteStore::open(&path).unwrap();
        let place = async |number: u128| {
            let order = order(uuid::Uuid::from_u128(number), 0, &format!("PO-{number}"));
            store.commit(order).await.unwrap();
        };
        place(1).await;
        let taken = back_up(&path, &backup).unwrap();
        assert_eq!((taken.orders, taken.position), (1, 1));
        place(2).await;
        (path, backup, store)
    }

    #[tokio::test]
    async fn a_backup_of_a_file_at_work_is_whole_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup, store) = at_work(folder.path()).await;
        let again = back_up(&path, &backup).unwrap_err().to_string();
        assert!(again.contains("never overwritten"), "{again}");
        let refused = format!(
            "{:#}",
            restore(&backup, &path, ".before", now()).unwrap_err()
        );
        let told =
            refused.contains("nothing was changed") && refused.contains("another process has");
        assert!(told, "{refused}");
        store.close().await;

        let (restored, before) = restore(&backup, &path, ".before", now()).unwrap();
        assert_eq!((restored.orders, restored.position), (1, 1));
        assert_eq!(verify(&path).unwrap().orders, 1);
        let before = verify(&before.unwrap()).unwrap();
        assert_eq!(before.orders, 2, "the file before is kept whole");
        let again = format!(
            "{:#}",
            restore(&backup, &path, ".before", now()).unwrap_err()
        );
        let told = again.contains("nothing was changed") && again.contains("is there already");
        assert!(told, "{again}");
        let store = SqliteStore::open(&path).unwrap();
        assert!(
            store
                .commit(order(uuid::Uuid::from_u128(3), 0, "PO-3"))
                .await
                .is_ok()
        );
    }

    /// What a process that was killed leaves: a file, and the newest commits in its log.
    async fn killed(folder: &Path) -> (PathBuf, PathBuf) {
        let (path, backup, store) = at_work(folder).await;
        let left = folder.join("left.sqlite");
        for suffix in ["", "-wal"] {
            fs::copy(beside(&path, suffix), beside(&left, suffix)).unwrap();
        }
        store.close().await;
        (left, backup)
    }

    #[tokio::test]
    async fn the_log_of_a_killed_process_is_kept_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = killed(folder.path()).await;
        let (_, before) = restore(&backup, &path, ".before", now()).unwrap();
        let before = before.unwrap();
        assert!(
            !beside(&before, "-wal").exists(),
            "one file is enough to keep"
        );
        assert_eq!(verify(&before).unwrap().orders, 2);
        assert_eq!(verify(&path).unwrap().orders, 1);
    }

    #[tokio::test]
    async fn a_log_that_was_left_behind_does_not_get_into_the_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = killed(folder.path()).await;
        // Somebody moved the file alone, and an earlier restore was broken off.
        fs::remove_file(&path).unwrap();
        let log = beside(&path, "-wal");
        fs::copy(&log, beside(&path, ".restoring-wal")).unwrap();
        let (_, before) = restore(&backup, &path, ".before", now()).unwrap();
        assert_eq!(verify(&path).unwrap().orders, 1);
        assert!(beside(&before.unwrap(), "-wal").exists(), "the log is kept");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_kept_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = killed(folder.path()).await;
        let damaged = b"damaged ".repeat(1_024);
        fs::write(&path, &damaged).unwrap();
        fs::remove_file(beside(&path, "-wal")).unwrap();
        let (_, before) = restore(&backup, &path, ".before", now()).unwrap();
        assert!(fs::read(before.unwrap()).unwrap() == damaged);
        assert_eq!(verify(&path).unwrap().orders, 1);
    }

    #[tokio::test]
    async fn a_file_that_somebody_reads_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = killed(folder.path()).await;
        let reader = open::reader(&Place::File(path.clone())).unwrap();
        reader
            .execute_batch("BEGIN; SELECT * FROM sales_order")
            .unwrap();
        let refused = format!(
            "{:#}",
            restore(&backup, &path, ".before", now()).unwrap_err()
        );
        let told = refused.contains("nothing was changed") && refused.contains("something reads");
        assert!(told, "{refused}");
        drop(reader);
        assert_eq!(verify(&path).unwrap().orders, 2);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_not_put_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.sqlite");
        let foreign = folder.path().join("foreign.sqlite");
        fs::write(&foreign, "no database").unwrap();
        assert!(restore(&foreign, &path, ".before", now()).is_err());
        assert!(restore(&folder.path().join("absent"), &path, ".before", now()).is_err());
        assert!(!path.exists());
    }
}
