//! A file sent as it is: what came back, and what stands in the ERP, in words that fit into a table.

use edi::x12::purchase_order::PurchaseOrder;
use rust_decimal::Decimal;
use tests::{Acknowledged, Answer, EdiPartner, Setup, World, segments, until};

use crate::x12_sender::{Agreed, PARTNER, Sender};

/// A world with a sender in it.
struct Exchange {
    world: World,
    partner: EdiPartner,
}

impl Exchange {
    async fn start(setup: Setup) -> anyhow::Result<Self> {
        let world = World::start_with(setup).await?;
        let partner = world.edi_partner(PARTNER, "acme-edi-demo");
        Ok(Self { world, partner })
    }

    async fn send(&self, bytes: Vec<u8>) -> anyhow::Result<Answer> {
        self.partner.send(bytes).await
    }

    /// Orders in the ERP.
    fn booked(&self) -> usize {
        self.world.estate.sandbox.erp.orders().len()
    }

    /// The answers to so many purchase orders, by their numbers: `PO-1 AC IA DR`, and what is said in words.
    async fn answers(&self, count: usize) -> anyhow::Result<Vec<Acknowledged>> {
        let mut read = Vec::new();
        for text in self.partner.order_acknowledgments(count).await? {
            read.push(Acknowledged::read(&text)?);
        }
        read.sort_by(|one, other| one.purchase_order_number.cmp(&other.purchase_order_number));
        Ok(read)
    }

    /// What differs between an order in the ERP and the document it came from; empty = nothing.
    async fn differences(
        &self,
        sender: &Sender,
        order: &PurchaseOrder,
    ) -> anyhow::Result<Vec<String>> {
        let number = &order.purchase_order_number;
        let erp = &self.world.estate.sandbox.erp;
        let what = format!("a released order for {number}");
        let released = until(&what, async || {
            let mut found = erp
                .orders()
                .into_iter()
                .filter(|found| found.purchase_order_number == *number);
            Ok(found.find(|found| !found.blocked))
        });
        let released = released.await?;
        let orders = erp
            .orders()
            .into_iter()
            .filter(|found| found.purchase_order_number == *number);
        let mut differences = Vec::new();
        if orders.count() != 1 {
            differences.push(format!("{number} is not one order"));
        }
        for line in &order.lines {
            let item = sender.item(line);
            let same = |other: &&edi::x12::purchase_order::Line| {
                sender.item(other) == item && other.unit == line.unit
            };
            let wanted: Decimal = order
                .lines
                .iter()
                .filter(same)
                .map(|line| line.quantity)
                .sum();
            let unit = sender.unit(line);
            let in_erp: Vec<_> = released
                .lines
                .iter()
                .filter(|erp| erp.item == item && rec20(&erp.unit) == unit)
                .collect();
            let got: Decimal = in_erp.iter().map(|erp| erp.quantity).sum();
            if got != wanted {
                differences.push(format!(
                    "{number} {item}: {wanted} {unit} ordered, {got} in the ERP"
                ));
            }
            let (price, per) = Sender::price(line);
            let price = price / Decimal::from(per);
            if in_erp
                .iter()
                .any(|erp| erp.net_price / erp.price_unit != price)
            {
                differences.push(format!(
                    "{number} {item}: the price in the ERP is not {price}"
                ));
            }
        }
        Ok(differences)
    }
}

/// The ERP's own unit codes of those that occur; the others are Recommendation 20 codes already.
fn rec20(erp: &str) -> &str {
    match erp {
        "ST" => "EA",
        "KAR" => "XCT",
        "KI" => "XCS",
        "PAK" => "XPK",
        "BOX" => "XBX",
        "DZ" => "DZN",
        "PAL" => "XPX",
        "KG" => "KGM",
        "LB" => "LBR",
        "M" => "MTR",
        "FT" => "FOT",
        "L" => "LTR",
        "GAL" => "GLL",
        "ROL" => "XRO",
        "PAA" => "PR",
        other => other,
    }
}

/// What became of a file.
pub(crate) struct Outcome {
    pub(crate) told: String,
    pub(crate) differences: Vec<String>,
}

/// Sends the file, a test first as it is; then as production, until it is answered.
pub(crate) async fn outcome(
    bytes: &[u8],
    agreed: Agreed,
    allow_unpadded_isa: bool,
) -> anyhow::Result<Outcome> {
    let Some(sender) = Sender::of(bytes, agreed) else {
        anyhow::bail!("no ISA");
    };
    let exchange = Exchange::start(sender.setup(allow_unpadded_isa)).await?;
    let mut differences = Vec::new();
    let mut answer = exchange.send(bytes.to_vec()).await?;
    if let Some(production) = as_production(bytes) {
        let as_test = codes(&answer.text);
        if answer.header("orderway-test") != "true" || exchange.booked() > 0 {
            differences.push("it is a test, and was not taken for one".to_owned());
        }
        answer = exchange.send(production).await?;
        if codes(&answer.text) != as_test {
            differences.push(format!("a test of it is told {as_test}"));
        }
    }
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text);
    let mut told = codes(&answer.text);
    let accepted = told.matches("AK5 A").count() + told.matches("AK5 E").count();
    for answered in exchange.answers(accepted).await? {
        told += &format!("; {}", short(&answered));
        if matches!(answered.kind.as_str(), "AD" | "AC") {
            let named = |order: &&PurchaseOrder| {
                order.purchase_order_number == answered.purchase_order_number
            };
            let Some(order) = sender.orders.iter().find(named) else {
                differences.push("an 855 for no order of the file".to_owned());
                continue;
            };
            differences.extend(exchange.differences(&sender, order).await?);
        }
    }
    if accepted == 0 && exchange.booked() > 0 {
        differences.push("refused, and booked".to_owned());
    }
    Ok(Outcome { told, differences })
}

/// The same file as production, under other control numbers; `None` = it is production.
fn as_production(bytes: &[u8]) -> Option<Vec<u8>> {
    let at = bytes.windows(3).position(|three| three == b"ISA")?;
    let separator = *bytes.get(at + 3)?;
    let mut places = (at..bytes.len()).filter(|place| bytes[*place] == separator);
    let thirteenth = places.nth(12)? + 1;
    let fifteenth = places.nth(1)? + 1;
    if bytes[fifteenth] == b'P' {
        return None;
    }
    let mut changed = bytes.to_vec();
    changed[fifteenth] = b'P';
    let number = bytes.get(thirteenth..thirteenth + 9)?.to_vec();
    let iea = bytes.windows(3).rposition(|three| three == b"IEA")?;
    let trailer = (iea..bytes.len() - 8).find(|place| bytes[*place..*place + 9] == number[..]);
    for place in trailer.into_iter().chain([thirteenth]) {
        changed[place] = b'9';
    }
    Some(changed)
}

/// TA1 and 997 in short: `TA1 R 022; AK5 R 4; AK9 R`.
fn codes(acknowledgment: &str) -> String {
    let mut words = Vec::new();
    for segment in segments(acknowledgment) {
        let from = match segment.first().map(String::as_str) {
            Some("TA1") => 4,
            Some("AK3" | "AK4" | "AK5" | "AK9") => 1,
            _ => continue,
        };
        let counts: &[usize] = if segment[0] == "AK9" { &[2, 3, 4] } else { &[] };
        let told = segment.iter().enumerate().skip(from);
        let told = told.filter(|(at, text)| !text.is_empty() && !counts.contains(at));
        let told: Vec<&str> = told.map(|(_, text)| text.as_str()).collect();
        words.push(format!("{} {}", segment[0], told.join(" ")));
    }
    words.join("; ")
}

/// An 855 in short: `855 AC IA DR`, with what it says in words.
fn short(answer: &Acknowledged) -> String {
    let mut words = vec![answer.kind.clone()];
    for line in &answer.lines {
        let codes: Vec<&str> = line
            .parts
            .iter()
            .map(|(code, _, _)| code.as_str())
            .collect();
        words.push(codes.join("+"));
    }
    let mut shortened: Vec<(String, usize)> = Vec::new();
    for word in words {
        match shortened.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => shortened.push((word, 1)),
        }
    }
    let words: Vec<String> = shortened
        .into_iter()
        .map(|(word, count)| {
            if count == 1 {
                word
            } else {
                format!("{count}x{word}")
            }
        })
        .collect();
    let said = answer
        .messages
        .iter()
        .map(|message| format!(" '{message}'"))
        .collect::<String>();
    format!("855 {}{said}", words.join(" "))
}
