//! An ERP instance behind its guard: what the routes ask for, in canonical words.

mod changes;
mod orders;
mod prices;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use canonical_model::{
    AccountId, CompanyId, account::Account, capabilities as published, credit::CreditFact,
    item::ItemIdentifier, product::Product, stock::StockFact,
};

use tracing::warn;

use super::{
    config::ErpInstance,
    connector::{
        AccountRecord, CataloguePart, CatalogueQuery, ErpConnector, PriceAsk, PriceEntry, StockKey,
    },
    feed::Feed,
};
use crate::{
    connector::{Batch, ConnectorError},
    guard::{
        Answer, Fact, Guard, GuardError, KeyedRead, Kind, Operation, Provenance, Terms,
        breaker::BreakerState,
    },
    systems::{OperationStatus, SystemKind, SystemStatus},
};

/// How many levels of accounts above each other are followed.
const MOST_LEVELS: usize = 10;

/// An account of a company: the scope of facts that depend on who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Buyer {
    company: CompanyId,
    account: AccountId,
}

/// Facts with where they come from.
pub type Facts<T> = (T, Provenance);

/// The ERP of one or more companies.
pub struct ErpBackend {
    guard: Arc<Guard>,
    connector: Arc<dyn ErpConnector>,
    accounts: KeyedRead<CompanyId, AccountId, AccountRecord>,
    products: KeyedRead<Buyer, ItemIdentifier, Product>,
    catalogue: KeyedRead<CompanyId, CatalogueQuery, CataloguePart>,
    prices: KeyedRead<Buyer, PriceAsk, Vec<PriceEntry>>,
    stock: KeyedRead<CompanyId, StockKey, StockFact>,
    credit: KeyedRead<CompanyId, AccountId, CreditFact>,
    create_order: Arc<Operation>,
    find_orders: Arc<Operation>,
    orders: Arc<Operation>,
    invoices: Arc<Operation>,
    amend_order: Arc<Operation>,
    release_order: Arc<Operation>,
    cancel_order: Arc<Operation>,
    feed: Option<Feed>,
}

/// A cached read that hands scope, keys and start to one method of the connector.
macro_rules! keyed_read {
    ($guard:ident, $connector:ident, $instance:ident, $name:ident, $most:expr, |$erp:ident, $scope:ident $(: $type:ty)?, $keys:ident, $started:ident| $call:expr) => {{
        let connector = Arc::clone(&$connector);
        KeyedRead::new(
            $guard.operation(
                stringify!($name),
                Kind::Read,
                $instance.read_timeout.get(),
            ),
            $instance.cache.$name,
            $most,
            Arc::new(move |$scope $(: $type)?, $keys: Vec<_>, $started| {
                let $erp = Arc::clone(&connector);
                Box::pin(async move { $call })
            }),
        )
    }};
}

impl ErpBackend {
    /// Puts the guard before a connector.
    pub fn new(
        guard: Arc<Guard>,
        connector: Arc<dyn ErpConnector>,
        instance: &ErpInstance,
    ) -> Self {
        let can = connector.capabilities();
        let (most, prices_most) = (can.keys_per_call, can.prices_per_call);
        let read = |name| guard.operation(name, Kind::Read, instance.read_timeout.get());
        let write = |name| guard.operation(name, Kind::Mutation, instance.write_timeout.get());
        let feed = Arc::clone(&connector).master_feed();
        let feed = feed.filter(|_| instance.changes.is_on());
        Self {
            feed: feed.map(|feed| Feed::new(feed, read("changes"), instance.changes)),
            accounts: keyed_read!(
                guard,
                connector,
                instance,
                accounts,
                most,
                |erp, company, keys, started| erp.accounts(&company, &keys, started.as_of).await
            ),
            products: keyed_read!(
                guard,
                connector,
                instance,
                products,
                most,
                |erp, buyer: Buyer, keys, started| erp
                    .products(&buyer.company, &buyer.account, &keys, started.as_of)
                    .await
            ),
            catalogue: keyed_read!(
                guard,
                connector,
                instance,
                catalogue,
                1,
                |erp, _company, keys, started| catalogue_part(&*erp, keys, started.as_of).await
            ),
            prices: keyed_read!(
                guard,
                connector,
                instance,
                prices,
                prices_most,
                |erp, buyer: Buyer, keys, started| erp
                    .prices(&buyer.company, &buyer.account, &keys, started.as_of)
                    .await
            ),
            stock: keyed_read!(
                guard,
                connector,
                instance,
                stock,
                most,
                |erp, company, keys, started| erp.stock(&company, &keys, started.as_of).await
            ),
            credit: keyed_read!(
                guard,
                connector,
                instance,
                credit,
                most,
                |erp, company, keys, started| erp.credit(&company, &keys, started.as_of).await
            ),
            create_order: write("create_order"),
            find_orders: read("find_orders"),
            orders: read("orders"),
            invoices: read("invoices"),
            amend_order: write("amend_order"),
            release_order: write("release_order"),
            cancel_order: write("cancel_order"),
            guard,
            connector,
        }
    }
}

async fn catalogue_part(
    erp: &dyn ErpConnector,
    queries: Vec<CatalogueQuery>,
    as_of: jiff::Timestamp,
) -> Result<Batch<CatalogueQuery, CataloguePart>, ConnectorError> {
    let mut batch = Batch::default();
    for query in queries {
        let part = erp.catalogue(&query, as_of).await?;
        batch.found.push((query, part));
    }
    Ok(batch)
}

/// A sentence about an answer that contradicts itself.
fn contradiction(sentence: String) -> GuardError {
    GuardError::Connector(Arc::new(ConnectorError::protocol(sentence)))
}

/// The values in the order asked; what the source does not know is absent.
fn in_order<'a, K, V>(
    keys: &'a [K],
    answer: &'a Answer<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V, jiff::Timestamp)>
where
    K: std::hash::Hash + Eq,
{
    keys.iter().filter_map(|key| {
        let fact = answer.facts.get(key)?;
        Some((key, &fact.value, fact.started.as_of))
    })
}

/// Facts.
impl ErpBackend {
    /// What the ERP can do.
    pub fn capabilities(&self) -> published::Capabilities {
        let can = self.connector.capabilities();
        let millis =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        published::Capabilities {
            erp: self.guard.name().to_owned(),
            price_source: can.price_source,
            create_class: can.create_class,
            reference_max_length: can.reference_max_length,
            purchase_order_number_max_length: can.purchase_order_number_max_length,
            quiet_period_ms: millis(can.quiet_period),
            credit_basis: can.credit_basis,
            credit_lag_ms: millis(can.credit_lag),
            stock_lag_ms: millis(can.stock_lag),
            serialize_creates_by_account: can.serialize_creates_by_account,
            one_site_per_order: can.one_site_per_order,
            amendable: can.amendable,
            taking_orders: self.taking_orders(),
            warehouses: Vec::new(),
        }
    }

    /// Whether orders get through: none of what creates one is stopped by its breaker.
    fn taking_orders(&self) -> bool {
        [&self.create_order, &self.find_orders, &self.release_order]
            .iter()
            .all(|operation| operation.breaker_state() != BreakerState::Open)
    }

    /// Accounts with all above them, in the order asked; unknown ones are absent. So is one whose accounts above cannot be
    /// followed, unless nothing else is left to answer.
    pub async fn accounts(
        &self,
        company: &CompanyId,
        asked: Vec<AccountId>,
        terms: Terms,
    ) -> Result<Facts<Vec<Account>>, GuardError> {
        let mut known: HashMap<AccountId, Arc<Fact<AccountRecord>>> = HashMap::new();
        let mut provenance = Provenance::default();
        let mut wanted = asked.clone();
        for _level in 0..MOST_LEVELS {
            if wanted.is_empty() {
                break;
            }
            let answer = self.accounts.get(company, wanted, terms).await?;
            provenance = provenance.and(answer.provenance);
            let parents: HashSet<AccountId> = answer
                .facts
                .values()
                .filter_map(|fact| fact.value.parent.clone())
                .collect();
            known.extend(answer.facts);
            wanted = parents
                .into_iter()
                .filter(|parent| !known.contains_key(parent))
                .collect();
        }
        let mut accounts = Vec::with_capacity(asked.len());
        let mut given = HashSet::new();
        let mut broken = None;
        for number in asked {
            let Some(fact) = known.get(&number) else {
                continue;
            };
            if !given.insert(number) {
                continue;
            }
            match ancestors(&fact.value, &known) {
                Ok(ancestors) => accounts.push(Account {
                    ancestors,
                    ..fact.value.account.clone()
                }),
                Err(sentence) => {
                    warn!(account = %fact.value.account.account, "{sentence}");
                    broken = Some(sentence);
                }
            }
        }
        match broken {
            Some(sentence) if accounts.is_empty() => Err(contradiction(sentence)),
            _ => Ok((accounts, provenance)),
        }
    }

    /// One entry for each identifier asked.
    pub async fn products(
        &self,
        company: &CompanyId,
        account: AccountId,
        items: Vec<ItemIdentifier>,
        terms: Terms,
    ) -> Result<Facts<Vec<Option<Product>>>, GuardError> {
        let buyer = Buyer {
            company: company.clone(),
            account,
        };
        let answer = self.products.get(&buyer, items.clone(), terms).await?;
        let found = items
            .iter()
            .map(|item| answer.facts.get(item).map(|fact| fact.value.clone()))
            .collect();
        Ok((found, answer.provenance))
    }

    /// A part of the catalogue.
    pub async fn catalogue(
        &self,
        query: CatalogueQuery,
        terms: Terms,
    ) -> Result<Facts<CataloguePart>, GuardError> {
        let company = query.company.clone();
        let answer = self.catalogue.get(&company, vec![query], terms).await?;
        let part = answer
            .facts
            .into_values()
            .next()
            .map(|fact| fact.value.clone())
            .ok_or_else(|| contradiction("the catalogue gave no page".to_owned()))?;
        Ok((part, answer.provenance))
    }

    /// Stock by item, then site; pairs that the ERP does not know are absent, and so are those that are not kept while it
    /// does not answer.
    pub async fn stock(
        &self,
        company: &CompanyId,
        mut keys: Vec<StockKey>,
        terms: Terms,
    ) -> Result<Facts<Vec<StockFact>>, GuardError> {
        keys.sort_unstable();
        keys.dedup();
        let answer = self.stock.get_known(company, keys.clone(), terms).await?;
        let stock = in_order(&keys, &answer)
            .map(|(_, fact, _)| fact.clone())
            .collect();
        Ok((stock, answer.provenance))
    }

    /// The credit of an account and of all above it, nearest first; nothing if there is no such account.
    pub async fn credit(
        &self,
        company: &CompanyId,
        account: AccountId,
        terms: Terms,
    ) -> Result<Option<Facts<Vec<CreditFact>>>, GuardError> {
        // Who stands above whom changes rarely: the hierarchy may be as old as the operation allows.
        let hierarchy = Terms {
            oldest: None,
            oldest_stale: None,
            ..terms
        };
        let (accounts, from) = self.accounts(company, vec![account], hierarchy).await?;
        let Some(found) = accounts.into_iter().next() else {
            return Ok(None);
        };
        let mut chain = vec![found.account];
        chain.extend(found.ancestors);
        let answer = self.credit.get(company, chain.clone(), terms).await?;
        let facts: Vec<CreditFact> = in_order(&chain, &answer)
            .map(|(_, fact, _)| fact.clone())
            .collect();
        if facts.len() != chain.len() {
            return Err(contradiction(
                "the ERP knows an account but not its credit, or not that of one above it"
                    .to_owned(),
            ));
        }
        Ok(Some((facts, answer.provenance.and(from))))
    }
}

fn ancestors(
    record: &AccountRecord,
    known: &HashMap<AccountId, Arc<Fact<AccountRecord>>>,
) -> Result<Vec<AccountId>, String> {
    let mut above: Vec<AccountId> = Vec::new();
    let mut next = record.parent.as_ref();
    while let Some(parent) = next {
        let Some(fact) = known.get(parent) else {
            return Err(format!(
                "the accounts above {} cannot be followed: {parent} is not known",
                record.account.account
            ));
        };
        if above.contains(parent) || above.len() >= MOST_LEVELS {
            return Err(format!(
                "the accounts above {} form a circle",
                record.account.account
            ));
        }
        above.push(parent.clone());
        next = fact.value.parent.as_ref();
    }
    Ok(above)
}

/// State.
impl ErpBackend {
    /// The state of its guard.
    pub fn status(&self, companies: Vec<CompanyId>) -> SystemStatus {
        let cached = [
            OperationStatus::of_read(&self.accounts),
            OperationStatus::of_read(&self.products),
            OperationStatus::of_read(&self.catalogue),
            OperationStatus::of_read(&self.prices),
            OperationStatus::of_read(&self.stock),
            OperationStatus::of_read(&self.credit),
        ];
        let direct = [
            &self.create_order,
            &self.find_orders,
            &self.orders,
            &self.invoices,
            &self.amend_order,
            &self.release_order,
            &self.cancel_order,
        ];
        let feed = self.feed.iter().map(Feed::operation);
        SystemStatus::new(
            &self.guard,
            SystemKind::Erp,
            companies,
            cached
                .into_iter()
                .chain(
                    direct
                        .into_iter()
                        .chain(feed)
                        .map(|operation| OperationStatus::of(operation)),
                )
                .collect(),
        )
    }
}
