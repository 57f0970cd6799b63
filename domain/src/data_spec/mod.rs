//! A data spec: where documents come from, how often, and what was made of them. Its runs are part of it, so that there is never a second at once.

mod decide;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    aggregate::{aggregate, domain_event},
    change::Change,
    id::{DataSpecId, DocumentId, OrgId, RunId},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataSpecType {
    Text,
    File,
    Website,
    Sitemap,
    QnaCsv,
    Csv,
    Bucket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncSchedule {
    Manual,
    Hourly,
    Daily,
    Weekly,
}

impl SyncSchedule {
    /// Seconds between two runs; `None` where runs are asked for by hand.
    #[must_use]
    pub fn period_seconds(self) -> Option<i64> {
        match self {
            Self::Manual => None,
            Self::Hourly => Some(3600),
            Self::Daily => Some(86_400),
            Self::Weekly => Some(604_800),
        }
    }
}

/// Which documents of a source are taken: globs over names, paths or URLs. An empty `include` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Filters {
    #[serde(default)]
    pub include: Vec<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// All that can be set of a data spec. In `config`, long text is replaced by its content hash and secrets by their sealed form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataSpecSettings {
    pub name: String,
    pub description: Option<String>,
    #[serde(rename = "type")]
    pub kind: DataSpecType,
    pub config: Value,
    pub sync_schedule: SyncSchedule,
    pub tags: Vec<String>,
    pub filters: Filters,
}

/// The fields a client gave. An outer `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSpecPatch {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub config: Option<Value>,
    pub sync_schedule: Option<SyncSchedule>,
    pub tags: Option<Vec<String>>,
    pub filters: Option<Filters>,
}

impl DataSpecPatch {
    #[must_use]
    pub fn onto(self, settings: &DataSpecSettings) -> DataSpecSettings {
        let old = settings.clone();
        DataSpecSettings {
            name: self.name.unwrap_or(old.name),
            description: self.description.unwrap_or(old.description),
            kind: old.kind,
            config: self.config.unwrap_or(old.config),
            sync_schedule: self.sync_schedule.unwrap_or(old.sync_schedule),
            tags: self.tags.unwrap_or(old.tags),
            filters: self.filters.unwrap_or(old.filters),
        }
    }
}

/// A file that was uploaded: its bytes stand in the content store under their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadedFile {
    pub document_id: DocumentId,
    pub name: String,
    pub sha256: String,
    pub bytes: u64,
}

/// What a run made of the documents it met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentCounts {
    pub added: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub removed: u64,
}

/// One document that could not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentError {
    pub document_url: String,
    pub stage: RunStage,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStage {
    Fetch,
    Parse,
    Chunk,
    Embed,
    Index,
}

/// The index that a run published: everything in it can be made again from the manifest in the content store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedIndex {
    /// SHA-256 of the manifest: the documents with their extracted texts and passages.
    pub manifest: String,
    /// The embedding model whose vectors it is searched by.
    pub model: String,
    pub documents: u64,
    pub chunks: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum DataSpecCommand {
    CreateDataSpec {
        organization: OrgId,
        id: DataSpecId,
        settings: Box<DataSpecSettings>,
    },
    UpdateDataSpec {
        patch: Box<DataSpecPatch>,
    },
    /// Uploaded files; one of a name that is there already takes its place and keeps its document's identifier.
    AddFiles {
        files: Vec<UploadedFile>,
    },
    ProcessDataSpec {
        run_id: RunId,
        trigger: RunTrigger,
    },
    StartRun {
        run_id: RunId,
    },
    CompleteRun {
        run_id: RunId,
        documents: DocumentCounts,
        index: PublishedIndex,
        errors: Vec<DocumentError>,
        failed: u64,
    },
    FailRun {
        run_id: RunId,
        reason: String,
        errors: Vec<DocumentError>,
        failed: u64,
    },
    CancelRun {
        run_id: RunId,
    },
    /// A sharper model has embedded every passage of the manifest: searches use it from here on.
    SwitchEmbedding {
        manifest: String,
        model: String,
    },
    DeleteDataSpec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunTrigger {
    Request,
    Schedule,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum DataSpecEvent {
    DataSpecCreated {
        organization: OrgId,
        id: DataSpecId,
        settings: Box<DataSpecSettings>,
    },
    DataSpecUpdated {
        changes: Vec<Change>,
        settings: Box<DataSpecSettings>,
    },
    FilesAdded {
        files: Vec<UploadedFile>,
    },
    ProcessingRequested {
        run_id: RunId,
        trigger: RunTrigger,
    },
    ProcessingStarted {
        run_id: RunId,
    },
    ProcessingCompleted {
        run_id: RunId,
        documents: DocumentCounts,
        index: PublishedIndex,
        errors: Vec<DocumentError>,
        /// Documents that could not be taken; `errors` names at most the first thousand.
        failed: u64,
    },
    ProcessingFailed {
        run_id: RunId,
        reason: String,
        errors: Vec<DocumentError>,
        failed: u64,
    },
    ProcessingCanceled {
        run_id: RunId,
    },
    EmbeddingSwitched {
        manifest: String,
        from: String,
        to: String,
    },
    DataSpecDeleted {},
}

domain_event!(DataSpecEvent {
    DataSpecCreated = 1,
    DataSpecUpdated = 1,
    FilesAdded = 1,
    ProcessingRequested = 1,
    ProcessingStarted = 1,
    ProcessingCompleted = 1,
    ProcessingFailed = 1,
    ProcessingCanceled = 1,
    EmbeddingSwitched = 1,
    DataSpecDeleted = 1,
});

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataSpecError {
    #[error("the data spec does not exist")]
    NotFound,
    #[error("the data spec exists already")]
    AlreadyExists,
    #[error("the run does not exist")]
    RunNotFound,
    #[error("the run has ended already")]
    RunEnded,
    #[error("files are taken by data specs of the types file, csv and qna_csv only")]
    TakesNoFiles,
    #[error("another index has been published since")]
    IndexSuperseded,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum DataSpec {
    #[default]
    Absent,
    Present(Box<LiveDataSpec>),
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveDataSpec {
    pub settings: DataSpecSettings,
    pub files: Vec<UploadedFile>,
    /// The run that is queued or running.
    pub active_run: Option<RunId>,
    pub running: bool,
    pub index: Option<PublishedIndex>,
}

aggregate!(DataSpec, "DataSpec", DataSpecCommand, DataSpecEvent, DataSpecError);
