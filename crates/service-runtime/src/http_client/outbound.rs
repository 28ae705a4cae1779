//! The client for addresses that somebody else has named, such as a webhook's: it is led nowhere inside.
//!
//! An address is judged as text before each call, and each name by what it resolves to inside the connection, so that a
//! name which changes its answer between the check and the call gains nothing. No redirects, no proxy from the
//! environment, no decompression, bounded time and reply; what the other side writes is read and thrown away.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::target::{TargetRefused, Targets};
use crate::config::HumanDuration;

/// So much of a reply is read, to keep the connection; beyond it the connection is given up.
const MOST_REPLY: usize = 64 * 1024;
/// So long a reply's body is read for: its status has been seen.
const REPLY_TIME: Duration = Duration::from_secs(1);
/// A name that is asked about when it is given, and not yet called, is resolved for so long.
const RESOLVE_TIME: Duration = Duration::from_secs(3);

/// How an [`OutboundClient`] behaves.
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// What may be called.
    pub targets: Targets,
    /// For a connection to stand, TLS included.
    pub connect_timeout: HumanDuration,
    /// For a whole call.
    pub timeout: HumanDuration,
}

/// What the other side said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundReply {
    /// The status.
    pub status: StatusCode,
    /// How long it asks to be left alone.
    pub retry_after: Option<SignedDuration>,
}

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The address may not be called; nothing was sent.
    #[error("the address may not be called")]
    Refused(#[source] TargetRefused),
    /// No connection: the name is not known, nobody listens, or TLS failed.
    #[error("no connection")]
    Connect,
    /// No reply in time.
    #[error("no reply in time")]
    Timeout,
    /// The connection broke before there was a reply.
    #[error("the connection broke")]
    Broken,
}

/// Calls addresses that somebody else has named; cheap to clone.
#[derive(Debug, Clone)]
pub struct OutboundClient {
    client: reqwest::Client,
    guard: Guard,
}

impl OutboundClient {
    /// With the system's resolver behind the guard.
    pub fn new(config: &OutboundConfig) -> Result<Self, reqwest::Error> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// With another resolver behind the guard.
    pub fn with_resolver(
        config: &OutboundConfig,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, reqwest::Error> {
        let guard = Guard {
            targets: Arc::new(config.targets.clone()),
            resolver,
        };
        let client = reqwest::Client::builder()
            .dns_resolver(guard.clone())
            .connect_timeout(config.connect_timeout.get())
            .timeout(config.timeout.get())
            .https_only(!config.targets.loopback)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .gzip(false)
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(4)
            .pool_idle_timeout(Duration::from_secs(20))
            .retry(reqwest::retry::never())
            .user_agent(concat!("orderway/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, guard })
    }

    /// Whether an address may be called, as far as that is known now: its text, and what its name resolves to. A name
    /// that does not resolve may do so later.
    pub async fn check(&self, text: &str) -> Result<Url, TargetRefused> {
        let url = self.guard.targets.check(text)?;
        let name = match url.host() {
            Some(Host::Domain(name)) => name.parse::<Name>().ok(),
            _ => None,
        };
        if let Some(name) = name {
            let resolved = tokio::time::timeout(RESOLVE_TIME, self.guard.resolve(name)).await;
            let refused = resolved
                .ok()
                .and_then(Result::err)
                .and_then(|error| error.downcast::<TargetRefused>().ok());
            if let Some(refused) = refused {
                return Err(*refused);
            }
        }
        Ok(url)
    }

    /// Posts a body. `now` is what an instant in `Retry-After` is compared with.
    pub async fn post(
        &self,
        text: &str,
        headers: HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Result<OutboundReply, OutboundError> {
        let url = self
            .guard
            .targets
            .check(text)
            .map_err(OutboundError::Refused)?;
        let request = self.client.post(url).headers(headers).body(body);
        let response = request.send().await.map_err(|error| classify(&error))?;
        let reply = OutboundReply {
            status: response.status(),
            retry_after: retry_after(response.headers(), Some(now)),
        };
        drop(tokio::time::timeout(REPLY_TIME, drain(response)).await);
        Ok(reply)
    }
}

/// Reads what is left of a reply, so that its connection can be used again. What it says is of no concern.
async fn drain(mut response: reqwest::Response) {
    let mut read = 0_usize;
    while let Ok(Some(chunk)) = response.chunk().await {
        read = read.saturating_add(chunk.len());
        if read > MOST_REPLY {
            return;
        }
    }
}

fn classify(error: &reqwest::Error) -> OutboundError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(refused) = one.downcast_ref::<TargetRefused>() {
            return OutboundError::Refused(*refused);
        }
        cause = one.source();
    }
    if error.is_timeout() {
        OutboundError::Timeout
    } else if error.is_connect() {
        OutboundError::Connect
    } else {
        OutboundError::Broken
    }
}

/// What `Retry-After` says: seconds, or an instant, which says nothing where it is not known what time it is (RFC 9110,
/// 10.2.3).
pub fn retry_after(headers: &HeaderMap, now: Option<Timestamp>) -> Option<SignedDuration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u32>() {
        Ok(seconds) => SignedDuration::from_secs(i64::from(seconds)),
        Err(_no_number) => rfc2822::parse(text).ok()?.timestamp().duration_since(now?),
    };
    Some(wait.max(SignedDuration::ZERO))
}

/// Resolves names, and refuses one that leads inside: as a whole, if only one of its addresses does.
#[derive(Clone)]
struct Guard {
    targets: Arc<Targets>,
    resolver: Arc<dyn Resolve>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Guard")
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.resolver.resolve(name);
        let targets = Arc::clone(&self.targets);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            for address in &addresses {
                targets.judge_address(canonical(address.ip()))?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// A mapped address is the IPv4 address that is connected to.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Asks the system, off the threads that serve requests.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, http::HeaderValue, routing::post};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers a public address first and this machine ever after.
    #[derive(Default)]
    struct Rebinding(AtomicUsize);

    impl Resolve for Rebinding {
        fn resolve(&self, _name: Name) -> Resolving {
            let address: IpAddr = match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => "93.184.215.14".parse().unwrap(),
                _ => "127.0.0.1".parse().unwrap(),
            };
            Box::pin(async move {
                let addresses: Addrs = Box::new(std::iter::once(SocketAddr::new(address, 0)));
                Ok(addresses)
            })
        }
    }

    /// Answers a fixed list.
    struct Fixed(Vec<IpAddr>);

    impl Resolve for Fixed {
        fn resolve(&self, _name: Name) -> Resolving {
            let addresses = self.0.clone();
            Box::pin(async move {
                let addresses = addresses.into_iter().map(|one| SocketAddr::new(one, 0));
                let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
                Ok(addresses)
            })
        }
    }

    fn config(loopback: bool, port: u16) -> OutboundConfig {
        OutboundConfig {
            targets: Targets {
                ports: BTreeSet::from([443, port]),
                loopback,
            },
            connect_timeout: HumanDuration::from_secs(2),
            timeout: HumanDuration::from_secs(5),
        }
    }

    fn now() -> Timestamp {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    async fn receiver(app: Router) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        port
    }

    async fn post_to(client: &OutboundClient, url: &str) -> Result<OutboundReply, OutboundError> {
        client
            .post(url, HeaderMap::new(), Bytes::from_static(b"{}"), now())
            .await
    }

    #[tokio::test]
    async fn a_name_that_changes_its_answer_after_the_check_is_not_called() {
        let called = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&called);
        let port = receiver(Router::new().fallback(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            async { "" }
        }))
        .await;
        let client =
            OutboundClient::with_resolver(&config(false, port), Arc::new(Rebinding::default()))
                .unwrap();
        let url = format!("https://rebinding.example:{port}/");
        assert!(
            client.check(&url).await.is_ok(),
            "the first answer is public"
        );
        let refused = Err(OutboundError::Refused(TargetRefused::NotPublic));
        assert_eq!(post_to(&client, &url).await, refused);
        assert_eq!(client.check(&url).await, Err(TargetRefused::NotPublic));
        assert_eq!(called.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_name_with_one_address_inside_is_refused_whole() {
        for inside in [
            "10.0.0.7",
            "::1",
            "169.254.169.254",
            "fd00::1",
            "::ffff:127.0.0.1",
        ] {
            let addresses = vec!["93.184.215.14".parse().unwrap(), inside.parse().unwrap()];
            let client =
                OutboundClient::with_resolver(&config(false, 443), Arc::new(Fixed(addresses)))
                    .unwrap();
            let url = "https://mixed.example/";
            assert_eq!(
                client.check(url).await,
                Err(TargetRefused::NotPublic),
                "{inside}"
            );
            let refused = Err(OutboundError::Refused(TargetRefused::NotPublic));
            assert_eq!(post_to(&client, url).await, refused, "{inside}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let inside = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&inside);
        let moved = || async {
            let place = HeaderValue::from_static("/inside");
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)])
        };
        let port = receiver(Router::new().route("/", post(moved)).fallback(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            async { "" }
        }))
        .await;
        let client = OutboundClient::new(&config(true, port)).unwrap();
        let reply = post_to(&client, &format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(reply.unwrap().status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(inside.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_flood_of_a_reply_is_not_read() {
        let flood = || async {
            axum::body::Body::from_stream(futures_util::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 16 * 1024]))
            }))
        };
        let port = receiver(Router::new().route("/", post(flood))).await;
        let client = OutboundClient::new(&config(true, port)).unwrap();
        let reply = post_to(&client, &format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(reply.unwrap().status, StatusCode::OK);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_an_instant() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, Some(now()))
        };
        assert_eq!(read("120"), Some(SignedDuration::from_secs(120)));
        let instant = "Mon, 02 Mar 2026 12:01:00 GMT";
        assert_eq!(read(instant), Some(SignedDuration::from_secs(60)));
        let past = "Mon, 02 Mar 2026 11:00:00 GMT";
        assert_eq!(read(past), Some(SignedDuration::ZERO));
        assert_eq!(read("soon"), None);
    }
}
