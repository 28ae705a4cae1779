//! What is done outside: written before it is done, claimed by lease, attempted by compare-and-set. Each effect has a
//! pure planner that says the next step; the worker takes it.

pub mod backend;
pub mod backoff;
pub mod cancel_order;
pub mod create_order;
mod failures;
pub mod gate;
pub mod housekeeping;
pub mod kind;
mod perform;
pub mod read_back;
pub mod release_warehouse;
mod revalidate;
mod sweep;
pub mod sweep_order;
mod take_replacement;
pub mod tries;
pub mod worker;

pub use kind::EffectKind;
