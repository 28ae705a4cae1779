//! Sends calls to one database of Tryton. Each request takes a slot of the budget of its own.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use reqwest::{RequestBuilder, StatusCode, header};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json, value::RawValue};
use service_runtime::http_client::backend_client;

use super::{config::TrytonServer, error::CallError, session::Session};
use crate::{
    connector::ConnectorError,
    transport::{self, Answer, Effect},
};

/// Where requests go.
#[derive(Debug)]
pub(super) struct Endpoint {
    http: reqwest::Client,
    rpc: String,
    next: AtomicU64,
}

/// Exactly these keys: with any other, Tryton answers in another form.
#[derive(Serialize)]
struct Request<'a, P> {
    id: u64,
    method: &'a str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Reply<'a> {
    id: u64,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

/// What is there is there even if it is `null`, which is how a button answers.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Endpoint {
    /// A request and its number, without a session.
    pub(super) fn request<P: Serialize>(&self, method: &str, params: &P) -> (u64, RequestBuilder) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let request = self
            .http
            .post(&self.rpc)
            .json(&Request { id, method, params });
        (id, request)
    }
}

/// What an answer says, once it is one to the request of this number.
pub(super) fn result_of<A: DeserializeOwned>(
    answer: Answer,
    id: u64,
    effect: Effect,
) -> Result<A, CallError> {
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(match effect {
            // The database is locked, or there is none by this name: as unavailable as any backend.
            Effect::Reads => ConnectorError::Unavailable(
                "the database is busy, or there is none by this name".into(),
            )
            .into(),
            Effect::Changes => CallError::Busy,
        });
    }
    let answer = answer.usual(effect)?;
    if answer.status != StatusCode::OK {
        // It did not take the call, so nothing was done.
        let sentence = format!("Tryton answered {}", answer.status);
        return Err(CallError::protocol(sentence));
    }
    let reply: Reply<'_> =
        serde_json::from_slice(&answer.body).map_err(|error| effect.nonsense(error))?;
    if reply.id != id {
        let sentence = "Tryton answered another request than the one that was sent";
        return Err(effect.nonsense(sentence).into());
    }
    match (reply.result, reply.error) {
        (_, Some(error)) => Err(CallError::of(&error)),
        (Some(result), None) => {
            Ok(serde_json::from_str(result.get()).map_err(|error| effect.nonsense(error))?)
        }
        (None, None) => Err(effect
            .nonsense("Tryton's answer has neither result nor error")
            .into()),
    }
}

/// The context of a call, which is always its last argument: the company, and what the method looks for there.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Context {
    company: i64,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Context {
    fn of(company: i64) -> Self {
        Self {
            company,
            more: Map::new(),
        }
    }

    /// The id of the company.
    pub const fn company(&self) -> i64 {
        self.company
    }

    /// The same with one more key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }
}

/// What a search is for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// A list of `[field, operator, value]`, all of which must hold.
    pub domain: Value,
    /// Records to pass over.
    pub skip: u32,
    /// Records wanted at most.
    pub limit: u32,
    /// A list of `[field, "ASC"]`; an order is what makes pages reliable.
    pub order: Value,
    /// The fields wanted; `product.code` follows a field and comes as `product.`.
    pub fields: &'a [&'a str],
}

impl<'a> Search<'a> {
    /// The first records by id.
    pub fn of(domain: Value, limit: u32, fields: &'a [&'a str]) -> Self {
        Self {
            domain,
            skip: 0,
            limit,
            order: json!([["id", "ASC"]]),
            fields,
        }
    }
}

/// One company in one database.
#[derive(Debug)]
pub struct Tryton {
    endpoint: Endpoint,
    session: Session,
    company_code: String,
    company: Mutex<Option<i64>>,
}

impl Tryton {
    /// Ready to call; nothing is sent yet.
    pub fn new(server: &TrytonServer) -> Result<Self, reqwest::Error> {
        Ok(Self {
            endpoint: Endpoint {
                http: backend_client(&server.http)?,
                rpc: format!(
                    "{}/{}/rpc/",
                    server.url.trim_end_matches('/'),
                    server.database
                ),
                next: AtomicU64::new(1),
            },
            session: Session::new(server),
            company_code: server.company.clone(),
            company: Mutex::new(None),
        })
    }

    /// Calls a method such as `model.sale.sale.read`; the arguments end with a [`Context`]. Logs in where it must, and
    /// again once where the session has ended.
    pub async fn call<P: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &P,
        effect: Effect,
    ) -> Result<A, CallError> {
        let mut is_new = false;
        loop {
            let (token, slot) = self.session.token(&self.endpoint).await?;
            let (id, request) = self.endpoint.request(method, arguments);
            let request = request.header(header::AUTHORIZATION, token.header());
            let answer = transport::send_now(request, effect).await?;
            drop(slot);
            if answer.status != StatusCode::UNAUTHORIZED {
                return result_of(answer, id, effect);
            }
            // Whoever is not let in has done nothing.
            self.session.forget(&token, is_new).await;
            is_new = true;
        }
    }

    /// The context of the company, which is looked up once.
    pub async fn context(&self) -> Result<Context, CallError> {
        let known = *self.company.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(company) = known {
            return Ok(Context::of(company));
        }
        let search = json!([
            [["party.code", "=", self.company_code]],
            0,
            2,
            null,
            ["party.code"],
            {}
        ]);
        let found: Vec<Record> = self
            .call("model.company.company.search_read", &search, Effect::Reads)
            .await?;
        let [company] = found.as_slice() else {
            let (code, count) = (&self.company_code, found.len());
            let sentence = format!(
                "Tryton shows its user {count} companies by the code {code:?}: check `company` in the configuration"
            );
            return Err(ConnectorError::Unavailable(sentence.into()).into());
        };
        *self.company.lock().unwrap_or_else(PoisonError::into_inner) = Some(company.id);
        Ok(Context::of(company.id))
    }

    /// The records that a search finds, with the fields wanted.
    pub async fn search_read<R: DeserializeOwned>(
        &self,
        model: &str,
        search: &Search<'_>,
        context: &Context,
    ) -> Result<Vec<R>, CallError> {
        let arguments = (
            &search.domain,
            search.skip,
            search.limit,
            &search.order,
            search.fields,
            context,
        );
        let method = format!("model.{model}.search_read");
        self.call(&method, &arguments, Effect::Reads).await
    }

    /// These records, in no order. One that does not exist refuses the whole call.
    pub async fn read<R: DeserializeOwned>(
        &self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
        context: &Context,
    ) -> Result<Vec<R>, CallError> {
        let method = format!("model.{model}.read");
        self.call(&method, &(ids, fields, context), Effect::Reads)
            .await
    }

    /// Creates records; their ids, in order.
    pub async fn create<V: Serialize + Sync>(
        &self,
        model: &str,
        records: &[V],
        context: &Context,
    ) -> Result<Vec<i64>, CallError> {
        let method = format!("model.{model}.create");
        let created: Vec<i64> = self
            .call(&method, &(records, context), Effect::Changes)
            .await?;
        if created.len() != records.len() {
            let sentence = "Tryton created another number of records than it was asked for";
            return Err(Effect::Changes.nonsense(sentence).into());
        }
        Ok(created)
    }

    /// Writes the same values to records.
    pub async fn write<V: Serialize + Sync>(
        &self,
        model: &str,
        ids: &[i64],
        values: &V,
        context: &Context,
    ) -> Result<(), CallError> {
        let method = format!("model.{model}.write");
        self.call(&method, &(ids, values, context), Effect::Changes)
            .await
    }

    /// Presses a button of one record. Warnings by whose name `may_skip` says yes are skipped, so many at most; each takes
    /// two more requests. Any other one is the error.
    pub async fn press(
        &self,
        model: &str,
        button: &str,
        id: i64,
        context: &Context,
        may_skip: (usize, fn(&str) -> bool),
    ) -> Result<(), CallError> {
        let method = format!("model.{model}.{button}");
        let (mut left, is_skipped) = may_skip;
        loop {
            let pressed = self
                .call::<_, Value>(&method, &([id], context), Effect::Changes)
                .await;
            match pressed {
                Err(CallError::Warning { name, .. }) if left > 0 && is_skipped(&name) => {
                    left -= 1;
                    // Once, not for ever; a skip by itself changes no document.
                    let arguments = (&name, false, context);
                    self.call::<_, Value>("model.res.user.warning.skip", &arguments, Effect::Reads)
                        .await?;
                }
                pressed => return pressed.map(drop),
            }
        }
    }
}

/// The id that every record has.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Record {
    /// In this database alone.
    pub id: i64,
}
