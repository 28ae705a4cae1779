//! The cart: what is in it, what it costs, when it comes, and what is wrong with it.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::response::Response;
use canonical_model::{
    ItemNumber, Money, UnitOfMeasure,
    basket::{BasketCheck, CheckedLine, Verdict},
    product::Product,
    quote::Quote,
};
use http::StatusCode;
use rust_decimal::Decimal;

use super::{
    answer::{Answer, Page},
    basket::known,
    form::{self, Fields, Posted},
    refusal::Refusal,
    visitor::{Frame, Visitor},
    words,
};
use crate::punchout::visit::{self, CannotLeave, CartLine, Mode, Protocol, Visit};

#[derive(Template)]
#[template(path = "punchout/cart.html")]
struct CartPage {
    frame: Frame,
    lines: Vec<LineView>,
    total: Option<String>,
    /// What is wrong, in all; with the field it is about.
    faults: Vec<(Option<String>, String)>,
    notices: Vec<String>,
    /// Why it did not leave although nothing is wrong.
    changed: Option<String>,
    /// The total as it is shown, to be said when the cart is returned.
    seen: String,
    /// An empty cart may leave, and says what that means.
    may_empty: bool,
}

/// A line of the cart.
struct LineView {
    number: usize,
    item: String,
    href: String,
    description: String,
    buyer_part_number: Option<String>,
    unit: String,
    quantity: String,
    field: String,
    price: Option<String>,
    total: Option<String>,
    dates: Vec<String>,
    faults: Vec<String>,
}

/// What the page tells besides the cart.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What was typed, by field, with what is wrong with it.
    pub(super) typed: HashMap<String, (String, Option<String>)>,
    /// Why the cart could not leave.
    pub(super) refused: Vec<CannotLeave>,
    /// Why it did not leave although nothing is wrong.
    pub(super) changed: Option<String>,
    /// At what it was quoted, where that is to be shown.
    pub(super) quoted: Option<BasketCheck>,
}

/// The field of the cart's form that tells the total the buyer saw.
pub(super) const SEEN: &str = "total";

/// A total as that field has it.
pub(super) fn seen(total: &Money) -> String {
    format!("{} {}", words::typed(total.amount), total.currency.code())
}

impl From<CannotLeave> for Told {
    fn from(cannot: CannotLeave) -> Self {
        Self {
            refused: vec![cannot],
            ..Self::default()
        }
    }
}

impl Told {
    /// A cart was quoted at another total than the buyer saw, or at one of which the buyer saw nothing.
    pub(super) fn unseen(quote: &Quote, seen: &str) -> Self {
        let now = words::total(&quote.total);
        let changed = if seen.is_empty() {
            format!("The cart comes to {now}: look at it, and return it again.")
        } else {
            format!(
                "Prices have changed since this cart was shown: it comes to {now} now. Look at it, and return it again."
            )
        };
        Self {
            changed: Some(changed),
            quoted: Some(BasketCheck {
                verdict: Verdict::Accept,
                holds: Vec::new(),
                problems: Vec::new(),
                lines: quote.lines.clone(),
                total: quote.total,
                credit: None,
                degraded: false,
            }),
            ..Self::default()
        }
    }
}

/// Shows the cart.
#[utoipa::path(get, path = "/punchout/shop/{partner}/{visit}/cart", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn show_cart(visitor: Visitor) -> Response {
    let answer = page(&visitor, Told::default()).await;
    visitor.respond(answer)
}

/// Changes quantities, or takes a line out.
///
/// Either all of the form is done or none of it: what cannot be taken is named beside what was typed.
#[utoipa::path(post, path = "/punchout/shop/{partner}/{visit}/cart", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "One field a line, named unit:item, with its quantity; 0 takes it out. Or remove=unit:item", example = "EA%3ASKU-0001=12"),
    responses((status = 303, description = "The cart is changed"),
        (status = 400, description = "The form is none of the shop's", body = String, content_type = "text/html"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 409, description = "The cart has been returned, or is for looking only", body = String, content_type = "text/html"),
        (status = 413, description = "The form is too large", body = String, content_type = "text/html"),
        (status = 422, description = "A quantity cannot be taken; the page says why", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn change_cart(visitor: Visitor, Posted(fields): Posted) -> Response {
    let answer = change(&visitor, fields).await;
    visitor.respond(answer)
}

async fn change(visitor: &Visitor, fields: Result<Fields, Refusal>) -> Result<Answer, Refusal> {
    match typed(&fields?)? {
        Ok(wanted) => {
            let (state, profile) = (&visitor.state, &visitor.profile);
            let set = |visit: &mut Visit| visit.set(&wanted);
            visit::change(state, profile, visitor.loaded.clone(), set).await?;
            Ok(Answer::See(visitor.to("cart")))
        }
        Err(told) => {
            visitor.loaded.visit.may_change()?;
            page(visitor, told).await
        }
    }
}

/// The quantities in a form of the cart, or what to tell of those that cannot be taken.
pub(super) fn typed(fields: &Fields) -> Result<Result<Vec<CartLine>, Told>, Refusal> {
    let removed: HashSet<&str> = fields
        .iter()
        .filter(|(name, _)| *name == "remove")
        .map(|(_, line)| line)
        .collect();
    let mut wanted = Vec::new();
    let mut told = Told::default();
    let kept = fields
        .iter()
        .filter(|(name, _)| !["remove", SEEN].contains(name) && !removed.contains(name));
    for (name, typed) in kept.chain(removed.iter().map(|name| (*name, "0"))) {
        let (item, unit) = line_of(name).ok_or_else(|| {
            Refusal::bad_form(
                "A field of the form names no line. Go back to the cart and send it again.",
            )
        })?;
        let quantity = form::quantity(typed);
        let shown = typed.chars().take(40).collect();
        let fault = quantity.as_ref().err().cloned();
        told.typed.insert(name.to_owned(), (shown, fault));
        wanted.push(CartLine {
            item,
            quantity: quantity.unwrap_or_default(),
            unit,
        });
    }
    let wrong = told.typed.values().any(|(_, fault)| fault.is_some());
    Ok(if wrong { Err(told) } else { Ok(wanted) })
}

/// The name of a line's field.
fn field_of(line: &CartLine) -> String {
    format!("{}:{}", line.unit, line.item)
}

fn line_of(field: &str) -> Option<(ItemNumber, UnitOfMeasure)> {
    let (unit, item) = field.split_once(':')?;
    let unit = UnitOfMeasure::from_code(unit).ok()?;
    Some((ItemNumber::new(item).ok()?, unit))
}

/// The page of the cart.
pub(super) async fn page(visitor: &Visitor, mut told: Told) -> Result<Answer, Refusal> {
    let visit = &visitor.loaded.visit;
    let quoted = told.quoted.take();
    let check = async {
        match quoted {
            Some(quoted) => Some(quoted),
            None => known("basket check", visitor.check(visit).await),
        }
    };
    let (products, check) = if visit.cart.is_empty() {
        (Vec::new(), None)
    } else {
        let (products, check) = tokio::join!(visitor.products(visit), check);
        (known("products", products).unwrap_or_default(), check)
    };
    let wrong = !told.refused.is_empty() || told.typed.values().any(|(_, fault)| fault.is_some());
    let status = if wrong {
        StatusCode::UNPROCESSABLE_ENTITY
    } else if told.changed.is_some() {
        StatusCode::CONFLICT
    } else {
        StatusCode::OK
    };
    let page = view(visitor, &products, check.as_ref(), told);
    Ok(Page::of(&page)?.with_status(status).into())
}

fn view(
    visitor: &Visitor,
    products: &[Option<Product>],
    check: Option<&BasketCheck>,
    told: Told,
) -> CartPage {
    let visit = &visitor.loaded.visit;
    let mut notices = Vec::new();
    if check.is_none() && !visit.cart.is_empty() {
        notices.push("Prices and dates are not available at the moment; your cart is kept. Reload the page to see them.".to_owned());
    }
    if check.is_some_and(|check| check.verdict == Verdict::Hold) {
        notices.push("As things stand, an order of this cart would be taken and then looked at by a person before it is delivered.".to_owned());
    }
    let mut faults: Vec<(Option<String>, String)> = Vec::new();
    if let Some(check) = check {
        let whole = check.problems.iter();
        faults.extend(whole.map(|problem| (None, problem.detail.clone())));
    }
    let whole = told.refused.iter().filter(|refused| refused.line.is_none());
    faults.extend(whole.map(|refused| (None, refused.detail.clone())));
    let mut lines = Vec::with_capacity(visit.cart.len());
    for (index, line) in visit.cart.iter().enumerate() {
        let number = index.saturating_add(1);
        let checked = check.and_then(|check| check.lines.get(index));
        let product = products.get(index).and_then(Option::as_ref);
        let view = line_view(visitor, (number, line), product, checked, &told);
        let field = format!("quantity-{number}");
        let named = |fault: &String| (Some(field.clone()), format!("{}: {fault}", line.item));
        faults.extend(view.faults.iter().map(named));
        lines.push(view);
    }
    CartPage {
        frame: visitor.frame(),
        total: check.map(|check| words::total(&check.total)),
        seen: check.map(|check| seen(&check.total)).unwrap_or_default(),
        changed: told.changed,
        may_empty: visit.mode == Mode::Edit && matches!(visit.protocol, Protocol::Cxml(_)),
        lines,
        faults,
        notices,
    }
}

fn line_view(
    visitor: &Visitor,
    (number, line): (usize, &CartLine),
    product: Option<&Product>,
    checked: Option<&CheckedLine>,
    told: &Told,
) -> LineView {
    let field = field_of(line);
    let typed = told.typed.get(&field);
    let mut faults: Vec<String> = Vec::new();
    faults.extend(typed.and_then(|(_, fault)| fault.clone()));
    if let Some(checked) = checked {
        let problems = checked.problems.iter();
        faults.extend(problems.map(|problem| problem.detail.clone()));
    }
    let here = |refused: &&CannotLeave| {
        let line = refused.line.and_then(|line| usize::try_from(line).ok());
        line == Some(number)
    };
    let refused = told.refused.iter().filter(here);
    faults.extend(refused.map(|refused| refused.detail.clone()));
    let price = checked.and_then(|checked| checked.price.as_ref());
    LineView {
        number,
        item: line.item.to_string(),
        href: visitor.to(&format!(
            "product?item={}",
            words::encode(line.item.as_str())
        )),
        description: product.map_or_else(String::new, |product| product.description.clone()),
        buyer_part_number: product.and_then(|product| product.buyer_part_number.clone()),
        unit: line.unit.to_string(),
        quantity: typed.map_or_else(|| words::typed(line.quantity), |(typed, _)| typed.clone()),
        field,
        price: price.map(|price| words::unit_price(&price.unit_price)),
        total: price.map(|price| words::total(&price.total)),
        dates: checked.map(dates).unwrap_or_default(),
        faults,
    }
}

/// When a line comes: one date, or how much on which.
fn dates(line: &CheckedLine) -> Vec<String> {
    let mut by_date: Vec<(jiff::civil::Date, Decimal)> = Vec::new();
    for part in &line.schedule {
        let date = part.promised_delivery_date;
        match by_date.iter_mut().find(|(known, _)| *known == date) {
            Some((_, sum)) => *sum = sum.saturating_add(part.quantity.value),
            None => by_date.push((date, part.quantity.value)),
        }
    }
    by_date.sort_unstable();
    let several = by_date.len() > 1;
    let said = |(date, quantity): (jiff::civil::Date, Decimal)| {
        if several {
            format!("{} on {}", words::number(quantity), words::date(date))
        } else {
            words::date(date)
        }
    };
    by_date.into_iter().map(said).collect()
}
