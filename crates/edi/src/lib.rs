//! EDI syntax: bytes to interchange and back, pure and without I/O.
//!
//! [`x12`] reads ANSI ASC X12 interchanges with any legal delimiters, collects every fault with the code
//! and place an acknowledgement needs, and writes functional acknowledgements (997), interchange
//! acknowledgements (TA1) and purchase order acknowledgements (855). No business rule lives here: units,
//! products and partners are the caller's affair.

pub mod x12;
