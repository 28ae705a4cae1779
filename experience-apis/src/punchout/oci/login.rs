//! Who is there: a user and password of the partner whose address it is. An unknown partner, an unknown user and a wrong
//! password cost the same and are answered alike.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Extensions, HeaderMap, header};
use service_runtime::{config::Secret, problem::Problem, trace::RequestScope};

use super::params::Params;
use crate::{
    punchout::{
        CHANNEL,
        profile::{Oci, Profile},
    },
    state::AppState,
};

/// The partner of a call, with what was agreed about OCI.
#[derive(Debug, Clone)]
pub(super) struct Partner {
    profile: Arc<Profile>,
    oci: Oci,
}

impl Partner {
    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    pub(super) fn shared(&self) -> &Arc<Profile> {
        &self.profile
    }

    pub(super) fn oci(&self) -> &Oci {
        &self.oci
    }
}

/// Who knocks: what a request says of it beside its fields.
#[derive(Debug)]
pub(super) struct Caller {
    basic: Option<(String, Secret)>,
    peer: Option<IpAddr>,
}

impl Caller {
    pub(super) fn of(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let given = headers.get(header::AUTHORIZATION);
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            basic: given.map(|value| basic(value.to_str().ok()).unwrap_or_default()),
            peer: peer.map(|peer| peer.0.ip()),
        }
    }
}

/// Lets a user in, by HTTP Basic or else by the fields of a form.
pub(super) async fn enter(
    state: &AppState,
    partner: &str,
    caller: Caller,
    params: &Params,
) -> Result<Partner, Problem> {
    let known = known(state, partner);
    let (user, password) = match &known {
        Some(partner) => (
            partner.oci.user_field.as_str(),
            partner.oci.password_field.as_str(),
        ),
        None => ("USERNAME", "PASSWORD"),
    };
    // A field that came twice is as good as none.
    let field = |name: &str| {
        params
            .get(name)
            .ok()
            .flatten()
            .unwrap_or_default()
            .to_owned()
    };
    let (user, password) = match caller.basic {
        Some((user, password)) => (user, password.expose().to_owned()),
        None => (field(user), field(password)),
    };
    if user.is_empty() && password.is_empty() {
        return Err(unknown());
    }
    let logins = known.iter().flat_map(|known| &known.oci.logins);
    let hashes = logins
        .filter(|login| login.user == user)
        .map(|login| login.hash.clone())
        .collect();
    // A partner's id holds no slash: what was right for one partner is not remembered for another.
    let name = format!("oci/{partner}/{user}");
    let logins = &state.punchout.logins;
    let right = logins
        .is_right(&name, password, hashes, caller.peer)
        .await?;
    let partner = known.filter(|_| right).ok_or_else(unknown)?;
    if let Some(scope) = RequestScope::current() {
        scope.note_caller(
            &format!("{CHANNEL}:{}", partner.profile.id),
            Some(partner.profile.account.as_str()),
        );
    }
    state.punchout.admit(&partner.profile)?;
    Ok(partner)
}

/// One answer for an unknown partner, an unknown user and a wrong password.
fn unknown() -> Problem {
    Problem::unauthenticated(
        "The partner, the user or the password is not known: have the call checked in your procurement system.",
    )
}

fn basic(value: Option<&str>) -> Option<(String, Secret)> {
    let (scheme, token) = value?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Secret::from(password.to_owned())))
}

fn known(state: &AppState, partner: &str) -> Option<Partner> {
    let profile = state.punchout.partner(partner)?;
    let oci = profile.oci.clone()?;
    Some(Partner {
        profile: Arc::clone(profile),
        oci,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode("acme:hunter2"));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        let shown = format!("{:?}", Caller::of(&headers, &Extensions::new()));
        assert!(
            shown.contains("acme") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
