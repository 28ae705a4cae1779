//! Replay, backup and restore of a store that a process works on.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Serving, run, text};

#[tokio::test]
async fn a_store_at_work_is_replayed_and_backed_up_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, backup) = (folder.path(), folder.path().join("backup.sqlite"));
    let backup = backup.to_str().unwrap();
    let serving = Serving::start(folder).await;

    let replayed = run(folder, &["replay"]);
    assert!(replayed.status.success(), "{}", text(&replayed));
    assert!(
        text(&replayed).contains("0 orders of 0 events"),
        "{}",
        text(&replayed)
    );

    let kept = run(folder, &["retention"]);
    assert!(
        kept.status.success() && text(&kept).contains("nothing is older"),
        "{}",
        text(&kept)
    );
    let at_work = run(folder, &["retention", "--apply"]);
    assert!(
        text(&at_work).contains("another process has"),
        "{}",
        text(&at_work)
    );

    let made = run(folder, &["backup", "--to", backup]);
    assert!(
        made.status.success() && text(&made).contains("it is sound"),
        "{}",
        text(&made)
    );
    let again = run(folder, &["backup", "--to", backup]);
    assert!(!again.status.success() && text(&again).contains("never overwritten"));

    let at_work = run(folder, &["restore", "--from", backup]);
    assert!(!at_work.status.success());
    assert!(
        text(&at_work).contains("another process has"),
        "{}",
        text(&at_work)
    );

    let at_work = run(folder, &["set-back"]);
    assert!(
        !at_work.status.success() && text(&at_work).contains("another process has"),
        "{}",
        text(&at_work)
    );

    drop(serving);
    let noted = run(folder, &["set-back"]);
    assert!(
        noted.status.success() && text(&noted).contains("are looked for in the ERP"),
        "{}",
        text(&noted)
    );
    let restored = run(folder, &["restore", "--from", backup]);
    assert!(restored.status.success(), "{}", text(&restored));
    let kept = fs::read_dir(folder).unwrap().flatten();
    let kept = kept.filter(|file| file.file_name().to_string_lossy().contains(".before-"));
    assert!(kept.count() > 0, "the file before is kept");
    for file in fs::read_dir(folder).unwrap().flatten() {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads {file:?}");
    }
    assert_eq!(Serving::start(folder).await.status("/readyz"), Some(200));
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for arguments in [
        vec!["replay"],
        vec!["backup", "--to", "never.sqlite"],
        vec!["restore", "--from", "absent.sqlite"],
        vec!["set-back"],
    ] {
        let ended = run(folder, &arguments);
        assert!(!ended.status.success(), "{arguments:?}");
        assert!(text(&ended).contains("there is no "), "{}", text(&ended));
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}
