//! A [`Step`] as a CloudEvents 1.0 JSON event (structured mode). Positions are strings: a CloudEvents integer has 32 bits.

use std::{str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twig_commands::log::RecordedEvent;
use twig_domain::{Actor, EventMeta, Timestamp, event::ActorKind};

use super::Step;

/// The header that says what the value is (CloudEvents Kafka binding §3.3).
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";
const SPEC_VERSION: &str = "1.0";
const SOURCE: &str = "urn:twig:events";
const TYPE_PREFIX: &str = "twig.";
/// The type of a step without an event.
const MARK: &str = "twig.mark";

/// The attributes of the specification, then our extensions (lower-case letters, as §3.1 asks).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    position: String,
    previous: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    event: Option<EventAttributes>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct EventAttributes {
    subject: String,
    time: Timestamp,
    datacontenttype: String,
    dataschema: String,
    partitionkey: String,
    organization: String,
    aggregatetype: String,
    aggregateversion: String,
    eventversion: u32,
    actortype: ActorKind,
    actorid: String,
    actorname: String,
    correlationid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causationid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clientip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    useragent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    data: Value,
}

/// A message that is no step of this log.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEnvelope {
    #[error("the value is no CloudEvent of this topic")]
    Json(#[from] serde_json::Error),
    #[error("the attribute {0} is not what it should be")]
    Attribute(&'static str),
}

impl Envelope {
    #[must_use]
    pub fn of(step: &Step, partition: u32) -> Self {
        let event = step.event.as_deref();
        Self {
            specversion: SPEC_VERSION.into(),
            id: event.map_or_else(|| format!("mark-{partition}-{}", step.position), |event| event.event_id.to_string()),
            source: SOURCE.into(),
            kind: event.map_or_else(|| MARK.into(), |event| format!("{TYPE_PREFIX}{}", event.event_type)),
            position: step.position.to_string(),
            previous: step.previous.to_string(),
            event: event.map(EventAttributes::of),
        }
    }

    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn read(value: &[u8]) -> Result<Step, UnreadableEnvelope> {
        let envelope: Self = serde_json::from_slice(value)?;
        if envelope.specversion != SPEC_VERSION || envelope.source != SOURCE {
            return Err(UnreadableEnvelope::Attribute("source"));
        }
        let (previous, position) = (parse(&envelope.previous, "previous")?, parse(&envelope.position, "position")?);
        let event = match (envelope.kind.strip_prefix(TYPE_PREFIX), envelope.event) {
            _ if envelope.kind == MARK => None,
            (Some(kind), Some(attributes)) => Some(Arc::new(attributes.event(&envelope.id, kind, position)?)),
            _ => return Err(UnreadableEnvelope::Attribute("type")),
        };
        Ok(Step { previous, position, event })
    }
}

impl EventAttributes {
    fn of(event: &RecordedEvent) -> Self {
        let meta = &event.meta;
        Self {
            subject: format!("{}/{}", event.aggregate_type, event.aggregate_id),
            time: event.recorded_at,
            datacontenttype: "application/json".into(),
            dataschema: format!("{SOURCE}:{}:v{}", event.event_type, event.event_version),
            partitionkey: event.aggregate_id.clone(),
            organization: meta.organization.to_string(),
            aggregatetype: event.aggregate_type.clone(),
            aggregateversion: event.version.to_string(),
            eventversion: event.event_version,
            actortype: meta.actor.kind,
            actorid: meta.actor.id.clone(),
            actorname: meta.actor.name.clone(),
            correlationid: meta.correlation_id.clone(),
            causationid: meta.causation_id.clone(),
            clientip: meta.ip.clone(),
            useragent: meta.user_agent.clone(),
            traceparent: meta.traceparent.clone(),
            data: event.payload.clone(),
        }
    }

    fn event(self, id: &str, kind: &str, position: u64) -> Result<RecordedEvent, UnreadableEnvelope> {
        let event = RecordedEvent {
            position,
            event_id: parse(id, "id")?,
            recorded_at: self.time,
            aggregate_type: self.aggregatetype,
            aggregate_id: self.partitionkey,
            version: parse(&self.aggregateversion, "aggregateversion")?,
            event_type: kind.to_owned(),
            event_version: self.eventversion,
            meta: EventMeta {
                organization: parse(&self.organization, "organization")?,
                actor: Actor { kind: self.actortype, id: self.actorid, name: self.actorname },
                correlation_id: self.correlationid,
                causation_id: self.causationid,
                ip: self.clientip,
                user_agent: self.useragent,
                traceparent: self.traceparent,
            },
            payload: self.data,
        };
        // A relay of an older binary writes older shapes.
        Ok(event.current())
    }
}

fn parse<T: FromStr>(text: &str, attribute: &'static str) -> Result<T, UnreadableEnvelope> {
    text.parse().map_err(|_| UnreadableEnvelope::Attribute(attribute))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn event() -> RecordedEvent {
        RecordedEvent {
            position: 7_000_000_000,
            event_id: "evt_01jd8x3z9ke3r9kz3mh7wq2t5v".parse().unwrap(),
            recorded_at: "2026-11-24T06:00:00.123Z".parse().unwrap(),
            aggregate_type: "Agent".into(),
            aggregate_id: "agent_01jd8x3z9ke3r9kz3mh7wq2t5v".into(),
            version: 3,
            event_type: "AgentUpdated".into(),
            event_version: 1,
            meta: EventMeta {
                organization: "org_01jd8x3z9ke3r9kz3mh7wq2t5v".parse().unwrap(),
                actor: Actor::system("import"),
                correlation_id: "req_1".into(),
                causation_id: Some("evt_01jd8x3z9ke3r9kz3mh7wq2t5v".into()),
                ip: Some("203.0.113.9".into()),
                user_agent: None,
                traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            },
            payload: serde_json::json!({"type": "AgentUpdated", "changes": []}),
        }
    }

    #[test]
    fn an_event_comes_out_as_it_went_in() {
        let step = Step { previous: 12, position: 7_000_000_000, event: Some(Arc::new(event())) };
        assert_eq!(Envelope::read(&Envelope::of(&step, 4).to_json()).unwrap(), step);
    }

    #[test]
    fn a_mark_comes_out_as_it_went_in() {
        let step = Step { previous: 12, position: 40, event: None };
        assert_eq!(Envelope::read(&Envelope::of(&step, 4).to_json()).unwrap(), step);
    }

    #[test]
    fn the_value_is_a_cloud_event() {
        let step = Step { previous: 12, position: 7_000_000_000, event: Some(Arc::new(event())) };
        let value: Value = serde_json::from_slice(&Envelope::of(&step, 4).to_json()).unwrap();
        // The order of its keys is a matter of how serde_json was built, and of no meaning.
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(value) });
        for name in value.as_object().unwrap().keys() {
            assert!(name.len() <= 20 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{name}");
        }
    }

    #[test]
    fn what_is_no_step_is_refused() {
        for value in [&b"{"[..], b"{}", br#"{"specversion":"1.0","id":"1","source":"elsewhere","type":"twig.mark","position":"1","previous":"0"}"#] {
            assert!(Envelope::read(value).is_err());
        }
    }
}
