//! What can go wrong in a store, the same words for both engines.

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the disk is full")]
    Full,
    #[error("the store is read-only")]
    ReadOnly,
    #[error("the store is damaged")]
    Corrupt,
    #[error("the store is busy")]
    Busy,
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    #[error("the store refused: {0}")]
    Constraint(String),
    /// A value was not of the type that was asked for.
    #[error("a row is damaged: {0}")]
    Shape(String),
    #[error("the store failed: {0}")]
    Other(String),
}

impl StoreError {
    /// Whether the statement or the data are to blame, so that trying again would change nothing.
    #[must_use]
    pub fn is_about_data(&self) -> bool {
        matches!(self, Self::Shape(_) | Self::Constraint(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => Self::Unavailable(error.to_string()),
            Some(ErrorCode::ConstraintViolation) => Self::Constraint(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    /// By SQLSTATE (PostgreSQL, appendix A).
    fn from(error: sqlx::Error) -> Self {
        let told = error.to_string();
        match &error {
            sqlx::Error::Database(database) => match database.code().as_deref() {
                Some("53100") => Self::Full,
                Some("25006") => Self::ReadOnly,
                Some("XX001" | "XX002") => Self::Corrupt,
                Some("40001" | "40P01" | "55P03" | "57014") => Self::Busy,
                Some(code) if code.starts_with("23") => Self::Constraint(told),
                Some(code) if code.starts_with("57P") || code.starts_with("08") || code.starts_with("53") => Self::Unavailable(told),
                _ => Self::Other(told),
            },
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable(told)
            }
            sqlx::Error::Protocol(_) => Self::Unavailable(told),
            _ => Self::Other(told),
        }
    }
}
