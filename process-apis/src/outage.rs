//! `/v1/outage`: what an operator looks at while an ERP does not answer; and the same as metrics.

use std::{sync::Arc, time::Duration};

use axum::extract::{FromRef, State};
use canonical_model::decimal;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_runtime::{
    context::{AccountScope, Caller},
    extract::{Json, Query},
    page::PageQuery,
    problem::Problem,
    telemetry::error_chain,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    baskets::facts::Sources,
    clients::{Call, Lane},
    error::store_problem,
    orders::provisional::limit_of,
    state::AppState,
    store::{BoundFilter, Store, StoreError},
};

/// How often the metrics are told.
const EVERY: Duration = Duration::from_secs(5);

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_outage))
}

/// How things stand with a company's ERP.
#[derive(Debug, Serialize, ToSchema)]
struct Outage {
    /// Whether the ERP takes orders now: false while they are not even tried, since too many failed.
    taking_orders: bool,
    /// Whether orders are taken provisionally while it does not answer.
    enabled: bool,
    /// Orders, of all companies, that are on their way into an ERP.
    orders_awaiting_erp: u64,
    /// Since when the oldest of them waits; absent = none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    oldest_since: Option<Timestamp>,
    /// Orders, of all companies, that take of a bound: taken provisionally, and not in their ERP yet.
    provisional_orders: u64,
    /// What is outstanding under each bound, by name; empty = nothing.
    bounds: Vec<BoundUse>,
    /// The cursor of the page after, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// What is outstanding under a bound.
#[derive(Debug, Serialize, ToSchema)]
struct BoundUse {
    /// `value/<account>`, in the account's currency, or `quantity/<item>`, in its base unit.
    #[schema(example = "value/ACME")]
    bound: String,
    /// How much is outstanding.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    used: Decimal,
    /// How much may be.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    limit: Decimal,
}

/// Which bounds to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OutageQuery {
    /// How many bounds at most, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Tells how things stand with the company's ERP, what waits for it, and what is outstanding under the bounds.
#[utoipa::path(
    get, path = "/v1/outage", tag = "outage", operation_id = "get_outage",
    security(("call_context" = ["holds:read"])), params(OutageQuery),
    responses((status = 200, description = "How things stand", body = Outage),
              (status = "default", description = "A problem", body = Problem)),
)]
async fn get_outage(
    State(sources): State<Sources>,
    caller: Caller,
    Query(query): Query<OutageQuery>,
) -> Result<Json<Outage>, Problem> {
    caller.require("holds:read")?;
    if caller.accounts != AccountScope::All {
        return Err(Problem::forbidden(
            "The bounds are those of all accounts; ask for a credential that sees all of them.",
        ));
    }
    let call = Call::for_caller(&caller, Lane::Bulk)?;
    let asked = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let most = asked.limit()?;
    let filter = BoundFilter {
        bounds: None,
        after: asked.after::<String>()?,
        limit: u16::try_from(most.saturating_add(1)).unwrap_or(u16::MAX),
    };
    let (capabilities, sums, backlog) = tokio::join!(
        sources.system.capabilities(&call),
        sources.store.bounds(&call.company, filter),
        sources.store.backlog(),
    );
    let store = |error: StoreError| store_problem(&error);
    let (mut sums, backlog) = (sums.map_err(store)?, backlog.map_err(store)?);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = sums.len() > most;
    sums.truncate(most);
    let last = sums.last().filter(|_| more).map(|sum| &sum.key.bound);
    let policy = &sources.policies.outage;
    Ok(Json(Outage {
        taking_orders: capabilities?.taking_orders,
        enabled: policy.enabled,
        orders_awaiting_erp: backlog.awaiting_erp,
        oldest_since: backlog.oldest_since,
        provisional_orders: backlog.provisional,
        next: last.map(service_runtime::page::encode_cursor).transpose()?,
        bounds: sums
            .into_iter()
            .map(|sum| BoundUse {
                limit: limit_of(policy, &sum.key.bound),
                bound: sum.key.bound,
                used: sum.claimed,
            })
            .collect(),
    }))
}

/// Tells the metrics until it is stopped.
pub async fn watch(state: AppState, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let store = Arc::<dyn Store>::from_ref(&state);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match store.backlog().await {
            Ok(backlog) => {
                let count = |orders: u64| f64::from(u32::try_from(orders).unwrap_or(u32::MAX));
                let since = backlog.oldest_since;
                let age = since.map(|since| state.clock.now().duration_since(since));
                metrics::gauge!("orderway_orders_awaiting_erp").set(count(backlog.awaiting_erp));
                metrics::gauge!("orderway_provisional_orders").set(count(backlog.provisional));
                metrics::gauge!("orderway_oldest_unconfirmed_order_seconds")
                    .set(age.map_or(0.0, |age| age.as_secs_f64().max(0.0)));
            }
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "what waits for the ERP is not known"
                );
            }
        }
    }
}
