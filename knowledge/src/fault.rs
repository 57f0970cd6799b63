//! What failed inside, with its cause: a store that is away for now is told from a fault of ours.

use std::{error::Error, fmt, sync::Arc};

use twig_commands::is_for_now;
use twig_domain::interaction::Failure;

#[derive(Clone, Debug)]
pub struct Fault(Arc<dyn Error + Send + Sync>);

impl Fault {
    pub fn cause(&self) -> &(dyn Error + 'static) {
        &*self.0
    }

    pub(crate) fn told(text: impl Into<String>) -> Self {
        Self(Box::<dyn Error + Send + Sync>::from(text.into()).into())
    }

    /// What an answer that it kept from being given is recorded with: as the API says it.
    pub(crate) fn failure(&self, latency_ms: u64) -> Failure {
        let (code, message) = if is_for_now(self.cause()) {
            ("unavailable", "A store cannot be used at the moment; try again")
        } else {
            ("internal_error", "Something went wrong on our side")
        };
        Failure { code: code.into(), message: message.into(), latency_ms }
    }
}

/// Any error is the cause of one, so this is none itself.
impl<E: Error + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use twig_commands::database::StoreError;
    use twig_projections::ViewError;

    use super::*;
    use crate::search::SearchError;

    #[test]
    fn a_store_that_is_away_is_no_internal_error_of_a_search() {
        let away = || StoreError::Unavailable("no connection".into());
        for error in [SearchError::Index(away().into()), SearchError::View(ViewError::from(away()))] {
            assert_eq!(error.into_fault().failure(0).code, "unavailable");
        }
        assert_eq!(SearchError::Index(Fault::told("a shape")).into_fault().failure(0).code, "internal_error");
    }
}
