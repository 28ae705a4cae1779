//! A proxy that makes any HTTP backend misbehave, and writes down every call.
//!
//! `plan.rs` says what may go wrong, `core.rs` does it behind the ports of `proxy.rs`, `log.rs` is the evidence,
//! `control.rs` lets others steer it over HTTP. Nothing here knows what the backend
//! is. Faults still to come (late delivery, truncation, doubling, reordering) are
//! further variants of [`Fault`].

mod control;
mod core;
mod log;
mod plan;
mod proxy;

pub use self::log::{CallLog, CallRecord, LogPage, Outcome, Stats};
pub use self::plan::{Fault, FaultPlan, FaultRule, Latency, PlanError, RateLimit, RuleState};
pub use self::proxy::{FaultConfig, FaultProxy};
