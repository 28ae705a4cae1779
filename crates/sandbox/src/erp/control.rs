//! The back door for demos and tests: plain JSON, no key, not part of the dialect.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::records::{AccountChange, ControlError, PriceChange, StockChange};
use super::{Erp, SalesOrder};

pub(super) fn router(erp: Erp) -> Router {
    Router::new()
        .route("/erp/control/orders", get(orders))
        .route(
            "/erp/control/orders/{number}/ship-and-invoice",
            post(ship_and_invoice),
        )
        .route("/erp/control/stock", put(set_stock))
        .route("/erp/control/accounts/{account}", put(set_account))
        .route("/erp/control/prices", put(set_price))
        .route("/erp/control/calls", get(calls))
        .with_state(erp)
}

#[derive(Deserialize)]
struct OrderFilter {
    reference: Option<String>,
}

async fn orders(
    State(erp): State<Erp>,
    Query(filter): Query<OrderFilter>,
) -> Json<Vec<SalesOrder>> {
    Json(match filter.reference {
        Some(reference) => erp.orders_by_reference(&reference),
        None => erp.orders(),
    })
}

async fn ship_and_invoice(State(erp): State<Erp>, Path(number): Path<String>) -> Response {
    match erp.ship_and_invoice(&number) {
        Ok(invoice) => Json(json!({ "invoice": invoice })).into_response(),
        Err(error) => error.into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StockBody {
    item: String,
    site: String,
    #[serde(default)]
    on_hand: Option<Decimal>,
    #[serde(default)]
    reserved: Option<Decimal>,
    #[serde(default)]
    quality: Option<Decimal>,
    #[serde(default)]
    safety: Option<Decimal>,
}

async fn set_stock(State(erp): State<Erp>, Json(body): Json<StockBody>) -> Response {
    let change = StockChange {
        on_hand: body.on_hand,
        reserved: body.reserved,
        quality: body.quality,
        safety: body.safety,
    };
    done(erp.set_stock(&body.item, &body.site, change))
}

async fn set_account(
    State(erp): State<Erp>,
    Path(account): Path<String>,
    Json(change): Json<AccountChange>,
) -> Response {
    done(erp.set_account(&account, change))
}

async fn set_price(State(erp): State<Erp>, Json(change): Json<PriceChange>) -> Response {
    match erp.set_price(change) {
        Ok(changed) => Json(json!({ "changed": changed })).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn calls(State(erp): State<Erp>) -> Response {
    Json(erp.calls()).into_response()
}

fn done(result: Result<(), ControlError>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Unknown { .. } => StatusCode::NOT_FOUND,
            Self::NotShippable { .. } => StatusCode::CONFLICT,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}
