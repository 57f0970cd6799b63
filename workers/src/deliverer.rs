//! The deliverer: claims what is due by lease, signs and sends it, and records the attempt.
//!
//! Every endpoint has a lane of its own, so that a slow or dead one delays nobody else; what is in flight is bounded per endpoint, per organization and in
//! all. History that is sent again goes out one message after the other, in the order of its sequence.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use twig_commands::{bus::CommandContext, clock::Clock, ids::random_bytes, vault::Vault};
use twig_domain::{
    Timestamp,
    id::OrgId,
    webhook::{Webhook, WebhookCommand},
};
use twig_projections::{AttemptResult, Deliveries, DueDelivery, Next, message_body};
use url::Url;

use crate::{
    Workers, meta,
    targets::{ATTEMPT_TIMEOUT, WebhookTargets},
};

const MAX_IN_FLIGHT: usize = 256;
const MAX_IN_FLIGHT_PER_ORGANIZATION: usize = 128;
const MAX_IN_FLIGHT_PER_ENDPOINT: usize = 8;
const CLAIM_BATCH: u32 = 64;
/// Longer than all attempts of a claim can take: nobody else sends them meanwhile.
const LEASE_S: i64 = 8 * 15 + 60;
const _: () = assert!(LEASE_S as u64 > (CLAIM_BATCH as u64).div_ceil(MAX_IN_FLIGHT_PER_ENDPOINT as u64) * ATTEMPT_TIMEOUT.as_secs() + 30);
const MAX_RESPONSE_BYTES: usize = 1024;
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
const AGE_OUT_EVERY: Duration = Duration::from_secs(3600);
/// Rendered messages that are kept for their other endpoints, and for how long: what is erased must not linger.
const MAX_RENDERED: u64 = 256;
const KEEP_RENDERED: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Deliverer {
    pub workers: Workers,
    pub deliveries: Deliveries,
    pub vault: Vault,
    pub targets: WebhookTargets,
}

struct Sending {
    deliverer: Deliverer,
    in_flight: Semaphore,
    by_organization: std::sync::Mutex<HashMap<OrgId, Arc<Semaphore>>>,
    rendered: moka::future::Cache<u64, Value>,
    cancel: CancellationToken,
}

pub async fn run(deliverer: Deliverer, cancel: CancellationToken) {
    let mut changes = deliverer.deliveries.due_changes();
    let sending = Arc::new(Sending {
        in_flight: Semaphore::new(MAX_IN_FLIGHT),
        by_organization: std::sync::Mutex::default(),
        rendered: moka::future::Cache::builder().max_capacity(MAX_RENDERED).time_to_live(KEEP_RENDERED).build(),
        cancel: cancel.clone(),
        deliverer,
    });
    let (mut lanes, mut busy) = (JoinSet::<String>::new(), HashSet::new());
    let mut aged_out: Option<Instant> = None;
    while !cancel.is_cancelled() {
        let (deliveries, clock) = (&sending.deliverer.deliveries, &sending.deliverer.workers.clock);
        let now = clock.now();
        let mut wait = LOOK_AT_LEAST_EVERY;
        changes.mark_unchanged();
        match deliveries.due(now).await {
            Ok((ready, later)) => {
                for (webhook, organization) in ready {
                    if busy.insert(webhook.clone()) {
                        lanes.spawn(lane(sending.clone(), webhook, organization));
                    }
                }
                if let Some(later) = later {
                    wait = wait.min(Duration::from_millis((later.millis() - now.millis()).max(1) as u64));
                }
            }
            Err(error) => tracing::error!(%error, "due webhook deliveries could not be read"),
        }
        standing(deliveries, clock).await;
        if aged_out.is_none_or(|last| last.elapsed() > AGE_OUT_EVERY) {
            aged_out = Some(Instant::now());
            if let Err(error) = deliveries.age_out(now).await {
                tracing::error!(%error, "old webhook deliveries could not be dropped");
            }
        }
        tokio::select! {
            _ = changes.changed() => {}
            Some(ended) = lanes.join_next() => {
                if let Ok(webhook) = ended {
                    busy.remove(&webhook);
                }
            }
            () = tokio::time::sleep(wait) => {}
            () = cancel.cancelled() => {}
        }
    }
    while lanes.join_next().await.is_some() {}
}

async fn standing(deliveries: &Deliveries, clock: &Clock) {
    let now = clock.now();
    if let Ok((due, in_flight, oldest)) = deliveries.standing(now).await {
        metrics::gauge!("twig_webhook_due").set(due as f64);
        metrics::gauge!("twig_webhook_in_flight").set(in_flight as f64);
        metrics::gauge!("twig_webhook_oldest_due_seconds").set(oldest.map_or(0.0, |at| (now.millis() - at).max(0) as f64 / 1000.0));
    }
}

/// Sends what is due to one endpoint until nothing is.
async fn lane(sending: Arc<Sending>, webhook: String, organization: OrgId) -> String {
    let share = {
        let mut all = sending.by_organization.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.entry(organization).or_insert_with(|| Arc::new(Semaphore::new(MAX_IN_FLIGHT_PER_ORGANIZATION))).clone()
    };
    loop {
        if sending.cancel.is_cancelled() {
            return webhook;
        }
        let now = sending.deliverer.workers.clock.now();
        let due = match sending.deliverer.deliveries.claim(webhook.clone(), now, LEASE_S, CLAIM_BATCH).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, webhook, "webhook deliveries could not be claimed");
                return webhook;
            }
        };
        if due.is_empty() {
            return webhook;
        }
        let at_once = if due.iter().any(|delivery| delivery.replayed) { 1 } else { MAX_IN_FLIGHT_PER_ENDPOINT };
        let done = stream::iter(due)
            .map(|delivery| {
                let (sending, share) = (sending.clone(), share.clone());
                async move {
                    let permits = (share.acquire().await, sending.in_flight.acquire().await);
                    if sending.cancel.is_cancelled() {
                        let _ = sending.deliverer.deliveries.release(vec![delivery.id.clone()]).await;
                        return false;
                    }
                    let disabled = attempt(&sending, &delivery).await;
                    drop(permits);
                    disabled
                }
            })
            .buffer_unordered(at_once)
            .fold(false, |disabled, one| async move { disabled || one })
            .await;
        if done {
            return webhook;
        }
    }
}

/// One attempt, recorded; whether it disabled the endpoint.
async fn attempt(sending: &Sending, delivery: &DueDelivery) -> bool {
    let Deliverer { workers, deliveries, .. } = &sending.deliverer;
    let result = send(sending, delivery).await;
    let outcome = match (&result.error, result.status) {
        (None, Some(200..300)) => "succeeded",
        (None, _) => "refused",
        (Some(_), _) => "error",
    };
    metrics::counter!("twig_webhook_attempts_total", "outcome" => outcome).increment(1);
    if delivery.attempts == 0 && !delivery.replayed {
        let waited = (result.at.millis() - delivery.created_at.millis()).max(0) as f64 / 1000.0;
        metrics::histogram!("twig_webhook_first_attempt_seconds").record(waited);
    }
    let next = deliveries.record(delivery, result).await.unwrap_or_else(|error| {
        tracing::error!(%error, delivery = delivery.id, "an attempt could not be recorded; it will be made again when its lease ends");
        Next::Failed
    });
    let Next::Disable(reason) = next else { return false };
    let context = CommandContext::of(meta(delivery.organization, "deliverer", &delivery.id));
    if let Err(error) = workers.bus.execute::<Webhook>(&delivery.webhook, vec![WebhookCommand::DisableWebhook { reason }], context).await {
        tracing::error!(%error, webhook = delivery.webhook, "a webhook could not be disabled");
    }
    true
}

async fn send(sending: &Sending, delivery: &DueDelivery) -> AttemptResult {
    let (at, begun) = (sending.deliverer.workers.clock.now(), Instant::now());
    let jitter = f64::from(i32::from_be_bytes(random_bytes::<4>())) / f64::from(i32::MAX);
    let sent = tokio::time::timeout(ATTEMPT_TIMEOUT, exchange(sending, delivery, at, begun)).await;
    let latency_ms = begun.elapsed().as_millis() as u64;
    let result = AttemptResult { at, status: None, latency_ms, response: None, error: None, retry_after_s: None, jitter };
    match sent {
        Ok(Ok(answer)) => AttemptResult { status: Some(answer.status), response: Some(answer.response), retry_after_s: answer.retry_after_s, ..result },
        Ok(Err(error)) => AttemptResult { error: Some(error), ..result },
        Err(_) => AttemptResult { error: Some(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())), ..result },
    }
}

struct Answered {
    status: u16,
    response: String,
    retry_after_s: Option<i64>,
}

async fn exchange(sending: &Sending, delivery: &DueDelivery, at: Timestamp, begun: Instant) -> Result<Answered, String> {
    let Deliverer { vault, targets, .. } = &sending.deliverer;
    let body = message_body(delivery, data(sending, delivery).await?);
    let url = Url::parse(&delivery.url).map_err(|_| "the URL is not valid".to_owned())?;
    let client = targets.client(&url).ok_or("only https is allowed")?;
    let timestamp = at.millis() / 1000;
    let mut request = client.request(Method::POST, &url).map_err(|error| error.to_string())?;
    for (name, sealed) in &delivery.headers {
        request = request.header(name, vault.open_secret(delivery.organization, sealed).ok_or("a header could not be opened")?);
    }
    let request = request
        .header("content-type", "application/json")
        .header(HEADER_WEBHOOK_ID, &delivery.event_id)
        .header(HEADER_WEBHOOK_TIMESTAMP, timestamp)
        .header(HEADER_WEBHOOK_SIGNATURE, signatures(vault, delivery, timestamp, &body)?)
        .body(body);
    let reply = client.send(&url, request).await.map_err(|error| error.to_string())?;
    let (status, retry_after_s) = (reply.status().as_u16(), reply.header("retry-after").and_then(|text| retry_after(text, at)));
    // The status has decided: what is left of the time is spent on the beginning of the text, for the log.
    let rest = ATTEMPT_TIMEOUT.saturating_sub(begun.elapsed() + Duration::from_millis(200)).min(Duration::from_secs(2));
    let response = tokio::time::timeout(rest, reply.beginning(MAX_RESPONSE_BYTES)).await.unwrap_or_default();
    Ok(Answered { status, response: String::from_utf8_lossy(&response).into_owned(), retry_after_s })
}

/// A message is rendered once for all the endpoints that it goes to at about the same time.
async fn data(sending: &Sending, delivery: &DueDelivery) -> Result<Value, String> {
    let deliveries = &sending.deliverer.deliveries;
    let Some(position) = delivery.position else { return deliveries.data(delivery).await.map_err(|error| error.to_string()) };
    sending.rendered.try_get_with(position, deliveries.data(delivery)).await.map_err(|error| {
        tracing::error!(%error, delivery = delivery.id, "a webhook message could not be rendered");
        "the message could not be rendered".to_owned()
    })
}

/// One signature for every live secret, newest first.
fn signatures(vault: &Vault, delivery: &DueDelivery, timestamp: i64, body: &str) -> Result<String, String> {
    let sign = |sealed: &String| {
        let secret = vault.open_secret(delivery.organization, sealed).ok_or("the signing secret could not be opened")?;
        let webhook = standardwebhooks::Webhook::new(&secret).map_err(|_| "the signing secret is not valid")?;
        webhook.sign(&delivery.event_id, timestamp, body.as_bytes()).map_err(|_| "the message could not be signed".to_owned())
    };
    Ok(delivery.secrets.iter().map(sign).collect::<Result<Vec<_>, String>>()?.join(" "))
}

/// Seconds, or an HTTP date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(((date.as_millis() as i64 - now.millis()) / 1000).max(0))
    })
}
