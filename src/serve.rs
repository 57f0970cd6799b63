//! `twig serve`: every role in one process, or some of them.

use std::{
    fs::File,
    io::BufReader,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    App as ActixApp, HttpRequest, HttpResponse, HttpServer,
    dev::{Service, ServiceResponse},
    http::ConnectionType,
    web,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use twig_api::{App, RefusalCounter, limits::RateLimiter};
use twig_commands::{
    database::{Database, DatabaseUrl},
    ids::random_bytes,
};
use twig_projections::{Deliveries, ViewError};
use twig_workers::{WebhookTargets, Workers, deliverer::Deliverer, eraser::Eraser};

use crate::{
    node::{Node, hold},
    settings::{Role, Settings},
};

/// How long streams and batches may take to end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const HTTP_WORKERS: usize = 2;
/// After this no other process holds a destroyed key any more, and what it folded with one is in the views.
const KEYS_FORGOTTEN_AFTER: Duration = twig_commands::vault::CACHED_FOR.saturating_add(Duration::from_secs(5));

/// Serves until SIGTERM or SIGINT. `ready` runs beside it, once it answers.
pub async fn serve<F>(settings: Settings, ready: impl FnOnce(String, Arc<App>) -> F) -> Result<(), String>
where
    F: Future<Output = ()> + 'static,
{
    std::fs::create_dir_all(&settings.data_dir).map_err(|error| format!("the data folder {} can't be made: {error}", settings.data_dir.display()))?;
    let (roles, beside) = (settings.roles()?, settings.beside_log()?);
    let does = |role| roles.contains(&role);
    // A data folder has one process that serves; a database may have many.
    let alone = matches!(beside, DatabaseUrl::Sqlite(_));
    let _lock = if alone { Some(hold(&settings.data_dir)?) } else { None };
    let node = Node::open(&settings)?;
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().ok();
    let limiter = limiter(&settings, &beside)?;
    let (stop, stopping) = watch::channel(false);
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    if alone {
        node.views.release_all_runs().await.map_err(|error| error.to_string())?;
    }
    if does(Role::Projector) && settings.kafka_brokers.is_none() {
        tasks.spawn(node.projector.clone().run(cancel.clone()));
    }
    #[cfg(feature = "kafka")]
    if let Some(kafka) = settings.kafka() {
        if does(Role::Projector) {
            tasks.spawn(node.projector.clone().run_from_kafka(kafka.clone(), cancel.clone()));
        }
        if does(Role::Relay) {
            tasks.spawn(twig_workers::Relay::new(node.log.clone(), node.log.database(), kafka).run(cancel.clone()));
        }
    }
    let knowledge = node.knowledge(&settings)?;
    // Processes of several machines may have the same number.
    let owner = format!("{}-{}", std::process::id(), u64::from_be_bytes(random_bytes()));
    let workers = Workers { bus: node.bus.clone(), views: node.views.clone(), knowledge: knowledge.clone(), clock: node.clock.clone(), owner };
    let deliveries = deliveries(&settings, &node).await.map_err(|error| format!("the webhook deliveries can't be opened: {error}"))?;
    let targets = WebhookTargets::new(settings.webhook_targets()?).map_err(|error| error.to_string())?;
    if does(Role::Projector) {
        tasks.spawn(deliveries.clone().run(workers.owner.clone(), cancel.clone()));
    }
    let deliverer = Deliverer {
        workers: workers.clone(),
        deliveries: deliveries.clone(),
        vault: node.vault.clone(),
        targets: targets.clone(),
        lease_s: settings.webhook_lease_s,
    };
    let notary = node.notary()?;
    let eraser = Eraser {
        workers: workers.clone(),
        log: node.log.clone(),
        vault: node.vault.clone(),
        idempotency: node.idempotency.clone(),
        deliveries: deliveries.clone(),
        data_dir: settings.data_dir.clone(),
        settle: if alone { Duration::ZERO } else { KEYS_FORGOTTEN_AFTER },
        broker: settings.kafka_brokers.is_some(),
    };
    let app = Arc::new(App {
        bus: node.bus.clone(),
        head: node.log.subscribe(),
        log: node.log.clone(),
        alone,
        views: node.views.clone(),
        vault: node.vault.clone(),
        content: node.content.clone(),
        idempotency: node.idempotency.clone(),
        knowledge: knowledge.clone(),
        limiter: limiter.clone(),
        deliveries,
        targets,
        notary: notary.clone(),
        refusals: RefusalCounter::default(),
        used_keys: Mutex::default(),
        clock: node.clock.clone(),
        runtime: tokio::runtime::Handle::current(),
        metrics: recorder,
        stopping,
    });
    let routes = twig_api::configure(app.clone(), does(Role::Api))?;
    let tls = tls(&settings)?;
    let secure = tls.is_some();
    let last_answers = app.stopping.clone();
    let factory = move || {
        let stopping = last_answers.clone();
        let headers = actix_web::middleware::DefaultHeaders::new();
        let headers = if secure { headers.add(("strict-transport-security", "max-age=31536000")) } else { headers };
        ActixApp::new().wrap(headers).wrap_fn(move |request, service| close_when(stopping.clone(), service.call(request))).configure(routes.clone())
    };
    let server = HttpServer::new(factory).workers(HTTP_WORKERS).disable_signals().shutdown_timeout(STOP_WITHIN.as_secs());
    let listen = |error: std::io::Error| format!("{} can't be listened on: {error}", settings.listen);
    let server = match tls {
        Some(tls) => server.bind_rustls_0_23(&settings.listen, tls).map_err(listen)?,
        None => server.bind(&settings.listen).map_err(listen)?,
    };
    let address = server.addrs().first().copied().ok_or("nothing is listened on")?;
    let url = format!("{}://{address}", if secure { "https" } else { "http" });
    let server = server.run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    redirect(&settings, &url)?;
    if does(Role::Ingester) {
        workers.spawn(&tasks, &cancel);
    }
    if does(Role::Api) {
        tasks.spawn(twig_workers::forgetter::run(node.idempotency.clone(), node.clock.clone(), cancel.clone()));
    }
    if does(Role::Deliverer) {
        tasks.spawn(twig_workers::deliverer::run(deliverer, cancel.clone()));
    }
    if does(Role::Ingester) {
        tasks.spawn(twig_workers::notary::run(notary, cancel.clone()));
        tasks.spawn(twig_workers::eraser::run(eraser, cancel.clone()));
        tasks.spawn(twig_workers::replayer::run(workers.clone(), cancel.clone()));
    }
    tasks.spawn(app.clone().record_refusals(cancel.clone()));
    if let Some(sink) = node.clickhouse_sink().filter(|_| does(Role::Projector)) {
        tasks.spawn(sink.run(cancel.clone()));
    }
    println!("listening on {url}");
    tokio::task::LocalSet::new()
        .run_until(async {
            tokio::task::spawn_local(ready(url, app.clone()));
            signal().await;
        })
        .await;
    tracing::info!("stopping");
    let _ = stop.send(true);
    if does(Role::Api) && !alone {
        tokio::time::sleep(Duration::from_secs(settings.drain_s)).await;
    }
    handle.stop(true).await;
    let _ = tokio::time::timeout(STOP_WITHIN, async {
        while knowledge.unfinished_answers() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    cancel.cancel();
    tasks.close();
    let _ = tokio::time::timeout(STOP_WITHIN, tasks.wait()).await;
    if does(Role::Projector) && settings.kafka_brokers.is_none() {
        let _ = tokio::time::timeout(STOP_WITHIN, node.projector.catch_up()).await;
    }
    limiter.flush().await;
    running.abort();
    Ok(())
}

/// While the process is stopping an answer is the last one on its connection: the client's next request finds a process that stays.
async fn close_when<B>(stopping: watch::Receiver<bool>, answered: impl Future<Output = Answered<B>>) -> Answered<B> {
    let mut answer = answered.await?;
    if *stopping.borrow() {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

type Answered<B> = Result<ServiceResponse<B>, actix_web::Error>;

/// Deliveries stand beside the log: they can't be made again from it.
async fn deliveries(settings: &Settings, node: &Node) -> Result<Deliveries, ViewError> {
    let (log, vault, clock) = (node.log.clone(), node.vault.clone(), node.clock.clone());
    match node.log.database() {
        Database::Sqlite(_) => Deliveries::open(&settings.file("webhooks.db"), log, vault, clock).await,
        Database::Postgres(pool) => Deliveries::postgres(pool, log, vault, clock).await,
    }
}

fn limiter(settings: &Settings, beside: &DatabaseUrl) -> Result<RateLimiter, String> {
    let opened = match beside {
        DatabaseUrl::Postgres(url) => RateLimiter::postgres(url).map_err(|error| error.to_string()),
        DatabaseUrl::Sqlite(_) => RateLimiter::open(&settings.file("limits.db")).map_err(|error| error.to_string()),
    };
    opened.map_err(|error| format!("the rate limits can't be opened: {error}"))
}

async fn signal() {
    let term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match term {
        Ok(mut term) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

fn tls(settings: &Settings) -> Result<Option<rustls::ServerConfig>, String> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
    let read = |file: &Path| File::open(file).map(BufReader::new).map_err(|error| format!("{} can't be read: {error}", file.display()));
    let certificates: Vec<CertificateDer> =
        CertificateDer::pem_reader_iter(read(cert)?).collect::<Result<_, _>>().map_err(|_| format!("tls_cert: {} holds no certificate", cert.display()))?;
    let key = PrivateKeyDer::from_pem_reader(read(key)?).map_err(|_| format!("tls_key: {} holds no key", key.display()))?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| format!("tls_cert and tls_key do not fit: {error}"))?;
    Ok(Some(config))
}

/// `http://` on the redirect port answers 301 to `https://`.
fn redirect(settings: &Settings, url: &str) -> Result<(), String> {
    let Some(listen) = &settings.redirect_listen else { return Ok(()) };
    let port = url.rsplit(':').next().unwrap_or("443").to_owned();
    let to = move |http: HttpRequest| {
        let host = http.connection_info().host().rsplit_once(':').map_or_else(|| http.connection_info().host().to_owned(), |(host, _)| host.to_owned());
        let location = format!("https://{host}:{port}{}", http.uri());
        async move { HttpResponse::MovedPermanently().insert_header(("location", location)).finish() }
    };
    let server = HttpServer::new(move || ActixApp::new().default_service(web::to(to.clone()))).workers(1).disable_signals();
    let server = server.bind(listen).map_err(|error| format!("redirect_listen {listen} can't be listened on: {error}"))?;
    println!("redirecting from http://{}", server.addrs().first().map(ToString::to_string).unwrap_or_default());
    tokio::spawn(server.run());
    Ok(())
}
