//! What a server does with slow, silent, greedy and ambiguous clients, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use rstest::rstest;
use service_runtime::layers::{LayerOptions, standard};
use service_runtime::server::{BindError, Drained, ServerOptions, Stopping, bind};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{SOON, TestServer, read_to_close, read_until};

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn router() -> Router {
    let routes = Router::new()
        .route("/", get(|| async { "well" }))
        .route("/body", post(|body: String| async { body }));
    standard(routes, LayerOptions::new("process-apis"))
}

fn short() -> ServerOptions {
    let brief = Duration::from_millis(200);
    ServerOptions {
        header_timeout: brief,
        idle_timeout: brief,
        drain_timeout: brief,
        ..ServerOptions::default()
    }
}

#[tokio::test]
async fn a_request_is_answered_and_the_connection_kept() {
    let server = TestServer::start(router(), ServerOptions::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(GET.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "well").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    server.stop();
    assert_eq!(server.ended().await, Drained::Clean);
}

#[rstest]
#[case::silent("")]
#[case::dribbling("GET / HTT")]
#[case::half_a_head("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: ")]
#[tokio::test]
async fn a_client_that_sends_no_whole_head_is_cut(#[case] bytes: &str) {
    let server = TestServer::start(router(), short()).await;
    assert_eq!(server.exchange(bytes).await, "");
}

/// Sends a byte at a time, each by itself.
async fn trickle(stream: &mut TcpStream, bytes: &str) {
    for byte in bytes.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[case::a_read(
    "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    "well"
)]
#[case::empty_lines_first(
    "\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    "well"
)]
#[case::with_a_body(
    "POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\n\r\norder",
    "order"
)]
#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_answered(#[case] bytes: &str, #[case] end: &str) {
    let server = TestServer::start(router(), ServerOptions::default()).await;
    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    trickle(&mut stream, bytes).await;
    let answer = read_to_close(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(end), "{answer}");
}

#[tokio::test]
async fn what_follows_the_first_head_is_not_lost() {
    let body = "order ".repeat(20_000);
    let length = body.len();
    let post =
        format!("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    let last = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let server = TestServer::start(router(), ServerOptions::default()).await;
    let answer = server.exchange(&format!("{GET}{post}{body}{last}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
    assert!(answer.contains(&body) && answer.ends_with("well"));
}

#[rstest]
#[case::no_method("\u{16}\u{3}\u{1}", "HTTP/1.1 400")]
#[case::no_path("hello\r\n", "HTTP/1.1 400")]
#[case::another_version("GET / HTTP/3.0\r\n", "HTTP/1.1 400")]
#[tokio::test]
async fn what_is_no_request_from_its_start_is_refused_at_once(
    #[case] bytes: &str,
    #[case] begin: &str,
) {
    let options = ServerOptions {
        header_timeout: Duration::from_secs(600),
        ..ServerOptions::default()
    };
    let server = TestServer::start(router(), options).await;
    let answer = server.exchange(bytes).await;
    assert!(answer.starts_with(begin), "{answer}");
}

#[tokio::test]
async fn a_head_without_end_is_refused_though_it_comes_in_pieces() {
    let server = TestServer::start(router(), ServerOptions::default()).await;
    let mut stream = server.connect().await;
    let head = format!("{:a<1$}", "GET / HTTP/1.1\r\nx-long: ", 32 * 1024);
    for piece in head.as_bytes().chunks(1024) {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = read_until(&mut stream, "HTTP/1.1 431").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_head_that_a_drain_finds_half_sent_may_still_come() {
    let server = TestServer::start(router(), ServerOptions::default()).await;
    let mut half_open = server.connect().await;
    half_open.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    // Accepted later: when this one is answered, the server has looked at the first.
    let mut idle = server.connect().await;
    idle.write_all(GET.as_bytes()).await.unwrap();
    read_until(&mut idle, "well").await;
    server.stop();
    assert_eq!(read_to_close(&mut idle).await, "");
    half_open.write_all(b"st: localhost\r\n\r\n").await.unwrap();
    let answer = read_to_close(&mut half_open).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("well"), "{answer}");
    assert_eq!(server.ended().await, Drained::Clean);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_slow_next_head_too() {
    let server = TestServer::start(router(), short()).await;
    let answer = server.exchange(GET).await;
    assert!(answer.ends_with("well"), "{answer}");
    let answer = server.exchange(&format!("{GET}GET / HT")).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_handler_may_take_longer_than_a_head() {
    let slow = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            "well"
        }),
    );
    let server = TestServer::start(slow, short()).await;
    assert!(server.exchange(GET).await.ends_with("well"));
}

#[rstest]
#[case::no_host("GET / HTTP/1.1\r\n\r\n")]
#[case::two_hosts("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")]
#[case::other_host("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n")]
#[case::length_then_chunks(
    "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
)]
#[case::chunks_then_length(
    "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n"
)]
#[case::bare_line_feeds("GET / HTTP/1.1\nhost: a\n\n")]
#[case::one_bare_line_feed("GET / HTTP/1.1\r\nx-a: b\nhost: a\r\n\r\n")]
#[case::two_different_lengths(
    "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc"
)]
#[case::folded_header("GET / HTTP/1.1\r\nhost: a\r\nx-a: b\r\n c\r\n\r\n")]
#[case::space_before_colon("GET / HTTP/1.1\r\nhost : a\r\n\r\n")]
#[case::chunks_in_1_0(
    "POST /body HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
)]
#[case::signed_length("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc")]
#[case::strange_encoding(
    "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"
)]
#[tokio::test]
async fn ambiguous_requests_are_refused(#[case] bytes: &str) {
    let server = TestServer::start(router(), short()).await;
    let answer = server.exchange(bytes).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"),
        "{answer}"
    );
}

#[tokio::test]
async fn heads_are_bounded_in_fields_and_bytes() {
    let server = TestServer::start(router(), short()).await;
    let fields = |count: usize| {
        (1..count)
            .map(|n| format!("x-{n}: 1\r\n"))
            .collect::<String>()
    };
    let head = |more: &str| format!("GET / HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    assert!(
        server
            .exchange(&head(&fields(64)))
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        server
            .exchange(&head(&fields(65)))
            .await
            .starts_with("HTTP/1.1 431")
    );
    let long = |size: usize| format!("x-long: {}\r\n", "a".repeat(size));
    assert!(
        server
            .exchange(&head(&long(30 * 1024)))
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        server
            .exchange(&head(&long(33 * 1024)))
            .await
            .starts_with("HTTP/1.1 431")
    );
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let options = ServerOptions {
        max_connections_per_ip: Some(1),
        ..ServerOptions::default()
    };
    let server = TestServer::start(router(), options).await;
    let mut first = server.connect().await;
    first.write_all(GET.as_bytes()).await.unwrap();
    read_until(&mut first, "well").await;
    let mut second = server.connect().await;
    assert_eq!(read_to_close(&mut second).await, "");
    drop(first);
    // The place is free once the server has seen the close.
    let again = async {
        while !server
            .exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .ends_with("well")
        {}
    };
    tokio::time::timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_ends_though_a_head_is_half_sent() {
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (started, go_on) = (Arc::clone(&started), Arc::clone(&go_on));
        move || async move {
            started.notify_one();
            go_on.notified().await;
            "finished"
        }
    };
    let options = ServerOptions {
        drain_timeout: Duration::from_secs(1),
        ..ServerOptions::default()
    };
    let server = TestServer::start(Router::new().route("/", get(handler)), options).await;
    let mut half_open = server.connect().await;
    half_open.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    let mut working = server.connect().await;
    working.write_all(GET.as_bytes()).await.unwrap();
    started.notified().await;
    server.stop();
    go_on.notify_one();
    assert!(read_to_close(&mut working).await.ends_with("finished"));
    assert_eq!(read_to_close(&mut half_open).await, "");
    let address = server.address;
    assert_eq!(server.ended().await, Drained::Forced);
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn a_handler_that_never_ends_does_not_stop_a_drain() {
    let started = Arc::new(Notify::new());
    let told = Arc::clone(&started);
    let hang = move || async move {
        told.notify_one();
        std::future::pending::<()>().await;
    };
    let server = TestServer::start(Router::new().route("/", get(hang)), short()).await;
    let mut stream = server.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    started.notified().await;
    server.stop();
    assert_eq!(server.ended().await, Drained::Forced);
}

#[tokio::test]
async fn a_connection_in_reserve_does_not_hold_up_a_drain() {
    let options = ServerOptions {
        header_timeout: Duration::from_secs(600),
        drain_timeout: Duration::from_secs(5),
        ..ServerOptions::default()
    };
    let server = TestServer::start(router(), options).await;
    let mut used = server.connect().await;
    let reserve = server.connect().await;
    used.write_all(GET.as_bytes()).await.unwrap();
    read_until(&mut used, "well").await;
    server.stop();
    assert_eq!(server.ended().await, Drained::Clean);
    drop(reserve);
}

#[tokio::test]
async fn who_only_waits_for_news_does_not_hold_up_a_drain() {
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    let waiting = Router::new().route(
        "/",
        get(async move |stopping: Stopping| {
            told.notify_one();
            stopping.told().await;
            "nothing new"
        }),
    );
    let server = TestServer::start(waiting, ServerOptions::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    begun.notified().await;
    server.stop();
    let answer = read_until(&mut stream, "nothing new").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.ended().await, Drained::Clean);
}

#[tokio::test]
async fn a_port_in_use_is_told_with_what_to_do() {
    let first = bind(([127, 0, 0, 1], 0).into(), "--listen").await.unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address, "`listen` in config/process-apis.toml")
        .await
        .unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("config/process-apis.toml"),
        "{text}"
    );
}

/// Tells when it is dropped.
struct Gone(Arc<Notify>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let gone = Arc::new(Notify::new());
    let told = Arc::clone(&gone);
    let endless = move || async move {
        let guard = Gone(told);
        let chunks = std::iter::repeat_with(move || {
            let _held = &guard;
            Ok::<_, std::io::Error>(vec![0_u8; 64 * 1024])
        });
        axum::body::Body::from_stream(futures_util::stream::iter(chunks))
    };
    let options = ServerOptions {
        write_timeout: Duration::from_millis(200),
        ..ServerOptions::default()
    };
    let server = TestServer::start(Router::new().route("/", get(endless)), options).await;
    let mut stream = server.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    tokio::time::timeout(SOON, gone.notified())
        .await
        .expect("the answer is given up");
    drop(stream);
}

#[rstest]
#[case::while_it_is_worked_on(false)]
#[case::before_it_is_looked_at(true)]
#[tokio::test]
async fn what_changes_something_is_carried_out_without_its_client(#[case] at_once: bool) {
    let (begun, go_on, done) = (
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
    );
    let seen = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
    let handler = move |body: String| async move {
        let (begun, go_on, done) = seen;
        begun.notify_one();
        go_on.notified().await;
        assert_eq!(body, "order");
        done.notify_one();
    };
    let server = TestServer::start(
        Router::new().route("/", post(handler)),
        ServerOptions::default(),
    )
    .await;
    let mut stream = server.connect().await;
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\norder";
    stream.write_all(request.as_bytes()).await.unwrap();
    if !at_once {
        begun.notified().await;
    }
    drop(stream);
    if at_once {
        begun.notified().await;
    }
    // A server that is told to stop waits for it, too.
    server.stop();
    go_on.notify_one();
    tokio::time::timeout(SOON, done.notified())
        .await
        .expect("the request is carried out");
    assert_eq!(server.ended().await, Drained::Clean);
}

#[rstest]
#[case::a_read("GET", true)]
#[case::a_change_where_the_layer_sees_to_it("POST", false)]
#[tokio::test]
async fn what_only_its_client_waits_for_ends_with_it(
    #[case] method: &str,
    #[case] carry_out_changes: bool,
) {
    let (begun, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (started, told) = (Arc::clone(&begun), Arc::clone(&gone));
    let handler = move || async move {
        let _guard = Gone(told);
        started.notify_one();
        std::future::pending::<()>().await;
    };
    let options = ServerOptions {
        carry_out_changes,
        ..ServerOptions::default()
    };
    let routes = Router::new().route("/", get(handler.clone()).post(handler));
    let server = TestServer::start(routes, options).await;
    let mut stream = server.connect().await;
    let request = GET.replace("GET", method);
    stream.write_all(request.as_bytes()).await.unwrap();
    begun.notified().await;
    drop(stream);
    tokio::time::timeout(SOON, gone.notified())
        .await
        .expect("nobody waits for it any more");
}
