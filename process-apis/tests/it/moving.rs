//! The move to `PostgreSQL` as an operator makes it.

use std::{io::Write as _, process::Command};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions,
};

use crate::support::{Serving, binary, run, text};

/// A database of the test's own; None = there is no server, which is said aloud.
pub(crate) async fn database() -> Option<(PgConnection, PgConnectOptions)> {
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let server = variable("ORDERWAY_TEST_POSTGRES")
        .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let options: PgConnectOptions = server.parse().unwrap();
    let Ok(mut connection) = options.connect().await else {
        let required = variable("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|one| one.trim() == "postgres");
        assert!(!is_required, "needs postgres: set ORDERWAY_TEST_POSTGRES");
        // Past the capture of the test runner: a skip that nobody sees would look like a pass.
        let skipped = "skipped: needs postgres (set ORDERWAY_TEST_POSTGRES)";
        drop(writeln!(std::io::stderr(), "{skipped}"));
        return None;
    };
    let name = format!("orderway_test_{}", uuid::Uuid::new_v4().simple());
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    Some((connection, options.database(&name)))
}

#[tokio::test]
async fn a_store_is_moved_by_an_operator_and_served_from_where_it_went() {
    let Some((mut server, options)) = database().await else {
        return;
    };
    let url = options.to_url_lossy().to_string();
    // In a task of its own: the database goes, whatever comes of it.
    let walked = tokio::spawn(async move { walk(&url).await }).await;
    let sql = format!(
        "DROP DATABASE {} WITH (FORCE)",
        options.get_database().unwrap()
    );
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut server)
        .await
        .unwrap();
    server.close().await.unwrap();
    walked.unwrap();
}

async fn walk(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nowhere = run(folder, &["move-store"]);
    assert!(
        text(&nowhere).contains("say where to"),
        "{}",
        text(&nowhere)
    );
    let absent = run(folder, &["move-store", "--to", url]);
    assert!(text(&absent).contains("there is no "), "{}", text(&absent));

    let serving = Serving::start(folder).await;
    let at_work = run(folder, &["move-store", "--to", url]);
    assert!(
        text(&at_work).contains("another process has"),
        "{}",
        text(&at_work)
    );
    drop(serving);

    let configured = || {
        let mut command: Command = binary(folder);
        command.env("ORDERWAY_PROCESS__STORE__URL", url);
        command
    };
    let by_configuration = |command| configured().arg(command).output().unwrap();
    let moved = by_configuration("move-store");
    assert!(
        moved.status.success() && text(&moved).contains("every row is the same"),
        "{}",
        text(&moved)
    );
    let replayed = by_configuration("replay");
    assert!(replayed.status.success(), "{}", text(&replayed));
    let serving = Serving::start_by(configured()).await;
    assert_eq!(serving.status("/readyz"), Some(200));
    drop(serving);
    let again = by_configuration("move-store");
    assert!(
        text(&again).contains("nothing was moved"),
        "{}",
        text(&again)
    );
}
