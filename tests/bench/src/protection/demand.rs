//! What buyers of a busy shop ask for: some accounts and some products much more than others.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// Who buys: the sandbox's seed has them all.
pub(crate) const ACCOUNTS: [&str; 3] = ["ACME", "BOREALIS", "ACME-WEST"];
/// Products of the seed, and how many of them a page shows.
pub(crate) const PRODUCTS: usize = 200;
pub(crate) const PAGE: usize = 20;
/// What people order.
const QUANTITIES: [u32; 6] = [1, 2, 5, 10, 24, 144];
/// Of a hundred requests: pages, products; the rest are baskets.
const PAGES: u32 = 60;
const DETAILS: u32 = 25;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Of which account, by its place.
    pub(crate) account: usize,
    /// For what.
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A page of the catalogue, by its place, with prices and availability.
    Page(usize),
    /// A product, by its number from 1.
    Product(usize),
    /// What would become of an order: product and quantity of each line.
    Basket(Vec<(usize, u32)>),
}

impl What {
    /// What it is called in a table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Page(_) => "page of 20",
            Self::Product(_) => "product",
            Self::Basket(_) => "basket check",
        }
    }
}

/// Asks without end, the same for the same seed.
#[derive(Debug)]
pub(crate) struct Demand {
    luck: StdRng,
}

impl Demand {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            luck: StdRng::seed_from_u64(seed),
        }
    }

    /// Every page of every account, one after the other.
    pub(crate) fn in_turn(number: usize) -> Ask {
        let pages = PRODUCTS.div_ceil(PAGE);
        Ask {
            account: number.checked_div(pages).unwrap_or_default() % ACCOUNTS.len(),
            what: What::Page(number.checked_rem(pages).unwrap_or_default()),
        }
    }

    pub(crate) fn ask(&mut self) -> Ask {
        let account = self.skewed(ACCOUNTS.len());
        let what = match self.luck.random_range(0..100) {
            0..PAGES => What::Page(self.skewed(PRODUCTS.div_ceil(PAGE))),
            kind if kind < PAGES.saturating_add(DETAILS) => What::Product(self.product()),
            _ => {
                let lines = self.luck.random_range(2..=5);
                What::Basket((0..lines).map(|_| self.line()).collect())
            }
        };
        Ask { account, what }
    }

    fn line(&mut self) -> (usize, u32) {
        let chosen = self.luck.random_range(0..QUANTITIES.len());
        let quantity = QUANTITIES.get(chosen).copied().unwrap_or(1);
        (self.product(), quantity)
    }

    fn product(&mut self) -> usize {
        self.skewed(PRODUCTS).saturating_add(1)
    }

    /// The n-th of so many with a weight of 1/n (Zipf), counted from 0.
    fn skewed(&mut self, of: usize) -> usize {
        let weight = |place: usize| 1_000_000 / place.saturating_add(1);
        let whole = (0..of).map(weight).sum::<usize>();
        let mut left = self.luck.random_range(0..whole.max(1));
        for place in 0..of {
            match left.checked_sub(weight(place)) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_asked_for_most_and_all_are_asked_for() {
        let mut demand = Demand::new(7);
        let mut pages = [0_u32; 10];
        for _ in 0..10_000 {
            if let What::Page(page) = demand.ask().what {
                pages[page] += 1;
            }
        }
        assert!(pages.iter().all(|count| *count > 0));
        assert!(pages[0] > 3 * pages[9]);
    }
}
