//! The canonical face of a company's warehouses.

use std::sync::Arc;

use axum::http::StatusCode;
use canonical_model::{
    ShipmentNumber, SiteId,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleases},
    shipment::ShipmentNews,
};
use serde::Deserialize;
use service_runtime::{
    extract::{Json, Path, Query},
    problem::{FieldError, Problem},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::backend::WmsBackend;
use crate::{
    call::{Call, at_most},
    error::BACKEND_REJECTED,
    state::AppState,
};

const MOST_LINES: usize = 5_000;

/// The warehouses' routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_warehouse_release, find_warehouse_releases))
        .routes(routes!(get_shipment))
}

/// Releases lines of an order to the warehouse that ships them.
#[utoipa::path(
    post, path = "/v1/companies/{company}/warehouse-releases", tag = "warehouse-releases", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body = CreateWarehouseRelease,
    responses(
        (status = 201, description = "The warehouse has taken it", body = WarehouseRelease),
        (status = 200, description = "The warehouse had a release with this reference already: this one", body = WarehouseRelease),
        (status = 422, description = "The warehouse refused it, for the reason in `detail`: backend-rejected", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Either not begun (deadline-exceeded) or perhaps done (backend-outcome-unknown)", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create_warehouse_release(
    call: Call,
    Json(release): Json<CreateWarehouseRelease>,
) -> Result<(StatusCode, Json<WarehouseRelease>), Problem> {
    at_most("lines", release.lines.len(), MOST_LINES)?;
    let reference = release.release_reference.chars().count();
    if release.lines.is_empty() || reference == 0 || reference > 42 {
        let detail = "A release has a reference of 1 to 42 characters and at least one line.";
        let fault = FieldError::new("", "incomplete", detail);
        return Err(Problem::validation(vec![fault]));
    }
    let warehouse = warehouse(&call, &release.site)?;
    let released = warehouse.create_release(release, call.terms).await?;
    let status = if released.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(released.release)))
}

/// Which releases are looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReleaseQuery {
    /// Our key of the release.
    #[param(example = "OW7K2M4Q9T1B-EAST")]
    release_reference: String,
    /// The site that ships.
    #[param(value_type = String, example = "EAST")]
    site: SiteId,
}

/// Finds the releases of a reference; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/warehouse-releases", tag = "warehouse-releases", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ReleaseQuery),
    responses((status = 200, description = "By the warehouse's number; empty if there are none", body = WarehouseReleases)),
)]
async fn find_warehouse_releases(
    call: Call,
    Query(query): Query<ReleaseQuery>,
) -> Result<Json<WarehouseReleases>, Problem> {
    let warehouse = warehouse(&call, &query.site)?;
    let releases = warehouse
        .find_releases(query.release_reference, &query.site, call.terms)
        .await?;
    Ok(Json(WarehouseReleases { releases }))
}

/// Which shipment is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShipmentQuery {
    /// The site that it leaves.
    #[param(value_type = String, example = "EAST")]
    site: SiteId,
}

/// Reads a shipment as it is now; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/shipments/{shipment}", tag = "shipments", security(("call_context" = [])),
    params(
        ("company" = String, Path, description = "The selling company", example = "NWI"),
        ("shipment" = String, Path, description = "The warehouse's number of it", example = "SH-100001-1"),
        ShipmentQuery,
    ),
    responses(
        (status = 200, description = "The whole of it", body = ShipmentNews),
        (status = 404, description = "`backend-not-found`: the warehouse has none of this number at the site", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn get_shipment(
    call: Call,
    Path((_company, shipment)): Path<(String, ShipmentNumber)>,
    Query(query): Query<ShipmentQuery>,
) -> Result<Json<ShipmentNews>, Problem> {
    let warehouse = warehouse(&call, &query.site)?;
    let shipment = warehouse
        .shipment(shipment, &query.site, call.terms)
        .await?;
    Ok(Json(shipment))
}

fn warehouse<'a>(call: &'a Call, site: &SiteId) -> Result<&'a Arc<WmsBackend>, Problem> {
    call.company.sites.get(site).ok_or_else(|| {
        let detail =
            format!("No warehouse of this company is configured for the site {site}: check it.");
        Problem::new(BACKEND_REJECTED, detail)
    })
}
