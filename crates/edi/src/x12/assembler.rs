//! Puts one interchange together, segment by segment, and checks that headers and trailers agree (X12.5, X12.6).

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::control::{comparable, same};
use super::envelope::next_header;
use super::fault::{Fault, GroupError, InterchangeError, Note, SetError, push_bounded, shown};
use super::interchange::{FunctionalGroup, Interchange, TransactionSet};
use super::isa::Isa;
use super::lexer::{File, Lexed, Lexer};
use super::limits::ReadOptions;
use super::segment::{Cut, Position, Segment, SegmentList};
use super::sets;
use super::value;

enum Flow {
    Continue,
    Closed,
    Abandoned,
}

/// Puts one interchange together, segment by segment.
pub(super) struct Assembler<'f, 'a, 'o> {
    lexer: Lexer<'f, 'a>,
    options: &'o ReadOptions,
    interchange: Interchange<'a>,
    group: Option<FunctionalGroup<'a>>,
    set: Option<TransactionSet<'a>>,
    group_numbers: BTreeSet<SmolStr>,
    set_numbers: BTreeSet<SmolStr>,
    sets: usize,
    readable: bool,
}

impl<'f, 'a, 'o> Assembler<'f, 'a, 'o> {
    pub(super) fn new(
        file: &'f File<'a>,
        header: Isa,
        start: usize,
        options: &'o ReadOptions,
    ) -> Self {
        Self {
            lexer: Lexer::new(file, header.delimiters, header.end),
            options,
            interchange: Interchange {
                header: header.header,
                delimiters: header.delimiters,
                position: Position {
                    segment: 1,
                    offset: start,
                },
                end: header.end,
                services: SegmentList::default(),
                groups: Vec::new(),
                faults: header.faults,
                notes: header.notes,
            },
            group: None,
            set: None,
            group_numbers: BTreeSet::new(),
            set_numbers: BTreeSet::new(),
            sets: 0,
            readable: header.readable,
        }
    }

    /// The interchange, and where to go on reading.
    pub(super) fn run(mut self) -> (Interchange<'a>, usize) {
        if !self.readable {
            let end = next_header(self.lexer.file.input, self.lexer.at);
            self.interchange.end = end;
            return (self.interchange, end);
        }
        let limits = &self.options.limits;
        let start = self.interchange.position.offset;
        let mut cut = Cut::default();
        let mut number = 1_usize;
        let mut last = self.interchange.position;
        let flow = loop {
            number = number.saturating_add(1);
            match self.lexer.next(&mut cut, limits) {
                Lexed::Segment { offset, quirk } => {
                    last = Position {
                        segment: number,
                        offset,
                    };
                    if let Some(quirk) = quirk {
                        self.note(last, quirk);
                    }
                    if number > limits.segments
                        || self.lexer.at.saturating_sub(start) > limits.interchange_bytes
                    {
                        break self.over(
                            last,
                            "The interchange has too many segments or bytes; send it in parts.",
                        );
                    }
                    match self.accept(&mut cut, last) {
                        Flow::Continue => {}
                        other => break other,
                    }
                }
                Lexed::OverLimit { offset, what } => {
                    break self.over(
                        Position {
                            segment: number,
                            offset,
                        },
                        &what,
                    );
                }
                Lexed::Header | Lexed::End => {
                    let message = "The IEA segment is missing: the file was cut, or the terminator changed inside it.";
                    self.refuse(InterchangeError::PrematureEnd, last, message);
                    break Flow::Closed;
                }
            }
        };
        self.close_group(last);
        self.interchange.end = self.lexer.at;
        let next = match flow {
            Flow::Abandoned => next_header(self.lexer.file.input, self.lexer.at),
            Flow::Continue | Flow::Closed => self.lexer.at,
        };
        (self.interchange, next)
    }

    fn note(&mut self, position: Position, message: &str) {
        let notes = &mut self.interchange.notes;
        let known = notes.iter().any(|note| note.message == message);
        if !known {
            notes.push(Note {
                position,
                message: message.to_owned(),
            });
        }
    }

    fn refuse(&mut self, code: InterchangeError, position: Position, message: impl Into<String>) {
        let fault = Fault::reject(code, position, message);
        push_bounded(
            &mut self.interchange.faults,
            fault,
            self.options.limits.faults,
        );
    }

    fn over(&mut self, position: Position, message: &str) -> Flow {
        self.refuse(InterchangeError::ControlStructure, position, message);
        Flow::Abandoned
    }

    fn accept(&mut self, cut: &mut Cut<'a>, position: Position) -> Flow {
        let segment = cut.segment(position);
        match segment.id() {
            "GS" => self.open_group(&segment),
            "GE" => self.group_trailer(&segment),
            "ST" => return self.open_set(cut, position),
            "SE" => self.set_trailer(cut, position),
            "IEA" => {
                self.interchange_trailer(&segment);
                return Flow::Closed;
            }
            id => match (&mut self.set, &self.group) {
                (Some(set), _) => set.segments.push(cut, position),
                (None, None) if is_service(id) => self.interchange.services.push(cut, position),
                (None, _) => {
                    let message = format!(
                        "Segment {} stands outside a transaction set (ST to SE).",
                        shown(id)
                    );
                    self.refuse(InterchangeError::InvalidContent, position, message);
                }
            },
        }
        Flow::Continue
    }

    fn open_group(&mut self, segment: &Segment<'_>) {
        let position = segment.position;
        self.close_group(position);
        let text = |at: usize| SmolStr::new(segment.element(at));
        let mut group = FunctionalGroup {
            functional_id: text(1),
            application_sender: text(2),
            application_receiver: text(3),
            control_number: text(6),
            version: text(8),
            included: None,
            position,
            sets: Vec::new(),
            faults: Vec::new(),
        };
        let number = &group.control_number;
        if !value::is_digits(number) || number.len() > 9 {
            let message = format!("GS06 must be one to nine digits, not '{}'.", shown(number));
            group.faults.push(Fault::reject(
                GroupError::InvalidControlNumber,
                position,
                message,
            ));
        } else if !self.group_numbers.insert(SmolStr::new(comparable(number))) {
            let message = format!(
                "GS06 {number} was already used in this interchange; number every group anew."
            );
            group.faults.push(Fault::reject(
                GroupError::DuplicateControlNumber,
                position,
                message,
            ));
        }
        self.set_numbers.clear();
        self.group = Some(group);
    }

    fn group_trailer(&mut self, segment: &Segment<'_>) {
        let position = segment.position;
        self.abandon_set(position);
        let Some(mut group) = self.group.take() else {
            let message = "GE without a GS before it.";
            return self.refuse(InterchangeError::InvalidContent, position, message);
        };
        let text = |at: usize| segment.element(at);
        group.included = value::count(text(1));
        let received = u64::try_from(group.sets.len()).ok();
        if group.included != received {
            let message = format!(
                "GE01 says '{}' transaction sets; {} were received.",
                shown(text(1)),
                group.sets.len()
            );
            // A set may be missing from what arrived: none of the others is taken for the whole.
            group
                .faults
                .push(Fault::reject(GroupError::SetCount, position, message));
        }
        if !same(text(2), &group.control_number) {
            let message = format!(
                "GE02 '{}' must repeat GS06 '{}'.",
                shown(text(2)),
                shown(&group.control_number)
            );
            group.faults.push(Fault::reject(
                GroupError::ControlNumberMismatch,
                position,
                message,
            ));
        }
        self.interchange.groups.push(group);
    }

    /// Ends a group that has no GE.
    fn close_group(&mut self, position: Position) {
        self.abandon_set(position);
        if let Some(mut group) = self.group.take() {
            let message = "The GE segment is missing.";
            group
                .faults
                .push(Fault::reject(GroupError::TrailerMissing, position, message));
            self.interchange.groups.push(group);
        }
    }

    fn open_set(&mut self, cut: &mut Cut<'a>, position: Position) -> Flow {
        self.abandon_set(position);
        let Some(group) = &self.group else {
            let message =
                "ST without a GS before it: every transaction set belongs to a functional group.";
            self.refuse(InterchangeError::InvalidContent, position, message);
            return Flow::Continue;
        };
        self.sets = self.sets.saturating_add(1);
        if self.sets > self.options.limits.transaction_sets {
            return self.over(
                position,
                "The interchange has too many transaction sets; send it in parts.",
            );
        }
        let segment = cut.segment(position);
        let text = |at: usize| SmolStr::new(segment.element(at));
        let (set_id, control_number) = (text(1), text(2));
        let mut faults = Vec::new();
        if set_id.is_empty() || !sets::goes_with(&group.functional_id, &set_id) {
            let message = format!(
                "ST01 '{}' does not go with GS01 '{}'; send each kind of document in its own kind of group.",
                shown(&set_id),
                shown(&group.functional_id)
            );
            faults.push(Fault::reject(
                SetError::InvalidIdentifier,
                position,
                message,
            ));
        }
        if control_number.is_empty() || control_number.len() > 9 {
            let message = format!(
                "ST02 must be four to nine characters, not '{}'.",
                shown(&control_number)
            );
            faults.push(Fault::reject(
                SetError::InvalidControlNumber,
                position,
                message,
            ));
        } else if !self
            .set_numbers
            .insert(SmolStr::new(comparable(&control_number)))
        {
            let message = format!(
                "ST02 {control_number} was already used in this group; number every set anew."
            );
            faults.push(Fault::reject(
                SetError::DuplicateControlNumber,
                position,
                message,
            ));
        }
        let mut segments = SegmentList::default();
        segments.push(cut, position);
        self.set = Some(TransactionSet {
            set_id,
            control_number,
            position,
            segments,
            faults,
        });
        Flow::Continue
    }

    fn set_trailer(&mut self, cut: &mut Cut<'a>, position: Position) {
        let (Some(mut set), Some(group)) = (self.set.take(), &mut self.group) else {
            let message = "SE without an ST before it.";
            return self.refuse(InterchangeError::InvalidContent, position, message);
        };
        let segment = cut.segment(position);
        let (said, number) = (segment.element(1), segment.element(2));
        let counted = set.segments.len().saturating_add(1);
        if value::count(said) != u64::try_from(counted).ok() {
            let message = format!(
                "SE01 says '{}' segments; {counted} were received, ST and SE included. Send the set again with the \
                 right count, unless something was lost on the way.",
                shown(said)
            );
            set.faults
                .push(Fault::reject(SetError::SegmentCount, position, message));
        }
        if !same(number, &set.control_number) {
            let message = format!(
                "SE02 '{}' must repeat ST02 '{}'.",
                shown(number),
                shown(&set.control_number)
            );
            set.faults.push(Fault::reject(
                SetError::ControlNumberMismatch,
                position,
                message,
            ));
        }
        set.segments.push(cut, position);
        group.sets.push(set);
    }

    /// Ends a set that has no SE.
    fn abandon_set(&mut self, position: Position) {
        let (Some(mut set), Some(group)) = (self.set.take(), &mut self.group) else {
            return;
        };
        let message = format!(
            "The SE segment of transaction set {} is missing.",
            shown(&set.control_number)
        );
        set.faults
            .push(Fault::reject(SetError::TrailerMissing, position, message));
        group.sets.push(set);
    }

    fn interchange_trailer(&mut self, segment: &Segment<'_>) {
        let position = segment.position;
        self.close_group(position);
        let (said, number) = (segment.element(1), segment.element(2));
        let counted = self.interchange.groups.len();
        // a TA1-only interchange may count its TA1 where no group is
        let services_only = counted == 0 && !self.interchange.services.is_empty();
        if value::count(said) != u64::try_from(counted).ok()
            && !(services_only && value::count(said) == Some(1))
        {
            let message = format!(
                "IEA01 says '{}' functional groups; {counted} were received.",
                shown(said)
            );
            self.refuse(InterchangeError::GroupCount, position, message);
        }
        let header = self.interchange.header.control_number.clone();
        if !same(number, &header) {
            let message = format!(
                "IEA02 '{}' must repeat ISA13 '{}'.",
                shown(number),
                shown(&header)
            );
            self.refuse(InterchangeError::ControlNumberMismatch, position, message);
        }
    }
}

/// Segments that belong between ISA and the first GS.
fn is_service(id: &str) -> bool {
    matches!(id, "ISB" | "ISE" | "TA1" | "TA3")
}
