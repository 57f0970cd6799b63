//! An answer's events on the wire: server-sent events (WHATWG HTML §9.2), with a comment every few seconds so that no proxy takes silence for death.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use twig_knowledge::live::{LiveAnswer, LiveEvent};

use crate::reply::Reply;

const PING_EVERY: Duration = Duration::from_secs(8);
const PING: &[u8] = b": ping\n\n";

/// The events of an answer from number `from` on, until its end.
///
/// A process that is ending lets its streams come to their end: what bounds them then is the server's own time to stop.
pub fn reply(live: Arc<LiveAnswer>, from: usize) -> Reply {
    let events = stream::unfold((live, from), |(live, next)| async move {
        let events = tokio::time::timeout(PING_EVERY, live.after(next)).await.unwrap_or_default();
        if !events.is_empty() {
            let (bytes, next) = (write(&events), next + events.len());
            return Some((Ok(bytes), (live, next)));
        }
        (!live.is_done_at(next)).then(|| (Ok(Bytes::from_static(PING)), (live, next)))
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
