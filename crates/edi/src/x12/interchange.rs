//! The envelope as read: interchange, functional groups, transaction sets, and what is wrong with each.

use smol_str::SmolStr;

use super::delimiters::Delimiters;
use super::fault::{GroupFault, InterchangeFault, Note, SetFault, Status};
use super::segment::{Position, SegmentList};

/// A qualified party id (ISA05/06, ISA07/08), blanks trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PartyId {
    pub qualifier: SmolStr,
    pub id: SmolStr,
}

/// ISA15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    Production,
    /// Also taken for an unknown letter: what is not surely production must not book.
    #[default]
    Test,
    Information,
}

impl Usage {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Production => "P",
            Self::Test => "T",
            Self::Information => "I",
        }
    }
}

/// The ISA segment, values trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterchangeHeader {
    pub sender: PartyId,
    pub receiver: PartyId,
    /// ISA09 as sent, YYMMDD.
    pub date: SmolStr,
    /// ISA10 as sent, HHMM.
    pub time: SmolStr,
    /// ISA12. Says how the envelope is built; the documents' version is GS08.
    pub version: SmolStr,
    /// ISA13.
    pub control_number: SmolStr,
    /// ISA14: the sender wants a TA1.
    pub acknowledgment_requested: bool,
    pub usage: Usage,
}

/// ISA to IEA.
#[derive(Debug, Clone)]
pub struct Interchange<'a> {
    pub header: InterchangeHeader,
    pub delimiters: Delimiters,
    pub position: Position,
    /// Offset just after the last byte of the interchange.
    pub end: usize,
    /// TA1, ISB, ISE and the like, which stand between ISA and the first GS.
    pub services: SegmentList<'a>,
    pub groups: Vec<FunctionalGroup<'a>>,
    pub faults: Vec<InterchangeFault>,
    pub notes: Vec<Note>,
}

impl Interchange<'_> {
    /// TA104 as far as syntax goes. Nothing of a rejected interchange may be processed.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(self.faults.iter().map(|fault| fault.severity))
    }
}

/// GS to GE.
#[derive(Debug, Clone)]
pub struct FunctionalGroup<'a> {
    /// GS01.
    pub functional_id: SmolStr,
    /// GS02.
    pub application_sender: SmolStr,
    /// GS03.
    pub application_receiver: SmolStr,
    /// GS06.
    pub control_number: SmolStr,
    /// GS08.
    pub version: SmolStr,
    /// GE01, when it is a number: the sets the sender says are included.
    pub included: Option<u64>,
    pub position: Position,
    pub sets: Vec<TransactionSet<'a>>,
    pub faults: Vec<GroupFault>,
}

impl FunctionalGroup<'_> {
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(self.faults.iter().map(|fault| fault.severity))
    }
}

/// ST to SE, both included.
#[derive(Debug, Clone)]
pub struct TransactionSet<'a> {
    /// ST01.
    pub set_id: SmolStr,
    /// ST02.
    pub control_number: SmolStr,
    pub position: Position,
    pub segments: SegmentList<'a>,
    pub faults: Vec<SetFault>,
}

impl TransactionSet<'_> {
    /// AK501 as far as the envelope goes.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(self.faults.iter().map(|fault| fault.severity))
    }
}
