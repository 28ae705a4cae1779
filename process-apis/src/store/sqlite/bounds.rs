//! The sums that bound what is taken while a backend cannot be asked. The one writer tests and takes in one go, so no
//! two claims ever see the same room.

use canonical_model::CompanyId;
use rusqlite::{Connection, OptionalExtension, params};
use rust_decimal::Decimal;

use super::{
    super::{BoundClaim, BoundFilter, BoundKey, BoundMovement, BoundSum, Owner, StoreError},
    query::Query,
    value::{Id, Text, Word, broken},
};

pub(super) fn apply(connection: &Connection, movement: &BoundMovement) -> Result<(), StoreError> {
    match movement {
        BoundMovement::Claim(claim) => take(connection, claim),
        BoundMovement::Release { owner } => release(connection, *owner),
    }
}

fn take(connection: &Connection, claim: &BoundClaim) -> Result<(), StoreError> {
    if claim.amount <= Decimal::ZERO {
        return Err(broken("a claim on a bound is more than zero"));
    }
    let claimed = claimed(connection, &claim.key)?.checked_add(claim.amount);
    let Some(claimed) = claimed.filter(|claimed| *claimed <= claim.limit) else {
        return Err(StoreError::BoundReached(claim.key.clone()));
    };
    write(connection, &claim.key, claimed)?;
    connection
        .prepare_cached(
            "INSERT INTO bound_movement (company, bound, owner_kind, owner_id, amount) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            claim.key.company.as_str(),
            claim.key.bound,
            Word(claim.owner.kind),
            Id(claim.owner.id),
            Text(claim.amount),
        ])?;
    Ok(())
}

fn release(connection: &Connection, owner: Owner) -> Result<(), StoreError> {
    let held: Vec<(BoundKey, Decimal)> = connection
        .prepare_cached(
            "DELETE FROM bound_movement WHERE owner_id = ?1 AND owner_kind = ?2 RETURNING company, bound, amount",
        )?
        .query_map(params![Id(owner.id), Word(owner.kind)], |row| {
            let (Text(company), Text(amount)) = (row.get(0)?, row.get(2)?);
            Ok((
                BoundKey {
                    company,
                    bound: row.get(1)?,
                },
                amount,
            ))
        })?
        .collect::<Result<_, _>>()?;
    for (key, amount) in held {
        let left = claimed(connection, &key)?.saturating_sub(amount);
        write(connection, &key, left)?;
    }
    Ok(())
}

fn claimed(connection: &Connection, key: &BoundKey) -> Result<Decimal, StoreError> {
    let found: Option<Text<Decimal>> = connection
        .prepare_cached("SELECT claimed FROM bound WHERE company = ?1 AND bound = ?2")?
        .query_row([key.company.as_str(), key.bound.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.map_or(Decimal::ZERO, |found| found.0))
}

/// A sum of which nothing is taken needs no row.
fn write(connection: &Connection, key: &BoundKey, claimed: Decimal) -> Result<(), StoreError> {
    if claimed <= Decimal::ZERO {
        connection
            .prepare_cached("DELETE FROM bound WHERE company = ?1 AND bound = ?2")?
            .execute([key.company.as_str(), key.bound.as_str()])?;
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO bound (company, bound, claimed) VALUES (?1, ?2, ?3)
             ON CONFLICT (company, bound) DO UPDATE SET claimed = excluded.claimed",
        )?
        .execute(params![key.company.as_str(), key.bound, Text(claimed)])?;
    Ok(())
}

/// What is taken, by name.
pub(super) fn sums(
    connection: &Connection,
    company: &CompanyId,
    filter: &BoundFilter,
) -> Result<Vec<BoundSum>, StoreError> {
    let mut query = Query::new("SELECT bound, claimed FROM bound WHERE company = ?");
    query.bind(company.as_str())?;
    if let Some(bounds) = &filter.bounds {
        let names =
            serde_json::to_string(bounds).map_err(|error| StoreError::Failed(error.into()))?;
        query.and("bound IN (SELECT value FROM json_each(?))", names)?;
    }
    if let Some(after) = &filter.after {
        query.and("bound > ?", after)?;
    }
    query.push(" ORDER BY bound LIMIT ?");
    query.bind(filter.limit)?;
    query.all(connection, |row| {
        let Text(claimed) = row.get(1)?;
        let (company, bound) = (company.clone(), row.get(0)?);
        let key = BoundKey { company, bound };
        Ok(BoundSum { key, claimed })
    })
}
