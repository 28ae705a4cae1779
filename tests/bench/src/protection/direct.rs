//! The same demand, put on Tryton by a shop that knows its ids and keeps nothing: as few calls for each request as its protocol
//! allows. Orders are left out, which is kinder to it than a shop would be.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderway::backends::Tryton;
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::demand::{ACCOUNTS, Ask, PAGE, PRODUCTS, What};
use super::open_loop::Outcome;

/// A shop without Orderway.
#[derive(Debug, Clone)]
pub(crate) struct DirectShop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Client,
    rpc: String,
    session: String,
    context: Map<String, Value>,
    sites: Vec<Value>,
    unit: Value,
    products: Vec<Value>,
    buyers: Vec<Buyer>,
}

#[derive(Debug)]
struct Buyer {
    party: Value,
    price_list: Value,
}

impl DirectShop {
    /// Logs in once, and learns the ids of products, customers, warehouses and the piece.
    pub(crate) async fn open(tryton: &Tryton, http: Client) -> anyhow::Result<Self> {
        let rpc = format!("{}/{}/rpc/", tryton.url, tryton.database("erp")?);
        let (user, password) = tryton.gateway()?;
        let login = json!({"id": 0, "method": "common.db.login", "params": [user, {"password": password}, "en"]});
        let login: Value = http.post(&rpc).json(&login).send().await?.json().await?;
        let (id, token) = (part(&login, "/result/0"), part(&login, "/result/1"));
        let token = token.as_str().context("Tryton let us not in")?;
        let session = STANDARD.encode(format!("{user}:{id}:{token}"));
        let mut shop = Inner {
            http,
            rpc,
            session,
            context: Map::new(),
            sites: Vec::new(),
            unit: Value::Null,
            products: Vec::new(),
            buyers: Vec::new(),
        };
        shop.learn().await?;
        Ok(Self(Arc::new(shop)))
    }

    /// Asks what the portal would have had to ask.
    pub(crate) async fn ask(self, ask: Ask) -> anyhow::Result<Outcome> {
        let shop = &self.0;
        let buyer = shop.buyers.get(ask.account).context("no such account")?;
        match &ask.what {
            What::Page(page) => {
                let first = page.saturating_mul(PAGE);
                let products: Vec<usize> = (first..first.saturating_add(PAGE))
                    .map(|place| place.saturating_add(1))
                    .collect();
                shop.price(buyer, &products, 1).await?;
                shop.stock(&products).await?;
            }
            What::Product(product) => {
                shop.price(buyer, &[*product], 1).await?;
                shop.stock(&[*product]).await?;
            }
            What::Basket(lines) => {
                // A price holds for one quantity: products of the same go together.
                let mut by_quantity: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
                for (product, quantity) in lines {
                    by_quantity.entry(*quantity).or_default().push(*product);
                }
                for (quantity, products) in &by_quantity {
                    shop.price(buyer, products, *quantity).await?;
                }
                let products: Vec<usize> = lines.iter().map(|(product, _)| *product).collect();
                shop.stock(&products).await?;
                let fields = json!(["credit_amount", "credit_limit_amount"]);
                let party = json!([buyer.party]);
                shop.read("party.party", party, fields, &[]).await?;
            }
        }
        Ok(Outcome::Answered(None))
    }
}

impl Inner {
    async fn learn(&mut self) -> anyhow::Result<()> {
        let companies = self
            .search("company.company", json!([]), json!(["party.code"]))
            .await?;
        let company = companies.first().and_then(|row| row.get("id"));
        self.context
            .insert("company".to_owned(), company.context("no company")?.clone());
        let warehouses = self
            .search(
                "stock.location",
                json!([["type", "=", "warehouse"], ["code", "in", ["EAST", "WEST"]]]),
                json!(["code"]),
            )
            .await?;
        self.sites = warehouses
            .iter()
            .filter_map(|row| row.get("id").cloned())
            .collect();
        let codes: Vec<String> = (1..=PRODUCTS).map(|n| format!("SKU-{n:04}")).collect();
        let domain = json!([["code", "in", codes], ["active", "in", [true, false]]]);
        let fields = json!(["code", "default_uom"]);
        let rows = self.search("product.product", domain, fields).await?;
        self.unit = rows
            .first()
            .and_then(|row| row.get("default_uom"))
            .cloned()
            .context("no unit")?;
        let by_code = by_code(&rows);
        self.products = codes
            .iter()
            .filter_map(|code| by_code.get(code.as_str()).map(|row| part(row, "/id")))
            .collect();
        let fields = json!(["code", "sale_price_list"]);
        let domain = json!([["code", "in", ACCOUNTS]]);
        let rows = self.search("party.party", domain, fields).await?;
        let by_code = self::by_code(&rows);
        for account in ACCOUNTS {
            let row = by_code.get(account).context("an account is missing")?;
            self.buyers.push(Buyer {
                party: part(row, "/id"),
                price_list: part(row, "/sale_price_list"),
            });
        }
        anyhow::ensure!(
            self.products.len() == PRODUCTS && self.sites.len() == 2,
            "Tryton does not hold the seed's world"
        );
        Ok(())
    }

    async fn price(&self, buyer: &Buyer, products: &[usize], quantity: u32) -> anyhow::Result<()> {
        let own = [
            ("customer", buyer.party.clone()),
            ("price_list", buyer.price_list.clone()),
            ("quantity", json!(quantity)),
            ("uom", self.unit.clone()),
        ];
        let fields = json!(["sale_price_uom"]);
        let ids = self.ids(products);
        self.read("product.product", ids, fields, &own).await
    }

    async fn stock(&self, products: &[usize]) -> anyhow::Result<()> {
        let own = [("locations", json!(self.sites))];
        let fields = json!(["quantity", "forecast_quantity"]);
        let ids = self.ids(products);
        self.read("product.product", ids, fields, &own).await
    }

    fn ids(&self, products: &[usize]) -> Value {
        let place = |product: &usize| self.products.get(product.saturating_sub(1)).cloned();
        products.iter().filter_map(place).collect()
    }

    async fn read(
        &self,
        model: &str,
        ids: Value,
        fields: Value,
        own: &[(&str, Value)],
    ) -> anyhow::Result<()> {
        let mut context = self.context.clone();
        for (name, value) in own {
            context.insert((*name).to_owned(), value.clone());
        }
        let params = json!([ids, fields, context]);
        self.call(model, "read", params).await.map(drop)
    }

    async fn search(
        &self,
        model: &str,
        domain: Value,
        fields: Value,
    ) -> anyhow::Result<Vec<Value>> {
        let params = json!([domain, 0, 1000, null, fields, self.context]);
        let rows = self.call(model, "search_read", params).await?;
        rows.as_array().cloned().context("no rows")
    }

    async fn call(&self, model: &str, method: &str, params: Value) -> anyhow::Result<Value> {
        let asked = json!({"id": 1, "method": format!("model.{model}.{method}"), "params": params});
        let call = self.http.post(&self.rpc).json(&asked);
        let call = call.header("Authorization", format!("Session {}", self.session));
        let answer: Value = call.send().await?.error_for_status()?.json().await?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => anyhow::bail!("Tryton says {}", part(&answer, "/error/0")),
        }
    }
}

fn by_code(rows: &[Value]) -> HashMap<&str, &Value> {
    rows.iter()
        .filter_map(|row| Some((row.get("code").and_then(Value::as_str)?, row)))
        .collect()
}

/// What stands there; null where nothing does.
fn part(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).cloned().unwrap_or_default()
}
