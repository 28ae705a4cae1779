//! The bus: a NATS server of the estate's own, which can be killed, and what its stream has of the events.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use async_nats::jetstream::{self, Context};
use rustix::process::Signal;
use serde_json::Value;
use tests::processes::{Kept, Program};
use tokio::time::Instant;

use crate::{events, run::Run};

const STREAM: &str = "ORDERWAY";
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

/// A server of the estate's own.
#[derive(Debug)]
pub(crate) struct Bus {
    server: Kept,
    pub(crate) url: String,
}

impl Bus {
    /// Starts it.
    pub(crate) fn start(program: &Path, folder: &Path, port: u16) -> Self {
        let port = port.to_string();
        let command: Vec<PathBuf> = vec![
            program.to_owned(),
            "-a".into(),
            "127.0.0.1".into(),
            "-p".into(),
            port.clone().into(),
            "-js".into(),
            "-sd".into(),
            folder.join("nats"),
        ];
        let server = Kept::start(Program {
            name: "nats-server".to_owned(),
            command,
            environment: Default::default(),
            log: folder.join("nats.log"),
        });
        let url = format!("nats://127.0.0.1:{port}");
        Self { server, url }
    }

    /// Kills it; it is started again.
    pub(crate) fn kill(&self) {
        self.server.signal(Signal::KILL);
    }

    async fn context(&self) -> anyhow::Result<Context> {
        Ok(jetstream::new(async_nats::connect(&self.url).await?))
    }

    /// Takes every message out of the stream.
    pub(crate) async fn purge(&self) -> anyhow::Result<()> {
        let stream = self.context().await?.get_stream(STREAM).await?;
        stream.purge().await?;
        Ok(())
    }

    /// Takes the stream away.
    pub(crate) async fn delete(&self) -> anyhow::Result<()> {
        self.context().await?.delete_stream(STREAM).await?;
        Ok(())
    }

    /// How many messages the stream has had.
    pub(crate) async fn last(&self) -> anyhow::Result<u64> {
        let mut stream = self.context().await?.get_stream(STREAM).await?;
        Ok(stream.info().await?.state.last_sequence)
    }

    /// The events in the stream that came after so many.
    pub(crate) async fn events(&self, after: u64) -> anyhow::Result<Vec<Value>> {
        let mut stream = self.context().await?.get_stream(STREAM).await?;
        let state = stream.info().await?.state.clone();
        let first = state.first_sequence.max(after.saturating_add(1));
        let mut events = Vec::new();
        for sequence in first..=state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                events.push(serde_json::from_slice(&message.payload)?);
            }
        }
        Ok(events)
    }

    async fn ids(&self) -> anyhow::Result<BTreeSet<String>> {
        let events = self.events(0).await?.into_iter();
        let id = |event: Value| event.get("id").and_then(Value::as_str).map(str::to_owned);
        Ok(events.filter_map(id).collect())
    }

    /// Waits until everything in the feed is in the stream, and tells what is not, and what else is.
    pub(crate) async fn published(&self, run: &Run) -> anyhow::Result<Published> {
        let feed = events::feed(run).await?;
        let told: BTreeSet<String> = feed.into_iter().map(|event| event.id).collect();
        let begun = Instant::now();
        let in_stream = loop {
            let ids = self.ids().await.unwrap_or_default();
            if told.is_subset(&ids) || begun.elapsed() > PUBLISHED_WITHIN {
                break ids;
            }
            tokio::time::sleep(PAUSE).await;
        };
        Ok(Published {
            events: in_stream.len(),
            missing: told.difference(&in_stream).count(),
            strange: in_stream.difference(&told).count(),
            after: begun.elapsed(),
        })
    }
}

/// What a stream has of a feed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    /// In the stream.
    pub(crate) events: usize,
    /// In the feed, and not in the stream.
    pub(crate) missing: usize,
    /// In the stream, and not in the feed.
    pub(crate) strange: usize,
    /// So long it took.
    pub(crate) after: Duration,
}

impl Published {
    /// What is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        let told = [
            (self.missing, "events are not in the stream"),
            (
                self.strange,
                "events in the stream are of nothing that was committed",
            ),
        ];
        let wrong = told.iter().filter(|(count, _)| *count > 0);
        wrong
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}
