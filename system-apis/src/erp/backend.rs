//! An ERP instance behind its guard: what the routes ask for, in canonical words.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::Arc,
};

use canonical_model::{
    AccountId, CompanyId, ErpOrderNumber, ItemNumber, Money, OrderReference, ShipToId,
    account::Account,
    capabilities as published,
    credit::CreditFact,
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderState},
    item::ItemIdentifier,
    price::PriceSchedule,
    product::Product,
    stock::StockFact,
};
use tracing::warn;

use super::{
    config::ErpInstance,
    connector::{AccountRecord, CataloguePart, CatalogueQuery, ErpConnector, PriceEntry, StockKey},
};
use crate::{
    connector::{Batch, ConnectorError},
    guard::{Answer, Guard, GuardError, KeyedRead, Kind, Operation, Provenance, Terms},
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
    prices: KeyedRead<Buyer, ItemNumber, Vec<PriceEntry>>,
    stock: KeyedRead<CompanyId, StockKey, StockFact>,
    credit: KeyedRead<CompanyId, AccountId, CreditFact>,
    create_order: Arc<Operation>,
    find_orders: Arc<Operation>,
    orders: Arc<Operation>,
    release_order: Arc<Operation>,
    cancel_order: Arc<Operation>,
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
        let most = connector.capabilities().keys_per_call;
        let read = |name| guard.operation(name, Kind::Read, instance.read_timeout.get());
        let write = |name| guard.operation(name, Kind::Mutation, instance.write_timeout.get());
        Self {
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
                most,
                |erp, buyer: Buyer, keys, _started| erp
                    .prices(&buyer.company, &buyer.account, &keys)
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
            quiet_period_ms: millis(can.quiet_period),
            credit_basis: can.credit_basis,
            credit_lag_ms: millis(can.credit_lag),
            stock_lag_ms: millis(can.stock_lag),
            serialize_creates_by_account: can.serialize_creates_by_account,
        }
    }

    /// Accounts with all above them, in the order asked; unknown ones are absent.
    pub async fn accounts(
        &self,
        company: &CompanyId,
        asked: Vec<AccountId>,
        terms: Terms,
    ) -> Result<Facts<Vec<Account>>, GuardError> {
        let mut known: HashMap<AccountId, Arc<crate::guard::Fact<AccountRecord>>> = HashMap::new();
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
        for number in asked {
            if let Some(fact) = known.get(&number)
                && given.insert(number)
            {
                let mut account = fact.value.account.clone();
                account.ancestors = ancestors(&fact.value, &known)?;
                accounts.push(account);
            }
        }
        Ok((accounts, provenance))
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

    /// Price schedules in the order asked; records for other delivery addresses are left out.
    pub async fn prices(
        &self,
        company: &CompanyId,
        account: AccountId,
        ship_to: Option<&ShipToId>,
        items: Vec<ItemNumber>,
        terms: Terms,
    ) -> Result<Facts<Vec<PriceSchedule>>, GuardError> {
        let buyer = Buyer {
            company: company.clone(),
            account,
        };
        let answer = self.prices.get(&buyer, items.clone(), terms).await?;
        let schedules = in_order(&items, &answer)
            .map(|(item, entries, as_of)| PriceSchedule {
                company: company.clone(),
                account: buyer.account.clone(),
                item: item.clone(),
                records: entries
                    .iter()
                    .filter(|entry| entry.ship_to.is_none() || entry.ship_to.as_ref() == ship_to)
                    .map(|entry| entry.record.clone())
                    .collect(),
                as_of,
            })
            .collect();
        Ok((schedules, answer.provenance))
    }

    /// Stock by item, then site; pairs that the ERP does not know are absent.
    pub async fn stock(
        &self,
        company: &CompanyId,
        mut keys: Vec<StockKey>,
        terms: Terms,
    ) -> Result<Facts<Vec<StockFact>>, GuardError> {
        keys.sort_unstable();
        keys.dedup();
        let answer = self.stock.get(company, keys.clone(), terms).await?;
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
    known: &HashMap<AccountId, Arc<crate::guard::Fact<AccountRecord>>>,
) -> Result<Vec<AccountId>, GuardError> {
    let mut above: Vec<AccountId> = Vec::new();
    let mut next = record.parent.as_ref();
    while let Some(parent) = next {
        let Some(fact) = known.get(parent) else {
            return Err(contradiction(format!(
                "the accounts above {} cannot be followed: {parent} is not known",
                record.account.account
            )));
        };
        if above.contains(parent) || above.len() >= MOST_LEVELS {
            return Err(contradiction(format!(
                "the accounts above {} form a circle",
                record.account.account
            )));
        }
        above.push(parent.clone());
        next = fact.value.parent.as_ref();
    }
    Ok(above)
}

/// Sales orders: never cached.
impl ErpBackend {
    async fn call<T, F, Fut>(
        &self,
        operation: &Arc<Operation>,
        terms: Terms,
        call: F,
    ) -> Result<T, GuardError>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn ErpConnector>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let connector = Arc::clone(&self.connector);
        let answer = operation
            .run(terms, move |_started| call(Arc::clone(&connector)))
            .await;
        answer.map(|(value, _started)| value)
    }

    /// Creates an order, and reads it back where the ERP lets us: its number is what counts.
    pub async fn create_order(
        &self,
        company: &CompanyId,
        order: CreateErpOrder,
        terms: Terms,
    ) -> Result<ErpOrder, GuardError> {
        let (order, of) = (Arc::new(order), company.clone());
        let wanted = Arc::clone(&order);
        let number = self
            .call(&self.create_order, terms, move |erp| {
                let (company, order) = (of.clone(), Arc::clone(&wanted));
                async move { erp.create_order(&company, &order).await }
            })
            .await?;
        match self.order(company, number.clone(), terms).await {
            Ok(Some(created)) => Ok(created),
            Ok(None) => {
                warn!(%number, "the ERP created an order that it cannot show yet");
                self.as_asked(number, &order)
            }
            Err(error) => {
                let cause: &(dyn std::error::Error + 'static) = &error;
                warn!(%number, error = cause, "a created order could not be read back");
                self.as_asked(number, &order)
            }
        }
    }

    /// The order as it was asked for, under the number the ERP gave.
    fn as_asked(
        &self,
        number: ErpOrderNumber,
        order: &CreateErpOrder,
    ) -> Result<ErpOrder, GuardError> {
        let mut total = Money::zero(order.currency);
        for line in &order.lines {
            total = line
                .unit_price
                .total(&line.quantity)
                .and_then(|amount| total.checked_add(amount))
                .map_err(|error| contradiction(error.to_string()))?;
        }
        let staged = self.connector.capabilities().create_class == published::CreateClass::Staged;
        Ok(ErpOrder {
            number,
            reference: order.reference.clone(),
            purchase_order_number: order.purchase_order_number.clone(),
            account: order.account.clone(),
            state: if staged {
                ErpOrderState::Blocked
            } else {
                ErpOrderState::Open
            },
            lines: order.lines.clone(),
            total,
        })
    }

    /// The orders of a reference, lowest number first.
    pub async fn find_orders(
        &self,
        company: &CompanyId,
        reference: OrderReference,
        terms: Terms,
    ) -> Result<Vec<ErpOrder>, GuardError> {
        let of = company.clone();
        let numbers = self
            .call(&self.find_orders, terms, move |erp| {
                let (company, reference) = (of.clone(), reference.clone());
                async move { erp.find_orders(&company, &reference).await }
            })
            .await?;
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut orders = self.orders(company, numbers.clone(), terms).await?;
        numbers
            .iter()
            .map(|number| {
                orders.remove(number).ok_or_else(|| {
                    contradiction(format!("the ERP lists order {number} but does not show it"))
                })
            })
            .collect()
    }

    async fn orders(
        &self,
        company: &CompanyId,
        numbers: Vec<ErpOrderNumber>,
        terms: Terms,
    ) -> Result<HashMap<ErpOrderNumber, ErpOrder>, GuardError> {
        let of = company.clone();
        let batch = self
            .call(&self.orders, terms, move |erp| {
                let (company, numbers) = (of.clone(), numbers.clone());
                async move { erp.orders(&company, &numbers).await }
            })
            .await?;
        match batch.implausible.into_iter().next() {
            Some(reason) => Err(contradiction(reason)),
            None => Ok(batch.found.into_iter().collect()),
        }
    }

    /// An order by the ERP's number.
    pub async fn order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        let mut orders = self.orders(company, vec![number.clone()], terms).await?;
        Ok(orders.remove(&number))
    }

    /// Shows an order that was just changed. If that fails the change still happened, so nobody may conclude that
    /// nothing was done.
    async fn read_back(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        self.order(company, number, terms).await.map_err(|error| {
            GuardError::Connector(Arc::new(ConnectorError::OutcomeUnknown(error.into())))
        })
    }

    /// Lets a blocked order go on, and shows it.
    pub async fn release_order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        let (of, order) = (company.clone(), number.clone());
        self.call(&self.release_order, terms, move |erp| {
            let (company, number) = (of.clone(), order.clone());
            async move { erp.release_order(&company, &number).await }
        })
        .await?;
        self.read_back(company, number, terms).await
    }

    /// Cancels an order, and shows it.
    pub async fn cancel_order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        let (of, order) = (company.clone(), number.clone());
        self.call(&self.cancel_order, terms, move |erp| {
            let (company, number) = (of.clone(), order.clone());
            async move { erp.cancel_order(&company, &number).await }
        })
        .await?;
        self.read_back(company, number, terms).await
    }
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
            &self.release_order,
            &self.cancel_order,
        ];
        SystemStatus::new(
            &self.guard,
            SystemKind::Erp,
            companies,
            cached
                .into_iter()
                .chain(
                    direct
                        .into_iter()
                        .map(|operation| OperationStatus::of(operation)),
                )
                .collect(),
        )
    }
}
