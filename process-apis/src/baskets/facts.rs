//! Gathering the facts of a decision, each with its age: one batched call for each kind, in parallel; newer stock and
//! credit facts are installed in the ledgers before anything is decided.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use axum::extract::FromRef;
use canonical_model::{
    AccountId, ItemNumber, Quantity, ShipToId, SiteId,
    account::{Account, AccountQuery, Accounts, ShipTo},
    basket::{BasketLine, BasketRequest},
    capabilities::Capabilities,
    item::ItemIdentifier,
    order::SalesOrderRequest,
    price::{PriceQuery, PriceSchedule, PriceSchedules, WantedQuantity},
    product::{Product, ProductMatches, ProductQuery},
};
use serde::{Deserialize, Deserializer, Serialize};
use service_runtime::{clock::Clock, config::HumanDuration, problem::Problem};

use super::{
    ledgers,
    line::product_has,
    shape,
    standing::{KindStanding, Limit, Standing},
};
use crate::{
    clients::{Call, Questions, SystemApis, SystemError},
    error::store_problem,
    policy::{FactAges, Policies},
    promise::{atp::FreeStock, reservations::StoredReservation},
    quotes::StoredQuote,
    state::AppState,
    store::{CreditLevel, Owner, Store, StoreError, StreamKind},
};

/// How many keys one question may hold.
const MAX_KEYS: usize = 5_000;

/// Where facts come from and what they are judged by.
#[derive(Clone)]
pub struct Sources {
    /// The coordination state.
    pub store: Arc<dyn Store>,
    /// The layer below.
    pub system: Arc<dyn SystemApis>,
    /// The time.
    pub clock: Clock,
    /// The rules.
    pub policies: Arc<Policies>,
}

impl FromRef<AppState> for Sources {
    fn from_ref(state: &AppState) -> Self {
        Self {
            store: Arc::clone(&state.store),
            system: Arc::clone(&state.system),
            clock: state.clock.clone(),
            policies: Arc::clone(&state.policies),
        }
    }
}

/// What facts are gathered for: it decides how old they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A buyer looks around.
    Browse,
    /// A basket is checked, quoted or reserved.
    Checkout,
    /// An order is taken.
    Order,
    /// An order takes the place of one that has just ended: no figure may be older than that.
    Replacement,
    /// What a provisional order stands on is read again: nothing may be older than the order, or stand in for its source.
    Revalidation {
        /// The order's age.
        seconds: u32,
        /// How long ago its stock was looked at last; at first the order's age.
        stock_seconds: u32,
    },
}

/// The oldest facts a purpose takes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MaxAges {
    pub(crate) price: Limit,
    pub(crate) stock: Limit,
    pub(crate) credit: Limit,
    pub(crate) account: Limit,
}

impl Purpose {
    pub(crate) fn ages(self, policies: &Policies) -> MaxAges {
        let freshness = &policies.freshness;
        let usable = |ages: Option<&FactAges>| MaxAges {
            price: Limit::new(ages.map(|ages| ages.price), freshness.price_usable),
            stock: Limit::new(ages.map(|ages| ages.stock), freshness.stock_usable),
            credit: Limit::new(ages.map(|ages| ages.credit), freshness.credit_usable),
            account: Limit::new(ages.map(|ages| ages.account), freshness.account_usable),
        };
        let source = Limit {
            fresh: Some(0),
            stale: Some(0),
        };
        match self {
            Self::Browse => usable(None),
            Self::Checkout => usable(Some(&freshness.checkout)),
            Self::Order => {
                let (order, outage) = (&freshness.order, &policies.outage.oldest);
                let taken = |fresh: HumanDuration, oldest: HumanDuration| {
                    Limit::new(Some(fresh), oldest.max(fresh))
                };
                MaxAges {
                    price: taken(order.price, outage.price),
                    stock: taken(order.stock, outage.stock),
                    credit: taken(order.credit, outage.credit),
                    ..usable(Some(order))
                }
            }
            Self::Replacement => MaxAges {
                stock: source,
                credit: source,
                ..usable(Some(&freshness.order))
            },
            Self::Revalidation {
                seconds,
                stock_seconds,
            } => {
                let since = |age: HumanDuration, seconds: u32| Limit {
                    fresh: Limit::new(Some(age), age).fresh.map(|age| age.min(seconds)),
                    stale: Some(0),
                };
                MaxAges {
                    price: since(freshness.order.price, seconds),
                    stock: since(freshness.order.stock, stock_seconds),
                    credit: since(freshness.order.credit, seconds),
                    account: since(freshness.order.account, seconds),
                }
            }
        }
    }
}

/// Everything a basket is assessed from. It is stored in the decision record: from it, the request and the time alone
/// the same engine comes to the same outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What the company's ERP can do, and which it is: the source of all that follows.
    pub capabilities: Capabilities,
    /// The rules that were in force.
    pub policies: Policies,
    /// The account.
    pub account: Account,
    /// The products that the identifiers name; an identifier that names none is absent.
    pub products: Vec<KnownProduct>,
    /// Price records.
    pub prices: Vec<PriceSchedule>,
    /// What is free, net of our claims; a pair of item and site that is absent is unknown.
    pub stock: Vec<FreeStock>,
    /// Credit by level, with our claims.
    pub credit: Vec<CreditLevel>,
    /// The quotes named, by the basket or by a line, as far as they exist. Facts of before lines named any have one or
    /// none, under `quote`.
    #[serde(default, alias = "quote", deserialize_with = "one_or_many")]
    pub quotes: Vec<StoredQuote>,
    /// The reservation named, if it exists.
    pub reservation: Option<KnownReservation>,
    /// Whether any of it is older than it should be because a source does not answer.
    pub degraded: bool,
    /// The same by kind, and how old they may be. Facts of before have none.
    #[serde(default)]
    pub standing: Standing,
}

/// A product and the number it was asked by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownProduct {
    /// The number.
    pub identifier: ItemIdentifier,
    /// The product.
    pub product: Product,
}

/// A reservation as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownReservation {
    /// Its version, which a commit that consumes it expects.
    pub version: u64,
    /// Its state.
    pub stored: StoredReservation,
}

/// Why there are no facts to decide from.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The request cannot be assessed as it is.
    #[error("the basket is malformed")]
    Malformed(#[source] Problem),
    /// There is no such account.
    #[error("there is no such account")]
    UnknownAccount,
    /// A fact could not be read.
    #[error("a fact could not be read")]
    System(#[from] SystemError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<GatherError> for Problem {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::Malformed(problem) => problem,
            GatherError::UnknownAccount => Self::not_found(),
            GatherError::System(error) => error.into(),
            GatherError::Store(error) => store_problem(&error),
        }
    }
}

/// The basket that an order asks for.
pub fn basket_of(order: &SalesOrderRequest) -> BasketRequest {
    BasketRequest {
        account: order.account.clone(),
        ship_to: order.ship_to.clone(),
        requested_delivery_date: order.requested_delivery_date,
        quote_id: order.quote_id,
        reservation_id: order.reservation_id,
        ship_complete: order.ship_complete,
        lines: order.lines.clone(),
    }
}

/// Gathers the facts of a basket. The caller has made sure that the account may be seen.
pub async fn gather(
    sources: &Sources,
    call: &Call,
    request: &BasketRequest,
    purpose: Purpose,
) -> Result<Facts, GatherError> {
    let own = request.reservation_id.map(|id| Owner {
        kind: StreamKind::Reservation,
        id: id.0,
    });
    gather_for(sources, call, request, purpose, own).await
}

/// The same, less nothing of the stock that `own` holds.
pub(crate) async fn gather_for(
    sources: &Sources,
    call: &Call,
    request: &BasketRequest,
    purpose: Purpose,
    own: Option<Owner>,
) -> Result<Facts, GatherError> {
    shape::check(request, &sources.policies)
        .map_err(|faults| GatherError::Malformed(Problem::validation(faults)))?;
    let ages = purpose.ages(&sources.policies);
    let questions = Questions {
        capabilities: true,
        accounts: Some(account_query(&request.account, ages.account)),
        products: product_queries(request, ages.account),
        ..Questions::default()
    };
    let asked_products = questions.products.clone();
    let (came, quotes, reservation) = tokio::join!(
        sources.system.ask(call, questions),
        quotes(sources, call, request),
        reservation(sources, call, request),
    );
    let account = account_told(call, &request.account, came.accounts.answer())?;
    let capabilities = came.capabilities.answer()?;
    let products = products_told(asked_products, came.products)?;
    let (quotes, reservation) = (quotes?, reservation?);
    let items: BTreeSet<ItemNumber> = products
        .iter()
        .map(|known| known.product.item.clone())
        .collect();
    let items: Vec<ItemNumber> = items.into_iter().collect();
    // A foreign address is refused by the assessment; prices are not asked for it.
    let wanted = |to: &&ShipTo| {
        let asked = request.ship_to.as_ref();
        asked.is_none_or(|asked| to.ship_to == *asked)
    };
    let ship_to = account
        .ship_tos
        .iter()
        .find(wanted)
        .map(|to| to.ship_to.clone());
    let question = ledgers::Question {
        sources,
        call,
        capabilities: &capabilities,
    };
    let wanted = wanted_quantities(request, &products);
    let of = (&request.account, ship_to);
    let questions = Questions {
        prices: price_queries(of, &items, &wanted, ages.price),
        stock: ledgers::stock_queries(&items, ages.stock),
        credit: Some(ledgers::credit_query(&account, ages.credit)),
        ..Questions::default()
    };
    let came = sources.system.ask(call, questions).await;
    let prices = prices_told(sources, call, &request.account, came.prices, ages.price)?;
    let (stock, credit) = tokio::join!(
        question.stock_told(&items, came.stock, own, ages.stock),
        question.credit_told(&account, came.credit.answer()),
    );
    let (stock, credit) = (stock?, credit?);
    let standing = Standing {
        price: KindStanding::new(ages.price, prices.degraded),
        stock: KindStanding::new(ages.stock, stock.degraded),
        credit: KindStanding::new(ages.credit, credit.degraded),
    };
    let mut policies = Policies::clone(&sources.policies);
    // The decision record keeps what could have mattered, and not every promotion there is.
    policies.promotions.retain(|promotion| {
        products
            .iter()
            .any(|known| promotion.is_for(&account, &known.product))
    });
    Ok(Facts {
        capabilities,
        policies,
        account,
        products,
        prices: prices.facts,
        stock: stock.facts,
        credit: credit.facts,
        quotes,
        reservation,
        degraded: prices.degraded || stock.degraded || credit.degraded,
        standing,
    })
}

/// The account; it is what the caller asked for, or nothing.
pub(crate) async fn account(
    sources: &Sources,
    call: &Call,
    account: &AccountId,
    limit: Limit,
) -> Result<Account, GatherError> {
    let query = account_query(account, limit);
    let told = sources.system.accounts(call, &query).await;
    account_told(call, account, told)
}

/// Asks for the account.
pub(crate) fn account_query(account: &AccountId, limit: Limit) -> AccountQuery {
    AccountQuery {
        accounts: vec![account.clone()],
        max_age_seconds: limit.fresh,
        max_stale_seconds: limit.stale,
    }
}

/// The account as it was told; it is what was asked for, or nothing.
pub(crate) fn account_told(
    call: &Call,
    account: &AccountId,
    told: Result<Accounts, SystemError>,
) -> Result<Account, GatherError> {
    let found = told?.accounts.into_iter().next();
    let found = found.ok_or(GatherError::UnknownAccount)?;
    if found.account != *account || found.company != call.company {
        let detail = format!("asked for account {account}, was given {}", found.account);
        return Err(SystemError::Protocol { detail }.into());
    }
    Ok(found)
}

/// Asks for the products that the lines name.
fn product_queries(request: &BasketRequest, limit: Limit) -> Vec<ProductQuery> {
    let sound = |identifier: &&ItemIdentifier| ItemNumber::new(identifier.value.as_str()).is_ok();
    let asked: BTreeSet<&ItemIdentifier> = request
        .lines
        .iter()
        .flat_map(identifiers)
        .filter(sound)
        .collect();
    let asked: Vec<ItemIdentifier> = asked.into_iter().cloned().collect();
    let query = |items: &[ItemIdentifier]| ProductQuery {
        account: request.account.clone(),
        items: items.to_vec(),
        max_age_seconds: limit.fresh,
        max_stale_seconds: limit.stale,
    };
    asked.chunks(MAX_KEYS).map(query).collect()
}

/// The products as they were told.
fn products_told(
    asked: Vec<ProductQuery>,
    told: Vec<Result<ProductMatches, SystemError>>,
) -> Result<Vec<KnownProduct>, GatherError> {
    let mut known = Vec::new();
    for (ProductQuery { items, .. }, told) in asked.into_iter().zip(told) {
        let matches = told?.matches;
        if matches.len() != items.len() {
            let detail = format!(
                "asked for {} products, was given {} answers",
                items.len(),
                matches.len()
            );
            return Err(SystemError::Protocol { detail }.into());
        }
        known.extend(
            items
                .into_iter()
                .zip(matches)
                .filter_map(|(identifier, product)| {
                    let product = product?;
                    Some(KnownProduct {
                        identifier,
                        product,
                    })
                }),
        );
    }
    Ok(known)
}

fn identifiers(line: &BasketLine) -> impl Iterator<Item = &ItemIdentifier> {
    line.identifiers.iter()
}

/// How much of each product the lines ask for; a line of an unknown product, or in a unit that it does not have, asks for nothing.
fn wanted_quantities(request: &BasketRequest, products: &[KnownProduct]) -> Vec<WantedQuantity> {
    let by_number: HashMap<&ItemIdentifier, &Product> = products
        .iter()
        .map(|known| (&known.identifier, &known.product))
        .collect();
    let mut seen = HashSet::new();
    let mut wanted = Vec::new();
    for line in &request.lines {
        let named = identifiers(line).find_map(|number| by_number.get(number));
        let Some(product) = named else {
            continue;
        };
        let unit = line.unit.unwrap_or(product.sales_unit);
        if !product_has(product, unit) {
            continue;
        }
        let quantity = Quantity::new(line.quantity, unit);
        if seen.insert((&product.item, quantity)) {
            wanted.push(WantedQuantity {
                item: product.item.clone(),
                quantity,
            });
        }
    }
    wanted
}

/// Asks for the price records of items.
pub(crate) fn price_queries(
    (account, ship_to): (&AccountId, Option<ShipToId>),
    items: &[ItemNumber],
    wanted: &[WantedQuantity],
    limit: Limit,
) -> Vec<PriceQuery> {
    let query = |items: &[ItemNumber]| {
        let named: HashSet<&ItemNumber> = items.iter().collect();
        let quantities = wanted.iter().filter(|of| named.contains(&of.item));
        PriceQuery {
            account: account.clone(),
            ship_to: ship_to.clone(),
            items: items.to_vec(),
            quantities: quantities.cloned().collect(),
            max_age_seconds: limit.fresh,
            max_stale_seconds: limit.stale,
        }
    };
    items.chunks(MAX_KEYS).map(query).collect()
}

/// Price records as they were told, and whether they are older than they should be. What was not asked for is dropped,
/// loudly; what is too old, or cannot be told since the source does not answer, is absent.
pub(crate) fn prices_told(
    sources: &Sources,
    call: &Call,
    account: &AccountId,
    told: Vec<Result<PriceSchedules, SystemError>>,
    limit: Limit,
) -> Result<ledgers::Answered<Vec<PriceSchedule>>, GatherError> {
    let (mut facts, mut degraded) = (Vec::new(), false);
    for told in told {
        let answer = match told {
            Ok(answer) => answer,
            Err(error) if error.is_passing() => {
                tracing::warn!(%account, error = %error, "prices are not known");
                degraded = true;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        degraded |= answer.degraded;
        facts.extend(answer.schedules.into_iter().filter(|schedule| {
            let ours = schedule.company == call.company && schedule.account == *account;
            if !ours {
                tracing::error!(asked = %account, given = %schedule.account, "prices of another account were answered");
            }
            ours
        }));
    }
    let (standing, now) = (KindStanding::new(limit, degraded), sources.clock.now());
    facts.retain(|schedule| standing.is_usable(schedule.as_of, now));
    Ok(ledgers::Answered { facts, degraded })
}

async fn quotes(
    sources: &Sources,
    call: &Call,
    request: &BasketRequest,
) -> Result<Vec<StoredQuote>, GatherError> {
    let mut found = Vec::new();
    for id in shape::quotes_named(request) {
        found.extend(crate::quotes::load(sources.store.as_ref(), &call.company, id).await?);
    }
    Ok(found)
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<StoredQuote>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Quotes {
        Many(Vec<StoredQuote>),
        One(Option<Box<StoredQuote>>),
    }
    Ok(match Quotes::deserialize(from)? {
        Quotes::Many(quotes) => quotes,
        Quotes::One(quote) => quote.map(|quote| *quote).into_iter().collect(),
    })
}

async fn reservation(
    sources: &Sources,
    call: &Call,
    request: &BasketRequest,
) -> Result<Option<KnownReservation>, GatherError> {
    let Some(id) = request.reservation_id else {
        return Ok(None);
    };
    Ok(crate::promise::reservations::load(sources.store.as_ref(), &call.company, id).await?)
}

impl Facts {
    /// The products by the numbers they were asked by.
    pub(super) fn products_by_identifier(&self) -> BTreeMap<&ItemIdentifier, &Product> {
        self.products
            .iter()
            .map(|known| (&known.identifier, &known.product))
            .collect()
    }

    /// Every site that may ship: those with known stock, and those that the policies name.
    pub(super) fn sites(&self) -> BTreeSet<SiteId> {
        let named = self
            .policies
            .sites
            .keys()
            .filter_map(|name| SiteId::new(name.as_str()).ok());
        self.stock
            .iter()
            .map(|row| row.site.clone())
            .chain(named)
            .collect()
    }
}
