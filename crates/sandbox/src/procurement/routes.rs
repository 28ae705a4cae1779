//! What the procurement system answers, to its own user and to the seller.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};

use super::{
    Desk, SECRET,
    documents::{self, Field},
    pages,
};

pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(home))
        // Browsers ask for it unasked.
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/shop/cxml", post(shop_by_cxml))
        .route("/shop/oci", post(shop_by_oci))
        .route("/punchout/cart", post(cart))
        .route("/punchout/oci-cart", post(oci_cart))
        .route("/order/{number}", post(order))
        .route("/confirmations", post(confirmation))
        .with_state(desk)
}

async fn home(State(desk): State<Arc<Desk>>) -> Html<String> {
    Html(pages::home(&desk))
}

async fn shop_by_cxml(State(desk): State<Arc<Desk>>) -> Response {
    match desk.send(documents::setup(&desk)).await {
        Ok((_, Some(start))) => Redirect::to(&start).into_response(),
        Ok((said, None)) => Html(pages::notice(&said)).into_response(),
        Err(error) => Html(pages::notice(&error)).into_response(),
    }
}

/// By the book of OCI, user and password stand in the address.
async fn shop_by_oci(State(desk): State<Arc<Desk>>) -> Response {
    let call = [
        ("HOOK_URL", format!("{}/punchout/oci-cart", desk.own)),
        ("USERNAME", "acme".to_owned()),
        ("PASSWORD", SECRET.to_owned()),
        ("http_content_charset", "UTF-8".to_owned()),
        ("~OkCode", "ADDI".to_owned()),
        ("~CALLER", "CTLG".to_owned()),
    ];
    match desk.oci_address(&call) {
        Ok(address) => Redirect::to(&address).into_response(),
        Err(error) => Html(pages::notice(&error)).into_response(),
    }
}

async fn cart(State(desk): State<Arc<Desk>>, Form(fields): Form<Vec<Field>>) -> Redirect {
    if let Some(cart) = documents::cart(&fields) {
        desk.keep(cart);
    }
    Redirect::to("/")
}

async fn oci_cart(State(desk): State<Arc<Desk>>, Form(fields): Form<Vec<Field>>) -> Redirect {
    if let Some(cart) = documents::oci_cart(fields) {
        desk.keep(cart);
    }
    Redirect::to("/")
}

async fn order(State(desk): State<Arc<Desk>>, Path(number): Path<String>) -> Response {
    let cart = desk
        .carts()
        .iter()
        .find(|cart| cart.number == number)
        .cloned();
    let Some(cart) = cart else {
        return Html(pages::notice("There is no such cart any more.")).into_response();
    };
    let said = if cart.dialect == "OCI" {
        desk.order_by_oci(&number, cart.fields).await
    } else {
        let sent = desk.send(documents::order(&desk, &cart)).await;
        sent.map(|(said, _)| said)
    };
    let said = said.unwrap_or_else(|error| error);
    desk.change(&number, |cart| cart.answered = said);
    Redirect::to("/").into_response()
}

async fn confirmation(State(desk): State<Arc<Desk>>, document: String) -> Response {
    if let Some((order, said)) = documents::confirmation(&document) {
        desk.change(&order, |cart| cart.confirmed.push(said));
    }
    let xml = HeaderValue::from_static("text/xml; charset=utf-8");
    ([(header::CONTENT_TYPE, xml)], documents::received(&desk)).into_response()
}
