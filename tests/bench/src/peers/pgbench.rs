//! A `PostgreSQL` server of our own, and pgbench on it: the statements by which one order of Orderway's is written, taken from an order
//! that was, with the same bytes, and none of the work that comes before a statement.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use tests::processes::{Kept, Ports, Program};
use tokio::process::Command;

use super::done;
use crate::{contest::pids, machine::Side, tree::Meter};

/// The user that a server runs as where we are root, which it refuses to be.
const USER: &str = "postgres";
/// What pgbench may take beside its time.
const GRACE: Duration = Duration::from_secs(30);

/// A server; dropping it ends it.
pub(crate) struct Server {
    kept: Kept,
    programs: PathBuf,
    port: u16,
    pub(crate) folder: tempfile::TempDir,
}

/// What pgbench has done.
pub(crate) struct Ran {
    pub(crate) orders: u64,
    /// From its start to its end.
    pub(crate) took: Duration,
    /// The average time of one.
    pub(crate) latency_us: u64,
    /// Of the server and of pgbench.
    pub(crate) used: Duration,
}

impl Server {
    /// Makes one as it comes, and waits until it answers.
    pub(crate) async fn start(ports: &mut Ports) -> anyhow::Result<Self> {
        let programs = tests::needs::postgres_programs();
        let programs = programs.context("there is no PostgreSQL to start")?;
        // Where only some of them are linked to, the others lie beside what the link names.
        let programs = programs.join("initdb").canonicalize()?;
        let programs = programs.parent().context("a program is in a folder")?;
        let programs = programs.to_owned();
        anyhow::ensure!(
            programs.join("pgbench").is_file(),
            "there is no pgbench in {}",
            programs.display()
        );
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let as_user = rustix::process::geteuid().is_root();
        if as_user {
            done(Command::new("chown").arg(USER).arg(folder.path())).await?;
        }
        let (program, before) = as_their_user(as_user);
        done(
            Command::new(program)
                .args(&before)
                .arg(programs.join("initdb"))
                .args(["-A", "trust", "-E", "UTF8", "-U", USER, "-D"])
                .arg(&data),
        )
        .await?;
        let port = ports.take()?;
        let mut command = Side::Measured.pinned(Path::new(program));
        command.extend(before.iter().map(PathBuf::from));
        command.push(programs.join("postgres"));
        command.push("-D".into());
        command.push(data);
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "max_connections=60".to_owned(),
            sockets,
        ] {
            command.push("-c".into());
            command.push(setting.into());
        }
        let kept = Kept::start(Program {
            name: "postgres".to_owned(),
            command,
            environment: BTreeMap::new(),
            log: folder.path().join("server.log"),
        });
        let server = Self {
            kept,
            programs,
            port,
            folder,
        };
        server.until_up().await?;
        Ok(server)
    }

    async fn until_up(&self) -> anyhow::Result<()> {
        for _ in 0..150 {
            if self.said(USER, "SELECT 1").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::bail!(
            "PostgreSQL does not answer: {}",
            self.kept.last_lines(5).join("\n")
        )
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        pids(std::slice::from_ref(&self.kept))
    }

    /// What it says of itself.
    pub(crate) async fn version(&self) -> anyhow::Result<String> {
        self.said(USER, "SHOW server_version").await
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d"]);
        command.arg(self.url(database));
        command
    }

    /// Has SQL done, and gives what comes of it.
    pub(crate) async fn said(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        done(self.psql(database).args(["-c", sql])).await
    }

    /// The same of many statements.
    pub(crate) async fn script(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let file = self.folder.path().join("script.sql");
        std::fs::write(&file, sql)?;
        done(self.psql(database).arg("-f").arg(file)).await
    }

    /// Runs a script again and again from several connections; `from` numbers its orders, and is never given twice.
    pub(crate) async fn bench(
        &self,
        database: &str,
        script: &Path,
        (clients, from): (u32, u64),
        lasts: Duration,
    ) -> anyhow::Result<Ran> {
        let mut command = Side::Measured
            .pinned(&self.programs.join("pgbench"))
            .into_iter();
        let program = command.next().context("a command has a program")?;
        let child = Command::new(program)
            .args(command)
            .args(["--no-vacuum", "--protocol", "prepared", "--jobs", "1"])
            .args(["--client", &clients.to_string()])
            .args(["--time", &lasts.as_secs().max(1).to_string()])
            .args(["--define", &format!("i={from}")])
            .arg("--file")
            .arg(script)
            .arg(self.url(database))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut roots = self.pids();
        roots.extend(child.id());
        let meter = Meter::start(&roots);
        let begun = std::time::Instant::now();
        let output = tokio::time::timeout(lasts.saturating_add(GRACE), child.wait_with_output());
        let output = output.await.context("pgbench does not end")??;
        let took = begun.elapsed();
        let used = meter.stop().await;
        let text = String::from_utf8_lossy(&output.stdout);
        let orders = figure(&text, "number of transactions actually processed: ");
        let failed = figure(&text, "number of failed transactions: ");
        anyhow::ensure!(
            output.status.success() && orders.is_some() && failed.unwrap_or_default() == 0,
            "pgbench: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Ran {
            orders: orders.unwrap_or_default(),
            took,
            latency_us: micros(&text).unwrap_or_default(),
            used,
        })
    }
}

/// What stands before a program that is not run as root.
fn as_their_user(root: bool) -> (&'static str, Vec<&'static str>) {
    // The folder that we are in may not be the user's to enter.
    let mut before = vec!["-C", "/"];
    if root {
        before.extend(["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]);
    }
    ("/usr/bin/env", before)
}

/// The whole number that stands behind some words.
fn figure(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The average latency, which is printed in ms with three places.
fn micros(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("latency average = ")?;
    let (number, _) = rest.split_once(" ms")?;
    number.replace('.', "").parse().ok()
}

/// What stands before the statements that write the script: a value as a literal in which pgbench finds no variable.
const LITERAL: &str = r"
CREATE FUNCTION pg_temp.lit(value text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce('E''' || replace(replace(replace(value, '\', '\\'), '''', ''''''), ':', '\x3a') || '''', 'NULL')
$$;
";

/// An id of its own for each order of the script, in the order of time as Orderway's are.
fn id(number: u64) -> String {
    format!("lpad(to_hex(:i::bigint * 64 + {number}), 32, ''0'')::uuid")
}

/// A statement that prints an INSERT for each row: of a table, of columns that are copied, and of those that are given.
fn insert(table: &str, copied: &[&str], given: &[(&str, &str)], rows: &str) -> String {
    let given_names = given.iter().map(|(name, _)| *name);
    let names: Vec<&str> = given_names.chain(copied.iter().copied()).collect();
    let given_values = given.iter().map(|(_, value)| format!("'{value}'"));
    let literals = copied
        .iter()
        .map(|name| format!("pg_temp.lit(t.{name}::text)"));
    let values: Vec<String> = given_values.chain(literals).collect();
    format!(
        "SELECT 'INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE VALUES (' || concat_ws(', ', {}) || ');' FROM {table} AS t WHERE \
         {rows};\n",
        names.join(", "),
        values.join(", ")
    )
}

fn print(line: &str) -> String {
    format!("SELECT '{line}';\n")
}

/// A transaction, sent at once.
fn transaction(statements: &[String]) -> String {
    [
        print(r"\startpipeline"),
        print("BEGIN;"),
        statements.concat(),
        print("COMMIT;"),
        print(r"\endpipeline"),
    ]
    .concat()
}

const EVENT: [&str; 12] = [
    "stream_kind",
    "version",
    "type",
    "type_version",
    "company",
    "account",
    "time",
    "principal",
    "channel",
    "correlation_id",
    "traceparent",
    "data",
];

/// An event, and what waits for its place in the feed.
fn event(order: &str, version: u64) -> String {
    let rows = format!("t.stream_id = '{order}' AND t.version = {version}");
    let ids = [id(version), id(0)];
    let [own, stream] = &ids;
    [
        insert("event", &EVENT, &[("id", own), ("stream_id", stream)], &rows),
        print("INSERT INTO event_unstamped (seq) VALUES (lastval());"),
        print(&format!(
            "INSERT INTO audit_unchained (seq, line) OVERRIDING SYSTEM VALUE VALUES (:i::bigint * 64 + {version}, repeat(''a'', 400));"
        )),
    ]
    .concat()
}

/// The commit that takes the order.
fn taking(order: &str) -> String {
    let owner = id(0);
    let number = "''PO-'' || :i::text";
    let of_order = format!("t.owner_id = '{order}'");
    transaction(&[
        insert(
            "idempotency",
            &["scope", "fingerprint", "status", "expires_at", "body"],
            &[("key", number), ("subject", &owner)],
            &format!("t.subject = '{order}'"),
        ),
        insert(
            "sales_order",
            &[
                "version",
                "company",
                "account",
                "release_number",
                "holds_purchase_order",
                "status",
                "holds",
                "state",
            ],
            &[
                ("id", &owner),
                ("purchase_order_number", number),
                ("reference", number),
            ],
            &format!("t.id = '{order}'"),
        ),
        event(order, 1),
        format!(
            "SELECT format('UPDATE stock SET claimed = stock_taken(claimed, 1, %s) WHERE (company, item, site) = (%L, %L, %L);', \
             t.quantity, t.company, t.item, t.site) FROM stock_movement AS t WHERE {of_order} ORDER BY item;\n"
        ),
        insert(
            "stock_movement",
            &[
                "company",
                "item",
                "site",
                "owner_kind",
                "line",
                "day",
                "quantity",
            ],
            &[("owner_id", &owner)],
            &of_order,
        ),
        format!(
            "SELECT format('UPDATE credit SET claimed = claimed + %s WHERE (company, account) = (%L, %L);', t.amount, t.company, \
             t.account) FROM credit_movement AS t WHERE {of_order};\n"
        ),
        insert(
            "credit_movement",
            &["company", "account", "owner_kind", "amount"],
            &[("owner_id", &owner)],
            &of_order,
        ),
        insert(
            "decision",
            &["company", "record", "facts"],
            &[("id", &owner)],
            &format!("t.record LIKE '%{order}%' ORDER BY t.id LIMIT 1"),
        ),
    ])
}

/// What the workers write of it afterwards: what is to be done, leased and done, each with an event.
fn working(order: &str, events: u64) -> String {
    let owner = id(0);
    let mut text = String::new();
    for version in 2..=events {
        let effect = id(version.saturating_add(32));
        let new = insert(
            "effect",
            &[
                "kind",
                "due_at",
                "attempt",
                "created_at",
                "traceparent",
                "correlation_id",
                "payload",
                "progress",
                "background",
            ],
            &[
                ("id", &effect),
                ("order_id", &owner),
                ("serial_key", "''PO-'' || :i::text"),
                ("state", "''pending''"),
            ],
            &format!("t.order_id = '{order}' ORDER BY t.seq LIMIT 1"),
        );
        text.push_str(&transaction(&[
            new,
            print(&format!(
                "UPDATE effect SET state = ''leased'', lease = gen_random_uuid(), lease_until = 1 WHERE id = {effect};"
            )),
        ]));
        text.push_str(&transaction(&[
            event(order, version),
            format!(
                "SELECT 'UPDATE sales_order SET version = {version}, status = ' || pg_temp.lit(t.status) || ', state = ' || \
                 pg_temp.lit(t.state) || ' WHERE id = {owner};' FROM sales_order AS t WHERE t.id = '{order}';\n"
            ),
            print(&format!(
                "UPDATE effect SET state = ''done'', lease = NULL, lease_until = NULL WHERE id = {effect};"
            )),
        ]));
    }
    text
}

/// The places of its events in the feed, and its lines in the audit trail.
fn feeding() -> String {
    let own = "SELECT seq FROM event WHERE stream_id = ";
    let owner = id(0);
    let audit = ":i::bigint * 64 AND :i::bigint * 64 + 63";
    transaction(&[
        print(&format!(
            "DELETE FROM event_unstamped WHERE seq IN ({own}{owner});"
        )),
        print(&format!(
            "INSERT INTO feed (position, seq, company, account) SELECT seq, seq, company, account FROM event WHERE stream_id = {owner};"
        )),
        print(&format!(
            "INSERT INTO audit (seq, line, hash) SELECT seq, line, sha256(convert_to(line, ''UTF8'')) FROM audit_unchained WHERE seq \
             BETWEEN {audit};"
        )),
        print(&format!(
            "DELETE FROM audit_unchained WHERE seq BETWEEN {audit};"
        )),
    ])
}

const STOCK: [&str; 8] = [
    "company",
    "item",
    "site",
    "as_of",
    "lag",
    "first_day",
    "available",
    "claimed",
];
const CREDIT: [&str; 9] = [
    "company",
    "account",
    "as_of",
    "lag",
    "currency",
    "credit_limit",
    "exposure",
    "claimed",
    "blocked",
];

/// Writes the script of an order that Orderway wrote into `from`, and gives the database `to` the stock and the credit that it takes.
pub(crate) async fn prepare(
    server: &Server,
    (from, to): (&str, &str),
    order: &str,
    script: &Path,
) -> anyhow::Result<()> {
    let events = format!("SELECT max(version) FROM event WHERE stream_id = '{order}'");
    let events: u64 = server.said(from, &events).await?.parse()?;
    let text = [
        LITERAL.to_owned(),
        print(r"\set i :i + 1"),
        print(r"\set i :i * 64 + :client_id"),
        taking(order),
        working(order, events),
        feeding(),
        print(r"\set i (:i - :client_id) / 64"),
    ]
    .concat();
    std::fs::write(script, server.script(from, &text).await? + "\n")?;
    let ledgers = [
        LITERAL.to_owned(),
        insert("stock", &STOCK, &[], "true"),
        insert("credit", &CREDIT, &[], "true"),
    ]
    .concat();
    let ledgers = server.script(from, &ledgers).await?;
    let ledgers = ledgers.replace(");", ") ON CONFLICT DO NOTHING;");
    server.script(to, &ledgers).await?;
    Ok(())
}
