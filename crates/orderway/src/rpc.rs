//! Calls a database of Tryton past the layers, as somebody at its own screens would.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::backends::Tryton;

/// Records read at most: more would be somebody's mistake.
const MOST: u32 = 200;
/// What may be in the way of a button: warnings, and records that somebody else is at.
const MOST_TRIES: u32 = 20;
/// Before a person presses again where the database was busy.
const PAUSE: Duration = Duration::from_millis(500);

/// One database of Tryton, as the gateway's user.
#[derive(Debug, Clone)]
pub struct Rpc {
    http: reqwest::Client,
    url: String,
    user: String,
    password: String,
    company: i64,
}

impl Rpc {
    /// The database of this role.
    pub fn of(tryton: &Tryton, role: &str, http: reqwest::Client) -> anyhow::Result<Self> {
        let (user, password) = tryton.gateway()?;
        Ok(Self {
            http,
            url: format!("{}/{}/rpc/", tryton.url, tryton.database(role)?),
            user: user.to_owned(),
            password: password.to_owned(),
            company: tryton.company(role)?,
        })
    }

    /// What Tryton answers; None = the database is busy, and nothing was done.
    async fn answer(&self, method: &str, mut params: Vec<Value>) -> anyhow::Result<Option<Value>> {
        params.push(json!({"company": self.company}));
        let request = json!({"id": 1, "method": method, "params": params});
        let sent = self.http.post(&self.url).json(&request);
        let sent = sent.basic_auth(&self.user, Some(&self.password));
        let answer = sent.send().await?;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            return Ok(None);
        }
        Ok(Some(answer.error_for_status()?.json().await?))
    }

    async fn call(&self, method: &str, params: Vec<Value>) -> anyhow::Result<Value> {
        let answer = self.answer(method, params).await?;
        result(method, &answer.with_context(|| busy(method))?)
    }

    /// The records that a domain finds, by id.
    pub(crate) async fn search(
        &self,
        model: &str,
        domain: Value,
        fields: Value,
    ) -> anyhow::Result<Vec<Value>> {
        let method = format!("model.{model}.search_read");
        let by_id = json!([["id", "ASC"]]);
        let params = vec![domain, json!(0), json!(MOST), by_id, fields];
        let found = self.call(&method, params).await?;
        let rows = found.as_array().cloned();
        rows.with_context(|| format!("{method} answered no list: {found}"))
    }

    /// Writes values to a record.
    pub(crate) async fn write(&self, model: &str, id: &Value, values: Value) -> anyhow::Result<()> {
        let method = format!("model.{model}.write");
        self.call(&method, vec![json!([id]), values]).await?;
        Ok(())
    }

    /// Presses a button of a record. Goods without a sale behind them are meant: that warning is skipped.
    pub(crate) async fn press(&self, model: &str, button: &str, id: &Value) -> anyhow::Result<()> {
        let method = format!("model.{model}.{button}");
        for _ in 0..MOST_TRIES {
            let Some(answer) = self.answer(&method, vec![json!([id])]).await? else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let name = text(at(&answer, "/error/1/0"));
            if at(&answer, "/error/0") != "UserWarning" || !name.ends_with(".done") {
                return result(&method, &answer).map(drop);
            }
            let skip = "model.res.user.warning.skip";
            self.call(skip, vec![json!(name), json!(false)]).await?;
        }
        anyhow::bail!(busy(&method))
    }
}

fn busy(method: &str) -> String {
    format!("Tryton is too busy for {method}: try again when less is done there")
}

fn result(method: &str, answer: &Value) -> anyhow::Result<Value> {
    let result = answer.get("result").cloned();
    result.with_context(|| format!("{method}: Tryton answered {}", at(answer, "/error")))
}

/// A text; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What stands there; null where nothing does.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
