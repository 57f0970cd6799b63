//! A protocol double of EventStoreDB: it answers the calls of the gRPC protocol that the event log makes, from memory. It is not EventStoreDB, and what passes
//! on it has not been run on EventStoreDB.
//!
//! It is strict where the server is: positions have gaps and a read may only begin where an event does; an append at the wrong revision is refused unless
//! its event ids are those that stand there; events of the server's own stand between the others. Connections can be cut, and answers held back, by tests.
#![expect(clippy::unwrap_used, reason = "tests")]

mod protocol;
mod service;
mod store;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use futures_util::stream;
use tokio::{
    net::{TcpListener as AsyncListener, TcpStream},
    runtime::Runtime,
    sync::watch,
    task::AbortHandle,
};
use tonic::transport::Server;

use service::Streams;
use store::Store;

/// A double on a port of its own, for as long as this lives.
pub struct Double {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    answers: watch::Sender<bool>,
    store: Arc<Mutex<Store>>,
    runtime: Option<Runtime>,
}

impl Double {
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("eventstore-double").enable_all().build().unwrap();
        let (inner, outer) = (listen(), listen());
        let (address, behind) = (outer.local_addr().unwrap(), inner.local_addr().unwrap());
        let (answers, held) = watch::channel(false);
        let (store, connections) = (Arc::<Mutex<Store>>::default(), Arc::<Mutex<Vec<AbortHandle>>>::default());
        runtime.spawn(serve(inner, Streams { store: store.clone(), held }));
        runtime.spawn(relay(outer, behind, connections.clone()));
        Self { address, connections, answers, store, runtime: Some(runtime) }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("esdb://{}?tls=false&discoveryInterval=5", self.address)
    }

    /// Cuts every connection, whatever is under way on it.
    pub fn cut(&self) {
        self.connections.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }

    /// Holds back the answers of appends; what they append stands all the same.
    pub fn hold_answers(&self, hold: bool) {
        self.answers.send_replace(hold);
    }

    /// How many events it holds, its own not counted.
    #[must_use]
    pub fn events(&self) -> usize {
        self.store.lock().unwrap().records.iter().filter(|record| !record.stream.starts_with('$')).count()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

async fn serve(listener: TcpListener, streams: Streams) {
    let listener = AsyncListener::from_std(listener).unwrap();
    let incoming = stream::unfold(listener, async |listener| Some((listener.accept().await.map(|(connection, _)| connection), listener)));
    Server::builder().add_service(streams).serve_with_incoming(Box::pin(incoming)).await.unwrap();
}

/// Stands before the server, so that connections can be cut.
async fn relay(listener: TcpListener, behind: SocketAddr, connections: Arc<Mutex<Vec<AbortHandle>>>) {
    let listener = AsyncListener::from_std(listener).unwrap();
    while let Ok((mut client, _)) = listener.accept().await {
        client.set_nodelay(true).unwrap();
        let relayed = tokio::spawn(async move {
            let mut server = TcpStream::connect(behind).await.unwrap();
            server.set_nodelay(true).unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        connections.lock().unwrap().push(relayed.abort_handle());
    }
}
