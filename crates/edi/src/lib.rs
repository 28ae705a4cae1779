//! EDI syntax: bytes to interchange and back, pure and without I/O.
//!
//! [`x12`] reads ANSI ASC X12 interchanges with any legal delimiters, collects every fault with the code
//! and place an acknowledgement needs, and writes functional acknowledgements (997), interchange
//! acknowledgements (TA1) and purchase order acknowledgements (855). No business rule lives here: units,
//! products and partners are the caller's affair.
//!
//! ```
//! use edi::x12::{self, ReadOptions, Status, Verdict, purchase_order};
//!
//! let file = b"ISA*00*          *00*          *ZZ*BUYER          *ZZ*SELLER         *260302*0915*U*00401*000000042*0*P*>~\
//!     GS*PO*BUYER*SELLER*20260302*0915*7*X*004010~ST*850*0001~BEG*00*NE*PO-1**20260302~PO1**5*EA*2.5**VP*V-1~\
//!     CTT*1~SE*5*0001~GE*1*7~IEA*1*000000042~";
//! let options = ReadOptions::default();
//! for interchange in &x12::read(file, &options).interchanges {
//!     let mut verdict = Verdict::of(interchange);
//!     for (group, group_verdict) in interchange.groups.iter().zip(&mut verdict.groups) {
//!         for (set, set_verdict) in group.sets.iter().zip(&mut group_verdict.sets) {
//!             let reading = purchase_order::read(set, &group.version, options.limits.faults);
//!             set_verdict.segments = reading.faults;
//!             assert_eq!(reading.order.unwrap().lines[0].product_id("VP"), Some("V-1"));
//!             assert_eq!(set_verdict.status(), Status::Accepted);
//!         }
//!     }
//! }
//! ```

/// Short text, as it stands in what is read: inline.
pub use smol_str::SmolStr;

pub mod x12;
