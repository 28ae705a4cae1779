//! The rows of the stock ledger: movements as `commit_stock` applies them, newer facts, positions.

use canonical_model::{CompanyId, ItemNumber, SiteId};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _, postgres::PgRow};

use super::{
    super::{Owner, Steps, StockKey, StockMovement, StockPosition, StockSnapshot, StoreError},
    value::{Columns as _, duration, failed, nanoseconds, word},
};

/// The movements as `commit_stock` takes them.
pub(super) fn given(movements: &[StockMovement]) -> Result<Value, StoreError> {
    Ok(movements.iter().map(given_one).collect())
}

fn given_one(movement: &StockMovement) -> Value {
    match movement {
        StockMovement::Claim(claim) => json!({
            "movement": "claim",
            "company": claim.key.company,
            "item": claim.key.item,
            "site": claim.key.site,
            "owner_kind": claim.owner.kind,
            "owner_id": claim.owner.id,
            "line": claim.line,
            "day": claim.day,
            "quantity": claim.quantity,
        }),
        StockMovement::Release { owner, line } => json!({
            "movement": "release",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
            "line": line,
        }),
        StockMovement::Confirm { owner, at } => json!({
            "movement": "confirm",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
            "at": nanoseconds(*at),
        }),
    }
}

/// Installs the facts that are newer and answers every position as it then is.
pub(super) async fn install(
    pool: &PgPool,
    facts: &[StockSnapshot],
) -> Result<Vec<StockPosition>, StoreError> {
    let facts: Value = facts.iter().map(given_fact).collect();
    let rows = sqlx::query(
        "SELECT company, item, site, as_of, first_day::text AS first_day, available, claimed FROM install_stock($1)",
    )
    .bind(facts)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_position).collect()
}

fn given_fact(fact: &StockSnapshot) -> Value {
    json!({
        "company": fact.key.company,
        "item": fact.key.item,
        "site": fact.key.site,
        "as_of": nanoseconds(fact.as_of),
        "lag": duration(fact.lag),
        "first_day": fact.first_day,
        "available": fact.available.by_day(),
    })
}

/// Positions of the keys that have one, and what the owner holds of them.
pub(super) async fn positions(
    pool: &PgPool,
    keys: &[StockKey],
    own: Option<Owner>,
) -> Result<Vec<StockPosition>, StoreError> {
    let column = |text: fn(&StockKey) -> &str| -> Vec<String> {
        keys.iter().map(|key| text(key).to_owned()).collect()
    };
    let rows = sqlx::query(
        "SELECT company, item, site, as_of, first_day::text AS first_day, available, claimed, own.days, own.quantities
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (company, item, site, place)
         JOIN stock USING (company, item, site)
         CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(m.day::text ORDER BY m.id), '{}') AS days,
                coalesce(array_agg(m.quantity ORDER BY m.id), '{}') AS quantities
            FROM stock_movement AS m
            WHERE m.owner_id = $4 AND m.owner_kind = $5
                AND (m.company, m.item, m.site) = (stock.company, stock.item, stock.site)
         ) AS own
         ORDER BY place",
    )
    .bind(column(|key| key.company.as_str()))
    .bind(column(|key| key.item.as_str()))
    .bind(column(|key| key.site.as_str()))
    .bind(own.map(|owner| owner.id))
    .bind(own.map(|owner| word(&owner.kind)).transpose()?)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_with_own).collect()
}

fn read_with_own(row: &PgRow) -> Result<StockPosition, StoreError> {
    let mut position = read_position(row)?;
    let days: Vec<String> = row.try_get("days")?;
    let quantities: Vec<Decimal> = row.try_get("quantities")?;
    for (day, quantity) in days.iter().zip(quantities) {
        position.hold(day.parse().map_err(failed)?, quantity);
    }
    Ok(position)
}

fn read_position(row: &PgRow) -> Result<StockPosition, StoreError> {
    let (company, item, site): (CompanyId, ItemNumber, SiteId) = (
        row.parsed("company")?,
        row.parsed("item")?,
        row.parsed("site")?,
    );
    let by_day = |column: &str| -> Result<Steps, StoreError> {
        let days: Vec<Decimal> = row.try_get(column)?;
        Ok(days.into_iter().collect())
    };
    Ok(StockPosition {
        key: StockKey::new(company, item, site),
        as_of: row.at("as_of")?,
        first_day: row.parsed("first_day")?,
        available: by_day("available")?,
        claimed: by_day("claimed")?,
        own: Steps::default(),
    })
}
