//! News of an ERP's masters: what changed since a stamp, so that what is cached of it is thrown out before it has aged.
//!
//! Nothing of it is kept: an instance that starts has empty caches, and begins at the source's present.

#[cfg(test)]
mod live_tests;
mod reader;
mod watermark;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use canonical_model::{AccountId, ItemNumber};
use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use crate::{
    connector::ConnectorError,
    guard::Operation,
    intake::feed::{Position, Stamp},
    notices::{ChangedFacts, RowsRead},
};

pub(crate) use reader::MasterReader;
use watermark::Watermark;

/// How an ERP's changes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangesConfig {
    /// Between two looks; 0s = they are not read.
    pub interval: HumanDuration,
    /// The longest that a change may take to become visible after its stamp: the source's longest transaction, and how far
    /// the clocks of its own servers may differ.
    pub overlap: HumanDuration,
}

impl Default for ChangesConfig {
    fn default() -> Self {
        Self {
            interval: HumanDuration::from_secs(30),
            overlap: HumanDuration::from_secs(120),
        }
    }
}

impl ChangesConfig {
    /// Whether they are read.
    pub fn is_on(&self) -> bool {
        !self.interval.get().is_zero()
    }
}

impl Validate for ChangesConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            !self.is_on() || self.interval >= HumanDuration::from_millis(10),
            "interval",
            "give at least 10ms, or 0s to read none",
        );
        faults.check(
            self.overlap <= HumanDuration::from_secs(86_400),
            "overlap",
            "give at most 1d: so much is read again with each look",
        );
    }
}

/// A kind of facts that a change makes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// Accounts.
    Accounts,
    /// Products.
    Products,
    /// Prices.
    Prices,
    /// Stock.
    Stock,
    /// Credit.
    Credit,
}

/// One of the sets of records that a feed is made of. Each is read by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What a change in it makes wrong.
    pub facts: &'static [FactKind],
}

/// Whose facts a change makes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// Those of everything.
    Everything,
    /// Those of an account.
    Account(AccountId),
    /// Those of an item.
    Item(ItemNumber),
    /// Nobody's: it has no name that could be asked for.
    Nobody,
}

/// A record that has changed, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub at: Position,
    /// Whose facts.
    pub of: Of,
}

/// What one look at a part has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In no order; the newest stamp of the part is among them.
    pub rows: Vec<Row>,
    /// Whether there are more than these.
    pub more: bool,
}

/// An ERP whose changes can be read. Each method is one look at it, without retrying or waiting.
#[async_trait]
pub trait MasterFeed: Send + Sync + 'static {
    /// What it is made of.
    fn parts(&self) -> &'static [Part];

    /// The stamp of the last change of a part; None where there is no record.
    async fn newest(&self, part: Part) -> Result<Option<Stamp>, ConnectorError>;

    /// What has a later stamp than this.
    async fn changed(&self, part: Part, after: Stamp) -> Result<Page, ConnectorError>;
}

/// The facts of a part that these rows make wrong, as few changes as can be.
fn facts_of(part: Part, rows: &[Row]) -> Vec<ChangedFacts> {
    if rows.iter().any(|row| row.of == Of::Everything) {
        return all_of(part);
    }
    let (mut accounts, mut items) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        match &row.of {
            Of::Account(account) => drop(accounts.insert(account.clone())),
            Of::Item(item) => drop(items.insert(item.clone())),
            Of::Everything | Of::Nobody => {}
        }
    }
    let (accounts, items): (Vec<_>, Vec<_>) = (Vec::from_iter(accounts), Vec::from_iter(items));
    // An empty list would be all of the kind.
    let of_accounts = part.facts.iter().filter(|_| !accounts.is_empty());
    let of_accounts = of_accounts.filter_map(|kind| changed(*kind, &accounts, &[]));
    let of_items = part.facts.iter().filter(|_| !items.is_empty());
    let of_items = of_items.filter_map(|kind| changed(*kind, &[], &items));
    of_accounts.chain(of_items).collect()
}

/// All facts that a part may make wrong.
fn all_of(part: Part) -> Vec<ChangedFacts> {
    let all = part
        .facts
        .iter()
        .filter_map(|kind| changed(*kind, &[], &[]));
    all.collect()
}

/// The change of a kind of facts; nothing where the kind is not told apart by what is named.
fn changed(kind: FactKind, accounts: &[AccountId], items: &[ItemNumber]) -> Option<ChangedFacts> {
    let (accounts, items) = (accounts.to_vec(), items.to_vec());
    match kind {
        FactKind::Accounts if items.is_empty() => Some(ChangedFacts::Accounts { accounts }),
        FactKind::Credit if items.is_empty() => Some(ChangedFacts::Credit { accounts }),
        FactKind::Products if accounts.is_empty() => Some(ChangedFacts::Products { items }),
        FactKind::Stock if accounts.is_empty() => Some(ChangedFacts::Stock { items }),
        FactKind::Prices => Some(ChangedFacts::Prices { accounts, items }),
        FactKind::Accounts | FactKind::Credit | FactKind::Products | FactKind::Stock => None,
    }
}

/// The feed of a backend, how it is read, and how far each part of it has been.
pub struct Feed {
    feed: Arc<dyn MasterFeed>,
    operation: Arc<Operation>,
    config: ChangesConfig,
    marks: Mutex<BTreeMap<&'static str, Watermark>>,
}

impl Feed {
    /// Nothing has been read.
    pub fn new(
        feed: Arc<dyn MasterFeed>,
        operation: Arc<Operation>,
        config: ChangesConfig,
    ) -> Self {
        Self {
            feed,
            operation,
            config,
            marks: Mutex::default(),
        }
    }

    /// The operation that reads it.
    pub fn operation(&self) -> &Arc<Operation> {
        &self.operation
    }

    /// Another instance has read these rows. Whether any is news here, and what they say must be thrown out.
    pub fn note(&self, read: &RowsRead) -> bool {
        let mut marks = self.marks();
        let mark = marks.get_mut(read.part.as_str());
        mark.is_none_or(|mark| mark.note(&read.rows))
    }

    fn marks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Watermark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIES: Part = Part {
        name: "parties",
        facts: &[FactKind::Accounts, FactKind::Prices],
    };
    const PRODUCTS: Part = Part {
        name: "products",
        facts: &[FactKind::Products, FactKind::Prices],
    };

    fn row(of: Of) -> Row {
        let (stamp, id) = (Stamp(1), "1".to_owned());
        let at = Position { stamp, id };
        Row { at, of }
    }

    fn account(name: &str) -> Of {
        Of::Account(AccountId::new(name).unwrap())
    }

    fn item(name: &str) -> Of {
        Of::Item(ItemNumber::new(name).unwrap())
    }

    #[test]
    fn many_rows_are_one_change_of_each_kind_of_facts() {
        let rows = ["SKU-2", "SKU-1", "SKU-2"].map(|name| row(item(name)));
        let items: Vec<ItemNumber> = ["SKU-1", "SKU-2"]
            .map(|name| ItemNumber::new(name).unwrap())
            .to_vec();
        let accounts = Vec::new();
        let products = ChangedFacts::Products {
            items: items.clone(),
        };
        let prices = ChangedFacts::Prices { accounts, items };
        assert_eq!(facts_of(PRODUCTS, &rows), [products, prices]);
    }

    #[test]
    fn the_prices_of_an_account_are_those_of_all_items() {
        let accounts = vec![AccountId::new("ACME").unwrap()];
        let items = Vec::new();
        let whose = ChangedFacts::Accounts {
            accounts: accounts.clone(),
        };
        let prices = ChangedFacts::Prices { accounts, items };
        assert_eq!(
            facts_of(PARTIES, &[row(account("ACME")), row(Of::Nobody)]),
            [whose, prices]
        );
    }

    #[test]
    fn what_nobody_asks_for_throws_nothing_out() {
        assert_eq!(facts_of(PARTIES, &[row(Of::Nobody)]), []);
        assert_eq!(facts_of(PRODUCTS, &[]), []);
    }

    #[test]
    fn what_concerns_everything_throws_everything_of_the_part_out() {
        let rows = [row(item("SKU-1")), row(Of::Everything)];
        assert_eq!(facts_of(PRODUCTS, &rows), all_of(PRODUCTS));
        let all = ChangedFacts::Products { items: Vec::new() };
        assert_eq!(all_of(PRODUCTS)[0], all);
    }
}
