//! Who works on a job: one process at a time, for as long as it renews its lease.

use std::time::Duration;

use twig_domain::id::{JobId, OrgId};
use twig_projections::ViewError;

use crate::Workers;

/// How soon another process goes on where one has died.
const LEASE_S: i64 = 30;
const RENEW_EVERY: Duration = Duration::from_secs(10);

impl Workers {
    /// Does a job's work while its lease is this process's; `None` where it is another's, or has become so meanwhile.
    pub(crate) async fn holding<T>(&self, organization: OrgId, id: JobId, work: impl Future<Output = T>) -> Result<Option<T>, ViewError> {
        if !self.claim(organization, id).await? {
            return Ok(None);
        }
        tokio::select! {
            done = work => Ok(Some(done)),
            () = self.lost(organization, id) => Ok(None),
        }
    }

    async fn claim(&self, organization: OrgId, id: JobId) -> Result<bool, ViewError> {
        self.views.claim_job(organization, id, self.owner.clone(), self.clock.now(), LEASE_S).await
    }

    /// Renews the lease until somebody else has it. A store that does not answer is no loss: nobody else can claim there either.
    async fn lost(&self, organization: OrgId, id: JobId) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if matches!(self.claim(organization, id).await, Ok(false)) {
                tracing::warn!(job = %id, "another process has taken this job over");
                return;
            }
        }
    }
}
