//! How much of a hostile or broken file is read before it is refused.

/// Bounds of what is read; an interchange that crosses one is rejected (TA1 R).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Interchanges of one file; further ones are named as not read.
    pub interchanges: usize,
    /// Bytes from ISA to IEA.
    pub interchange_bytes: usize,
    /// Segments from ISA to IEA.
    pub segments: usize,
    /// Bytes of one segment, unless it is one that carries free text.
    pub segment_bytes: usize,
    /// Elements of one segment; no release has a segment with half as many.
    pub elements: usize,
    /// Bytes of one element.
    pub element_bytes: usize,
    /// Bytes of a free-text segment (MSG, MTX, NTE, PID) and of an element in it.
    pub text_bytes: usize,
    /// Transaction sets from ISA to IEA.
    pub transaction_sets: usize,
    /// Faults, and notes, kept for each interchange, group or set; more would only repeat themselves.
    pub faults: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interchanges: 1_000,
            interchange_bytes: 64 * 1024 * 1024,
            segments: 200_000,
            segment_bytes: 16 * 1024,
            elements: 64,
            element_bytes: 4 * 1024,
            text_bytes: 32 * 1024,
            transaction_sets: 10_000,
            faults: 100,
        }
    }
}

/// What a partner agreement may relax, and the limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    pub limits: Limits,
    /// Accept an ISA that is not 106 bytes long by counting its 16 separators. Off by default: such a file is
    /// far more often a damaged copy than a dialect.
    pub allow_unpadded_isa: bool,
}
