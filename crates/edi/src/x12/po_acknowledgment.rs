//! Writes the 855 purchase order acknowledgement.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::purchase_order::{ProductId, Reference};
use super::writer::{OutboundEnvelope, WriteError, Writer};

/// What an 855 says about a whole order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseOrderAcknowledgment {
    /// BAK01, element 353: 00 original, 07 duplicate and so on.
    pub purpose: String,
    /// BAK02, element 587. `AC` says *with changes*; an order taken as it is gets `AD` (or `AK` without detail).
    pub acknowledgment_type: String,
    /// BAK03, the buyer's own number.
    pub purchase_order_number: String,
    /// BAK04, the date of the purchase order (BEG05).
    pub purchase_order_date: Date,
    /// BAK05.
    pub release_number: Option<String>,
    /// BAK08 and REF*VN: our number for it.
    pub sales_order_number: Option<String>,
    /// BAK09.
    pub acknowledgment_date: Option<Date>,
    /// CUR02, as the seller's currency.
    pub currency: Option<String>,
    pub references: Vec<Reference>,
    /// N9*ZZ and MSG: what a person should read. Delimiters in it become blanks.
    pub messages: Vec<String>,
    pub lines: Vec<AcknowledgedLine>,
}

/// PO1 and its ACKs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedLine {
    /// PO101 as the buyer sent it; nothing when nothing came.
    pub assigned_id: Option<String>,
    /// PO102, as ordered.
    pub quantity: Decimal,
    /// PO103, element 355, as ordered.
    pub unit: String,
    /// PO104.
    pub unit_price: Option<Decimal>,
    /// PO105.
    pub price_basis: Option<String>,
    /// PO106 and on; at most ten.
    pub product_ids: Vec<ProductId>,
    /// Together they account for the whole ordered quantity.
    pub schedules: Vec<ScheduleAcknowledgment>,
}

/// ACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleAcknowledgment {
    pub status: LineStatus,
    pub quantity: Decimal,
    /// ACK05 under this qualifier (ACK04, element 374): 068 is the promised delivery's usual one for shipping.
    pub date: Option<(String, Date)>,
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

impl PurchaseOrderAcknowledgment {
    /// The whole interchange.
    ///
    /// # Errors
    /// When a line's quantities do not add up, or an identifier holds a delimiter.
    pub fn write(&self, envelope: &OutboundEnvelope) -> Result<Vec<u8>, WriteError> {
        let mut writer = Writer::new(envelope)?;
        writer.begin_group("PR", None)?;
        writer.begin_set("855")?;
        self.heading(&mut writer, envelope)?;
        for (index, line) in self.lines.iter().enumerate() {
            line.write(&mut writer, index.saturating_add(1))?;
        }
        writer.segment(&["CTT", &self.lines.len().to_string()])?;
        writer.end_set()?;
        writer.end_group()?;
        writer.finish()
    }

    fn heading(&self, writer: &mut Writer, envelope: &OutboundEnvelope) -> Result<(), WriteError> {
        let ordered = writer.date(self.purchase_order_date);
        let answered = self
            .acknowledgment_date
            .map(|date| writer.date(date))
            .unwrap_or_default();
        let own_number = self.sales_order_number.as_deref().unwrap_or_default();
        writer.segment(&[
            "BAK",
            &self.purpose,
            &self.acknowledgment_type,
            &self.purchase_order_number,
            &ordered,
            self.release_number.as_deref().unwrap_or_default(),
            "",
            "",
            own_number,
            &answered,
        ])?;
        if let Some(currency) = &self.currency {
            writer.segment(&["CUR", "SE", currency])?;
        }
        if !own_number.is_empty() {
            writer.segment(&["REF", "VN", own_number])?;
        }
        for reference in &self.references {
            let description = envelope
                .delimiters
                .clean(reference.description.as_deref().unwrap_or_default());
            writer.segment(&["REF", &reference.qualifier, &reference.value, &description])?;
        }
        if !self.messages.is_empty() {
            writer.segment(&["N9", "ZZ", "1"])?;
            for message in &self.messages {
                // element 933 holds 264 characters
                let text: String = envelope
                    .delimiters
                    .clean(message)
                    .chars()
                    .take(264)
                    .collect();
                if !text.is_empty() {
                    writer.segment(&["MSG", text.trim()])?;
                }
            }
        }
        Ok(())
    }
}

impl AcknowledgedLine {
    fn write(&self, writer: &mut Writer, number: usize) -> Result<(), WriteError> {
        let added = self
            .schedules
            .iter()
            .try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part.quantity));
        let acknowledged = added.unwrap_or(Decimal::MAX);
        if acknowledged != self.quantity {
            return Err(WriteError::QuantitiesDiffer {
                line: number,
                acknowledged,
                ordered: self.quantity,
            });
        }
        let quantity = plain(self.quantity);
        let price = self.unit_price.map(plain).unwrap_or_default();
        let mut parts = vec![
            "PO1",
            self.assigned_id.as_deref().unwrap_or_default(),
            &quantity,
            &self.unit,
            &price,
            self.price_basis.as_deref().unwrap_or_default(),
        ];
        for id in self.product_ids.iter().take(10) {
            parts.extend([id.qualifier.as_str(), id.value.as_str()]);
        }
        writer.segment(&parts)?;
        for part in &self.schedules {
            let quantity = plain(part.quantity);
            let (qualifier, date) = match &part.date {
                Some((qualifier, date)) => (qualifier.as_str(), writer.date(*date)),
                None => ("", String::new()),
            };
            writer.segment(&[
                "ACK",
                part.status.code(),
                &quantity,
                &self.unit,
                qualifier,
                &date,
            ])?;
        }
        Ok(())
    }
}

/// Type R as X12.6 wants it: no zeros that say nothing.
fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}
