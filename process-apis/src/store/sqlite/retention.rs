//! Removes what is no longer kept, a share at a time.

use std::collections::BTreeMap;

use canonical_model::CompanyId;
use rusqlite::{Connection, params};

use super::{
    super::{
        StoreError,
        retention::{Kept, Outdated, least_id},
    },
    value::{At, Id, Text, count},
};

/// Those of each kind that are no longer kept: `?1` is the least id given out at the instant `?2`.
const ORDERS: &str = "FROM sales_order AS old WHERE id < ?1 AND status IN ('shipped', 'rejected', 'cancelled')
    AND NOT EXISTS (SELECT 1 FROM effect WHERE order_id = old.id AND state IN ('pending', 'leased', 'stopped'))
    AND NOT EXISTS (SELECT 1 FROM event WHERE stream_id = old.id AND stream_kind = 'order' AND time >= ?2)";
const QUOTES: &str = "FROM quote AS old WHERE id < ?1 AND expires_at < ?2";
const RESERVATIONS: &str = "FROM reservation AS old WHERE id < ?1 AND expires_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM event WHERE stream_id = old.id AND stream_kind = 'reservation' AND time >= ?2)";
const DOCUMENTS: &str = "FROM document AS old WHERE id < ?1 AND created_at < ?2
    AND state IN ('answered', 'delivered', 'refused')
    AND NOT EXISTS (SELECT 1 FROM document_key WHERE document_id = old.id)";

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
            *field(of_company) = count(row.get(1)?);
        }
        Ok::<_, StoreError>(())
    };
    add(ORDERS, kept.orders, |of| &mut of.orders)?;
    add(QUOTES, kept.quotes, |of| &mut of.quotes)?;
    add(RESERVATIONS, kept.reservations, |of| &mut of.reservations)?;
    add(DOCUMENTS, kept.documents, |of| &mut of.documents)?;
    Ok(companies.into_values().collect())
}

/// Removes a share; answers how many rows it was, and 0 at the end.
pub(super) fn forget(connection: &Connection, kept: &Kept, limit: u16) -> Result<u64, StoreError> {
    connection
        .execute_batch("CREATE TEMP TABLE IF NOT EXISTS old (id BLOB PRIMARY KEY) WITHOUT ROWID")?;
    let choose = |from: &str, since| -> Result<u64, StoreError> {
        connection.execute("DELETE FROM temp.old", ())?;
        let sql = format!("INSERT INTO temp.old SELECT id {from} ORDER BY id LIMIT ?3");
        let chosen = connection.execute(&sql, params![Id(least_id(since)), At(since), limit])?;
        Ok(u64::try_from(chosen).unwrap_or(u64::MAX))
    };
    let remove = |statements: &[&str]| -> Result<(), StoreError> {
        for statement in statements {
            connection.execute(statement, ())?;
        }
        Ok(())
    };
    let orders = choose(ORDERS, kept.orders)?;
    remove(&[
        "DELETE FROM effect WHERE order_id IN (SELECT id FROM temp.old)",
        "DELETE FROM event WHERE stream_kind = 'order' AND stream_id IN (SELECT id FROM temp.old)",
        "DELETE FROM sales_order WHERE id IN (SELECT id FROM temp.old)",
    ])?;
    let quotes = choose(QUOTES, kept.quotes)?;
    remove(&[
        "DELETE FROM event WHERE stream_kind = 'quote' AND stream_id IN (SELECT id FROM temp.old)",
        "DELETE FROM quote WHERE id IN (SELECT id FROM temp.old)",
    ])?;
    let reservations = choose(RESERVATIONS, kept.reservations)?;
    remove(&[
        "DELETE FROM event WHERE stream_kind = 'reservation' AND stream_id IN (SELECT id FROM temp.old)",
        "DELETE FROM reservation WHERE id IN (SELECT id FROM temp.old)",
    ])?;
    let documents = choose(DOCUMENTS, kept.documents)?;
    remove(&[
        "DELETE FROM document_outcome WHERE document_id IN (SELECT id FROM temp.old)",
        "DELETE FROM document WHERE id IN (SELECT id FROM temp.old)",
    ])?;
    let decisions = choose("FROM decision WHERE id < ?1 AND ?2", kept.orders)?;
    remove(&["DELETE FROM decision WHERE id IN (SELECT id FROM temp.old)"])?;
    let removed = [orders, quotes, reservations, documents, decisions];
    let removed = removed.into_iter().fold(0, u64::saturating_add);
    if removed == 0 {
        forget_facts(connection)?;
    }
    Ok(removed)
}

/// Removes the facts that no decision refers to any more.
fn forget_facts(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM fact_blob WHERE lower(hex(hash)) NOT IN (
            SELECT part.value FROM decision, json_tree(decision.facts) AS part WHERE part.type = 'text')",
        (),
    )?;
    Ok(())
}
