//! One session of one user, which all calls share: Tryton loads every session of a user at each call.
//!
//! A wrong password locks the account for everybody who uses it, so a refused login is remembered and not repeated for
//! minutes.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{StatusCode, header::HeaderValue};
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use super::{
    client::{Endpoint, result_of},
    config::TrytonServer,
    error::CallError,
};
use crate::{
    connector::ConnectorError,
    guard::{budget::Slot, turn},
    transport::{self, Effect},
};

/// How long a refused login is remembered: Tryton's own lock lasts five minutes unless it is set otherwise.
const REFUSED_FOR: Duration = Duration::from_secs(300);

/// What a call shows to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(HeaderValue);

impl Token {
    /// The value of `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[derive(Debug)]
enum State {
    Out,
    In(Token),
    Refused { why: String, until: Instant },
}

/// The session, made when it is first needed.
#[derive(Debug)]
pub(super) struct Session {
    user: String,
    password: service_runtime::config::Secret,
    /// Locked while logging in, so that one does it. Who waits for it holds a slot of the budget already: the other way
    /// round all slots could wait for who needs one to log in.
    state: Mutex<State>,
}

impl Session {
    pub(super) fn new(server: &TrytonServer) -> Self {
        Self {
            user: server.user.clone(),
            password: server.password.clone(),
            state: Mutex::new(State::Out),
        }
    }

    /// A token and the slot to use it with. Logs in where there is none; that takes a slot of its own.
    pub(super) async fn token(
        &self,
        endpoint: &Endpoint,
    ) -> Result<(Token, Option<Slot>), CallError> {
        let slot = turn::slot().await?;
        let mut state = self.state.lock().await;
        match &*state {
            State::In(token) => return Ok((token.clone(), slot)),
            State::Refused { why, until } if *until > Instant::now() => return Err(refused(why)),
            State::Refused { .. } | State::Out => {}
        }
        let login = self.log_in(endpoint).await;
        drop(slot);
        let token = match login {
            Ok(token) => token,
            Err(Login::Refused(why)) => {
                let error = refused(&why);
                let until = Instant::now() + REFUSED_FOR;
                *state = State::Refused { why, until };
                return Err(error);
            }
            Err(Login::Failed(error)) => return Err(error),
        };
        *state = State::In(token.clone());
        drop(state);
        Ok((token, turn::slot().await?))
    }

    /// The server does not know this token any more. If it is not even let in with a new one, nobody tries for a while.
    pub(super) async fn forget(&self, token: &Token, is_new: bool) {
        let mut state = self.state.lock().await;
        if !matches!(&*state, State::In(now) if now == token) {
            return;
        }
        *state = if is_new {
            State::Refused {
                why: "it does not know the session that it has just given out".to_owned(),
                until: Instant::now() + REFUSED_FOR,
            }
        } else {
            State::Out
        };
    }

    async fn log_in(&self, endpoint: &Endpoint) -> Result<Token, Login> {
        let params = json!([self.user, {"password": self.password.expose()}, "en"]);
        let (id, request) = endpoint.request("common.db.login", &params);
        // Logging in twice does no harm.
        let answer = transport::send_now(request, Effect::Reads).await;
        let answer = answer.map_err(|error| Login::Failed(error.into()))?;
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Login::Refused(
                    "it refuses the user or its password".to_owned(),
                ));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(Login::Refused(
                    "it has locked the user for a while".to_owned(),
                ));
            }
            _other => {}
        }
        let login: Option<(i64, String, serde_json::Value)> = result_of(answer, id, Effect::Reads)
            .map_err(|error| match error {
                CallError::Connector(_) | CallError::Busy | CallError::Concurrent => {
                    Login::Failed(error)
                }
                CallError::Login | CallError::Refused { .. } | CallError::Warning { .. } => {
                    Login::Refused(error.to_string())
                }
            })?;
        let Some((user, key, _bus)) = login else {
            return Err(Login::Refused(
                "it refuses the user or its password".to_owned(),
            ));
        };
        let name = &self.user;
        let shown = format!(
            "Session {}",
            STANDARD.encode(format!("{name}:{user}:{key}"))
        );
        let mut header = HeaderValue::try_from(shown)
            .map_err(|error| Login::Failed(ConnectorError::Protocol(error.into()).into()))?;
        header.set_sensitive(true);
        Ok(Token(header))
    }
}

enum Login {
    /// By whoever decides on users: not to be tried again soon.
    Refused(String),
    /// Otherwise.
    Failed(CallError),
}

fn refused(why: &str) -> CallError {
    let sentence = format!(
        "Tryton does not let us in: {why}; check `user` and `password` in the configuration (it is asked again after some minutes)"
    );
    CallError::Connector(ConnectorError::Unavailable(sentence.into()))
}
