//! Requests through an operator's HTTP proxy, with the address checks kept: a proxy that resolved names itself would resolve them out of our sight.
//!
//! The HTTP client speaks to a relay of this process on loopback, which resolves the name, checks its addresses, and asks the proxy for a tunnel
//! (`CONNECT`, RFC 9110 §9.3.6) to a checked **address**. TLS goes end to end through it, so the certificate is still checked against the name. Only who has
//! the relay's password gets through it, and that stays in this process.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use url::{Host, Url};

use super::resolve::{CheckedResolver, ResolveError};

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 8 << 10;
const MAX_TUNNELS: usize = 1024;
const RETRY_ACCEPT_AFTER: Duration = Duration::from_millis(100);

/// The way to the operator's proxy.
struct Relay {
    resolver: CheckedResolver,
    /// `host:port` of the proxy.
    proxy: String,
    /// What the proxy asks for, where its URL has a user.
    credentials: Option<String>,
    password: String,
}

/// Starts the relay; what the HTTP client has to use as its proxy. It ends with the runtime.
pub(super) fn start(resolver: CheckedResolver, proxy: &Url, password: String) -> io::Result<reqwest::Proxy> {
    let host = proxy.host_str().unwrap_or_default();
    let user = (!proxy.username().is_empty()).then(|| basic(&decoded(proxy.username()), &decoded(proxy.password().unwrap_or_default())));
    let relay =
        Relay { resolver, proxy: format!("{host}:{}", proxy.port_or_known_default().unwrap_or(80)), credentials: user, password: basic("twig", &password) };
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(TcpListener::from_std(listener)?, Arc::new(relay)));
    let proxy = reqwest::Proxy::all(format!("http://{address}")).map_err(io::Error::other)?;
    Ok(proxy.basic_auth("twig", &password))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Percent-encoded, as a URL has a user and a password.
fn decoded(text: &str) -> String {
    let query = text.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

async fn accept(listener: TcpListener, relay: Arc<Relay>) {
    let tunnels = Arc::new(Semaphore::new(MAX_TUNNELS));
    while let Ok(permit) = tunnels.clone().acquire_owned().await {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY_ACCEPT_AFTER).await;
            continue;
        };
        let relay = relay.clone();
        tokio::spawn(async move {
            // A broken tunnel shows at both of its ends.
            let _ = relay.tunnel(client).await;
            drop(permit);
        });
    }
}

impl Relay {
    async fn tunnel(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let head = timeout(HEAD_TIMEOUT, head(&mut client)).await??;
        let status = match self.target(&head).await {
            Ok(target) => match timeout(HEAD_TIMEOUT, self.connect(target)).await {
                Ok(Ok(mut proxy)) => {
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                    return copy_bidirectional(&mut client, &mut proxy).await.map(drop);
                }
                _ => "502 Bad Gateway",
            },
            Err(status) => status,
        };
        client.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    /// The checked address that a tunnel is asked to, or the status that refuses it.
    async fn target(&self, head: &str) -> Result<SocketAddr, &'static str> {
        let mut lines = head.lines();
        let authorized = lines
            .clone()
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == self.password);
        if !authorized {
            return Err("407 Proxy Authentication Required");
        }
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some("CONNECT"), Some(authority)) = (words.next(), words.next()) else { return Err("405 Method Not Allowed") };
        let url = Url::parse(&format!("https://{authority}")).map_err(|_| "400 Bad Request")?;
        let port = url.port_or_known_default().unwrap_or(443);
        let permitted = |ip: IpAddr| self.resolver.policy.permits(ip).then_some(ip).ok_or("403 Forbidden");
        let ip = match url.host().ok_or("400 Bad Request")? {
            Host::Ipv4(ip) => permitted(ip.into())?,
            Host::Ipv6(ip) => permitted(ip.into())?,
            Host::Domain(name) => match self.resolver.permitted(name).await {
                Ok(addresses) => *addresses.first().ok_or("502 Bad Gateway")?,
                Err(ResolveError::Refused) => return Err("403 Forbidden"),
                Err(ResolveError::Unknown) => return Err("502 Bad Gateway"),
            },
        };
        Ok(SocketAddr::new(ip, port))
    }

    async fn connect(&self, target: SocketAddr) -> io::Result<TcpStream> {
        let mut proxy = TcpStream::connect(&self.proxy).await?;
        proxy.set_nodelay(true)?;
        let credentials = self.credentials.as_ref().map_or_else(String::new, |credentials| format!("Proxy-Authorization: {credentials}\r\n"));
        proxy.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n").as_bytes()).await?;
        let answer = head(&mut proxy).await?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if status.starts_with('2') { Ok(proxy) } else { Err(io::Error::other(format!("the proxy answers {status}"))) }
    }
}

/// A request's or an answer's head, with nothing of what comes after it.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(256);
    while !bytes.ends_with(b"\r\n\r\n") {
        if bytes.len() >= MAX_HEAD_BYTES {
            return Err(io::Error::other("the head is too long"));
        }
        bytes.push(stream.read_u8().await?);
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}
