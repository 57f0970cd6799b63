//! The objects of a bucket: s3, gs, az by `object_store`, and `file://` folders by `local`. The invariants: every request goes through the checked client; without keys a bucket is read
//! anonymously and this machine's own cloud identity is never used; an object over the limit is named and not loaded.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use object_store::{
    BackoffConfig, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
    gcp::GoogleCloudStorageBuilder,
    path::Path,
};
use url::Url;

use super::{Document, FetchError, Job, base_name, local};
use crate::{config::bucket_url, egress::EgressClient, extract::is_hopeless};

const MAX_RETRIES: usize = 3;
const RETRY_TIMEOUT_S: u64 = 60;
const DEFAULT_S3_REGION: &str = "us-east-1";
const GOOGLE_S3_ENDPOINT: &str = "https://storage.googleapis.com";

pub(super) async fn fetch(job: &Job<'_>) -> Result<(), FetchError> {
    let url = job.string("url").ok_or_else(|| FetchError::source("the bucket has no URL"))?;
    let url = bucket_url(url).map_err(|reason| FetchError::Source(format!("the bucket's URL {reason}")))?;
    if url.scheme() == "file" {
        return local::fetch(job, &url).await;
    }
    let store = open(job, &url)?;
    // The path of the URL and the prefix are one prefix of the keys; a store lists whole folders, so that the rest is filtered here.
    let prefix = format!("{}{}", folder(url.path()), job.string("prefix").unwrap_or_default().trim_start_matches('/'));
    let listed_folder = prefix.rsplit_once('/').map(|(folder, _)| Path::from(folder));
    let mut objects = store.list(listed_folder.as_ref());
    let mut count = 0usize;
    while let Some(object) = objects.try_next().await.map_err(|error| FetchError::Source(format!("the bucket cannot be listed: {}", reason(&error))))? {
        let key = object.location.to_string();
        if !key.starts_with(&prefix) || !job.takes_file(&key) || (object.size == 0 && !base_name(&key).contains('.')) {
            continue;
        }
        count += 1;
        if count > job.settings.max_documents {
            return job.failed(url.as_str(), format!("the bucket has more than {} objects; the rest of them is left out", job.settings.max_documents)).await;
        }
        one(job, &store, &url, object, key).await?;
    }
    Ok(())
}

async fn one(job: &Job<'_>, store: &Arc<dyn ObjectStore>, bucket: &Url, object: ObjectMeta, key: String) -> Result<(), FetchError> {
    let url = format!("{}://{}/{key}", bucket.scheme(), bucket.host_str().unwrap_or_default());
    if let Some(message) = not_worth_loading(job, &key, object.size) {
        return job.failed(url, message).await;
    }
    match load(job, store, &object).await {
        Ok(Some(bytes)) => job.send_file(Document { name: base_name(&key).to_owned(), key, url, title_hint: None, media_type: None, bytes }).await,
        Ok(None) => job.failed(url, job.too_large()).await,
        Err(error) => job.failed(url, format!("could not be loaded: {}", reason(&error))).await,
    }
}

/// Why an object is named as failed by its key and size alone.
pub(super) fn not_worth_loading(job: &Job<'_>, key: &str, size_bytes: u64) -> Option<String> {
    if is_hopeless(key) {
        Some("files of this kind hold no text that can be read".to_owned())
    } else {
        (size_bytes > job.settings.max_document_bytes).then(|| job.too_large())
    }
}

/// The object's bytes; `None` when it is larger than the list told and than what is allowed.
async fn load(job: &Job<'_>, store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> object_store::Result<Option<bytes::Bytes>> {
    let mut stream = store.get(&object.location).await?.into_stream();
    let mut bytes = bytes::BytesMut::new();
    while let Some(piece) = stream.try_next().await? {
        if bytes.len() as u64 + piece.len() as u64 > job.settings.max_document_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes.freeze()))
}

fn open(job: &Job<'_>, url: &Url) -> Result<Arc<dyn ObjectStore>, FetchError> {
    let bucket = url.host_str().unwrap_or_default();
    let connector = Connector { client: job.client()? };
    let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: MAX_RETRIES, retry_timeout: Duration::from_secs(RETRY_TIMEOUT_S) };
    let (key_id, secret) = (job.string("accessKeyId"), job.string("secretAccessKey"));
    let endpoint = job.string("endpoint").map(|endpoint| endpoint.trim_end_matches('/').to_owned());
    let refused = |error: object_store::Error| FetchError::Source(format!("the bucket cannot be opened: {}", reason(&error)));
    let plain_http = ClientOptions::new().with_allow_http(true);
    match url.scheme() {
        "az" => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_container_name(bucket)
                .with_account(key_id.unwrap_or_default())
                .with_retry(retry)
                .with_http_connector(connector);
            builder = match secret {
                Some(secret) => builder.with_access_key(secret),
                None => builder.with_skip_signature(true),
            };
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint).with_client_options(plain_http);
            }
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(refused)
        }
        // Google's own keys are a JSON document; its HMAC keys speak S3's protocol.
        "gs" if key_id.is_none() => {
            let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_retry(retry).with_http_connector(connector);
            builder = match secret {
                Some(secret) => builder.with_service_account_key(secret),
                None => builder.with_skip_signature(true),
            };
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(&endpoint).with_client_options(plain_http);
            }
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(refused)
        }
        scheme => {
            let endpoint = endpoint.or_else(|| (scheme == "gs").then(|| GOOGLE_S3_ENDPOINT.to_owned()));
            let region = job.string("region").unwrap_or(DEFAULT_S3_REGION);
            let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_region(region).with_retry(retry).with_http_connector(connector);
            builder = match (key_id, secret) {
                (Some(key_id), Some(secret)) => builder.with_access_key_id(key_id).with_secret_access_key(secret),
                _ => builder.with_skip_signature(true),
            };
            if let Some(token) = job.string("sessionToken") {
                builder = builder.with_token(token);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint).with_client_options(plain_http).with_virtual_hosted_style_request(false);
            }
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(refused)
        }
    }
}

/// A URL's path as the start of keys: no `/` before, one after.
fn folder(path: &str) -> String {
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    }
}

/// What went wrong, without the URLs, keys and XML that the store's own message is made of.
fn reason(error: &object_store::Error) -> &'static str {
    use object_store::Error;
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<crate::egress::EgressError>().is_some() {
            return "its address is in a network that may not be reached from here";
        }
        source = cause.source();
    }
    // A listing's errors come as text alone, with the status in it.
    let text = error.to_string();
    let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)).unwrap_or_default();
    match (error, status) {
        (Error::NotFound { .. }, _) | (_, "404") => "there is none of this name",
        (Error::PermissionDenied { .. }, _) | (_, "403") => "access is denied; check the keys and what they may read",
        (Error::Unauthenticated { .. }, _) | (_, "401") => "the keys are not accepted",
        _ => "the store did not answer as expected; check the URL, the endpoint, the region and the keys",
    }
}

#[derive(Debug, Clone)]
struct Connector {
    client: EgressClient,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
        self.client.check(&url).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        self.client.unchecked().call(request).await
    }
}

#[cfg(test)]
mod tests;
