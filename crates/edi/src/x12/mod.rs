//! ANSI ASC X12: the envelope of X12.5 and X12.6, and the sets this crate knows.
//!
//! The usual way through: [`read`] the bytes, take a [`Verdict`] of each interchange, give each 850 to
//! [`purchase_order::read`] and add what it found to the verdict, then answer with [`Verdict::reply`].

mod acknowledge;
mod assembler;
pub mod control;
mod delimiters;
mod envelope;
mod fault;
mod interchange;
mod isa;
mod lexer;
mod limits;
pub mod po_acknowledgment;
pub mod purchase_order;
pub mod schema;
mod segment;
pub mod sets;
pub mod unit;
pub mod value;
mod writer;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

pub use acknowledge::{GroupVerdict, Reply, SetVerdict, Verdict};
pub use delimiters::Delimiters;
pub use envelope::{ReadOutcome, read};
pub use fault::{
    ElementError, ElementFault, Fault, GroupError, GroupFault, InterchangeError, InterchangeFault,
    Note, SegmentError, SegmentFault, SetError, SetFault, Severity, Status,
};
pub use interchange::{
    FunctionalGroup, Interchange, InterchangeHeader, PartyId, TransactionSet, Usage,
};
pub use limits::{Limits, ReadOptions};
pub use segment::{Position, Segment, SegmentList};
pub use writer::{OpenSegment, OutboundEnvelope, WriteError, Writer};
