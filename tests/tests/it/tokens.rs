//! Credentials that are wrong in every way: nobody passes, the answer says who is asked for, and nothing is done.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, RequestBuilder};
use sandbox::{TokenClaims, TokenForge};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    context::{CONTEXT_HEADER, Hop, LayerIdentity},
};
use tests::World;

use crate::{
    contracts::{committed, operations},
    findings::{
        EXPERIENCE_TO_PROCESS, Findings, PROCESS_TO_SYSTEM, answer_of, generous_world, signed,
        signed_at, trace_of,
    },
};

const ITEMS: &[&str] = &["SKU-0001"];

fn order() -> Value {
    json!({"purchase_order_number": "PO-TOKENS", "lines": [{"item": "SKU-0001", "quantity": {"value": "1"}}]})
}

/// A sound order of ACME with these Authorization headers.
fn ordering(world: &World, authorization: &[&str]) -> RequestBuilder {
    let url = format!("{}/portal/v1/orders", world.estate.experience_url);
    let request = world
        .http
        .post(url)
        .header("Orderway-Account", "ACME")
        .header("Idempotency-Key", "tokens")
        .json(&order());
    authorization.iter().fold(request, |request, value| {
        request.header("Authorization", *value)
    })
}

/// Tokens that must not be believed, each with what is wrong with it.
#[expect(clippy::too_many_lines, reason = "one case after another")]
fn forged(forge: &TokenForge) -> Vec<(&'static str, String)> {
    let claims = || forge.claims("acme-buyer").unwrap();
    let other = || TokenClaims {
        accounts: vec!["BOREALIS".to_owned()],
        ..claims()
    };
    let without = |name: &str| {
        let mut value = serde_json::to_value(claims()).unwrap();
        value.as_object_mut().unwrap().remove(name);
        forge.sign(&value).unwrap()
    };
    let with = |name: &str, wrong: Value| {
        let mut value = serde_json::to_value(claims()).unwrap();
        value
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), wrong);
        forge.sign(&value).unwrap()
    };
    let own = forge.token("acme-buyer").unwrap();
    let payload = serde_json::to_value(claims()).unwrap();
    let header = |kid: Value| json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
    vec![
        ("expired", forge.expired(claims()).unwrap()),
        ("not yet valid", forge.not_yet_valid(claims()).unwrap()),
        ("foreign issuer", forge.foreign_issuer(claims()).unwrap()),
        ("foreign key", forge.foreign_key(claims()).unwrap()),
        ("unknown key id", forge.unknown_key_id(claims()).unwrap()),
        ("unsigned", forge.unsigned(claims()).unwrap()),
        (
            "HS256 with the public key",
            forge.symmetric_with_public_key(claims()).unwrap(),
        ),
        ("tampered", forge.tampered(claims(), other()).unwrap()),
        ("wrong audience", forge.wrong_audience(claims()).unwrap()),
        ("without exp", without("exp")),
        ("without aud", without("aud")),
        ("without iss", without("iss")),
        ("without sub", without("sub")),
        ("exp as text", with("exp", json!("4102444800"))),
        ("exp below zero", with("exp", json!(-1))),
        (
            "lives for a year",
            with("exp", json!(claims().exp + 31_536_000)),
        ),
        ("accounts of no list", with("accounts", json!("ACME"))),
        (
            "signature cut off",
            own.rsplit_once('.').unwrap().0.to_owned(),
        ),
        (
            "signature empty",
            format!("{}.", own.rsplit_once('.').unwrap().0),
        ),
        ("two tokens joined", format!("{own}.{own}")),
        (
            "9 KiB",
            forge
                .sign(&TokenClaims {
                    jti: "j".repeat(9 * 1024),
                    ..claims()
                })
                .unwrap(),
        ),
        (
            "key id of a path",
            forge
                .raw(
                    &header(json!("../../etc/passwd")),
                    &payload,
                    b"0".repeat(64).as_slice(),
                )
                .unwrap(),
        ),
        (
            "key id of a number",
            forge
                .raw(&header(json!(7)), &payload, b"0".repeat(64).as_slice())
                .unwrap(),
        ),
        (
            "header of no object",
            forge
                .raw(&json!([]), &payload, b"0".repeat(64).as_slice())
                .unwrap(),
        ),
        (
            "payload of no object",
            forge
                .raw(&header(json!("k")), &json!("x"), b"0".repeat(64).as_slice())
                .unwrap(),
        ),
        ("garbage", "garbage".to_owned()),
        ("three dots of nothing", "..".to_owned()),
    ]
}

#[tokio::test]
async fn no_token_but_a_right_one_gets_in() {
    let world = generous_world().await;
    let buyer = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &buyer, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    let forge = world.estate.sandbox.issuer.forge();
    for (case, token) in forged(&forge) {
        let answer = answer_of(ordering(&world, &[&format!("Bearer {token}")])).await;
        findings.problem(case, &answer, 401, "unauthenticated");
        findings.check(
            case,
            answer.header("www-authenticate").starts_with("Bearer "),
            "it is not asked for a bearer token",
        );
        findings.check(
            case,
            !answer.text.contains(&token),
            "the answer repeats the token",
        );
    }
    let good = format!("Bearer {}", forge.token("acme-buyer").unwrap());
    let odd: [(&str, Vec<&str>); 6] = [
        ("no Authorization", vec![]),
        ("empty Authorization", vec![""]),
        ("another scheme", vec!["Basic YWNtZTphY21l"]),
        ("a scheme without token", vec!["Bearer"]),
        (
            "a token without scheme",
            vec![good.trim_start_matches("Bearer ")],
        ),
        ("two Authorizations", vec![&good, &good]),
    ];
    for (case, headers) in odd {
        let answer = answer_of(ordering(&world, &headers)).await;
        findings.problem(case, &answer, 401, "unauthenticated");
        findings.check(
            case,
            answer.header("www-authenticate").starts_with("Bearer "),
            "it is not asked for a bearer token",
        );
    }
    assert_eq!(
        trace_of(&world, &buyer, "ACME", ITEMS).await,
        before,
        "a bad token did something"
    );

    let taken = answer_of(ordering(&world, &[&good])).await;
    findings.check(
        "a right token",
        taken.status == 202,
        format!("{} {}", taken.status, taken.text),
    );
    findings.none();
    world.stop().await.unwrap();
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
#[tokio::test]
async fn a_token_does_what_its_scopes_and_accounts_say() {
    let world = generous_world().await;
    let buyer = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &buyer, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    let forge = world.estate.sandbox.issuer.forge();
    let claims = || forge.claims("acme-buyer").unwrap();
    let contract: Value = serde_json::from_str(&committed("experience-apis")).unwrap();
    let none = forge
        .sign(&TokenClaims {
            scope: "openid ops:write holds:release feed:all".to_owned(),
            ..claims()
        })
        .unwrap();
    for operation in operations(&contract)
        .iter()
        .filter(|operation| operation.path.starts_with("/portal/"))
    {
        let path = operation
            .path
            .replace("{account}", "ACME")
            .replace("{item}", "SKU-0001");
        let path = path.split(['{', '}']).enumerate();
        let path: String = path
            .map(|(index, part)| {
                if index % 2 == 1 {
                    "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e"
                } else {
                    part
                }
            })
            .collect();
        let request = world.http.request(
            operation.method.clone(),
            format!("{}{path}", world.estate.experience_url),
        );
        let answer = answer_of(
            request
                .bearer_auth(&none)
                .header("Orderway-Account", "ACME"),
        )
        .await;
        let case = format!("{} without a scope", operation.id);
        findings.problem(&case, &answer, 403, "forbidden");
        findings.check(
            &case,
            answer
                .header("www-authenticate")
                .contains("insufficient_scope"),
            "no challenge says why",
        );
        findings.check(
            &case,
            answer.at("/detail").contains('`'),
            "the scope that is needed is not named",
        );
    }
    let reader = forge
        .sign(&TokenClaims {
            scope: "orders:read catalog:read".to_owned(),
            ..claims()
        })
        .unwrap();
    let answer = answer_of(ordering(&world, &[&format!("Bearer {reader}")])).await;
    findings.problem("a reader orders", &answer, 403, "forbidden");
    findings.check(
        "a reader orders",
        answer.at("/detail").contains("orders:write"),
        answer.at("/detail"),
    );

    let nobody = forge
        .sign(&TokenClaims {
            accounts: vec![],
            ..claims()
        })
        .unwrap();
    let answer = answer_of(ordering(&world, &[&format!("Bearer {nobody}")])).await;
    findings.problem("a token of no account", &answer, 404, "not-found");
    let url = format!("{}/portal/v1/accounts", world.estate.experience_url);
    let answer = answer_of(world.http.get(url).bearer_auth(&nobody)).await;
    findings.check(
        "a token of no account",
        answer.status == 200 && answer.json() == json!({"accounts": []}),
        answer.text,
    );
    let strange = forge
        .sign(&TokenClaims {
            company: "NOBODY".to_owned(),
            ..claims()
        })
        .unwrap();
    let answer = answer_of(ordering(&world, &[&format!("Bearer {strange}")])).await;
    findings.check(
        "a company that there is not",
        answer.status.is_client_error(),
        format!("{} {}", answer.status, answer.text),
    );

    assert_eq!(
        trace_of(&world, &buyer, "ACME", ITEMS).await,
        before,
        "a token did more than it may"
    );
    findings.none();
    world.stop().await.unwrap();
}

/// Contexts that a layer below must not believe, each with what is wrong with it.
fn contexts(right: Hop, key: &str) -> Vec<(&'static str, Vec<String>)> {
    use LayerIdentity::{ExperienceApis, ProcessApis, SystemApis};
    let at = |offset: SignedDuration| Clock::fixed(now().saturating_add(offset).unwrap()).0;
    let good = signed(right, key);
    let (payload, tag) = good.split_once('.').unwrap();
    let upward = Hop {
        from: right.to,
        to: right.from,
    };
    let past = Hop {
        from: ExperienceApis,
        to: SystemApis,
    };
    let other = if right.to == SystemApis {
        Hop {
            from: ExperienceApis,
            to: ProcessApis,
        }
    } else {
        Hop {
            from: ProcessApis,
            to: SystemApis,
        }
    };
    vec![
        ("no context", vec![]),
        ("an empty one", vec![String::new()]),
        ("garbage", vec!["garbage".to_owned()]),
        (
            "another key",
            vec![signed(right, "another-key-that-is-long-enough-to-be-one")],
        ),
        (
            "another key of ours",
            vec![signed(
                right,
                if key == PROCESS_TO_SYSTEM {
                    EXPERIENCE_TO_PROCESS
                } else {
                    PROCESS_TO_SYSTEM
                },
            )],
        ),
        ("upward", vec![signed(upward, key)]),
        ("past a layer", vec![signed(past, key)]),
        ("of the other hop", vec![signed(other, key)]),
        (
            "expired",
            vec![signed_at(right, key, at(SignedDuration::from_mins(-5)))],
        ),
        (
            "from the future",
            vec![signed_at(right, key, at(SignedDuration::from_mins(5)))],
        ),
        ("unsigned", vec![format!("{payload}.")]),
        ("signature of another", vec![format!("A{payload}.{tag}")]),
        (
            "20 KiB",
            vec![format!(
                "{}.{tag}",
                payload.repeat(40).chars().take(20_000).collect::<String>()
            )],
        ),
        ("two of them", vec![good.clone(), good.clone()]),
    ]
}

fn now() -> Timestamp {
    Clock::system().now()
}

#[tokio::test]
async fn the_layers_below_answer_the_layer_above_only() {
    use LayerIdentity::{ExperienceApis, ProcessApis, SystemApis};
    let world = generous_world().await;
    let buyer = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &buyer, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    let token = world
        .estate
        .sandbox
        .issuer
        .forge()
        .token("acme-buyer")
        .unwrap();
    let process = format!("{}/v1/orders", world.estate.process_url);
    let system = format!("{}/v1/companies/NWI/sales-orders", world.estate.system_url);
    let layers = [
        (
            "process-apis",
            process,
            Hop {
                from: ExperienceApis,
                to: ProcessApis,
            },
            EXPERIENCE_TO_PROCESS,
        ),
        (
            "system-apis",
            system,
            Hop {
                from: ProcessApis,
                to: SystemApis,
            },
            PROCESS_TO_SYSTEM,
        ),
    ];
    for (layer, url, hop, key) in layers {
        for (case, headers) in contexts(hop, key) {
            for method in [Method::GET, Method::POST] {
                let case = format!("{layer} {method}, {case}");
                let request = world
                    .http
                    .request(method, &url)
                    .header("Idempotency-Key", "tokens")
                    .bearer_auth(&token)
                    .json(&order());
                let request = headers.iter().fold(request, |request, value| {
                    request.header(CONTEXT_HEADER, value)
                });
                findings.problem(&case, &answer_of(request).await, 401, "unauthenticated");
            }
        }
        let answer = answer_of(
            world
                .http
                .get(&url)
                .query(&[("reference", "x")])
                .header(CONTEXT_HEADER, signed(hop, key)),
        )
        .await;
        findings.check(
            layer,
            answer.status != 401,
            "a right context is not believed either",
        );
    }
    assert_eq!(
        trace_of(&world, &buyer, "ACME", ITEMS).await,
        before,
        "a forged context did something"
    );
    findings.none();
    world.stop().await.unwrap();
}
