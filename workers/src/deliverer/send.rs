//! One attempt: the message is rendered from the log, signed, sent, and its outcome recorded.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use twig_commands::{bus::CommandContext, ids::random_bytes, vault::Vault};
use twig_domain::{
    Timestamp,
    id::OrgId,
    webhook::{Webhook, WebhookCommand},
};
use twig_projections::{AttemptResult, DueDelivery, Lane, Next};
use url::Url;

use super::{Deliverer, record::Recorder, share::Shares};
use crate::{meta, targets::ATTEMPT_TIMEOUT};

const MAX_IN_FLIGHT: usize = 256;
const MAX_RESPONSE_BYTES: usize = 1024;
/// What is left of the time after the status is spent on the beginning of the text, but no longer than this.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Rendered messages that are kept for their other endpoints, and for how long: what is erased must not linger.
const MAX_RENDERED: u64 = 2048;
const KEEP_RENDERED: Duration = Duration::from_secs(10);

/// What every lane sends with.
pub struct Sending {
    pub deliverer: Deliverer,
    recorder: Recorder,
    shares: Shares,
    rendered: moka::future::Cache<u64, Value>,
    cancel: CancellationToken,
}

/// What an attempt says of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    /// It answers, but not with success.
    Refused,
    /// No answer, or not in time.
    Silent,
    Disabled,
}

impl Sending {
    pub fn new(deliverer: Deliverer, recorder: Recorder, cancel: CancellationToken) -> Self {
        let rendered = moka::future::Cache::builder().max_capacity(MAX_RENDERED).time_to_live(KEEP_RENDERED).build();
        Self { deliverer, recorder, shares: Shares::new(MAX_IN_FLIGHT), rendered, cancel }
    }

    /// Whether nothing more is to be begun.
    pub fn ends(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// One attempt, recorded.
    pub async fn deliver(&self, organization: OrgId, delivery: DueDelivery) -> Outcome {
        let slot = self.shares.take(organization).await;
        // Near the end of its lease somebody else may begin it: it is left to them.
        let now = self.deliverer.workers.clock.now();
        if now.plus_seconds(ATTEMPT_TIMEOUT.as_secs() as i64) >= delivery.lease_until {
            return Outcome::Refused;
        }
        let span = tracing::info_span!("webhook attempt", webhook = delivery.target.webhook, delivery = delivery.id, status = tracing::field::Empty);
        let result = send(self, &delivery).instrument(span.clone()).await;
        span.record("status", result.status);
        drop(slot);
        let outcome = count(&delivery, &result);
        match self.recorder.record(delivery.clone(), result).await {
            Some(Next::Disable(reason)) => {
                self.disable(&delivery, reason).await;
                Outcome::Disabled
            }
            _ => outcome,
        }
    }

    async fn disable(&self, delivery: &DueDelivery, reason: String) {
        let target = &delivery.target;
        let context = CommandContext::of(meta(target.organization, "deliverer", &delivery.id));
        let Ok(webhook) = target.webhook.parse::<twig_domain::id::WebhookId>() else { return };
        if let Err(error) = self.deliverer.workers.bus.execute::<Webhook>(webhook, vec![WebhookCommand::DisableWebhook { reason }], context).await {
            tracing::error!(%error, webhook = target.webhook, "a webhook could not be disabled");
        }
    }

    pub async fn give_back(&self, rest: Vec<DueDelivery>) {
        if rest.is_empty() {
            return;
        }
        let ids = rest.into_iter().map(|delivery| delivery.id).collect();
        if let Err(error) = self.deliverer.deliveries.release(ids).await {
            tracing::warn!(%error, "webhook deliveries could not be given back; they are due again when their lease ends");
        }
    }
}

fn count(delivery: &DueDelivery, result: &AttemptResult) -> Outcome {
    let (outcome, name) = match (&result.error, result.status) {
        (None, Some(200..300)) => (Outcome::Succeeded, "succeeded"),
        (None, _) => (Outcome::Refused, "refused"),
        (Some(_), _) => (Outcome::Silent, "error"),
    };
    metrics::counter!("twig_webhook_attempts_total", "outcome" => name).increment(1);
    metrics::histogram!("twig_webhook_attempt_seconds", "outcome" => name).record(result.latency_ms as f64 / 1000.0);
    if delivery.attempts == 0 && delivery.lane == Lane::Live {
        let waited = (result.at.millis() - delivery.created_at.millis()).max(0) as f64 / 1000.0;
        metrics::histogram!("twig_webhook_first_attempt_seconds").record(waited);
    }
    outcome
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
    let body = delivery.body(data(sending, delivery).await?);
    let (target, organization) = (&delivery.target, delivery.target.organization);
    let url = Url::parse(&target.url).map_err(|_| "the URL is not valid".to_owned())?;
    let client = targets.client(&url).ok_or("only https is allowed")?;
    let timestamp = at.millis() / 1000;
    let mut request = client.request(Method::POST, &url).map_err(|error| error.to_string())?;
    for (name, sealed) in &target.headers {
        request = request.header(name, vault.open_secret(organization, sealed).ok_or("a header could not be opened")?);
    }
    let request = request
        .header("content-type", "application/json")
        .header(HEADER_WEBHOOK_ID, &delivery.event_id)
        .header(HEADER_WEBHOOK_TIMESTAMP, timestamp)
        .header(HEADER_WEBHOOK_SIGNATURE, signatures(vault, delivery, timestamp, &body)?)
        .body(body);
    let reply = client.send(&url, request).await.map_err(|error| error.to_string())?;
    let (status, retry_after_s) = (reply.status().as_u16(), reply.header("retry-after").and_then(|text| retry_after(text, at)));
    // The status has decided: the text is for the log.
    let rest = ATTEMPT_TIMEOUT.saturating_sub(begun.elapsed() + Duration::from_millis(200)).min(RESPONSE_TIMEOUT);
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
        let secret = vault.open_secret(delivery.target.organization, sealed).ok_or("the signing secret could not be opened")?;
        let webhook = standardwebhooks::Webhook::new(&secret).map_err(|_| "the signing secret is not valid")?;
        webhook.sign(&delivery.event_id, timestamp, body.as_bytes()).map_err(|_| "the message could not be signed".to_owned())
    };
    Ok(delivery.target.secrets.iter().map(sign).collect::<Result<Vec<_>, String>>()?.join(" "))
}

/// Seconds, or an HTTP date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(((date.as_millis() as i64 - now.millis()) / 1000).max(0))
    })
}
