//! The demand as the portal gets it.

use std::{sync::Arc, time::Duration};

use ::tests::{PortalUser, World};
use anyhow::Context as _;
use jiff::Timestamp;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use service_runtime::clock::Clock;

use super::demand::{ACCOUNTS, Ask, PAGE, PRODUCTS, What};
use super::open_loop::{Outcome, Seen};

/// One answer in so many is read for the ages of its facts.
const LOOKED_AT: u64 = 10;

/// Buyers with tokens, one of each account.
#[derive(Debug, Clone)]
pub(crate) struct Shop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buyers: Vec<PortalUser>,
    /// The cursor of each page; none for the first.
    pages: Vec<Option<String>>,
    clock: Clock,
}

impl Shop {
    /// Before a world; it walks through the catalogue once, for the cursors.
    pub(crate) async fn open(world: &World, http: &Client) -> anyhow::Result<Self> {
        let forge = world.estate.sandbox.issuer.forge();
        let mut buyers = Vec::new();
        for account in ACCOUNTS {
            let mut claims = forge.claims("acme-buyer")?;
            claims.accounts = vec![account.to_owned()];
            claims.exp = claims.iat.saturating_add(3_600);
            let token = forge.sign(&claims)?;
            let url = &world.estate.experience_url;
            buyers.push(PortalUser::new(http.clone(), url, token, account));
        }
        let mut pages = vec![None];
        let first = buyers.first().context("nobody buys")?;
        while pages.len() < PRODUCTS.div_ceil(PAGE) {
            let cursor = pages.last().and_then(Option::as_deref);
            let page = first.get(&path_of(cursor)).await?;
            anyhow::ensure!(page.status.is_success(), "no catalogue: {}", page.text);
            pages.push(Some(page.at("/next")));
        }
        Ok(Self(Arc::new(Inner {
            buyers,
            pages,
            clock: Clock::system(),
        })))
    }

    /// The buyer of an account.
    pub(crate) fn buyer(&self, account: usize) -> anyhow::Result<&PortalUser> {
        self.0.buyers.get(account).context("no such account")
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(self, number: u64, ask: Ask) -> anyhow::Result<Outcome> {
        let buyer = self.buyer(ask.account)?;
        let request = match &ask.what {
            What::Page(page) => {
                let cursor = self.0.pages.get(*page).and_then(Option::as_deref);
                buyer.request(Method::GET, &path_of(cursor))
            }
            What::Product(product) => {
                buyer.request(Method::GET, &format!("/products/SKU-{product:04}"))
            }
            What::Basket(lines) => buyer
                .request(Method::POST, "/basket-checks")
                .json(&json!({"lines": lines_of(lines)})),
        };
        let response: Response = request.send().await?;
        let (status, body) = (response.status(), response.bytes().await?);
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let code = problem.get("code").and_then(Value::as_str);
            return Ok(Outcome::Refused(format!(
                "{} {}",
                status.as_u16(),
                code.unwrap_or_default()
            )));
        }
        let looked_at = number.is_multiple_of(LOOKED_AT);
        let seen = looked_at
            .then(|| serde_json::from_slice(&body))
            .transpose()?;
        Ok(Outcome::Answered(
            seen.map(|answer| seen_in(&answer, self.0.clock.now())),
        ))
    }
}

/// The lines of an order in the portal's words.
pub(crate) fn lines_of(lines: &[(usize, u32)]) -> Value {
    lines
        .iter()
        .map(|(product, quantity)| {
            json!({"item": format!("SKU-{product:04}"), "quantity": {"value": quantity.to_string(), "unit": "EA"}})
        })
        .collect()
}

fn path_of(cursor: Option<&str>) -> String {
    cursor.map_or_else(
        || format!("/products?limit={PAGE}"),
        |cursor| format!("/products?limit={PAGE}&cursor={cursor}"),
    )
}

/// What an answer says of facts, anywhere in it.
fn seen_in(answer: &Value, now: Timestamp) -> Seen {
    let own = answer.get("as_of").and_then(Value::as_str);
    let own = own.and_then(|text| text.parse::<Timestamp>().ok());
    let on_request = answer.get("price_on_request").and_then(Value::as_bool);
    let is_product = on_request.is_some();
    let own = Seen {
        oldest: own.and_then(|of| Duration::try_from(now.duration_since(of)).ok()),
        products: usize::from(is_product),
        unpriced: usize::from(on_request.unwrap_or_default()),
        unstocked: usize::from(is_product && answer.get("availability").is_none()),
    };
    let within: Box<dyn Iterator<Item = &Value>> = match answer {
        Value::Object(fields) => Box::new(fields.values()),
        Value::Array(rows) => Box::new(rows.iter()),
        _ => return own,
    };
    within
        .map(|part| seen_in(part, now))
        .fold(own, |all, part| Seen {
            oldest: all.oldest.max(part.oldest),
            products: all.products.saturating_add(part.products),
            unpriced: all.unpriced.saturating_add(part.unpriced),
            unstocked: all.unstocked.saturating_add(part.unstocked),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_fact_and_gaps_are_counted() {
        let now: Timestamp = "2026-11-21T10:01:00Z".parse().unwrap();
        let answer = json!({"items": [
            {"price_on_request": false, "price": {"as_of": "2026-11-21T10:00:50Z"}},
            {"price_on_request": true, "availability": {"as_of": "2026-11-21T10:00:10Z"}}]});
        let seen = Seen {
            oldest: Some(Duration::from_secs(50)),
            products: 2,
            unpriced: 1,
            unstocked: 1,
        };
        assert_eq!(seen_in(&answer, now), seen);
        assert_eq!(seen_in(&json!({"items": []}), now), Seen::default());
    }
}
