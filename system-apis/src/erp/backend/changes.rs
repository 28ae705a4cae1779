//! What is thrown out of the caches when facts have changed at the source.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use canonical_model::{AccountId, CompanyId, ItemNumber, item::ItemScheme};

use super::{Buyer, ErpBackend};
use crate::{
    erp::feed::Feed,
    notices::{Change, ChangedFacts},
};

/// Whether one is among those named; none named = all.
struct Named<T>(HashSet<T>);

impl<T: Hash + Eq + Clone> Named<T> {
    fn new(named: &[T]) -> Self {
        Self(named.iter().cloned().collect())
    }

    fn has(&self, one: &T) -> bool {
        self.0.is_empty() || self.0.contains(one)
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

    /// Throws out what a change makes wrong. Who asks from now on gets nothing that was asked for before.
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
        let matches = move |company: &CompanyId, account: &_| *company == of && named.has(account);
        self.accounts.evict(Arc::new(matches)).await;
    }

    /// Any number but the seller's own may lead to a product that is named.
    async fn evict_products(&self, of: CompanyId, named: Named<ItemNumber>) {
        let pages = of.clone();
        self.products
            .evict(Arc::new(move |buyer: &Buyer, item| {
                let other = item.scheme != ItemScheme::SellerPartNumber;
                let is_named = || {
                    let number = ItemNumber::new(item.value.as_str());
                    number.is_ok_and(|number| named.has(&number))
                };
                buyer.company == of && (other || is_named())
            }))
            .await;
        let matches = move |company: &CompanyId, _: &_| *company == pages;
        self.catalogue.evict(Arc::new(matches)).await;
    }

    async fn evict_prices(
        &self,
        of: CompanyId,
        accounts: Named<AccountId>,
        items: Named<ItemNumber>,
    ) {
        self.prices
            .evict(Arc::new(move |buyer: &Buyer, ask| {
                buyer.company == of && accounts.has(&buyer.account) && items.has(&ask.item)
            }))
            .await;
    }

    async fn evict_stock(&self, of: CompanyId, items: Named<ItemNumber>) {
        self.stock
            .evict(Arc::new(move |company: &CompanyId, key| {
                *company == of && items.has(&key.0)
            }))
            .await;
    }

    async fn evict_credit(&self, of: CompanyId, named: Named<AccountId>) {
        let matches = move |company: &CompanyId, account: &_| *company == of && named.has(account);
        self.credit.evict(Arc::new(matches)).await;
    }
}
