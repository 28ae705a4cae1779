//! What the tests of channels that work on documents share: a process-apis of our own over HTTP.

pub(crate) mod facts;
pub(crate) mod stub;

/// Calls are signed with it.
pub(crate) const KEY: &str = "an experience to process key of 32+ bytes";
/// The clock of a test stands still.
pub(crate) const NOW: &str = "2026-03-02T09:30:00Z";
