//! The aggregate that every contender of the append rows decides on: each entry is an event of 340 bytes that names the number it must have.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use twig_domain::{Actor, Decide, EventMeta};

pub const EVENT_BYTES: usize = 340;
pub const TYPE: &str = "Ledger";
const EVENT_TYPE: &str = "Entered";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub entries: u64,
}

#[derive(Clone, Debug)]
pub struct Enter {
    pub amount: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    /// The number of this entry: what was decided on the state before.
    pub number: u64,
    pub amount: u64,
    pub note: String,
}

#[derive(Debug, thiserror::Error)]
#[error("an amount is more than nothing")]
pub struct NoAmount;

impl DomainEvent for Entered {
    fn event_type(&self) -> String {
        EVENT_TYPE.to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Ledger {
    const TYPE: &'static str = TYPE;
    type Command = Enter;
    type Event = Entered;
    type Error = NoAmount;
    type Services = ();

    async fn handle(&mut self, command: Enter, (): &(), sink: &EventSink<Self>) -> Result<(), NoAmount> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Entered) {
        self.entries = event.number;
    }
}

impl Decide for Ledger {
    fn decide(&self, command: Enter) -> Result<Vec<Entered>, NoAmount> {
        if command.amount == 0 {
            return Err(NoAmount);
        }
        Ok(vec![Entered::of(self.entries + 1, command.amount)])
    }
}

impl Entered {
    /// An entry whose JSON has exactly [`EVENT_BYTES`].
    pub fn of(number: u64, amount: u64) -> Self {
        let bare = r#"{"number":,"amount":,"note":""}"#.len() + digits(number) + digits(amount);
        Self { number, amount, note: "n".repeat(EVENT_BYTES - bare) }
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}

fn digits(number: u64) -> usize {
    number.max(1).ilog10() as usize + 1
}

/// The same metadata for all contenders.
pub fn meta() -> EventMeta {
    let organization = "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap();
    EventMeta { organization, actor: Actor::system("bench"), correlation_id: "bench".into(), causation_id: None, ip: None, user_agent: None, traceparent: None }
}
