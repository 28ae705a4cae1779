//! The one writer: a thread that takes what is queued, gives each command a savepoint, and commits them with one fsync.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::{super::StoreError, fault::is_fatal, open::InstanceLock, value::broken};

/// So many commands share a commit at most.
const BATCH: usize = 128;
/// So many commands wait at most; the next sender waits for room.
const QUEUE: usize = 1024;

/// A command: run inside the transaction, answered after its commit.
trait Task: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    fn answer(self: Box<Self>, failed: Option<StoreError>);
}

struct Job<T, F> {
    work: Option<F>,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Task for Job<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let work = self
            .work
            .take()
            .ok_or_else(|| broken("a command is run once"))?;
        self.outcome = Some(work(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<StoreError>) {
        let answer = match (failed, self.outcome) {
            (Some(error), _) => Err(error),
            (None, Some(outcome)) => Ok(outcome),
            (None, None) => Err(broken("a command was not run")),
        };
        // Whoever asked may have gone; what is committed stays committed.
        drop(self.reply.send(answer));
    }
}

enum Message {
    Run(Box<dyn Task>),
    Stop(oneshot::Sender<()>),
}

/// Sends commands to the writer.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    failed: watch::Receiver<bool>,
}

impl Writer {
    pub(super) fn start(connection: Connection, lock: InstanceLock) -> std::io::Result<Self> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let (failing, failed) = watch::channel(false);
        let name = "store-writer".to_owned();
        std::thread::Builder::new()
            .name(name)
            .spawn(move || serve(connection, receiver, &failing, lock))?;
        Ok(Self { queue, failed })
    }

    /// Runs the work in a transaction and answers when it is on the disk. Dropping the future does not stop it.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work: Some(work),
            outcome: None,
            reply,
        };
        let closed = || broken("the store is closed");
        self.queue
            .send(Message::Run(Box::new(job)))
            .await
            .map_err(|_gone| closed())?;
        answer.await.map_err(|_gone| closed())?
    }

    /// Turns true when nothing is taken any more.
    pub(super) fn failed(&self) -> watch::Receiver<bool> {
        self.failed.clone()
    }

    /// Ends the writer after what is queued, and frees the data file.
    pub(super) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.queue.send(Message::Stop(reply)).await.is_ok() {
            // An error means that it has ended already.
            drop(stopped.await);
        }
    }
}

fn serve(
    connection: Connection,
    mut receiver: mpsc::Receiver<Message>,
    failing: &watch::Sender<bool>,
    lock: InstanceLock,
) {
    let mut broken_by: Option<String> = None;
    let mut stop = None;
    while stop.is_none()
        && let Some(first) = receiver.blocking_recv()
    {
        let (batch, stopped_by) = drain(first, &mut receiver);
        stop = stopped_by;
        match &broken_by {
            Some(cause) => refuse(batch, cause),
            None => broken_by = commit(&connection, batch),
        }
        if broken_by.is_some() {
            failing.send_replace(true);
        }
    }
    receiver.close();
    // After a failed write or fsync nothing is tried again: the next start recovers.
    if broken_by.is_none()
        && let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
    {
        tracing::warn!(%error, "the write-ahead log was not folded in; the next start does it");
    }
    drop(connection);
    drop(lock);
    if let Some(reply) = stop {
        // Nobody need wait for it.
        reply.send(()).ok();
    }
}

/// The commands that wait, without waiting for more, and who asked to stop behind them.
fn drain(
    first: Message,
    receiver: &mut mpsc::Receiver<Message>,
) -> (Vec<Box<dyn Task>>, Option<oneshot::Sender<()>>) {
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Run(task) => batch.push(task),
            Message::Stop(reply) => return (batch, Some(reply)),
        }
        // Only what the batch has room for is taken off the queue.
        next = if batch.len() < BATCH {
            receiver.try_recv().ok()
        } else {
            None
        };
    }
    (batch, None)
}

/// Commits a batch; answers why nothing may be written any more, if that is so.
fn commit(connection: &Connection, mut batch: Vec<Box<dyn Task>>) -> Option<String> {
    let mut failures = Vec::with_capacity(batch.len());
    let Err(error) = run_all(connection, &mut batch, &mut failures) else {
        for (task, failed) in batch.into_iter().zip(failures) {
            task.answer(failed);
        }
        return None;
    };
    roll_back(connection);
    let cause = describe(&error);
    for task in batch {
        task.answer(Some(match &error {
            StoreError::Full => StoreError::Full,
            _ => StoreError::Failed(anyhow::Error::msg(cause.clone())),
        }));
    }
    if !is_fatal(&error) {
        return None;
    }
    tracing::error!(
        cause,
        "the store failed and takes nothing more; restart to recover"
    );
    Some(cause)
}

/// One transaction, a savepoint a command. An error out of here fails the batch whole.
fn run_all(
    connection: &Connection,
    batch: &mut [Box<dyn Task>],
    failures: &mut Vec<Option<StoreError>>,
) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for task in batch {
        connection.execute_batch("SAVEPOINT command")?;
        match task.run(connection) {
            Ok(()) => {
                connection.execute_batch("RELEASE command")?;
                failures.push(None);
            }
            // SQLite has undone the whole transaction by itself: a full disk, an I/O error.
            Err(error) if connection.is_autocommit() || is_fatal(&error) => return Err(error),
            Err(error) => {
                undo(connection)?;
                connection.execute_batch("RELEASE command")?;
                failures.push(Some(error));
            }
        }
    }
    Ok(connection.execute_batch("COMMIT")?)
}

/// Undoes what the command that runs has written so far.
pub(super) fn undo(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.execute_batch("ROLLBACK TO command")?)
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "the store could not undo a failed transaction");
    }
}

fn refuse(batch: Vec<Box<dyn Task>>, cause: &str) {
    for task in batch {
        let error = anyhow::Error::msg(cause.to_owned())
            .context("the store failed earlier and takes nothing more");
        task.answer(Some(StoreError::Failed(error)));
    }
}

fn describe(error: &StoreError) -> String {
    match error {
        StoreError::Failed(source) => format!("{source:#}"),
        other => other.to_string(),
    }
}
