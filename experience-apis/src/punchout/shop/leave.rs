//! Out of the shop: the cart is quoted and goes back, or the buyer leaves without one. Either happens once; afterwards
//! the same bytes are posted again, whatever prices do.

use askama::Template;
use axum::response::Response;
use canonical_model::{
    product::Product,
    quote::{Quote, QuoteRequest},
};
use service_runtime::{extract::IdempotencyKey, http_client::HopError};
use url::Url;

use super::{
    answer::{Answer, Page},
    assets, basket,
    cart::{self, Told},
    form::{Fields, Posted},
    refusal::Refusal,
    visitor::{Frame, Visitor},
};
use crate::{
    clients::process::CallError,
    punchout::{
        cxml, fingerprint, oci,
        profile::origin,
        visit::{
            self, CannotLeave, CartLine, LeavingCart, Loaded, Mode, Protocol, ReturnForm, Stage,
            Visit, VisitError, cart::Unchanged,
        },
    },
};

/// How often a cart is quoted again that somebody else has changed in the meantime.
const ATTEMPTS: usize = 3;
/// Of what is kept of a visit, at most: process-apis keep no more.
const MOST_KEPT: usize = 1000 * 1024;

#[derive(Template)]
#[template(path = "punchout/return.html")]
struct ReturnPage<'a> {
    frame: Frame,
    script: &'static str,
    form: &'a ReturnForm,
    target: &'a str,
    host: String,
}

/// Sends the cart back: quotes it, and leads to the page that posts it.
///
/// Quantities that were typed and not saved go with it. The prices hold for the agreed time; where they are not those that
/// the buyer saw, they are shown first. A cart leaves once: the same again leads to the same page.
#[utoipa::path(post, path = "/punchout/shop/{partner}/{visit}/return", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "As of the cart: what was typed there goes with it, and the total that was seen", example = "total=120+USD&EA%3ASKU-0001=12"),
    responses((status = 303, description = "The cart is ready to go: see Location"),
        (status = 400, description = "The form is none of the shop's", body = String, content_type = "text/html"),
        (status = 413, description = "The form is too large", body = String, content_type = "text/html"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 409, description = "The cart is for looking only; or it is not the one, or not at the total, that the buyer saw: the page shows it", body = String, content_type = "text/html"),
        (status = 422, description = "The cart cannot be quoted; the page says why", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn return_cart(mut visitor: Visitor, Posted(fields): Posted) -> Response {
    let answer = give_back(&mut visitor, fields).await;
    visitor.respond(answer)
}

/// Leaves the shop without a cart: nothing changes in the procurement system.
#[utoipa::path(post, path = "/punchout/shop/{partner}/{visit}/leave", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    responses((status = 303, description = "The way back is ready: see Location"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn leave_shop(mut visitor: Visitor) -> Response {
    let answer = leave(&mut visitor).await;
    visitor.respond(answer)
}

/// Shows the page that posts the cart back, the same every time.
#[utoipa::path(get, path = "/punchout/shop/{partner}/{visit}/return", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    responses((status = 200, description = "The page, with the form", body = String, content_type = "text/html"),
        (status = 303, description = "The cart has not been returned: see Location"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn show_return(visitor: Visitor) -> Response {
    let answer = posting(&visitor);
    visitor.respond(answer)
}

fn posting(visitor: &Visitor) -> Result<Answer, Refusal> {
    let Stage::Returned { form } = &visitor.loaded.visit.stage else {
        return Ok(Answer::See(visitor.to("cart")));
    };
    let action = Url::parse(&form.action).map_err(|error| Refusal::internal(&error))?;
    let page = ReturnPage {
        frame: visitor.frame(),
        script: assets::script(),
        target: form.target.as_deref().unwrap_or("_self"),
        host: action.host_str().unwrap_or_default().to_owned(),
        form,
    };
    let mut targets = vec![origin(&action)];
    targets.extend(visitor.profile.form_targets.iter().cloned());
    Ok(Page::of(&page)?.posting_to(targets).into())
}

async fn give_back(
    visitor: &mut Visitor,
    fields: Result<Fields, Refusal>,
) -> Result<Answer, Refusal> {
    let fields = fields?;
    let wanted = match cart::typed(&fields)? {
        Ok(wanted) => wanted,
        Err(told) => {
            visitor.loaded.visit.may_change()?;
            return cart::page(visitor, told).await;
        }
    };
    for _ in 0..ATTEMPTS {
        let before = visitor.loaded.visit.cart.clone();
        match visitor.loaded.visit.set(&wanted) {
            Err(Unchanged::Returned) => return Ok(Answer::See(visitor.to("return"))),
            other => other?,
        }
        let seen = fields.get(cart::SEEN);
        if seen.is_some() && !are_named(&visitor.loaded.visit.cart, &wanted) {
            let told = Told {
                changed: Some(
                    "Lines were put into this cart elsewhere: look at them, and return it again."
                        .to_owned(),
                ),
                ..Told::default()
            };
            return cart::page(visitor, told).await;
        }
        // Who typed other quantities goes for another total.
        let seen = seen.filter(|_| visitor.loaded.visit.cart == before);
        let visit = &visitor.loaded.visit;
        if visit.cart.is_empty() && visit.mode == Mode::Create {
            return Ok(Answer::See(visitor.to("cart")));
        }
        let form = match quoted(visitor, seen).await? {
            Ok(form) => form,
            Err(told) => return cart::page(visitor, told).await,
        };
        match keep(visitor, form).await? {
            Kept::Left => return Ok(Answer::See(visitor.to("return"))),
            Kept::TooLarge => {
                let detail = "The cart is too large to go back at once: take some lines out, and order them with another.";
                return cart::page(visitor, cannot(None, detail).into()).await;
            }
            Kept::Changed => {}
        }
    }
    Err(VisitError::Contention.into())
}

async fn leave(visitor: &mut Visitor) -> Result<Answer, Refusal> {
    for _ in 0..ATTEMPTS {
        if let Stage::Returned { .. } = visitor.loaded.visit.stage {
            return Ok(Answer::See(visitor.to("return")));
        }
        if let Some(told) = not_agreed(visitor) {
            return cart::page(visitor, told).await;
        }
        let context = visitor.context();
        let process = &visitor.state.process;
        let account = process.account(&context, visitor.account()).await?;
        let cart = leaving(visitor, None, &[], account.currency);
        let form = match cart.visit.protocol {
            Protocol::Cxml(_) => cxml::cart::cancelled(&cart),
            Protocol::Oci(_) => oci::cart::cancelled(&cart),
        };
        let form = form.map_err(|error| Refusal::internal(&error))?;
        if let Kept::Left = keep(visitor, form).await? {
            return Ok(Answer::See(visitor.to("return")));
        }
    }
    Err(VisitError::Contention.into())
}

/// What became of a form that was to be kept.
enum Kept {
    Left,
    TooLarge,
    Changed,
}

/// Ends the visit with this form, unless somebody else has changed it; then it is read anew.
async fn keep(visitor: &mut Visitor, form: ReturnForm) -> Result<Kept, Refusal> {
    let (state, profile) = (&visitor.state, &visitor.profile);
    let ended = Loaded {
        session: visitor.loaded.session.clone(),
        visit: Visit {
            stage: Stage::Returned { form },
            ..visitor.loaded.visit.clone()
        },
    };
    let size = serde_json::to_vec(&ended.visit).map(|bytes| bytes.len());
    if size.map_err(|error| Refusal::internal(&error))? > MOST_KEPT {
        return Ok(Kept::TooLarge);
    }
    match visit::save(state, profile, &ended).await {
        Ok(_) => Ok(Kept::Left),
        Err(VisitError::Contention) => {
            let session_id = ended.session.session_id;
            visitor.loaded = visit::load(state, profile, session_id).await?;
            Ok(Kept::Changed)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the form of the cart had all of these lines.
fn are_named(cart: &[CartLine], named: &[CartLine]) -> bool {
    cart.iter().all(|line| {
        let mut named = named.iter();
        named.any(|named| named.item == line.item && named.unit == line.unit)
    })
}

/// The agreement may have changed since the visit was opened.
fn not_agreed(visitor: &Visitor) -> Option<Told> {
    let refused = visitor.profile.return_url(&visitor.loaded.visit.return_url);
    let detail =
        "The address of your procurement system is no longer agreed with us: tell your contact.";
    refused.is_err().then(|| cannot(None, detail).into())
}

/// The form of the quoted cart, or what to tell instead. `seen` is the total that the buyer saw of this very cart.
async fn quoted(
    visitor: &Visitor,
    seen: Option<&str>,
) -> Result<Result<ReturnForm, Told>, Refusal> {
    let visit = &visitor.loaded.visit;
    if let Some(told) = not_agreed(visitor) {
        return Ok(Err(told));
    }
    let mut products: Vec<Product> = Vec::with_capacity(visit.cart.len());
    let mut missing = Told::default();
    for (line, product) in (1_u32..).zip(visitor.products(visit).await?) {
        match product {
            Some(product) => products.push(product),
            None => missing.refused.push(cannot(
                Some(line),
                "This product is no longer in the catalogue: remove it.",
            )),
        }
    }
    if !missing.refused.is_empty() {
        return Ok(Err(missing));
    }
    let (quote, currency) = if visit.cart.is_empty() {
        let context = visitor.context();
        let process = &visitor.state.process;
        let account = process.account(&context, visitor.account()).await?;
        (None, account.currency)
    } else {
        match quote(visitor, seen).await? {
            Ok(quote) => (Some(quote.clone()), quote.total.currency),
            Err(refused) => return Ok(Err(refused.into())),
        }
    };
    if let (Some(quote), Some(seen)) = (&quote, seen)
        && cart::seen(&quote.total) != seen
    {
        return Ok(Err(Told::unseen(quote, seen)));
    }
    let cart = leaving(visitor, quote.as_ref(), &products, currency);
    let form = match visit.protocol {
        Protocol::Cxml(_) => cxml::cart::form(&cart),
        Protocol::Oci(_) => oci::cart::form(&cart),
    };
    Ok(form.map_err(Told::from))
}

/// Locks the prices. The same form of the same cart once more is the same quote; another form is another, whether or not
/// what became of the first was kept.
async fn quote(
    visitor: &Visitor,
    seen: Option<&str>,
) -> Result<Result<Quote, CannotLeave>, Refusal> {
    let Loaded { session, visit } = &visitor.loaded;
    let seconds = visitor.profile.price_lock.get().as_secs();
    let request = QuoteRequest {
        account: visitor.account().clone(),
        ship_to: visit.ship_to.clone(),
        lines: basket::lines(&visit.cart),
        seconds: u32::try_from(seconds).ok(),
    };
    let content = serde_json::to_vec(&(&request, seen));
    let content = fingerprint(&content.map_err(|error| Refusal::internal(&error))?);
    let key = format!(
        "return:{}:{}:{content}",
        session.session_id, session.version
    );
    let key = IdempotencyKey::parse(&key)?;
    let context = visitor.context();
    let quoted = visitor.state.process.create_quote(&context, &key, &request);
    match quoted.await {
        Ok(once) => Ok(Ok(once.body)),
        // The check that the page of the cart makes names what is wrong at the lines.
        Err(CallError(HopError::Problem(problem))) if problem.status == 422 => {
            let detail = "The cart cannot be returned as it is: correct what is named below, and return it again.";
            Ok(Err(cannot(None, detail)))
        }
        Err(error) => Err(error.into()),
    }
}

fn leaving<'a>(
    visitor: &'a Visitor,
    quote: Option<&'a Quote>,
    products: &'a [Product],
    currency: canonical_model::Currency,
) -> LeavingCart<'a> {
    LeavingCart {
        quote,
        products,
        currency,
        visit: &visitor.loaded.visit,
        profile: &visitor.profile,
        session_id: visitor.loaded.session.session_id,
        now: visitor.state.clock.now(),
    }
}

fn cannot(line: Option<u32>, detail: &str) -> CannotLeave {
    CannotLeave {
        line,
        detail: detail.to_owned(),
    }
}
