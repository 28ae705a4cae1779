//! The cXML documents.

use std::path::Path;

use tests::{
    needs,
    punchout::{Confirmation, CxmlBuyer, Dtds, Status},
    until,
};

use super::{Kept, Play, files};
use crate::{
    findings::{Findings, answer_of, shortened},
    punchout_attacks::browser,
    punchout_html::Page,
};

/// What is done to the document before it is sent; each step builds on the one before.
enum Change {
    /// Nothing.
    AsItIs,
    /// From, To and Sender are the test's partner and us, with the right secret.
    Introduced,
    /// Texts are replaced.
    Text(&'static [(&'static str, &'static str)]),
    /// The unit prices as they are published become ours of today, and the total their sum.
    Priced(&'static [&'static str], &'static str),
}
use Change::{AsItIs, Introduced, Priced, Text};

/// What is due.
enum Due {
    /// A Status, whose words name this.
    Told(u16, &'static str),
    /// A visit: the Status of its first page, and whether it says that it is a test.
    Visit(u16, bool),
    /// Received, and refused by a ConfirmationRequest that names each of these.
    Rejected(&'static [&'static str]),
    /// In the ERP with these lines, and confirmed by a ConfirmationRequest of this type.
    Taken(&'static str, &'static [Kept]),
}
use Due::{Rejected, Taken, Told, Visit};

/// A file, and its steps: what is done, what is due, and why.
type Row = (&'static str, &'static [(Change, Due, &'static str)]);

/// From a stranger: the first step of all Requests.
const UNKNOWN: (Change, Due, &str) = (
    AsItIs,
    Told(401, "The Sender's credential is not known"),
    "its Sender is nobody we know",
);
const NOT_OFFERED: &str = "we send these documents and take none";
/// A Message or a Response is not what is due at this address.
const MESSAGE: &[(Change, Due, &str)] = &[(
    AsItIs,
    Told(450, "is a Message"),
    "a Message is what a shop sends to a buyer's system, and not a Request",
)];
const RESPONSE: &[(Change, Due, &str)] = &[(
    AsItIs,
    Told(406, "Response"),
    "a Response answers a question that was not asked here",
)];

const fn refused_request(name: &'static str) -> (Change, Due, &'static str) {
    (Introduced, Told(450, name), NOT_OFFERED)
}

const TABLE: &[Row] = &[
    (
        "cxml-php__OrderRequest.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Told(200, "It is a test: nothing was booked"),
                "deploymentMode is test: it is read and never books; its Attachment is no part that would travel along",
            ),
            (
                Text(&[("deploymentMode=\"test\"", "deploymentMode=\"production\"")]),
                Told(400, "Acme (ShipTo/Address)"),
                "ShipTo names no addressID, and its address is none of the account's",
            ),
            (
                Text(&[("<Address>", "<Address addressID=\"21444\">")]),
                Told(417, "EUR"),
                "ordered in EUR, and the account buys in USD: a currency is refused by agreement",
            ),
            (
                Text(&[("\"EUR\"", "\"USD\"")]),
                Rejected(&["Line 1", "Line 2"]),
                "1233244 and 1233245 are no products of ours: refused line by line",
            ),
            (
                Text(&[(">1233244<", ">SKU-0002<"), (">1233245<", ">SKU-0005<")]),
                Told(200, "held for a person"),
                "2.10 and 3.20 are not our prices: a price is held by agreement",
            ),
            (
                Priced(&["2.10", "3.20"], "85.00"),
                Taken(
                    "detail",
                    &[("SKU-0002", "10", "EA"), ("SKU-0005", "20", "EA")],
                ),
                "nothing differs but that there is no lock, which is taken as of now; the dates asked for are past, so it comes as soon as possible, which is told as a detail",
            ),
        ],
    ),
    (
        "cxml-php__PunchOutSetupRequest.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Told(400, "Acme (ShipTo/Address)"),
                "what the shop shows is for one address, and this one is none of the account's",
            ),
            (
                Text(&[("<Address>", "<Address addressID=\"21444\">")]),
                Visit(404, true),
                "create: its ItemOut elements are no cart of ours and are read over; its SelectedItem is no product of ours, which the shop says; deploymentMode is test",
            ),
            (
                Text(&[(">4545321<", ">SKU-0001<")]),
                Visit(200, true),
                "the SelectedItem is in view",
            ),
        ],
    ),
    ("cxml-php__PunchoutOrderMessage.xml", MESSAGE),
    ("cxml-php__QuoteMessage.xml", MESSAGE),
    (
        "cxml-php__ShipNoticeRequest.xml",
        &[UNKNOWN, refused_request("ShipNoticeRequest")],
    ),
    (
        "cxml-php__StatusUpdateRequest.xml",
        &[UNKNOWN, refused_request("StatusUpdateRequest")],
    ),
    (
        "cxml-php__b_order_request.xml",
        &[
            (
                AsItIs,
                Told(401, "The Sender's credential is not known"),
                "its Sender has no SharedSecret at all",
            ),
            (
                Introduced,
                Told(400, "Acme (ShipTo/Address)"),
                "the address is none of the account's; without deploymentMode it is production",
            ),
            (
                Text(&[("<Address>", "<Address addressID=\"21444\">")]),
                Rejected(&["Line 1", "Line 2"]),
                "5555 and 666 are no products of ours, nor are KD5555 and KD666 the buyer's numbers of any",
            ),
            (
                Text(&[
                    (">5555<", ">SKU-0002<"),
                    (">666<", ">SKU-0005<"),
                    (">KD5555<", ">ACM-9002<"),
                    (">KD666<", ">ACM-9005<"),
                ]),
                Told(200, "held for a person"),
                "763.20 and 226.20 are not our prices",
            ),
            (
                Priced(&["763.20", "226.20"], "3420.60"),
                Taken(
                    "accept",
                    &[("SKU-0002", "3", "EA"), ("SKU-0005", "5", "EA")],
                ),
                "both part numbers name the same product",
            ),
        ],
    ),
    ("cxml-php__b_poom.xml", MESSAGE),
    (
        "cxml-php__simple-profile-request.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Told(200, "OK"),
                "without DOCTYPE: nobody needs one to be understood",
            ),
        ],
    ),
    ("cxml-ruby__punch_out_order_message_doc.xml", MESSAGE),
    (
        "officeluv__envelope.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Told(450, "CatalogUploadRequest"),
                "we take no catalogues; without UserAgent, which the definition requires and nobody needs",
            ),
        ],
    ),
    (
        "officeluv__invoice_backed_by_multiple_pos.xml",
        &[UNKNOWN, refused_request("InvoiceDetailRequest")],
    ),
    (
        "officeluv__invoice_taxes_at_line.xml",
        &[UNKNOWN, refused_request("InvoiceDetailRequest")],
    ),
    (
        "officeluv__invoice_taxes_at_total.xml",
        &[UNKNOWN, refused_request("InvoiceDetailRequest")],
    ),
    (
        "officeluv__item_in.xml",
        &[(
            AsItIs,
            Told(406, "ItemIn"),
            "part of a document: its root is ItemIn",
        )],
    ),
    (
        "officeluv__order_request.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Rejected(&["Line 1", "Line 2"]),
                "addressID 21444 is agreed; product:1861 and product:4884 are no products of ours, and their auxiliary ids no locks",
            ),
            (
                Text(&[
                    (">product:1861<", ">SKU-0002<"),
                    (">product:4884<", ">SKU-0005<"),
                ]),
                Told(200, "what came back is no price lock of ours"),
                "8.1 and 9.29 are not our prices: held; the foreign locks are named",
            ),
            (
                Priced(&["8.1", "9.29"], "91.71"),
                Taken(
                    "accept",
                    &[("SKU-0002", "1", "EA"), ("SKU-0005", "9", "EA")],
                ),
                "Coupa's order as we would have priced it; Distribution, Shipping and empty Extrinsic do no harm",
            ),
        ],
    ),
    (
        "officeluv__punch_out_order_message_doc.xml",
        &[(
            AsItIs,
            Told(406, "cxml"),
            "its root is cxml in small letters: XML minds capitals",
        )],
    ),
    (
        "officeluv__punch_out_setup_request_doc.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Told(403, "BrowserFormPost/URL"),
                "its cart would go over plain http, which is never agreed",
            ),
            (
                Text(&[("http://return_to", "https://return_to")]),
                Visit(200, false),
                "blanks around the URL are none of it; without DOCTYPE",
            ),
        ],
    ),
    (
        "officeluv__punch_out_setup_request_doc_with_ship_to.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Told(403, "BrowserFormPost/URL"),
                "its cart would go over plain http, which is never agreed",
            ),
            (
                Text(&[("http://return_to", "https://return_to")]),
                Told(400, "3119 (ShipTo/Address)"),
                "addressID 3119 is not agreed: prices and dates would be those of another place",
            ),
            (
                Text(&[("addressID=\"3119\"", "addressID=\"21444\"")]),
                Visit(200, false),
                "with an agreed place it is shopped for that place",
            ),
        ],
    ),
    (
        "officeluv__request_doc.xml",
        &[UNKNOWN, refused_request("ConfirmationRequest")],
    ),
    ("officeluv__response_status_200.xml", RESPONSE),
    ("officeluv__response_status_400.xml", RESPONSE),
    (
        "punchoutsandbox__confirmationrequest.xml",
        &[UNKNOWN, refused_request("ConfirmationRequest")],
    ),
    (
        "punchoutsandbox__invoicedetailrequest.xml",
        &[UNKNOWN, refused_request("InvoiceDetailRequest")],
    ),
    ("punchoutsandbox__punchoutordermessage.xml", MESSAGE),
    (
        "punchoutsandbox__punchoutsetuprequest.xml",
        &[
            UNKNOWN,
            (
                Introduced,
                Visit(200, true),
                "deploymentMode is test: the shop says so",
            ),
        ],
    ),
    (
        "punchoutsandbox__shipnoticerequest.xml",
        &[UNKNOWN, refused_request("ShipNoticeRequest")],
    ),
];

/// The value of an element or attribute, replaced wherever it begins and ends so.
fn replaced(text: &str, begin: &str, end: &str, value: &str) -> String {
    let mut parts = text.split(begin);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once(end).map_or("", |(_, rest)| rest);
        out.push_str(&format!("{begin}{value}{end}{rest}"));
    }
    out
}

/// The document in the name of the test's partner.
fn introduced(document: &str) -> String {
    let (header, rest) = document.split_once("</Header>").unwrap_or((document, ""));
    let header = replaced(header, "domain=\"", "\"", "NetworkID");
    let header = replaced(&header, "<Identity>", "</Identity>", "AN01-ACME");
    let (from, to) = header.split_once("<To>").unwrap_or((&header, ""));
    let to = to.replacen("AN01-ACME", "AN01-NORTHWIND", 1);
    let secret = format!("<SharedSecret>{}</SharedSecret>", tests::punchout::SECRET);
    let to = if to.contains("<SharedSecret>") {
        replaced(
            &to,
            "<SharedSecret>",
            "</SharedSecret>",
            tests::punchout::SECRET,
        )
    } else {
        let (before, after) = to.rsplit_once("</Identity>").unwrap_or((&to, ""));
        format!("{before}</Identity>{secret}{after}")
    };
    format!("{from}<To>{to}</Header>{rest}")
}

/// The document under a payloadID and an orderID of its own.
fn renamed(document: &str, file: &str, step: usize) -> (String, String) {
    let value = |name: &str| {
        let found = document
            .split(name)
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        found.unwrap_or_default().to_owned()
    };
    let number = format!("{}-{step}", value(" orderID=\""));
    let payload = format!("{}.{file}.{step}", value(" payloadID=\""));
    let document = replaced(document, " payloadID=\"", "\"", &payload);
    (replaced(&document, " orderID=\"", "\"", &number), number)
}

impl Change {
    async fn of(&self, play: &Play, document: &str, kept: &[Kept]) -> anyhow::Result<String> {
        let mut document = document.to_owned();
        match self {
            AsItIs => {}
            Introduced => document = introduced(&document),
            Text(texts) => {
                for (old, new) in *texts {
                    anyhow::ensure!(document.contains(old), "the document has no {old}");
                    document = document.replace(old, new);
                }
            }
            Priced(published, total) => {
                let prices = play.prices(kept).await?;
                let mut sum = rust_decimal::Decimal::ZERO;
                for ((old, price), (_, quantity, _)) in published.iter().zip(&prices).zip(kept) {
                    let old = format!(">{old}</Money></UnitPrice>");
                    let squeezed = squeezed(&document);
                    anyhow::ensure!(squeezed.contains(&old), "the document has no {old}");
                    document = squeezed.replacen(&old, &format!(">{price}</Money></UnitPrice>"), 1);
                    sum += price * crate::support::decimal(quantity);
                }
                document = document.replacen(&format!(">{total}<"), &format!(">{sum}<"), 1);
            }
        }
        Ok(document)
    }
}

/// Without blanks between the ends of Money and UnitPrice.
fn squeezed(document: &str) -> String {
    let mut parts = document.split("</Money>");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("</Money>");
        let trimmed = part.trim_start();
        out.push_str(if trimmed.starts_with("</UnitPrice>") {
            trimmed
        } else {
            part
        });
    }
    out
}

async fn check(
    play: &Play,
    findings: &mut Findings,
    case: &str,
    due: &Due,
    status: &Status,
    number: &str,
) -> anyhow::Result<()> {
    let told = |findings: &mut Findings, code: u16, word: &str| {
        let right = status.code == code && status.document.contains(word);
        findings.check(
            case,
            right,
            format!(
                "{code} '{word}' is due, not {}",
                shortened(&status.document)
            ),
        );
        right
    };
    match due {
        Told(code, word) => {
            told(findings, *code, word);
        }
        Visit(first, test) => {
            if !told(findings, 200, "PunchOutSetupResponse") {
                return Ok(());
            }
            let http = browser(None)?;
            let start = status.start.clone().unwrap_or_default();
            let answer = answer_of(http.get(&start)).await;
            findings.check(
                case,
                answer.status == 303,
                format!("{}: {}", answer.status, answer.text),
            );
            let place = url::Url::parse(&start)?.join(answer.header("location"))?;
            let page = answer_of(http.get(place)).await;
            findings.check(
                case,
                page.status == *first,
                format!("{}: {}", page.status, page.text),
            );
            let said = Page::read(&page.text).text.contains("This visit is a test");
            findings.check(
                case,
                said == (*test && *first == 200),
                format!("a test: {said}"),
            );
        }
        Rejected(words) => {
            told(findings, 200, "ConfirmationRequest");
            let confirmation = confirmation(play, number).await?;
            let all = confirmation.comments.join(" ");
            let named = words.iter().all(|word| all.contains(word));
            findings.check(
                case,
                confirmation.kind == "reject" && named,
                format!("{confirmation:?}"),
            );
        }
        Taken(kind, lines) => {
            told(findings, 200, "ConfirmationRequest follows");
            let prices = play.prices(lines).await?;
            play.kept(findings, case, number, lines, &prices).await?;
            let confirmation = confirmation(play, number).await?;
            findings.check(
                case,
                confirmation.kind == *kind,
                format!("{confirmation:?}"),
            );
            return Ok(());
        }
    }
    // Held orders wait in the ERP too, where nothing moves them.
    if !status.document.contains("held") {
        findings.check(case, play.count(number) == 0, "it was ordered");
    }
    Ok(())
}

async fn confirmation(play: &Play, number: &str) -> anyhow::Result<Confirmation> {
    until(&format!("a confirmation of {number}"), async || {
        let came = play.site.confirmations();
        let came = came.iter().map(|document| Confirmation::read(document));
        let came = came.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(came.into_iter().find(|one| one.order_id == number))
    })
    .await
}

async fn walk(
    play: &Play,
    buyer: &CxmlBuyer,
    findings: &mut Findings,
    folder: &Path,
    row: &Row,
) -> anyhow::Result<()> {
    let (file, steps) = row;
    let mut document = std::fs::read_to_string(folder.join(file))?;
    let kept = steps.iter().find_map(|(_, due, _)| match due {
        Taken(_, lines) => Some(*lines),
        _ => None,
    });
    for (n, (change, due, why)) in steps.iter().enumerate() {
        document = change.of(play, &document, kept.unwrap_or_default()).await?;
        let (sent, number) = match change {
            AsItIs => (document.clone(), "none of ours".to_owned()),
            _ => renamed(&document, file, n),
        };
        let status = buyer.send(&sent).await?;
        let case = format!("{file}, step {n} ({why})");
        check(play, findings, &case, due, &status, &number).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_cxml_sample_is_answered_as_it_should_be() -> anyhow::Result<()> {
    let Some(folder) = needs::samples().map(|folder| folder.join("cxml")) else {
        return Ok(());
    };
    files(&folder, TABLE.iter().map(|(file, _)| *file))?;
    let play = Play::start().await?;
    let buyer = play.world.cxml_buyer(&play.site);
    let mut findings = Findings::default();
    for row in TABLE {
        walk(&play, &buyer, &mut findings, &folder, row).await?;
    }
    if let Some(dtds) = Dtds::find() {
        let judged = buyer.judge(&dtds)?;
        assert!(judged >= TABLE.len(), "{judged} Responses were judged");
        for confirmation in play.site.confirmations() {
            dtds.judge(&confirmation)?;
        }
    }
    findings.none();
    play.world.stop().await
}
