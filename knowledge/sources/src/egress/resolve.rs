//! From a name to the addresses that may be dialled. Every connection goes through here or is to a literal address, so that what was checked is what is dialled.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns;

use super::NetworkPolicy;

type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

/// How names are looked up: by the system, unless a test has answers of its own.
#[derive(Clone)]
pub struct Names(Arc<LookUp>);

impl Names {
    pub fn new(look_up: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look_up))
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) }))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Names")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("an address of the name is refused")]
    Refused,
    #[error("the name has no address")]
    Unknown,
}

#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    pub policy: Arc<NetworkPolicy>,
    pub names: Names,
}

impl CheckedResolver {
    /// The addresses of a name that may be dialled; never none.
    pub(super) async fn permitted(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = self.all(name).await?;
        let permitted: Vec<IpAddr> = found.into_iter().filter(|ip| self.policy.permits(*ip)).collect();
        if permitted.is_empty() { Err(ResolveError::Refused) } else { Ok(permitted) }
    }

    pub(super) async fn all(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = (self.names.0)(name.to_owned()).await.map_err(|_| ResolveError::Unknown)?;
        if found.is_empty() { Err(ResolveError::Unknown) } else { Ok(found) }
    }
}

impl dns::Resolve for CheckedResolver {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let permitted = resolver.permitted(name.as_str()).await?;
            Ok(Box::new(permitted.into_iter().map(|ip| SocketAddr::new(ip, 0))) as dns::Addrs)
        })
    }
}
