//! The WMS's back door for demos and tests: look into it, work on its floor, upset its news.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::floor::Quantities;
use super::news::{NewsFaults, NewsRecord, Release};
use super::records::{FloorStep, PickRequest, Shipment, WmsError, WmsStockChange};
use super::{Wms, routes::read};

pub(super) fn router() -> Router<Wms> {
    Router::new()
        .route("/wms/control/pickRequests", get(pick_requests))
        .route("/wms/control/pickRequests/{id}/{step}", post(work))
        .route("/wms/control/shipments", get(shipments))
        .route("/wms/control/shipments/{id}/send", post(send_again))
        .route("/wms/control/news", get(news).put(upset_news))
        .route("/wms/control/news/release", post(release_news))
        .route("/wms/control/stock", put(set_stock))
        .route("/wms/control/calls", get(calls))
}

async fn pick_requests(State(wms): State<Wms>) -> Json<Vec<PickRequest>> {
    Json(wms.pick_requests())
}

async fn shipments(State(wms): State<Wms>) -> Json<Vec<Shipment>> {
    Json(wms.shipments())
}

async fn news(State(wms): State<Wms>) -> Json<Vec<NewsRecord>> {
    Json(wms.news())
}

async fn calls(State(wms): State<Wms>) -> Response {
    Json(wms.calls()).into_response()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Work {
    /// `lineRef` → quantity; without it, all that is left to do.
    lines: Option<Quantities>,
}

/// An empty body is one without a word.
fn read_or_default<T: serde::de::DeserializeOwned + Default>(body: &[u8]) -> Result<T, WmsError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    read(body)
}

async fn work(
    State(wms): State<Wms>,
    Path((id, step)): Path<(String, FloorStep)>,
    body: Bytes,
) -> Result<Json<Shipment>, WmsError> {
    let Work { lines } = read_or_default(&body)?;
    wms.work(&id, step, lines.as_ref()).map(Json)
}

async fn send_again(
    State(wms): State<Wms>,
    Path(id): Path<String>,
) -> Result<StatusCode, WmsError> {
    wms.send_again(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpsetNews {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    lose: u32,
    #[serde(default)]
    duplicate: u32,
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    delay_ms: u64,
}

/// Whatever is not named is well again, but for the address and the secret: they stay.
async fn upset_news(State(wms): State<Wms>, body: Bytes) -> Result<StatusCode, WmsError> {
    let body: UpsetNews = read(&body)?;
    wms.upset_news(NewsFaults {
        lose: body.lose,
        duplicate: body.duplicate,
        hold: body.hold,
        delay: Duration::from_millis(body.delay_ms),
    });
    wms.retarget_news(body.url, body.secret);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReleaseNews {
    #[serde(default)]
    reversed: bool,
}

async fn release_news(State(wms): State<Wms>, body: Bytes) -> Result<StatusCode, WmsError> {
    let body: ReleaseNews = read_or_default(&body)?;
    wms.release_news(if body.reversed {
        Release::Reversed
    } else {
        Release::InOrder
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetStock {
    sku_code: String,
    site_code: String,
    #[serde(default)]
    qty_on_hand: Option<Decimal>,
    #[serde(default)]
    qty_quarantine: Option<Decimal>,
}

async fn set_stock(State(wms): State<Wms>, body: Bytes) -> Result<StatusCode, WmsError> {
    let body: SetStock = read(&body)?;
    let change = WmsStockChange {
        qty_on_hand: body.qty_on_hand,
        qty_quarantine: body.qty_quarantine,
    };
    wms.set_stock(&body.sku_code, &body.site_code, change)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShipmentPage {
    pub(super) items: Vec<Shipment>,
}
