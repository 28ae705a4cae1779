//! The rows of the stock ledger. One writer applies movements in the order given; that alone keeps two claims apart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::{
        Owner, Steps, StockClaim, StockKey, StockMovement, StockPosition, StockSnapshot,
        StoreError,
        ledger::{DayQuantity, LiveClaim, covers},
    },
    value::{At, Id, Json, Lag, Text, Word, broken},
};
use crate::effects::EffectKind;

/// A movement with its row.
struct Movement {
    id: i64,
    key: StockKey,
    takes: DayQuantity,
}

/// The movements of a commit, in their order.
pub(super) fn apply(
    connection: &Connection,
    movements: &[StockMovement],
) -> Result<(), StoreError> {
    let before = found(connection, movements)?;
    for movement in movements {
        match movement {
            StockMovement::Claim(claim) => take(connection, claim, before.get(&claim.key))?,
            StockMovement::Release { owner, line } => release(connection, *owner, *line)?,
            StockMovement::Confirm { owner, at } => confirm(connection, *owner, *at)?,
        }
    }
    Ok(())
}

/// The rows of the claims as the commit finds them, where it gives something back.
fn found(
    connection: &Connection,
    movements: &[StockMovement],
) -> Result<BTreeMap<StockKey, StockPosition>, StoreError> {
    let mut found = BTreeMap::new();
    let gives_back = |movement: &StockMovement| matches!(movement, StockMovement::Release { .. });
    if !movements.iter().any(gives_back) {
        return Ok(found);
    }
    for movement in movements {
        if let StockMovement::Claim(StockClaim { key, .. }) = movement
            && !found.contains_key(key)
            && let Some(row) = position(connection, key)?
        {
            found.insert(key.clone(), row);
        }
    }
    Ok(found)
}

fn take(
    connection: &Connection,
    claim: &StockClaim,
    before: Option<&StockPosition>,
) -> Result<(), StoreError> {
    let short = || StoreError::StockShort(claim.key.clone());
    let mut position = position(connection, &claim.key)?.ok_or_else(short)?;
    if !position.fits(claim.day, claim.quantity, before.unwrap_or(&position)) {
        return Err(short());
    }
    position.take(claim.day, claim.quantity);
    write_claimed(connection, &position)?;
    connection
        .prepare_cached(
            "INSERT INTO stock_movement (company, item, site, owner_kind, owner_id, line, day, quantity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            claim.key.company.as_str(),
            claim.key.item.as_str(),
            claim.key.site.as_str(),
            Word(claim.owner.kind),
            Id(claim.owner.id),
            claim.line,
            Text(claim.day),
            Text(claim.quantity),
        ])?;
    Ok(())
}

fn release(connection: &Connection, owner: Owner, line: Option<u32>) -> Result<(), StoreError> {
    for movement in held_by(connection, owner, line)? {
        end(connection, &movement)?;
    }
    Ok(())
}

/// The first confirmation rules: what is said twice must not count longer.
fn confirm(connection: &Connection, owner: Owner, at: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE stock_movement SET confirmed_at = ?3
             WHERE owner_id = ?1 AND owner_kind = ?2 AND confirmed_at IS NULL",
        )?
        .execute(params![Id(owner.id), Word(owner.kind), At(at)])?;
    // The fact in force may be newer than the confirmation already: then it counts the claim as of now.
    for movement in held_by(connection, owner, None)? {
        let fact: Option<(At, Lag)> = connection
            .prepare_cached(
                "SELECT as_of, lag FROM stock WHERE company = ?1 AND item = ?2 AND site = ?3",
            )?
            .query_row(key_params(&movement.key), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
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
    if let Some(mut position) = position(connection, &movement.key)? {
        position.take(movement.takes.day, -movement.takes.quantity);
        write_claimed(connection, &position)?;
    }
    Ok(())
}

fn delete(connection: &Connection, id: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM stock_movement WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

fn held_by(
    connection: &Connection,
    owner: Owner,
    line: Option<u32>,
) -> Result<Vec<Movement>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, company, item, site, day, quantity FROM stock_movement
         WHERE owner_id = ?1 AND owner_kind = ?2 AND (?3 IS NULL OR line = ?3) ORDER BY company, item, site, id",
    )?;
    let found = statement.query_map(params![Id(owner.id), Word(owner.kind), line], |row| {
        let (Text(company), Text(item), Text(site)) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (Text(day), Text(quantity)) = (row.get(4)?, row.get(5)?);
        Ok(Movement {
            id: row.get(0)?,
            key: StockKey {
                company,
                item,
                site,
            },
            takes: DayQuantity { day, quantity },
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Installs the facts that are newer and answers every position as it then is.
pub(super) fn install(
    connection: &Connection,
    facts: &[StockSnapshot],
) -> Result<Vec<StockPosition>, StoreError> {
    facts
        .iter()
        .map(|fact| install_one(connection, fact))
        .collect()
}

fn install_one(connection: &Connection, fact: &StockSnapshot) -> Result<StockPosition, StoreError> {
    let current = position(connection, &fact.key)?;
    let live = live(connection, &fact.key)?;
    let Some(installed) = StockPosition::install(current.as_ref(), fact, live) else {
        return current.ok_or_else(|| broken("a fact is older than one that is not there"));
    };
    for id in installed.covered {
        delete(connection, id)?;
    }
    let row = installed.row;
    connection
        .prepare_cached(
            "INSERT INTO stock (company, item, site, as_of, lag, first_day, available, claimed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (company, item, site) DO UPDATE SET as_of = excluded.as_of, lag = excluded.lag,
                first_day = excluded.first_day, available = excluded.available, claimed = excluded.claimed",
        )?
        .execute(params![
            row.key.company.as_str(),
            row.key.item.as_str(),
            row.key.site.as_str(),
            At(row.as_of),
            Lag(fact.lag),
            Text(row.first_day),
            Json(&row.available),
            Json(&row.claimed),
        ])?;
    Ok(row)
}

/// The positions if none of the facts is newer than what is known: then there is nothing to write.
pub(super) fn unless_newer(
    connection: &Connection,
    facts: &[StockSnapshot],
) -> Result<Option<Vec<StockPosition>>, StoreError> {
    let mut known = Vec::with_capacity(facts.len());
    for fact in facts {
        match position(connection, &fact.key)? {
            Some(row) if row.as_of >= fact.as_of => known.push(row),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(Some(known))
}

/// Positions of the keys that have one, and what the owner holds of them.
pub(super) fn positions(
    connection: &Connection,
    keys: &[StockKey],
    own: Option<Owner>,
) -> Result<Vec<StockPosition>, StoreError> {
    let own = own.map_or_else(|| Ok(Vec::new()), |owner| held_by(connection, owner, None))?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(mut row) = position(connection, key)? {
            for movement in own.iter().filter(|movement| movement.key == *key) {
                row.hold(movement.takes.day, movement.takes.quantity);
            }
            found.push(row);
        }
    }
    Ok(found)
}

/// The same without the claims of others that the source may count already.
pub(super) fn at_best(
    connection: &Connection,
    keys: &[StockKey],
    own: Owner,
) -> Result<Vec<StockPosition>, StoreError> {
    let mut found = positions(connection, keys, Some(own))?;
    let mut statement = connection.prepare_cached(
        "SELECT day, quantity FROM stock_movement AS m
         WHERE company = ?1 AND item = ?2 AND site = ?3 AND NOT (owner_id = ?4 AND owner_kind = ?5)
            AND (confirmed_at IS NOT NULL OR EXISTS (SELECT 1 FROM effect
                WHERE order_id = m.owner_id AND kind = ?6 AND attempt > 0 AND state IN ('pending', 'leased')))",
    )?;
    let create = EffectKind::CreateErpOrder.word();
    for row in &mut found {
        let [company, item, site] = key_params(&row.key);
        let by = params![company, item, site, Id(own.id), Word(own.kind), create];
        let counted = statement.query_map(by, |claim| {
            let (Text(day), Text(quantity)) = (claim.get(0)?, claim.get(1)?);
            Ok(DayQuantity { day, quantity })
        })?;
        for claim in counted.collect::<Result<Vec<_>, _>>()? {
            row.take(claim.day, -claim.quantity);
        }
    }
    Ok(found)
}

fn key_params(key: &StockKey) -> [&str; 3] {
    [key.company.as_str(), key.item.as_str(), key.site.as_str()]
}

fn position(connection: &Connection, key: &StockKey) -> Result<Option<StockPosition>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT as_of, first_day, available, claimed FROM stock WHERE company = ?1 AND item = ?2 AND site = ?3",
        )?
        .query_row(key_params(key), |row| read_position(row, key))
        .optional()?;
    Ok(found)
}

fn read_position(row: &Row<'_>, key: &StockKey) -> rusqlite::Result<StockPosition> {
    let At(as_of) = row.get(0)?;
    let Text(first_day) = row.get(1)?;
    let (Json(available), Json(claimed)) = (row.get(2)?, row.get(3)?);
    Ok(StockPosition {
        key: key.clone(),
        as_of,
        first_day,
        available,
        claimed,
        own: Steps::default(),
    })
}

fn live(
    connection: &Connection,
    key: &StockKey,
) -> Result<Vec<LiveClaim<DayQuantity>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, day, quantity, confirmed_at FROM stock_movement WHERE company = ?1 AND item = ?2 AND site = ?3",
    )?;
    let found = statement.query_map(key_params(key), |row| {
        let (Text(day), Text(quantity)) = (row.get(1)?, row.get(2)?);
        let confirmed_at: Option<At> = row.get(3)?;
        let takes = DayQuantity { day, quantity };
        Ok(LiveClaim {
            id: row.get(0)?,
            takes,
            confirmed_at: confirmed_at.map(|at| at.0),
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn write_claimed(connection: &Connection, position: &StockPosition) -> Result<(), StoreError> {
    let [company, item, site] = key_params(&position.key);
    connection
        .prepare_cached(
            "UPDATE stock SET claimed = ?4 WHERE company = ?1 AND item = ?2 AND site = ?3",
        )?
        .execute(params![company, item, site, Json(&position.claimed)])?;
    Ok(())
}
