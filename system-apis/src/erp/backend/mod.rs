//! An ERP instance behind its guard: what the routes ask for, in canonical words.

mod changes;
mod orders;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use canonical_model::{
    AccountId, CompanyId, ItemNumber, Quantity, ShipToId,
    account::Account,
    capabilities::{self as published, PriceSource},
    credit::CreditFact,
    item::ItemIdentifier,
    price::{PriceQuery, PriceSchedule, WantedQuantity},
    product::Product,
    stock::StockFact,
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

/// What the source said to an ask.
type PriceFact = (PriceAsk, Arc<Fact<Vec<PriceEntry>>>);

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

/// One ask an item, and none for a quantity that is not told apart; of an item of which quantities are, one for each.
fn price_asks(items: Vec<ItemNumber>, wanted: &[WantedQuantity]) -> Vec<PriceAsk> {
    let mut quantities: HashMap<&ItemNumber, Vec<Quantity>> = HashMap::new();
    for of in wanted {
        quantities.entry(&of.item).or_default().push(of.quantity);
    }
    let mut asks = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for item in items.into_iter().filter(|item| seen.insert(item.clone())) {
        let of_it = quantities.remove(&item).unwrap_or_default();
        let whatever = of_it.is_empty().then_some(None);
        let each = of_it.into_iter().map(Some).chain(whatever);
        asks.extend(each.map(|quantity| PriceAsk {
            item: item.clone(),
            quantity,
        }));
    }
    asks
}

/// The quantities in a unit in which no record of their item is.
fn in_other_units(wanted: &[WantedQuantity], told: &[PriceFact]) -> Vec<PriceAsk> {
    let records: HashMap<&ItemNumber, &[PriceEntry]> = told
        .iter()
        .map(|(ask, fact)| (&ask.item, fact.value.as_slice()))
        .collect();
    let is_other = |of: &&WantedQuantity| {
        let records = records.get(&of.item).copied().unwrap_or_default();
        let in_unit = |entry: &PriceEntry| entry.record.unit == of.quantity.unit;
        !records.is_empty() && !records.iter().any(in_unit)
    };
    wanted
        .iter()
        .filter(is_other)
        .map(|of| PriceAsk {
            item: of.item.clone(),
            quantity: Some(of.quantity),
        })
        .collect()
}

/// Leaves out items of which the price of some quantity that was asked for is not there: that of another quantity, or of another
/// unit, is not what the source would say of this one.
fn leave_out_half_told(asked: &[PriceAsk], told: &mut Vec<PriceFact>) {
    let has_price: HashSet<&PriceAsk> = told
        .iter()
        .filter(|(_, fact)| !fact.value.is_empty())
        .map(|(ask, _)| ask)
        .collect();
    let by_quantity = asked.iter().filter(|ask| ask.quantity.is_some());
    let missing: HashSet<ItemNumber> = by_quantity
        .filter(|ask| !has_price.contains(ask))
        .map(|ask| ask.item.clone())
        .collect();
    told.retain(|(ask, _)| !missing.contains(&ask.item));
}

/// What is known of each item, in the order in which they come first; it is as old as its oldest record.
fn schedules(buyer: &Buyer, ship_to: Option<&ShipToId>, told: &[PriceFact]) -> Vec<PriceSchedule> {
    let mut schedules: Vec<PriceSchedule> = Vec::new();
    let mut places: HashMap<&ItemNumber, usize> = HashMap::new();
    for (ask, fact) in told {
        let as_of = fact.started.as_of;
        let records = fact.value.iter();
        let records = records
            .filter(|entry| entry.ship_to.is_none() || entry.ship_to.as_ref() == ship_to)
            .map(|entry| entry.record.clone());
        let place = *places.entry(&ask.item).or_insert(schedules.len());
        match schedules.get_mut(place) {
            Some(schedule) => {
                schedule.records.extend(records);
                schedule.as_of = schedule.as_of.min(as_of);
            }
            None => schedules.push(PriceSchedule {
                company: buyer.company.clone(),
                account: buyer.account.clone(),
                item: ask.item.clone(),
                records: records.collect(),
                as_of,
            }),
        }
    }
    schedules
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

    /// Price schedules in the order asked; records for other delivery addresses are left out. While the ERP does not
    /// answer, items whose prices are not kept are absent.
    pub async fn prices(
        &self,
        company: &CompanyId,
        query: PriceQuery,
        terms: Terms,
    ) -> Result<Facts<Vec<PriceSchedule>>, GuardError> {
        let buyer = Buyer {
            company: company.clone(),
            account: query.account,
        };
        let can = self.connector.capabilities();
        let each = can.prices_each_quantity;
        let mut asked = price_asks(query.items, if each { &query.quantities } else { &[] });
        let (mut told, mut provenance) = self.price_facts(&buyer, &asked, terms).await?;
        if can.price_source == PriceSource::Resolved && !each {
            let further = in_other_units(&query.quantities, &told);
            let (more, from) = match self.price_facts(&buyer, &further, terms).await {
                Err(error) if error.allows_stale() => {
                    (Vec::new(), Provenance::untold(further.len()))
                }
                more => more?,
            };
            told.extend(more);
            provenance = provenance.and(from);
            asked.extend(further);
        }
        leave_out_half_told(&asked, &mut told);
        let schedules = schedules(&buyer, query.ship_to.as_ref(), &told);
        Ok((schedules, provenance))
    }

    async fn price_facts(
        &self,
        buyer: &Buyer,
        asks: &[PriceAsk],
        terms: Terms,
    ) -> Result<Facts<Vec<PriceFact>>, GuardError> {
        if asks.is_empty() {
            return Ok(Facts::default());
        }
        let answer = self.prices.get_known(buyer, asks.to_vec(), terms).await?;
        let told = asks.iter().filter_map(|ask| {
            let fact = answer.facts.get(ask)?;
            Some((ask.clone(), Arc::clone(fact)))
        });
        Ok((told.collect(), answer.provenance))
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

#[cfg(test)]
mod tests {
    use canonical_model::{
        Currency, UnitOfMeasure,
        price::{PriceLevel, PriceRecord, PromotionRule},
    };
    use rust_decimal::{Decimal, dec};
    use tokio::time::Instant;

    use super::*;
    use crate::guard::Started;

    fn item() -> ItemNumber {
        ItemNumber::new("SKU-0001").unwrap()
    }

    fn unit(code: &str) -> UnitOfMeasure {
        UnitOfMeasure::from_code(code).unwrap()
    }

    fn ask(quantity: Option<(Decimal, &str)>) -> PriceAsk {
        PriceAsk {
            item: item(),
            quantity: quantity.map(|(value, code)| Quantity::new(value, unit(code))),
        }
    }

    /// With a record of 5 in this unit from 0 on, or none.
    fn told(ask: PriceAsk, code: Option<&str>) -> PriceFact {
        let entry = |code| PriceEntry {
            ship_to: None,
            record: PriceRecord {
                record: "1".to_owned(),
                level: PriceLevel::Resolved,
                priority: 0,
                contract: None,
                unit_price: dec!(5),
                currency: Currency::USD,
                unit: unit(code),
                break_quantity: Decimal::ZERO,
                valid_from: None,
                valid_to: None,
                promotions: PromotionRule::Excluded,
                floor: None,
            },
        };
        let started = Started {
            as_of: "2026-11-20T12:00:00Z".parse().unwrap(),
            at: Instant::now(),
        };
        let records = code.map(entry).into_iter().collect();
        (ask, Arc::new(Fact::new(records, started)))
    }

    fn wanted(value: Decimal, code: &str) -> WantedQuantity {
        WantedQuantity {
            item: item(),
            quantity: Quantity::new(value, unit(code)),
        }
    }

    #[test]
    fn only_quantities_in_another_unit_than_the_records_are_asked_for() {
        let known = [told(ask(None), Some("EA"))];
        let of_both = [wanted(dec!(7), "EA"), wanted(dec!(2), "XCT")];
        assert_eq!(
            in_other_units(&of_both, &known),
            [ask(Some((dec!(2), "XCT")))]
        );
        let none = [told(ask(None), None)];
        assert_eq!(in_other_units(&of_both, &none), []);
        assert_eq!(in_other_units(&of_both, &[]), []);
    }

    #[test]
    fn the_price_of_one_quantity_is_not_told_for_another() {
        let (five, hundred) = (ask(Some((dec!(5), "EA"))), ask(Some((dec!(100), "EA"))));
        let asked = [five.clone(), hundred.clone()];
        let mut whole = vec![
            told(five.clone(), Some("EA")),
            told(hundred.clone(), Some("EA")),
        ];
        leave_out_half_told(&asked, &mut whole);
        assert_eq!(whole.len(), 2);
        let mut unknown = vec![told(five.clone(), Some("EA"))];
        leave_out_half_told(&asked, &mut unknown);
        assert!(unknown.is_empty());
        let mut unpriced = vec![told(five, Some("EA")), told(hundred, None)];
        leave_out_half_told(&asked, &mut unpriced);
        assert!(unpriced.is_empty());
        // Whatever the quantity: the records say so.
        let mut shown = vec![told(ask(None), Some("EA"))];
        leave_out_half_told(&[ask(None)], &mut shown);
        assert_eq!(shown.len(), 1);
    }
}
