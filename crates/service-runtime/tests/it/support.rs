//! A server on a port of its own, that a test can stop and whose end it can await.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use service_runtime::server::{Drained, ServerOptions, bind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for what should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Drained>,
}

impl TestServer {
    pub(crate) async fn start(router: Router, options: ServerOptions) -> Self {
        let listener = bind(([127, 0, 0, 1], 0).into(), "--listen").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(serve(
            listener,
            router,
            options,
            stop.clone().cancelled_owned(),
        ));
        Self {
            address,
            stop,
            ended,
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn ended(self) -> Drained {
        tokio::time::timeout(SOON, self.ended)
            .await
            .expect("the server ends")
            .unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) async fn exchange(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        read_to_close(&mut stream).await
    }
}

pub(crate) async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes");
    // A reset is a close, too.
    drop(read);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text has been seen.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let mut buffer = [0; 1024];
        let count = tokio::time::timeout(SOON, stream.read(&mut buffer))
            .await
            .expect("more comes")
            .unwrap();
        assert_ne!(count, 0, "closed after: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(seen).unwrap()
}
