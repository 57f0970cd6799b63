//! An answer's events on the wire: server-sent events (WHATWG HTML §9.2), with a comment every few seconds so that no proxy takes silence for death.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;
use twig_knowledge::live::{LiveAnswer, LiveEvent};

use crate::reply::Reply;

const PING_EVERY: Duration = Duration::from_secs(8);
const PING: &[u8] = b": ping\n\n";

/// The events of an answer from number `from` on, until its end.
pub fn reply(live: Arc<LiveAnswer>, from: usize, stopping: watch::Receiver<bool>) -> Reply {
    let events = stream::unfold((live, from, stopping), |(live, next, mut stopping)| async move {
        if *stopping.borrow() {
            return None;
        }
        let waited = tokio::select! {
            events = live.after(next) => Some(events),
            () = tokio::time::sleep(PING_EVERY) => Some(Vec::new()),
            _ = stopping.wait_for(|stop| *stop) => None,
        };
        match waited {
            None => None,
            Some(events) if events.is_empty() && live.is_done_at(next) => None,
            Some(events) if events.is_empty() => Some((Ok(Bytes::from_static(PING)), (live, next, stopping))),
            Some(events) => {
                let (bytes, next) = (write(&events), next + events.len());
                Some((Ok(bytes), (live, next, stopping)))
            }
        }
    });
    Reply::stream(Box::pin(events), "text/event-stream").header("cache-control", "no-store").header("x-accel-buffering", "no")
}

fn write(events: &[LiveEvent]) -> Bytes {
    let mut text = String::new();
    for event in events {
        text.push_str("id: ");
        text.push_str(&event.id);
        text.push_str("\nevent: ");
        text.push_str(event.name);
        text.push_str("\ndata: ");
        text.push_str(&event.data.to_string());
        text.push_str("\n\n");
    }
    Bytes::from(text)
}
