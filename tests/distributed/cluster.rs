//! The real binary in roles: several processes over one PostgreSQL, one Kafka and one ClickHouse, with a load balancer before the API's nodes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::blocking::{RequestBuilder, Response};
use twig_test_servers::{Servers, clickhouse_url, kafka_brokers, postgres_url};
use twig_tests::{Api, Server};

use crate::node::Node;

/// How often a node is asked whether it is ready, as load balancers do.
const PROBE_EVERY: Duration = Duration::from_millis(100);
const PROBE_WITHIN: Duration = Duration::from_secs(1);
/// Time for the load balancer to see that a node stops.
const DRAIN_S: u64 = 1;

/// Where the shared stores are.
pub struct Stores {
    pub postgres: String,
    pub brokers: String,
    pub clickhouse: String,
}

impl Stores {
    /// Databases and a topic of a test's own, on the servers that all tests share.
    pub fn shared() -> Option<Self> {
        Some(Self { postgres: postgres_url()?, brokers: kafka_brokers()?, clickhouse: clickhouse_url()? })
    }

    pub fn of(servers: &Servers) -> Self {
        Self { postgres: servers.postgres_url(), brokers: servers.kafka_brokers(), clickhouse: servers.clickhouse_url() }
    }

    /// What `twig.toml` says of them.
    pub fn settings(&self, topic: &str) -> String {
        let Self { postgres, brokers, clickhouse } = self;
        format!(
            "events_url = {postgres:?}\nviews_url = {postgres:?}\nkafka_brokers = {brokers:?}\nkafka_topic = {topic:?}\nclickhouse_url = {clickhouse:?}\n\
             embeddings = \"static\"\nwebhook_allow_http = true\nwebhook_lease_s = 30\ndrain_s = {DRAIN_S}\n"
        )
    }
}

pub struct Cluster {
    /// The same stores, seen from the test's own process.
    pub node: Node,
    pub api: Api,
    pub balancer: Balancer,
    processes: BTreeMap<String, Server>,
}

impl Cluster {
    /// Names begin with the role, such as `api-1`. All are begun at once. `more` are further settings.
    pub fn start(stores: &Stores, names: &[&str], more: &str) -> Self {
        let (folder, topic) = (tempfile::tempdir().unwrap(), twig_test_servers::unique("twig.events"));
        std::fs::write(folder.path().join("twig.toml"), stores.settings(&topic) + more).unwrap();
        let started = std::thread::scope(|scope| {
            let start = |name: &str| Server::start(folder.path(), &["--role", name.split('-').next().unwrap()]);
            let starting: Vec<_> = names.iter().map(|name| ((*name).to_owned(), scope.spawn(move || start(name)))).collect();
            starting.into_iter().map(|(name, process)| (name, process.join().unwrap())).collect::<BTreeMap<_, _>>()
        });
        let api = started["api-1"].organization("distributed");
        let node = Node::beside(folder, stores, &topic);
        let cluster = Self { node, balancer: Balancer::start(&api), api, processes: started };
        cluster.tell_urls();
        cluster
    }

    pub fn process(&self, name: &str) -> &Server {
        &self.processes[name]
    }

    /// Every process's name.
    pub fn names(&self) -> Vec<String> {
        self.processes.keys().cloned().collect()
    }

    pub fn kill(&mut self, name: &str) {
        self.processes.get_mut(name).unwrap().kill();
    }

    pub fn restart(&mut self, name: &str) {
        self.processes.get_mut(name).unwrap().restart();
        self.tell_urls();
    }

    /// SIGTERM, to its end, and begun again.
    pub fn restart_gracefully(&mut self, name: &str) {
        assert_eq!(self.processes.get_mut(name).unwrap().stop(), 0);
        self.restart(name);
    }

    pub fn signal(&self, name: &str, signal: nix::sys::signal::Signal) {
        let process = i32::try_from(self.process(name).process_id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), signal).unwrap();
    }

    fn tell_urls(&self) {
        let apis = self.processes.iter().filter(|(name, _)| name.starts_with("api")).map(|(_, process)| process.url.clone());
        self.balancer.balance(apis.collect());
    }
}

/// What stands before the API's nodes: it leaves out a node that says it is not ready, and goes on to the next where nobody listens. It repeats nothing that a
/// node may have taken.
#[derive(Clone)]
pub struct Balancer {
    nodes: Arc<Mutex<Vec<(String, bool)>>>,
    ended: Arc<AtomicBool>,
    pub api: Api,
}

impl Balancer {
    fn start(api: &Api) -> Self {
        let balancer = Self { nodes: Arc::default(), ended: Arc::default(), api: api.clone() };
        let probing = balancer.clone();
        std::thread::spawn(move || {
            while !probing.ended.load(Ordering::SeqCst) {
                probing.probe();
                std::thread::sleep(PROBE_EVERY);
            }
        });
        balancer
    }

    fn balance(&self, urls: Vec<String>) {
        *self.nodes.lock().unwrap() = urls.into_iter().map(|url| (url, true)).collect();
    }

    fn probe(&self) {
        let urls: Vec<String> = self.nodes.lock().unwrap().iter().map(|(url, _)| url.clone()).collect();
        for asked in urls {
            let answer = self.api.http.get(format!("{asked}/readyz")).timeout(PROBE_WITHIN).send();
            let says = answer.is_ok_and(|answer| answer.status() == 200);
            for (_, ready) in self.nodes.lock().unwrap().iter_mut().filter(|(url, _)| *url == asked) {
                *ready = says;
            }
        }
    }

    /// Those that are ready; where none is, all.
    fn ready(&self) -> Vec<String> {
        let nodes = self.nodes.lock().unwrap();
        let ready: Vec<String> = nodes.iter().filter(|(_, ready)| *ready).map(|(url, _)| url.clone()).collect();
        if ready.is_empty() { nodes.iter().map(|(url, _)| url.clone()).collect() } else { ready }
    }

    /// One request, to one node after the other from the `first` on while nobody listens there.
    pub fn send(&self, first: usize, request: impl Fn(&str) -> RequestBuilder) -> reqwest::Result<Response> {
        let nodes = self.ready();
        let mut refused = None;
        for turn in 0..nodes.len() {
            match request(&nodes[(first + turn) % nodes.len()]).bearer_auth(&self.api.key).send() {
                Err(error) if error.is_connect() => refused = Some(Err(error)),
                answer => return answer,
            }
        }
        refused.expect("there is a node")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.balancer.ended.store(true, Ordering::SeqCst);
    }
}
