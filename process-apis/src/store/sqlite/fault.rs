//! What an error of `SQLite` means for the store.

use rusqlite::ErrorCode;

use super::super::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Failed(error.into()),
        }
    }
}

/// After these nothing may be acknowledged any more: what a failed write or fsync left on the disk is not known until
/// the file has been opened, and recovered, anew.
pub(super) fn is_fatal(error: &StoreError) -> bool {
    let StoreError::Failed(source) = error else {
        return false;
    };
    let code = source
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    matches!(
        code,
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
        )
    )
}
