//! A world in which one account buys by every channel, and whose contract can change.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use sandbox::{PriceChange, seed::PriceKind};
use serde_json::Value;
use tests::{PortalUser, Setup, Terms, World, punchout::Site, texts, until};

/// A line: item, quantity, unit by UN/ECE, and that unit as X12 and OCI write it.
pub(crate) type Line = (&'static str, &'static str, &'static str, &'static str);

/// Who buys, by any channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buyer {
    pub(crate) client: &'static str,
    pub(crate) account: &'static str,
}

pub(crate) const ACME: Buyer = Buyer {
    client: "acme-buyer",
    account: "ACME",
};
pub(crate) const BOREALIS: Buyer = Buyer {
    client: "borealis-buyer",
    account: "BOREALIS",
};

/// What is replaced in the profiles of the account's partner.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Agreed<'a> {
    pub(crate) edi: &'a [(&'a str, &'a str)],
    pub(crate) punchout: &'a [(&'a str, &'a str)],
}

/// A world with a partner that orders by EDI and by punchout.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) site: Arc<Site>,
    pub(crate) buyer: Buyer,
}

/// Prices that are asked for at the ERP every time.
const NO_MEMORY: (&str, &str) = (
    "ORDERWAY_SYSTEM__ERP__MAIN__CACHE__PRICES",
    "{ fresh = \"0s\", stale_if_error = \"0s\", entries = 1000 }",
);

impl Scene {
    /// A world in which it is Wednesday noon in Columbus, and stays so.
    pub(crate) async fn frozen(buyer: Buyer, agreed: Agreed<'_>) -> anyhow::Result<Self> {
        Self::open(noon()?, buyer, agreed).await
    }

    /// The same, where a change of the contract is known at once.
    pub(crate) async fn changing(buyer: Buyer) -> anyhow::Result<Self> {
        let setup = noon()?.with(NO_MEMORY.0, NO_MEMORY.1);
        Self::open(setup, buyer, Agreed::default()).await
    }

    /// The same, while time goes on and many buy at once.
    pub(crate) async fn busy(buyer: Buyer) -> anyhow::Result<Self> {
        let setup = Setup::default().with(NO_MEMORY.0, NO_MEMORY.1).with(
            "ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND",
            "200",
        );
        Self::open(setup, buyer, Agreed::default()).await
    }

    /// Any world, with the partner in it.
    async fn open(setup: Setup, buyer: Buyer, agreed: Agreed<'_>) -> anyhow::Result<Self> {
        let site = Arc::new(Site::start().await?);
        let account = format!("account = \"{}\"", buyer.account);
        let place = format!("\"{}-01\"", buyer.account);
        let mut changes = vec![
            ("account = \"ACME\"", account.as_str()),
            ("\"ACME-01\"", place.as_str()),
        ];
        changes.extend_from_slice(agreed.punchout);
        let setup = setup
            .with_partner("partner", buyer.account, agreed.edi)?
            .with_punchout_partner(&site, &changes)?;
        Ok(Self {
            world: World::start_with(setup).await?,
            site,
            buyer,
        })
    }

    /// The account's user of the portal.
    pub(crate) fn user(&self) -> anyhow::Result<PortalUser> {
        self.world
            .portal_user(self.buyer.client, self.buyer.account)
    }

    pub(crate) fn today(&self) -> Date {
        TimeZone::UTC.to_datetime(self.world.now()).date()
    }

    /// The order of a purchase order once it is settled, and its holds as the seller sees them; `None` = there is none.
    pub(crate) async fn order(&self, number: &str) -> anyhow::Result<Option<(Terms, Vec<String>)>> {
        let user = self.user()?;
        let query = format!("/orders?purchase_order_number={number}");
        let found = user.get(&query).await?;
        let orders = texts(&found.json(), "/items");
        anyhow::ensure!(
            orders.len() < 2,
            "{number} is several orders: {}",
            found.text
        );
        if orders.is_empty() {
            return Ok(None);
        }
        let path = format!("/orders/{}", found.at("/items/0/order_id"));
        let what = format!("{number}, settled,");
        let seen = until(&what, async || {
            let seen = user.get(&path).await?;
            Ok((seen.at("/status") != "received").then_some(seen))
        });
        let seen = seen.await?;
        let terms = Terms::of_portal(&seen.json());
        Ok(Some((terms, self.holds(&seen.at("/order_id")).await?)))
    }

    async fn holds(&self, order: &str) -> anyhow::Result<Vec<String>> {
        let listed = self.world.operator()?.get("/v1/holds").await?.json();
        let mut held = texts(&listed, "/items").into_iter();
        let held = held.find(|held| held["order_id"] == *order);
        let holds = held.map(|held| texts(&held, "/holds")).unwrap_or_default();
        let said = |hold: &Value| {
            let text = |name: &str| hold[name].as_str().map(str::to_owned);
            let detail = text("detail").with_context(|| format!("no hold: {hold}"))?;
            Ok(format!(
                "{}, line {}: {detail}",
                text("kind").unwrap_or_default(),
                hold["line"]
            ))
        };
        holds.iter().map(said).collect()
    }

    /// From now on the contract has another price for a product, whatever the quantity; and nobody knows yet.
    pub(crate) fn change_contract(&self, item: &str, price: Decimal) -> anyhow::Result<()> {
        let change = PriceChange {
            item: item.to_owned(),
            kind: PriceKind::ContractAccount,
            holder: self.buyer.account.to_owned(),
            break_quantity: None,
            price,
        };
        self.world.estate.sandbox.erp.set_price(change)?;
        Ok(())
    }
}

fn noon() -> anyhow::Result<Setup> {
    let noon: Timestamp = "2026-12-02T15:00:00Z".parse()?;
    Ok(Setup::at(noon).0)
}
