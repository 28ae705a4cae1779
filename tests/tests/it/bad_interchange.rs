//! Interchanges that are wrong, in each way a partner's translator can get them wrong: each gets the acknowledgement or
//! problem that says so, and nothing is ordered, claimed or caused.

use tests::{Answer, EdiPartner, Setup, World};

use crate::findings::{Findings, answer_of, generous, shortened, trace_of};

const SECRET: &str = "acme-edi-demo";
const ITEMS: &[&str] = &["SKU-0001"];

/// A sound 850 of one line.
pub(crate) fn sound(control: &str, usage: &str, purchase_order: &str) -> String {
    let segments = [
        "ST*850*0001",
        &format!("BEG*00*SA*{purchase_order}**20261120"),
        "N1*ST**92*0001",
        "PO1*1*2*EA***VP*SKU-0001",
        "CTT*1",
        "SE*6*0001",
    ];
    let isa = format!(
        "ISA*00*          *00*          *ZZ*ACMEMFG        *ZZ*NORTHWIND      *261120*1430*U*00401*{control}*0*{usage}*>~"
    );
    let body: String = segments
        .iter()
        .map(|segment| format!("{segment}~"))
        .collect();
    format!("{isa}GS*PO*ACMEMFG*NORTHWIND*20261120*1430*1*X*004010~{body}GE*1*1~IEA*1*{control}~")
}

/// What is to be changed in a sound 850, and the segments its acknowledgement must have, each by how it begins.
struct Case {
    name: &'static str,
    was: &'static str,
    is: &'static str,
    told: &'static [&'static str],
}

const fn case(
    name: &'static str,
    was: &'static str,
    is: &'static str,
    told: &'static [&'static str],
) -> Case {
    Case {
        name,
        was,
        is,
        told,
    }
}

const CASES: &[Case] = &[
    case("SE counts wrong", "SE*6*", "SE*7*", &["AK5*R*4", "AK9*R"]),
    case(
        "SE names another set",
        "SE*6*0001",
        "SE*6*0002",
        &["AK5*R*3", "AK9*R"],
    ),
    case("SE is missing", "SE*6*0001~", "", &["AK5*R*2", "AK9*R"]),
    case("GE counts wrong", "GE*1*1", "GE*2*1", &["AK9*R*2*1*0*5"]),
    case(
        "GE names another group",
        "GE*1*1",
        "GE*1*2",
        &["AK9*R*1*1*0*4"],
    ),
    case("GE is missing", "GE*1*1~", "", &["AK9*R*1*1*0*3"]),
    case(
        "IEA counts wrong",
        "IEA*1*",
        "IEA*2*",
        &["TA1*{control}*261120*1430*R*021"],
    ),
    case(
        "IEA names another interchange",
        "IEA*1*",
        "IEA*1*9",
        &["TA1*{control}*261120*1430*R*001"],
    ),
    case(
        "IEA is missing",
        "IEA*1*",
        "NTE*1*",
        &["TA1*{control}*261120*1430*R*"],
    ),
    case(
        "an unknown sender",
        "ACMEMFG  ",
        "STRANGER ",
        &["TA1*{control}*261120*1430*R*006"],
    ),
    case(
        "another qualifier of the sender",
        "*ZZ*ACMEMFG",
        "*01*ACMEMFG",
        &["TA1*{control}*261120*1430*R*005"],
    ),
    case(
        "an unknown receiver",
        "NORTHWIND ",
        "SOUTHWIND ",
        &["TA1*{control}*261120*1430*R*008"],
    ),
    case(
        "another qualifier of the receiver",
        "*ZZ*NORTHWIND",
        "*14*NORTHWIND",
        &["TA1*{control}*261120*1430*R*007"],
    ),
    case(
        "a version that was not agreed",
        "*X*004010",
        "*X*003040",
        &["AK9*R*1*1*0*2"],
    ),
    case(
        "a set that was not agreed",
        "ST*850*",
        "ST*840*",
        &["AK5*R*6*1", "AK9*R"],
    ),
    case(
        "a group of another function",
        "GS*PO*",
        "GS*IN*",
        &["AK9*R"],
    ),
    case(
        "no BEG",
        "BEG*00*SA*PO-BAD**20261120~",
        "",
        &["AK5*R", "AK9*R"],
    ),
    case(
        "a quantity that is no number",
        "PO1*1*2*",
        "PO1*1*two*",
        &["AK5*R", "AK9*R"],
    ),
    case(
        "an ISA that is too short",
        "ACMEMFG        ",
        "ACMEMFG       ",
        &["TA1*"],
    ),
];

async fn setup() -> (World, EdiPartner) {
    let world = World::start_with(generous(Setup::default())).await.unwrap();
    let partner = world.edi_partner("acme-edi", SECRET);
    (world, partner)
}

fn control(number: usize) -> String {
    format!("{number:09}")
}

/// Whether the acknowledgement has a segment that begins so, and neither accepts anything nor fails.
fn told(findings: &mut Findings, case: &str, answer: &Answer, expected: &[String]) {
    let segments: Vec<_> = answer.text.split('~').map(str::trim).collect();
    for begin in expected {
        let there = segments.iter().any(|segment| segment.starts_with(begin));
        findings.check(
            case,
            there,
            format!(
                "no {begin} in {} {}",
                answer.status,
                shortened(&answer.text)
            ),
        );
    }
    findings.check(
        case,
        answer.status == 200,
        format!("answered {}: {}", answer.status, shortened(&answer.text)),
    );
    let accepts = segments
        .iter()
        .any(|segment| segment.starts_with("AK9*A") || segment.starts_with("TA1*A"));
    findings.check(case, !accepts, "it accepts something");
}

#[tokio::test]
async fn nothing_comes_of_bad_interchanges() {
    let (world, partner) = setup().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &user, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    for (number, case) in CASES.iter().enumerate() {
        let control = control(number + 1);
        let good = sound(&control, "P", "PO-BAD");
        assert!(good.contains(case.was), "{}", case.name);
        let answer = partner
            .send(good.replacen(case.was, case.is, 1))
            .await
            .unwrap();
        let expected: Vec<_> = case
            .told
            .iter()
            .map(|begin| begin.replace("{control}", &control))
            .collect();
        told(&mut findings, case.name, &answer, &expected);
    }
    no_interchanges(&mut findings, &partner).await;
    wrong_credentials(&mut findings, &world).await;
    test_interchange(&mut findings, &partner).await;
    settled(&world, &partner, &mut findings).await;
    findings.none();
    assert_eq!(
        trace_of(&world, &user, "ACME", ITEMS).await,
        before,
        "a bad interchange did something"
    );
    assert_eq!((before.erp_orders, before.pick_requests), (0, 0));
    world.stop().await.unwrap();
}

/// What came in is worked on beside its answer. A sound order behind it, refused for its product alone, is answered by
/// an 855: when that is there, the work before it has been done too; and it is the only one.
async fn settled(world: &World, partner: &EdiPartner, findings: &mut Findings) {
    let last = sound("000000900", "P", "PO-LAST").replace("SKU-0001", "SKU-9999");
    let answer = partner.send(last).await.unwrap();
    findings.check(
        "an unknown product",
        answer.text.contains("AK9*A"),
        shortened(&answer.text),
    );
    let answers = partner.order_acknowledgments(1).await.unwrap();
    findings.check(
        "855s",
        answers.len() == 1 && answers[0].contains("PO-LAST"),
        format!("{answers:?}"),
    );
    findings.check(
        "the ERP",
        world.estate.sandbox.erp.orders().is_empty(),
        "it has an order",
    );
}

async fn no_interchanges(findings: &mut Findings, partner: &EdiPartner) {
    let good = sound("000000901", "P", "PO-BAD");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("an empty body", Vec::new()),
        ("blanks", b" \r\n \r\n".to_vec()),
        (
            "garbage bytes",
            (0_u8..=255)
                .cycle()
                .take(4_096)
                .filter(|byte| *byte != b'I')
                .collect(),
        ),
        ("JSON", b"{\"order\":1}".to_vec()),
        (
            "EDIFACT",
            b"UNA:+.? 'UNB+UNOA:1+A+B+261120:1430+1'UNZ+0+1'".to_vec(),
        ),
        ("an ISA cut off", good.as_bytes()[..60].to_vec()),
        (
            "an 850 without envelope",
            b"ST*850*0001~BEG*00*SA*X**20261120~SE*3*0001~".to_vec(),
        ),
    ];
    for (case, body) in bodies {
        let answer = partner.send(body).await.unwrap();
        findings.problem(case, &answer, 400, "not-an-interchange");
    }
    let huge = partner.send(vec![b'A'; 8 * 1024 * 1024 + 1]).await.unwrap();
    findings.problem("a huge body", &huge, 413, "payload-too-large");
    let json = partner
        .request(reqwest::Method::POST, "/interchanges")
        .header("Content-Type", "application/json");
    let answer = answer_of(json.body(good)).await;
    findings.problem("sent as JSON", &answer, 415, "unsupported-media-type");
}

async fn wrong_credentials(findings: &mut Findings, world: &World) {
    for (id, secret) in [
        ("acme-edi", "wrong"),
        ("acme-edi", ""),
        ("nobody", SECRET),
        ("", ""),
    ] {
        let url = format!(
            "{}/edi/v1/acme-edi/interchanges",
            world.estate.experience_url
        );
        let request = world
            .http
            .post(url)
            .header("Content-Type", "application/edi-x12");
        let answer = answer_of(request.basic_auth(id, Some(secret)).body(sound(
            "000000902",
            "P",
            "PO-BAD",
        )))
        .await;
        let case = format!("{id:?} with {secret:?}");
        findings.problem(&case, &answer, 401, "unauthenticated");
        findings.check(
            &case,
            answer.header("www-authenticate").starts_with("Basic "),
            "it is not asked for Basic",
        );
    }
    for place in ["borealis-edi", "nobody", "ACME-EDI", "%2e%2e"] {
        let url = format!(
            "{}/edi/v1/{place}/interchanges",
            world.estate.experience_url
        );
        let request = world
            .http
            .post(url)
            .header("Content-Type", "application/edi-x12");
        let answer = answer_of(request.basic_auth("acme-edi", Some(SECRET)).body(sound(
            "000000903",
            "P",
            "PO-BAD",
        )))
        .await;
        findings.problem(&format!("under {place}"), &answer, 404, "not-found");
    }
    let token = world
        .estate
        .sandbox
        .issuer
        .forge()
        .token("acme-buyer")
        .unwrap();
    let url = format!(
        "{}/edi/v1/acme-edi/interchanges",
        world.estate.experience_url
    );
    let answer = answer_of(world.http.post(url).bearer_auth(token).body(sound(
        "000000904",
        "P",
        "PO-BAD",
    )))
    .await;
    findings.problem(
        "with a token of the portal",
        &answer,
        401,
        "unauthenticated",
    );
    let url = format!("{}/portal/v1/orders", world.estate.experience_url);
    let answer = answer_of(world.http.get(url).basic_auth("acme-edi", Some(SECRET))).await;
    findings.problem("a partner in the portal", &answer, 401, "unauthenticated");
}

/// A test is acknowledged as the real one would be, and books nothing.
async fn test_interchange(findings: &mut Findings, partner: &EdiPartner) {
    let answer = partner
        .send(sound("000000905", "T", "PO-BAD"))
        .await
        .unwrap();
    findings.check(
        "a test",
        answer.status == 200 && answer.text.contains("AK9*A"),
        format!("{} {}", answer.status, answer.text),
    );
    findings.check(
        "a test",
        answer.header("orderway-test") == "true",
        "it is not called a test",
    );
    let again = partner
        .send(sound("000000905", "T", "PO-BAD"))
        .await
        .unwrap();
    findings.check(
        "a test again",
        again.text == answer.text,
        format!("another answer: {}", again.text),
    );
}

#[tokio::test]
async fn a_control_number_counts_once() {
    let (world, partner) = setup().await;
    let mut findings = Findings::default();
    let good = sound("000000001", "P", "PO-ONCE");
    let first = partner.send(good.clone()).await.unwrap();
    assert!(
        first.status == 200 && first.text.contains("AK9*A"),
        "{} {}",
        first.status,
        first.text
    );
    let again = partner.send(good).await.unwrap();
    findings.check(
        "the same bytes",
        again.text == first.text,
        format!("another answer: {}", again.text),
    );
    findings.check(
        "the same bytes",
        again.header("orderway-repeated") == "true",
        "it is not called a repetition",
    );
    let other = partner
        .send(sound("000000001", "P", "PO-TWICE"))
        .await
        .unwrap();
    told(
        &mut findings,
        "other bytes",
        &other,
        &["TA1*000000001*261120*1430*R*025".to_owned()],
    );
    partner.order_acknowledgments(1).await.unwrap();
    let orders = world.estate.sandbox.erp.orders();
    let numbers: Vec<_> = orders
        .iter()
        .map(|order| order.purchase_order_number.as_str())
        .collect();
    findings.check(
        "the ERP",
        numbers == ["PO-ONCE"],
        format!("it has {numbers:?}"),
    );
    let mailbox = partner.order_acknowledgments(1).await.unwrap();
    findings.check("the mailbox", mailbox.len() == 1, format!("{mailbox:?}"));
    findings.none();
    world.stop().await.unwrap();
}
