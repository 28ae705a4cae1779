//! Open event streams of the portal, on two instances of the experience layer: one has at most 8,000.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tests::processes::{Binaries, Binary, Kept, Ports, Program, until_up};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::{AT_REST, MANY, Moment, layers};
use crate::{
    contest::pids,
    estate::{Estate, Plan},
    figures::Ratio,
    machine::Side,
    say,
    tree::proportional_kib,
};

/// The most that an instance may be told to take (`portal.max_streams`).
const MOST: usize = 8_000;
/// Streams that are opened at a time.
const AT_A_TIME: usize = 32;
/// How long one may take to open.
const PATIENCE: Duration = Duration::from_secs(20);
/// They stay open for so long before they are looked at.
const OPEN_FOR: Duration = Duration::from_secs(20);

/// What came of it.
pub(super) struct Opened {
    pub(super) moments: Vec<Moment>,
    /// Streams that were open when all were.
    pub(super) alive: u64,
    pub(super) told: String,
}

/// Opens the streams, and looks at the memory of all before and with them.
pub(super) async fn open(binaries: &Binaries) -> anyhow::Result<Opened> {
    let mut plan = Plan::default().far_budgets();
    for limit in ["MAX_STREAMS", "MAX_STREAMS_PER_ACCOUNT"] {
        plan = plan.with(&format!("ORDERWAY_EXPERIENCE__PORTAL__{limit}"), MOST);
    }
    let estate = Estate::start(binaries, &plan).await?;
    let (second, url) = second_instance(binaries, &estate).await?;
    tokio::time::sleep(AT_REST).await;
    let memory = || {
        let mut each = layers(&estate);
        each.push(proportional_kib(&pids(std::slice::from_ref(&second))));
        each
    };
    let before = Moment::of("two instances, idle, after start", memory());
    let token = estate.token("acme-buyer").await?;
    let mut streams = Vec::new();
    for instance in [&estate.experience, &url] {
        let address: SocketAddr = instance.trim_start_matches("http://").parse()?;
        streams.extend(opened(address, &token, MANY / 2).await?);
        say(&format!("{} streams are open", streams.len()))?;
    }
    tokio::time::sleep(OPEN_FOR).await;
    let with = Moment::of(format!("with {MANY} open streams"), memory());
    let alive = streams.iter().filter(|stream| is_open(stream)).count();
    let kib = with.all().saturating_sub(before.all());
    let each = Ratio::of(kib, u64::try_from(streams.len().max(1))?);
    let told = format!(
        "streams: {} of {MANY} at two instances of experience-apis, since one may be told to take {MOST} at most; the three \
         programs grow by {} KiB a stream",
        streams.len(),
        each.map_or_else(String::new, |each| each.to_string())
    );
    Ok(Opened {
        moments: vec![before, with],
        alive: u64::try_from(alive)?,
        told,
    })
}

/// Another experience layer, told what the first is told.
async fn second_instance(binaries: &Binaries, estate: &Estate) -> anyhow::Result<(Kept, String)> {
    let url = Ports::default().url()?;
    let first = estate
        .pids()
        .last()
        .copied()
        .context("no experience layer")?;
    let told = std::fs::read(format!("/proc/{first}/environ"))?;
    let told = String::from_utf8_lossy(&told);
    let mut environment: BTreeMap<String, String> = told
        .split('\0')
        .filter(|setting| setting.starts_with("ORDERWAY_"))
        .filter_map(|setting| setting.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let listen = url.trim_start_matches("http://").to_owned();
    environment.insert("ORDERWAY_EXPERIENCE__LISTEN".to_owned(), listen);
    environment.insert(
        "ORDERWAY_EXPERIENCE__PUNCHOUT__PUBLIC_URL".to_owned(),
        url.clone(),
    );
    let mut command = Side::Measured.pinned(binaries.path(Binary::Experience)?);
    command.push("--config-dir".into());
    command.push(tests::root().join("config"));
    let second = Kept::start(Program {
        name: "experience-apis, the second".to_owned(),
        command,
        environment,
        log: estate.folder.path().join("second.log"),
    });
    let up = until_up(&estate.http, &format!("{url}/readyz")).await;
    up.with_context(|| second.last_lines(10).join("\n"))?;
    Ok((second, url))
}

/// So many streams of an instance.
async fn opened(address: SocketAddr, token: &str, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let request = format!(
        "GET /portal/v1/events/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         orderway-account: ACME\r\naccept: text/event-stream\r\n\r\n"
    );
    let mut opening = JoinSet::new();
    for hand in 0..AT_A_TIME {
        let request = request.clone();
        let share = (hand..count).step_by(AT_A_TIME).count();
        opening.spawn(async move {
            let mut own = Vec::with_capacity(share);
            for _ in 0..share {
                let stream = tokio::time::timeout(PATIENCE, stream(address, &request)).await;
                own.push(stream.context("a stream takes too long to open")??);
            }
            anyhow::Ok(own)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(own) = opening.join_next().await {
        all.extend(own??);
    }
    Ok(all)
}

/// One stream, whose head has come.
async fn stream(address: SocketAddr, request: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0_u8; 2_048];
        let length = stream.read(&mut part).await?;
        anyhow::ensure!(length > 0, "a stream ended before its head");
        head.extend_from_slice(part.get(..length).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&head);
    anyhow::ensure!(text.starts_with("HTTP/1.1 200"), "no stream: {text}");
    Ok(stream)
}

/// Whether the other side has not ended it, neither the connection nor the answer; what it has said meanwhile is read.
fn is_open(stream: &TcpStream) -> bool {
    let mut part = [0_u8; 4_096];
    loop {
        match stream.try_read(&mut part) {
            Ok(0) => return false,
            Ok(length)
                if part
                    .get(..length)
                    .is_some_and(|said| said.ends_with(b"\r\n0\r\n\r\n")) =>
            {
                return false;
            }
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}
