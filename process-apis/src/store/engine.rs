//! The engine that the configuration names, from its opening to its end.

use std::{future::Future, sync::Arc};

use super::{Store, StoreConfig, postgres::PostgresStore, sqlite::SqliteStore};

/// An opened store, of whichever engine.
#[derive(Debug, Clone)]
pub enum Engine {
    /// A file, for one process.
    Sqlite(Arc<SqliteStore>),
    /// A `PostgreSQL` database, for any number of instances.
    Postgres(Arc<PostgresStore>),
}

impl Engine {
    /// Opens it. The file is made where there is none, with its directory, and its schema is brought up; that of
    /// `PostgreSQL` is brought up by [`Self::migrate`] only.
    pub async fn open(config: &StoreConfig) -> anyhow::Result<Self> {
        if let Some(options) = config.postgres() {
            let store = PostgresStore::open(&options).await?;
            return Ok(Self::Postgres(Arc::new(store)));
        }
        let path = config.path.clone();
        let open = move || {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            SqliteStore::open(path)
        };
        let store = tokio::task::spawn_blocking(open).await??;
        Ok(Self::Sqlite(Arc::new(store)))
    }

    /// Opens it to read only, also while others work on it.
    pub async fn open_to_read(config: &StoreConfig) -> anyhow::Result<Self> {
        if let Some(options) = config.postgres() {
            let store = PostgresStore::open_to_read(&options).await?;
            return Ok(Self::Postgres(Arc::new(store)));
        }
        let path = config.path.clone();
        let store = tokio::task::spawn_blocking(|| SqliteStore::open_to_read(path)).await??;
        Ok(Self::Sqlite(Arc::new(store)))
    }

    /// Opens it for one change while nobody works on it; on `PostgreSQL` events get no positions meanwhile.
    pub async fn open_for_a_change(config: &StoreConfig) -> anyhow::Result<Self> {
        match config.postgres() {
            Some(_) => Self::open_to_read(config).await,
            None => Self::open(config).await,
        }
    }

    /// Brings the schema up, and ends.
    pub async fn migrate(config: &StoreConfig) -> anyhow::Result<()> {
        if let Some(options) = config.postgres() {
            return PostgresStore::migrate(&options).await;
        }
        Self::open(config).await?.close().await;
        Ok(())
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::<SqliteStore>::clone(store),
            Self::Postgres(store) => Arc::<PostgresStore>::clone(store),
        }
    }

    /// Completes when the store has failed for good, so that only a restart recovers it. A server that is gone comes
    /// back by itself.
    pub fn failed(&self) -> impl Future<Output = ()> + Send + 'static {
        let failed = match self {
            Self::Sqlite(store) => Some(store.failed()),
            Self::Postgres(_) => None,
        };
        async move {
            match failed {
                // An error: the writer is gone without a word, which is no better.
                Some(mut failed) => drop(failed.wait_for(|failed| *failed).await),
                None => std::future::pending().await,
            }
        }
    }

    /// Writes what is queued and lets go of the file, or of the connections. What is asked later is refused.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}
