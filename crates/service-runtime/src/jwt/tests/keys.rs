//! Key sets: which keys are taken, when they are fetched, and how long they are believed.

use super::*;

#[rstest]
#[case::other_family(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}))]
#[case::for_encryption(with(OURS.jwk.clone(), "use", json!("enc")))]
#[case::other_algorithm(with(OURS.jwk.clone(), "alg", json!("ES384")))]
#[case::other_curve(with(OURS.jwk.clone(), "crv", json!("P-384")))]
#[case::nameless(without(OURS.jwk.clone(), "kid"))]
#[tokio::test]
async fn a_key_that_does_not_fit_is_no_key(#[case] jwk: Value) {
    let (verifier, ..) = fetching(Some(json!({"keys": [jwk]})));
    let error = verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap_err();
    assert_eq!(error.into_problem().status, 503);
}

#[tokio::test]
async fn a_key_of_an_unknown_kind_does_not_spoil_the_set() {
    let strange = json!({"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA"});
    let (verifier, ..) = fetching(Some(json!({"keys": [strange, OURS.jwk.clone()]})));
    verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap();
}

#[rstest]
#[case::empty(json!({"keys": []}))]
#[case::no_keys(json!({}))]
#[case::too_many(json!({"keys": vec![OURS.jwk.clone(); 101]}))]
#[case::too_large(json!({"keys": [OURS.jwk.clone()], "padding": "x".repeat(300_000)}))]
#[tokio::test]
async fn a_bad_key_set_is_not_taken(#[case] document: Value) {
    let (verifier, ..) = fetching(Some(document));
    let error = verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap_err();
    assert!(matches!(error, TokenError::NoKeys), "{error}");
}

#[tokio::test]
async fn many_callers_are_one_fetch() {
    let (verifier, fetcher, _clock) = fetching(Some(keyset(&[&OURS])));
    let token = OURS.sign(&header(), &claims());
    let verifying = (0..300).map(|_| verifier.verify(&token));
    let all = futures_util::future::join_all(verifying).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fetcher.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn unknown_names_cannot_flood_the_issuer() {
    let (verifier, fetcher, clock) = fetching(Some(keyset(&[&OURS])));
    verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap();
    for round in 0..60 {
        let name = json!(format!("unknown-{round}"));
        assert!(
            verifier
                .verify(&OURS.sign(&with(header(), "kid", name), &claims()))
                .await
                .is_err()
        );
        clock.advance(SignedDuration::from_secs(1));
    }
    assert!(
        fetcher.fetches.load(Ordering::SeqCst) <= 3,
        "at most two a minute, and the first"
    );
}

#[tokio::test]
async fn keys_rotate_without_a_refused_token() {
    let (verifier, fetcher, clock) = fetching(Some(keyset(&[&OURS])));
    verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap();
    *fetcher.document.lock().unwrap() = Some(keyset(&[&OURS, &NEXT]));
    clock.advance(SignedDuration::from_secs(31));
    verifier
        .verify(&NEXT.sign(&with(header(), "kid", json!("k2")), &claims()))
        .await
        .unwrap();
    verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap();
    *fetcher.document.lock().unwrap() = Some(keyset(&[&NEXT]));
    verifier.refresh().await;
    let retired = verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap_err();
    assert!(matches!(retired, TokenError::UnknownKey));
}

#[tokio::test]
async fn a_token_that_was_taken_is_refused_when_it_ends_and_when_its_key_is_another() {
    let (verifier, fetcher, clock) = fetching(Some(keyset(&[&OURS])));
    let token = OURS.sign(&header(), &claims());
    let first = verifier.verify(&token).await.unwrap();
    assert_eq!(verifier.verify(&token).await.unwrap(), first);

    // The same name, another key.
    *fetcher.document.lock().unwrap() = Some(keyset(&[&FOREIGN]));
    verifier.refresh().await;
    let taken_back = verifier.verify(&token).await.unwrap_err();
    assert!(matches!(taken_back, TokenError::Invalid(_)), "{taken_back}");

    *fetcher.document.lock().unwrap() = Some(keyset(&[&OURS]));
    verifier.refresh().await;
    assert_eq!(verifier.verify(&token).await.unwrap(), first);
    clock.advance(SignedDuration::from_secs(700));
    let ended = verifier.verify(&token).await.unwrap_err();
    assert!(
        matches!(ended, TokenError::Claims("it has expired")),
        "{ended}"
    );
}

#[tokio::test]
async fn an_issuer_that_is_away_is_believed_for_a_day() {
    let (verifier, fetcher, clock) = fetching(Some(keyset(&[&OURS])));
    verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap();
    *fetcher.document.lock().unwrap() = None;
    let later = |hours: i64| {
        let at = NOW + hours * 3_600;
        OURS.sign(
            &header(),
            &with(
                with(with(claims(), "exp", json!(at + 60)), "iat", json!(at)),
                "nbf",
                json!(at),
            ),
        )
    };
    clock.advance(SignedDuration::from_hours(23));
    verifier.refresh().await;
    verifier.verify(&later(23)).await.unwrap();
    clock.advance(SignedDuration::from_hours(2));
    let error = verifier.verify(&later(25)).await.unwrap_err();
    assert_eq!(error.into_problem().status, 503);
    *fetcher.document.lock().unwrap() = Some(keyset(&[&OURS]));
    clock.advance(SignedDuration::from_secs(31));
    verifier.verify(&later(25)).await.unwrap();
}

#[tokio::test]
async fn configured_keys_need_no_fetch() {
    let clock = Clock::fixed(Timestamp::from_second(NOW).unwrap()).0;
    let fetcher = Arc::new(Fetcher {
        document: Mutex::new(None),
        fetches: AtomicUsize::new(0),
    });
    let issuers = vec![config(IssuerKeys::Jwks(keyset(&[&OURS]).to_string()))];
    let verifier = TokenVerifier::new(issuers, fetcher.clone(), clock.clone()).unwrap();
    verifier
        .verify(&OURS.sign(&header(), &claims()))
        .await
        .unwrap();
    assert!(
        verifier
            .verify(&OURS.sign(&with(header(), "kid", json!("k9")), &claims()))
            .await
            .is_err()
    );
    assert_eq!(fetcher.fetches.load(Ordering::SeqCst), 0);
    let broken = vec![config(IssuerKeys::Jwks("{\"keys\":[]}".to_owned()))];
    assert!(TokenVerifier::new(broken, fetcher, clock).is_err());
}

fn pem(pkcs8: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(pkcs8);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn rsa(size: aws_lc_rs::rsa::KeySize) -> EncodingKey {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    let pair = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
    let der: Pkcs8V1Der<'static> = pair.as_der().unwrap();
    EncodingKey::from_rsa_pem(pem(der.as_ref()).as_bytes()).unwrap()
}

fn ed25519() -> EncodingKey {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
}

/// Verifies a token that this key signs, at an issuer of this algorithm whose set holds this key alone.
async fn signed_by(key: &EncodingKey, algorithm: Algorithm) -> Result<Principal, TokenError> {
    let mut jwk = serde_json::to_value(
        jsonwebtoken::jwk::Jwk::from_encoding_key(key, algorithm.library()).unwrap(),
    )
    .unwrap();
    jwk["kid"] = json!("k1");
    let issuer = IssuerConfig {
        algorithm,
        ..config(IssuerKeys::Jwks(json!({"keys": [jwk]}).to_string()))
    };
    let clock = Clock::fixed(Timestamp::from_second(NOW).unwrap()).0;
    let fetcher = Arc::new(Fetcher {
        document: Mutex::new(None),
        fetches: AtomicUsize::new(0),
    });
    let verifier = TokenVerifier::new(vec![issuer], fetcher, clock).unwrap();
    let name = serde_json::to_value(algorithm).unwrap();
    let header: Header = serde_json::from_value(with(header(), "alg", name)).unwrap();
    verifier
        .verify(&encode(&header, &claims(), key).unwrap())
        .await
}

#[tokio::test]
async fn the_other_algorithms_are_verified_too() {
    signed_by(&rsa(aws_lc_rs::rsa::KeySize::Rsa2048), Algorithm::Rs256)
        .await
        .unwrap();
    signed_by(&ed25519(), Algorithm::EdDsa).await.unwrap();
}

#[test]
fn a_short_rsa_key_is_no_key() {
    let jwk = |bytes: usize| json!({"kty": "RSA", "kid": "k1", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes])});
    let taken = |bytes: usize| {
        let document = json!({"keys": [jwk(bytes)]}).to_string();
        let issuer = IssuerConfig {
            algorithm: Algorithm::Rs256,
            ..config(IssuerKeys::Jwks(document))
        };
        let fetcher = Arc::new(Fetcher {
            document: Mutex::new(None),
            fetches: AtomicUsize::new(0),
        });
        TokenVerifier::new(vec![issuer], fetcher, Clock::system()).is_ok()
    };
    assert!(taken(256));
    assert!(!taken(255) && !taken(128));
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_cost_the_others_their_keys() {
    let (verifier, fetcher, _clock) = fetching(Some(keyset(&[&OURS])));
    let token = OURS.sign(&header(), &claims());
    {
        let mut first = Box::pin(verifier.verify(&token));
        let started = futures_util::poll!(first.as_mut());
        assert!(started.is_pending());
    }
    verifier.verify(&token).await.unwrap();
    assert_eq!(fetcher.fetches.load(Ordering::SeqCst), 1);
}

#[rstest]
#[case("https://issuer.example/jwks", true)]
#[case("http://127.0.0.1:7010/jwks", true)]
#[case("http://[::1]:7010/jwks", true)]
#[case("http://issuer.example/jwks", false)]
#[case("http://127.0.0.1.evil.example/jwks", false)]
#[case("/jwks", false)]
fn keys_travel_safely_or_not_at_all(#[case] url: &str, #[case] allowed: bool) {
    let mut faults = crate::config::Faults::default();
    crate::config::Validate::validate(&config(IssuerKeys::JwksUrl(url.to_owned())), &mut faults);
    assert_eq!(faults.is_empty(), allowed, "{faults}");
}
