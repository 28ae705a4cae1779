//! The one page of the procurement system.

use super::{Cart, Desk, documents::escaped};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}\
form{display:inline}button{font:inherit;padding:.4rem .9rem}section{margin:2rem 0}";

/// While a confirmation is awaited, the page looks again by itself.
const REFRESH: &str = "<meta http-equiv=\"refresh\" content=\"2\">";

/// The page: two ways to the shop, and the carts that came back.
pub(super) fn home(desk: &Desk) -> String {
    let kept = desk.carts();
    let refresh = if kept.iter().any(awaits_confirmation) {
        REFRESH
    } else {
        ""
    };
    let carts: String = kept.iter().rev().map(cart).collect();
    drop(kept);
    let carts = if carts.is_empty() {
        "<p>No cart has come back yet.</p>".to_owned()
    } else {
        carts
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Procurement of Acme</title>\
         {refresh}<style>{STYLE}</style></head><body><h1>Procurement of Acme</h1>\
         <p>A demonstration of a buyer's system. Shop at Northwind, return the cart, and order it here.</p>\
         <form method=\"post\" action=\"/shop/cxml\"><button>Shop by cXML</button></form> \
         <form method=\"post\" action=\"/shop/oci\"><button>Shop by OCI</button></form>{carts}</body></html>"
    )
}

fn cart(cart: &Cart) -> String {
    let lines: String = cart
        .lines
        .iter()
        .map(|line| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{} {}</td><td>{} {}</td></tr>",
                escaped(&line.item),
                escaped(&line.description),
                escaped(&line.quantity),
                escaped(&line.unit),
                escaped(&line.price),
                escaped(&line.currency),
            )
        })
        .collect();
    let next = if cart.answered.is_empty() {
        format!(
            "<form method=\"post\" action=\"/order/{}\"><button>Order it</button></form>",
            escaped(&cart.number)
        )
    } else {
        format!("<p>{}</p>", became(cart))
    };
    format!(
        "<section><h2>{} <small>({})</small></h2><table><thead><tr><th scope=\"col\">Item</th><th scope=\"col\">Description</th>\
         <th scope=\"col\">Quantity</th><th scope=\"col\">Price</th></tr></thead><tbody>{lines}</tbody></table>{next}</section>",
        escaped(&cart.number),
        cart.dialect,
    )
}

/// An order was taken by cXML, and nothing was confirmed yet; what was refused is never confirmed.
fn awaits_confirmation(cart: &Cart) -> bool {
    cart.dialect == "cXML" && cart.answered.starts_with("200") && cart.confirmed.is_empty()
}

/// What became of an order, as HTML.
fn became(cart: &Cart) -> String {
    let answered = escaped(&cart.answered);
    if cart.dialect == "OCI" {
        return format!("The seller answered: {answered}. OCI has no confirmations.");
    }
    if awaits_confirmation(cart) {
        return format!("Ordered: {answered}. Not confirmed yet.");
    }
    if cart.confirmed.is_empty() {
        return format!("The seller answered: {answered}.");
    }
    let confirmed = cart.confirmed.iter().map(|said| escaped(said));
    format!(
        "Ordered: {answered}. Confirmed: {}.",
        confirmed.collect::<Vec<_>>().join("; ")
    )
}

/// A page that says one thing.
pub(super) fn notice(text: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Procurement of Acme</title>\
         <style>{STYLE}</style></head><body><h1>Procurement of Acme</h1><p>{}</p><p><a href=\"/\">Back</a></p></body></html>",
        escaped(text)
    )
}
