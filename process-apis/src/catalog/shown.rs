//! What pages showed when they were asked for last: what a page shows now is mostly the same, and is then told in one exchange
//! with the page itself. Nothing of an answer is kept here, only what is worth asking for.

use std::sync::Arc;

use canonical_model::{AccountId, CompanyId, ItemNumber, ShipToId, product::ProductSearch};
use moka::sync::Cache;

/// About how many bytes are kept.
const MOST: u64 = 8 * 1024 * 1024;

/// A page of the catalogue, or the page of a product.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Page(ProductSearch),
    Item(ItemNumber),
}

/// What somebody looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) company: CompanyId,
    pub(super) account: AccountId,
    pub(super) wanted: Wanted,
}

/// What prices and stock of a view are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) ship_to: Option<ShipToId>,
    /// In the order in which they are shown.
    pub(super) items: Vec<ItemNumber>,
}

/// What was shown last. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shown(Cache<View, Arc<Contents>>);

impl Default for Shown {
    fn default() -> Self {
        let kept = Cache::builder().weigher(weight).max_capacity(MOST);
        Self(kept.build())
    }
}

impl Shown {
    pub(super) fn last(&self, view: &View) -> Option<Arc<Contents>> {
        self.0.get(view)
    }

    pub(super) fn forget(&self, view: &View) {
        self.0.invalidate(view);
    }

    pub(super) fn keep(&self, view: View, contents: Contents) {
        self.0.insert(view, Arc::new(contents));
    }
}

fn weight(view: &View, contents: &Arc<Contents>) -> u32 {
    let words = match &view.wanted {
        Wanted::Page(search) => [&search.search, &search.cursor]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum(),
        Wanted::Item(_) => 0,
    };
    let items = size_of::<ItemNumber>().saturating_mul(contents.items.len());
    let fixed = size_of::<View>().saturating_add(size_of::<Contents>());
    let bytes = fixed.saturating_add(words).saturating_add(items);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
