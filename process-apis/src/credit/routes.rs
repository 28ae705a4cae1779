//! `/v1/accounts/{account}/credit`: the position that rules.

use axum::extract::State;
use canonical_model::{AccountId, credit::CreditPosition};
use service_runtime::{
    context::Caller,
    extract::{Json, Path},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::exposure::ruling;
use crate::{
    baskets::{
        facts::{Purpose, Sources, account},
        ledgers::{Question, chain, credit_query},
        standing::KindStanding,
    },
    clients::{Call, Lane, SystemError},
    state::AppState,
};

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_credit))
}

/// The credit of an account: of it and all above it, the position with the least available.
#[utoipa::path(get, path = "/v1/accounts/{account}/credit", operation_id = "get_credit", tag = "accounts",
    params(("account" = String, Path, description = "The account's number", example = "ACME")),
    responses((status = 200, description = "The position that rules", body = CreditPosition),
              (status = "default", description = "A problem", body = Problem)))]
async fn get_credit(
    State(sources): State<Sources>,
    caller: Caller,
    Path(number): Path<AccountId>,
) -> Result<Json<CreditPosition>, Problem> {
    caller.require("accounts:read")?;
    caller.require_account(number.as_str())?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let ages = Purpose::Browse.ages(&sources.policies);
    let found = account(&sources, &call, &number, ages.account).await?;
    let capabilities = sources.system.capabilities(&call).await?;
    let question = Question {
        sources: &sources,
        call: &call,
        capabilities: &capabilities,
    };
    let told = sources
        .system
        .credit(&call, &credit_query(&found, ages.credit))
        .await;
    let credit = question.credit_told(&found, told).await?;
    let standing = KindStanding::new(ages.credit, credit.degraded);
    let now = sources.clock.now();
    let position = ruling(&chain(&found), &credit.facts)
        .filter(|position| standing.is_usable(position.as_of, now));
    position
        .map(|position| CreditPosition {
            degraded: standing.is_degraded(position.as_of, now),
            ..position
        })
        .map(Json)
        .ok_or_else(|| SystemError::Unavailable { retry_after: None }.into())
}
