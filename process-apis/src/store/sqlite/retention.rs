//! Removes what is no longer kept, a share at a time.

use std::collections::BTreeMap;

use canonical_model::CompanyId;
use rusqlite::{Connection, params};

use super::{
    super::{
        StoreError,
        retention::{KINDS, Kept, Kind, Outdated, least_id},
    },
    value::{At, Id, Text, count},
};

pub(super) fn outdated(connection: &Connection, kept: &Kept) -> Result<Vec<Outdated>, StoreError> {
    let mut companies = BTreeMap::new();
    let mut add = |from: &str, since, field: fn(&mut Outdated) -> &mut u64| {
        let sql = format!("SELECT company, count(*) {from} GROUP BY company");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(params![Id(least_id(since)), At(since)])?;
        while let Some(row) = rows.next()? {
            let Text(company): Text<CompanyId> = row.get(0)?;
            let of_company = companies
                .entry(company.clone())
                .or_insert_with(|| Outdated::none(company));
            let field = field(of_company);
            *field = field.saturating_add(count(row.get(1)?));
        }
        Ok::<_, StoreError>(())
    };
    for kind in &KINDS {
        let (old, since) = (kind.old(), (kind.since)(kept));
        add(&old, since, kind.count)?;
        if kind.stream.is_some() {
            let decisions = format!("FROM decision WHERE subject IN (SELECT id {old})");
            add(&decisions, since, |of| &mut of.decisions)?;
        }
    }
    Ok(companies.into_values().collect())
}

/// Removes a share; answers how many rows it was, and 0 at the end.
pub(super) fn forget(connection: &Connection, kept: &Kept, limit: u16) -> Result<u64, StoreError> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS old (id BLOB PRIMARY KEY) WITHOUT ROWID;
         CREATE TEMP TABLE IF NOT EXISTS old_fact (hash BLOB PRIMARY KEY) WITHOUT ROWID",
    )?;
    let mut removed: u64 = 0;
    for kind in &KINDS {
        let chosen = forget_of(connection, kind, kept, limit)?;
        removed = removed.saturating_add(u64::try_from(chosen).unwrap_or(u64::MAX));
    }
    Ok(removed)
}

fn forget_of(
    connection: &Connection,
    kind: &Kind,
    kept: &Kept,
    limit: u16,
) -> Result<usize, StoreError> {
    const OLD: &str = "SELECT id FROM temp.old";
    let since = (kind.since)(kept);
    connection.execute("DELETE FROM temp.old", ())?;
    let sql = format!(
        "INSERT INTO temp.old SELECT id {} ORDER BY id LIMIT $3",
        kind.old()
    );
    let chosen = connection.execute(&sql, params![Id(least_id(since)), At(since), limit])?;
    if chosen == 0 {
        return Ok(0);
    }
    if let Some(events) = kind.events(OLD) {
        connection.execute(&format!("DELETE {events}"), ())?;
        forget_decisions(connection)?;
    }
    for delete in kind.deletes(OLD) {
        connection.execute(&delete, ())?;
    }
    Ok(chosen)
}

/// With the facts that no other decision is made from.
fn forget_decisions(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "DELETE FROM temp.old_fact;
         INSERT OR IGNORE INTO temp.old_fact SELECT hash FROM decision_fact WHERE decision IN (
            SELECT id FROM decision WHERE subject IN (SELECT id FROM temp.old));
         DELETE FROM decision_fact WHERE decision IN (
            SELECT id FROM decision WHERE subject IN (SELECT id FROM temp.old));
         DELETE FROM decision WHERE subject IN (SELECT id FROM temp.old);
         DELETE FROM fact_blob WHERE hash IN (SELECT hash FROM temp.old_fact)
            AND NOT EXISTS (SELECT 1 FROM decision_fact WHERE decision_fact.hash = fact_blob.hash)",
    )?;
    Ok(())
}
