//! Where processes listen, and when they do.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use anyhow::Context as _;
use rand::Rng as _;
use reqwest::Client;

/// Ports below those that the system gives to outgoing calls: one of a process that is down stays free.
const PORTS: std::ops::Range<u16> = 10_000..30_000;
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ports that are free, each given once.
#[derive(Debug, Default)]
pub struct Ports {
    taken: Vec<u16>,
}

impl Ports {
    pub fn take(&mut self) -> anyhow::Result<u16> {
        for _ in 0..1_000 {
            let port = rand::rng().random_range(PORTS);
            let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            if is_free && !self.taken.contains(&port) {
                self.taken.push(port);
                return Ok(port);
            }
        }
        anyhow::bail!("no port of {PORTS:?} is free")
    }

    pub fn url(&mut self) -> anyhow::Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.take()?))
    }
}

/// Waits until an address answers well; a minute at most.
pub async fn until_up(http: &Client, url: &str) -> anyhow::Result<()> {
    let looking = async {
        loop {
            let request = http.get(url).timeout(Duration::from_secs(2));
            if request
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(READY_WITHIN, looking).await;
    waited.with_context(|| format!("{url} did not answer"))
}
