//! The ERP's only door: `POST /erp/call/{FUNCTION}`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::book::Book;
use super::wire::{Failure, Message, Outcome};
use super::{Erp, balances, change, conditions, create, invoices, masters, orders};

const MAX_BODY: usize = 2 * 1024 * 1024;

pub(super) fn router(erp: Erp) -> Router {
    Router::new()
        .route("/erp/call/{function}", post(call))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(erp)
}

type Handler = fn(&mut Book, serde_json::Value) -> Response;

/// Name and code of a function.
fn function(name: &str) -> Option<(&'static str, Handler)> {
    let known: (&'static str, Handler) = match name {
        "CUSTOMER_GETDETAIL" => ("CUSTOMER_GETDETAIL", |book, body| {
            run(book, body, masters::customer_getdetail)
        }),
        "CUSTOMER_GETLIST" => ("CUSTOMER_GETLIST", |book, body| {
            run(book, body, masters::customer_getlist)
        }),
        "MATERIAL_GETLIST" => ("MATERIAL_GETLIST", |book, body| {
            run(book, body, masters::material_getlist)
        }),
        "MATERIAL_GETUNITS" => ("MATERIAL_GETUNITS", |book, body| {
            run(book, body, masters::material_getunits)
        }),
        "CONDITIONS_GETLIST" => ("CONDITIONS_GETLIST", |book, body| {
            run(book, body, conditions::conditions_getlist)
        }),
        "STOCK_GETLIST" => ("STOCK_GETLIST", |book, body| {
            run(book, body, balances::stock_getlist)
        }),
        "CREDIT_GETSTATUS" => ("CREDIT_GETSTATUS", |book, body| {
            run(book, body, balances::credit_getstatus)
        }),
        "SALESORDER_CREATE" => ("SALESORDER_CREATE", |book, body| {
            run(book, body, create::salesorder_create)
        }),
        "SALESORDER_GETLIST" => ("SALESORDER_GETLIST", |book, body| {
            run(book, body, orders::salesorder_getlist)
        }),
        "SALESORDER_GETDETAIL" => ("SALESORDER_GETDETAIL", |book, body| {
            run(book, body, orders::salesorder_getdetail)
        }),
        "SALESORDER_CHANGE" => ("SALESORDER_CHANGE", |book, body| {
            run(book, body, change::salesorder_change)
        }),
        "SALESORDER_RELEASE" => ("SALESORDER_RELEASE", |book, body| {
            run(book, body, orders::salesorder_release)
        }),
        "SALESORDER_CANCEL" => ("SALESORDER_CANCEL", |book, body| {
            run(book, body, orders::salesorder_cancel)
        }),
        "INVOICE_GETLIST" => ("INVOICE_GETLIST", |book, body| {
            run(book, body, invoices::invoice_getlist)
        }),
        "PING" => ("PING", ping),
        _ => return None,
    };
    Some(known)
}

async fn call(
    State(erp): State<Erp>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = headers.get("x-api-key").map(|value| value.as_bytes());
    if key != Some(erp.key.as_bytes()) {
        return plain(StatusCode::UNAUTHORIZED, "X-Api-Key is missing or wrong");
    }
    let Some((name, handler)) = function(&name) else {
        return plain(StatusCode::NOT_FOUND, "there is no function of this name");
    };
    let mut book = erp.book();
    let calls = book.calls.entry(name).or_default();
    *calls = calls.saturating_add(1);
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(value) if value.is_object() => handler(&mut book, value),
        _ => plain(StatusCode::BAD_REQUEST, "the body is not a JSON object"),
    }
}

#[derive(Deserialize)]
struct CompanyOnly {
    #[serde(rename = "BUKRS", default)]
    company: String,
}

fn run<Q: DeserializeOwned, A: Serialize>(
    book: &mut Book,
    body: serde_json::Value,
    function: fn(&mut Book, Q) -> Outcome<A>,
) -> Response {
    let company = match CompanyOnly::deserialize(&body) {
        Ok(fields) => fields.company,
        Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if company != book.company.id {
        let text = format!("Company code {company} does not exist");
        return failure(vec![Message::error("F5", "201", text, &company)]);
    }
    match serde_json::from_value(body) {
        Ok(request) => match function(book, request) {
            Ok(answer) => json(&answer),
            Err(messages) => failure(messages),
        },
        Err(error) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn ping(_: &mut Book, _: serde_json::Value) -> Response {
    let alive = Message::success("00", "000", "alive".to_owned(), "");
    failure(vec![alive])
}

/// An answer that is messages alone.
fn failure(messages: Vec<Message>) -> Response {
    json(&Failure { messages })
}

fn json(answer: &impl Serialize) -> Response {
    match serde_json::to_vec(answer) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    (status, text.to_owned()).into_response()
}
