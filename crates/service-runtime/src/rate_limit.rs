//! Limits of a caller: so many requests a second with a burst, told in the standard headers. Keys are
//! bounded: when too many callers are known at once, new ones share one bucket.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter as Governor};
use http::{HeaderMap, HeaderValue};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, codes};

pub const RATE_LIMIT: &str = "ratelimit";
pub const RATE_LIMIT_POLICY: &str = "ratelimit-policy";
/// Checks between two sweeps of keys that have all their requests again.
const HOUSEKEEPING_EVERY: u32 = 4_096;
const HOUSEKEEPING_WHEN_FULL: u32 = 256;
/// Holds characters that no key of ours has.
const SHARED_KEY: &str = "\u{0}shared";

/// How much one key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
    /// How many keys are remembered.
    pub max_keys: NonZeroU32,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        let number = |value| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        Self {
            per_second: number(50),
            burst: number(100),
            max_keys: number(100_000),
        }
    }
}

type Keyed =
    Governor<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// A limiter under a policy name, for many keys.
#[derive(Clone)]
pub struct RateLimiter(Arc<Inner>);

struct Inner {
    name: &'static str,
    config: RateLimitConfig,
    limiter: Keyed,
    clock: DefaultClock,
    checks: AtomicU32,
}

/// What is left to a key after a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateStatus {
    name: &'static str,
    config: RateLimitConfig,
    pub remaining: u32,
    /// Until the next request is allowed; only when this one is not.
    pub wait: Option<Duration>,
}

impl RateLimiter {
    /// `name` is the policy's name in the headers: lower-case letters and hyphens.
    pub fn new(name: &'static str, config: RateLimitConfig) -> Self {
        let quota = Quota::per_second(config.per_second).allow_burst(config.burst);
        let clock = DefaultClock::default();
        let limiter = Governor::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Self(Arc::new(Inner {
            name,
            config,
            limiter,
            clock,
            checks: AtomicU32::new(0),
        }))
    }

    /// Counts one request of a key.
    pub fn check(&self, key: &str) -> RateStatus {
        let inner = &self.0;
        let full =
            self.keys() >= usize::try_from(inner.config.max_keys.get()).unwrap_or(usize::MAX);
        let every = if full {
            HOUSEKEEPING_WHEN_FULL
        } else {
            HOUSEKEEPING_EVERY
        };
        if inner
            .checks
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(every)
        {
            inner.limiter.retain_recent();
            inner.limiter.shrink_to_fit();
        }
        // governor cannot tell whether a key is known; when full, all keys share one bucket until
        // housekeeping has made room, which bounds memory and still limits.
        let key = if full { SHARED_KEY } else { key };
        let (remaining, wait) = match inner.limiter.check_key(&key.to_owned()) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refused) => (0, Some(refused.wait_time_from(inner.clock.now()))),
        };
        RateStatus {
            name: inner.name,
            config: inner.config,
            remaining,
            wait,
        }
    }

    /// Runs what is limited, or refuses; either answer tells what is left. Limiters nest.
    pub async fn guard(&self, key: &str, next: impl Future<Output = Response>) -> Response {
        let status = self.check(key);
        let mut response = match status.clone().into_result() {
            Ok(_) => next.await,
            Err(problem) => problem.into_response(),
        };
        status.append_headers(response.headers_mut());
        response
    }

    /// How many keys are remembered now.
    pub fn keys(&self) -> usize {
        self.0.limiter.len()
    }
}

impl RateStatus {
    pub fn allowed(&self) -> bool {
        self.wait.is_none()
    }

    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers, structured fields).
    pub fn append_headers(&self, headers: &mut HeaderMap) {
        let per_second = u64::from(self.config.per_second.get());
        let burst = self.config.burst.get();
        let window = u64::from(burst).div_ceil(per_second);
        let until_full = u64::from(burst.saturating_sub(self.remaining)).div_ceil(per_second);
        let policy = format!("\"{}\";q={burst};w={window}", self.name);
        let state = format!("\"{}\";r={};t={until_full}", self.name, self.remaining);
        // Appended: each policy that counts a request is told, outermost last.
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(name, value);
            }
        }
    }

    /// 429 when the key has used what it had.
    pub fn into_result(self) -> Result<Self, Problem> {
        let Some(wait) = self.wait else {
            return Ok(self);
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(1));
        let detail = "Too many requests of this credential or account; come back after the time in Retry-After.";
        let problem = Problem::new(codes::RATE_LIMITED, detail).with_extension("policy", self.name);
        Err(problem.with_retry_after(wait.max(SignedDuration::from_secs(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: u32, burst: u32, max_keys: u32) -> RateLimiter {
        let number = |value| NonZeroU32::new(value).unwrap();
        let config = RateLimitConfig {
            per_second: number(per_second),
            burst: number(burst),
            max_keys: number(max_keys),
        };
        RateLimiter::new("account", config)
    }

    #[test]
    fn a_burst_is_allowed_and_the_next_is_told_to_wait() {
        let limiter = limiter(1, 5, 100);
        let allowed = (0..5).filter(|_| limiter.check("ACME").allowed()).count();
        assert_eq!(allowed, 5);
        let problem = limiter.check("ACME").into_result().unwrap_err();
        assert!(problem.is(codes::RATE_LIMITED));
        assert!(problem.retry_after.unwrap() >= SignedDuration::from_secs(1));
        assert!(
            limiter.check("OTHER").allowed(),
            "another caller has its own"
        );
    }

    #[test]
    fn what_is_left_is_told_in_structured_fields() {
        let limiter = limiter(10, 100, 100);
        let mut headers = HeaderMap::new();
        limiter.check("ACME").append_headers(&mut headers);
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"account\";q=100;w=10");
        assert_eq!(headers[RATE_LIMIT], "\"account\";r=99;t=1");
    }

    #[tokio::test]
    async fn a_refusal_tells_what_is_left_too() {
        let (credential, account) = (limiter(1, 5, 10), limiter(1, 1, 10));
        let call = || {
            credential.guard(
                "shop",
                account.guard("ACME", async { "well".into_response() }),
            )
        };
        assert_eq!(call().await.status(), 200);
        let refused = call().await;
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(refused.headers().get_all(RATE_LIMIT).iter().count(), 2);
    }

    #[test]
    fn keys_are_bounded() {
        let limiter = limiter(1, 1, 10);
        for key in 0..1_000 {
            limiter.check(&key.to_string());
        }
        assert!(limiter.keys() <= 11, "{} keys", limiter.keys());
    }
}
