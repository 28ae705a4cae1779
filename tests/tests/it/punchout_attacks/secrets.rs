//! Secrets that are guessed: bounded by the address they come from, answered alike, and no harm to who knows the right one.

use futures_util::{StreamExt as _, stream};
use tests::{
    Answer, Setup,
    punchout::{PASSWORD, SECRET, USER},
    until,
};

use super::{OTHER, Siege, as_other, browser};
use crate::findings::{Findings, answer_of, shortened};

const GUESSES: usize = 1_000;

/// Sends a document from an address of this machine.
async fn from(siege: &Siege, client: &reqwest::Client, document: &str) -> (u16, String) {
    let request = client.post(siege.url("/punchout/cxml"));
    let request = request.header("Content-Type", "text/xml");
    let answer = answer_of(request.body(document.to_owned())).await;
    let code = answer.text.split("<Status code=\"").nth(1);
    let code = code.and_then(|rest| rest.split('"').next()?.parse().ok());
    (code.unwrap_or_default(), answer.text)
}

/// Without what is the answer's own.
fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    for name in ["payloadID=\"", "timestamp=\""] {
        let value = masked
            .split(name)
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        if let Some(value) = value.map(str::to_owned) {
            masked = masked.replacen(&value, "", 1);
        }
    }
    masked
}

fn profile(siege: &Siege, secret: &str) -> String {
    siege.buyer.document("who", secret, "<ProfileRequest/>")
}

#[tokio::test]
async fn a_thousand_wrong_secrets_cost_little_and_keep_nobody_out() -> anyhow::Result<()> {
    let siege = Siege::with(Setup::default(), &[]).await?;
    let before = siege.snapshot().await?;
    let attacker = browser(Some([127, 0, 0, 2]))?;
    let elsewhere = browser(Some([127, 0, 0, 3]))?;
    // Who was let in there is remembered, whatever else comes from there.
    let (code, text) = from(&siege, &attacker, &profile(&siege, SECRET)).await;
    assert_eq!(code, 200, "{text}");
    let guesses = stream::iter(0..GUESSES).map(|guess| {
        let document = profile(&siege, &format!("guess-{guess}"));
        let (siege, attacker) = (&siege, &attacker);
        async move { from(siege, attacker, &document).await.0 }
    });
    let told: Vec<u16> = guesses.buffer_unordered(16).collect().await;
    let limited = told.iter().filter(|code| **code == 560).count();
    let refused = told.iter().filter(|code| **code == 401).count();
    assert_eq!(limited + refused, GUESSES, "{told:?}");
    assert!(
        refused >= 1 && limited > GUESSES / 2,
        "{refused} were compared"
    );

    let (code, text) = from(&siege, &attacker, &profile(&siege, SECRET)).await;
    assert_eq!(code, 200, "the true partner from the same address: {text}");
    let other = as_other(&profile(&siege, SECRET));
    let (code, text) = from(&siege, &elsewhere, &other).await;
    assert_eq!(code, 200, "the other partner from another address: {text}");
    let mut findings = Findings::default();
    guessed_passwords(&siege, &mut findings).await?;
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

/// The same by OCI, from an address of its own.
async fn guessed_passwords(siege: &Siege, findings: &mut Findings) -> anyhow::Result<()> {
    let attacker = browser(Some([127, 0, 0, 4]))?;
    let call = |partner: &str, user: &str, password: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("USERNAME", user)
            .append_pair("PASSWORD", password);
        query.append_pair("HOOK_URL", &format!("{}/oci/cart", siege.site.url));
        attacker.get(siege.url(&format!("/punchout/oci/{partner}?{}", query.finish())))
    };
    let right = || call("acme-punchout", USER, PASSWORD);
    findings.check(
        "before",
        answer_of(right()).await.status == 303,
        "not let in",
    );
    let guesses = stream::iter(0..200).map(|guess| {
        let request = call("acme-punchout", USER, &format!("guess-{guess}"));
        async move { answer_of(request).await.status.as_u16() }
    });
    let told: Vec<u16> = guesses.buffer_unordered(16).collect().await;
    let limited = told.iter().filter(|status| **status == 429).count();
    let refused = told.iter().filter(|status| **status == 401).count();
    findings.check(
        "passwords",
        limited + refused == 200 && limited > 100,
        format!("{told:?}"),
    );
    findings.check(
        "after",
        answer_of(right()).await.status == 303,
        "the true user is kept out",
    );
    // Who was never let in from there waits, and gets in.
    until("the other user", async || {
        let answer = answer_of(call(OTHER, "borealis", PASSWORD)).await;
        anyhow::ensure!(
            [303, 429].contains(&answer.status.as_u16()),
            "{}",
            answer.text
        );
        Ok((answer.status == 303).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_unknown_sender_and_a_wrong_secret_are_answered_byte_for_byte_alike()
-> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let before = siege.snapshot().await?;
    let sound = profile(&siege, SECRET);
    let sender = format!("<SharedSecret>{SECRET}</SharedSecret>");
    let wrong = [
        profile(&siege, "wrong"),
        profile(&siege, ""),
        profile(&siege, &SECRET.to_uppercase()),
        profile(&siege, &format!("{SECRET}&#x20;{SECRET}")),
        profile(&siege, &"x".repeat(100_000)),
        profile(
            &siege,
            "pbkdf2-sha256$50000$b3JkZXJ3YXlwdW5jaG91dA$Mj45uuKECKonir2RK8woivSLoAOXvIhAFS-iT3sXSYw",
        ),
        sound.replace("AN01-ACME", "AN01-NOBODY"),
        sound.replace("AN01-ACME", "an01-acme"),
        sound.replace("domain=\"NetworkID\"", "domain=\"DUNS\""),
        sound.replace(&sender, ""),
        sound.replace(&sender, "<SharedSecret/>"),
        // The right secret under another name, and beside the wrong one.
        sound.replace(
            &sender,
            &format!("<SharedSecret>wrong</SharedSecret><Password>{SECRET}</Password>"),
        ),
        sound.replace(
            &sender,
            &format!("<SharedSecret>wrong</SharedSecret>{sender}"),
        ),
        // Of a partner that it does not send for.
        as_other(&profile(&siege, "wrong")),
    ];
    // Each from an address of its own: how many are compared for one is another matter.
    let addresses = (1..=250_u8).map(|last| browser(Some([127, 9, 0, last])));
    let mut addresses = addresses.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
    let mut address = move || addresses.next().unwrap();
    let (code, first) = from(&siege, &address(), &wrong[0]).await;
    assert_eq!(code, 401, "{first}");
    let mut findings = Findings::default();
    for document in &wrong {
        let (code, text) = from(&siege, &address(), document).await;
        let case = shortened(document.split("<Sender>").nth(1).unwrap_or_default());
        findings.check(&case, code == 401, format!("{code}"));
        findings.check(&case, masked(&text) == masked(&first), text);
    }
    // Whoever has shown who it is learns what is wrong; nobody else does.
    let (acme, nobody) = ("AN01-ACME", "AN01-NOBODY");
    let from_nobody = sound.replacen(acme, nobody, 1);
    let to_nobody = sound.replace("AN01-NORTHWIND", nobody);
    let for_other = sound.replacen(acme, "AN01-BOREALIS", 1);
    for (document, word) in [
        (&from_nobody, "Header/From"),
        (&to_nobody, "Header/To"),
        (&for_other, "Header/From"),
    ] {
        let (code, text) = from(&siege, &address(), document).await;
        findings.check(word, code == 403 && text.contains(word), text);
        let wrong = document.replace(SECRET, "wrong");
        let (code, text) = from(&siege, &address(), &wrong).await;
        findings.check(word, code == 401 && masked(&text) == masked(&first), text);
    }
    passwords_alike(&siege, &mut address, &mut findings).await;
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

async fn passwords_alike(
    siege: &Siege,
    address: &mut impl FnMut() -> reqwest::Client,
    findings: &mut Findings,
) {
    let own = |answer: &Answer| {
        let text = answer
            .text
            .replace(answer.header("orderway-correlation-id"), "");
        (answer.status.as_u16(), text)
    };
    let hook = format!("{}/oci/cart", siege.site.url);
    for page in ["", "/orders"] {
        let mut first = None;
        for (partner, user, password) in [
            ("acme-punchout", USER, "wrong"),
            ("acme-punchout", USER, ""),
            ("acme-punchout", "nobody", PASSWORD),
            ("acme-punchout", "borealis", PASSWORD),
            (OTHER, USER, PASSWORD),
            ("nobody", USER, PASSWORD),
            ("acme-edi", USER, PASSWORD),
            ("%2e%2e", USER, PASSWORD),
        ] {
            let url = siege.url(&format!("/punchout/oci/{partner}{page}"));
            let case = format!("{partner} {user} {password} {page}");
            let form = [
                ("USERNAME", user),
                ("PASSWORD", password),
                ("HOOK_URL", &hook),
            ];
            let mut body = url::form_urlencoded::Serializer::new(String::new());
            body.extend_pairs(form);
            let mut post = || {
                address()
                    .post(&url)
                    .header("Content-Type", "application/x-www-form-urlencoded")
            };
            for request in [
                post().body(body.finish()),
                post().basic_auth(user, Some(password)).body(""),
            ] {
                let answer = answer_of(request).await;
                if answer.status == 404 && partner.starts_with('%') {
                    continue;
                }
                let seen = own(&answer);
                findings.check(&case, seen.0 == 401, format!("{seen:?}"));
                let first = first.get_or_insert_with(|| seen.clone());
                findings.check(&case, *first == seen, format!("{seen:?} and {first:?}"));
            }
        }
    }
}
