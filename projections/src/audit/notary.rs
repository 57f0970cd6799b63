//! The notary: signs the roots of the trees, and proves from them.
//!
//! What it signs stands beside the log, with the leaf hash of every event that is covered, and is never made again from the views: a tree that was made
//! again from a log that somebody changed does not come to a root that was signed before, and is then not signed any more.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use twig_commands::{
    clock::Clock,
    database::{Database, Session, StoreError},
    ids::random_bytes,
    log::EventLog,
    vault::Vault,
};
use twig_domain::id::{EventId, OrgId};

use super::{
    hand_over_note,
    merkle::Hash,
    note::{Checkpoint, NoteError, NoteSigner, VerifierKey},
    tree::{self, Tree},
    verify::{Proof, trusted},
};
use crate::{
    ViewError, Views,
    fold::{Projection, Table},
    store,
    views::Tenant,
};

/// Events that one checkpoint covers more than the one before: what is kept with it stays small.
const MAX_NEW_EVENTS: u64 = 8192;
/// A tree that has grown by this many events is signed at the next look, any other when its last checkpoint is this old.
const SIGN_AFTER_EVENTS: u64 = 1000;
const SIGN_AFTER_S: i64 = 60;
const KEY_PURPOSE: &str = "audit-signing-key";
pub(super) const RECORD_BYTES: usize = 40;

#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    #[error("the store of checkpoints failed: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("the signing key can't be opened: was the master key changed?")]
    Key,
    #[error("a stored note is damaged: {0}")]
    Note(#[from] NoteError),
    #[error("the audit log of {organization} is not what was signed at {size} events: somebody has changed the event log")]
    HistoryChanged { organization: OrgId, size: u64 },
    #[error("the audit view has not come to what was signed yet")]
    Behind,
    #[error("there is no such event")]
    NotFound,
    #[error("the export can't be written: {0}")]
    Write(#[from] std::io::Error),
}

/// A checkpoint as it is kept.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    pub size: u64,
    /// Of the last event that it covers.
    pub position: u64,
    pub made_at: i64,
    pub note: String,
}

/// A key of the server, and the note by which it took over.
struct StoredKey {
    number: i64,
    signer: NoteSigner,
    hand_over: Option<String>,
}

#[derive(Clone)]
pub struct Notary {
    pub(super) store: Database,
    pub(super) log: EventLog,
    views: Views,
    vault: Vault,
    clock: Clock,
}

impl Notary {
    /// Opens what stands beside the log; the first start makes the key.
    pub fn open(log: EventLog, views: Views, vault: Vault, clock: Clock) -> Result<Self, NotaryError> {
        let store = log.database();
        match &store {
            Database::Sqlite(_) => store.write_now(|session| session.batch(include_str!("../../../schemas/sql/sqlite/audit.sql")))?,
            Database::Postgres(pool) => pool.migrate(include_str!("../../../schemas/sql/postgres/audit.sql"))?,
        }
        let notary = Self { store, log, views, vault, clock };
        if notary.store.read_now(|session| session.exists("SELECT 1 FROM audit_keys", &[]).map_err(NotaryError::from))? {
            return Ok(notary);
        }
        let id: [u8; 4] = random_bytes();
        notary.store_key(1, &NoteSigner::new(&format!("twig.audit/{:08x}", u32::from_be_bytes(id)), &random_bytes()), None)?;
        Ok(notary)
    }

    fn store_key(&self, number: i64, signer: &NoteSigner, hand_over: Option<String>) -> Result<(), NotaryError> {
        let sealed = STANDARD.encode(self.vault.seal_own(KEY_PURPOSE, &signer.seed()));
        let row = [number.into(), signer.verifier.name.as_str().into(), sealed.into(), hand_over.into(), self.clock.now().millis().into()];
        // Where another process was first, its key is the one.
        let sql = "INSERT INTO audit_keys (number, name, sealed, hand_over, made_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
        self.store.write_now(|session| session.execute(sql, &row).map(drop).map_err(NotaryError::from))
    }

    /// Every key there has been, oldest first.
    fn keys(&self) -> Result<Vec<StoredKey>, NotaryError> {
        let rows = self.store.read_now(|session| session.query("SELECT number, name, sealed, hand_over FROM audit_keys ORDER BY number", &[]))?;
        let key = |row: &twig_commands::database::Row| {
            let sealed = STANDARD.decode(row.get::<String>(2)?).map_err(|_| NotaryError::Key)?;
            let seed = self.vault.open_own(KEY_PURPOSE, &sealed).and_then(|seed| seed.try_into().ok());
            let signer = NoteSigner::new(&row.get::<String>(1)?, &seed.ok_or(NotaryError::Key)?);
            Ok(StoredKey { number: row.get(0)?, signer, hand_over: row.get(3)? })
        };
        rows.iter().map(key).collect()
    }

    fn signer(&self) -> Result<NoteSigner, NotaryError> {
        Ok(self.keys()?.pop().ok_or(NotaryError::Key)?.signer)
    }

    /// What checks the newest signatures.
    pub fn verifier_key(&self) -> Result<VerifierKey, NotaryError> {
        Ok(self.signer()?.verifier)
    }

    /// The notes by which each key handed over to the next, oldest first.
    pub fn hand_overs(&self) -> Result<Vec<String>, NotaryError> {
        Ok(self.keys()?.into_iter().filter_map(|key| key.hand_over).collect())
    }

    /// A new key, which the old one hands over to.
    pub fn rotate(&self) -> Result<(VerifierKey, String), NotaryError> {
        let old = self.keys()?.pop().ok_or(NotaryError::Key)?;
        let new = NoteSigner::new(&old.signer.verifier.name, &random_bytes());
        let note = hand_over_note(&old.signer, &new);
        self.store_key(old.number + 1, &new, Some(note.clone()))?;
        Ok((self.verifier_key()?, note))
    }

    fn trusted(&self) -> Result<Vec<VerifierKey>, NotaryError> {
        Ok(trusted(&self.verifier_key()?, &self.hand_overs()?))
    }

    /// The first line of an organization's checkpoints.
    pub fn origin(&self, organization: OrgId) -> Result<String, NotaryError> {
        Ok(format!("{}/{organization}", self.verifier_key()?.name))
    }

    /// The newest checkpoint, made now where it does not cover all that the views have.
    pub async fn checkpoint(&self, organization: OrgId) -> Result<Signed, NotaryError> {
        self.blocking(move |notary| notary.cover(organization, None)).await
    }

    /// A proof that an event is in the log.
    pub async fn proof(&self, organization: OrgId, event: EventId) -> Result<Proof, NotaryError> {
        self.blocking(move |notary| {
            let row =
                notary.in_tree(organization, |session, version| Ok(store::read(session, Table::AuditEvents, version, organization, &event.to_string())?))?;
            let index = row.and_then(|row| row.body["_leaf"].as_u64()).ok_or(NotaryError::NotFound)?;
            let signed = notary.cover(organization, Some(index))?;
            let (leaf, path) = notary.in_tree(organization, |session, version| {
                notary.reach(session, version, organization, signed.size)?;
                let mut tree = Tree::of(session, version, organization);
                Ok((tree.leaf(index)?, tree.inclusion(index, signed.size)?))
            })?;
            let hashes = path.iter().map(|hash| STANDARD.encode(hash)).collect();
            Ok(Proof { leaf_index: index, tree_size: signed.size, leaf_hash: STANDARD.encode(leaf), hashes, checkpoint: signed.note })
        })
        .await
    }

    /// A proof that the tree of one size is the beginning of the other; `None` where there is no tree of these sizes.
    pub async fn consistency(&self, organization: OrgId, from: u64, to: u64) -> Result<Option<Vec<String>>, NotaryError> {
        self.blocking(move |notary| {
            notary.in_tree(organization, |session, version| {
                if from == 0 || from > to || to > tree::size(session, version, organization)? {
                    return Ok(None);
                }
                let proof = Tree::of(session, version, organization).consistency(from, to)?;
                Ok(Some(proof.iter().map(|hash| STANDARD.encode(hash)).collect()))
            })
        })
        .await
    }

    /// Signs every tree whose time has come.
    pub async fn sign_due(&self) -> Result<(), NotaryError> {
        self.blocking(|notary| {
            let now = notary.clock.now().millis();
            for (organization, size) in notary.sizes()? {
                let last = notary.latest(organization)?;
                if size > last.size && (size - last.size >= SIGN_AFTER_EVENTS || now - last.made_at >= SIGN_AFTER_S * 1000) {
                    notary.cover(organization, None)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T, NotaryError> + Send + 'static) -> Result<T, NotaryError> {
        let notary = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&notary));
        done.await.map_err(|error| NotaryError::View(ViewError::Other(error.to_string())))?
    }

    fn in_tree<T>(&self, organization: OrgId, work: impl FnOnce(&mut Session, i64) -> Result<T, NotaryError>) -> Result<T, NotaryError> {
        // The tenant's reader has no tiles to see: they hold nothing but hashes, and every statement names its organization.
        let version = self.views.read_now(Tenant::Of(organization), |_, live| Ok(live.get(&Projection::Audit).copied().unwrap_or(1)))?;
        self.views.database().read_now(|session| work(session, version))
    }

    fn sizes(&self) -> Result<Vec<(OrgId, u64)>, NotaryError> {
        let version = self.views.read_now(Tenant::All, |_, live| Ok(live.get(&Projection::Audit).copied().unwrap_or(1)))?;
        self.views.database().read_now(|session| {
            let sql = format!("SELECT organization, max(tile) FROM {} WHERE level = 0 GROUP BY organization", tree::table(version));
            let organizations = session.query(&sql, &[])?;
            let known = organizations.iter().filter_map(|row| row.get::<String>(0).ok()?.parse::<OrgId>().ok()).collect::<Vec<_>>();
            known.into_iter().map(|organization| Ok((organization, tree::size(session, version, organization)?))).collect()
        })
    }

    pub(super) fn latest(&self, organization: OrgId) -> Result<Signed, NotaryError> {
        let sql = "SELECT size, position, made_at, note FROM audit_checkpoints WHERE organization = ?1 ORDER BY size DESC LIMIT 1";
        let row = self.store.read_now(|session| session.query_first(sql, &[organization.to_string().into()]))?;
        row.map_or_else(|| Ok(Signed::default()), |row| Ok(Signed { size: row.get(0)?, position: row.get(1)?, made_at: row.get(2)?, note: row.get(3)? }))
    }

    /// A checkpoint that covers the leaf, or else all that is there.
    pub(super) fn cover(&self, organization: OrgId, leaf: Option<u64>) -> Result<Signed, NotaryError> {
        loop {
            let last = self.latest(organization)?;
            if leaf.is_some_and(|leaf| leaf < last.size) {
                return Ok(last);
            }
            let size = self.in_tree(organization, |session, version| Ok(tree::size(session, version, organization)?))?;
            if size < last.size {
                return Err(NotaryError::Behind);
            }
            if size == last.size {
                return if leaf.is_some() || size == 0 { Err(NotaryError::NotFound) } else { Ok(last) };
            }
            self.sign(organization, &last, size.min(last.size + MAX_NEW_EVENTS))?;
        }
    }

    /// Signs the tree of a size that goes on from the last checkpoint, if it does go on from it.
    fn sign(&self, organization: OrgId, last: &Signed, size: u64) -> Result<(), NotaryError> {
        let (before, root, records) = self.in_tree(organization, |session, version| {
            let mut tree = Tree::of(session, version, organization);
            let roots = (tree.root(last.size)?, tree.root(size)?);
            Ok((roots.0, roots.1, records(session, version, organization, last, size)?))
        })?;
        if last.size > 0 && Checkpoint::open(&last.note, &self.trusted()?)?.root != before {
            metrics::counter!("twig_audit_history_changed_total").increment(1);
            return Err(NotaryError::HistoryChanged { organization, size: last.size });
        }
        let signer = self.signer()?;
        let note = Checkpoint { origin: format!("{}/{organization}", signer.verifier.name), size, root }.sign(&signer);
        let position = records.chunks_exact(RECORD_BYTES).next_back().map_or(last.position, |record| record_of(record).0);
        let row =
            [organization.to_string().into(), last.size.into(), size.into(), position.into(), self.clock.now().millis().into(), note.into(), records.into()];
        // Where another process has gone on from the same checkpoint, its one is the next.
        let sql = "INSERT INTO audit_checkpoints (organization, previous, size, position, made_at, note, records) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
        self.store.write_now(|session| session.execute(sql, &row).map(drop).map_err(NotaryError::from))
    }

    fn reach(&self, session: &mut Session, version: i64, organization: OrgId, size: u64) -> Result<(), NotaryError> {
        if tree::size(session, version, organization)? < size { Err(NotaryError::Behind) } else { Ok(()) }
    }
}

/// Position and leaf hash of the events that a checkpoint covers more than the last one.
fn records(session: &mut Session, version: i64, organization: OrgId, last: &Signed, size: u64) -> Result<Vec<u8>, StoreError> {
    let sql = format!("SELECT sort FROM {} WHERE organization = ?1 AND sort > ?2 ORDER BY sort LIMIT ?3", store::table_name(Table::AuditEvents, version));
    let rows = session.query(&sql, &[organization.to_string().into(), last.position.into(), (size - last.size).into()])?;
    let mut tree = Tree::of(session, version, organization);
    let mut records = Vec::with_capacity(rows.len() * RECORD_BYTES);
    for (index, row) in (last.size..size).zip(rows) {
        records.extend_from_slice(&row.get::<u64>(0)?.to_be_bytes());
        records.extend_from_slice(&tree.leaf(index)?);
    }
    Ok(records)
}

/// A record's position and leaf hash.
pub(super) fn record_of(record: &[u8]) -> (u64, Hash) {
    let (mut position, mut hash) = ([0; 8], [0; 32]);
    position.copy_from_slice(&record[..8]);
    hash.copy_from_slice(&record[8..RECORD_BYTES]);
    (u64::from_be_bytes(position), hash)
}
