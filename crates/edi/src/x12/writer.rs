//! Writes interchanges: segments with the partner's delimiters, envelopes whose counts are right by construction.

use jiff::civil::{Date, DateTime};
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
    pub application_sender: String,
    /// GS03.
    pub application_receiver: String,
    pub usage: Usage,
    /// ISA12, such as 00401.
    pub interchange_version: String,
    /// GS08, such as 004010.
    pub version: String,
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

/// An interchange being written.
#[derive(Debug)]
pub struct Writer {
    out: String,
    delimiters: Delimiters,
    envelope: OutboundEnvelope,
    groups: u32,
    sets: u32,
    /// Segments of the open set so far.
    segments: usize,
    set_number: u32,
    group_number: u32,
    /// Whether dates have four-digit years in this release.
    long_dates: bool,
}

impl Writer {
    /// Starts an interchange with its ISA.
    ///
    /// # Errors
    /// When the delimiters are unusable or a party id does not fit the ISA.
    pub fn new(envelope: &OutboundEnvelope) -> Result<Self, WriteError> {
        let delimiters = envelope.delimiters;
        let bytes = [delimiters.element, delimiters.component, delimiters.segment];
        if delimiters.fault().is_some()
            || !bytes.iter().chain(&delimiters.repetition).all(u8::is_ascii)
        {
            return Err(WriteError::UnusableDelimiters);
        }
        let mut writer = Self {
            out: String::new(),
            delimiters,
            envelope: envelope.clone(),
            groups: 0,
            sets: 0,
            segments: 0,
            set_number: envelope.set_control_number,
            group_number: envelope.group_control_number,
            long_dates: value::has_long_dates(&envelope.version),
        };
        writer.header(envelope)?;
        Ok(writer)
    }

    fn header(&mut self, envelope: &OutboundEnvelope) -> Result<(), WriteError> {
        let newer = envelope
            .interchange_version
            .parse::<u32>()
            .is_ok_and(|version| version >= 402);
        let repetition = self
            .delimiters
            .repetition
            .filter(|_| newer)
            .map_or('U', char::from);
        let component = char::from(self.delimiters.component);
        let values: [(&str, usize); 15] = [
            ("00", 2),
            ("", 10),
            ("00", 2),
            ("", 10),
            (&envelope.sender.qualifier, 2),
            (&envelope.sender.id, 15),
            (&envelope.receiver.qualifier, 2),
            (&envelope.receiver.id, 15),
            (&envelope.date_time.strftime("%y%m%d").to_string(), 6),
            (&envelope.date_time.strftime("%H%M").to_string(), 4),
            (&repetition.to_string(), 1),
            (&envelope.interchange_version, 5),
            (
                &control::interchange(envelope.interchange_control_number),
                9,
            ),
            (
                if envelope.acknowledgment_requested {
                    "1"
                } else {
                    "0"
                },
                1,
            ),
            (envelope.usage.code(), 1),
        ];
        self.out.push_str("ISA");
        for (index, (value, width)) in values.into_iter().enumerate() {
            let at = index.saturating_add(1);
            // ISA is counted in bytes, so a character that takes two would shift the rest
            if value.len() > width || !value.is_ascii() {
                return Err(WriteError::TooLongForIsa {
                    at,
                    value: value.to_owned(),
                    width,
                });
            }
            if at != 11 {
                self.check("ISA", at, value)?;
            }
            self.out.push(char::from(self.delimiters.element));
            self.out.push_str(&format!("{value:<width$}"));
        }
        self.out.push(char::from(self.delimiters.element));
        self.out.push(component);
        self.out.push(char::from(self.delimiters.segment));
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
        let envelope = self.envelope.clone();
        let (sender, receiver) =
            applications.unwrap_or((&envelope.application_sender, &envelope.application_receiver));
        let (number, date) = (
            control::group(self.group_number),
            self.date(envelope.date_time.date()),
        );
        let time = envelope.date_time.strftime("%H%M").to_string();
        self.sets = 0;
        self.line(&[
            "GS",
            functional_id,
            sender,
            receiver,
            &date,
            &time,
            &number,
            "X",
            &envelope.version,
        ])
    }

    /// Opens a transaction set.
    ///
    /// # Errors
    /// When a value holds a delimiter.
    pub fn begin_set(&mut self, set_id: &str) -> Result<(), WriteError> {
        self.segments = 0;
        let number = control::set(self.set_number);
        self.segment(&["ST", set_id, &number])
    }

    /// Writes a segment of the open set; empty elements at its end are left out.
    ///
    /// # Errors
    /// When a value holds a delimiter or a control character: X12 cannot escape, and a changed identifier is
    /// another identifier. Send free text through [`Delimiters::clean`].
    pub fn segment(&mut self, parts: &[&str]) -> Result<(), WriteError> {
        self.segments = self.segments.saturating_add(1);
        self.line(parts)
    }

    /// Writes a segment that stands at interchange level (TA1).
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn service(&mut self, parts: &[&str]) -> Result<(), WriteError> {
        self.line(parts)
    }

    /// Closes the transaction set.
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn end_set(&mut self) -> Result<(), WriteError> {
        let count = self.segments.saturating_add(1).to_string();
        let number = control::set(self.set_number);
        self.set_number = control::next(self.set_number);
        self.sets = self.sets.saturating_add(1);
        self.line(&["SE", &count, &number])
    }

    /// Closes the functional group.
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn end_group(&mut self) -> Result<(), WriteError> {
        let (count, number) = (self.sets.to_string(), control::group(self.group_number));
        self.group_number = control::next(self.group_number);
        self.groups = self.groups.saturating_add(1);
        self.line(&["GE", &count, &number])
    }

    /// Closes the interchange and gives its bytes.
    ///
    /// # Errors
    /// As [`Self::segment`].
    pub fn finish(mut self) -> Result<Vec<u8>, WriteError> {
        let number = control::interchange(self.envelope.interchange_control_number);
        let count = self.groups.to_string();
        self.line(&["IEA", &count, &number])?;
        Ok(self.out.into_bytes())
    }

    /// A date as this interchange's release writes it.
    #[must_use]
    pub fn date(&self, date: Date) -> String {
        let (year, month, day) = (date.year(), date.month(), date.day());
        if self.long_dates {
            format!("{year:04}{month:02}{day:02}")
        } else {
            let year = year.rem_euclid(100);
            format!("{year:02}{month:02}{day:02}")
        }
    }

    fn check(&self, segment: &str, at: usize, value: &str) -> Result<(), WriteError> {
        let delimiters = &self.delimiters;
        let structures = |byte: u8| {
            byte == delimiters.element
                || byte == delimiters.component
                || byte == delimiters.segment
                || delimiters.repetition == Some(byte)
        };
        let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !structures(byte);
        if value.bytes().all(plain) {
            return Ok(());
        }
        match value
            .chars()
            .find(|c| self.delimiters.holds(*c) || c.is_control())
        {
            Some(character) => Err(WriteError::DelimiterInData {
                segment: segment.to_owned(),
                at,
                character,
            }),
            None => Ok(()),
        }
    }

    fn line(&mut self, parts: &[&str]) -> Result<(), WriteError> {
        let id = parts.first().copied().unwrap_or_default();
        let used = parts
            .iter()
            .rposition(|part| !part.is_empty())
            .map_or(0, |last| last.saturating_add(1));
        for (at, part) in parts.iter().take(used).enumerate() {
            self.check(id, at, part)?;
        }
        for (at, part) in parts.iter().take(used).enumerate() {
            if at > 0 {
                self.out.push(char::from(self.delimiters.element));
            }
            self.out.push_str(part);
        }
        self.out.push(char::from(self.delimiters.segment));
        Ok(())
    }
}
