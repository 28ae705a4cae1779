//! Backups of the data file: taken while it is worked on, looked at before they are trusted, and put back.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use rusqlite::{Connection, params};
use serde_json::Value;

use super::{
    audit,
    open::{self, Place},
    value::{Id, Json},
};

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
    let source = open::existing(&Place::File(path.to_owned()))?;
    source.pragma_update(None, "query_only", false)?;
    let part = beside(to, ".part");
    if part.exists() {
        fs::remove_file(&part).with_context(|| format!("cannot remove {}", part.display()))?;
    }
    let name = part
        .to_str()
        .context("the name of the backup is not UTF-8")?;
    source
        .execute("VACUUM INTO ?1", [name])
        .context("the data file cannot be copied")?;
    let found = verify(&part)?;
    sync(&part)?;
    fs::rename(&part, to).with_context(|| format!("cannot name the backup {}", to.display()))?;
    sync(folder(to))?;
    Ok(found)
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
/// What the effects of a kind had come to may not be all that they did since: `doubt` says what is known of one then.
pub fn restore(
    from: &Path,
    path: &Path,
    kept: &str,
    doubt: (&str, &dyn Fn(Value) -> anyhow::Result<Value>),
) -> anyhow::Result<(Backup, Option<PathBuf>)> {
    let found = verify(from)?;
    let place = Place::File(path.to_owned());
    let lock = open::lock(&place)?;
    let copy = beside(path, ".restoring");
    fs::copy(from, &copy).with_context(|| format!("cannot copy to {}", copy.display()))?;
    verify(&copy)?;
    doubt_effects(&copy, doubt.0, doubt.1)?;
    sync(&copy)?;
    let before = path.exists().then(|| beside(path, kept));
    if let Some(before) = &before {
        ensure!(!before.exists(), "{} is there already", before.display());
        // What is in its write-ahead log belongs to it.
        for suffix in ["", "-wal", "-shm"] {
            let (old, aside) = (beside(path, suffix), beside(before, suffix));
            if old.exists() {
                fs::rename(&old, &aside)
                    .with_context(|| format!("cannot move {} aside", old.display()))?;
            }
        }
    }
    fs::rename(&copy, path).with_context(|| format!("cannot name the copy {}", path.display()))?;
    sync(folder(path))?;
    drop(lock);
    Ok((found, before))
}

fn doubt_effects(
    path: &Path,
    kind: &str,
    doubt: &dyn Fn(Value) -> anyhow::Result<Value>,
) -> anyhow::Result<()> {
    let connection = Connection::open(path)?;
    let mut waiting = connection.prepare(
        "SELECT id, progress FROM effect WHERE kind = ?1 AND state IN ('pending', 'leased', 'stopped')",
    )?;
    let effects: Vec<(Id, Json<Value>)> = waiting
        .query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, Json(progress)) in effects {
        let progress = Json(doubt(progress)?);
        connection.execute(
            "UPDATE effect SET progress = ?2 WHERE id = ?1",
            params![id, progress],
        )?;
    }
    drop(waiting);
    // Nothing is to be left beside the file.
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(connection.close().map_err(|(_, error)| error)?)
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

    const AS_IT_WAS: (&str, &dyn Fn(Value) -> anyhow::Result<Value>) = ("none", &Ok);

    #[tokio::test]
    async fn a_backup_of_a_file_at_work_is_whole_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (
            folder.path().join("data.sqlite"),
            folder.path().join("backup.sqlite"),
        );
        let store = super::super::SqliteStore::open(&path).unwrap();
        let first = crate::store::suite::order(uuid::Uuid::from_u128(1), 0, "PO-1");
        crate::store::Store::commit(&store, first).await.unwrap();

        let taken = back_up(&path, &backup).unwrap();
        assert_eq!((taken.orders, taken.position), (1, 1));
        assert!(
            back_up(&path, &backup)
                .unwrap_err()
                .to_string()
                .contains("never overwritten")
        );

        let second = crate::store::suite::order(uuid::Uuid::from_u128(2), 0, "PO-2");
        crate::store::Store::commit(&store, second).await.unwrap();
        let at_work = restore(&backup, &path, ".before", AS_IT_WAS)
            .unwrap_err()
            .to_string();
        assert!(at_work.contains("another process has"), "{at_work}");
        store.close().await;

        let (restored, before) = restore(&backup, &path, ".before", AS_IT_WAS).unwrap();
        assert_eq!(restored, taken);
        assert_eq!(verify(&path).unwrap().orders, 1);
        assert_eq!(
            verify(&before.unwrap()).unwrap().orders,
            2,
            "the file before is kept whole"
        );
        drop(super::super::SqliteStore::open(&path).unwrap());
    }

    #[tokio::test]
    async fn what_effects_had_come_to_is_in_doubt_once_the_store_was_set_back() {
        use crate::store::{Commit, EffectChange, NewEffect, Store};
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (
            folder.path().join("data.sqlite"),
            folder.path().join("backup.sqlite"),
        );
        let store = super::super::SqliteStore::open(&path).unwrap();
        let order = uuid::Uuid::from_u128(1);
        let now = "2026-03-02T12:00:00Z".parse().unwrap();
        let effect = |kind| {
            EffectChange::New(NewEffect {
                kind,
                order_id: canonical_model::OrderId(order),
                payload: serde_json::json!({}),
                due_at: now,
                serial_key: None,
            })
        };
        let with_effects = Commit {
            effects: vec![effect("create_erp_order"), effect("take_replacement")],
            ..crate::store::suite::order(order, 0, "PO-1")
        };
        store.commit(with_effects).await.unwrap();
        store.close().await;
        back_up(&path, &backup).unwrap();

        let doubt = |progress: Value| {
            assert_eq!(progress, Value::Null);
            Ok(Value::from("look first"))
        };
        restore(&backup, &path, ".before", ("create_erp_order", &doubt)).unwrap();
        let store = super::super::SqliteStore::open(&path).unwrap();
        let leased = store.lease_effects(now, now, 10).await.unwrap();
        let known: Vec<_> = leased
            .into_iter()
            .map(|effect| (effect.kind, effect.progress))
            .collect();
        let expected = [
            ("create_erp_order".to_owned(), Value::from("look first")),
            ("take_replacement".to_owned(), Value::Null),
        ];
        assert_eq!(known, expected);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_not_put_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.sqlite");
        let foreign = folder.path().join("foreign.sqlite");
        fs::write(&foreign, "no database").unwrap();
        assert!(restore(&foreign, &path, ".before", AS_IT_WAS).is_err());
        assert!(restore(&folder.path().join("absent"), &path, ".before", AS_IT_WAS).is_err());
        assert!(!path.exists());
    }
}
