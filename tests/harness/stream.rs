//! Server-sent events (WHATWG HTML §9.2) as a client reads them.

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// The events of a body, as they come; comments are left out. A body that breaks off ends them.
pub fn events(body: impl Read) -> impl Iterator<Item = Event> {
    let mut lines = BufReader::new(body).lines().map_while(Result::ok);
    std::iter::from_fn(move || {
        let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
        for line in lines.by_ref() {
            match line.split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => data.push_str(value),
                _ if line.is_empty() && !data.is_empty() => return Some(Event { id, name, data: serde_json::from_str(&data).unwrap() }),
                _ => {}
            }
        }
        None
    })
}
