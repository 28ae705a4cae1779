//! The rows of the credit ledger: a claim is taken at the account and at every level above it, or at none.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use rust_decimal::Decimal;

use super::{
    super::{
        CreditClaim, CreditKey, CreditLevel, CreditLevelFact, CreditMovement, Owner, StoreError,
        ledger::{LiveClaim, covers},
    },
    value::{At, Id, Lag, Text, Word, broken},
};

/// A movement with its row.
struct Movement {
    id: i64,
    key: CreditKey,
    amount: Decimal,
}

pub(super) fn apply(connection: &Connection, movement: &CreditMovement) -> Result<(), StoreError> {
    match movement {
        CreditMovement::Claim(claim) => take(connection, claim),
        CreditMovement::Release { owner } => release(connection, *owner),
        CreditMovement::Confirm { owner, at } => confirm(connection, *owner, *at),
    }
}

fn take(connection: &Connection, claim: &CreditClaim) -> Result<(), StoreError> {
    for key in &claim.levels {
        let level = level(connection, key)?;
        let fits = level
            .as_ref()
            .is_some_and(|level| level.fits(claim.amount, claim.limit_is_exclusive));
        if !fits && !claim.forced {
            return Err(StoreError::CreditShort(key.clone()));
        }
        if let Some(level) = level {
            write_claimed(connection, key, level.claimed.saturating_add(claim.amount))?;
        }
        connection
            .prepare_cached(
                "INSERT INTO credit_movement (company, account, owner_kind, owner_id, amount)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                key.company.as_str(),
                key.account.as_str(),
                Word(claim.owner.kind),
                Id(claim.owner.id),
                Text(claim.amount),
            ])?;
    }
    Ok(())
}

fn release(connection: &Connection, owner: Owner) -> Result<(), StoreError> {
    for movement in held_by(connection, owner)? {
        end(connection, &movement)?;
    }
    Ok(())
}

/// The first confirmation rules: what is said twice must not count longer.
fn confirm(connection: &Connection, owner: Owner, at: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE credit_movement SET confirmed_at = ?3
             WHERE owner_id = ?1 AND owner_kind = ?2 AND confirmed_at IS NULL",
        )?
        .execute(params![Id(owner.id), Word(owner.kind), At(at)])?;
    // The fact in force may be newer than the confirmation already: then it counts the claim as of now.
    for movement in held_by(connection, owner)? {
        let fact: Option<(At, Lag)> = connection
            .prepare_cached("SELECT as_of, lag FROM credit WHERE company = ?1 AND account = ?2")?
            .query_row(
                [movement.key.company.as_str(), movement.key.account.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        if fact.is_some_and(|(as_of, lag)| covers(as_of.0, lag.0, Some(at))) {
            end(connection, &movement)?;
        }
    }
    Ok(())
}

/// Takes a movement out of its row, once.
fn end(connection: &Connection, movement: &Movement) -> Result<(), StoreError> {
    delete(connection, movement.id)?;
    if let Some(level) = level(connection, &movement.key)? {
        write_claimed(
            connection,
            &movement.key,
            level.claimed.saturating_sub(movement.amount),
        )?;
    }
    Ok(())
}

fn delete(connection: &Connection, id: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM credit_movement WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

fn held_by(connection: &Connection, owner: Owner) -> Result<Vec<Movement>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, company, account, amount FROM credit_movement
         WHERE owner_id = ?1 AND owner_kind = ?2 ORDER BY company, account, id",
    )?;
    let found = statement.query_map(params![Id(owner.id), Word(owner.kind)], |row| {
        let (Text(company), Text(account), Text(amount)) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Movement {
            id: row.get(0)?,
            key: CreditKey { company, account },
            amount,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Installs the facts that are newer and answers every level as it then is.
pub(super) fn install(
    connection: &Connection,
    facts: &[CreditLevelFact],
) -> Result<Vec<CreditLevel>, StoreError> {
    facts
        .iter()
        .map(|fact| install_one(connection, fact))
        .collect()
}

fn install_one(connection: &Connection, fact: &CreditLevelFact) -> Result<CreditLevel, StoreError> {
    let current = level(connection, &fact.key)?;
    let live = live(connection, &fact.key)?;
    let Some(installed) = CreditLevel::install(current.as_ref(), fact, live) else {
        return current.ok_or_else(|| broken("a fact is older than one that is not there"));
    };
    for id in installed.covered {
        delete(connection, id)?;
    }
    let row = installed.row;
    connection
        .prepare_cached(
            "INSERT INTO credit (company, account, as_of, lag, currency, credit_limit, exposure, claimed, blocked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (company, account) DO UPDATE SET as_of = excluded.as_of, lag = excluded.lag,
                currency = excluded.currency, credit_limit = excluded.credit_limit, exposure = excluded.exposure,
                claimed = excluded.claimed, blocked = excluded.blocked",
        )?
        .execute(params![
            row.key.company.as_str(),
            row.key.account.as_str(),
            At(row.as_of),
            Lag(fact.lag),
            row.currency.code(),
            row.limit.map(Text),
            Text(row.exposure),
            Text(row.claimed),
            row.blocked,
        ])?;
    Ok(row)
}

/// The levels if none of the facts is newer than what is known: then there is nothing to write.
pub(super) fn unless_newer(
    connection: &Connection,
    facts: &[CreditLevelFact],
) -> Result<Option<Vec<CreditLevel>>, StoreError> {
    let mut known = Vec::with_capacity(facts.len());
    for fact in facts {
        match level(connection, &fact.key)? {
            Some(row) if row.as_of >= fact.as_of => known.push(row),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(Some(known))
}

pub(super) fn levels(
    connection: &Connection,
    keys: &[CreditKey],
) -> Result<Vec<CreditLevel>, StoreError> {
    let found = keys
        .iter()
        .map(|key| level(connection, key))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn level(connection: &Connection, key: &CreditKey) -> Result<Option<CreditLevel>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT as_of, currency, credit_limit, exposure, claimed, blocked FROM credit
             WHERE company = ?1 AND account = ?2",
        )?
        .query_row([key.company.as_str(), key.account.as_str()], |row| {
            read_level(row, key)
        })
        .optional()?;
    Ok(found)
}

fn read_level(row: &Row<'_>, key: &CreditKey) -> rusqlite::Result<CreditLevel> {
    let At(as_of) = row.get(0)?;
    let Word(currency) = row.get(1)?;
    let limit: Option<Text<Decimal>> = row.get(2)?;
    let (Text(exposure), Text(claimed)) = (row.get(3)?, row.get(4)?);
    let limit = limit.map(|limit| limit.0);
    Ok(CreditLevel {
        key: key.clone(),
        as_of,
        currency,
        limit,
        exposure,
        claimed,
        blocked: row.get(5)?,
    })
}

fn live(connection: &Connection, key: &CreditKey) -> Result<Vec<LiveClaim<Decimal>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, amount, confirmed_at FROM credit_movement WHERE company = ?1 AND account = ?2",
    )?;
    let found = statement.query_map([key.company.as_str(), key.account.as_str()], |row| {
        let Text(takes) = row.get(1)?;
        let confirmed_at: Option<At> = row.get(2)?;
        Ok(LiveClaim {
            id: row.get(0)?,
            takes,
            confirmed_at: confirmed_at.map(|at| at.0),
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn write_claimed(
    connection: &Connection,
    key: &CreditKey,
    claimed: Decimal,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE credit SET claimed = ?3 WHERE company = ?1 AND account = ?2")?
        .execute(params![
            key.company.as_str(),
            key.account.as_str(),
            Text(claimed)
        ])?;
    Ok(())
}
