//! Makes a large store of a small one.
//!
//! Each settled order of an `SQLite` file is copied many times, with every row that it has anywhere, under ids, a reference and
//! a purchase order number of its own, older than what is there.
//!
//! A table that is not named here is an error: whoever brings one says whether an order has rows in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context as _;
use aws_lc_rs::digest;
use canonical_model::{OrderId, OrderReference};
use rusqlite::{Connection, Statement, types::Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Tables of which an order has rows, beside `audit`.
const COPIED: [&str; 9] = [
    "sales_order",
    "event",
    "effect",
    "document",
    "document_key",
    "document_outcome",
    "decision",
    "decision_fact",
    "idempotency",
];
/// Tables in which nothing of a settled order is left, or that have rows of no order.
const LEFT: [&str; 21] = [
    "bound",
    "bound_movement",
    "control_number",
    "credit",
    "credit_movement",
    "fact_blob",
    "parked_news",
    "quote",
    "reader_cursor",
    "reservation",
    "schema_migration",
    "session",
    "session_key",
    "set_back",
    "stock",
    "stock_movement",
    "store_check",
    "subscription",
    "subscription_delivery",
    // A chain: its lines are copied, and linked anew.
    "audit",
    // A name that SQLite keeps for itself.
    "sqlite_sequence",
];
/// Between a copy and the next.
const APART_MS: u128 = 60_000;
/// Where the instant begins in an id that rises with time.
const INSTANT: u32 = 80;
/// Orders between two commits.
const SHARE: u32 = 20_000;

/// What becomes of the facts that only one order was decided from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facts {
    /// Copies refer to those of their original.
    Shared,
    /// Each copy has facts of its own, as every real order has: the same behind some blanks, and so of another hash.
    Own,
}

/// What was made.
#[derive(Debug, Clone, Default)]
pub struct Multiplied {
    /// Orders that were copied.
    pub originals: usize,
    /// Orders that were made.
    pub copies: u32,
    /// Rows of each table, afterwards.
    pub rows: BTreeMap<String, i64>,
}

/// A part of a text.
#[derive(Debug, Clone)]
enum Part {
    Same(String),
    Id(usize),
    /// The hash of a fact.
    Fact(usize),
    Reference,
    Number,
    /// What makes it different from every other.
    Copy,
}

/// A value of a row.
#[derive(Debug, Clone)]
enum Cell {
    Same(Value),
    Id(usize),
    /// The hash of a fact, and what it says.
    Fact(usize),
    Content(usize),
    Text(Vec<Part>),
    /// The next control number of a partner.
    Control(String),
}

/// A SHA-256.
type Hash = [u8; 32];

/// A row by column, and its table.
type Found = (&'static str, Vec<(String, Value)>);

/// An order that is copied.
struct Original {
    /// Of the order, which is the first, and of everything that is its own.
    ids: Vec<Uuid>,
    /// What is told of an order has an id made of the order's and of this.
    made_of: Vec<Option<String>>,
    /// Facts that nothing else was decided from: by hash, and what each says.
    facts: Vec<(Hash, Vec<Part>)>,
    reference: String,
    number: String,
    rows: Vec<(&'static str, Vec<(String, Cell)>)>,
    audit: Vec<Vec<Part>>,
}

/// What a copy has in place of what its original has.
struct Names {
    ids: Vec<Uuid>,
    facts: Vec<(Hash, String)>,
    reference: String,
    number: String,
    copy: u32,
}

impl Names {
    fn of(original: &Original, copy: u32, copies: u32) -> Self {
        let back = u128::from(copies.saturating_sub(copy)).saturating_mul(APART_MS) << INSTANT;
        // Of another instant, and of other luck: a reference is made of that.
        let luck = u128::from(copy.saturating_add(1));
        let older = |id: Uuid| Uuid::from_u128(id.as_u128().wrapping_sub(back) ^ luck);
        let order = older(original.ids.first().copied().unwrap_or_default());
        let both = original.ids.iter().zip(&original.made_of);
        let ids = both.map(|(id, made_of)| match made_of {
            Some(name) => Uuid::new_v5(&order, name.as_bytes()),
            None => older(*id),
        });
        let ids = ids.collect();
        let mut names = Self {
            ids,
            facts: Vec::new(),
            reference: OrderReference::of(OrderId(order)).to_string(),
            number: format!("{}-{copy}", original.number),
            copy,
        };
        // JSON says the same behind blanks, and these are of no other copy.
        let blanks = format!("{copy:b}").replace('0', " ").replace('1', "\t");
        for (_, parts) in &original.facts {
            let content = format!("{blanks}{}", names.text(parts));
            names.facts.push((hash(&[content.as_bytes()]), content));
        }
        names
    }

    fn id(&self, index: usize) -> Uuid {
        self.ids.get(index).copied().unwrap_or_default()
    }

    fn fact(&self, index: usize) -> (Hash, &str) {
        let fact = self.facts.get(index);
        fact.map_or_else(Default::default, |(hash, content)| {
            (*hash, content.as_str())
        })
    }

    fn text(&self, parts: &[Part]) -> String {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Same(same) => text.push_str(same),
                Part::Id(index) => text.push_str(&self.id(*index).to_string()),
                Part::Fact(index) => text.push_str(&hexadecimal(&self.fact(*index).0)),
                Part::Reference => text.push_str(&self.reference),
                Part::Number => text.push_str(&self.number),
                Part::Copy => text.push_str(&format!("-{}", self.copy)),
            }
        }
        text
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

fn hexadecimal(hash: &Hash) -> String {
    let half = |part: &[u8]| u128::from_be_bytes(part.try_into().unwrap_or_default());
    let (upper, lower) = hash.split_at(16);
    format!("{:032x}{:032x}", half(upper), half(lower))
}

/// Copies the settled orders of a file that nobody has open, until it has so many more, or it is told to stop.
pub fn multiply(
    file: &Path,
    more: u32,
    facts: Facts,
    stop: &CancellationToken,
) -> anyhow::Result<Multiplied> {
    let connection = Connection::open(file)?;
    // Nobody relies on this file until it is made.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;",
    )?;
    let mode: String = connection.query_row("PRAGMA journal_mode = OFF", (), |row| row.get(0))?;
    anyhow::ensure!(mode == "off", "the file is not all ours: {mode}");
    let tables = tables(&connection)?;
    let originals = Finder::of(&connection, &tables, facts)?.originals()?;
    anyhow::ensure!(
        !originals.is_empty(),
        "no order is settled: nothing to copy"
    );
    let each = u32::try_from(originals.len())?;
    let copies = more.div_ceil(each);
    let mut writer = Writer::of(&connection, &originals)?;
    let mut made: u32 = 0;
    connection.execute_batch("BEGIN")?;
    'all: for copy in 0..copies {
        for (index, original) in originals.iter().enumerate() {
            if made == more {
                break 'all;
            }
            anyhow::ensure!(!stop.is_cancelled(), "interrupted");
            writer.write(index, original, &Names::of(original, copy, copies))?;
            made = made.saturating_add(1);
            if made.is_multiple_of(SHARE) {
                connection.execute_batch("COMMIT; BEGIN")?;
            }
        }
    }
    writer.finish(&connection)?;
    connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL")?;
    let mut rows = BTreeMap::new();
    for table in COPIED.iter().chain(&["audit", "fact_blob"]) {
        let count = connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| {
            row.get(0)
        })?;
        rows.insert((*table).to_owned(), count);
    }
    Ok(Multiplied {
        originals: originals.len(),
        copies: made,
        rows,
    })
}

/// The columns of each table; one that is not known here is an error.
fn tables(connection: &Connection) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut statement = connection.prepare(
        "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'
         ORDER BY t.name, c.cid",
    )?;
    let mut tables = BTreeMap::<String, Vec<String>>::new();
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        tables.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let known: BTreeSet<&str> = COPIED.into_iter().chain(LEFT).collect();
    let there: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    let strange: Vec<_> = there.symmetric_difference(&known).collect();
    anyhow::ensure!(
        strange.is_empty(),
        "{strange:?}: the schema has changed; say in multiply.rs whether an order has rows there"
    );
    Ok(tables)
}

/// Finds the settled orders, and all that each has.
struct Finder<'a> {
    connection: &'a Connection,
    tables: &'a BTreeMap<String, Vec<String>>,
    decisions: Vec<Uuid>,
    audit: Vec<String>,
    facts: Facts,
}

impl<'a> Finder<'a> {
    fn of(
        connection: &'a Connection,
        tables: &'a BTreeMap<String, Vec<String>>,
        facts: Facts,
    ) -> anyhow::Result<Self> {
        let mut decisions = connection.prepare("SELECT id FROM decision")?;
        let decisions = decisions.query_map((), |row| row.get::<_, Vec<u8>>(0))?;
        let decisions = decisions
            .map(|id| anyhow::Ok(Uuid::from_slice(&id?)?))
            .collect::<Result<_, _>>()?;
        let mut audit = connection.prepare("SELECT line FROM audit ORDER BY seq")?;
        let audit = audit.query_map((), |row| row.get(0))?;
        Ok(Self {
            connection,
            tables,
            decisions,
            audit: audit.collect::<Result<_, _>>()?,
            facts,
        })
    }

    fn originals(&self) -> anyhow::Result<Vec<Original>> {
        let mut settled = self.connection.prepare(
            "SELECT id, purchase_order_number, reference FROM sales_order AS o
             WHERE holds = '' AND NOT EXISTS (
                SELECT 1 FROM effect WHERE order_id = o.id AND state IN ('pending', 'leased', 'stopped'))
             ORDER BY id",
        )?;
        let found = settled.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut originals = Vec::new();
        for found in found {
            let (id, number, reference): (Vec<u8>, String, String) = found?;
            originals.push(self.original(Uuid::from_slice(&id)?, number, reference)?);
        }
        Ok(originals)
    }

    fn original(&self, id: Uuid, number: String, reference: String) -> anyhow::Result<Original> {
        let mut found = self.rows("sales_order", "id = ?1", id)?;
        found.extend(self.rows("event", "stream_id = ?1", id)?);
        found.extend(self.rows("effect", "order_id = ?1", id)?);
        found.extend(self.rows("idempotency", "subject = ?1", id)?);
        let documents = "(SELECT id FROM document WHERE order_id = ?1
            UNION SELECT answers FROM document WHERE order_id = ?1 AND answers IS NOT NULL
            UNION SELECT id FROM document WHERE answers IN (
                SELECT id FROM document WHERE order_id = ?1
                UNION SELECT answers FROM document WHERE order_id = ?1))";
        for (table, column) in [
            ("document", "id"),
            ("document_key", "document_id"),
            ("document_outcome", "document_id"),
        ] {
            found.extend(self.rows(table, &format!("{column} IN {documents}"), id)?);
        }
        let texts: Vec<String> = found
            .iter()
            .flat_map(|(_, row)| row)
            .filter_map(|(_, value)| match value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        for decision in &self.decisions {
            let named = decision.to_string();
            if texts.iter().any(|text| text.contains(&named)) {
                found.extend(self.rows("decision", "id = ?1", *decision)?);
                found.extend(self.rows("decision_fact", "decision = ?1", *decision)?);
            }
        }
        let mut ids = vec![id];
        for (_, row) in &found {
            for (column, value) in row {
                if let (true, Value::Blob(bytes)) = (column == "id", value) {
                    ids.push(Uuid::from_slice(bytes)?);
                }
            }
        }
        let made_of = ids.iter().map(|own| made_of(id, *own));
        let mut original = Original {
            made_of: made_of.collect::<Result<_, _>>()?,
            ids,
            facts: Vec::new(),
            reference,
            number,
            rows: Vec::new(),
            audit: Vec::new(),
        };
        if self.facts == Facts::Own {
            self.add_facts(&mut original)?;
        }
        for (table, row) in found {
            let cells = row
                .into_iter()
                .filter_map(|(column, value)| original.cell(table, column, value))
                .collect();
            original.rows.push((table, cells));
        }
        let named = id.to_string();
        for line in self.audit.iter().filter(|line| line.contains(&named)) {
            original.audit.push(original.parts(line));
        }
        Ok(original)
    }

    /// Facts of the order's decisions that no decision of another was made from.
    fn add_facts(&self, original: &mut Original) -> anyhow::Result<()> {
        let mut statement = self.connection.prepare_cached(
            "SELECT hash, content FROM fact_blob
             WHERE hash IN (SELECT hash FROM decision_fact WHERE decision IN (SELECT id FROM decision WHERE subject = ?1))
             AND NOT EXISTS (SELECT 1 FROM decision_fact AS other JOIN decision ON decision.id = other.decision
                WHERE other.hash = fact_blob.hash AND decision.subject IS NOT ?1)",
        )?;
        let id = original.ids.first().copied().unwrap_or_default();
        let own = statement.query_map([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for own in own {
            let (hash, content): (Hash, String) = own?;
            let cells = ["hash", "content"].map(str::to_owned).into_iter();
            let index = original.facts.len();
            let cells = cells.zip([Cell::Fact(index), Cell::Content(index)]);
            original.rows.push(("fact_blob", cells.collect()));
            let parts = original.parts(&content);
            original.facts.push((hash, parts));
        }
        Ok(())
    }

    /// Rows of a table, by column.
    fn rows(&self, table: &'static str, condition: &str, id: Uuid) -> anyhow::Result<Vec<Found>> {
        let columns = self.tables.get(table).context("the table is there")?;
        let sql = format!("SELECT * FROM {table} WHERE {condition}");
        let mut statement = self.connection.prepare(&sql)?;
        let found = statement.query_map([id.as_bytes()], |row| {
            let values = columns.iter().enumerate();
            let values = values.map(|(index, column)| Ok((column.clone(), row.get(index)?)));
            Ok((table, values.collect::<rusqlite::Result<_>>()?))
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

/// Of what an id is made beside the order's; None = by luck.
fn made_of(order: Uuid, own: Uuid) -> anyhow::Result<Option<String>> {
    if own.get_version_num() != 5 {
        return Ok(None);
    }
    // A settled order is one that was accepted, at one of its first versions.
    let mut names = (1..100).map(|version| format!("accepted:{version}"));
    let name = names.find(|name| Uuid::new_v5(&order, name.as_bytes()) == own);
    let name = name.with_context(|| format!("it is not known what {own} is made of"));
    name.map(Some)
}

impl Original {
    /// What a copy has there; None = the file numbers it.
    fn cell(&self, table: &str, column: String, value: Value) -> Option<(String, Cell)> {
        let cell = match (table, column.as_str(), value) {
            (_, "position" | "seq", _) => return None,
            // What waited for its partner has been fetched.
            ("document", "state", Value::Text(state)) if state == "ready" => {
                Cell::Same(Value::Text("delivered".to_owned()))
            }
            ("document", "lease" | "lease_until", _) => Cell::Same(Value::Null),
            ("document", "control_number", Value::Integer(_)) => Cell::Control(String::new()),
            (_, "key", Value::Text(text)) => {
                let mut parts = self.parts(&text);
                parts.push(Part::Copy);
                Cell::Text(parts)
            }
            (_, _, Value::Text(text)) => match self.parts(&text).as_slice() {
                [] | [Part::Same(_)] => Cell::Same(Value::Text(text)),
                parts => Cell::Text(parts.to_vec()),
            },
            (_, _, Value::Blob(bytes)) => {
                let own = Uuid::from_slice(&bytes).ok();
                let own = own.and_then(|own| self.ids.iter().position(|id| *id == own));
                let fact = self.facts.iter().position(|(hash, _)| *hash == *bytes);
                own.map(Cell::Id)
                    .or_else(|| fact.map(Cell::Fact))
                    .unwrap_or(Cell::Same(Value::Blob(bytes)))
            }
            (_, _, other) => Cell::Same(other),
        };
        Some((column, cell))
    }

    /// A text, taken apart where it names what is the order's own.
    fn parts(&self, text: &str) -> Vec<Part> {
        let mut names: Vec<(String, Part)> = vec![
            (self.reference.clone(), Part::Reference),
            (self.number.clone(), Part::Number),
        ];
        let ids = self.ids.iter().enumerate();
        names.extend(ids.map(|(index, id)| (id.to_string(), Part::Id(index))));
        let facts = self.facts.iter().enumerate();
        names.extend(facts.map(|(index, (hash, _))| (hexadecimal(hash), Part::Fact(index))));
        let mut parts = vec![Part::Same(text.to_owned())];
        for (name, own) in names {
            let mut split = Vec::new();
            for part in parts {
                let Part::Same(same) = part else {
                    split.push(part);
                    continue;
                };
                for (index, piece) in same.split(&name).enumerate() {
                    if index > 0 {
                        split.push(own.clone());
                    }
                    if !piece.is_empty() {
                        split.push(Part::Same(piece.to_owned()));
                    }
                }
            }
            parts = split;
        }
        parts
    }
}

/// A row of an original, as a statement that has all bound that never changes.
struct Row<'a> {
    statement: Statement<'a>,
    /// Where in the statement, and what.
    changing: Vec<(usize, Cell)>,
}

/// Writes copies.
struct Writer<'a> {
    rows: Vec<Vec<Row<'a>>>,
    line: Statement<'a>,
    /// The hash of the last line of the audit trail.
    last: Vec<u8>,
    /// The last control number of each partner.
    controls: BTreeMap<String, i64>,
}

impl<'a> Writer<'a> {
    fn of(connection: &'a Connection, originals: &[Original]) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        for original in originals {
            let mut of_one = Vec::new();
            for (table, cells) in &original.rows {
                of_one.push(Row::of(connection, table, cells)?);
            }
            rows.push(of_one);
        }
        let mut controls = BTreeMap::new();
        let mut statement = connection.prepare(
            "SELECT company || '/' || channel || '/' || partner, last FROM control_number",
        )?;
        for given in statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (partner, last): (String, i64) = given?;
            controls.insert(partner, last);
        }
        let last = "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1";
        Ok(Self {
            rows,
            line: connection.prepare("INSERT INTO audit (line, hash) VALUES (?1, ?2)")?,
            last: connection.query_row(last, (), |row| row.get(0))?,
            controls,
        })
    }

    fn write(&mut self, index: usize, original: &Original, names: &Names) -> anyhow::Result<()> {
        for row in self.rows.get_mut(index).into_iter().flatten() {
            let statement = &mut row.statement;
            for (at, cell) in &row.changing {
                match cell {
                    Cell::Same(value) => statement.raw_bind_parameter(*at, value)?,
                    Cell::Id(own) => {
                        statement.raw_bind_parameter(*at, names.id(*own).as_bytes())?;
                    }
                    Cell::Fact(own) => {
                        statement.raw_bind_parameter(*at, names.fact(*own).0.as_slice())?;
                    }
                    Cell::Content(own) => {
                        statement.raw_bind_parameter(*at, names.fact(*own).1)?;
                    }
                    Cell::Text(parts) => statement.raw_bind_parameter(*at, names.text(parts))?,
                    Cell::Control(partner) => {
                        let last = self.controls.entry(partner.clone()).or_default();
                        *last = last.saturating_add(1);
                        statement.raw_bind_parameter(*at, *last)?;
                    }
                }
            }
            statement.raw_execute()?;
        }
        for parts in &original.audit {
            let line = names.text(parts);
            self.last = hash(&[&self.last, line.as_bytes()]).to_vec();
            self.line.execute((&line, &self.last))?;
        }
        Ok(())
    }

    /// The numbers that were used are given.
    fn finish(self, connection: &Connection) -> anyhow::Result<()> {
        for (partner, last) in &self.controls {
            connection.execute(
                "UPDATE control_number SET last = ?2 WHERE company || '/' || channel || '/' || partner = ?1",
                (partner, last),
            )?;
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    fn of(
        connection: &'a Connection,
        table: &str,
        cells: &[(String, Cell)],
    ) -> anyhow::Result<Self> {
        let columns: Vec<String> = cells
            .iter()
            .map(|(column, _)| format!("\"{column}\""))
            .collect();
        let places = vec!["?"; cells.len()].join(", ");
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({places})",
            columns.join(", ")
        );
        let mut statement = connection.prepare(&sql)?;
        let text = |name: &str| {
            let cell = cells.iter().find(|(column, _)| column == name);
            match cell {
                Some((_, Cell::Same(Value::Text(text)))) => text.clone(),
                _ => String::new(),
            }
        };
        let partner = format!(
            "{}/{}/{}",
            text("company"),
            text("channel"),
            text("partner")
        );
        let mut changing = Vec::new();
        for (index, (_, cell)) in cells.iter().enumerate() {
            let at = index.saturating_add(1);
            match cell {
                Cell::Same(value) => statement.raw_bind_parameter(at, value)?,
                Cell::Control(_) => changing.push((at, Cell::Control(partner.clone()))),
                Cell::Id(_) | Cell::Fact(_) | Cell::Content(_) | Cell::Text(_) => {
                    changing.push((at, cell.clone()));
                }
            }
        }
        Ok(Self {
            statement,
            changing,
        })
    }
}

/// How many effects of a file are not at their end.
pub fn open_effects(file: &Path) -> anyhow::Result<u32> {
    let open = "SELECT count(*) FROM effect WHERE state IN ('pending', 'leased', 'stopped')";
    count(file, open)
}

/// How many orders of a file are still to be brought into the ERP; with some of them a person is asked by now.
pub fn orders_under_way(file: &Path) -> anyhow::Result<u32> {
    let open = "SELECT count(DISTINCT order_id) FROM effect
        WHERE kind = 'create_erp_order' AND state IN ('pending', 'leased', 'stopped')";
    count(file, open)
}

fn count(file: &Path, sql: &str) -> anyhow::Result<u32> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection.query_row(sql, (), |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with one settled order, which was decided from a fact of its own and from a rule that another decision shares.
    fn store(file: &Path) -> anyhow::Result<()> {
        let connection = Connection::open(file)?;
        connection.execute_batch("CREATE TABLE schema_migration (version INTEGER)")?;
        let folder = crate::root().join("process-apis/migrations/sqlite");
        let mut scripts: Vec<_> = std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        scripts.sort();
        for script in scripts {
            connection.execute_batch(&std::fs::read_to_string(script)?)?;
        }
        let [order, decision, other, quote] = [1, 2, 3, 4].map(Uuid::from_u128);
        let state = format!(r#"{{"order": {{"reference": "OW1", "decision": "{decision}"}}}}"#);
        connection.execute(
            "INSERT INTO sales_order (id, version, company, account, reference, purchase_order_number, holds_purchase_order, status,
                holds, state)
             VALUES (?1, 1, 'C', 'A', 'OW1', 'PO', 1, 'shipped', '', ?2)",
            (order.as_bytes(), state),
        )?;
        let line = format!("order {order} is taken");
        connection.execute(
            "INSERT INTO audit (line, hash) VALUES (?1, ?2)",
            (&line, hash(&[line.as_bytes()])),
        )?;
        for (decision, subject, facts) in [
            (decision, order, [r#"{"stock":1}"#, r#"{"rule":1}"#]),
            (other, quote, [r#"{"stock":2}"#, r#"{"rule":1}"#]),
        ] {
            let keys = facts.map(|fact| hexadecimal(&hash(&[fact.as_bytes()])));
            connection.execute(
                "INSERT INTO decision (id, company, record, facts, subject) VALUES (?1, 'C', '{}', ?2, ?3)",
                (
                    decision.as_bytes(),
                    keys.join(" "),
                    subject.as_bytes(),
                ),
            )?;
            for fact in facts {
                let key = hash(&[fact.as_bytes()]);
                connection.execute(
                    "INSERT OR IGNORE INTO fact_blob (hash, content) VALUES (?1, ?2)",
                    (key, fact),
                )?;
                connection.execute(
                    "INSERT INTO decision_fact (decision, hash) VALUES (?1, ?2)",
                    (decision.as_bytes(), key),
                )?;
            }
        }
        Ok(())
    }

    /// What each order's decision was made from: text and hash by the text of its facts.
    fn facts(connection: &Connection) -> anyhow::Result<Vec<(String, String, Hash)>> {
        let mut statement = connection.prepare(
            "SELECT d.facts, b.content, b.hash FROM sales_order AS o JOIN decision AS d ON d.subject = o.id
             JOIN decision_fact AS f ON f.decision = d.id JOIN fact_blob AS b ON b.hash = f.hash",
        )?;
        let found = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    #[test]
    fn a_copy_has_facts_of_its_own_where_that_is_asked_for() -> anyhow::Result<()> {
        for (how, stocks) in [(Facts::Own, 4), (Facts::Shared, 1)] {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("store.sqlite");
            store(&file)?;
            let made = multiply(&file, 3, how, &CancellationToken::new())?;
            assert_eq!((made.originals, made.copies), (1, 3));
            let connection = Connection::open(&file)?;
            let facts = facts(&connection)?;
            assert_eq!(facts.len(), 8, "two of each of four orders");
            let mut hashes = BTreeSet::new();
            for (named, content, key) in &facts {
                assert_eq!(hash(&[content.as_bytes()]), *key);
                assert!(named.contains(&hexadecimal(key)), "{named}");
                let said: serde_json::Value = serde_json::from_str(content)?;
                if said.get("stock").is_some_and(|stock| stock == 1) {
                    hashes.insert(*key);
                } else {
                    assert_eq!(content, r#"{"rule":1}"#);
                }
            }
            assert_eq!(hashes.len(), stocks, "{how:?}");
        }
        Ok(())
    }

    #[test]
    fn the_audit_trail_of_the_copies_is_a_chain_that_names_each_order() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("store.sqlite");
        store(&file)?;
        multiply(&file, 2, Facts::Own, &CancellationToken::new())?;
        let connection = Connection::open(&file)?;
        let mut statement = connection.prepare(
            "SELECT a.line, a.hash, (SELECT count(*) FROM sales_order AS o WHERE instr(replace(a.line, '-', ''), lower(hex(o.id))))
             FROM audit AS a ORDER BY a.seq",
        )?;
        let lines = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut last = Vec::new();
        for line in lines {
            let (line, kept, orders): (String, Hash, i64) = line?;
            assert_eq!(hash(&[&last, line.as_bytes()]), kept);
            assert_eq!(orders, 1, "{line}");
            last = kept.to_vec();
        }
        Ok(())
    }
}
