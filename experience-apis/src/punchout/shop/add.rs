//! Into the cart.

use axum::response::Response;
use canonical_model::{UnitOfMeasure, product::Product};
use rust_decimal::Decimal;

use super::{
    answer::Answer,
    form::{self, Fields, Posted},
    product::{self, Typed},
    refusal::Refusal,
    visitor::Visitor,
    words,
};
use crate::punchout::visit::{self, VisitError, cart::Unchanged};

/// Puts a product into the cart.
///
/// The answer leads back to where it was chosen; what cannot be taken is named beside what was typed.
#[utoipa::path(post, path = "/punchout/shop/{partner}/{visit}/add", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "item, quantity, unit; and list, q and cursor where it was chosen in the list", example = "item=SKU-0001&quantity=12&unit=EA"),
    responses((status = 303, description = "It is in the cart"),
        (status = 404, description = "There is no such product, or the link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 409, description = "The cart has been returned, or is for looking only", body = String, content_type = "text/html"),
        (status = 413, description = "The form is too large", body = String, content_type = "text/html"),
        (status = 422, description = "The quantity or unit cannot be taken; the page says why", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn add_to_cart(visitor: Visitor, Posted(fields): Posted) -> Response {
    let answer = add(&visitor, fields).await;
    visitor.respond(answer)
}

async fn add(visitor: &Visitor, fields: Result<Fields, Refusal>) -> Result<Answer, Refusal> {
    let fields = &fields?;
    visitor.loaded.visit.may_change()?;
    let product = product::find(visitor, fields.get("item")).await?;
    let typed = fields.get("quantity").unwrap_or_default();
    let (quantity, unit) = match wanted(&product, typed, fields.get("unit")) {
        Ok(wanted) => wanted,
        Err(fault) => return again(visitor, product, fields, fault).await,
    };
    let added = visit::change(
        &visitor.state,
        &visitor.profile,
        visitor.loaded.clone(),
        |visit| visit.add(&product.item, unit, quantity),
    );
    match added.await {
        Ok(_) => Ok(Answer::See(way_back(visitor, &product, fields))),
        Err(VisitError::Unchanged(fault @ (Unchanged::Full | Unchanged::TooMuch))) => {
            again(visitor, product, fields, fault.to_string()).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Quantity and unit, or a sentence that says what is wrong with them.
fn wanted(
    product: &Product,
    quantity: &str,
    unit: Option<&str>,
) -> Result<(Decimal, UnitOfMeasure), String> {
    if !product.orderable {
        return Err("This product can no longer be ordered.".to_owned());
    }
    let quantity = form::quantity(quantity)?;
    if quantity.is_zero() {
        return Err("Enter a quantity greater than zero.".to_owned());
    }
    let unit = match unit {
        Some(code) => UnitOfMeasure::from_code(code).ok(),
        None => Some(product.sales_unit),
    };
    let sold = |unit: &UnitOfMeasure| {
        let mut conversions = product.conversions.iter();
        *unit == product.base_unit || conversions.any(|conversion| conversion.unit == *unit)
    };
    let unit = unit.filter(sold);
    let unit = unit.ok_or("This product is not sold in that unit: choose one of the list.")?;
    Ok((quantity, unit))
}

async fn again(
    visitor: &Visitor,
    product: Product,
    fields: &Fields,
    fault: String,
) -> Result<Answer, Refusal> {
    let quantity = fields.get("quantity").unwrap_or_default();
    let unit = fields.get("unit");
    let typed = Typed {
        quantity: quantity.chars().take(40).collect(),
        unit: unit.and_then(|code| UnitOfMeasure::from_code(code).ok()),
        fault: Some(fault),
    };
    product::page(visitor, product, false, typed).await
}

fn way_back(visitor: &Visitor, product: &Product, fields: &Fields) -> String {
    let item = words::encode(product.item.as_str());
    if fields.get("list").is_none() {
        return visitor.to(&format!("product?item={item}&added=1"));
    }
    let of_list = |name: &str| words::encode(fields.get(name).unwrap_or_default());
    let (query, cursor) = (of_list("q"), of_list("cursor"));
    visitor.to(&format!("?q={query}&cursor={cursor}&added={item}"))
}
