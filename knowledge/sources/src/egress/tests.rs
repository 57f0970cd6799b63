//! Against real listeners: what is refused is never dialled, and what answers without end is bounded.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::*;

const TEN_GIB: u64 = 10 << 30;

/// A server on loopback; each connection's request head is read, then `answer` has the connection.
struct Listening {
    port: u16,
    connections: Arc<AtomicUsize>,
}

fn listen(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listening = Listening { port: listener.local_addr().unwrap().port(), connections: Arc::default() };
    let (connections, answer) = (listening.connections.clone(), Arc::new(answer));
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            connections.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                answer(connection);
            });
        }
    });
    listening
}

fn client(allow: &[&str], names: Names, limit: Duration) -> EgressClient {
    by_way_of(None, allow, names, limit)
}

fn by_way_of(proxy: Option<(Url, String)>, allow: &[&str], names: Names, limit: Duration) -> EgressClient {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = NetworkPolicy::new(allow.iter().map(|network| network.parse().unwrap()).collect());
    let options = EgressOptions { user_agent: "tests".into(), idle_connections: 1, proxy, names, silence: limit, total: limit };
    EgressClient::new(Arc::new(policy), options).unwrap()
}

/// A name whose answer changes: the first is public, every later one is `then`.
fn rebinding(then: &'static str) -> Names {
    let asked = AtomicUsize::new(0);
    Names::new(move |_| {
        let answer = if asked.fetch_add(1, Ordering::SeqCst) == 0 { "93.184.215.14" } else { then };
        Box::pin(async move { Ok(vec![answer.parse::<IpAddr>().unwrap()]) })
    })
}

#[tokio::test]
async fn a_name_that_is_rebound_after_its_check_is_refused_at_the_connection() {
    let inside = listen(|mut connection| drop(connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")));
    for private in ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1"] {
        let client = client(&[], rebinding(private), Duration::from_secs(5));
        let url = Url::parse(&format!("http://rebound.example:{}/", inside.port)).unwrap();
        client.check_resolved(&url, Duration::from_secs(1)).await.unwrap();
        assert!(matches!(client.get(&url).await, Err(EgressError::Refused { .. })), "{private}");
    }
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_with_one_private_address_is_refused_at_its_check_and_never_dialled_there() {
    let inside = listen(|_| {});
    let names = || Names::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()]) }));
    let url = Url::parse(&format!("http://both.example:{}/", inside.port)).unwrap();
    let client = client(&["10.0.0.0/8"], names(), Duration::from_millis(300));
    assert!(matches!(client.check_resolved(&url, Duration::from_secs(1)).await, Err(EgressError::Refused { .. })));
    assert!(client.get(&url).await.is_err());
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inside = listen(|_| {});
    let to = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n", inside.port);
    let outside = listen(move |mut connection| drop(connection.write_all(to.as_bytes())));
    let client = client(&["127.0.0.0/8"], Names::default(), Duration::from_secs(5));
    let reply = client.get(&Url::parse(&format!("http://127.0.0.1:{}/", outside.port)).unwrap()).await.unwrap();
    assert_eq!(reply.status(), 302);
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_ten_gibibytes_the_beginning_is_read_and_the_connection_closed() {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let endless = listen(move |mut connection| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TEN_GIB}\r\n\r\n");
        let piece = vec![b'x'; 64 << 10];
        let mut written = connection.write_all(head.as_bytes());
        while written.is_ok() && counted.load(Ordering::SeqCst) < TEN_GIB {
            written = connection.write_all(&piece);
            counted.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let client = client(&["127.0.0.0/8"], Names::default(), Duration::from_secs(5));
    let url = Url::parse(&format!("http://127.0.0.1:{}/", endless.port)).unwrap();
    assert_eq!(client.get(&url).await.unwrap().beginning(1024).await.len(), 1024);
    assert!(matches!(client.get(&url).await.unwrap().bytes(1 << 20).await, Err(EgressError::TooLarge { .. })));
    // Each ended for the sender too, far below the whole: what is in flight is bounded by the sockets' buffers.
    let end = Instant::now() + Duration::from_secs(10);
    while sent.load(Ordering::SeqCst) % (64 << 10) != 2 {
        assert!(Instant::now() < end, "the sender still writes");
        tokio::task::yield_now().await;
    }
    assert!(sent.load(Ordering::SeqCst) < 64 << 20, "{}", sent.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_answer_that_drips_is_cut_off_in_time() {
    let limit = Duration::from_millis(700);
    let drip = |head: &'static str| {
        listen(move |mut connection| {
            let mut written = connection.write_all(head.as_bytes());
            while written.is_ok() {
                thread::sleep(Duration::from_millis(50));
                written = connection.write_all(b"x");
            }
        })
    };
    let client = client(&["127.0.0.0/8"], Names::default(), limit);
    let url = |listening: &Listening| Url::parse(&format!("http://127.0.0.1:{}/", listening.port)).unwrap();
    let (heads, bodies) = (drip("HTTP/1.1 200 OK\r\nX-Slow: "), drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
    let begun = Instant::now();
    assert!(matches!(client.get(&url(&heads)).await, Err(EgressError::Timeout { .. })));
    assert!(matches!(client.get(&url(&bodies)).await.unwrap().bytes(1 << 20).await, Err(EgressError::Timeout { .. })));
    assert!(client.get(&url(&bodies)).await.unwrap().beginning(1024).await.len() < 1024);
    assert!(begun.elapsed() < limit * 5, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_proxy_hears_of_no_refused_address() {
    let proxy = listen(|_| {});
    let way = || Some((Url::parse(&format!("http://127.0.0.1:{}/", proxy.port)).unwrap(), "secret".to_owned()));
    for (private, url) in [("10.0.0.1", "https://rebound.example/"), ("127.0.0.1", "https://rebound.example:8443/")] {
        let (client, url) = (by_way_of(way(), &[], rebinding(private), Duration::from_secs(5)), Url::parse(url).unwrap());
        client.check_resolved(&url, Duration::from_secs(1)).await.unwrap();
        assert!(client.get(&url).await.is_err());
    }
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 0);
    let client = by_way_of(way(), &[], Names::new(|_| Box::pin(async { Ok(vec!["93.184.215.14".parse().unwrap()]) })), Duration::from_millis(500));
    assert!(client.get(&Url::parse("https://public.example/").unwrap()).await.is_err());
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 1);
}
