//! The sums that bound what is taken unasked: a claim is tested and taken under the lock of its row.

use canonical_model::CompanyId;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _};

use super::{
    super::{BoundFilter, BoundKey, BoundMovement, BoundSum, StoreError},
    value::broken,
};

/// The movements as `commit_bounds` takes them.
pub(super) fn given(movements: &[BoundMovement]) -> Result<Value, StoreError> {
    movements.iter().map(given_one).collect()
}

fn given_one(movement: &BoundMovement) -> Result<Value, StoreError> {
    Ok(match movement {
        BoundMovement::Claim(claim) if claim.amount <= Decimal::ZERO => {
            return Err(broken("a claim on a bound is more than zero"));
        }
        BoundMovement::Claim(claim) => json!({
            "movement": "claim",
            "company": claim.key.company,
            "bound": claim.key.bound,
            "owner_kind": claim.owner.kind,
            "owner_id": claim.owner.id,
            "amount": claim.amount,
            "limit": claim.limit,
        }),
        BoundMovement::Release { owner } => json!({
            "movement": "release",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
        }),
    })
}

/// What is taken, by name.
pub(super) async fn sums(
    pool: &PgPool,
    company: &CompanyId,
    filter: &BoundFilter,
) -> Result<Vec<BoundSum>, StoreError> {
    let rows = sqlx::query(
        "SELECT bound, claimed FROM bound
         WHERE company = $1 AND claimed > 0 AND ($2::text[] IS NULL OR bound = ANY ($2))
            AND ($3::text IS NULL OR bound COLLATE \"C\" > $3)
         ORDER BY bound COLLATE \"C\" LIMIT $4",
    )
    .bind(company.as_str())
    .bind(filter.bounds.as_deref())
    .bind(filter.after.as_deref())
    .bind(i64::from(filter.limit))
    .fetch_all(pool)
    .await?;
    let sum = |row: &sqlx::postgres::PgRow| {
        let (bound, claimed): (String, Decimal) = (row.try_get("bound")?, row.try_get("claimed")?);
        let company = company.clone();
        Ok(BoundSum {
            key: BoundKey { company, bound },
            claimed,
        })
    };
    rows.iter().map(sum).collect()
}
