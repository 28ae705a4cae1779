//! Removes what is no longer kept, a share at a time.

use std::collections::BTreeMap;

use canonical_model::CompanyId;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::{
    super::{
        StoreError,
        retention::{Kept, Outdated, least_id},
    },
    value::{Columns as _, count, nanoseconds},
};

/// Those of each kind that are no longer kept: `$1` is the least id given out at the instant `$2`.
const ORDERS: &str = "FROM sales_order AS old WHERE id < $1 AND status IN ('shipped', 'rejected', 'cancelled')
    AND NOT EXISTS (SELECT 1 FROM effect WHERE order_id = old.id AND state IN ('pending', 'leased', 'stopped'))
    AND NOT EXISTS (SELECT 1 FROM event WHERE stream_id = old.id AND stream_kind = 'order' AND time >= $2)";
const QUOTES: &str = "FROM quote AS old WHERE id < $1 AND expires_at < $2";
const RESERVATIONS: &str = "FROM reservation AS old WHERE id < $1 AND expires_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM event WHERE stream_id = old.id AND stream_kind = 'reservation' AND time >= $2)";
const DOCUMENTS: &str = "FROM document AS old WHERE id < $1 AND created_at < $2
    AND state IN ('answered', 'delivered', 'refused')
    AND NOT EXISTS (SELECT 1 FROM document_key WHERE document_id = old.id)";
const DECISIONS: &str = "FROM decision AS old WHERE id < $1 AND $2 IS NOT NULL";

pub(super) async fn outdated(pool: &PgPool, kept: &Kept) -> Result<Vec<Outdated>, StoreError> {
    let mut companies: BTreeMap<CompanyId, Outdated> = BTreeMap::new();
    type Count = fn(&mut Outdated) -> &mut u64;
    let kinds: [(&str, Timestamp, Count); 4] = [
        (ORDERS, kept.orders, |of| &mut of.orders),
        (QUOTES, kept.quotes, |of| &mut of.quotes),
        (RESERVATIONS, kept.reservations, |of| &mut of.reservations),
        (DOCUMENTS, kept.documents, |of| &mut of.documents),
    ];
    for (from, since, field) in kinds {
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
            *field(of_company) = count(row.try_get("old")?);
        }
    }
    Ok(companies.into_values().collect())
}

/// Removes a share; answers how many rows it was, and 0 at the end.
pub(super) async fn forget(pool: &PgPool, kept: &Kept, limit: u16) -> Result<u64, StoreError> {
    let kinds: [(&str, Timestamp, &[&'static str]); 5] = [
        (
            ORDERS,
            kept.orders,
            &[
                "DELETE FROM effect WHERE order_id = ANY($1)",
                "DELETE FROM feed WHERE seq IN (
                    SELECT seq FROM event WHERE stream_kind = 'order' AND stream_id = ANY($1))",
                "DELETE FROM event WHERE stream_kind = 'order' AND stream_id = ANY($1)",
                "DELETE FROM sales_order WHERE id = ANY($1)",
            ],
        ),
        (
            QUOTES,
            kept.quotes,
            &[
                "DELETE FROM feed WHERE seq IN (
                    SELECT seq FROM event WHERE stream_kind = 'quote' AND stream_id = ANY($1))",
                "DELETE FROM event WHERE stream_kind = 'quote' AND stream_id = ANY($1)",
                "DELETE FROM quote WHERE id = ANY($1)",
            ],
        ),
        (
            RESERVATIONS,
            kept.reservations,
            &[
                "DELETE FROM feed WHERE seq IN (
                    SELECT seq FROM event WHERE stream_kind = 'reservation' AND stream_id = ANY($1))",
                "DELETE FROM event WHERE stream_kind = 'reservation' AND stream_id = ANY($1)",
                "DELETE FROM reservation WHERE id = ANY($1)",
            ],
        ),
        (
            DOCUMENTS,
            kept.documents,
            &[
                "DELETE FROM document_outcome WHERE document_id = ANY($1)",
                "DELETE FROM document WHERE id = ANY($1)",
            ],
        ),
        (
            DECISIONS,
            kept.orders,
            &["DELETE FROM decision WHERE id = ANY($1)"],
        ),
    ];
    let mut removed: u64 = 0;
    for (from, since, deletes) in kinds {
        let mut transaction = pool.begin().await?;
        let chosen = choose(&mut transaction, from, since, limit).await?;
        for delete in deletes {
            sqlx::query(*delete)
                .bind(&chosen)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        removed = removed.saturating_add(u64::try_from(chosen.len()).unwrap_or(u64::MAX));
    }
    if removed == 0 {
        forget_facts(pool).await?;
    }
    Ok(removed)
}

async fn choose(
    connection: &mut PgConnection,
    from: &str,
    since: Timestamp,
    limit: u16,
) -> Result<Vec<Uuid>, StoreError> {
    let sql = format!("SELECT id {from} ORDER BY id LIMIT $3 FOR UPDATE OF old");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(least_id(since))
        .bind(nanoseconds(since))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?)
}

/// Removes the facts that no decision refers to any more.
async fn forget_facts(pool: &PgPool) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    // A commit that found its fact there already, and has not ended, is waited for.
    sqlx::query("LOCK TABLE fact_blob IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "DELETE FROM fact_blob WHERE encode(hash, 'hex') NOT IN (
            SELECT part #>> '{}' FROM decision,
                jsonb_path_query(facts::jsonb, 'strict $.** ? (@.type() == \"string\")') AS part)",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}
