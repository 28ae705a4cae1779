//! Writes the 855 purchase order acknowledgement.

use jiff::civil::Date;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::fault::beginning;
use super::purchase_order::{ProductId, Reference};
use super::writer::{OutboundEnvelope, WriteError, Writer};

/// What an 855 says about a whole order; what it echoes of the 850 is borrowed from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseOrderAcknowledgment<'o> {
    /// BAK01, element 353: 00 original, 07 duplicate and so on.
    pub purpose: &'static str,
    /// BAK02, element 587. `AC` says *with changes*; an order taken as it is gets `AD` (or `AK` without detail).
    pub acknowledgment_type: &'static str,
    /// BAK03, the buyer's own number.
    pub purchase_order_number: &'o str,
    /// BAK04, the date of the purchase order (BEG05).
    pub purchase_order_date: Date,
    /// BAK05.
    pub release_number: Option<&'o str>,
    /// BAK08 and REF*VN: our number for it.
    pub sales_order_number: Option<SmolStr>,
    /// BAK09.
    pub acknowledgment_date: Option<Date>,
    /// CUR02, as the seller's currency.
    pub currency: Option<&'o str>,
    pub references: Vec<Reference>,
    /// N9*ZZ and MSG: what a person should read. Delimiters in it become blanks.
    pub messages: Vec<String>,
    pub lines: Vec<AcknowledgedLine<'o>>,
}

/// PO1 and its ACKs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedLine<'o> {
    /// PO101 as the buyer sent it; nothing when nothing came.
    pub assigned_id: Option<&'o str>,
    /// PO102, as ordered.
    pub quantity: Decimal,
    /// PO103, element 355, as ordered.
    pub unit: &'o str,
    /// PO104.
    pub unit_price: Option<Decimal>,
    /// PO105.
    pub price_basis: Option<&'o str>,
    /// PO106 and on; at most ten.
    pub product_ids: &'o [ProductId],
    /// Together they account for the whole ordered quantity.
    pub schedules: Vec<ScheduleAcknowledgment>,
}

/// ACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleAcknowledgment {
    pub status: LineStatus,
    pub quantity: Decimal,
    /// ACK05 under this qualifier (ACK04, element 374): 067 current schedule delivery, 068 current schedule ship,
    /// 069 promised for delivery.
    pub date: Option<(&'static str, Date)>,
}

/// ACK01, element 668.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStatus {
    Accepted,
    AcceptedWithChanges,
    Backordered,
    DateRescheduled,
    Deleted,
    OnHold,
    PriceChanged,
    PricePending,
    QuantityChanged,
    Rejected,
    ItemSubstituted,
}

impl LineStatus {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Accepted => "IA",
            Self::AcceptedWithChanges => "IC",
            Self::Backordered => "IB",
            Self::DateRescheduled => "DR",
            Self::Deleted => "ID",
            Self::OnHold => "IH",
            Self::PriceChanged => "IP",
            Self::PricePending => "IE",
            Self::QuantityChanged => "IQ",
            Self::Rejected => "IR",
            Self::ItemSubstituted => "IS",
        }
    }
}

/// What a line takes, mostly; so much is made room for at once.
const LINE: usize = 96;

impl PurchaseOrderAcknowledgment<'_> {
    /// The whole interchange.
    ///
    /// # Errors
    /// When a line's quantities do not add up, or an identifier holds a delimiter.
    pub fn write(&self, envelope: &OutboundEnvelope) -> Result<Vec<u8>, WriteError> {
        let mut writer = Writer::new(envelope)?;
        writer.reserve(self.lines.len().saturating_mul(LINE));
        writer.begin_group("PR", None)?;
        writer.begin_set("855")?;
        self.heading(&mut writer, envelope)?;
        for (index, line) in self.lines.iter().enumerate() {
            line.write(&mut writer, index.saturating_add(1))?;
        }
        writer.open("CTT").count(self.lines.len()).end()?;
        writer.end_set()?;
        writer.end_group()?;
        writer.finish()
    }

    fn heading(
        &self,
        writer: &mut Writer<'_>,
        envelope: &OutboundEnvelope,
    ) -> Result<(), WriteError> {
        let own_number = self.sales_order_number.as_deref().unwrap_or_default();
        let mut heading = writer.open("BAK");
        heading
            .text(self.purpose)
            .text(self.acknowledgment_type)
            .text(self.purchase_order_number)
            .date(self.purchase_order_date)
            .text(self.release_number.unwrap_or_default())
            .text("")
            .text("")
            .text(own_number);
        if let Some(date) = self.acknowledgment_date {
            heading.date(date);
        }
        heading.end()?;
        if let Some(currency) = self.currency {
            writer.segment(&["CUR", "SE", currency])?;
        }
        if !own_number.is_empty() {
            writer.segment(&["REF", "VN", own_number])?;
        }
        for reference in &self.references {
            let description = reference.description.as_deref().unwrap_or_default();
            let description = envelope.delimiters.clean(description);
            writer.segment(&["REF", &reference.qualifier, &reference.value, &description])?;
        }
        if !self.messages.is_empty() {
            writer.segment(&["N9", "ZZ", "1"])?;
            for message in &self.messages {
                // element 933 holds 264 characters
                let text = envelope.delimiters.clean(message);
                let text = beginning(&text, 264);
                if !text.is_empty() {
                    writer.segment(&["MSG", text.trim()])?;
                }
            }
        }
        Ok(())
    }
}

impl AcknowledgedLine<'_> {
    fn write(&self, writer: &mut Writer<'_>, number: usize) -> Result<(), WriteError> {
        let mut quantities = self.schedules.iter().map(|part| part.quantity);
        let first = quantities.next().unwrap_or_default();
        let added = quantities.try_fold(first, Decimal::checked_add);
        let acknowledged = added.unwrap_or(Decimal::MAX);
        if acknowledged != self.quantity {
            return Err(WriteError::QuantitiesDiffer {
                line: number,
                acknowledged,
                ordered: self.quantity,
            });
        }
        let mut line = writer.open("PO1");
        line.text(self.assigned_id.unwrap_or_default())
            .decimal(self.quantity)
            .text(self.unit);
        match self.unit_price {
            Some(price) => line.decimal(price),
            None => line.text(""),
        };
        line.text(self.price_basis.unwrap_or_default());
        for id in self.product_ids.iter().take(10) {
            line.text(&id.qualifier).text(&id.value);
        }
        line.end()?;
        for part in &self.schedules {
            let mut schedule = writer.open("ACK");
            schedule
                .text(part.status.code())
                .decimal(part.quantity)
                .text(self.unit);
            if let Some((qualifier, date)) = part.date {
                schedule.text(qualifier).date(date);
            }
            schedule.end()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x12::{Delimiters, PartyId, ReadOptions, Status, Usage, read};
    use jiff::civil::date;

    fn envelope() -> OutboundEnvelope {
        OutboundEnvelope {
            sender: PartyId {
                qualifier: "ZZ".into(),
                id: "SELLER".into(),
            },
            receiver: PartyId {
                qualifier: "12".into(),
                id: "5551234".into(),
            },
            application_sender: "SELLERAPP".into(),
            application_receiver: "BUYERAPP".into(),
            usage: Usage::Test,
            interchange_version: "00401".into(),
            version: "004010".into(),
            interchange_control_number: 11,
            group_control_number: 12,
            set_control_number: 13,
            acknowledgment_requested: false,
            date_time: date(2026, 3, 2).at(10, 5, 0, 0),
            delimiters: Delimiters::default(),
        }
    }

    static IDS: [ProductId; 1] = [ProductId {
        qualifier: SmolStr::new_static("VP"),
        value: SmolStr::new_static("V-1"),
    }];

    fn line(assigned_id: Option<&str>) -> AcknowledgedLine<'_> {
        let part = |status, quantity: i64, day| ScheduleAcknowledgment {
            status,
            quantity: Decimal::from(quantity),
            date: Some(("068", date(2026, 3, day))),
        };
        AcknowledgedLine {
            assigned_id,
            quantity: Decimal::new(1000, 2),
            unit: "EA",
            unit_price: Some(Decimal::new(2500, 3)),
            price_basis: None,
            product_ids: &IDS,
            schedules: vec![
                part(LineStatus::Accepted, 6, 10),
                part(LineStatus::Backordered, 4, 24),
            ],
        }
    }

    fn acknowledgment() -> PurchaseOrderAcknowledgment<'static> {
        PurchaseOrderAcknowledgment {
            purpose: "00",
            acknowledgment_type: "AC",
            purchase_order_number: "PO-1001",
            purchase_order_date: date(2026, 3, 1),
            release_number: None,
            sales_order_number: Some("SO-5".into()),
            acknowledgment_date: Some(date(2026, 3, 2)),
            currency: Some("USD"),
            references: Vec::new(),
            messages: vec!["Balance on 3/24 ~ see site*".to_owned()],
            lines: vec![line(Some("1")), line(None)],
        }
    }

    #[test]
    fn an_acknowledgement_says_what_happens_to_every_piece() {
        let bytes = acknowledgment().write(&envelope()).unwrap();
        let outcome = read(&bytes, &ReadOptions::default());
        assert_eq!(outcome.interchanges[0].status(), Status::Accepted);
        let group = &outcome.interchanges[0].groups[0];
        assert_eq!(
            (group.status(), group.sets[0].status()),
            (Status::Accepted, Status::Accepted)
        );
        let text = String::from_utf8(bytes).unwrap();
        let (_, body) = text.split_once("ST*855*0013~").unwrap();
        assert_eq!(
            body,
            "BAK*00*AC*PO-1001*20260301****SO-5*20260302~CUR*SE*USD~REF*VN*SO-5~N9*ZZ*1~\
             MSG*Balance on 3/24   see site~\
             PO1*1*10*EA*2.5**VP*V-1~ACK*IA*6*EA*068*20260310~ACK*IB*4*EA*068*20260324~\
             PO1**10*EA*2.5**VP*V-1~ACK*IA*6*EA*068*20260310~ACK*IB*4*EA*068*20260324~\
             CTT*2~SE*14*0013~GE*1*12~IEA*1*000000011~"
        );
    }

    #[test]
    fn every_ordered_piece_must_be_accounted_for() {
        let mut short = acknowledgment();
        short.lines[1].schedules.pop();
        let error = short.write(&envelope()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: the acknowledged quantities add up to 6, not to the ordered 10.00"
        );
    }

    #[test]
    fn identifiers_are_never_altered() {
        let mut odd = acknowledgment();
        odd.purchase_order_number = "PO*1";
        assert!(matches!(
            odd.write(&envelope()),
            Err(WriteError::DelimiterInData {
                at: 3,
                character: '*',
                ..
            })
        ));
        let mut other = envelope();
        other.delimiters.element = b'|';
        assert!(odd.write(&other).is_ok());
        other.receiver.id = "SIXTEEN-LETTERS-".into();
        assert!(matches!(
            odd.write(&other),
            Err(WriteError::TooLongForIsa { at: 8, .. })
        ));
    }

    #[test]
    fn older_releases_get_short_dates() {
        let older = OutboundEnvelope {
            version: "003040".into(),
            ..envelope()
        };
        let text = String::from_utf8(acknowledgment().write(&older).unwrap()).unwrap();
        assert!(
            text.contains("~BAK*00*AC*PO-1001*260301*")
                && text.contains("*260302*1005*12*X*003040~")
        );
    }
}
