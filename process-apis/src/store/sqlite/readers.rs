//! The readers: a few threads with a connection each, fed by one bounded queue.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{super::StoreError, value::broken};

/// So many reads wait at most; the next sender waits for room.
const QUEUE: usize = 1024;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Sends reads to whichever reader is free.
#[derive(Debug, Clone)]
pub(super) struct Readers(mpsc::Sender<Read>);

impl Readers {
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Read>(QUEUE);
        let shared = Arc::new(Mutex::new(receiver));
        for connection in connections {
            let shared = Arc::clone(&shared);
            let name = "store-reader".to_owned();
            std::thread::Builder::new()
                .name(name)
                .spawn(move || serve(&connection, &shared))?;
        }
        Ok(Self(sender))
    }

    /// Runs the read on one state of the file, whatever is written meanwhile: its statements share a lock, and its cost.
    pub(super) async fn run<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Read = Box::new(move |connection| {
            // Whoever asked may have gone.
            drop(reply.send(on_one_state(connection, read)));
        });
        let closed = || broken("the store is closed");
        self.0.send(job).await.map_err(|_gone| closed())?;
        answer.await.map_err(|_gone| closed())?
    }
}

fn on_one_state<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Ended by being dropped: there is nothing to commit.
    let _state = connection.unchecked_transaction()?;
    read(connection)
}

fn serve(connection: &Connection, queue: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(read) = next else { return };
        read(connection);
    }
}
