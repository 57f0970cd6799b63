//! Topics for the rows that measure Kafka: their making, a producer, and a consumer that says when what came.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
    types::RDKafkaErrorCode,
};
use twig_projections::feed::{KafkaSettings, Producer};

pub const PARTITIONS: u32 = 12;
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// What is awaited of a topic comes within this time, or is lost.
const COMES_WITHIN: Duration = Duration::from_secs(60);
const QUEUE_IS_FULL_FOR: Duration = Duration::from_millis(1);

/// What is sent: its partition, key and value.
pub type Record = (u32, String, Vec<u8>);

/// A topic of its own, made as the product makes it.
pub async fn topic(brokers: &str) -> KafkaSettings {
    let topic = twig_test_servers::unique("twig.bench");
    let settings = KafkaSettings { brokers: brokers.to_owned(), topic, partitions: PARTITIONS, retention_hours: 24 };
    Producer::connect(settings.clone()).await.unwrap();
    settings
}

/// As the relay's producer, but that it may wait so long for more to send at once.
pub fn producer(settings: &KafkaSettings, linger_ms: u32) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("enable.idempotence", "true").set("acks", "all").set("compression.type", "lz4");
    config.set("linger.ms", linger_ms.to_string()).create().unwrap()
}

/// Queues a record; done when there was room for it.
pub async fn enqueue(producer: &FutureProducer, settings: &KafkaSettings, (partition, key, value): &Record) -> DeliveryFuture {
    loop {
        let record = FutureRecord::to(&settings.topic).partition(*partition as i32).key(key.as_str()).payload(value.as_slice());
        match producer.send_result(record) {
            Ok(acknowledged) => return acknowledged,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => tokio::time::sleep(QUEUE_IS_FULL_FOR).await,
            Err((error, _)) => panic!("{error}"),
        }
    }
}

/// Sends records; done when all are acknowledged.
pub async fn send(producer: &FutureProducer, settings: &KafkaSettings, records: &[Record]) {
    let mut waiting = Vec::with_capacity(records.len());
    for record in records {
        waiting.push(enqueue(producer, settings, record).await);
    }
    for acknowledged in waiting {
        acknowledged.await.unwrap().unwrap();
    }
}

/// Reads a topic's events: what has a key.
pub struct Reader(BaseConsumer);

pub struct Arrived {
    pub at: Instant,
    pub partition: i32,
    pub value: Vec<u8>,
}

impl Reader {
    pub fn at_the_end(settings: &KafkaSettings) -> Self {
        Self::at(settings, |_, high| high)
    }

    pub fn at_the_beginning(settings: &KafkaSettings) -> Self {
        Self::at(settings, |low, _| low)
    }

    fn at(settings: &KafkaSettings, place: impl Fn(i64, i64) -> i64) -> Self {
        let mut config = ClientConfig::new();
        let consumer: BaseConsumer = config.set("bootstrap.servers", &settings.brokers).set("group.id", "bench").create().unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..settings.partitions as i32 {
            let (low, high) = consumer.fetch_watermarks(&settings.topic, partition, ANSWERS_WITHIN).unwrap();
            all.add_partition_offset(&settings.topic, partition, Offset::Offset(place(low, high))).unwrap();
        }
        consumer.assign(&all).unwrap();
        Self(consumer)
    }

    pub fn next(&self) -> Arrived {
        let begun = Instant::now();
        loop {
            // It also comes back without a message when something else was to be done.
            if let Some(message) = self.0.poll(COMES_WITHIN).transpose().unwrap().filter(|message| message.key().is_some()) {
                return Arrived { at: Instant::now(), partition: message.partition(), value: message.payload().unwrap().to_owned() };
            }
            assert!(begun.elapsed() < COMES_WITHIN, "nothing came but marks");
        }
    }

    pub fn take(&self, count: usize) -> Vec<Arrived> {
        (0..count).map(|_| self.next()).collect()
    }
}
