//! The WMS's HTTP face.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::control::{self, ShipmentPage};
use super::records::{PickRequest, Shipment, WmsError};
use super::{Wms, shelves::NewPickRequest};

const MAX_BODY: usize = 2 * 1024 * 1024;
const MAX_PAGE: usize = 500;

pub(super) fn router(wms: Wms) -> Router {
    let dialect = Router::new()
        .route("/wms/v2/ping", get(ping))
        .route("/wms/v2/stock/query", post(query_stock))
        .route(
            "/wms/v2/pickRequests",
            get(list_pick_requests).post(create_pick_request),
        )
        .route("/wms/v2/pickRequests/{id}", get(get_pick_request))
        .route(
            "/wms/v2/pickRequests/{id}/cancel",
            post(cancel_pick_request),
        )
        .route("/wms/v2/shipments", get(list_shipments))
        .route("/wms/v2/shipments/changes", get(list_changes))
        .route("/wms/v2/shipments/missing", post(missing_shipments))
        .route("/wms/v2/shipments/{id}", get(get_shipment))
        .layer(from_fn_with_state(wms.clone(), authenticate))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    control::router().merge(dialect).with_state(wms)
}

async fn authenticate(State(wms): State<Wms>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let token = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if token == Some(&*wms.token) {
        return next.run(request).await;
    }
    refuse(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "the bearer token is missing or wrong",
    )
}

async fn ping() -> Response {
    Json(json!({ "status": "UP" })).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StockQuery {
    sku_codes: Vec<String>,
    #[serde(default)]
    site_codes: Vec<String>,
    #[serde(default = "first_page")]
    page: usize,
    #[serde(default = "default_page_size")]
    page_size: usize,
}

fn first_page() -> usize {
    1
}

fn default_page_size() -> usize {
    100
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StockPage {
    items: Vec<StockRow>,
    page: usize,
    page_size: usize,
    total: usize,
    unknown_sku_codes: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StockRow {
    sku_code: String,
    site_code: String,
    unit: String,
    qty_on_hand: Decimal,
    qty_picking: Decimal,
    qty_quarantine: Decimal,
    qty_available: Decimal,
}

async fn query_stock(State(wms): State<Wms>, body: Bytes) -> Result<Json<StockPage>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("queryStock");
    let mut query: StockQuery = read(&body)?;
    if query.sku_codes.len() > MAX_PAGE || query.site_codes.len() > MAX_PAGE {
        let text = format!("skuCodes and siteCodes have {MAX_PAGE} entries at most");
        return Err(WmsError::InvalidRequest(text));
    }
    query.sku_codes.sort_unstable();
    query.sku_codes.dedup();
    query.site_codes.sort_unstable();
    query.site_codes.dedup();
    if query.site_codes.is_empty() {
        query.site_codes = shelves.sites.iter().cloned().collect();
    }
    if let Some(unknown) = query
        .site_codes
        .iter()
        .find(|site| !shelves.sites.contains(*site))
    {
        return Err(WmsError::UnknownSite(unknown.clone()));
    }
    let (known, unknown_sku_codes): (Vec<String>, Vec<String>) = query
        .sku_codes
        .into_iter()
        .partition(|sku| shelves.skus.contains_key(sku));
    let pairs = known
        .iter()
        .flat_map(|sku| query.site_codes.iter().map(move |site| (sku, site)));
    let (pairs, total) = page(pairs, query.page, query.page_size)?;
    let items = pairs.into_iter().map(|(sku, site)| {
        let shelf = shelves.shelf(sku, site);
        StockRow {
            sku_code: sku.clone(),
            site_code: site.clone(),
            unit: shelves.skus.get(sku).cloned().unwrap_or_default(),
            qty_on_hand: shelf.on_hand.normalize(),
            qty_picking: shelf.picking.normalize(),
            qty_quarantine: shelf.quarantine.normalize(),
            qty_available: (shelf.on_hand - shelf.picking).normalize(),
        }
    });
    Ok(Json(StockPage {
        items: items.collect(),
        page: query.page,
        page_size: query.page_size,
        total,
        unknown_sku_codes,
    }))
}

async fn create_pick_request(
    State(wms): State<Wms>,
    body: Bytes,
) -> Result<(StatusCode, Json<PickRequest>), WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("createPickRequest");
    let request: NewPickRequest = read(&body)?;
    let created = shelves.create(request)?;
    Ok((StatusCode::CREATED, Json(created)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PickQuery {
    #[serde(default)]
    client_ref: String,
    #[serde(default)]
    order_ref: String,
    #[serde(default = "first_page")]
    page: usize,
    #[serde(default = "default_page_size")]
    page_size: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PickPage {
    items: Vec<PickRequest>,
    page: usize,
    page_size: usize,
    total: usize,
}

async fn list_pick_requests(
    State(wms): State<Wms>,
    query: Result<Query<PickQuery>, QueryRejection>,
) -> Result<Json<PickPage>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("listPickRequests");
    let Query(query) = query.map_err(|error| WmsError::InvalidRequest(error.body_text()))?;
    let candidates: Box<dyn Iterator<Item = &PickRequest>> = if query.client_ref.is_empty() {
        Box::new(shelves.requests.values())
    } else {
        Box::new(shelves.by_client_ref(&query.client_ref))
    };
    let found = candidates
        .filter(|request| query.order_ref.is_empty() || query.order_ref == request.order_ref);
    let (items, total) = page(found, query.page, query.page_size)?;
    Ok(Json(PickPage {
        items: items.into_iter().cloned().collect(),
        page: query.page,
        page_size: query.page_size,
        total,
    }))
}

async fn get_pick_request(
    State(wms): State<Wms>,
    Path(id): Path<String>,
) -> Result<Json<PickRequest>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("getPickRequest");
    shelves.get(&id).map(Json)
}

async fn cancel_pick_request(
    State(wms): State<Wms>,
    Path(id): Path<String>,
) -> Result<Json<PickRequest>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("cancelPickRequest");
    shelves.cancel(&id).map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ShipmentQuery {
    client_ref: String,
}

async fn list_shipments(
    State(wms): State<Wms>,
    query: Result<Query<ShipmentQuery>, QueryRejection>,
) -> Result<Json<ShipmentPage>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("listShipments");
    let Query(query) = query.map_err(|error| WmsError::InvalidRequest(error.body_text()))?;
    let requests = shelves.by_client_ref(&query.client_ref);
    let found = requests.flat_map(|request| shelves.shipment_of_request(&request.pick_request_id));
    Ok(Json(ShipmentPage {
        items: found.cloned().collect(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangesQuery {
    /// Microseconds since 1970.
    changed_from: i64,
    /// Of that instant only what comes after this.
    #[serde(default)]
    after_id: String,
    #[serde(default = "default_page_size")]
    page_size: usize,
}

#[derive(Serialize)]
struct ChangesPage {
    items: Vec<Shipment>,
    more: bool,
}

async fn list_changes(
    State(wms): State<Wms>,
    query: Result<Query<ChangesQuery>, QueryRejection>,
) -> Result<Json<ChangesPage>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("listChanges");
    let Query(query) = query.map_err(|error| WmsError::InvalidRequest(error.body_text()))?;
    let place = |shipment: &Shipment| {
        let changed = shipment.updated_at.as_microsecond();
        (changed, shipment.shipment_id.clone())
    };
    let from = (query.changed_from, query.after_id);
    let mut found: Vec<&Shipment> = shelves
        .shipments()
        .filter(|shipment| place(shipment) > from)
        .collect();
    found.sort_by_key(|shipment| place(shipment));
    let (items, total) = page(found.into_iter(), 1, query.page_size)?;
    Ok(Json(ChangesPage {
        more: total > items.len(),
        items: items.into_iter().cloned().collect(),
    }))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ShipmentIds {
    shipment_ids: Vec<String>,
}

async fn missing_shipments(
    State(wms): State<Wms>,
    body: Bytes,
) -> Result<Json<ShipmentIds>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("missingShipments");
    let mut ids: ShipmentIds = read(&body)?;
    ids.shipment_ids.retain(|id| shelves.shipment(id).is_err());
    Ok(Json(ids))
}

async fn get_shipment(
    State(wms): State<Wms>,
    Path(id): Path<String>,
) -> Result<Json<Shipment>, WmsError> {
    let mut shelves = wms.shelves();
    shelves.count_call("getShipment");
    shelves.shipment(&id).cloned().map(Json)
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, WmsError> {
    serde_json::from_slice(body).map_err(|error| WmsError::InvalidRequest(error.to_string()))
}

/// One page of a sequence and how many there are in all.
fn page<T>(
    rows: impl Iterator<Item = T>,
    page: usize,
    size: usize,
) -> Result<(Vec<T>, usize), WmsError> {
    if page == 0 || size == 0 || size > MAX_PAGE {
        let text = format!("page counts from 1, pageSize is 1 to {MAX_PAGE}");
        return Err(WmsError::InvalidRequest(text));
    }
    let start = page.saturating_sub(1).saturating_mul(size);
    let mut total: usize = 0;
    let mut cut = Vec::new();
    for (index, row) in rows.enumerate() {
        total = index.saturating_add(1);
        if index >= start && cut.len() < size {
            cut.push(row);
        }
    }
    Ok((cut, total))
}

impl IntoResponse for WmsError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        let unprocessable = |code| refuse(StatusCode::UNPROCESSABLE_ENTITY, code, &text);
        match self {
            Self::UnknownSku(_) => unprocessable("UNKNOWN_SKU"),
            Self::UnknownSite(_) => unprocessable("UNKNOWN_SITE"),
            Self::WrongUnit { .. } => unprocessable("WRONG_UNIT"),
            Self::InvalidQty(_) => unprocessable("INVALID_QTY"),
            Self::InvalidRequest(_) => unprocessable("INVALID_REQUEST"),
            Self::NotFound(_) | Self::UnknownShipment(_) => {
                refuse(StatusCode::NOT_FOUND, "NOT_FOUND", &text)
            }
            Self::Cancelled(_) => unprocessable("CANCELLED"),
            Self::DuplicateClientRef {
                pick_request_id, ..
            } => {
                let body = json!({
                    "code": "DUPLICATE_CLIENT_REF",
                    "message": text,
                    "pickRequestId": pick_request_id,
                });
                (StatusCode::CONFLICT, Json(body)).into_response()
            }
        }
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}
