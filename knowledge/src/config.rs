//! A data spec's `config` as clients write it and as events carry it: long text goes to the content store, secrets are sealed.

use serde_json::{Map, Value, json};
use twig_commands::{content::ContentStore, vault::Vault};
use twig_domain::{data_spec::DataSpecType, id::OrgId};
use twig_sources::{FieldError, SourceKind, SourceSettings, secret_fields, validate_config};

use crate::fault::Fault;

const HIDDEN: &str = "***";
const TEXT_SHA256: &str = "contentSha256";
const TEXT_BYTES: &str = "contentBytes";

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the config is not valid")]
    Fields(Vec<FieldError>),
    #[error("{0} can't be opened: was the master key changed?")]
    Sealed(&'static str),
    #[error("the config could not be stored: {0}")]
    Store(Fault),
}

pub fn source_kind(kind: DataSpecType) -> SourceKind {
    match kind {
        DataSpecType::Text => SourceKind::Text,
        DataSpecType::File => SourceKind::File,
        DataSpecType::Website => SourceKind::Website,
        DataSpecType::Sitemap => SourceKind::Sitemap,
        DataSpecType::QnaCsv => SourceKind::QnaCsv,
        DataSpecType::Csv => SourceKind::Csv,
        DataSpecType::Bucket => SourceKind::Bucket,
    }
}

pub struct Configs<'a> {
    pub content: &'a ContentStore,
    pub vault: &'a Vault,
    pub settings: &'a SourceSettings,
}

impl Configs<'_> {
    /// Checks a config and gives the form that may stand in an event. `***` in place of a secret keeps the one of `before`.
    pub fn store(&self, organization: OrgId, kind: DataSpecType, given: Value, before: Option<&Value>) -> Result<Value, ConfigError> {
        let kind = source_kind(kind);
        validate_config(kind, &given, self.settings).map_err(ConfigError::Fields)?;
        let mut stored = given.as_object().cloned().unwrap_or_default();
        for secret in secret_fields(kind) {
            if let Some(Value::String(text)) = stored.get(*secret) {
                let sealed = self.seal(organization, secret, text, before)?;
                stored.insert((*secret).to_owned(), sealed);
            }
        }
        if kind == SourceKind::Text {
            self.store_text(&mut stored)?;
        }
        Ok(Value::Object(stored))
    }

    /// The secret that was there is kept as it is where it is the same, so that writing it again changes nothing.
    fn seal(&self, organization: OrgId, name: &str, text: &str, before: Option<&Value>) -> Result<Value, ConfigError> {
        let old = before.and_then(|before| before.get(name)?.as_str());
        if text == HIDDEN {
            return old.map(Value::from).ok_or_else(|| {
                ConfigError::Fields(vec![FieldError { pointer: format!("/{name}"), reason: "*** keeps a secret, and there is none yet".into() }])
            });
        }
        match old {
            Some(old) if self.vault.open_secret(organization, old).as_deref() == Some(text) => Ok(old.into()),
            _ => Ok(self.vault.seal_secret(organization, text).into()),
        }
    }

    fn store_text(&self, stored: &mut Map<String, Value>) -> Result<(), ConfigError> {
        if let Some(Value::String(text)) = stored.remove("content") {
            let sha256 = self.content.put(text.as_bytes()).map_err(|error| ConfigError::Store(error.into()))?;
            stored.insert(TEXT_SHA256.into(), sha256.into());
            stored.insert(TEXT_BYTES.into(), text.len().into());
        }
        Ok(())
    }

    /// What a client sees of a stored config.
    pub fn show(&self, kind: &Value, mut config: Value) -> Result<Value, ConfigError> {
        let Some(kind) = kind.as_str().and_then(|kind| kind.parse::<SourceKind>().ok()) else { return Ok(config) };
        for secret in secret_fields(kind) {
            if config.get(*secret).is_some_and(Value::is_string) {
                config[*secret] = HIDDEN.into();
            }
        }
        if kind == SourceKind::Text {
            config = json!({"title": config["title"], "content": self.text(&config)?});
        }
        Ok(config)
    }

    /// A config with everything in clear, for the connector.
    pub fn open(&self, organization: OrgId, kind: DataSpecType, config: &Value) -> Result<Value, ConfigError> {
        let kind = source_kind(kind);
        let mut config = config.clone();
        for secret in secret_fields(kind) {
            if let Some(sealed) = config.get(*secret).and_then(Value::as_str) {
                let clear = self.vault.open_secret(organization, sealed);
                config[*secret] = clear.ok_or(ConfigError::Sealed(secret))?.into();
            }
        }
        if kind == SourceKind::Text {
            config = json!({"title": config["title"], "content": self.text(&config)?});
        }
        Ok(config)
    }

    fn text(&self, config: &Value) -> Result<String, ConfigError> {
        let Some(sha256) = config.get(TEXT_SHA256).and_then(Value::as_str) else { return Ok(String::new()) };
        let bytes = self.content.get(sha256).map_err(|error| ConfigError::Store(error.into()))?;
        let bytes = bytes.ok_or_else(|| ConfigError::Store(Fault::told("the text is missing from the content store")))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
