//! A proxy that makes any HTTP backend misbehave, and writes down every call: those that came, and those that it makes
//! itself when it delivers a request late or twice.
//!
//! `plan.rs` says what may go wrong, `core.rs` does it behind the ports of `proxy.rs`, `log.rs` is the evidence,
//! `control.rs` lets others steer it over HTTP. Nothing here knows what the backend
//! is.

mod backend;
mod control;
mod core;
mod log;
mod overtaking;
mod plan;
mod proxy;

pub use self::log::{CallLog, CallRecord, LogPage, Outcome, Stats};
pub use self::plan::{Fault, FaultPlan, FaultRule, Latency, PlanError, RateLimit, RuleState};
pub use self::proxy::{FaultConfig, FaultProxy};
