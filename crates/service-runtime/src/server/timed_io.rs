//! A connection that knows what it waits for: the next request, the rest of a head, or the client
//! taking an answer; each has its own time. hyper has one timer for the first two. It also keeps the
//! first head until it is whole, in as many bytes as have come.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::task::AtomicWaker;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::ServerOptions;
use super::head_scan::HeadScan;

/// Read at once of a first head.
const PART: usize = 4 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of a request, until then.
    Request(Instant),
    /// For the rest of a head, until then.
    Head(Instant),
    /// For nothing from the client: a request is at work, its body has a time of its own.
    Busy,
}

/// What a connection waits for, shared by its reader, its service and its answer's body.
pub(super) struct Phase {
    waiting: Mutex<Waiting>,
    first: Waiting,
    /// hyper reads again only when something comes: the end of an answer must wake it to start the
    /// clock of the idle connection.
    reader: AtomicWaker,
    ambiguous: AtomicBool,
}

impl Phase {
    pub(super) fn new(first_byte: Instant) -> Arc<Self> {
        let first = Waiting::Request(first_byte);
        Arc::new(Self {
            waiting: Mutex::new(first),
            first,
            reader: AtomicWaker::new(),
            ambiguous: AtomicBool::new(false),
        })
    }

    /// A request is at work. True if a head on this connection was ambiguous.
    pub(super) fn busy(&self) -> bool {
        self.set(Waiting::Busy);
        self.ambiguous.load(Ordering::Acquire)
    }

    /// Not a byte has come yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.get() == self.first
    }

    fn get(&self) -> Waiting {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, waiting: Waiting) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}

/// The body of an answer; when it ends, the connection waits for the next request.
pub(super) struct PhaseBody {
    inner: Body,
    phase: Arc<Phase>,
    idle: Duration,
}

impl PhaseBody {
    pub(super) fn new(inner: Body, phase: Arc<Phase>, idle: Duration) -> Self {
        Self { inner, phase, idle }
    }
}

impl Drop for PhaseBody {
    fn drop(&mut self) {
        self.phase.set(Waiting::Request(Instant::now() + self.idle));
        self.phase.reader.wake();
    }
}

impl HttpBody for PhaseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pub(super) struct TimedIo<S> {
    stream: S,
    phase: Arc<Phase>,
    scan: HeadScan,
    /// What has been read and hyper has not seen yet.
    held: Vec<u8>,
    max_headers: usize,
    max_header_bytes: usize,
    header_timeout: Duration,
    write_timeout: Duration,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedIo<S> {
    pub(super) fn new(stream: S, phase: Arc<Phase>, options: &ServerOptions) -> Self {
        let read_timer = Box::pin(sleep_until(Instant::now() + options.header_timeout));
        Self {
            stream,
            phase,
            scan: HeadScan::default(),
            held: Vec::new(),
            max_headers: options.max_headers,
            max_header_bytes: options.max_header_bytes,
            header_timeout: options.header_timeout,
            write_timeout: options.write_timeout,
            read_timer,
            write_timer: None,
        }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        if matches!(self.phase.get(), Waiting::Request(_)) {
            self.phase
                .set(Waiting::Head(Instant::now() + self.header_timeout));
            self.scan.next_request();
        }
        self.scan.read(bytes);
        if self.scan.is_ambiguous() {
            self.phase.ambiguous.store(true, Ordering::Release);
        }
    }

    /// Ready with an error when what the connection waits for took too long.
    fn poll_read_timer(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let until = match self.phase.get() {
            Waiting::Request(until) | Waiting::Head(until) => until,
            Waiting::Busy => {
                self.phase.reader.register(context.waker());
                return Poll::Pending;
            }
        };
        if self.read_timer.deadline() != until {
            self.read_timer.as_mut().reset(until);
        }
        self.read_timer
            .as_mut()
            .poll(context)
            .map(|()| io::Error::from(io::ErrorKind::TimedOut))
    }

    /// A write that made progress stops the clock; one that did not starts it.
    fn timed_write<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let until = Instant::now() + self.write_timeout;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + Unpin> TimedIo<S> {
    /// Waits for the first head. What hyper would answer to, it gets: a whole head, one that is too long, and one that is
    /// wrong from its first bytes on. An error = the connection ends unanswered.
    ///
    /// hyper sets aside three times 8 KiB for a connection whose head comes in pieces: too much for clients that may have no
    /// more to say.
    pub(super) async fn first_head(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_first_head(context)).await
    }

    fn poll_first_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut space = [0; PART];
            let mut part = ReadBuf::new(&mut space);
            ready!(self.poll_socket(context, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let first = self.held.is_empty();
            self.held.extend_from_slice(part.filled());
            if self.scan.has_ended()
                || self.held.len() >= self.max_header_bytes
                || (first && !self.may_become_a_head())
            {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn may_become_a_head(&self) -> bool {
        let mut headers = vec![httparse::EMPTY_HEADER; self.max_headers];
        let parsed = httparse::Request::new(&mut headers).parse(&self.held);
        matches!(parsed, Ok(httparse::Status::Partial))
    }

    fn poll_socket(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(result) => {
                self.has_read(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_read_timer(context).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return self.poll_socket(context, buffer);
        }
        let fits = self.held.len().min(buffer.remaining());
        let rest = self.held.split_off(fits);
        buffer.put_slice(&std::mem::replace(&mut self.held, rest));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.timed_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
