//! The topic, and the producer that writes it.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::KafkaError as ClientError,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
    types::RDKafkaErrorCode,
};

use super::{Step, envelope};

const TOPIC_WITHIN: Duration = Duration::from_secs(10);
/// How long a message may wait for its acknowledgement, over every retry.
const ACKNOWLEDGED_WITHIN_MS: &str = "15000";
/// Below the broker's default bound of 1 MiB for a message with its overhead. A larger event is announced, and read from the log.
const MAX_VALUE_BYTES: usize = 900_000;

#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:port`, with commas between.
    pub brokers: String,
    pub topic: String,
    pub partitions: u32,
    pub retention_hours: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    #[error("Kafka failed: {0}")]
    Client(#[from] ClientError),
    #[error("the topic {topic} could not be made: {code}")]
    Topic { topic: String, code: RDKafkaErrorCode },
    #[error(
        "the topic {topic} has {found} partitions, but kafka_partitions is {wanted}: a topic's partitions are for ever; set kafka_partitions to {found}, or name another topic"
    )]
    Partitions { topic: String, found: u32, wanted: u32 },
    #[error("a message was not acknowledged: {0}")]
    NotAcknowledged(ClientError),
}

impl KafkaSettings {
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "twig");
        // A topic that was made, or made again, is seen this soon.
        config.set("topic.metadata.refresh.interval.ms", "5000").set("reconnect.backoff.max.ms", "2000");
        config
    }
}

/// Writes steps, each acknowledged by every replica in sync, without repeats within its own life (`enable.idempotence`).
pub struct Producer {
    settings: KafkaSettings,
    client: FutureProducer,
}

impl Producer {
    /// Makes the topic where it is missing, and checks that it is divided as the settings say.
    pub async fn connect(settings: KafkaSettings) -> Result<Self, KafkaError> {
        make_topic(&settings).await?;
        let mut config = settings.client();
        config.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "0").set("compression.type", "lz4");
        config.set("message.timeout.ms", ACKNOWLEDGED_WITHIN_MS);
        let client: FutureProducer = config.create()?;
        let (checked, topic) = (client.clone(), settings.topic.clone());
        let found = tokio::task::spawn_blocking(move || {
            let metadata = checked.client().fetch_metadata(Some(&topic), TOPIC_WITHIN)?;
            Ok::<_, ClientError>(metadata.topics().first().map_or(0, |topic| topic.partitions().len() as u32))
        });
        match found.await.unwrap_or_else(|_| Err(ClientError::Canceled))? {
            found if found == settings.partitions => Ok(Self { settings, client }),
            found => Err(KafkaError::Partitions { topic: settings.topic, found, wanted: settings.partitions }),
        }
    }

    /// Done when all of them are acknowledged. After a failure some may have been written and some not: they are sent again by another producer.
    pub async fn send(&self, steps: &[(u32, Step)]) -> Result<(), KafkaError> {
        let mut waiting = Vec::with_capacity(steps.len());
        for (partition, step) in steps {
            waiting.push(self.enqueue(*partition, step).await?);
        }
        for acknowledged in waiting {
            match acknowledged.await {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => return Err(KafkaError::NotAcknowledged(error)),
                Err(_) => return Err(KafkaError::NotAcknowledged(ClientError::Canceled)),
            }
        }
        Ok(())
    }

    async fn enqueue(&self, partition: u32, step: &Step) -> Result<DeliveryFuture, KafkaError> {
        let mut value = envelope::Envelope::of(step, partition).to_json();
        if value.len() > MAX_VALUE_BYTES {
            // "Nothing between it and itself": who reads this sees that something is missing, and takes it from the log.
            value = envelope::Envelope::of(&Step { previous: step.position, position: step.position, event: None }, partition).to_json();
        }
        let headers = OwnedHeaders::new().insert(Header { key: "content-type", value: Some(envelope::CONTENT_TYPE) });
        let key = step.event.as_deref().map(|event| event.aggregate_id.as_str());
        loop {
            let mut record = FutureRecord::to(&self.settings.topic).partition(partition as i32).payload(&value).headers(headers.clone());
            record.key = key;
            record.timestamp = step.event.as_deref().map(|event| event.recorded_at.millis());
            match self.client.send_result(record) {
                Ok(acknowledged) => return Ok(acknowledged),
                Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

async fn make_topic(settings: &KafkaSettings) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = settings.client().create()?;
    let retention_ms = (settings.retention_hours * 3_600_000).to_string();
    // As many copies as the brokers' default says.
    let topic = NewTopic::new(&settings.topic, settings.partitions as i32, TopicReplication::Fixed(-1)).set("retention.ms", &retention_ms);
    let options = AdminOptions::new().request_timeout(Some(TOPIC_WITHIN)).operation_timeout(Some(TOPIC_WITHIN));
    for made in admin.create_topics([&topic], &options).await? {
        match made {
            Ok(_) => tracing::info!(topic = settings.topic, partitions = settings.partitions, "the topic was made"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(KafkaError::Topic { topic, code }),
        }
    }
    Ok(())
}
