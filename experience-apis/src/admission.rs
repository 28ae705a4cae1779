//! Who calls the portal, for which account, and whether it may call now: token, account, limits, in this order.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use canonical_model::AccountId;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use service_runtime::{
    context::{AccountScope, CallContext, LayerIdentity},
    jwt::{Principal, TokenError, TokenVerifier},
    problem::{FieldError, Problem, codes::RATE_LIMITED},
    rate_limit::{RateLimiter, RateStatus},
    trace::RequestScope,
};

use crate::{
    config::Limits,
    error::codes,
    share::{Place, Shares},
};

/// The header by which a caller says for which of its accounts it acts.
pub const ACCOUNT_HEADER: &str = "orderway-account";
/// The channel's name in the call context and on orders.
pub const CHANNEL: &str = "portal";

/// What a scope of a token allows further down. A scope that is not here allows nothing through the portal, whoever
/// issued it.
const SCOPES: &[(&str, &[&str])] = &[
    (
        "catalog:read",
        &["catalog:read", "prices:read", "accounts:read"],
    ),
    ("prices:read", &["prices:read"]),
    ("accounts:read", &["accounts:read"]),
    (
        "quotes:write",
        &["quotes:write", "reservations:write", "prices:read"],
    ),
    ("reservations:write", &["reservations:write"]),
    (
        "orders:read",
        &["orders:read", "events:read", "accounts:read"],
    ),
    ("orders:write", &["orders:write"]),
    ("webhooks:write", &["webhooks:write"]),
];

/// Admits callers; cheap to clone.
#[derive(Clone)]
pub struct Admission {
    tokens: TokenVerifier,
    credentials: RateLimiter,
    accounts: RateLimiter,
    shares: Shares,
}

/// An admitted caller: the answer of [`Admission`], found by extractors.
#[derive(Clone, Debug)]
struct Admitted {
    context: CallContext,
    account: Result<AccountId, Problem>,
    expires_at: Timestamp,
}

impl Admission {
    /// By these issuers, within these limits, each credential with so many requests at work at most.
    pub fn new(tokens: TokenVerifier, limits: &Limits, at_work: usize) -> Self {
        Self {
            tokens,
            credentials: RateLimiter::new("credential", limits.credential),
            accounts: RateLimiter::new("account", limits.account),
            shares: Shares::new(at_work),
        }
    }

    /// Middleware: admits or refuses, and tells on every answer what is left.
    pub async fn admit(
        State(admission): State<Arc<Self>>,
        request: Request,
        next: Next,
    ) -> Response {
        let mut left = Vec::new();
        let mut response = match admission.check(request, &mut left).await {
            Ok((request, _place)) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        let headers = response.headers_mut();
        for status in &left {
            status.append_headers(headers);
        }
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        );
        headers.append(
            header::VARY,
            HeaderValue::from_static("authorization, orderway-account"),
        );
        response
    }

    async fn check(
        &self,
        mut request: Request,
        left: &mut Vec<RateStatus>,
    ) -> Result<(Request, Place), Problem> {
        let headers = request.headers();
        let principal = self
            .tokens
            .authenticate(headers)
            .await
            .map_err(TokenError::into_problem)?;
        let account = chosen_account(&principal, headers);
        if let Some(scope) = RequestScope::current() {
            let account = account.as_ref().ok().map(AccountId::as_str);
            scope.note_caller(&principal.subject, account);
        }
        spend(&self.credentials, &principal.credential_id, left)?;
        // Only an account that the caller may name: nobody uses up another's.
        if let Ok(account) = &account {
            let company = principal.company.as_deref().unwrap_or_default();
            spend(&self.accounts, &format!("{company}/{account}"), left)?;
        }
        let place = self.shares.enter(&principal.credential_id);
        let place = place.ok_or_else(|| {
            let detail =
                "Too many requests of this credential are at work; wait for their answers.";
            Problem::new(RATE_LIMITED, detail)
                .with_extension("policy", "in-flight")
                .with_retry_after(SignedDuration::from_secs(1))
        })?;
        let expires_at = principal.expires_at;
        let context = context_of(principal);
        request.extensions_mut().insert(Admitted {
            context,
            account,
            expires_at,
        });
        Ok((request, place))
    }
}

fn spend(limiter: &RateLimiter, key: &str, left: &mut Vec<RateStatus>) -> Result<(), Problem> {
    let status = limiter.check(key);
    left.push(status.clone());
    status.into_result().map(drop)
}

/// The account the caller acts for. One that is not in the token is absent, whether it exists or not.
fn chosen_account(principal: &Principal, headers: &HeaderMap) -> Result<AccountId, Problem> {
    let mut named = headers.get_all(ACCOUNT_HEADER).iter();
    let account = match (named.next(), named.next()) {
        (Some(_), Some(_)) => {
            let detail = "Send one Orderway-Account header, not several.";
            return Err(Problem::invalid_request(detail));
        }
        (Some(value), None) => value
            .to_str()
            .ok()
            .filter(|account| principal.accounts.allows(account)),
        (None, _) => match principal.accounts.single() {
            Some(only) => Some(only),
            None if principal.accounts == AccountScope::List(Vec::new()) => None,
            None => return Err(account_required()),
        },
    };
    account
        .and_then(|account| AccountId::new(account).ok())
        .ok_or_else(Problem::not_found)
}

fn account_required() -> Problem {
    let detail = "Your token acts for several accounts: name one of them in the header Orderway-Account. GET /portal/v1/accounts lists them.";
    let fault = FieldError::new(
        "Orderway-Account",
        "missing-header",
        "Send the account's number.",
    );
    Problem::new(codes::ACCOUNT_REQUIRED, detail).with_error(fault)
}

fn context_of(principal: Principal) -> CallContext {
    let mut scopes: Vec<String> = SCOPES
        .iter()
        .filter(|(held, _)| principal.scopes.iter().any(|scope| scope == held))
        .flat_map(|(_, allows)| allows.iter().map(|scope| (*scope).to_owned()))
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    let correlation_id = RequestScope::current()
        .map(|scope| scope.correlation_id.clone())
        .unwrap_or_default();
    CallContext {
        principal: name_of(&principal),
        accounts: principal.accounts,
        company: principal.company,
        channel: CHANNEL.to_owned(),
        scopes,
        correlation_id,
        // Both are set when the call is sent.
        deadline: jiff::Timestamp::UNIX_EPOCH,
        remaining_ms: 0,
        layer: LayerIdentity::ExperienceApis,
    }
}

/// Issuer and client, and the user behind the client where there is one: unique over issuers.
fn name_of(principal: &Principal) -> String {
    let Principal {
        credential_id,
        subject,
        ..
    } = principal;
    match credential_id.rsplit_once('#') {
        Some((_, client)) if client != subject => format!("{credential_id}/{subject}"),
        _ => credential_id.clone(),
    }
}

/// A scope that an operation needs.
pub trait Needs: Send + Sync {
    /// Its name.
    const SCOPE: &'static str;
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $scope:literal;)*) => {
        $($(#[$doc])* #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Needs for $name {
            const SCOPE: &'static str = $scope;
        })*
    };
}

scopes! {
    /// Reads products, prices and availability.
    CatalogRead = "catalog:read";
    /// Reads accounts and credit.
    AccountsRead = "accounts:read";
    /// Prices baskets.
    PricesRead = "prices:read";
    /// Locks prices.
    QuotesWrite = "quotes:write";
    /// Holds stock.
    ReservationsWrite = "reservations:write";
    /// Reads orders.
    OrdersRead = "orders:read";
    /// Places and cancels orders.
    OrdersWrite = "orders:write";
    /// Has an address told what happens to orders.
    WebhooksWrite = "webhooks:write";
}

/// A caller that holds the scope, with all its accounts. Without the scope there is no handler.
#[derive(Clone, Debug)]
pub struct Buyer<N> {
    /// Who calls.
    pub context: CallContext,
    needs: PhantomData<N>,
}

/// A caller that holds the scope and acts for one account: its context reaches no other.
#[derive(Clone, Debug)]
pub struct Acting<N> {
    /// Who calls, for this account only.
    pub context: CallContext,
    /// The account.
    pub account: AccountId,
    needs: PhantomData<N>,
}

/// A caller that holds the scope, for the account that it names, or else for all accounts of its token.
#[derive(Clone, Debug)]
pub struct Listener<N> {
    /// Who calls, for these accounts only.
    pub context: CallContext,
    /// When the token ends, and with it whatever is told under it.
    pub expires_at: Timestamp,
    needs: PhantomData<N>,
}

impl<N> Buyer<N> {
    /// The same caller for one of its accounts: its context reaches no other. A foreign account is absent.
    pub fn acting_for(&self, account: &AccountId) -> Result<CallContext, Problem> {
        self.context.require_account(account.as_str())?;
        let accounts = AccountScope::List(vec![account.as_str().to_owned()]);
        Ok(CallContext {
            accounts,
            ..self.context.clone()
        })
    }
}

fn admitted<N: Needs>(parts: &Parts) -> Result<Admitted, Problem> {
    let admitted = parts.extensions.get::<Admitted>().cloned();
    let admitted = admitted.ok_or_else(|| TokenError::Missing.into_problem())?;
    admitted.context.require(N::SCOPE)?;
    Ok(admitted)
}

impl<N: Needs, S: Send + Sync> FromRequestParts<S> for Buyer<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self {
            context: admitted::<N>(parts)?.context,
            needs: PhantomData,
        })
    }
}

impl<N: Needs, S: Send + Sync> FromRequestParts<S> for Acting<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Admitted {
            context, account, ..
        } = admitted::<N>(parts)?;
        let account = account?;
        Ok(Self {
            context: narrowed(context, &account),
            account,
            needs: PhantomData,
        })
    }
}

impl<N: Needs, S: Send + Sync> FromRequestParts<S> for Listener<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Admitted {
            context,
            account,
            expires_at,
        } = admitted::<N>(parts)?;
        let several = matches!(&context.accounts, AccountScope::List(_));
        let context = match account {
            Ok(account) => narrowed(context, &account),
            Err(problem) if several && problem.code == codes::ACCOUNT_REQUIRED.code => context,
            Err(problem) => return Err(problem),
        };
        Ok(Self {
            context,
            expires_at,
            needs: PhantomData,
        })
    }
}

fn narrowed(context: CallContext, account: &AccountId) -> CallContext {
    CallContext {
        accounts: AccountScope::List(vec![account.as_str().to_owned()]),
        ..context
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn principal(accounts: &[&str], scopes: &[&str]) -> Principal {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        Principal {
            subject: "user-7".to_owned(),
            accounts: AccountScope::List(owned(accounts)),
            company: Some("NWI".to_owned()),
            scopes: owned(scopes),
            credential_id: "https://issuer.example#shop".to_owned(),
            expires_at: Timestamp::MAX,
        }
    }

    fn choose(accounts: &[&str], header: Option<&str>) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(ACCOUNT_HEADER, HeaderValue::from_str(header).unwrap());
        }
        chosen_account(&principal(accounts, &[]), &headers)
            .map(|account| account.to_string())
            .map_err(|problem| problem.code.clone())
    }

    #[rstest]
    #[case(&["ACME"], None, Ok("ACME"))]
    #[case(&["ACME", "ACME-WEST"], Some("ACME-WEST"), Ok("ACME-WEST"))]
    #[case(&["ACME", "ACME-WEST"], None, Err("account-required"))]
    #[case(&["ACME"], Some("BOREALIS"), Err("not-found"))]
    #[case(&["ACME"], Some(""), Err("not-found"))]
    #[case(&[], None, Err("not-found"))]
    fn a_caller_acts_for_one_of_its_accounts(
        #[case] accounts: &[&str],
        #[case] header: Option<&str>,
        #[case] chosen: Result<&str, &str>,
    ) {
        let chosen = chosen.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(choose(accounts, header), chosen);
    }

    #[test]
    fn a_token_cannot_bring_scopes_that_the_portal_does_not_pass_on() {
        let context = context_of(principal(
            &["ACME"],
            &[
                "orders:write",
                "feed:all",
                "holds:release",
                "documents:write",
            ],
        ));
        assert_eq!(context.scopes, ["orders:write"]);
    }

    #[test]
    fn two_users_of_one_client_are_two_principals() {
        let mut user = principal(&["ACME"], &[]);
        assert_eq!(name_of(&user), "https://issuer.example#shop/user-7");
        user.subject = "shop".to_owned();
        assert_eq!(name_of(&user), "https://issuer.example#shop");
    }
}
