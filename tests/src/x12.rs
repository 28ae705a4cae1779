//! X12 as a partner's own system writes and reads it: nothing of our reader or writer is used.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// A purchase order, to be sent.
#[derive(Debug, Clone)]
pub struct PurchaseOrder {
    /// BEG03.
    pub number: String,
    /// Where it goes: N103 and N104.
    pub ship_to: (String, String),
    /// The control numbers.
    pub control: u32,
    /// PO1: quantity, unit, price or nothing, qualifier and product.
    pub lines: Vec<[String; 5]>,
}

impl PurchaseOrder {
    /// One for the demonstration's delivery place.
    pub fn new(number: &str, control: u32, lines: &[[&str; 5]]) -> Self {
        Self {
            number: number.to_owned(),
            ship_to: ("92".to_owned(), "0001".to_owned()),
            control,
            lines: lines.iter().map(|line| line.map(str::to_owned)).collect(),
        }
    }

    /// The interchange, dated now, from `ACMEMFG` to `NORTHWIND`.
    pub fn interchange(&self, now: Timestamp) -> String {
        let utc = now.to_zoned(TimeZone::UTC);
        let (short, day, time) = (
            utc.strftime("%y%m%d"),
            utc.strftime("%Y%m%d"),
            utc.strftime("%H%M"),
        );
        let (number, control, lines) = (&self.number, self.control, self.lines.len());
        let mut text = format!(
            "ISA*00*          *00*          *ZZ*ACMEMFG        *ZZ*NORTHWIND      *{short}*{time}*U*00401*{control:09}*0*P*>~\
             GS*PO*ACMEMFG*NORTHWIND*{day}*{time}*{control}*X*004010~ST*850*0001~BEG*00*SA*{number}**{day}~CUR*BY*USD~\
             N1*ST*Dock*{}*{}~",
            self.ship_to.0, self.ship_to.1
        );
        for (line, [quantity, unit, price, qualifier, product]) in (1..).zip(&self.lines) {
            text.push_str(&format!(
                "PO1*{line}*{quantity}*{unit}*{price}**{qualifier}*{product}~"
            ));
        }
        let segments = lines + 6;
        text.push_str(&format!(
            "CTT*{lines}~SE*{segments}*0001~GE*1*{control}~IEA*1*{control:09}~"
        ));
        text
    }
}

/// The segments of an interchange with the usual delimiters, element by element; the name is element 0.
pub fn segments(text: &str) -> Vec<Vec<String>> {
    let segments = text.split('~').map(str::trim);
    segments
        .filter(|segment| !segment.is_empty())
        .map(|segment| segment.split('*').map(str::to_owned).collect())
        .collect()
}

/// What an 855 says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// BAK01.
    pub purpose: String,
    /// BAK02.
    pub kind: String,
    /// BAK03.
    pub purchase_order_number: String,
    /// BAK08.
    pub sales_order_number: String,
    /// MSG01.
    pub messages: Vec<String>,
    /// PO1.
    pub lines: Vec<AcknowledgedLine>,
}

/// A line of an 855.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcknowledgedLine {
    /// PO101.
    pub line: String,
    /// PO102.
    pub quantity: String,
    /// PO103.
    pub unit: String,
    /// PO104.
    pub unit_price: String,
    /// PO107.
    pub product: String,
    /// ACK01, ACK02 and the day of ACK05.
    pub parts: Vec<(String, String, Option<Date>)>,
}

impl Acknowledged {
    /// Reads an interchange with one 855.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let mut read = Self::default();
        for segment in segments(text) {
            let element = |at: usize| segment.get(at).cloned().unwrap_or_default();
            match element(0).as_str() {
                "BAK" => {
                    read.purpose = element(1);
                    read.kind = element(2);
                    read.purchase_order_number = element(3);
                    read.sales_order_number = element(8);
                }
                "MSG" => read.messages.push(element(1)),
                "PO1" => read.lines.push(AcknowledgedLine {
                    line: element(1),
                    quantity: element(2),
                    unit: element(3),
                    unit_price: element(4),
                    product: element(7),
                    parts: Vec::new(),
                }),
                "ACK" => {
                    let day = element(5);
                    // Releases before 004010 write two digits of the year.
                    let format = if day.len() == 6 { "%y%m%d" } else { "%Y%m%d" };
                    let day = (!day.is_empty()).then(|| Date::strptime(format, &day));
                    let line = read.lines.last_mut();
                    let line = line.ok_or_else(|| anyhow::anyhow!("an ACK without a PO1"))?;
                    line.parts.push((element(1), element(2), day.transpose()?));
                }
                _ => {}
            }
        }
        anyhow::ensure!(!read.kind.is_empty(), "no 855: {text}");
        Ok(read)
    }
}
