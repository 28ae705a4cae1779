//! Which secrets are right. Comparing one costs CPU on purpose, so nobody may make us do it at will: comparisons are
//! limited by the address they come from, and a partner that was let in is remembered for as long as it keeps coming.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use aws_lc_rs::hmac;
use jiff::SignedDuration;
use moka::future::Cache;
use service_runtime::{
    problem::{Problem, codes},
    rate_limit::{RateLimitConfig, RateLimiter},
    secret_hash::verify_secret,
};
use tokio::sync::Semaphore;

/// As many credentials as a partner may have: so many are compared for any caller, known or not.
pub(crate) const COMPARED: usize = 2;
/// Secrets compared at once.
const AT_ONCE: usize = 4;
/// Secrets compared for one address: a partner needs one comparison after each rest.
const COMPARISONS: RateLimitConfig = RateLimitConfig {
    per_second: NonZeroU32::MIN,
    burst: NonZeroU32::new(20).unwrap(),
    max_keys: NonZeroU32::new(10_000).unwrap(),
};
/// A partner that has not come for so long is compared anew.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
const MOST_REMEMBERED: u64 = 10_000;

/// The comparisons of one channel in one instance.
pub(crate) struct Logins {
    /// In metrics.
    channel: &'static str,
    turns: Semaphore,
    by_address: RateLimiter,
    /// Credentials that were right, by their keyed hash: profiles do not change while we run.
    right: Cache<[u8; 32], ()>,
    key: hmac::Key,
}

impl Logins {
    /// For a channel.
    pub(crate) fn new(channel: &'static str) -> Self {
        Self {
            channel,
            turns: Semaphore::new(AT_ONCE),
            by_address: RateLimiter::new("login", COMPARISONS),
            right: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_idle(REMEMBERED)
                .build(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
        }
    }

    /// Whether this user's secret is one of those with these hashes, at most [`COMPARED`]; none = there is no such user,
    /// which takes as long to find out.
    pub(crate) async fn is_right(
        &self,
        user: &str,
        secret: String,
        hashes: Vec<String>,
        peer: Option<IpAddr>,
    ) -> Result<bool, Problem> {
        let name = self.name(user, &secret);
        if self.right.get(&name).await.is_some() {
            return Ok(true);
        }
        let _turn = self.turns.acquire().await;
        // A partner that comes with many requests at once is compared once.
        if self.right.get(&name).await.is_some() {
            return Ok(true);
        }
        self.count(peer)?;
        let comparing = tokio::task::spawn_blocking(move || is_verified(&hashes, &secret));
        let right = comparing.await.map_err(|error| Problem::internal(&error))?;
        if right {
            self.right.insert(name, ()).await;
        }
        Ok(right)
    }

    fn count(&self, peer: Option<IpAddr>) -> Result<(), Problem> {
        let key = peer.map_or_else(String::new, |peer| network(peer).to_string());
        let Some(wait) = self.by_address.check(&key).wait else {
            return Ok(());
        };
        metrics::counter!("orderway_logins_limited_total", "channel" => self.channel).increment(1);
        let detail =
            "Too many credentials came from your address; come back after the time in Retry-After.";
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(1));
        let problem = Problem::new(codes::RATE_LIMITED, detail);
        Err(problem.with_retry_after(wait.max(SignedDuration::from_secs(1))))
    }

    fn name(&self, user: &str, secret: &str) -> [u8; 32] {
        let mut hash = hmac::Context::with_key(&self.key);
        // Its length stands before it, so that nothing of the one can be taken for the other.
        hash.update(&user.len().to_be_bytes());
        hash.update(user.as_bytes());
        hash.update(secret.as_bytes());
        let mut name = [0; 32];
        for (byte, from) in name.iter_mut().zip(hash.sign().as_ref()) {
            *byte = *from;
        }
        name
    }
}

/// Whose address it is: of IPv6, one customer has at least a /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        four @ IpAddr::V4(_) => four,
    }
}

/// Compares with every credential a partner may have, so that time tells neither who exists nor which one fits.
fn is_verified(hashes: &[String], secret: &str) -> bool {
    let mut verified = false;
    for index in 0..COMPARED {
        verified |= verify_secret(secret, hashes.get(index).map(String::as_str));
    }
    verified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:aaaa::1"), of("2001:db8:1:2:bbbb::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
