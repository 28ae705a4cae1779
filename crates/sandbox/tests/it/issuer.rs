//! Tokens verify against the published key, and wrong ones do not.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use sandbox::{RunningSandbox, TokenClaims};
use serde_json::Value;

use crate::support::{http, start};

async fn fetch(sandbox: &RunningSandbox, form: &[(&str, &str)]) -> (u16, Value) {
    let request = http()
        .post(format!("{}/token", sandbox.issuer_url()))
        .form(form);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn get(url: &str) -> Value {
    let answer = http().get(url).send().await.expect("an answer");
    answer.json().await.expect("JSON")
}

/// Verifies as a resource server does: by discovery, JWKS and the header's key id.
async fn verify(
    sandbox: &RunningSandbox,
    token: &str,
) -> Result<Value, jsonwebtoken::errors::Error> {
    let base = sandbox.issuer_url();
    let configuration = get(&format!("{base}/.well-known/openid-configuration")).await;
    assert_eq!(configuration["issuer"], base.as_str());
    let jwks = get(configuration["jwks_uri"].as_str().expect("a URL")).await;
    let jwks: JwkSet = serde_json::from_value(jwks).expect("a JWKS");
    let kid = decode_header(token)?.kid.unwrap_or_default();
    let Some(jwk) = jwks.find(&kid) else {
        return Err(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat.into());
    };
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_nbf = true;
    validation.set_audience(&["orderway"]);
    validation.set_issuer(&[base]);
    decode::<Value>(token, &DecodingKey::from_jwk(jwk)?, &validation).map(|data| data.claims)
}

const ACME_BUYER: [(&str, &str); 3] = [
    ("grant_type", "client_credentials"),
    ("client_id", "acme-buyer"),
    ("client_secret", "acme-buyer-secret"),
];

#[tokio::test]
async fn one_post_gets_a_token_that_verifies() {
    let sandbox = start().await;
    let (status, answer) = fetch(&sandbox, &ACME_BUYER).await;
    assert_eq!((status, &answer["expires_in"]), (200, &Value::from(900)));
    let token = answer["access_token"].as_str().expect("a token");
    let claims = verify(&sandbox, token).await.expect("valid");
    assert_eq!(claims["accounts"], serde_json::json!(["ACME", "ACME-WEST"]));
    assert_eq!(claims["company"], "NWI");
    assert_eq!(
        claims["scope"],
        "catalog:read quotes:write orders:read orders:write webhooks:write"
    );
    assert_eq!(claims["sub"], "acme-buyer");
}

#[tokio::test]
async fn a_scope_can_be_narrowed_but_not_widened() {
    let sandbox = start().await;
    let with_scope = |scope| {
        let mut form = ACME_BUYER.to_vec();
        form.push(("scope", scope));
        form
    };
    let (_, narrowed) = fetch(&sandbox, &with_scope("orders:read")).await;
    assert_eq!(narrowed["scope"], "orders:read");
    let (status, refused) = fetch(&sandbox, &with_scope("orders:read ops:write")).await;
    assert_eq!(
        (status, &refused["error"]),
        (400, &Value::from("invalid_scope"))
    );
}

#[tokio::test]
async fn a_wrong_secret_or_grant_gets_no_token() {
    let sandbox = start().await;
    let mut form = ACME_BUYER;
    form[2].1 = "guess";
    let (status, refused) = fetch(&sandbox, &form).await;
    assert_eq!(
        (status, &refused["error"]),
        (401, &Value::from("invalid_client"))
    );
    form[0].1 = "password";
    let (status, refused) = fetch(&sandbox, &form).await;
    assert_eq!(
        (status, &refused["error"]),
        (400, &Value::from("unsupported_grant_type"))
    );
    let basic = http()
        .post(format!("{}/token", sandbox.issuer_url()))
        .basic_auth("ops", Some("ops-secret"))
        .form(&[("grant_type", "client_credentials")]);
    assert_eq!(basic.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn forged_tokens_do_not_verify() {
    let sandbox = start().await;
    let forge = sandbox.issuer.forge();
    let claims = || -> TokenClaims { forge.claims("acme-buyer").expect("a client") };
    let right = forge.sign(&claims()).expect("signed");
    verify(&sandbox, &right)
        .await
        .expect("the forge can also make right ones");
    let wider = TokenClaims {
        accounts: vec!["BOREALIS".to_owned()],
        ..claims()
    };
    for (name, token) in [
        ("expired", forge.expired(claims())),
        ("not yet valid", forge.not_yet_valid(claims())),
        ("wrong audience", forge.wrong_audience(claims())),
        ("foreign issuer", forge.foreign_issuer(claims())),
        ("foreign key", forge.foreign_key(claims())),
        ("unknown key id", forge.unknown_key_id(claims())),
        ("unsigned", forge.unsigned(claims())),
        ("symmetric", forge.symmetric_with_public_key(claims())),
        ("tampered", forge.tampered(claims(), wider)),
    ] {
        let token = token.expect("made");
        assert_eq!(token.split('.').count(), 3, "{name}");
        assert!(verify(&sandbox, &token).await.is_err(), "{name}");
    }
    assert!(forge.token("nobody").is_err());
}
