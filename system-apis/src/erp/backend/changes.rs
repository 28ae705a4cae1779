//! What becomes of cached facts when some have changed at the source: those that are named are thrown out. Where nothing is
//! named each may have changed, and is asked for anew before it is used; it stands in while the source does not answer.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use canonical_model::{
    AccountId, CompanyId, ItemNumber,
    item::{ItemIdentifier, ItemScheme},
};

use super::{Buyer, ErpBackend};
use crate::{
    erp::{
        connector::{PriceAsk, StockKey},
        feed::Feed,
    },
    guard::{KeyedRead, Matches},
    notices::{Change, ChangedFacts},
};

/// Whether one is among those named; none named = all.
struct Named<T>(HashSet<T>);

impl<T: Hash + Eq + Clone> Named<T> {
    fn new(named: &[T]) -> Self {
        Self(named.iter().cloned().collect())
    }

    fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, one: &T) -> bool {
        self.is_all() || self.0.contains(one)
    }
}

impl ErpBackend {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        self.guard.name()
    }

    /// How its changes are read; None = they are not.
    pub fn feed(&self) -> Option<&Feed> {
        self.feed.as_ref()
    }

    /// Throws out what a change makes wrong: who asks from now on gets nothing that was asked for before. Where it is not told which
    /// facts of a kind have changed, all of them are asked for anew.
    pub async fn evict(&self, change: &Change) {
        let of = change.company.clone();
        match &change.facts {
            ChangedFacts::All => {
                self.evict_accounts(of.clone(), Named::new(&[])).await;
                self.evict_products(of.clone(), Named::new(&[])).await;
                self.evict_prices(of.clone(), Named::new(&[]), Named::new(&[]))
                    .await;
                self.evict_stock(of.clone(), Named::new(&[])).await;
                self.evict_credit(of, Named::new(&[])).await;
            }
            ChangedFacts::Accounts { accounts } => {
                self.evict_accounts(of, Named::new(accounts)).await;
            }
            ChangedFacts::Products { items } => self.evict_products(of, Named::new(items)).await,
            ChangedFacts::Prices { accounts, items } => {
                let accounts = Named::new(accounts);
                self.evict_prices(of, accounts, Named::new(items)).await;
            }
            ChangedFacts::Stock { items } => self.evict_stock(of, Named::new(items)).await,
            ChangedFacts::Credit { accounts } => {
                self.evict_credit(of, Named::new(accounts)).await;
            }
        }
    }

    async fn evict_accounts(&self, of: CompanyId, named: Named<AccountId>) {
        let all = named.is_all();
        let matches = move |company: &CompanyId, account: &_| *company == of && named.has(account);
        change(&self.accounts, all, Arc::new(matches)).await;
    }

    /// Any number but the seller's own may lead to a product that is named, and any page of the catalogue may show it.
    async fn evict_products(&self, of: CompanyId, named: Named<ItemNumber>) {
        let (all, pages) = (named.is_all(), of.clone());
        let matches = move |buyer: &Buyer, item: &ItemIdentifier| {
            let other = item.scheme != ItemScheme::SellerPartNumber;
            let is_named = || {
                let number = ItemNumber::new(item.value.as_str());
                number.is_ok_and(|number| named.has(&number))
            };
            buyer.company == of && (other || is_named())
        };
        change(&self.products, all, Arc::new(matches)).await;
        let matches = move |company: &CompanyId, _: &_| *company == pages;
        self.catalogue.doubt(Arc::new(matches)).await;
    }

    async fn evict_prices(
        &self,
        of: CompanyId,
        accounts: Named<AccountId>,
        items: Named<ItemNumber>,
    ) {
        let all = accounts.is_all() && items.is_all();
        let matches = move |buyer: &Buyer, ask: &PriceAsk| {
            buyer.company == of && accounts.has(&buyer.account) && items.has(&ask.item)
        };
        change(&self.prices, all, Arc::new(matches)).await;
    }

    async fn evict_stock(&self, of: CompanyId, items: Named<ItemNumber>) {
        let all = items.is_all();
        let matches =
            move |company: &CompanyId, key: &StockKey| *company == of && items.has(&key.0);
        change(&self.stock, all, Arc::new(matches)).await;
    }

    async fn evict_credit(&self, of: CompanyId, named: Named<AccountId>) {
        let all = named.is_all();
        let matches = move |company: &CompanyId, account: &_| *company == of && named.has(account);
        change(&self.credit, all, Arc::new(matches)).await;
    }
}

async fn change<S, K, V>(read: &KeyedRead<S, K, V>, all: bool, matches: Matches<S, K>)
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    if all {
        read.doubt(matches).await;
    } else {
        read.evict(matches).await;
    }
}
