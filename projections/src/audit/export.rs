//! The export of an audit log with its proofs, straight from the event log: what stands there now beside what was recorded when it happened.

use std::collections::VecDeque;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use twig_commands::log::{LogError, RecordedEvent};
use twig_domain::id::OrgId;

use super::{
    merkle::Hash,
    notary::{Notary, NotaryError, RECORD_BYTES, record_of},
    verify::{FORM, Header},
};
use crate::{ViewError, folds};

const PAGE_EVENTS: u64 = 1000;

/// What an export came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub events: u64,
    pub checkpoints: u64,
}

/// The log's events of one organization, read page by page.
struct Events<'a> {
    notary: &'a Notary,
    organization: OrgId,
    read_to: u64,
    waiting: VecDeque<RecordedEvent>,
}

impl Notary {
    /// Writes the whole log up to now, line by line, in the memory of one page.
    pub async fn export(&self, organization: OrgId, mut write: impl FnMut(&str) -> Result<(), std::io::Error>) -> Result<Exported, NotaryError> {
        let until = match self.checkpoint(organization).await {
            // What no longer goes on from what was signed is what an export is there to show.
            Err(NotaryError::HistoryChanged { .. }) => self.latest(organization)?,
            signed => signed?,
        };
        let header = Header {
            twig_audit: FORM,
            organization: organization.to_string(),
            origin: self.origin(organization)?,
            verifier_key: self.verifier_key()?.to_string(),
            hand_overs: self.hand_overs()?,
        };
        write(&serde_json::to_string(&header).unwrap_or_default())?;
        let mut events = Events { notary: self, organization, read_to: 0, waiting: VecDeque::new() };
        let (mut size, mut done) = (0, Exported::default());
        while size < until.size {
            let Some((next, position, note, records)) = self.covered_after(organization, size)? else { break };
            for record in records.chunks_exact(RECORD_BYTES).map(record_of) {
                done.events += events.up_to(record, &mut write).await?;
            }
            done.events += events.rest(position, &mut write).await?;
            write(&json!({ "checkpoint": note }).to_string())?;
            (size, done.checkpoints) = (next, done.checkpoints + 1);
        }
        Ok(done)
    }

    /// The checkpoint that goes on from a size: its own size and position, its note and records.
    #[expect(clippy::type_complexity, reason = "a row's four columns, taken apart where it is asked for")]
    fn covered_after(&self, organization: OrgId, size: u64) -> Result<Option<(u64, u64, String, Vec<u8>)>, NotaryError> {
        let sql = "SELECT size, position, note, records FROM audit_checkpoints WHERE organization = ?1 AND previous = ?2";
        let row = self.store.read_now(|session| session.query_first(sql, &[organization.to_string().into(), size.into()]))?;
        row.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).transpose()
    }
}

impl Events<'_> {
    /// The event of a record, and whatever stands before it in the log without one.
    async fn up_to(&mut self, (position, hash): (u64, Hash), write: &mut impl FnMut(&str) -> Result<(), std::io::Error>) -> Result<u64, NotaryError> {
        let mut written = self.rest(position - 1, write).await?;
        self.read(position).await?;
        let hash = STANDARD.encode(hash);
        match self.waiting.front() {
            Some(event) if event.position == position => {
                write(&line(event, Some(hash)))?;
                self.waiting.pop_front();
                written += 1;
            }
            _ => write(&json!({"missing": {"position": position, "hash": hash}}).to_string())?,
        }
        Ok(written)
    }

    /// Events up to a position that were never recorded.
    async fn rest(&mut self, position: u64, write: &mut impl FnMut(&str) -> Result<(), std::io::Error>) -> Result<u64, NotaryError> {
        self.read(position).await?;
        let mut written = 0;
        while let Some(event) = self.waiting.pop_front_if(|event| event.position <= position) {
            write(&json!({"unrecorded": serde_json::from_str::<Value>(&line(&event, None)).unwrap_or_default()}).to_string())?;
            written += 1;
        }
        Ok(written)
    }

    /// Reads on until the log is known up to a position. An event that can't be read is as good as gone.
    async fn read(&mut self, position: u64) -> Result<(), NotaryError> {
        let mut limit = PAGE_EVENTS;
        while self.read_to < position {
            match self.notary.log.read(self.read_to, limit as usize).await {
                Ok(page) => {
                    let last = page.last().map_or(0, |event| event.position);
                    // A page that is not full was the log's end.
                    self.read_to = if (page.len() as u64) < limit { position.max(last) } else { last };
                    self.waiting.extend(page.into_iter().filter(|event| event.meta.organization == self.organization));
                    limit = PAGE_EVENTS;
                }
                // The page is read up to the damaged event, and then on from behind it.
                Err(LogError::Unreadable { position: damaged }) if limit == 1 => (self.read_to, limit) = (damaged, PAGE_EVENTS),
                Err(LogError::Unreadable { position: damaged }) => limit = (damaged - self.read_to - 1).clamp(1, limit - 1),
                Err(error) => return Err(ViewError::Log(error).into()),
            }
        }
        Ok(())
    }
}

fn line(event: &RecordedEvent, hash: Option<String>) -> String {
    let mut shown = folds::audit::shown(event);
    if let Some(hash) = hash {
        shown["hash"] = hash.into();
    }
    shown.to_string()
}
