//! Removes what is no longer kept, a share at a time, beside instances that work.

use std::collections::BTreeMap;

use canonical_model::CompanyId;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::{
    super::{
        StoreError,
        retention::{KINDS, Kept, Kind, Outdated, least_id},
    },
    value::{Columns as _, count, nanoseconds},
};

pub(super) async fn outdated(pool: &PgPool, kept: &Kept) -> Result<Vec<Outdated>, StoreError> {
    let mut companies = BTreeMap::new();
    for kind in &KINDS {
        let (old, since) = (kind.old(), (kind.since)(kept));
        add(pool, &mut companies, &old, since, kind.count).await?;
        if kind.stream.is_some() {
            let decisions = format!("FROM decision WHERE subject IN (SELECT id {old})");
            add(pool, &mut companies, &decisions, since, |of| {
                &mut of.decisions
            })
            .await?;
        }
    }
    Ok(companies.into_values().collect())
}

async fn add(
    pool: &PgPool,
    companies: &mut BTreeMap<CompanyId, Outdated>,
    from: &str,
    since: Timestamp,
    field: fn(&mut Outdated) -> &mut u64,
) -> Result<(), StoreError> {
    let sql = format!("SELECT company, count(*) AS old {from} GROUP BY company");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(least_id(since))
        .bind(nanoseconds(since))
        .fetch_all(pool)
        .await?;
    for row in rows {
        let company: CompanyId = row.parsed("company")?;
        let of_company = companies
            .entry(company.clone())
            .or_insert_with(|| Outdated::none(company));
        let field = field(of_company);
        *field = field.saturating_add(count(row.try_get("old")?));
    }
    Ok(())
}

/// Removes a share; answers how many rows it was, and 0 at the end.
pub(super) async fn forget(pool: &PgPool, kept: &Kept, limit: u16) -> Result<u64, StoreError> {
    let mut removed: u64 = 0;
    for kind in &KINDS {
        let mut transaction = pool.begin().await?;
        let chosen = choose(&mut transaction, kind, (kind.since)(kept), limit).await?;
        if !chosen.is_empty() {
            remove(&mut transaction, kind, &chosen).await?;
        }
        transaction.commit().await?;
        removed = removed.saturating_add(u64::try_from(chosen.len()).unwrap_or(u64::MAX));
    }
    Ok(removed)
}

/// Locks a share, and keeps of it what is outdated still once whoever wrote to it has been waited for: that only a later
/// statement sees.
async fn choose(
    connection: &mut PgConnection,
    kind: &Kind,
    since: Timestamp,
    limit: u16,
) -> Result<Vec<Uuid>, StoreError> {
    let old = kind.old();
    let sql = format!("SELECT id {old} ORDER BY id LIMIT $3 FOR UPDATE OF old");
    let locked: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(least_id(since))
        .bind(nanoseconds(since))
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
    let sql = format!("SELECT id {old} AND id = ANY($3)");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(least_id(since))
        .bind(nanoseconds(since))
        .bind(locked)
        .fetch_all(connection)
        .await?)
}

async fn remove(
    connection: &mut PgConnection,
    kind: &Kind,
    chosen: &[Uuid],
) -> Result<(), StoreError> {
    const CHOSEN: &str = "SELECT unnest($1::uuid[])";
    let mut deletes = Vec::new();
    if let Some(events) = kind.events(CHOSEN) {
        deletes.push(format!(
            "DELETE FROM feed WHERE seq IN (SELECT seq {events})"
        ));
        deletes.push(format!("DELETE {events}"));
    }
    deletes.extend(kind.deletes(CHOSEN));
    for delete in deletes {
        sqlx::query(AssertSqlSafe(delete))
            .bind(chosen)
            .execute(&mut *connection)
            .await?;
    }
    if kind.stream.is_some() {
        forget_decisions(connection, chosen).await?;
    }
    Ok(())
}

/// With the facts that no other decision is made from; last, since commits with a decision wait from then on.
async fn forget_decisions(
    connection: &mut PgConnection,
    subjects: &[Uuid],
) -> Result<(), StoreError> {
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
        "WITH gone AS (DELETE FROM decision WHERE subject = ANY($1) RETURNING id),
            facts AS (DELETE FROM decision_fact WHERE decision IN (SELECT id FROM gone) RETURNING hash)
         SELECT DISTINCT hash FROM facts",
    )
    .bind(subjects)
    .fetch_all(&mut *connection)
    .await?;
    if !hashes.is_empty() {
        sqlx::query("SELECT forget_facts($1)")
            .bind(hashes)
            .execute(connection)
            .await?;
    }
    Ok(())
}
