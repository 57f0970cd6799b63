//! The one HTTP client for anything outward (sources, buckets, webhooks). The invariant: no connection is opened to an address that the network policy refuses. Names are checked inside
//! the resolver, on the addresses really dialled, so that there is no gap for DNS rebinding; literal addresses, which a resolver never sees, are checked before each request. Redirects are
//! off: who follows one comes back through here.

mod policy;
mod proxy;
mod resolve;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{Method, StatusCode, header::HeaderMap};
use url::{Host, Url};

pub use policy::NetworkPolicy;
pub use resolve::Names;
use resolve::{CheckedResolver, ResolveError};

const CONNECT_TIMEOUT_S: u64 = 10;

/// Who we say we are, how long we wait, and by which way we go.
#[derive(Debug, Clone)]
pub struct EgressOptions {
    pub user_agent: String,
    /// Connections kept open to a host for the next requests.
    pub idle_connections: usize,
    /// The operator's HTTP proxy, and the password of the way to it: random, and this process's own.
    pub proxy: Option<(Url, String)>,
    pub names: Names,
    /// The wait for the head of an answer, and for each further piece of its body.
    pub silence: Duration,
    /// The wait for an answer as a whole.
    pub total: Duration,
}

/// Why a request brought no answer. The text is for people and tells nothing about this side's network.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("the address of {host} is in a network that may not be reached from here")]
    Refused { host: String },
    #[error("only http and https URLs can be fetched")]
    Scheme,
    #[error("the name {host} could not be resolved")]
    Name { host: String },
    #[error("no connection to {host} could be made")]
    Connect { host: String },
    #[error("{host} did not answer in time")]
    Timeout { host: String },
    #[error("larger than {}", crate::text::mebibytes(*limit_bytes))]
    TooLarge { limit_bytes: u64 },
    #[error("the answer of {host} broke off or could not be understood")]
    Broken { host: String },
    #[error("{host} redirects in circles or too often")]
    Redirects { host: String },
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
    #[error("the way to the proxy could not be set up")]
    Proxy(#[source] std::io::Error),
}

#[derive(Debug, Clone)]
pub struct EgressClient {
    http: reqwest::Client,
    resolver: CheckedResolver,
    options: EgressOptions,
}

/// The head of an answer; the body is still to be read.
#[derive(Debug)]
pub struct Reply {
    response: reqwest::Response,
    host: String,
    options: EgressOptions,
}

impl EgressClient {
    /// # Errors
    /// When TLS or the way to the proxy cannot be set up. The process must have installed a rustls provider; a proxy needs a runtime.
    pub fn new(policy: Arc<NetworkPolicy>, options: EgressOptions) -> Result<Self, EgressError> {
        let resolver = CheckedResolver { policy, names: options.names.clone() };
        #[expect(clippy::disallowed_methods, reason = "this is the one client of the rule")]
        let http = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .dns_resolver(Arc::new(resolver.clone()))
            .redirect(reqwest::redirect::Policy::none())
            // A proxy of the environment would resolve names out of our sight.
            .no_proxy()
            .referer(false)
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_S))
            .read_timeout(options.silence)
            .timeout(options.total)
            .pool_max_idle_per_host(options.idle_connections);
        let http = match &options.proxy {
            Some((proxy, password)) => http.proxy(proxy::start(resolver.clone(), proxy, password.clone()).map_err(EgressError::Proxy)?),
            None => http,
        };
        Ok(Self { http: http.build().map_err(EgressError::Setup)?, resolver, options })
    }

    /// Whether everything that a URL's host resolves to now may be dialled. A name that can't be resolved now may be later: it is checked at every connection.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn check_resolved(&self, url: &Url, within: Duration) -> Result<(), EgressError> {
        self.check(url)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let found: Vec<IpAddr> = tokio::time::timeout(within, self.resolver.all(name)).await.ok().and_then(Result::ok).unwrap_or_default();
        if found.iter().all(|ip| self.resolver.policy.permits(*ip)) { Ok(()) } else { Err(EgressError::Refused { host: host_of(url) }) }
    }

    /// Whether `url` may be requested as far as can be told without resolving its name.
    ///
    /// # Errors
    /// [`EgressError::Scheme`] or [`EgressError::Refused`].
    pub fn check(&self, url: &Url) -> Result<(), EgressError> {
        check_url(&self.resolver.policy, url)
    }

    /// A request to be completed by the caller (headers, body); its literal address has been checked.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn request(&self, method: Method, url: &Url) -> Result<reqwest::RequestBuilder, EgressError> {
        self.check(url)?;
        Ok(self.http.request(method, url.clone()))
    }

    /// Sends what [`Self::request`] began and waits for the head of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, url: &Url, request: reqwest::RequestBuilder) -> Result<Reply, EgressError> {
        let host = host_of(url);
        match tokio::time::timeout(self.options.silence, request.send()).await {
            Ok(Ok(response)) => Ok(Reply { response, host, options: self.options.clone() }),
            Ok(Err(error)) => Err(sort(&error, host)),
            Err(_) => Err(EgressError::Timeout { host }),
        }
    }

    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, url: &Url) -> Result<Reply, EgressError> {
        self.send(url, self.request(Method::GET, url)?).await
    }

    /// The client for the object stores' own requests; they call [`Self::check`] before each.
    pub(crate) fn unchecked(&self) -> &reqwest::Client {
        &self.http
    }
}

impl Reply {
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header as text, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The first `limit_bytes` of the body, as far as they come; the rest is never read.
    pub async fn beginning(mut self, limit_bytes: usize) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < limit_bytes
            && let Ok(Ok(Some(piece))) = tokio::time::timeout(self.options.silence, self.response.chunk()).await
        {
            body.extend_from_slice(&piece);
        }
        body.truncate(limit_bytes);
        body.freeze()
    }

    /// The body, decompressed, of at most `limit_bytes`.
    ///
    /// # Errors
    /// [`EgressError::TooLarge`] without having held more than the limit; or when the answer breaks off.
    pub async fn bytes(mut self, limit_bytes: u64) -> Result<Bytes, EgressError> {
        if self.response.content_length().is_some_and(|length| length > limit_bytes) {
            return Err(EgressError::TooLarge { limit_bytes });
        }
        let mut body = BytesMut::new();
        loop {
            let piece = match tokio::time::timeout(self.options.silence, self.response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Ok(body.freeze()),
                Ok(Err(error)) => return Err(sort(&error, self.host)),
                Err(_) => return Err(EgressError::Timeout { host: self.host }),
            };
            if body.len() as u64 + piece.len() as u64 > limit_bytes {
                return Err(EgressError::TooLarge { limit_bytes });
            }
            body.extend_from_slice(&piece);
        }
    }
}

/// The checks that need no name resolution: scheme, and a literal address's network.
pub(crate) fn check_url(policy: &NetworkPolicy, url: &Url) -> Result<(), EgressError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EgressError::Scheme);
    }
    let permitted = match url.host() {
        Some(Host::Ipv4(ip)) => policy.permits(ip.into()),
        Some(Host::Ipv6(ip)) => policy.permits(ip.into()),
        Some(Host::Domain(_)) => true,
        None => return Err(EgressError::Scheme),
    };
    if permitted { Ok(()) } else { Err(EgressError::Refused { host: host_of(url) }) }
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn sort(error: &reqwest::Error, host: String) -> EgressError {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<ResolveError>() {
            Some(ResolveError::Refused) => return EgressError::Refused { host },
            Some(ResolveError::Unknown) => return EgressError::Name { host },
            None => source = cause.source(),
        }
    }
    if error.is_timeout() {
        EgressError::Timeout { host }
    } else if error.is_connect() {
        EgressError::Connect { host }
    } else {
        EgressError::Broken { host }
    }
}
