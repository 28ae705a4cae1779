//! The one writer: a thread that takes what is queued, gives each command a savepoint, and commits them with one fsync.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

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
        let work = self.work.take().ok_or_else(|| broken("a command is run once"))?;
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
pub(super) struct Writer(mpsc::Sender<Message>);

impl Writer {
    pub(super) fn start(connection: Connection, lock: InstanceLock) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let name = "store-writer".to_owned();
        std::thread::Builder::new().name(name).spawn(move || serve(connection, receiver, lock))?;
        Ok(Self(sender))
    }

    /// Runs the work in a transaction and answers when it is on the disk. Dropping the future does not stop it.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job { work: Some(work), outcome: None, reply };
        let closed = || broken("the store is closed");
        self.0.send(Message::Run(Box::new(job))).await.map_err(|_gone| closed())?;
        answer.await.map_err(|_gone| closed())?
    }

    /// Ends the writer after what is queued, and frees the data file.
    pub(super) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.0.send(Message::Stop(reply)).await.is_ok() {
            // An error means that it has ended already.
            drop(stopped.await);
        }
    }
}

fn serve(connection: Connection, mut receiver: mpsc::Receiver<Message>, lock: InstanceLock) {
    let mut broken_by: Option<String> = None;
    let mut stop = None;
    while stop.is_none()
        && let Some(first) = receiver.blocking_recv()
    {
        let mut batch = Vec::new();
        let queued = std::iter::successors(Some(first), |_| receiver.try_recv().ok());
        for message in queued.take(BATCH) {
            match message {
                Message::Run(task) => batch.push(task),
                Message::Stop(reply) => {
                    stop = Some(reply);
                    break;
                }
            }
        }
        match &broken_by {
            Some(cause) => refuse(batch, cause),
            None => broken_by = commit(&connection, batch),
        }
    }
    receiver.close();
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the write-ahead log was not folded in; the next start does it");
    }
    drop(connection);
    drop(lock);
    if let Some(reply) = stop {
        // Nobody need wait for it.
        reply.send(()).ok();
    }
}

/// Commits a batch; answers why nothing may be written any more, if that is so.
fn commit(connection: &Connection, mut batch: Vec<Box<dyn Task>>) -> Option<String> {
    let mut failures: Vec<Option<StoreError>> = Vec::with_capacity(batch.len());
    let outcome = run_all(connection, &mut batch, &mut failures);
    let mut fatal = failures.iter().flatten().find(|error| is_fatal(error)).map(describe);
    if let Err(error) = outcome {
        if is_fatal(&error) {
            fatal.get_or_insert_with(|| describe(&error));
        }
        roll_back(connection);
        let full = matches!(error, StoreError::Full);
        let cause = describe(&error);
        for task in batch {
            task.answer(Some(if full { StoreError::Full } else { StoreError::Failed(anyhow::Error::msg(cause.clone())) }));
        }
    } else {
        for (task, failed) in batch.into_iter().zip(failures) {
            task.answer(failed);
        }
    }
    if let Some(cause) = &fatal {
        tracing::error!(cause, "the store failed and takes nothing more; restart to recover");
    }
    fatal
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
                connection.execute_batch("ROLLBACK TO command; RELEASE command")?;
                failures.push(Some(error));
            }
        }
    }
    Ok(connection.execute_batch("COMMIT")?)
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
        let error = anyhow::Error::msg(cause.to_owned()).context("the store failed earlier and takes nothing more");
        task.answer(Some(StoreError::Failed(error)));
    }
}

fn describe(error: &StoreError) -> String {
    match error {
        StoreError::Failed(source) => format!("{source:#}"),
        other => other.to_string(),
    }
}
