//! The channel's addresses: the call, by GET and by POST, as buyers' systems send browsers here.

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Redirect, Response},
};
use canonical_model::{ItemNumber, SessionId};
use http::header;
use service_runtime::{
    extract::read_body,
    problem::{Problem, codes as generic},
};
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{self, Call, Function},
    charset::Charset,
    contract::OciCall,
    functions,
    login::{Caller, Partner, enter},
    page,
    params::{self, Params},
};
use crate::{
    punchout::visit::{self, VisitError},
    state::AppState,
};

const FORM: &str = "application/x-www-form-urlencoded";

pub(in crate::punchout) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(oci_punch_out))
        .routes(routes!(oci_punch_out_by_form))
}

/// Opens the shop for a buyer, or answers one question of a buyer's system.
///
/// The browser comes with `HOOK_URL` and a login, as the call structure of OCI has it; names are without case. Without
/// FUNCTION it is sent on to the shop, once. DETAIL and DETAILADD open the shop at a product. VALIDATE answers a page
/// that posts the item as it is today, with a price lock; `BACKGROUND_SEARCH` one that posts what is found, at most 100.
/// A login by HTTP Basic counts before the fields. Errors are pages where the request accepts `text/html`.
#[utoipa::path(get, path = "/punchout/oci/{partner}", tag = "punchout", security(("basic" = []), ()),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-punchout"),
        OciCall),
    responses((status = 200, description = "A page that posts to HOOK_URL", body = String, content_type = "text/html"),
        (status = 303, description = "The start link of the shop", headers(("Location" = String, description = "Works once, within ten minutes"))),
        (status = 400, description = "`invalid-request`: the field that is wrong is named", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 401, description = "`unauthenticated`: the partner, the user or the password is not known", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 403, description = "`forbidden`: the cart may not go to HOOK_URL", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 404, description = "`not-found`: the product is not known", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 422, description = "`refused`, `basket-rejected`: the item cannot be had, and why", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 429, description = "`rate-limited`", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 503, description = "`temporarily-unavailable`", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 504, description = "`timeout`", content((Problem = "application/problem+json"), (String = "text/html")))))]
async fn oci_punch_out(
    State(state): State<AppState>,
    Path(partner): Path<String>,
    request: Request,
) -> Response {
    serve(&state, &partner, request).await
}

/// The same by a form; its fields may stand in the body, in the query, or in both.
#[utoipa::path(post, path = "/punchout/oci/{partner}", tag = "punchout", security(("basic" = []), ()),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-punchout")),
    request_body(content = OciCall, content_type = "application/x-www-form-urlencoded", description = "The fields of the call",
        example = json!({"HOOK_URL": "https://procure.example.com/punchout/in", "USERNAME": "acme", "PASSWORD": "…",
            "~OkCode": "ADDI", "~TARGET": "_top", "~CALLER": "CTLG"})),
    responses((status = 200, description = "A page that posts to HOOK_URL", body = String, content_type = "text/html"),
        (status = 303, description = "The start link of the shop", headers(("Location" = String, description = "Works once, within ten minutes"))),
        (status = 400, description = "`invalid-request`: the field that is wrong is named", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 401, description = "`unauthenticated`: the partner, the user or the password is not known", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 403, description = "`forbidden`: the cart may not go to HOOK_URL", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 404, description = "`not-found`: the product is not known", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 413, description = "`payload-too-large`", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 415, description = "`unsupported-media-type`", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 422, description = "`refused`, `basket-rejected`: the item cannot be had, and why", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 429, description = "`rate-limited`", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 503, description = "`temporarily-unavailable`", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 504, description = "`timeout`", content((Problem = "application/problem+json"), (String = "text/html")))))]
async fn oci_punch_out_by_form(
    State(state): State<AppState>,
    Path(partner): Path<String>,
    request: Request,
) -> Response {
    serve(&state, &partner, request).await
}

/// A request as it came: who knocks, its fields, and whether somebody looks at the answer.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) params: Params,
    /// The body is no form: told to those who may come in.
    pub(super) unfit: Option<Problem>,
    /// A form counts among those that are read until it is dealt with.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// Reads query and body. A text that is in no charset it names is in the agreed one, or in ISO-8859-1.
pub(super) async fn asked(state: &AppState, request: Request) -> Result<Asked, Problem> {
    let caller = Caller::of(request.headers(), request.extensions());
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let params = params::read(query, Charset::Latin1);
    let given = request.headers().get(header::CONTENT_TYPE);
    let essence = given.and_then(|value| value.to_str().ok()?.split(';').next());
    let is_form = essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FORM));
    if is_form {
        let Ok(place) = state.punchout.place(request.headers()).await else {
            let detail = "Too many forms are being read; send it again in a moment.";
            let problem = Problem::new(generic::OVERLOADED, detail);
            return Err(problem.with_retry_after(jiff::SignedDuration::from_secs(2)));
        };
        let body = read_body(request, state).await?;
        return Ok(Asked {
            caller,
            params: params.and(params::read(&body, Charset::Latin1)),
            unfit: None,
            place,
        });
    }
    let unfit = given.map(|_| {
        let detail = format!("Send a form: Content-Type {FORM}.");
        Problem::new(generic::UNSUPPORTED_MEDIA_TYPE, detail)
    });
    Ok(Asked {
        caller,
        params,
        unfit,
        place: None,
    })
}

async fn serve(state: &AppState, partner: &str, request: Request) -> Response {
    let wanted = page::is_wanted(request.headers());
    let entered = async {
        let asked = asked(state, request).await?;
        let partner = enter(state, partner, asked.caller, &asked.params).await?;
        Ok((partner, asked.params, asked.unfit, asked.place))
    };
    let (partner, params, unfit, _place) = match entered.await {
        Ok(entered) => entered,
        Err(problem) => return page::problem(problem, wanted, None),
    };
    let served = async {
        if let Some(problem) = unfit {
            return Err(problem);
        }
        let call = call::read(&params, partner.profile(), partner.oci())?;
        answer(state, &partner, &call).await
    };
    // Who was let in may see whose shop it is; for others all partners are alike.
    served
        .await
        .unwrap_or_else(|problem| page::problem(problem, wanted, Some(partner.profile())))
}

async fn answer(state: &AppState, partner: &Partner, call: &Call) -> Result<Response, Problem> {
    let function = match &call.function {
        Function::Shop => "shop",
        Function::Detail(_) => "detail",
        Function::Validate(..) => "validate",
        Function::Search(_) => "background_search",
    };
    metrics::counter!("orderway_oci_calls_total", "function" => function).increment(1);
    match &call.function {
        Function::Shop => open(state, partner, call, None).await,
        Function::Detail(item) => {
            let product = functions::product(state, partner, item).await?;
            open(state, partner, call, Some(product.item)).await
        }
        Function::Validate(item, quantity) => {
            functions::validate(state, partner, call, item, *quantity).await
        }
        Function::Search(words) => functions::search(state, partner, call, words).await,
    }
}

async fn open(
    state: &AppState,
    partner: &Partner,
    call: &Call,
    selected: Option<ItemNumber>,
) -> Result<Response, Problem> {
    let visit = functions::visit(partner, call, selected);
    let session = SessionId::generate();
    match visit::open(state, partner.profile(), session, &visit, Vec::new()).await {
        Ok(opened) => Ok(Redirect::to(&opened.start_url).into_response()),
        Err(VisitError::Call(error)) => Err(error.into()),
        Err(error) => Err(Problem::internal(&error)),
    }
}
