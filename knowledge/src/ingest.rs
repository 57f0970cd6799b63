//! A run: fetch, parse, chunk, embed, index. Every step is content-addressed, so a run that was cut off and begun again does nothing twice, and ends in
//! the same index as one that was not.

use std::{
    collections::BTreeMap,
    future::ready,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use twig_commands::content::{ContentStore, sha256};
use twig_domain::{
    data_spec::{DocumentCounts, DocumentError, PublishedIndex, RunStage},
    id::{DataSpecId, OrgId, RunId},
};
use twig_retrieval::{count_tokens, embedding_texts};
use twig_sources::{
    BlobReader, ChunkOptions, Document, ExtractLimits, Extraction, FetchError, Filters, Found, NetworkPolicy, Source, Upload, chunk, extract_isolated, fetch,
};

use crate::{
    Knowledge,
    config::{ConfigError, Configs, source_kind},
    fault::Fault,
    manifest::{Manifest, ManifestChunk, ManifestDocument, PARSER, document_id},
};

/// Documents that wait between the connector and the parser.
const MAX_DOCUMENTS_AHEAD: usize = 4;
/// Documents of one run that are read at once: one a core, and two where there is one, since each also waits for the disk and for the process that reads it.
/// Each may take as much memory as a document is allowed, so not more than these.
const DOCUMENTS_AT_ONCE: std::ops::RangeInclusive<usize> = 2..=8;
/// Errors that a run names; beyond, they are counted.
const MAX_ERRORS_NAMED: usize = 1000;
const REPORT_EVERY: Duration = Duration::from_millis(400);
const EMBED_BATCH_PASSAGES: usize = 64;
/// The small transformer reads 256 tokens of a text: chunks of 512 words' worth are kept whole for people, its vector is of their beginning.
const CHUNKS: ChunkOptions = ChunkOptions { max_tokens: 512, overlap_tokens: 50 };

/// Which run of which data spec.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub organization: OrgId,
    pub data_spec: DataSpecId,
    pub run: RunId,
}

/// What a run made.
#[derive(Debug)]
pub struct Made {
    pub documents: DocumentCounts,
    pub index: PublishedIndex,
    pub errors: Vec<DocumentError>,
    pub failed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("the run was canceled")]
    Canceled,
    /// The source as a whole could not be read; the text is for people.
    #[error("{message}")]
    Source { message: String, errors: Vec<DocumentError> },
    /// Something of ours failed: the run is tried again.
    #[error("{0}")]
    Internal(String),
}

fn documents_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(*DOCUMENTS_AT_ONCE.start(), *DOCUMENTS_AT_ONCE.end())
}

fn internal(error: impl std::fmt::Display) -> IngestError {
    IngestError::Internal(error.to_string())
}

/// Uploads, read from the content store.
struct Blobs(ContentStore);

#[async_trait::async_trait]
impl BlobReader for Blobs {
    async fn read(&self, content_sha256: &str) -> std::io::Result<Option<Bytes>> {
        let (content, hash) = (self.0.clone(), content_sha256.to_owned());
        let read = tokio::task::spawn_blocking(move || content.get(&hash)).await.map_err(std::io::Error::other)?;
        read.map_err(std::io::Error::other)
    }
}

/// How far a run is, reported now and then.
struct Reporter<'a> {
    knowledge: &'a Knowledge,
    job: Job,
    stage: RunStage,
    seen: u64,
    done: u64,
    failed: u64,
    chunks: u64,
    last: Option<Instant>,
}

impl Reporter<'_> {
    async fn at(&mut self, stage: RunStage) -> Result<(), IngestError> {
        self.stage = stage;
        self.report(false).await?;
        self.knowledge.stall_if_asked(stage).await;
        Ok(())
    }

    async fn report(&mut self, now: bool) -> Result<(), IngestError> {
        if !now && self.last.is_some_and(|last| last.elapsed() < REPORT_EVERY) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let progress = json!({
            "stage": self.stage, "heartbeatAt": self.knowledge.clock.now(),
            "progress": {"documentsSeen": self.seen, "documentsDone": self.done, "documentsFailed": self.failed, "chunks": self.chunks},
        });
        self.knowledge.views.report_progress(self.job.organization, self.job.run, progress).await.map_err(internal)
    }
}

impl Knowledge {
    /// Runs a job to its end. Nothing is published: that is the event's doing.
    pub async fn ingest(&self, job: Job, cancel: CancellationToken) -> Result<Made, IngestError> {
        let found = self.views.data_spec_settings(job.organization, job.data_spec).await.map_err(internal)?;
        let (settings, uploads, before) = found.ok_or(IngestError::Canceled)?;
        let source = self.source(job, &settings, uploads)?;
        let reporter = Mutex::new(Reporter { knowledge: self, job, stage: RunStage::Fetch, seen: 0, done: 0, failed: 0, chunks: 0, last: None });
        reporter.lock().await.at(RunStage::Fetch).await?;
        let (found, mut documents) = mpsc::channel(MAX_DOCUMENTS_AHEAD);
        let fetching = {
            let (source, settings, policy, cancel) = (source, self.settings.sources.clone(), self.policy.clone(), cancel.clone());
            tokio::spawn(async move { fetch(&source, &settings, policy, cancel, found).await })
        };
        let mut taken: BTreeMap<String, ManifestDocument> = BTreeMap::new();
        let mut errors = Vec::new();
        {
            let found = stream::poll_fn(|context| documents.poll_recv(context)).filter_map(|found| match found {
                Found::Seen(_) => ready(None),
                Found::Document(document) => ready(Some(Ok(document))),
                Found::Failed { url, message } => ready(Some(Err(DocumentError { document_url: url, stage: RunStage::Fetch, message }))),
            });
            let mut ended = pin!(found.map(|found| self.found(job, found, &reporter)).buffered(documents_at_once()));
            while let Some(document) = ended.try_next().await? {
                match document {
                    Ok(document) => {
                        taken.insert(document.key.clone(), document);
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        let mut reporter = reporter.into_inner();
        match fetching.await.map_err(internal)? {
            Ok(()) => {}
            Err(FetchError::Canceled) => return Err(IngestError::Canceled),
            Err(FetchError::Source(message)) => return Err(IngestError::Source { message, errors }),
        }
        let manifest = Manifest { documents: taken.into_values().collect() };
        let (sha, model) = self.index(job, &manifest, &mut reporter, &cancel).await?;
        let counts = self.compare(before.as_ref().map(|index| index.manifest.as_str()), &manifest).await?;
        reporter.report(true).await?;
        let index =
            PublishedIndex { manifest: sha, model, documents: manifest.documents.len() as u64, chunks: manifest.chunks() as u64, bytes: manifest.bytes() };
        let failed = errors.len() as u64;
        errors.truncate(MAX_ERRORS_NAMED);
        Ok(Made { documents: counts, index, errors, failed })
    }

    fn source(
        &self,
        job: Job,
        settings: &twig_domain::data_spec::DataSpecSettings,
        uploads: Vec<twig_domain::data_spec::UploadedFile>,
    ) -> Result<Source, IngestError> {
        let configs = Configs { content: &self.content, vault: &self.vault, settings: &self.settings.sources };
        let config = configs.open(job.organization, settings.kind, &settings.config).map_err(|error| match error {
            ConfigError::Store(fault) => internal(fault),
            error => IngestError::Source { message: error.to_string(), errors: Vec::new() },
        })?;
        let reader: Arc<dyn BlobReader> = Arc::new(Blobs(self.content.clone()));
        let uploads = uploads.into_iter().map(|file| Upload {
            id: file.document_id.to_string(),
            name: file.name,
            media_type: None,
            content_sha256: file.sha256,
            reader: reader.clone(),
        });
        let filters = Filters { include: settings.filters.include.clone(), exclude: settings.filters.exclude.clone() };
        Ok(Source { kind: source_kind(settings.kind), config, uploads: uploads.collect(), filters })
    }

    /// What was found is taken, or has failed already.
    async fn found(
        &self,
        job: Job,
        found: Result<Document, DocumentError>,
        reporter: &Mutex<Reporter<'_>>,
    ) -> Result<Result<ManifestDocument, DocumentError>, IngestError> {
        reporter.lock().await.seen += 1;
        let ended = match found {
            Ok(document) => self.take(job, document, reporter).await?,
            Err(error) => Err(error),
        };
        let mut reporter = reporter.lock().await;
        match &ended {
            Ok(document) => (reporter.done, reporter.chunks) = (reporter.done + 1, reporter.chunks + document.chunks.len() as u64),
            Err(_) => reporter.failed += 1,
        }
        reporter.report(false).await?;
        Ok(ended)
    }

    /// One document from bytes to passages. What is wrong with it is its own error and not the run's.
    async fn take(&self, job: Job, document: Document, reporter: &Mutex<Reporter<'_>>) -> Result<Result<ManifestDocument, DocumentError>, IngestError> {
        let content = self.content.clone();
        let bytes = document.bytes.clone();
        let hash = tokio::task::spawn_blocking(move || content.put(&bytes)).await.map_err(internal)?.map_err(internal)?;
        reporter.lock().await.at(RunStage::Parse).await?;
        let parser = format!(
            "{PARSER}:{}:{}",
            document.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase(),
            document.media_type.as_deref().unwrap_or_default()
        );
        let (extraction_hash, extraction) = match self.extraction(&hash, &parser, &document).await? {
            Ok(found) => found,
            Err(message) => return Ok(Err(DocumentError { document_url: document.url, stage: RunStage::Parse, message })),
        };
        reporter.lock().await.at(RunStage::Chunk).await?;
        let id = document_id(job.data_spec, &document.key);
        let title =
            document.title_hint.clone().or_else(|| extraction.title.clone()).filter(|title| !title.trim().is_empty()).unwrap_or_else(|| document.name.clone());
        let of = hash.clone();
        let chunks = tokio::task::spawn_blocking(move || {
            let chunks = chunk(&extraction, &CHUNKS, &count_tokens);
            chunks.into_iter().map(|chunk| ManifestChunk::of(chunk, id, &of)).collect()
        });
        let chunks = chunks.await.map_err(internal)?;
        Ok(Ok(ManifestDocument {
            id,
            key: document.key,
            name: document.name,
            title,
            url: document.url,
            sha256: hash,
            bytes: document.bytes.len() as u64,
            extraction: extraction_hash,
            chunks,
        }))
    }

    /// The text of a document: of an earlier run where the bytes are the same.
    async fn extraction(&self, hash: &str, parser: &str, document: &Document) -> Result<Result<(String, Extraction), String>, IngestError> {
        let (content, of, by) = (self.content.clone(), hash.to_owned(), parser.to_owned());
        let known = tokio::task::spawn_blocking(move || {
            let blob = content.extraction(&of, &by).ok().flatten()?;
            let bytes = content.get(&blob).ok().flatten()?;
            serde_json::from_slice::<Extraction>(&bytes).ok().map(|extraction| (blob, extraction))
        });
        if let Some(known) = known.await.map_err(internal)? {
            return Ok(Ok(known));
        }
        let limits = ExtractLimits::default();
        let extracted =
            extract_isolated(self.settings.executable.as_deref(), &document.name, document.media_type.as_deref(), document.bytes.clone(), &limits).await;
        let extraction = match extracted {
            Ok(extraction) => extraction,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (content, of, by) = (self.content.clone(), hash.to_owned(), parser.to_owned());
        let stored = tokio::task::spawn_blocking(move || {
            let bytes = serde_json::to_vec(&extraction).map_err(internal)?;
            let blob = content.put_extraction(&of, &by, &bytes).map_err(internal)?;
            Ok::<_, IngestError>((blob, extraction))
        });
        Ok(Ok(stored.await.map_err(internal)??))
    }

    /// Embeds every passage and keeps the manifest; the index is put where the next search looks for it.
    async fn index(&self, job: Job, manifest: &Manifest, reporter: &mut Reporter<'_>, cancel: &CancellationToken) -> Result<(String, String), IngestError> {
        reporter.at(RunStage::Embed).await?;
        let (content, of, spec) = (self.content.clone(), manifest.clone(), job.data_spec);
        let passages = tokio::task::spawn_blocking(move || of.passages(&content, spec)).await.map_err(internal)?.map_err(internal)?;
        let model = self.publishing_model(&passages).await.map_err(internal)?;
        let texts = embedding_texts(&model, &passages);
        for batch in texts.chunks(EMBED_BATCH_PASSAGES) {
            if cancel.is_cancelled() {
                return Err(IngestError::Canceled);
            }
            self.embed(&model, batch.to_vec()).await.map_err(internal)?;
            reporter.report(false).await?;
        }
        reporter.at(RunStage::Index).await?;
        let (content, of) = (self.content.clone(), manifest.clone());
        let sha = tokio::task::spawn_blocking(move || of.store(&content)).await.map_err(internal)?.map_err(internal)?;
        self.open_index(job.data_spec, &sha, &model).await.map_err(internal)?;
        self.views.set_documents(job.organization, job.data_spec, sha.clone(), manifest.rows()).await.map_err(internal)?;
        if model != self.last_model() {
            // Told from the step that ends the run, before the background job gets to it.
            self.report_sharpening(job.organization, job.data_spec, &sha, 0, texts.len()).await.map_err(internal)?;
        }
        Ok((sha, model))
    }

    async fn compare(&self, before: Option<&str>, after: &Manifest) -> Result<DocumentCounts, IngestError> {
        let (content, before) = (self.content.clone(), before.map(str::to_owned));
        let before = tokio::task::spawn_blocking(move || before.map(|sha| Manifest::load(&content, &sha)).transpose())
            .await
            .map_err(internal)?
            .map_err(internal)?
            .unwrap_or_default();
        let old: BTreeMap<_, _> = before.documents.iter().map(|document| (document.id, &document.sha256)).collect();
        let mut counts = DocumentCounts::default();
        for document in &after.documents {
            match old.get(&document.id) {
                None => counts.added += 1,
                Some(hash) if **hash == document.sha256 => counts.unchanged += 1,
                Some(_) => counts.updated += 1,
            }
        }
        counts.removed = old.len() as u64 - counts.unchanged - counts.updated;
        Ok(counts)
    }

    /// The vectors of texts: known ones from the content store, the others made and kept.
    pub(crate) async fn embed(&self, model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Fault> {
        let (content, name) = (self.content.clone(), model.to_owned());
        let hashes: Vec<String> = texts.iter().map(|text| sha256(text.as_bytes())).collect();
        let asked = hashes.clone();
        let known = tokio::task::spawn_blocking(move || content.embeddings(&name, &asked)).await??;
        let missing: Vec<usize> = known.iter().enumerate().filter(|(_, vector)| vector.is_none()).map(|(place, _)| place).collect();
        let mut vectors: Vec<Vec<f32>> = known.into_iter().map(Option::unwrap_or_default).collect();
        if missing.is_empty() {
            return Ok(vectors);
        }
        let made = self.embed_now(model, missing.iter().map(|place| texts[*place].clone()).collect()).await?;
        let kept: Vec<(String, Vec<f32>)> = missing.iter().zip(&made).map(|(place, vector)| (hashes[*place].clone(), vector.clone())).collect();
        let (content, name) = (self.content.clone(), model.to_owned());
        tokio::task::spawn_blocking(move || content.put_embeddings(&name, &kept)).await??;
        for (place, vector) in missing.into_iter().zip(made) {
            vectors[place] = vector;
        }
        Ok(vectors)
    }
}

pub(crate) fn policy(allow: Vec<twig_sources::IpNet>) -> Arc<NetworkPolicy> {
    Arc::new(NetworkPolicy::new(allow))
}
