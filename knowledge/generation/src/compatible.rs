//! OpenAI's chat protocol, streamed. An answer is whole only with its `[DONE]` or a finish reason; everything else was cut off.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    models::{Failed, Finished, Usage},
    prompt::Messages,
};

const MAX_LINE_BYTES: usize = 4 << 20;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(2);

pub(crate) struct Call<'a> {
    pub base_url: &'a str,
    pub api_key: Option<&'a str>,
    pub model: &'a str,
    pub messages: &'a Messages,
    pub temperature: f64,
    pub max_tokens: u32,
    pub silence: Duration,
}

pub(crate) async fn stream(http: &reqwest::Client, call: &Call<'_>, on_text: &mut (dyn FnMut(&str) + Send)) -> Result<Finished, Failed> {
    let body = json!({
        "model": call.model, "messages": call.messages, "temperature": call.temperature, "max_tokens": call.max_tokens, "stream": true, "stream_options": {"include_usage": true},
    });
    let mut request = http.post(format!("{}/chat/completions", call.base_url.trim_end_matches('/'))).json(&body);
    if let Some(key) = call.api_key {
        request = request.bearer_auth(key);
    }
    let sent = tokio::time::timeout(call.silence, request.send()).await.map_err(|_| Failed::timeout())?;
    let mut response = sent.map_err(|error| {
        tracing::warn!(error = %error.without_url(), "the model provider could not be reached");
        Failed::upstream("The model provider could not be reached", true)
    })?;
    if !response.status().is_success() {
        return Err(refused(&response));
    }
    let (mut lines, mut answer) = (BytesMut::new(), Answer::default());
    loop {
        let chunk = tokio::time::timeout(call.silence, response.chunk()).await.map_err(|_| Failed::timeout())?;
        match chunk {
            Ok(Some(chunk)) => lines.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Err(cut_off()),
        }
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line = lines.split_to(end + 1);
            answer.line(&line, on_text)?;
        }
        if answer.done {
            return Ok(answer.finished());
        }
        if lines.len() > MAX_LINE_BYTES {
            return Err(Failed::upstream("The model provider's answer could not be understood", false));
        }
    }
    if answer.finish_reason.is_some() { Ok(answer.finished()) } else { Err(cut_off()) }
}

fn cut_off() -> Failed {
    Failed::upstream("The model provider broke off its answer", true)
}

fn refused(response: &Response) -> Failed {
    let status = response.status();
    tracing::warn!(%status, "the model provider refused");
    let after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs)
        .filter(|after| *after <= MAX_RETRY_AFTER);
    let retry = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    Failed { after, ..Failed::upstream("The model provider answered with an error", retry) }
}

#[derive(Default)]
struct Answer {
    usage: Option<Usage>,
    finish_reason: Option<String>,
    done: bool,
}

impl Answer {
    /// One line of the stream; only `data:` lines mean anything.
    fn line(&mut self, line: &[u8], on_text: &mut (dyn FnMut(&str) + Send)) -> Result<(), Failed> {
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let event: Value = serde_json::from_slice(data).map_err(|_| Failed::upstream("The model provider's answer could not be understood", false))?;
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Failed::upstream("The model provider failed in the midst of its answer", false));
        }
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            let count = |name: &str| usage[name].as_u64().unwrap_or(0);
            self.usage = Some(Usage { prompt_tokens: count("prompt_tokens"), completion_tokens: count("completion_tokens") });
        }
        let choice = &event["choices"][0];
        if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
            on_text(text);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish_reason = Some(reason.to_owned());
        }
        Ok(())
    }

    fn finished(self) -> Finished {
        Finished { usage: self.usage, finish_reason: self.finish_reason.unwrap_or_else(|| "stop".to_owned()), cost_usd: None }
    }
}
