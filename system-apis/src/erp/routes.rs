//! The canonical face of a company's ERP.

use std::collections::HashSet;

use axum::http::{HeaderName, StatusCode, header};
use canonical_model::{
    ErpOrderNumber, OrderReference,
    account::{AccountQuery, Accounts},
    capabilities::Capabilities,
    credit::{CreditFacts, CreditQuery},
    erp_invoice::ErpInvoices,
    erp_order::{AmendErpOrder, CreateErpOrder, ErpLineAmendment, ErpOrder, ErpOrders},
    facts::{FactAnswers, FactQueries},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    stock::{StockFacts, StockQuery},
};
use rust_decimal::Decimal;
use serde::Deserialize;
use service_runtime::{
    extract::{Json, Path, Query},
    problem::{FieldError, Problem},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{backend::ErpBackend, questions};
use crate::{
    call::{Aged, Call, at_most},
    state::AppState,
};

const MOST_LINES: usize = 5_000;

/// The ERP's routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_capabilities))
        .routes(routes!(query_accounts))
        .routes(routes!(list_products))
        .routes(routes!(query_products))
        .routes(routes!(query_prices))
        .routes(routes!(query_stock))
        .routes(routes!(query_credit))
        .routes(routes!(query_facts))
        .routes(routes!(create_sales_order, find_sales_orders))
        .routes(routes!(get_sales_order))
        .routes(routes!(list_invoices))
        .routes(routes!(amend_sales_order))
        .routes(routes!(release_sales_order))
        .routes(routes!(cancel_sales_order))
}

/// Tells what the company's ERP and warehouses can do.
#[utoipa::path(
    get, path = "/v1/companies/{company}/capabilities", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    responses((status = 200, description = "What it can do", body = Capabilities)),
)]
async fn get_capabilities(call: Call) -> Json<Capabilities> {
    Json(questions::capabilities(&call))
}

/// Reads accounts with those above them.
#[utoipa::path(
    post, path = "/v1/companies/{company}/accounts/query", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = AccountQuery, example = json!({"accounts": ["ACME", "ACME-WEST"]})),
    responses((status = 200, description = "The accounts that exist, in the order asked", body = Accounts,
        headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211")))),
)]
async fn query_accounts(
    call: Call,
    Json(query): Json<AccountQuery>,
) -> Result<Aged<Accounts>, Problem> {
    questions::accounts(&call, query).await
}

/// Searches the catalogue.
#[utoipa::path(
    get, path = "/v1/companies/{company}/products", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ProductSearch),
    responses((status = 200, description = "A page, by item number", body = ProductPage,
        headers(("Age" = u64, description = "Seconds since the page was read"), ("Cache-Status" = String, description = "RFC 9211")))),
)]
async fn list_products(
    call: Call,
    Query(search): Query<ProductSearch>,
) -> Result<Aged<ProductPage>, Problem> {
    questions::search(&call, search).await
}

/// Finds products by any of their numbers.
#[utoipa::path(
    post, path = "/v1/companies/{company}/products/query", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = ProductQuery, example = json!({"account": "ACME", "items": [{"scheme": "buyer_part_number", "value": "ACM-9001"}]})),
    responses((status = 200, description = "One entry for each number, null where it names no product", body = ProductMatches,
        headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211")))),
)]
async fn query_products(
    call: Call,
    Json(query): Json<ProductQuery>,
) -> Result<Aged<ProductMatches>, Problem> {
    questions::products(&call, query).await
}

/// Reads every price record that may apply to an account.
#[utoipa::path(
    post, path = "/v1/companies/{company}/prices/query", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = PriceQuery, example = json!({"account": "ACME", "items": ["SKU-0001"], "max_age_seconds": 60})),
    responses((status = 200, description = "One schedule for each item that the source knows", body = PriceSchedules,
        headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211")))),
)]
async fn query_prices(
    call: Call,
    Json(query): Json<PriceQuery>,
) -> Result<Aged<PriceSchedules>, Problem> {
    questions::prices(&call, query).await
}

/// Reads stock by item and site.
#[utoipa::path(
    post, path = "/v1/companies/{company}/stock/query", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = StockQuery, example = json!({"items": ["SKU-0001"], "sites": ["EAST"]})),
    responses((status = 200, description = "By item, then site; what the source does not know is absent", body = StockFacts,
        headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211")))),
)]
async fn query_stock(
    call: Call,
    Json(query): Json<StockQuery>,
) -> Result<Aged<StockFacts>, Problem> {
    questions::stock(&call, query).await
}

/// Reads the credit of an account and of all above it.
#[utoipa::path(
    post, path = "/v1/companies/{company}/credit/query", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = CreditQuery, example = json!({"account": "ACME-WEST"})),
    responses(
        (status = 200, description = "The account's position, then those above it", body = CreditFacts,
            headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211"))),
        (status = 404, description = "There is no such account: backend-not-found", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn query_credit(
    call: Call,
    Json(query): Json<CreditQuery>,
) -> Result<Aged<CreditFacts>, Problem> {
    questions::credit(&call, query).await
}

/// Asks several questions at once, each answered for itself.
#[utoipa::path(
    post, path = "/v1/companies/{company}/facts/query", tag = "erp", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = FactQueries, example = json!({"accounts": {"accounts": ["ACME"]},
        "prices": {"account": "ACME", "items": ["SKU-0001"]}, "stock": {"items": ["SKU-0001"]}})),
    responses((status = 200, description = "An answer or a problem for each question", body = FactAnswers,
        headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211")))),
)]
async fn query_facts(call: Call, Json(queries): Json<FactQueries>) -> Aged<FactAnswers> {
    Box::pin(questions::all(&call, queries)).await
}

/// Creates a sales order; blocked, where the ERP is staged.
#[utoipa::path(
    post, path = "/v1/companies/{company}/sales-orders", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body = CreateErpOrder,
    responses(
        (status = 201, description = "The ERP has it under this number", body = ErpOrder,
            headers(("Location" = String, description = "Where it can be read"))),
        (status = 409, description = "The ERP has this reference already, under the number in `existing`: backend-conflict", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The ERP refused it, for the reason in `detail`: backend-rejected", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Either not begun (deadline-exceeded) or perhaps done (backend-outcome-unknown)", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create_sales_order(
    call: Call,
    Json(order): Json<CreateErpOrder>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<ErpOrder>), Problem> {
    at_most("lines", order.lines.len(), MOST_LINES)?;
    if order.lines.is_empty() {
        let fault = FieldError::new("/lines", "too-few", "An order has at least one line.");
        return Err(Problem::validation(vec![fault]));
    }
    let company = &call.company;
    let created = company
        .erp
        .create_order(&company.id, order, call.terms)
        .await?;
    let location = format!(
        "/v1/companies/{}/sales-orders/{}",
        company.id, created.number
    );
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(created),
    ))
}

/// Which orders are looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReferenceQuery {
    /// Our reference.
    #[param(value_type = String, example = "OW7K2M4Q9T1B")]
    reference: OrderReference,
    /// One that is known: where the ERP shows no other, the answer is empty, at the cost of one call less.
    #[param(value_type = Option<String>, example = "0000100001")]
    besides: Option<ErpOrderNumber>,
}

/// Finds the sales orders of a reference; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/sales-orders", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ReferenceQuery),
    responses((status = 200, description = "By number, lowest first; empty if there are none", body = ErpOrders)),
)]
async fn find_sales_orders(
    call: Call,
    Query(query): Query<ReferenceQuery>,
) -> Result<Json<ErpOrders>, Problem> {
    let company = &call.company;
    let orders = company
        .erp
        .find_orders(
            &company.id,
            query.reference,
            query.besides.as_ref(),
            call.terms,
        )
        .await?;
    Ok(Json(ErpOrders { orders }))
}

/// Company and order of a path.
#[derive(Debug, Deserialize)]
struct OrderPath {
    number: ErpOrderNumber,
}

/// Reads a sales order; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/sales-orders/{number}", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ("number" = String, Path, description = "The ERP's number", example = "0000100001")),
    responses(
        (status = 200, description = "As the ERP has it", body = ErpOrder),
        (status = 404, description = "The ERP has no such order: backend-not-found", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn get_sales_order(
    call: Call,
    Path(path): Path<OrderPath>,
) -> Result<Json<ErpOrder>, Problem> {
    let (company, erp) = (&call.company.id, &call.company.erp);
    shown(erp.order(company, path.number, call.terms).await?)
}

/// Reads the posted invoices of a sales order; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/sales-orders/{number}/invoices", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ("number" = String, Path, description = "The ERP's number", example = "0000100001")),
    responses(
        (status = 200, description = "The invoices, by day and number", body = ErpInvoices),
        (status = 404, description = "The ERP has no such order: backend-not-found", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list_invoices(
    call: Call,
    Path(path): Path<OrderPath>,
) -> Result<Json<ErpInvoices>, Problem> {
    let (company, erp) = (&call.company.id, &call.company.erp);
    let invoices = erp.invoices(company, path.number, call.terms).await?;
    Ok(Json(ErpInvoices { invoices }))
}

/// Amends a sales order: other quantities and days for lines that are there, and nothing else. One that stands so already
/// stays so.
#[utoipa::path(
    post, path = "/v1/companies/{company}/sales-orders/{number}/amend", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ("number" = String, Path, description = "The ERP's number", example = "0000100001")),
    request_body = AmendErpOrder,
    responses(
        (status = 200, description = "As the ERP has it now", body = ErpOrder),
        (status = 404, description = "The ERP has no such order: backend-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be amended so, as `detail` says: backend-rejected. `amendable` of the capabilities says until when an order can be", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Either not begun (deadline-exceeded) or perhaps done (backend-outcome-unknown): this one may be repeated as it is", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn amend_sales_order(
    call: Call,
    Path(path): Path<OrderPath>,
    Json(amendment): Json<AmendErpOrder>,
) -> Result<Json<ErpOrder>, Problem> {
    at_most("lines", amendment.lines.len(), MOST_LINES)?;
    let faults = amendment_faults(&amendment.lines);
    if !faults.is_empty() {
        return Err(Problem::validation(faults));
    }
    let (company, erp) = (&call.company.id, &call.company.erp);
    let amended = erp.amend_order(company, path.number, amendment, call.terms);
    shown(amended.await?)
}

/// What makes no sense in an amendment, whatever the order.
fn amendment_faults(lines: &[ErpLineAmendment]) -> Vec<FieldError> {
    if lines.is_empty() {
        let detail = "An amendment names at least one line.";
        return vec![FieldError::new("/lines", "too-few", detail)];
    }
    let mut faults = Vec::new();
    let mut numbers = HashSet::new();
    for (place, line) in lines.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: &str| {
            faults.push(FieldError::new(
                format!("/lines/{place}{field}"),
                code,
                detail,
            ));
        };
        if line.quantity.is_none() && line.ship_date.is_none() {
            fault("", "incomplete", "Give a quantity, a ship_date or both.");
        }
        if line
            .quantity
            .is_some_and(|quantity| quantity.value < Decimal::ZERO)
        {
            let detail = "Give 0 to take the line away, or more.";
            fault("/quantity/value", "out-of-range", detail);
        }
        if line.line == 0 || line.order_line == 0 {
            let detail =
                "Lines are numbered from 1; one that is none of ours is amended in the ERP.";
            fault("", "out-of-range", detail);
        }
        if !numbers.insert(line.line) {
            fault("/line", "duplicate", "Name each line once.");
        }
    }
    faults
}

/// Lets a blocked sales order go on; one that is released already stays so.
#[utoipa::path(
    post, path = "/v1/companies/{company}/sales-orders/{number}/release", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ("number" = String, Path, description = "The ERP's number", example = "0000100001")),
    responses(
        (status = 204, description = "It is released"),
        (status = 404, description = "The ERP has no such order: backend-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be released, as `detail` says: backend-rejected", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn release_sales_order(
    call: Call,
    Path(path): Path<OrderPath>,
) -> Result<StatusCode, Problem> {
    let (company, erp) = (&call.company.id, &call.company.erp);
    erp.release_order(company, path.number, call.terms).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cancels a sales order; one that is cancelled already stays so.
#[utoipa::path(
    post, path = "/v1/companies/{company}/sales-orders/{number}/cancel", tag = "sales-orders", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), ("number" = String, Path, description = "The ERP's number", example = "0000100001")),
    responses(
        (status = 200, description = "As the ERP has it now", body = ErpOrder),
        (status = 404, description = "The ERP has no such order: backend-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be cancelled, as `detail` says: backend-rejected", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn cancel_sales_order(
    call: Call,
    Path(path): Path<OrderPath>,
) -> Result<Json<ErpOrder>, Problem> {
    let (company, erp): (_, &ErpBackend) = (&call.company.id, &call.company.erp);
    shown(erp.cancel_order(company, path.number, call.terms).await?)
}

fn shown(order: Option<ErpOrder>) -> Result<Json<ErpOrder>, Problem> {
    order.map(Json).ok_or_else(questions::unknown)
}
