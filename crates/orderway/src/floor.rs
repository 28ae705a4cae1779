//! The floor of a warehouse, worked on past the layers: what it has to send, and the people who pick, pack and ship it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use rust_decimal::Decimal;
use sandbox::{
    Wms,
    wms::{FloorStep, PickRequest, Quantities},
};
use serde_json::{Number, Value, json};

use crate::rpc::{Rpc, at, text};

/// What Tryton calls an outgoing shipment.
const SHIPMENT: &str = "stock.shipment.out";

/// How much of each item, in its base unit.
pub type Goods = BTreeMap<String, Decimal>;

/// The floor of one company's warehouse.
#[derive(Debug, Clone)]
pub enum Floor {
    /// The sandbox's.
    Sandbox(Wms),
    /// A database of Tryton.
    Tryton(Rpc),
}

/// What a warehouse was asked to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What it calls it.
    pub number: String,
    /// From where.
    pub site: String,
    /// What.
    pub goods: Goods,
}

impl Floor {
    /// What it was asked to send for the order of this reference.
    pub async fn releases_of(&self, order_reference: &str) -> anyhow::Result<Vec<Release>> {
        match self {
            Self::Sandbox(wms) => Ok(requests_of(wms, order_reference)),
            Self::Tryton(tryton) => shipments_of(tryton, order_reference).await,
        }
    }

    /// So much is taken off the shelves, whatever was asked for.
    pub async fn pick(&self, release: &Release, taken: &Goods) -> anyhow::Result<()> {
        match self {
            Self::Sandbox(wms) => {
                let requests = wms.pick_requests().into_iter();
                let mut of_it = requests.filter(|one| one.pick_request_id == release.number);
                let request = of_it.next().context("there is no such pick request")?;
                let lines = request.lines.into_iter().map(|line| {
                    let taken = taken.get(&line.sku_code).copied().unwrap_or_default();
                    (line.line_ref, taken)
                });
                let lines: Quantities = lines.collect();
                wms.work(&release.number, FloorStep::Pick, Some(&lines))?;
                Ok(())
            }
            Self::Tryton(tryton) => pick(tryton, release, taken).await,
        }
    }

    /// What is picked is packed.
    pub async fn pack(&self, release: &Release) -> anyhow::Result<()> {
        self.go_on(release, FloorStep::Pack, &["pack"]).await
    }

    /// What is packed leaves.
    pub async fn ship(&self, release: &Release) -> anyhow::Result<()> {
        self.go_on(release, FloorStep::Ship, &["ship", "do"]).await
    }

    async fn go_on(
        &self,
        release: &Release,
        step: FloorStep,
        buttons: &[&str],
    ) -> anyhow::Result<()> {
        match self {
            Self::Sandbox(wms) => {
                wms.work(&release.number, step, None)?;
            }
            Self::Tryton(tryton) => {
                let shipment = shipment(tryton, &release.number).await?;
                for button in buttons {
                    tryton.press(SHIPMENT, button, at(&shipment, "/id")).await?;
                }
            }
        }
        Ok(())
    }
}

fn requests_of(wms: &Wms, order_reference: &str) -> Vec<Release> {
    let begins = format!("{order_reference}-");
    let requests = wms.pick_requests().into_iter();
    let of_it = requests.filter(|request| request.client_ref.starts_with(&begins));
    let release = |request: PickRequest| {
        let mut goods = Goods::new();
        for line in request.lines {
            *goods.entry(line.sku_code).or_default() += line.qty;
        }
        Release {
            number: request.pick_request_id,
            site: request.site_code,
            goods,
        }
    };
    of_it.map(release).collect()
}

/// Those that people may work on.
async fn shipments_of(tryton: &Rpc, order_reference: &str) -> anyhow::Result<Vec<Release>> {
    let domain = json!([
        ["reference", "like", format!("{order_reference}-% | %")],
        ["state", "!=", "draft"]
    ]);
    let fields = json!(["number", "warehouse.code"]);
    let mut releases = Vec::new();
    for shipment in tryton.search(SHIPMENT, domain, fields).await? {
        let mut goods = Goods::new();
        for one in moves(tryton, &shipment, "=").await? {
            let (item, quantity) = moved(&one)?;
            *goods.entry(item).or_default() += quantity;
        }
        releases.push(Release {
            number: text(at(&shipment, "/number")),
            site: text(at(&shipment, "/warehouse./code")),
            goods,
        });
    }
    Ok(releases)
}

async fn shipment(tryton: &Rpc, number: &str) -> anyhow::Result<Value> {
    let domain = json!([["number", "=", number]]);
    let mut found = tryton.search(SHIPMENT, domain, json!(["state"])).await?;
    let only = found.pop().filter(|_| found.is_empty());
    only.with_context(|| format!("there is no one shipment {number}"))
}

/// The goods of a shipment on their way to the customer (`=`), or within the warehouse (`!=`).
async fn moves(tryton: &Rpc, shipment: &Value, to_customer: &str) -> anyhow::Result<Vec<Value>> {
    let domain = json!([
        [
            "shipment",
            "=",
            format!("{SHIPMENT},{}", at(shipment, "/id"))
        ],
        ["to_location.type", to_customer, "customer"]
    ]);
    let fields = json!(["product.code", "quantity"]);
    tryton.search("stock.move", domain, fields).await
}

fn moved(one: &Value) -> anyhow::Result<(String, Decimal)> {
    let quantity = at(one, "/quantity").to_string();
    let quantity = quantity.parse::<Decimal>();
    let quantity = quantity.with_context(|| format!("a move without a quantity: {one}"))?;
    Ok((text(at(one, "/product./code")), quantity.normalize()))
}

/// What lies ready is set aside and picked; of an item that lies on several shelves the first is emptied first.
async fn pick(tryton: &Rpc, release: &Release, taken: &Goods) -> anyhow::Result<()> {
    let before = shipment(tryton, &release.number).await?;
    let mut left = taken.clone();
    for one in moves(tryton, &before, "!=").await? {
        let (item, there) = moved(&one)?;
        let left = left.entry(item).or_default();
        let less = there.min(*left);
        *left -= less;
        if less < there {
            let quantity: Number = less.to_string().parse()?;
            let values = json!({"quantity": quantity});
            tryton.write("stock.move", at(&one, "/id"), values).await?;
        }
    }
    let id = at(&before, "/id");
    tryton.press(SHIPMENT, "assign_try", id).await?;
    let assigned = shipment(tryton, &release.number).await?;
    anyhow::ensure!(
        at(&assigned, "/state") == "assigned",
        "the shelves do not hold what {} was asked for; tests/backends/tryton up --fresh fills them",
        release.number
    );
    tryton.press(SHIPMENT, "pick", id).await
}
