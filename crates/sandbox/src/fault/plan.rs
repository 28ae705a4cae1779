//! What may go wrong: the plan, and the luck of each call.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Longest time any latency or hold may take.
const MAX_WAIT_MS: u64 = 600_000;
/// A sliding window remembers this many calls at most.
const MAX_RATE_CALLS: usize = 1_000_000;
const MAX_RULES: usize = 100;

/// Everything a proxy does wrong; the default is a faithful proxy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    /// Chooses the luck.
    pub seed: u64,
    /// Waited before each call is forwarded.
    pub latency: Option<Latency>,
    /// More calls than this are answered 429 with `Retry-After`.
    pub rate_limit: Option<RateLimit>,
    /// More calls in flight than this are answered 429.
    pub max_concurrent: Option<usize>,
    /// The first that matches applies.
    pub rules: Vec<FaultRule>,
    /// A JSON pointer into the body of a request, such as `/XREF`: the log keeps what stands there.
    pub subject: Option<String>,
}

/// How long a call is held up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Fixed {
        /// Milliseconds.
        ms: u64,
    },
    /// Anything between two bounds.
    Uniform {
        /// Milliseconds.
        min_ms: u64,
        /// Milliseconds.
        max_ms: u64,
    },
    /// Mostly near the median, now and then much more.
    Lognormal {
        /// Milliseconds.
        median_ms: u64,
        /// Spread of the logarithm.
        sigma: f64,
        /// Cut off here.
        max_ms: u64,
    },
}

/// A cap on calls in any sliding window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls per window.
    pub calls: usize,
    /// Width of the window.
    #[serde(default = "one_second_ms")]
    pub window_ms: u64,
    /// What `Retry-After` says.
    #[serde(default = "one")]
    pub retry_after_s: u64,
}

/// Which calls go wrong, how often, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// For the reader of the log.
    #[serde(default)]
    pub name: String,
    /// Only this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only paths that start so; empty = every path.
    #[serde(default)]
    pub path_prefix: String,
    /// Only bodies in which this text stands, for backends whose calls all go to one path.
    #[serde(default)]
    pub body_contains: Option<String>,
    /// How likely a matching call goes wrong, 0 to 1.
    #[serde(default = "certain")]
    pub probability: f64,
    /// Matching calls that pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many calls go wrong; none = no end.
    #[serde(default)]
    pub times: Option<u64>,
    /// What goes wrong.
    pub fault: Fault,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
}

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The backend does it, the answer is lost.
    DropAfterCommit,
    /// The connection closes before the backend hears of it.
    DropConnection,
    /// Silence, then the connection closes.
    BlackHole {
        /// How long.
        #[serde(default = "one_minute_ms")]
        hold_ms: u64,
    },
    /// A status instead of the backend's answer; the backend hears nothing.
    Status {
        /// Which.
        status: u16,
        /// With `Retry-After`.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// The backend does it, the caller is told this status.
    StatusAfterCommit {
        /// Which.
        status: u16,
    },
    /// Later than usual, but true.
    Delay {
        /// How much later.
        latency: Latency,
    },
    /// A ghost: the caller hears nothing, and long after it has given up the backend does it.
    DeliverLate {
        /// How long after its arrival the backend gets the request.
        after: Latency,
        /// How long the caller is left in silence before its connection closes.
        #[serde(default = "one_minute_ms")]
        hold_ms: u64,
    },
    /// The backend does it, and its answer breaks off.
    Truncate {
        /// After so many bytes of the body, and before its last in any case; none = anywhere, by luck.
        #[serde(default)]
        at: Option<u64>,
    },
    /// The backend gets it twice; the caller hears the first answer.
    Duplicate {
        /// How long after the first.
        after: Latency,
    },
    /// Later calls that the rule matches overtake it.
    Reorder {
        /// It is forwarded once so many of them have been answered.
        #[serde(default = "one")]
        behind: u64,
        /// Or after this time, where so many do not come.
        #[serde(default = "five_seconds_ms")]
        hold_ms: u64,
    },
}

/// A rule and how often it has struck.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleState {
    /// The rule.
    #[serde(flatten)]
    pub rule: FaultRule,
    /// Calls it matched.
    pub matched: u64,
    /// Calls that went wrong by it.
    pub applied: u64,
}

/// Why a plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not a probability.
    #[error("rule {0:?}: probability must be between 0 and 1")]
    Probability(String),
    /// Not a status.
    #[error("rule {0:?}: status must be between 200 and 599")]
    Status(String),
    /// Too long, or upside down.
    #[error("latency must have min <= max, a sigma from 0 to 10, and at most {MAX_WAIT_MS} ms")]
    Latency,
    /// A cap of nothing.
    #[error("rate_limit needs 1 to {MAX_RATE_CALLS} calls and a window of 1 to {MAX_WAIT_MS} ms")]
    RateLimit,
    /// Nothing would ever pass.
    #[error("max_concurrent must be at least 1; for an outage use a rule with a status")]
    MaxConcurrent,
    /// Too long a list.
    #[error("at most {MAX_RULES} rules are possible")]
    TooManyRules,
}

fn one_second_ms() -> u64 {
    1000
}

fn one_minute_ms() -> u64 {
    60_000
}

fn five_seconds_ms() -> u64 {
    5_000
}

fn one() -> u64 {
    1
}

fn certain() -> f64 {
    1.0
}

impl FaultPlan {
    /// A plan of rules alone.
    pub fn of_rules(rules: Vec<FaultRule>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    pub(super) fn validate(&self) -> Result<(), PlanError> {
        if self.rules.len() > MAX_RULES {
            return Err(PlanError::TooManyRules);
        }
        if self.max_concurrent == Some(0) {
            return Err(PlanError::MaxConcurrent);
        }
        if let Some(limit) = &self.rate_limit {
            let calls = (1..=MAX_RATE_CALLS).contains(&limit.calls);
            if !calls || !(1..=MAX_WAIT_MS).contains(&limit.window_ms) {
                return Err(PlanError::RateLimit);
            }
        }
        self.latency.iter().try_for_each(Latency::validate)?;
        self.rules.iter().try_for_each(FaultRule::validate)
    }
}

impl FaultRule {
    /// A rule for calls of one path, every time.
    pub fn new(path_prefix: &str, fault: Fault) -> Self {
        Self {
            name: String::new(),
            method: None,
            path_prefix: path_prefix.to_owned(),
            body_contains: None,
            probability: 1.0,
            skip: 0,
            times: None,
            fault,
        }
    }

    /// The same, so many times.
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// The same, for bodies in which this text stands alone.
    pub fn saying(self, text: &str) -> Self {
        Self {
            body_contains: Some(text.to_owned()),
            ..self
        }
    }

    fn validate(&self) -> Result<(), PlanError> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(PlanError::Probability(self.name.clone()));
        }
        match &self.fault {
            Fault::Status { status, .. } | Fault::StatusAfterCommit { status } => {
                if (200..=599).contains(status) && StatusCode::from_u16(*status).is_ok() {
                    Ok(())
                } else {
                    Err(PlanError::Status(self.name.clone()))
                }
            }
            Fault::Delay { latency } | Fault::Duplicate { after: latency } => latency.validate(),
            Fault::DeliverLate { after, hold_ms } => {
                after.validate()?;
                hold(*hold_ms)
            }
            Fault::BlackHole { hold_ms } | Fault::Reorder { hold_ms, .. } => hold(*hold_ms),
            Fault::DropAfterCommit | Fault::DropConnection | Fault::Truncate { .. } => Ok(()),
        }
    }

    pub(super) fn matches(&self, call: Call<'_>) -> bool {
        let method_fits = self
            .method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(call.method));
        let body_fits = self.body_contains.as_ref().is_none_or(|text| {
            std::str::from_utf8(call.body).is_ok_and(|body| body.contains(text))
        });
        method_fits && call.path.starts_with(&self.path_prefix) && body_fits
    }
}

fn hold(ms: u64) -> Result<(), PlanError> {
    if ms > MAX_WAIT_MS {
        Err(PlanError::Latency)
    } else {
        Ok(())
    }
}

impl RuleState {
    pub(super) fn new(rule: FaultRule) -> Self {
        Self {
            rule,
            matched: 0,
            applied: 0,
        }
    }

    /// Whether this rule strikes the call; counts it.
    pub(super) fn strikes(&mut self, call: Call<'_>, luck: &mut Random) -> bool {
        if !self.rule.matches(call) {
            return false;
        }
        self.matched = self.matched.saturating_add(1);
        let used_up = self.rule.times.is_some_and(|times| self.applied >= times);
        // The luck is drawn in every case, so that the rules behind see the same numbers.
        let unlucky = luck.unit_interval() < self.rule.probability;
        if self.matched <= self.rule.skip || used_up || !unlucky {
            return false;
        }
        self.applied = self.applied.saturating_add(1);
        true
    }
}

impl Fault {
    /// Its name in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::DropAfterCommit => "drop_after_commit",
            Self::DropConnection => "drop_connection",
            Self::BlackHole { .. } => "black_hole",
            Self::Status { .. } => "status",
            Self::StatusAfterCommit { .. } => "status_after_commit",
            Self::Delay { .. } => "delay",
            Self::DeliverLate { .. } => "deliver_late",
            Self::Truncate { .. } => "truncate",
            Self::Duplicate { .. } => "duplicate",
            Self::Reorder { .. } => "reorder",
        }
    }
}

impl Latency {
    fn validate(&self) -> Result<(), PlanError> {
        let fits = match self {
            Self::Fixed { ms } => *ms <= MAX_WAIT_MS,
            Self::Uniform { min_ms, max_ms } => min_ms <= max_ms && *max_ms <= MAX_WAIT_MS,
            Self::Lognormal {
                median_ms,
                sigma,
                max_ms,
            } => {
                let sigma_fits = (0.0..=10.0).contains(sigma);
                sigma_fits && median_ms <= max_ms && *max_ms <= MAX_WAIT_MS
            }
        };
        if fits {
            Ok(())
        } else {
            Err(PlanError::Latency)
        }
    }

    /// One wait by luck.
    #[expect(
        clippy::float_arithmetic,
        reason = "a latency distribution, not money: seconds as a float are exact enough"
    )]
    pub(super) fn draw(&self, luck: &mut Random) -> Duration {
        match self {
            Self::Fixed { ms } => Duration::from_millis(*ms),
            Self::Uniform { min_ms, max_ms } => {
                let width = Duration::from_millis(max_ms.saturating_sub(*min_ms));
                Duration::from_millis(*min_ms) + width.mul_f64(luck.unit_interval())
            }
            Self::Lognormal {
                median_ms,
                sigma,
                max_ms,
            } => {
                // Box-Muller; 1 - u keeps the logarithm's argument above 0.
                let radius = (-2.0 * (1.0 - luck.unit_interval()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * luck.unit_interval()).cos();
                let seconds =
                    Duration::from_millis(*median_ms).as_secs_f64() * (sigma * normal).exp();
                let most = Duration::from_millis(*max_ms);
                Duration::try_from_secs_f64(seconds).map_or(most, |wait| wait.min(most))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Call<'_> {
        Call {
            method: "GET",
            path,
            body: b"",
        }
    }

    #[test]
    fn a_rule_skips_then_strikes_so_many_times() {
        let mut state = RuleState::new(FaultRule {
            skip: 1,
            ..FaultRule::new("/a", Fault::DropConnection).times(2)
        });
        let mut luck = Random::new(1);
        let struck: Vec<bool> = ["/a", "/b", "/a", "/a/b", "/a"]
            .iter()
            .map(|path| state.strikes(get(path), &mut luck))
            .collect();
        assert_eq!(struck, [false, false, true, true, false]);
        assert_eq!((state.matched, state.applied), (4, 2));
    }

    #[test]
    fn a_lognormal_latency_has_its_median_and_its_cut() {
        let latency = Latency::Lognormal {
            median_ms: 80,
            sigma: 0.6,
            max_ms: 200,
        };
        let mut waits: Vec<Duration> = (0..2001)
            .map(|call| latency.draw(&mut Random::for_event(7, call)))
            .collect();
        waits.sort_unstable();
        let median = waits[1000].as_millis();
        assert!((72..=88).contains(&median), "{median}");
        assert_eq!(waits[2000], Duration::from_millis(200));
    }

    #[test]
    fn the_same_seed_has_the_same_luck() {
        let luck = |seed| -> Vec<bool> {
            let rule = FaultRule {
                probability: 0.5,
                ..FaultRule::new("", Fault::DropConnection)
            };
            let mut state = RuleState::new(rule);
            (0..64)
                .map(|call| state.strikes(get("/"), &mut Random::for_event(seed, call)))
                .collect()
        };
        assert_eq!(luck(7), luck(7));
        assert_ne!(luck(7), luck(8));
    }

    #[test]
    fn a_plan_that_contradicts_itself_is_refused() {
        let rule = |probability, status| FaultRule {
            probability,
            ..FaultRule::new(
                "",
                Fault::Status {
                    status,
                    retry_after_s: None,
                },
            )
        };
        let plan = |rule| FaultPlan::of_rules(vec![rule]).validate();
        assert_eq!(plan(rule(1.0, 503)), Ok(()));
        assert!(matches!(
            plan(rule(1.1, 503)),
            Err(PlanError::Probability(_))
        ));
        assert!(matches!(
            plan(rule(f64::NAN, 503)),
            Err(PlanError::Probability(_))
        ));
        assert!(matches!(plan(rule(1.0, 99)), Err(PlanError::Status(_))));
        let upside_down = FaultPlan {
            latency: Some(Latency::Uniform {
                min_ms: 2,
                max_ms: 1,
            }),
            ..FaultPlan::default()
        };
        assert_eq!(upside_down.validate(), Err(PlanError::Latency));
    }

    #[test]
    fn a_rule_may_look_at_what_the_body_says() {
        let rule = FaultRule::new("/rpc", Fault::DropConnection).saying("sale.create");
        let call = |body| Call {
            method: "POST",
            path: "/rpc",
            body,
        };
        assert!(rule.matches(call(b"{\"method\":\"model.sale.create\"}")));
        assert!(!rule.matches(call(b"{\"method\":\"model.sale.read\"}")));
        assert!(!rule.matches(call(b"\xffsale.create")));
    }
}
