//! Every published cXML and OCI document of the sample collection, sent to the running gateway: as it is, then as the
//! test's partner would have sent it, step by step, until it is taken or it is clear why not. What is due at each step
//! was decided by reading the document, the standard and docs/punchout.md.
//!
//! The collection is not part of this repository: without it the tests say so and pass. A file without a row, and a row
//! without a file, fail them.

mod cxml;
mod oci;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use rust_decimal::Decimal;
use serde_json::json;
use tests::{Setup, Terms, World, punchout::Site};

use crate::{
    findings::{Findings, generous},
    support::{decimal, line, the_live_one},
};

/// What was agreed for the samples beside the demonstration's profile: where their carts go back to, and their units.
const AGREED: &[(&str, &str)] = &[(
    "[units]\nBX = \"XBX\"",
    "[units]\nBX = \"XCT\"\nPCE = \"EA\"\nPA = \"EA\"",
)];
const RETURN_URLS: &str = "return_urls = [\"https://prominate-platform.com/hook-url\", \
     \"https://your-system.example.com/punchout/\", \"https://return_to_supplier_url.com/\"]";

/// A line of an order as the ERP should have it: product, quantity, unit; the ERP has its own words for units.
type Kept = (&'static str, &'static str, &'static str);

/// A world in which the samples' buyer is a partner.
struct Play {
    world: World,
    site: Arc<Site>,
}

impl Play {
    async fn start() -> anyhow::Result<Self> {
        let site = Arc::new(Site::start().await?);
        let own = format!("return_urls = [\"{}/\"]", site.url);
        let mut changes = vec![(own.as_str(), RETURN_URLS)];
        changes.extend(AGREED);
        let setup = generous(Setup::default()).with_punchout_partner(&site, &changes)?;
        // Orders of hundreds of pieces are no matter of credit here.
        let setup = setup.with_sandbox(|sandbox| {
            for account in &mut sandbox.seed.accounts {
                account.credit.limit = Some(Decimal::from(100_000_000));
            }
        });
        let world = World::start_with(setup).await?;
        Ok(Self { world, site })
    }

    /// What one unit of each line costs today, as the portal tells it.
    async fn prices(&self, lines: &[Kept]) -> anyhow::Result<Vec<Decimal>> {
        let user = self.world.portal_user("acme-buyer", "ACME")?;
        let lines: Vec<_> = lines.iter().map(|kept| line(*kept)).collect();
        let body = json!({"lines": lines});
        let checked = user.post("/basket-checks", "none", &body).await?;
        let terms = Terms::of_portal(&checked.json());
        anyhow::ensure!(terms.lines.len() == lines.len(), "{}", checked.text);
        Ok(terms
            .lines
            .iter()
            .map(|one| decimal(&one.unit_price))
            .collect())
    }

    /// The ERP's one order of this number has these lines at these prices.
    async fn kept(
        &self,
        findings: &mut Findings,
        case: &str,
        number: &str,
        lines: &[Kept],
        prices: &[Decimal],
    ) -> anyhow::Result<()> {
        let order = the_live_one(&self.world, number).await?;
        findings.check(
            case,
            order.account == "ACME" && order.ship_to == "ACME-01",
            format!("{order:?}"),
        );
        let seen = order.lines.iter().map(|line| {
            let product = (line.item.as_str(), line.unit.as_str(), line.net_price);
            (product, line.quantity)
        });
        let due = lines
            .iter()
            .zip(prices)
            .map(|((item, quantity, unit), price)| {
                let unit = if *unit == "EA" { "ST" } else { "KAR" };
                ((*item, unit, *price), decimal(quantity))
            });
        let (seen, due) = (summed(seen), summed(due));
        findings.check(
            case,
            seen == due,
            format!("{due:?} is due, and the ERP has {seen:?}"),
        );
        Ok(())
    }

    /// Orders of this number in the ERP, whatever their state.
    fn count(&self, number: &str) -> usize {
        let orders = self.world.estate.sandbox.erp.orders();
        orders
            .iter()
            .filter(|order| order.purchase_order_number == number)
            .count()
    }
}

/// By product, unit and price: where the stock of one site does not cover a line, the ERP has a part of it for each site.
fn summed<'t>(
    lines: impl Iterator<Item = ((&'t str, &'t str, Decimal), Decimal)>,
) -> BTreeMap<(&'t str, &'t str, Decimal), Decimal> {
    let mut sums = BTreeMap::new();
    for (product, quantity) in lines {
        *sums.entry(product).or_insert(Decimal::ZERO) += quantity;
    }
    sums
}

/// The files of a folder; each has a row, and each row a file.
fn files<'t>(folder: &Path, rows: impl Iterator<Item = &'t str>) -> anyhow::Result<()> {
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        there.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let rows: BTreeSet<String> = rows.map(str::to_owned).collect();
    let without_row: Vec<&String> = there.difference(&rows).collect();
    let without_file: Vec<&String> = rows.difference(&there).collect();
    anyhow::ensure!(
        without_row.is_empty() && without_file.is_empty(),
        "read these and give each its row: {without_row:?}; rows without a file: {without_file:?}"
    );
    Ok(())
}
