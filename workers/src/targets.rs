//! Where webhooks may be sent. Checked when a webhook is registered, and again by the egress client on every address really dialled.
//!
//! https only; http to loopback, and nothing else, where the operator allows it for development.

use std::{sync::Arc, time::Duration};

use twig_commands::ids::random_bytes;
use twig_sources::{EgressClient, EgressError, EgressOptions, IpNet, Names, NetworkPolicy};
use url::{Host, Url};

/// The whole of an attempt: a 2xx later than this is a failure.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// The client's own limit, behind that of the attempt, which is the one that decides.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_URL_CHARS: usize = 2048;
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);
/// As many as a lane sends side by side.
const IDLE_CONNECTIONS_PER_HOST: usize = 8;

#[derive(Clone)]
pub struct WebhookTargets {
    allow_http: bool,
    secure: EgressClient,
    /// For http to loopback; absent where it is not allowed.
    plain: Option<EgressClient>,
}

/// What the operator lets webhooks do.
#[derive(Clone, Debug, Default)]
pub struct TargetSettings {
    /// Networks that are not public and may be reached all the same.
    pub allow: Vec<IpNet>,
    /// http to loopback (development).
    pub allow_http: bool,
    /// The HTTP proxy that https goes through.
    pub proxy: Option<Url>,
}

impl WebhookTargets {
    /// # Errors
    /// When TLS or the way to the proxy cannot be set up.
    pub fn new(settings: TargetSettings) -> Result<Self, EgressError> {
        let TargetSettings { allow, allow_http, proxy } = settings;
        let password = || random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let options = EgressOptions {
            user_agent: concat!("Twig-Webhooks/", env!("CARGO_PKG_VERSION")).into(),
            idle_connections: IDLE_CONNECTIONS_PER_HOST,
            proxy: proxy.map(|proxy| (proxy, password())),
            names: Names::default(),
            silence: CLIENT_TIMEOUT,
            total: CLIENT_TIMEOUT,
        };
        let loopback = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|network| network.parse().ok());
        let local = Arc::new(NetworkPolicy::new(allow.iter().copied().chain(loopback).collect()));
        let plain = allow_http.then(|| EgressClient::new(local, EgressOptions { proxy: None, ..options.clone() })).transpose()?;
        let secure = EgressClient::new(Arc::new(NetworkPolicy::new(allow)), options)?;
        Ok(Self { allow_http, secure, plain })
    }

    /// The client for a URL; none where its scheme is not allowed (any more).
    pub(crate) fn client(&self, url: &Url) -> Option<&EgressClient> {
        match url.scheme() {
            "https" => Some(&self.secure),
            "http" if is_loopback(url) => self.plain.as_ref(),
            _ => None,
        }
    }

    /// Whether a URL may be registered, and why not. A name that can't be resolved now may be later: it is checked at every connection.
    ///
    /// # Errors
    /// The reason, for people.
    pub async fn check(&self, text: &str) -> Result<(), String> {
        if text.chars().count() > MAX_URL_CHARS {
            return Err(format!("must have at most {MAX_URL_CHARS} characters"));
        }
        let url = Url::parse(text).map_err(|_| "must be an absolute URL".to_owned())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user name or password; use headers".into());
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http && is_loopback(&url) => return Ok(()),
            "http" if self.allow_http => return Err("must be https; http is allowed to loopback only".into()),
            _ => return Err("must be an https URL".into()),
        }
        self.secure.check_resolved(&url, RESOLVE_TIMEOUT).await.map_err(|error| match error {
            EgressError::Refused { .. } => "its address is private, loopback, link-local or otherwise not on the public internet".to_owned(),
            error => error.to_string(),
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn targets(allow: &[&str], allow_http: bool) -> WebhookTargets {
        let _ = rustls::crypto::ring::default_provider().install_default();
        WebhookTargets::new(TargetSettings { allow: allow.iter().map(|network| network.parse().unwrap()).collect(), allow_http, proxy: None }).unwrap()
    }

    #[tokio::test]
    async fn every_spelling_of_a_private_address_is_refused() {
        let targets = targets(&[], false);
        for url in [
            "http://example.com/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://0.0.0.0/",
            "https://user:secret@example.com/",
            "ftp://example.com/",
            "not a url",
        ] {
            assert!(targets.check(url).await.is_err(), "{url}");
        }
        assert!(targets.check("https://8.8.8.8/hook").await.is_ok());
    }

    #[tokio::test]
    async fn development_allows_http_to_loopback_alone() {
        let targets = targets(&[], true);
        assert!(targets.check("http://127.0.0.1:9/hook").await.is_ok());
        assert!(targets.check("http://localhost:9/hook").await.is_ok());
        assert!(targets.check("http://10.0.0.1/hook").await.is_err());
        assert!(targets.check("http://8.8.8.8/hook").await.is_err());
        assert!(targets.check("https://127.0.0.1/hook").await.is_err());
    }

    #[tokio::test]
    async fn an_allowed_network_may_be_reached() {
        let targets = targets(&["10.0.0.0/8"], false);
        assert!(targets.check("https://10.1.2.3/").await.is_ok());
        assert!(targets.check("https://192.168.1.1/").await.is_err());
    }
}
