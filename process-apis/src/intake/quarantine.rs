//! News that wait for a person: list them, have their source asked again, put them aside.

use std::sync::Arc;

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use canonical_model::intake::{NewsStage, QuarantinedNews};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_runtime::{
    clock::Clock,
    context::{CallContext, Caller},
    extract::{IdempotencyKey, Json, Path, Query},
    page::{Page, PageQuery},
    problem::{FieldError, Problem},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::IntakeConfig;
use crate::{
    clients::{Call, Lane},
    crash_points,
    error::store_problem,
    idempotency::{Answer, Keyed, Once, WorkError},
    orders::accept::{cause, current_trace},
    state::AppState,
    store::{AuditEntry, Commit, ParkChange, ParkStage, ParkedNews, Store},
};

const NOTE: usize = 500;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_quarantined_news))
        .routes(routes!(retry_news))
        .routes(routes!(dismiss_news))
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NewsSearch {
    /// How many at most, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of news that wait for a person, oldest first.
#[derive(Debug, Serialize, ToSchema)]
struct QuarantinedNewsPage {
    /// The news.
    items: Vec<QuarantinedNews>,
    /// The cursor of the page after, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the news that fit no order, or whose source could not settle them.
#[utoipa::path(
    get, path = "/v1/news", tag = "news", operation_id = "list_quarantined_news",
    security(("call_context" = ["news:read"])), params(NewsSearch),
    responses((status = 200, description = "Oldest first", body = QuarantinedNewsPage)),
)]
async fn list_quarantined_news(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    Query(search): Query<NewsSearch>,
) -> Result<Json<QuarantinedNewsPage>, Problem> {
    require(&caller, "news:read")?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let page = PageQuery {
        limit: search.limit,
        cursor: search.cursor,
    };
    let limit = page.limit()?;
    let probe = u16::try_from(limit.saturating_add(1)).unwrap_or(u16::MAX);
    let found = store
        .quarantined(&call.company, page.after()?, probe)
        .await
        .map_err(|error| store_problem(&error))?;
    let items = found.into_iter().map(shown).collect();
    let Page { items, next } = Page::from_probe(items, limit, |news: &QuarantinedNews| news.id)?;
    Ok(Json(QuarantinedNewsPage { items, next }))
}

/// They name orders of all accounts: for those who see all.
fn require(caller: &CallContext, scope: &str) -> Result<(), Problem> {
    caller.require(scope)?;
    if caller.accounts == service_runtime::context::AccountScope::All {
        return Ok(());
    }
    Err(Problem::forbidden(
        "News are about orders of all accounts; ask for a credential that sees all of them.",
    ))
}

fn shown(news: ParkedNews) -> QuarantinedNews {
    let stage = match news.stage {
        ParkStage::Waiting { .. } => NewsStage::Waiting,
        ParkStage::Quarantined => NewsStage::Quarantined,
        ParkStage::Dismissed { .. } => NewsStage::Dismissed,
    };
    QuarantinedNews {
        id: news.id,
        source: news.source,
        key: news.key,
        version: news.version,
        stage,
        reason: news.reason,
        detail: news.detail,
        parked_at: news.parked_at,
        news: news.news,
    }
}

/// Why news are put aside.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewsDismissal {
    /// A sentence for whoever asks later; 1 to 500 characters.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "Sent twice by hand; the warehouse has booked it back."
    )]
    note: String,
}

/// Has the source asked again how it stands.
///
/// For news whose cause is mended, here or in the warehouse. What the source says then is judged anew.
#[utoipa::path(
    post, path = "/v1/news/{id}/retry", tag = "news", operation_id = "retry_news",
    security(("call_context" = ["news:dismiss"])),
    params(
        ("id" = Uuid, Path, description = "The news"),
        ("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition"),
    ),
    responses(
        (status = 200, description = "They wait for their source", body = QuarantinedNews),
        (status = 404, description = "`not-found`: nothing of this id waits", body = Problem),
    ),
)]
async fn retry_news(
    State(desk): State<Desk>,
    State(once): State<Once>,
    caller: Caller,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    require(&caller, "news:dismiss")?;
    let keyed = Keyed::new(&caller, &format!("retry_news:{id}"), &key, &())?;
    let caller = caller.into_inner();
    let work = move |keyed: Keyed| async move { desk.decide(&caller, id, None, &keyed).await };
    Ok(once.run(keyed, work).await?.into_response())
}

/// Puts news aside: a person has seen to what they say. The same news, sent again, stay aside; newer ones do not.
#[utoipa::path(
    post, path = "/v1/news/{id}/dismiss", tag = "news", operation_id = "dismiss_news",
    security(("call_context" = ["news:dismiss"])),
    params(
        ("id" = Uuid, Path, description = "The news"),
        ("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition"),
    ),
    request_body = NewsDismissal,
    responses(
        (status = 200, description = "They are put aside", body = QuarantinedNews),
        (status = 404, description = "`not-found`: nothing of this id waits", body = Problem),
    ),
)]
async fn dismiss_news(
    State(desk): State<Desk>,
    State(once): State<Once>,
    caller: Caller,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
    Json(dismissal): Json<NewsDismissal>,
) -> Result<Response, Problem> {
    require(&caller, "news:dismiss")?;
    let note = &dismissal.note;
    if !(1..=NOTE).contains(&note.trim().chars().count()) || note.chars().any(char::is_control) {
        let detail = format!("Say why, in 1 to {NOTE} characters of one line.");
        let fault = FieldError::new("/note", "out-of-range", detail);
        return Err(Problem::validation(vec![fault]));
    }
    let keyed = Keyed::new(&caller, &format!("dismiss_news:{id}"), &key, &dismissal)?;
    let caller = caller.into_inner();
    let note = Some(dismissal.note);
    let work = move |keyed: Keyed| async move { desk.decide(&caller, id, note, &keyed).await };
    Ok(once.run(keyed, work).await?.into_response())
}

/// Carries out what a person decides.
#[derive(Clone)]
struct Desk {
    store: Arc<dyn Store>,
    clock: Clock,
    config: IntakeConfig,
}

impl FromRef<AppState> for Desk {
    fn from_ref(state: &AppState) -> Self {
        Self {
            store: Arc::clone(&state.store),
            clock: state.clock.clone(),
            config: state.config.intake,
        }
    }
}

impl Desk {
    /// With a note they are put aside, without one their source is asked.
    async fn decide(
        &self,
        caller: &CallContext,
        id: Uuid,
        note: Option<String>,
        keyed: &Keyed,
    ) -> Result<Answer, WorkError> {
        let call = Call::for_caller(caller, Lane::Order)?;
        let found = self.store.parked_by_id(&call.company, id).await?;
        let news = found
            .filter(|news| news.stage == ParkStage::Quarantined)
            .ok_or_else(Problem::not_found)?;
        let now = self.clock.now();
        let action = if note.is_some() {
            "news.dismissed"
        } else {
            "news.retried"
        };
        let news = decided(news, note, &caller.principal, now);
        let entry = AuditEntry {
            action: action.to_owned(),
            subject: format!("{}/{}", news.source, news.key),
            detail: json!({ "version": news.version, "principal": caller.principal }),
        };
        let park = ParkChange::Park {
            news: Box::new(news.clone()),
            most: self.config.parked,
        };
        let answer = Answer::new(StatusCode::OK, &shown(news), id)?;
        let commit = Commit {
            cause: Some(cause(caller, &call, &current_trace(), now)),
            parked: vec![park],
            audit: vec![entry],
            idempotency: Some(keyed.answer(&answer, now)),
            ..Commit::default()
        };
        crash_points::NEWS_COMMAND
            .run(self.store.commit(commit))
            .await?;
        Ok(answer)
    }
}

fn decided(news: ParkedNews, note: Option<String>, principal: &str, now: Timestamp) -> ParkedNews {
    match note {
        Some(note) => ParkedNews {
            stage: ParkStage::Dismissed {
                at: now,
                principal: principal.to_owned(),
                note,
            },
            ..news
        },
        // Its patience begins anew.
        None => ParkedNews {
            stage: ParkStage::Waiting { due_at: now },
            parked_at: now,
            ..news
        },
    }
}
