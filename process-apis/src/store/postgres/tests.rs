//! The suite on this engine, and what only several instances on one server can show.

use super::{super::suite::store_suite, testing::TestDatabase};

store_suite!(async |_directory: &std::path::Path| {
    let database = TestDatabase::make().await?;
    Some((database.open().await, database))
});
