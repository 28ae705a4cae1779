//! What is asked for: 200 pages of three accounts, and in which order.

use std::path::Path;

use ::tests::processes::Binaries;
use anyhow::Context as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::{PAGES, unpriced};
use crate::{
    estate::{Estate, Plan},
    workloads::portal::path,
};

/// Each account with the client whose token acts for it.
pub(super) const ACCOUNTS: [(&str, &str); 3] = [
    ("ACME", "acme-buyer"),
    ("ACME-WEST", "acme-west-buyer"),
    ("BOREALIS", "borealis-buyer"),
];
pub(super) const PRODUCTS_OF_A_PAGE: usize = 20;
/// Products between the begins of two pages.
const APART: usize = 2;
/// So many are drawn; then they come again.
const DRAWN: usize = 60_000;

/// What is asked for.
pub(super) struct Keys {
    /// Where each page begins, in the portal's words; none = with the first product.
    pub(super) begins: Vec<Option<String>>,
    /// Products by number.
    pub(super) items: Vec<String>,
    /// The places of pages, from 0, as they are asked for.
    pub(super) order: Vec<usize>,
}

impl Keys {
    /// From an estate that is not slow; its pages are kept in a folder, for the upstream of the others.
    pub(super) async fn get(binaries: &Binaries, folder: &Path) -> anyhow::Result<Self> {
        let estate = Estate::start(binaries, &Plan::default().far_budgets()).await?;
        std::fs::create_dir_all(folder)?;
        let mut tokens = Vec::new();
        for (_, client) in ACCOUNTS {
            tokens.push(estate.token(client).await?);
        }
        let reader = Reader {
            estate: &estate,
            tokens,
        };
        let (mut begins, mut items) = (vec![None], Vec::new());
        while begins.len() < PAGES.div_ceil(ACCOUNTS.len()) {
            let begin = begins.last().cloned().flatten();
            let page = reader.page(0, begin.as_deref(), APART).await?;
            let page: Value = serde_json::from_slice(&page)?;
            let found = page.get("items").and_then(Value::as_array);
            let named = |row: &Value| Some(row.get("item")?.as_str()?.to_owned());
            items.extend(found.into_iter().flatten().filter_map(named));
            let next = page.get("next").and_then(Value::as_str);
            begins.push(Some(next.context("the catalogue is too short")?.to_owned()));
        }
        for number in 0..PAGES {
            let (account, begin) = place(number);
            let begin = begins.get(begin).cloned().flatten();
            let page = reader
                .page(account, begin.as_deref(), PRODUCTS_OF_A_PAGE)
                .await?;
            std::fs::write(folder.join(format!("{number}.json")), page)?;
        }
        Ok(Self {
            begins,
            items,
            order: order(),
        })
    }
}

/// Account and begin of a page: the pages that are asked for most are of all accounts.
pub(super) const fn place(number: usize) -> (usize, usize) {
    (number % ACCOUNTS.len(), number / ACCOUNTS.len())
}

struct Reader<'a> {
    estate: &'a Estate,
    tokens: Vec<String>,
}

impl Reader<'_> {
    /// A page, once it is whole.
    async fn page(
        &self,
        account: usize,
        begin: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}{}", self.estate.experience, path(limit, begin));
        let token = self.tokens.get(account).context("an account has a token")?;
        let (name, _) = ACCOUNTS.get(account).context("an account has a name")?;
        for _ in 0..20 {
            let request = self.estate.http.get(&url).bearer_auth(token);
            let answer = request.header("orderway-account", *name).send().await?;
            let body = answer.error_for_status()?.bytes().await?;
            if unpriced(&body, limit).is_none() {
                return Ok(body.to_vec());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("{url} is never whole for {name}")
    }
}

/// The n-th page with a weight of 1/n, the same in every run.
pub(super) fn order() -> Vec<usize> {
    let weight = |place: usize| 1_000_000_usize.checked_div(place.saturating_add(1));
    let mut whole = 0_usize;
    let ends: Vec<usize> = (0..PAGES)
        .map(|place| {
            whole = whole.saturating_add(weight(place).unwrap_or_default());
            whole
        })
        .collect();
    let mut luck = StdRng::seed_from_u64(1);
    (0..DRAWN)
        .map(|_| {
            let drawn = luck.random_range(0..whole.max(1));
            ends.partition_point(|end| *end <= drawn)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_asked_for_and_the_first_most() {
        let mut counts = vec![0_u32; PAGES];
        for place in order() {
            counts[place] += 1;
        }
        assert!(counts.iter().all(|count| *count > 0));
        assert!(counts[0] > 50 * counts[PAGES - 1]);
    }
}
