//! Keys: the master key, an organization's, and a subject's. Personal text is sealed with its subject's key, which can be destroyed, whole or for a single
//! thing that was said; secrets of configurations with a key derived for their organization.
//!
//! Invariant: no key is stored in the clear, and a subject's key is stored in the transaction of the first event that needs it.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use twig_domain::{
    Sealed,
    id::{Identifier, OrgId},
};

use crate::{
    content::sha256,
    database::{Database, Session, StoreError},
    ids::random_bytes,
    puncture::PuncturableKey,
};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// What stands before a sealed text: which thing's words it is.
const PLACE_BYTES: usize = 8;
/// Others may change a key while one is being changed here.
const MAX_TRIES: usize = 16;
const MAX_CACHED_KEYS: u64 = 100_000;
/// A destroyed key is forgotten by other processes at the latest after this.
pub const CACHED_FOR: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the master key must be base64 of 32 bytes")]
    Malformed,
    #[error("the master key is not the one this data was written with: set TWIG_MASTER_KEY to that one")]
    WrongMasterKey,
    #[error("the master key file could not be read or made")]
    File(#[source] std::io::Error),
    #[error("the store of keys failed: {0}")]
    Store(#[from] StoreError),
    #[error("sealed text is damaged")]
    Damaged,
    #[error("the words were erased, and no new ones are taken in their place")]
    Erased,
}

/// The key that all others hang on.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

impl MasterKey {
    pub fn from_base64(text: &str) -> Result<Self, VaultError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| VaultError::Malformed)?;
        bytes.try_into().map(Self).map_err(|_| VaultError::Malformed)
    }

    /// The key of a file, which is made, readable for its owner alone, where there is none.
    pub fn load_or_create(file: &Path) -> Result<Self, VaultError> {
        match fs::read_to_string(file) {
            Ok(text) => Self::from_base64(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(file),
            Err(error) => Err(VaultError::File(error)),
        }
    }

    fn create(file: &Path) -> Result<Self, VaultError> {
        let key = Self(random_bytes());
        let half: PathBuf = file.with_extension(format!("half-{}", std::process::id()));
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half).map_err(VaultError::File)?;
        out.write_all(STANDARD.encode(key.0).as_bytes()).and_then(|()| out.sync_all()).map_err(VaultError::File)?;
        // A link fails where another process was first; its key is then the one.
        let linked = fs::hard_link(&half, file);
        fs::remove_file(&half).map_err(VaultError::File)?;
        match linked {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::load_or_create(file),
            Err(error) => Err(VaultError::File(error)),
        }
    }
}

/// Whose words a text is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    User(String),
    Session(String),
}

/// A key to be stored with the first event that needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubjectKey {
    pub subject: String,
    pub wrapped: Vec<u8>,
}

/// A subject's key for one thing that it says, ready to seal.
#[derive(Clone)]
pub struct SubjectKey {
    subject: String,
    place: u64,
    key: [u8; KEY_BYTES],
    wrapped: Vec<u8>,
}

impl SubjectKey {
    #[must_use]
    pub fn seal(&self, text: &str) -> Sealed {
        let sealed = encrypt(&self.key, text.as_bytes(), self.subject.as_bytes());
        Sealed { subject: self.subject.clone(), ciphertext: STANDARD.encode([&self.place.to_be_bytes()[..], &sealed].concat()) }
    }

    pub(crate) fn to_store(&self) -> NewSubjectKey {
        NewSubjectKey { subject: self.subject.clone(), wrapped: self.wrapped.clone() }
    }
}

/// A subject's key as it is stored: it opens all that the subject said, but for what was erased singly.
#[derive(Clone)]
struct StoredKey {
    key: PuncturableKey,
    wrapped: Vec<u8>,
}

/// The place of a thing's words among its subject's.
fn place_of(thing: &impl Identifier) -> u64 {
    let hash = Sha256::digest(thing.uuid().as_bytes());
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

#[derive(Clone)]
pub struct Vault {
    master: MasterKey,
    store: Database,
    /// Held while a key is looked for or made, and while one is destroyed: the cache never holds what the store does not.
    changing: Arc<Mutex<()>>,
    keys: Cache<String, StoredKey>,
}

impl Vault {
    /// Opens the keys that stand beside a log, and checks that the master key is theirs.
    pub fn open(store: Database, master: MasterKey) -> Result<Self, VaultError> {
        let keys = Cache::builder().max_capacity(MAX_CACHED_KEYS).time_to_live(CACHED_FOR).build();
        let vault = Self { master, store, changing: Arc::default(), keys };
        vault.check()?;
        Ok(vault)
    }

    fn check(&self) -> Result<(), VaultError> {
        let key = self.derive(b"check");
        let known = self.store.read_now(checked)?;
        let known = match known {
            Some(sealed) => sealed,
            None => {
                let fresh = STANDARD.encode(encrypt(&key, b"twig", b"check"));
                // Another process may have been first: what the store holds then is what counts.
                self.store
                    .write_now(|session| {
                        session.execute("INSERT INTO vault_check (id, sealed) VALUES (1, ?1) ON CONFLICT DO NOTHING", &[fresh.into()])?;
                        checked(session)
                    })?
                    .unwrap_or_default()
            }
        };
        STANDARD.decode(known).ok().and_then(|bytes| decrypt(&key, &bytes, b"check")).map(drop).ok_or(VaultError::WrongMasterKey)
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// HKDF-SHA256 (RFC 5869) of the master key for one purpose.
    fn derive(&self, purpose: &[u8]) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        Hkdf::<Sha256>::new(Some(b"twig"), &self.master.0).expand(purpose, &mut key).expect("32 bytes are within HKDF's bound");
        key
    }

    fn organization_key(&self, organization: OrgId) -> [u8; KEY_BYTES] {
        self.derive(format!("secrets:{organization}").as_bytes())
    }

    /// Seals a secret of a configuration.
    #[must_use]
    pub fn seal_secret(&self, organization: OrgId, text: &str) -> String {
        STANDARD.encode(encrypt(&self.organization_key(organization), text.as_bytes(), b"secret"))
    }

    #[must_use]
    pub fn open_secret(&self, organization: OrgId, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        String::from_utf8(decrypt(&self.organization_key(organization), &bytes, b"secret")?).ok()
    }

    /// The name under which a subject's key is kept: a keyed hash, which tells nobody who it is.
    #[must_use]
    pub fn subject_name(&self, organization: OrgId, subject: &Subject) -> String {
        let text = match subject {
            Subject::User(user) => format!("subject:{organization}:user:{user}"),
            Subject::Session(session) => format!("subject:{organization}:session:{session}"),
        };
        let hash = self.derive(text.as_bytes());
        hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals what the server keeps for itself, for one purpose.
    #[must_use]
    pub fn seal_own(&self, purpose: &str, bytes: &[u8]) -> Vec<u8> {
        encrypt(&self.derive(format!("own:{purpose}").as_bytes()), bytes, purpose.as_bytes())
    }

    #[must_use]
    pub fn open_own(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        decrypt(&self.derive(format!("own:{purpose}").as_bytes()), sealed, purpose.as_bytes())
    }

    /// A subject's key for a thing that it says: known, stored, or new and then stored by the append that it is given to.
    pub async fn subject(&self, organization: OrgId, subject: Subject, thing: impl Identifier) -> Result<SubjectKey, VaultError> {
        let name = self.subject_name(organization, &subject);
        let stored = match self.keys.get(&name) {
            Some(stored) => stored,
            None => {
                let (vault, name) = (self.clone(), name.clone());
                tokio::task::spawn_blocking(move || vault.load_or_new(name)).await.map_err(|_| VaultError::Damaged)??
            }
        };
        narrowed(name, stored, place_of(&thing)).ok_or(VaultError::Erased)
    }

    /// The key that something was sealed with, for more words on it; `None` where it was erased.
    pub fn key_of(&self, sealed: &Sealed) -> Result<Option<SubjectKey>, VaultError> {
        let (place, _) = parts(sealed)?;
        Ok(self.known(&sealed.subject)?.and_then(|stored| narrowed(sealed.subject.clone(), stored, place)))
    }

    fn load_or_new(&self, name: String) -> Result<StoredKey, VaultError> {
        let _changing = self.changing();
        if let Some(key) = self.keys.get(&name) {
            return Ok(key);
        }
        let stored = match self.stored(&name)? {
            Some(stored) => stored,
            None => self.wrap(&name, PuncturableKey::new(random_bytes())),
        };
        self.keys.insert(name, stored.clone());
        Ok(stored)
    }

    fn wrap(&self, name: &str, key: PuncturableKey) -> StoredKey {
        StoredKey { wrapped: encrypt(&self.derive(b"subjects"), &key.to_bytes(), name.as_bytes()), key }
    }

    fn unwrap(&self, name: &str, wrapped: Vec<u8>) -> Result<StoredKey, VaultError> {
        let key = decrypt(&self.derive(b"subjects"), &wrapped, name.as_bytes()).and_then(|bytes| PuncturableKey::from_bytes(&bytes));
        Ok(StoredKey { key: key.ok_or(VaultError::Damaged)?, wrapped })
    }

    fn known(&self, name: &str) -> Result<Option<StoredKey>, VaultError> {
        if let Some(known) = self.keys.get(name) {
            return Ok(Some(known));
        }
        let _changing = self.changing();
        Ok(self.stored(name)?.inspect(|key| self.keys.insert(name.to_owned(), key.clone())))
    }

    fn stored(&self, name: &str) -> Result<Option<StoredKey>, VaultError> {
        let wrapped: Option<Vec<u8>> = self.store.read_now(|session| {
            let row = session.query_first("SELECT wrapped FROM subject_keys WHERE subject = ?1", &[name.into()])?;
            row.map(|row| row.get(0)).transpose().map_err(VaultError::Store)
        })?;
        wrapped.map(|wrapped| self.unwrap(name, wrapped)).transpose()
    }

    /// Forgets a key that another process was first to make, or has changed.
    pub fn forget(&self, key: &SubjectKey) {
        self.keys.invalidate(&key.subject);
    }

    /// Opens sealed text; `None` where it was erased.
    pub fn open_text(&self, sealed: &Sealed) -> Result<Option<String>, VaultError> {
        let Some(stored) = self.known(&sealed.subject)? else { return Ok(None) };
        let (place, bytes) = parts(sealed)?;
        let Some(key) = stored.key.at(place) else { return Ok(None) };
        let text = decrypt(&key, &bytes, sealed.subject.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Some).ok_or(VaultError::Damaged)
    }

    /// Destroys a subject's key, by its name: what was sealed with it can never be read again.
    pub fn destroy(&self, name: &str) -> Result<bool, VaultError> {
        let _changing = self.changing();
        let destroyed = self.store.write_now(|session| {
            let row = session.query_first("DELETE FROM subject_keys WHERE subject = ?1 RETURNING wrapped", &[name.into()])?;
            if let Some(row) = &row {
                bury(session, &row.get::<Vec<u8>>(0)?)?;
            }
            Ok::<_, StoreError>(row.is_some())
        })?;
        self.store.forget_deleted()?;
        // After the row is gone, and while nobody looks for it: nobody can have read it back into the cache.
        self.keys.invalidate(name);
        Ok(destroyed)
    }

    /// Destroys a subject's key for a single thing: its words can never be read again, all others can.
    pub fn puncture(&self, name: &str, thing: impl Identifier) -> Result<bool, VaultError> {
        let _changing = self.changing();
        for _ in 0..MAX_TRIES {
            let Some(mut stored) = self.stored(name)? else { return Ok(false) };
            if !stored.key.puncture(place_of(&thing)) {
                return Ok(false);
            }
            let next = self.wrap(name, stored.key);
            let changed = self.store.write_now(|session| {
                let row = [name.into(), next.wrapped.as_slice().into(), stored.wrapped.as_slice().into()];
                let changed = session.execute("UPDATE subject_keys SET wrapped = ?2 WHERE subject = ?1 AND wrapped = ?3", &row)? > 0;
                if changed {
                    bury(session, &stored.wrapped)?;
                }
                Ok::<_, StoreError>(changed)
            })?;
            self.keys.invalidate(name);
            if changed {
                self.store.forget_deleted()?;
                return Ok(true);
            }
        }
        Err(VaultError::Store(StoreError::Busy))
    }
}

/// A key that somebody still holds is never stored again.
fn bury(session: &mut Session, wrapped: &[u8]) -> Result<(), StoreError> {
    session.execute("INSERT INTO destroyed_keys (wrapped_sha256) VALUES (?1) ON CONFLICT DO NOTHING", &[sha256(wrapped).into()]).map(drop)
}

fn narrowed(subject: String, stored: StoredKey, place: u64) -> Option<SubjectKey> {
    Some(SubjectKey { key: stored.key.at(place)?, subject, place, wrapped: stored.wrapped })
}

/// The place and the ciphertext of a sealed text.
fn parts(sealed: &Sealed) -> Result<(u64, Vec<u8>), VaultError> {
    let bytes = STANDARD.decode(&sealed.ciphertext).map_err(|_| VaultError::Damaged)?;
    let (place, text) = bytes.split_at_checked(PLACE_BYTES).ok_or(VaultError::Damaged)?;
    Ok((u64::from_be_bytes(place.try_into().map_err(|_| VaultError::Damaged)?), text.to_vec()))
}

fn checked(session: &mut Session) -> Result<Option<String>, StoreError> {
    session.query_first("SELECT sealed FROM vault_check WHERE id = 1", &[])?.map(|row| row.get(0)).transpose()
}

fn encrypt(key: &[u8; KEY_BYTES], text: &[u8], bound_to: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = random_bytes();
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), Payload { msg: text, aad: bound_to }).expect("texts are far below the cipher's bound");
    [&nonce[..], &sealed].concat()
}

fn decrypt(key: &[u8; KEY_BYTES], sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_BYTES)?;
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: bound_to }).ok()
}
