//! A shopper without a browser: follows the start link, fills the forms of the shop's pages, reads what they show, and
//! takes away what a browser would post back.

use anyhow::Context as _;
use reqwest::{StatusCode, header};
use rust_decimal::Decimal;
use url::Url;

use super::{
    Posted,
    page::{self, Element},
};

/// How often a shopper looks again at a cart whose prices change.
const LOOKS: usize = 20;

/// A shopper in the shop.
pub struct Walk {
    http: reqwest::Client,
    /// The first page; the others are below it.
    shop: Url,
}

/// A line of the cart's page, as it is written there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownLine {
    /// The seller's number.
    pub item: String,
    /// How much.
    pub quantity: String,
    /// In which unit.
    pub unit: String,
    /// Price of one, such as `33.50 USD`.
    pub price: String,
    /// Of the line.
    pub total: String,
    /// `24 Nov 2026`, or `3 on 24 Nov 2026`.
    pub dates: Vec<String>,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

/// The cart's page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its lines.
    pub lines: Vec<ShownLine>,
    /// Of all.
    pub total: String,
    /// What it says besides.
    pub notices: Vec<String>,
}

impl Walk {
    /// Follows a start link.
    pub async fn start(link: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy();
        let http = http.redirect(reqwest::redirect::Policy::none());
        let http = http.build()?;
        let answer = http.get(link).send().await?;
        let shop = seen(&answer, &Url::parse(link)?)?;
        let mut walk = Self { http, shop };
        let first = walk.shop.clone();
        walk.page(&first).await?;
        walk.shop = first.join(".")?;
        Ok(walk)
    }

    /// Puts a product into the cart from its page, and gives the price of one in its sales unit that the page shows for
    /// so many.
    pub async fn add(
        &self,
        item: &str,
        quantity: &str,
        unit: &str,
    ) -> anyhow::Result<Option<String>> {
        let mut product = self.shop.join("product")?;
        product.query_pairs_mut().append_pair("item", item);
        let page = self.page(&product).await?;
        let mut form = page.form("/add")?;
        let sold_in = form.fields.iter().find(|(name, _)| name == "unit");
        let sold_in = sold_in.map(|(_, unit)| unit.clone()).unwrap_or_default();
        form.set("quantity", quantity)?;
        form.set("unit", unit)?;
        let after = self.submit(&product, &form).await?;
        self.page(&after).await?;
        Ok(shelf_price(&page, quantity).filter(|_| sold_in == unit))
    }

    /// Looks at the cart.
    pub async fn cart(&self) -> anyhow::Result<Shown> {
        let page = self.page(&self.shop.join("cart")?).await?;
        let bodies = page.all("tbody");
        let rows = bodies
            .first()
            .map(|body| body.all("tr"))
            .unwrap_or_default();
        let feet = page.all("tfoot");
        let total = feet
            .first()
            .and_then(|foot| foot.all("td").into_iter().next());
        Ok(Shown {
            lines: rows.into_iter().map(shown_line).collect::<Result<_, _>>()?,
            total: total.map(Element::text).unwrap_or_default(),
            notices: page.of_class("notice"),
        })
    }

    /// Returns the cart at the prices that its page shows, and gives what a browser would post to the procurement system.
    /// Where a price changes meanwhile, the page is shown again first.
    pub async fn give_back(&self) -> anyhow::Result<Posted> {
        let cart = self.shop.join("cart")?;
        let mut returned = None;
        for _ in 0..LOOKS {
            let mut form = self.page(&cart).await?.form("/cart")?;
            self.shop
                .join("return")?
                .path()
                .clone_into(&mut form.action);
            let (answer, to) = self.post(&cart, &form).await?;
            if answer.status() == StatusCode::SEE_OTHER {
                returned = Some(seen(&answer, &to)?);
                break;
            }
            anyhow::ensure!(
                answer.status() == StatusCode::CONFLICT,
                "{to}: {}: {}",
                answer.status(),
                answer.text().await?
            );
        }
        let page = self
            .page(&returned.context("the prices do not rest")?)
            .await?;
        let forms = page.all("form");
        let form = forms.iter().find(|form| form.get("id") == "return");
        let form = form.with_context(|| format!("no form to post back: {}", page.text()))?;
        let form = page.form(form.get("action"))?;
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&form.fields);
        Ok(Posted {
            path: Url::parse(&form.action)?.path().to_owned(),
            body: body.finish().into_bytes(),
        })
    }

    async fn page(&self, url: &Url) -> anyhow::Result<Element> {
        let answer = self.http.get(url.clone()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status == StatusCode::OK, "{url}: {status}: {text}");
        page::read(&text)
    }

    /// Posts a form of a page, and gives where the answer leads.
    async fn submit(&self, of: &Url, form: &page::Form) -> anyhow::Result<Url> {
        let (answer, to) = self.post(of, form).await?;
        if answer.status() == StatusCode::SEE_OTHER {
            return seen(&answer, &to);
        }
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::bail!("{to}: {status}: {text}")
    }

    async fn post(&self, of: &Url, form: &page::Form) -> anyhow::Result<(reqwest::Response, Url)> {
        let to = of.join(&form.action)?;
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&form.fields);
        let request = self.http.post(to.clone());
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        Ok((request.body(body.finish()).send().await?, to))
    }
}

/// Where a 303 leads.
fn seen(answer: &reqwest::Response, from: &Url) -> anyhow::Result<Url> {
    let location = answer.headers().get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let location =
        location.with_context(|| format!("{from} leads nowhere: {}", answer.status()))?;
    Ok(from.join(location)?)
}

/// By the table of breaks: the price of the last that so many reach.
fn shelf_price(page: &Element, quantity: &str) -> Option<String> {
    let quantity: Decimal = quantity.parse().ok()?;
    let bodies = page.all("tbody");
    let rows = bodies.first()?.all("tr");
    let breaks = rows
        .iter()
        .filter_map(|row| match row.all("td").as_slice() {
            [from, price] => Some((from.text().parse::<Decimal>().ok()?, price.text())),
            _ => None,
        });
    let reached = breaks.filter(|(from, _)| *from <= quantity);
    reached
        .max_by_key(|(from, _)| *from)
        .map(|(_, price)| price)
}

fn shown_line(row: &Element) -> anyhow::Result<ShownLine> {
    let cells = row.all("td");
    let [amount, price, total, dates, ..] = cells.as_slice() else {
        anyhow::bail!("no line of a cart: {}", row.text());
    };
    let numbers = row
        .of_class("numbers")
        .into_iter()
        .next()
        .unwrap_or_default();
    let item = numbers.split(" · ").next().unwrap_or_default();
    let inputs = amount.all("input");
    let faults = amount.of_class("fault");
    let beside = amount.all("span");
    let unit = beside.iter().find(|span| span.get("aria-hidden") == "true");
    Ok(ShownLine {
        item: item.to_owned(),
        quantity: inputs
            .first()
            .map(|input| input.get("value").to_owned())
            .unwrap_or_default(),
        unit: unit.map(|unit| unit.text()).unwrap_or_default(),
        price: price.text(),
        total: total.text(),
        dates: dates.of_class("date"),
        faults,
    })
}
