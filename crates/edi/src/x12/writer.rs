//! Writes interchanges: segments with the partner's delimiters, envelopes whose counts are right by construction.

use jiff::civil::{Date, DateTime};
use rust_decimal::Decimal;
use smol_str::SmolStr;
use thiserror::Error;

use super::control;
use super::delimiters::Delimiters;
use super::interchange::{PartyId, Usage};
use super::value;

/// Why a document cannot be written.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum WriteError {
    #[error(
        "{segment}{at:02} holds {character:?}, which structures the interchange; agree on other delimiters with the \
         partner or clean the value"
    )]
    DelimiterInData {
        segment: String,
        at: usize,
        character: char,
    },
    #[error("ISA{at:02} '{value}' is longer than {width}; correct the partner's profile")]
    TooLongForIsa {
        at: usize,
        value: String,
        width: usize,
    },
    #[error(
        "these delimiters cannot be told apart or are letters, digits or blanks; correct the partner's profile"
    )]
    UnusableDelimiters,
    #[error(
        "line {line}: the acknowledged quantities add up to {acknowledged}, not to the ordered {ordered}"
    )]
    QuantitiesDiffer {
        line: usize,
        acknowledged: rust_decimal::Decimal,
        ordered: rust_decimal::Decimal,
    },
}

/// Who sends what to whom, under which numbers; the sender is us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundEnvelope {
    pub sender: PartyId,
    pub receiver: PartyId,
    /// GS02.
    pub application_sender: SmolStr,
    /// GS03.
    pub application_receiver: SmolStr,
    pub usage: Usage,
    /// ISA12, such as 00401.
    pub interchange_version: SmolStr,
    /// GS08, such as 004010.
    pub version: SmolStr,
    /// ISA13; see [`control::next`].
    pub interchange_control_number: u32,
    /// GS06 of the first group; further groups count on.
    pub group_control_number: u32,
    /// ST02 of the first set; further sets count on.
    pub set_control_number: u32,
    /// The partner shall answer with a TA1 (ISA14).
    pub acknowledgment_requested: bool,
    pub date_time: DateTime,
    pub delimiters: Delimiters,
}

/// What most documents need.
const ROOM: usize = 1024;

/// Bytes that data may be made of, delimiters apart.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler works it out, and would refuse what is out of bounds"
)]
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7F {
        plain[byte] = true;
        byte += 1;
    }
    plain
};

/// An interchange being written.
#[derive(Debug)]
pub struct Writer<'e> {
    out: Vec<u8>,
    /// How much of it is whole segments: one that is not ended is not written.
    whole: usize,
    envelope: &'e OutboundEnvelope,
    /// Bytes that need no further look.
    plain: [bool; 256],
    groups: u32,
    sets: u32,
    /// Segments of the open set so far.
    segments: usize,
    set_number: u32,
    group_number: u32,
    /// Whether dates have four-digit years in this release.
    long_dates: bool,
}

impl<'e> Writer<'e> {
    /// Starts an interchange with its ISA.
    ///
    /// # Errors
    /// When the delimiters are unusable or a party id does not fit the ISA.
    pub fn new(envelope: &'e OutboundEnvelope) -> Result<Self, WriteError> {
        let delimiters = envelope.delimiters;
        let bytes = [delimiters.element, delimiters.component, delimiters.segment];
        let bytes = bytes.iter().chain(&delimiters.repetition);
        if delimiters.fault().is_some() || !bytes.clone().all(u8::is_ascii) {
            return Err(WriteError::UnusableDelimiters);
        }
        let mut plain = PLAIN;
        for byte in bytes {
            if let Some(plain) = plain.get_mut(usize::from(*byte)) {
                *plain = false;
            }
        }
        let mut writer = Self {
            out: Vec::with_capacity(ROOM),
            whole: 0,
            envelope,
            plain,
            groups: 0,
            sets: 0,
            segments: 0,
            set_number: envelope.set_control_number,
            group_number: envelope.group_control_number,
            long_dates: value::has_long_dates(&envelope.version),
        };
        writer.header()?;
        Ok(writer)
    }

    /// Makes room for what is about to be written.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    fn header(&mut self) -> Result<(), WriteError> {
        let envelope = self.envelope;
        let delimiters = envelope.delimiters;
        let newer = envelope
            .interchange_version
            .parse::<u32>()
            .is_ok_and(|version| version >= 402);
        let repetition = delimiters.repetition.filter(|_| newer).unwrap_or(b'U');
        self.out.extend_from_slice(b"ISA");
        for (at, value, width) in [(1, "00", 2), (2, "", 10), (3, "00", 2), (4, "", 10)] {
            self.padded(at, value, width)?;
        }
        let (sender, receiver) = (&envelope.sender, &envelope.receiver);
        self.padded(5, &sender.qualifier, 2)?;
        self.padded(6, &sender.id, 15)?;
        self.padded(7, &receiver.qualifier, 2)?;
        self.padded(8, &receiver.id, 15)?;
        let (date, time) = (envelope.date_time.date(), envelope.date_time.time());
        self.out.push(delimiters.element);
        value::write_date(&mut self.out, date, false);
        self.out.push(delimiters.element);
        value::write_time(&mut self.out, time);
        self.out.extend([delimiters.element, repetition]);
        self.padded(12, &envelope.interchange_version, 5)?;
        self.out.push(delimiters.element);
        control::write_interchange(&mut self.out, envelope.interchange_control_number);
        let requested = if envelope.acknowledgment_requested {
            "1"
        } else {
            "0"
        };
        self.padded(14, requested, 1)?;
        self.padded(15, envelope.usage.code(), 1)?;
        self.out
            .extend([delimiters.element, delimiters.component, delimiters.segment]);
        self.whole = self.out.len();
        Ok(())
    }

    /// An element of the ISA.
    fn padded(&mut self, at: usize, value: &str, width: usize) -> Result<(), WriteError> {
        // ISA is counted in bytes, so a character that takes two would shift the rest
        if value.len() > width || !value.is_ascii() {
            return Err(WriteError::TooLongForIsa {
                at,
                value: value.to_owned(),
                width,
            });
        }
        if !is_plain(&self.plain, value.as_bytes()) {
            self.check("ISA", at, value)?;
        }
        self.out.push(self.envelope.delimiters.element);
        let end = self.out.len().saturating_add(width);
        self.out.extend_from_slice(value.as_bytes());
        self.out.resize(end, b' ');
        Ok(())
    }

    /// Opens a functional group; GS02 and GS03 as in the envelope unless `applications` says otherwise.
    ///
    /// # Errors
    /// When a value holds a delimiter.
    pub fn begin_group(
        &mut self,
        functional_id: &str,
        applications: Option<(&str, &str)>,
    ) -> Result<(), WriteError> {
        let envelope = self.envelope;
        let (sender, receiver) =
            applications.unwrap_or((&envelope.application_sender, &envelope.application_receiver));
        let number = self.group_number;
        let date_time = envelope.date_time;
        self.sets = 0;
        self.line("GS")
            .text(functional_id)
            .text(sender)
            .text(receiver)
            .date(date_time.date())
            .element(|out| value::write_time(out, date_time.time()))
            .element(|out| control::write_group(out, number))
            .text("X")
            .text(&envelope.version)
            .end()
    }

    /// Opens a transaction set.
    ///
    /// # Errors
    /// When a value holds a delimiter.
    pub fn begin_set(&mut self, set_id: &str) -> Result<(), WriteError> {
        self.segments = 0;
        let number = self.set_number;
        self.open("ST")
            .text(set_id)
            .element(|out| control::write_set(out, number))
            .end()
    }

    /// Opens a segment of the open set, whose elements follow one by one; see [`OpenSegment`].
    pub fn open<'w>(&'w mut self, id: &'w str) -> OpenSegment<'w, 'e> {
        let mut open = self.line(id);
        open.counts = true;
        open
    }

    /// Writes a segment of the open set; empty elements at its end are left out.
    ///
    /// # Errors
    /// When a value holds a delimiter or a control character: X12 cannot escape, and a changed identifier is
    /// another identifier. Send free text through [`Delimiters::clean`].
    pub fn segment(&mut self, parts: &[&str]) -> Result<(), WriteError> {
        let (id, elements) = parts.split_first().unwrap_or((&"", &[]));
        let mut open = self.open(id);
        for text in elements {
            open.text(text);
        }
        open.end()
    }

    /// Opens a segment that stands at interchange level (TA1).
    pub fn service<'w>(&'w mut self, id: &'w str) -> OpenSegment<'w, 'e> {
        self.line(id)
    }

    /// Closes the transaction set.
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn end_set(&mut self) -> Result<(), WriteError> {
        let count = self.segments.saturating_add(1);
        let number = self.set_number;
        self.set_number = control::next(number);
        self.sets = self.sets.saturating_add(1);
        self.line("SE")
            .count(count)
            .element(|out| control::write_set(out, number))
            .end()
    }

    /// Closes the functional group.
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn end_group(&mut self) -> Result<(), WriteError> {
        let (count, number) = (self.sets, self.group_number);
        self.group_number = control::next(number);
        self.groups = self.groups.saturating_add(1);
        self.line("GE")
            .number(count.into())
            .element(|out| control::write_group(out, number))
            .end()
    }

    /// Closes the interchange and gives its bytes.
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn finish(mut self) -> Result<Vec<u8>, WriteError> {
        let (count, number) = (self.groups, self.envelope.interchange_control_number);
        self.line("IEA")
            .number(count.into())
            .element(|out| control::write_interchange(out, number))
            .end()?;
        Ok(self.out)
    }

    fn check(&self, segment: &str, at: usize, value: &str) -> Result<(), WriteError> {
        let delimiters = self.envelope.delimiters;
        match value
            .chars()
            .find(|c| delimiters.holds(*c) || c.is_control())
        {
            Some(character) => Err(WriteError::DelimiterInData {
                segment: segment.to_owned(),
                at,
                character,
            }),
            None => Ok(()),
        }
    }

    fn line<'w>(&'w mut self, id: &'w str) -> OpenSegment<'w, 'e> {
        self.out.truncate(self.whole);
        let mut open = OpenSegment {
            writer: self,
            id,
            at: 0,
            due: 0,
            fault: None,
            counts: false,
        };
        open.text(id);
        open
    }
}

fn is_plain(plain: &[bool; 256], value: &[u8]) -> bool {
    let plain = |byte: &u8| plain.get(usize::from(*byte)).copied().unwrap_or_default();
    value.iter().fold(true, |all, byte| all & plain(byte))
}

/// A segment being written, straight into the interchange. Empty elements at its end are left out.
#[derive(Debug)]
#[must_use = "a segment is written when it is ended"]
pub struct OpenSegment<'w, 'e> {
    writer: &'w mut Writer<'e>,
    id: &'w str,
    /// Which element comes next; 0 is the id.
    at: usize,
    /// Separators that are written before the next element that is not empty.
    due: usize,
    fault: Option<WriteError>,
    /// Whether it is one of those that the set's trailer counts.
    counts: bool,
}

impl OpenSegment<'_, '_> {
    /// Text as it is; see [`Writer::segment`].
    pub fn text(&mut self, value: &str) -> &mut Self {
        if value.is_empty() {
            return self.next(self.due);
        }
        self.element(|out| out.extend_from_slice(value.as_bytes()))
    }

    /// A number without zeros that say nothing (X12.6, type R).
    pub fn decimal(&mut self, value: Decimal) -> &mut Self {
        self.element(|out| value::write_decimal(out, value))
    }

    /// A date as this interchange's release writes it.
    pub fn date(&mut self, date: Date) -> &mut Self {
        let long = self.writer.long_dates;
        self.element(|out| value::write_date(out, date, long))
    }

    /// How many.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.number(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// A whole number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.element(|out| value::write_number(out, number, 1))
    }

    fn element(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let Writer {
            out,
            envelope,
            plain,
            ..
        } = &mut *self.writer;
        let before = out.len();
        for _ in 0..self.due {
            out.push(envelope.delimiters.element);
        }
        let from = out.len();
        write(out);
        let value = out.get(from..).unwrap_or_default();
        if value.is_empty() {
            out.truncate(before);
            return self.next(self.due);
        }
        if !is_plain(plain, value) {
            self.look(from);
        }
        self.next(0)
    }

    /// Goes on, after an element after which so many separators are still due.
    fn next(&mut self, due: usize) -> &mut Self {
        self.due = due.saturating_add(1);
        self.at = self.at.saturating_add(1);
        self
    }

    /// Looks closely at what was written from there; the first fault counts.
    #[cold]
    fn look(&mut self, from: usize) {
        if self.fault.is_none() {
            let value = self.writer.out.get(from..).unwrap_or_default();
            let value = String::from_utf8_lossy(value);
            self.fault = self.writer.check(self.id, self.at, &value).err();
        }
    }

    /// Ends the segment.
    ///
    /// # Errors
    /// When a value holds a delimiter or a control character; then nothing of the segment is written.
    pub fn end(&mut self) -> Result<(), WriteError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let writer = &mut *self.writer;
        writer.out.push(writer.envelope.delimiters.segment);
        if self.counts {
            writer.segments = writer.segments.saturating_add(1);
        }
        writer.whole = writer.out.len();
        Ok(())
    }
}
