//! A buyer's procurement system punches out by cXML. The tour does what the buyer's browser would do.

use anyhow::{Context as _, bail};
use orderway::Estate;
use reqwest::{Client, RequestBuilder, Response, header};
use sandbox::{Procurement, procurement::Cart};

use super::{LOOK_EVERY, LOOKS, booked, say};

/// Set-up, shop, cart, order and confirmation; gives the purchase order number.
pub(super) async fn order(
    estate: &Estate,
    http: &Client,
    procurement: &Procurement,
) -> anyhow::Result<String> {
    say("3. ACME's procurement system punches out by cXML.\n")?;
    let start = location(http.post(format!("{}/shop/cxml", procurement.url))).await?;
    say(
        "   Its PunchOutSetupRequest is answered with a link, good once, for the buyer's browser.\n",
    )?;
    let shop = location(http.get(start)).await?;
    let shop = format!("{}{shop}", estate.experience_url);
    let line = [("item", "SKU-0002"), ("quantity", "24"), ("unit", "EA")];
    location(http.post(format!("{shop}add")).form(&line)).await?;
    let page = go(http.post(format!("{shop}return"))).await?;
    let page = if page.status().is_redirection() {
        go(http.get(format!("{shop}return"))).await?
    } else {
        page
    };
    let page = page.text().await?;
    let document = hidden(&page, "cxml-urlencoded")
        .with_context(|| format!("the shop did not return the cart: {page}"))?;
    let posted = http.post(format!("{}/punchout/cart", procurement.url));
    go(posted.form(&[("cxml-urlencoded", document)])).await?;
    let cart = procurement.carts().pop().context("no cart came back")?;
    let line = cart.lines.first().context("the cart is empty")?;
    say(&format!(
        "   The buyer puts {} {} of {} into the cart and returns it: {} {} each, under the price lock\n   {}.\n",
        line.quantity, line.unit, line.item, line.price, line.currency, line.lock
    ))?;

    go(http.post(format!("{}/order/{}", procurement.url, cart.number))).await?;
    let cart = confirmed(procurement, &cart.number).await?;
    say(&format!(
        "   Approved, it is ordered as {}: {}.\n   The ConfirmationRequest says {}.\n",
        cart.number,
        cart.answered,
        cart.confirmed.join("; ")
    ))?;
    let order = booked(estate, &cart.number).await?;
    say(&format!(
        "   The ERP has it as sales order {}.\n\n",
        order.id
    ))?;
    Ok(cart.number)
}

async fn confirmed(procurement: &Procurement, number: &str) -> anyhow::Result<Cart> {
    for _ in 0..LOOKS {
        let carts = procurement.carts();
        let cart = carts.into_iter().find(|cart| cart.number == number);
        if let Some(cart) = cart.filter(|cart| !cart.confirmed.is_empty()) {
            return Ok(cart);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("no ConfirmationRequest for {number} came")
}

async fn go(request: RequestBuilder) -> anyhow::Result<Response> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let path = response.url().path().to_owned();
        bail!("{} answered {status}: {}", path, response.text().await?);
    }
    Ok(response)
}

/// Where an answer leads.
async fn location(request: RequestBuilder) -> anyhow::Result<String> {
    let response = go(request).await?;
    let place = response.headers().get(header::LOCATION);
    let place = place
        .and_then(|place| place.to_str().ok())
        .map(str::to_owned);
    match place {
        Some(place) => Ok(place),
        None => bail!("an answer leads nowhere: {}", response.text().await?),
    }
}

/// The value of a hidden field of a page.
fn hidden(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    let (value, _) = rest.split_once('"')?;
    let mut text = value.to_owned();
    for (written, meant) in [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ] {
        text = text.replace(written, meant);
    }
    Some(text)
}
