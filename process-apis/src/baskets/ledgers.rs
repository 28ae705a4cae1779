//! Stock and credit as the ledgers have them: newer facts are installed first, and where the source does not answer
//! what was last known is used as long as it may be.

use std::collections::BTreeMap;

use canonical_model::{
    ItemNumber, SiteId,
    account::Account,
    capabilities::Capabilities,
    credit::{CreditFact, CreditFacts, CreditQuery},
    stock::{StockFact, StockFacts, StockQuery},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    facts::{GatherError, Sources},
    standing::{KindStanding, Limit},
};
use crate::{
    clients::{Call, SystemError},
    crash_points,
    promise::atp::{self, FreeStock},
    store::{
        CreditKey, CreditLevel, CreditLevelFact, Owner, StockKey, StockPosition, StockSnapshot,
        StreamKind,
    },
};

/// How many keys one question may hold.
const MAX_KEYS: usize = 5_000;

/// Facts, and whether they are older than they should be.
#[derive(Debug, Clone)]
pub(crate) struct Answered<T> {
    pub(crate) facts: T,
    pub(crate) degraded: bool,
}

/// Asks for the stock of items at every site.
pub(crate) fn stock_queries(items: &[ItemNumber], limit: Limit) -> Vec<StockQuery> {
    let query = |items: &[ItemNumber]| StockQuery {
        items: items.to_vec(),
        sites: Vec::new(),
        max_age_seconds: limit.fresh,
        max_stale_seconds: limit.stale,
    };
    items.chunks(MAX_KEYS).map(query).collect()
}

/// Asks for the credit of the account and of all above it.
pub(crate) fn credit_query(account: &Account, limit: Limit) -> CreditQuery {
    CreditQuery {
        account: account.account.clone(),
        max_age_seconds: limit.fresh,
        max_stale_seconds: limit.stale,
    }
}

/// A question to source and ledger.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) call: &'a Call,
    pub(crate) capabilities: &'a Capabilities,
}

impl Question<'_> {
    /// What is free of the items at every site, from what the source told, with what `own` holds: a reservation all of
    /// it, an order as much as a row that is short leaves of it.
    pub(crate) async fn stock_told(
        &self,
        items: &[ItemNumber],
        told: Vec<Result<StockFacts, SystemError>>,
        own: Option<Owner>,
        limit: Limit,
    ) -> Result<Answered<Vec<FreeStock>>, GatherError> {
        if items.is_empty() {
            return Ok(Answered {
                facts: Vec::new(),
                degraded: false,
            });
        }
        let (facts, degraded) = match self.read_stock(items, told) {
            Ok(read) => read,
            Err(error) if error.is_passing() => {
                tracing::warn!(error = %error, "stock is not known");
                (Vec::new(), true)
            }
            Err(error) => return Err(error.into()),
        };
        let mut positions = self.installed_stock(&facts, own).await?;
        if degraded {
            positions = self.last_known_stock(items, own, positions).await?;
        }
        let (standing, now) = (KindStanding::new(limit, degraded), self.sources.clock.now());
        let is_reserved = own.is_some_and(|own| own.kind == StreamKind::Reservation);
        let free = if is_reserved {
            FreeStock::or_reserved
        } else {
            FreeStock::of
        };
        positions.retain(|row| standing.is_usable(row.as_of, now));
        Ok(Answered {
            facts: positions.iter().map(free).collect(),
            degraded,
        })
    }

    fn read_stock(
        &self,
        items: &[ItemNumber],
        told: Vec<Result<StockFacts, SystemError>>,
    ) -> Result<(Vec<StockFact>, bool), SystemError> {
        let (mut facts, mut degraded) = (Vec::new(), false);
        for told in told {
            let answer = told?;
            degraded |= answer.degraded;
            facts.extend(answer.stock.into_iter().filter(|fact| {
                let asked = fact.company == self.call.company && items.binary_search(&fact.item).is_ok();
                if !asked {
                    tracing::error!(item = %fact.item, site = %fact.site, "stock was answered that was not asked for");
                }
                asked
            }));
        }
        Ok((facts, degraded))
    }

    async fn installed_stock(
        &self,
        facts: &[StockFact],
        own: Option<Owner>,
    ) -> Result<Vec<StockPosition>, GatherError> {
        let store = &self.sources.store;
        let keys: Vec<StockKey> = facts.iter().map(key_of).collect();
        let known = store.stock(&keys, None).await?;
        let as_of: BTreeMap<&StockKey, Timestamp> =
            known.iter().map(|row| (&row.key, row.as_of)).collect();
        // What the ledger has already costs a read and no write.
        let newer: Vec<StockSnapshot> = facts
            .iter()
            .zip(&keys)
            .filter(|(fact, key)| as_of.get(key).is_none_or(|kept| *kept < fact.as_of))
            .map(|(fact, _)| self.snapshot(fact))
            .collect();
        if newer.is_empty() && own.is_none() {
            return Ok(known);
        }
        if !newer.is_empty() {
            let installed = store.install_stock(newer);
            crash_points::STOCK_INSTALL.run(installed).await?;
        }
        Ok(store.stock(&keys, own).await?)
    }

    fn snapshot(&self, fact: &StockFact) -> StockSnapshot {
        let policies = &self.sources.policies;
        let zone = policies.site(&fact.site).zone();
        let lag = milliseconds(self.capabilities.stock_lag_ms);
        let (snapshot, oversold) = atp::snapshot(fact, &zone, &policies.promise, lag);
        if oversold {
            metrics::counter!("orderway_stock_negative_total").increment(1);
            tracing::warn!(item = %fact.item, site = %fact.site, "the source has promised more than it has");
        }
        snapshot
    }

    /// What was answered, and what the ledger last knew of the rest.
    async fn last_known_stock(
        &self,
        items: &[ItemNumber],
        own: Option<Owner>,
        answered: Vec<StockPosition>,
    ) -> Result<Vec<StockPosition>, GatherError> {
        let named = self.sources.policies.sites.keys();
        let sites: Vec<SiteId> = named
            .filter_map(|name| SiteId::new(name.as_str()).ok())
            .collect();
        let keys: Vec<StockKey> = items
            .iter()
            .flat_map(|item| sites.iter().map(|site| (item.clone(), site.clone())))
            .map(|(item, site)| StockKey::new(self.call.company.clone(), item, site))
            .collect();
        let known = self.sources.store.stock(&keys, own).await?;
        let mut all = by_key(known);
        all.extend(by_key(answered));
        Ok(all.into_values().collect())
    }

    /// The credit of the account and of all above it; what is not known is absent.
    pub(crate) async fn credit_told(
        &self,
        account: &Account,
        told: Result<CreditFacts, SystemError>,
    ) -> Result<Answered<Vec<CreditLevel>>, GatherError> {
        let store = &self.sources.store;
        let keys = chain(account);
        let (facts, degraded) = match told {
            Ok(answer) => (answer.chain, answer.degraded),
            Err(error) => {
                tracing::warn!(account = %account.account, error = %error, "credit is not known");
                (Vec::new(), true)
            }
        };
        let known: BTreeMap<CreditKey, CreditLevel> = store
            .credit(&keys)
            .await?
            .into_iter()
            .map(|level| (level.key.clone(), level))
            .collect();
        let newer: Vec<CreditLevelFact> = facts
            .iter()
            .map(|fact| self.level(fact))
            .filter(|fact| keys.contains(&fact.key))
            .filter(|fact| {
                known
                    .get(&fact.key)
                    .is_none_or(|row| row.as_of < fact.as_of)
            })
            .collect();
        if newer.is_empty() {
            return Ok(Answered {
                facts: known.into_values().collect(),
                degraded,
            });
        }
        let installed = store.install_credit(newer);
        crash_points::CREDIT_INSTALL.run(installed).await?;
        Ok(Answered {
            facts: store.credit(&keys).await?,
            degraded,
        })
    }

    fn level(&self, fact: &CreditFact) -> CreditLevelFact {
        CreditLevelFact {
            key: CreditKey {
                company: fact.company.clone(),
                account: fact.account.clone(),
            },
            as_of: fact.as_of,
            currency: fact.currency,
            limit: fact.limit,
            exposure: fact.exposure(),
            blocked: fact.blocked,
            lag: milliseconds(self.capabilities.credit_lag_ms),
        }
    }
}

fn key_of(fact: &StockFact) -> StockKey {
    StockKey::new(fact.company.clone(), fact.item.clone(), fact.site.clone())
}

/// The account and all above it, nearest first.
pub(crate) fn chain(account: &Account) -> Vec<CreditKey> {
    let accounts = std::iter::once(&account.account).chain(&account.ancestors);
    accounts
        .map(|level| CreditKey {
            company: account.company.clone(),
            account: level.clone(),
        })
        .collect()
}

fn by_key(positions: Vec<StockPosition>) -> BTreeMap<StockKey, StockPosition> {
    positions
        .into_iter()
        .map(|position| (position.key.clone(), position))
        .collect()
}

fn milliseconds(value: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(value).unwrap_or(i64::MAX))
}
