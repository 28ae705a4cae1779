//! What a token must be, by what is refused.

mod keys;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use jsonwebtoken::{EncodingKey, encode};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::clock::ClockHandle;
use crate::context::AccountScope;
use jiff::Timestamp;

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_772_366_400;

/// Two key pairs: ours, and one that is not in the key set.
struct Pair {
    pem: Vec<u8>,
    jwk: Value,
}

fn pair(kid: &str) -> Pair {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let pkcs8 = key.to_pkcs8v1().unwrap();
    let point = key.public_key().as_ref()[1..].to_vec();
    let (x, y) = point.split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
    Pair {
        pem: pkcs8.as_ref().to_vec(),
        jwk,
    }
}

static OURS: LazyLock<Pair> = LazyLock::new(|| pair("k1"));
static FOREIGN: LazyLock<Pair> = LazyLock::new(|| pair("k1"));
static NEXT: LazyLock<Pair> = LazyLock::new(|| pair("k2"));

impl Pair {
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let header: Header = serde_json::from_value(header.clone()).unwrap();
        encode(&header, claims, &EncodingKey::from_ec_der(&self.pem)).unwrap()
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "orderway", "sub": "user-7", "exp": NOW + 600, "iat": NOW, "nbf": NOW,
        "scope": "orders:write orders:read", "client_id": "shop", "accounts": ["ACME"], "company": "US01"})
}

fn with(mut value: Value, name: &str, change: Value) -> Value {
    value[name] = change;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

struct Fetcher {
    document: Mutex<Option<Value>>,
    fetches: AtomicUsize,
}

#[async_trait]
impl JwksFetcher for Fetcher {
    async fn fetch(&self, _url: &str) -> Result<Vec<u8>, JwksError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let document = self.document.lock().unwrap().clone();
        document
            .map(|document| document.to_string().into_bytes())
            .ok_or(JwksError::Status(503))
    }
}

fn config(keys: IssuerKeys) -> IssuerConfig {
    IssuerConfig {
        issuer: ISSUER.to_owned(),
        audience: "orderway".to_owned(),
        algorithm: Algorithm::Es256,
        keys,
    }
}

fn keyset(pairs: &[&Pair]) -> Value {
    json!({"keys": pairs.iter().map(|pair| pair.jwk.clone()).collect::<Vec<_>>()})
}

fn fetching(document: Option<Value>) -> (TokenVerifier, Arc<Fetcher>, ClockHandle) {
    let (clock, handle) = Clock::fixed(Timestamp::from_second(NOW).unwrap());
    let fetcher = Arc::new(Fetcher {
        document: Mutex::new(document),
        fetches: AtomicUsize::new(0),
    });
    let issuers = vec![config(IssuerKeys::JwksUrl(
        "http://issuer.example/jwks".to_owned(),
    ))];
    (
        TokenVerifier::new(issuers, fetcher.clone(), clock).unwrap(),
        fetcher,
        handle,
    )
}

async fn verify(token: &str) -> Result<Principal, TokenError> {
    fetching(Some(keyset(&[&OURS]))).0.verify(token).await
}

#[tokio::test]
async fn a_good_token_tells_who_calls() {
    let principal = verify(&OURS.sign(&header(), &claims())).await.unwrap();
    assert_eq!(principal.subject, "user-7");
    assert_eq!(
        principal.accounts,
        AccountScope::List(vec!["ACME".to_owned()])
    );
    assert_eq!(principal.scopes, ["orders:write", "orders:read"]);
    assert_eq!(principal.credential_id, format!("{ISSUER}#shop"));
    assert_eq!(principal.company.as_deref(), Some("US01"));
}

#[rstest]
#[case::jwt_type(with(header(), "typ", json!("JWT")), claims())]
#[case::application_type(with(header(), "typ", json!("application/at+jwt")), claims())]
#[case::audience_list(header(), with(claims(), "aud", json!(["other", "orderway"])))]
#[case::no_iat(header(), without(claims(), "iat"))]
#[case::expired_within_leeway(header(), with(with(claims(), "exp", json!(NOW - 29)), "iat", json!(NOW - 600)))]
#[case::a_full_hour(header(), with(claims(), "exp", json!(NOW + 3_600)))]
#[case::foreign_key_address_is_ignored(with(header(), "jku", json!("https://evil.example/jwks")), claims())]
#[tokio::test]
async fn what_is_allowed(#[case] header: Value, #[case] claims: Value) {
    verify(&OURS.sign(&header, &claims)).await.unwrap();
}

#[rstest]
#[case::expired(header(), with(claims(), "exp", json!(NOW - 31)))]
#[case::no_exp(header(), without(claims(), "exp"))]
#[case::exp_text(header(), with(claims(), "exp", json!("tomorrow")))]
#[case::exp_negative(header(), with(claims(), "exp", json!(-1)))]
#[case::exp_null(header(), with(claims(), "exp", Value::Null))]
#[case::nbf_future(header(), with(claims(), "nbf", json!(NOW + 31)))]
#[case::nbf_text(header(), with(claims(), "nbf", json!("now")))]
#[case::iat_future(header(), with(claims(), "iat", json!(NOW + 31)))]
#[case::lives_too_long(header(), with(claims(), "exp", json!(NOW + 3_601)))]
#[case::lives_too_long_without_iat(header(), without(with(claims(), "exp", json!(NOW + 3_700)), "iat"))]
#[case::no_aud(header(), without(claims(), "aud"))]
#[case::foreign_aud(header(), with(claims(), "aud", json!("payroll")))]
#[case::empty_aud(header(), with(claims(), "aud", json!([])))]
#[case::no_iss(header(), without(claims(), "iss"))]
#[case::foreign_iss(header(), with(claims(), "iss", json!("https://evil.example")))]
#[case::iss_list(header(), with(claims(), "iss", json!([ISSUER])))]
#[case::no_sub(header(), without(claims(), "sub"))]
#[case::empty_sub(header(), with(claims(), "sub", json!("")))]
#[case::sub_number(header(), with(claims(), "sub", json!(7)))]
#[case::accounts_wildcard_text(header(), with(claims(), "accounts", json!("*")))]
#[case::crit(with(header(), "crit", json!(["exp"])), claims())]
#[case::crit_unknown(with(header(), "crit", json!(["x-unknown"])), claims())]
#[case::zip(with(header(), "zip", json!("DEF")), claims())]
#[case::no_typ(without(header(), "typ"), claims())]
#[case::id_token_type(with(header(), "typ", json!("logout+jwt")), claims())]
#[case::no_kid(without(header(), "kid"), claims())]
#[case::unknown_kid(with(header(), "kid", json!("k9")), claims())]
#[case::kid_path(with(header(), "kid", json!("../../etc/passwd")), claims())]
#[case::kid_sql(with(header(), "kid", json!("k1' or '1'='1")), claims())]
#[case::kid_url(with(header(), "kid", json!("https://evil.example/k")), claims())]
#[case::kid_long(with(header(), "kid", json!("k".repeat(129))), claims())]
#[tokio::test]
async fn what_is_refused(#[case] header: Value, #[case] claims: Value) {
    let problem = verify(&OURS.sign(&header, &claims))
        .await
        .unwrap_err()
        .into_problem();
    assert_eq!(problem.status, 401);
}

fn raw(header: &Value, claims: &str, signature: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.{signature}",
        encode(&header.to_string()),
        encode(claims)
    )
}

/// What no library would make, put together by hand.
#[tokio::test]
async fn forged_tokens_are_refused() {
    let good = OURS.sign(&header(), &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let payload = claims().to_string();
    let doubled = payload.replacen('{', "{\"sub\":\"admin\",", 1);
    let public = URL_SAFE_NO_PAD
        .decode(OURS.jwk["x"].as_str().unwrap())
        .unwrap();
    let hs: Header = serde_json::from_value(with(header(), "alg", json!("HS256"))).unwrap();
    let forged = [
        ("empty", String::new()),
        ("no dots", "token".to_owned()),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.x")),
        ("no signature", format!("{signed}.")),
        ("two signatures", format!("{good}{signature}")),
        (
            "alg none",
            raw(&with(header(), "alg", json!("none")), &payload, ""),
        ),
        (
            "alg None",
            raw(&with(header(), "alg", json!("None")), &payload, ""),
        ),
        (
            "HMAC with the public key",
            encode(&hs, &claims(), &EncodingKey::from_secret(&public)).unwrap(),
        ),
        (
            "another algorithm of the family",
            raw(&with(header(), "alg", json!("ES384")), &payload, signature),
        ),
        ("signed by another", FOREIGN.sign(&header(), &claims())),
        (
            "its own key inside",
            FOREIGN.sign(&with(header(), "jwk", FOREIGN.jwk.clone()), &claims()),
        ),
        (
            "changed payload",
            raw(&header(), &payload.replace("ACME", "EVIL"), signature),
        ),
        ("duplicate claim", raw(&header(), &doubled, signature)),
        ("too long", format!("{}.{signature}", "a".repeat(8 * 1024))),
        ("a megabyte", "a.".repeat(512 * 1024)),
    ];
    for (name, token) in forged {
        assert!(verify(&token).await.is_err(), "{name} was accepted");
    }
}

#[test]
fn only_one_bearer_token_is_read() {
    let mut headers = http::HeaderMap::new();
    assert!(matches!(bearer_token(&headers), Err(TokenError::Missing)));
    headers.append("authorization", "bearer abc".parse().unwrap());
    assert_eq!(bearer_token(&headers).unwrap(), "abc");
    headers.append("authorization", "Bearer def".parse().unwrap());
    assert!(bearer_token(&headers).is_err());
    headers.insert("authorization", "Basic abc".parse().unwrap());
    assert!(matches!(bearer_token(&headers), Err(TokenError::Missing)));
}
