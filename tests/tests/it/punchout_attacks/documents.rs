//! Documents made to hurt: expanded, fetched, followed and kept in memory they would be; they are refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tests::{
    Answer,
    punchout::{CartItem, Order},
};
use tokio::net::TcpListener;

use super::{
    Siege,
    document_cases::{Attack, DOCTYPE, XML, as_bytes, attack, in_the_order},
    in_a_process_of_its_own,
};
use crate::findings::{Findings, answer_of, shortened};

/// A deadline of liveness: what takes longer never ends.
const LONGEST: Duration = Duration::from_secs(60);
/// What the whole process may hold more at its worst than when it began: the world, and several documents of 8 MiB at once.
const MOST_MEMORY: usize = 600 * 1024 * 1024;

/// Somebody whom no document may make us ask.
struct Canary {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let asked = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { url, asked })
    }
}

/// An order that would be taken if nothing were done to it.
fn order(siege: &Siege, name: &str) -> String {
    let item = CartItem {
        quantity: "1".to_owned(),
        part: "SKU-0001".to_owned(),
        unit_price: "1.00".to_owned(),
        currency: "USD".to_owned(),
        description: "Ball bearing".to_owned(),
        unit: "EA".to_owned(),
        class: "31171504".to_owned(),
        ..CartItem::default()
    };
    let number = format!("ATTACK-{}", name.len());
    siege
        .buyer
        .order_document(&format!("attack-{name}"), &Order::of(&number, &[item]))
}

async fn send(siege: &Siege, attack: &Attack) -> anyhow::Result<Answer> {
    let request = siege.http.post(siege.url("/punchout/cxml"));
    let request = match attack.2 {
        "" => request,
        media_type => request.header("Content-Type", media_type),
    };
    let answer = tokio::time::timeout(LONGEST, answer_of(request.body(attack.1)));
    answer
        .await
        .map_err(|_elapsed| anyhow::anyhow!("{} is never answered", attack.0))
}

/// The Status of a Response, or 1000 and the status of HTTP.
fn code(answer: &Answer) -> u16 {
    if answer.status != 200 {
        return 1000 + answer.status.as_u16();
    }
    let code = answer.text.split("<Status code=\"").nth(1);
    let code = code.and_then(|rest| rest.split('"').next()?.parse().ok());
    code.unwrap_or_default()
}

fn highest_memory() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: usize = kibibytes.unwrap_or_default().trim().parse()?;
    Ok(kibibytes * 1024)
}

#[test]
fn hostile_documents_are_refused_within_bounds_and_nothing_comes_of_them() -> anyhow::Result<()> {
    in_a_process_of_its_own("punchout_attacks::documents::all_hostile_documents").map(drop)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by hostile_documents_are_refused_within_bounds_and_nothing_comes_of_them, in a process of its own"]
async fn all_hostile_documents() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let canary = Canary::start().await?;
    let before = siege.snapshot().await?;
    let memory = highest_memory()?;
    let mut attacks = as_bytes(&order(&siege, "bytes"));
    for (name, old, new, due) in in_the_order(&canary.url) {
        let sound = order(&siege, name);
        anyhow::ensure!(sound.contains(old), "{name}: the order has no {old}");
        let mut hostile = sound.replacen(old, &new, 1);
        // What is declared is also used.
        for (entity, used) in [
            ("<!ENTITY l9", "&l9;"),
            ("<!ENTITY a ", "&a;"),
            ("<!ENTITY x ", "&x;"),
        ] {
            if hostile.contains(entity) {
                let used = used.repeat(if entity.contains(" a") { 10_000 } else { 1 });
                hostile = hostile.replacen("Ball bearing", &used, 1);
            }
        }
        attacks.push(attack(name, hostile.into_bytes(), XML, due));
    }
    let mut findings = Findings::default();
    for attack in &attacks {
        let answer = send(&siege, attack).await?;
        let told = shortened(&answer.text);
        findings.check(
            attack.0,
            code(&answer) == attack.3,
            format!("{} is due, not {}: {told}", attack.3, code(&answer)),
        );
        findings.check(attack.0, answer.text.len() < 4_000, "its answer is long");
        findings.check(attack.0, !answer.text.contains("root:"), "a file was read");
    }
    // The largest ones, more of them at once than are read at once.
    let large: Vec<_> = attacks
        .iter()
        .filter(|attack| attack.1.len() > 1_000_000)
        .collect();
    let crowd = (0..3)
        .flat_map(|_| &large)
        .map(|attack| send(&siege, attack));
    for answer in futures_util::future::join_all(crowd).await {
        let code = code(&answer?);
        findings.check(
            "a crowd",
            [406, 499, 560].contains(&code),
            format!("{code}"),
        );
    }
    println!(
        "{} MiB more after the documents",
        highest_memory()?.saturating_sub(memory) / 1024 / 1024
    );
    fields_by_the_million(&siege, &mut findings).await;
    packed(&siege, &mut findings).await;
    never_fetched(&siege, &canary, &mut findings).await?;
    let grown = highest_memory()?.saturating_sub(memory);
    println!(
        "{} attacks, {} MiB more at the worst",
        attacks.len(),
        grown / 1024 / 1024
    );
    findings.check(
        "memory",
        grown < MOST_MEMORY,
        format!("{} MiB", grown / 1024 / 1024),
    );
    findings.none();
    assert_eq!(canary.asked.load(Ordering::SeqCst), 0, "somebody was asked");
    assert_eq!(siege.snapshot().await?, before, "an attack did something");
    // What they were made of is taken as it is.
    let (code, told) = siege.told(&order(&siege, "none")).await?;
    assert_eq!(code, 200, "{told}");
    assert_ne!(siege.snapshot().await?, before);
    siege.end().await
}

/// Forms of OCI from nobody, each of as many fields as its bytes hold, and many at once.
async fn fields_by_the_million(siege: &Siege, findings: &mut Findings) {
    let (call, order) = ("a&".repeat(1_000_000), "a&".repeat(3_000_000));
    let (call, order): (&'static str, &'static str) = (call.leak(), order.leak());
    let post = |path: &str, body: &'static str| {
        let request = siege.http.post(siege.url(path));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        answer_of(request.body(body))
    };
    let crowd = (0..12).flat_map(|_| {
        [
            post("/punchout/oci/acme-punchout", call),
            post("/punchout/oci/acme-punchout/orders", order),
        ]
    });
    for answer in futures_util::future::join_all(crowd).await {
        let status = answer.status.as_u16();
        findings.check(
            "a crowd of forms",
            [401, 413, 429, 503].contains(&status),
            format!("{status}"),
        );
    }
}

/// Bodies in an encoding are not unpacked, however small they are; and one without a length is bounded too.
async fn packed(siege: &Siege, findings: &mut Findings) {
    let bomb: Vec<u8> = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &[0xff; 4096]].concat();
    for encoding in ["gzip", "deflate", "br", "x-gzip", "identity, gzip"] {
        let request = siege.http.post(siege.url("/punchout/cxml"));
        let request = request
            .header("Content-Type", XML)
            .header("Content-Encoding", encoding);
        let answer = answer_of(request.body(bomb.clone())).await;
        findings.check(encoding, answer.status == 415, format!("{}", answer.status));
    }
    let chunk = || Ok::<_, std::io::Error>(vec![b' '; 1_000_000]);
    let chunks = futures_util::stream::iter((0..9).map(move |_| chunk()));
    let request = siege
        .http
        .post(siege.url("/punchout/cxml"))
        .header("Content-Type", XML);
    let answer = answer_of(request.body(reqwest::Body::wrap_stream(chunks))).await;
    findings.check(
        "9 MB without a length",
        code(&answer) == 499,
        shortened(&answer.text),
    );
}

/// Addresses that stand in documents which are taken: they are read over.
async fn never_fetched(
    siege: &Siege,
    canary: &Canary,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let profile = siege
        .buyer
        .document("fetch", tests::punchout::SECRET, "<ProfileRequest/>");
    let url = &canary.url;
    let taken = [
        (
            DOCTYPE,
            format!("<!DOCTYPE cXML SYSTEM \"{url}/cXML.dtd\">"),
        ),
        (
            DOCTYPE,
            format!("<!DOCTYPE cXML PUBLIC \"-//x//y\" \"{url}/cXML.dtd\">"),
        ),
        (DOCTYPE, format!("<?xml-stylesheet href=\"{url}/style\"?>")),
        (
            "<cXML ",
            format!(
                "<cXML xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"x {url}/xsd\" "
            ),
        ),
        (
            "<ProfileRequest/>",
            format!(
                "<ProfileRequest><x:include xmlns:x=\"http://www.w3.org/2001/XInclude\" href=\"{url}/x\"/></ProfileRequest>"
            ),
        ),
    ];
    for (old, new) in taken {
        let document = profile.replacen(old, &new, 1);
        anyhow::ensure!(document != profile, "{old}");
        let (code, text) = siege.told(&document).await?;
        findings.check(&new, code == 200, format!("{code} {text}"));
    }
    Ok(())
}
