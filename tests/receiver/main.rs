//! A receiver of webhooks, as a process of its own: an endpoint a port, each good or bad in its own way, and a port that tells what came.
//!
//! `receiver NAME=MANNER…` prints `NAME URL` a line, then `control URL`. `GET /seen` of the control port has every message of every endpoint,
//! `GET /counts` how many different ones, `POST /open/NAME` brings a down endpoint up. It ends with its standard input.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod endpoint;
mod http;

use std::{
    collections::BTreeMap,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use endpoint::{Endpoint, Manner};

const BACKLOG: i32 = 256;

fn main() {
    let mut endpoints = BTreeMap::new();
    for argument in std::env::args().skip(1) {
        let (name, manner) = argument.split_once('=').unwrap();
        let manner: Manner = manner.parse().unwrap();
        // A port that is bound and not listened on refuses connections, and nobody else can take it.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        println!("{name} {}://127.0.0.1:{port}/hook", if manner == Manner::Secure { "https" } else { "http" });
        let endpoint = Arc::new(Endpoint::new(manner.clone()));
        if manner != Manner::Down {
            open(&socket, &endpoint);
        }
        endpoints.insert(name.to_owned(), (socket, endpoint));
    }
    let control = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("control http://{}", control.local_addr().unwrap());
    let endpoints = Arc::new(endpoints);
    thread::spawn(move || {
        for connection in control.incoming().flatten() {
            let endpoints = endpoints.clone();
            thread::spawn(move || answer(connection, &endpoints));
        }
    });
    let _ = std::io::stdin().read(&mut [0]);
}

fn open(socket: &Socket, endpoint: &Arc<Endpoint>) {
    socket.listen(BACKLOG).unwrap();
    let listener: TcpListener = socket.try_clone().unwrap().into();
    let endpoint = endpoint.clone();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let endpoint = endpoint.clone();
            // A sender that goes away is no fault of ours.
            thread::spawn(move || endpoint.serve(connection));
        }
    });
}

fn answer(mut connection: TcpStream, endpoints: &BTreeMap<String, (Socket, Arc<Endpoint>)>) -> Option<()> {
    while let Some(request) = http::read(&mut connection) {
        let each = |of: &dyn Fn(&Endpoint) -> Value| endpoints.iter().map(|(name, (_, endpoint))| (name.clone(), of(endpoint))).collect::<Value>();
        let body = match request.path.as_str() {
            "/seen" => each(&Endpoint::seen),
            "/counts" => each(&|endpoint| endpoint.different().into()),
            path => {
                let (socket, endpoint) = &endpoints[path.strip_prefix("/open/")?];
                endpoint.mend();
                open(socket, endpoint);
                json!({})
            }
        };
        http::write(&mut connection, "200 OK", "", body.to_string().as_bytes())?;
    }
    None
}
