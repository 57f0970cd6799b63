//! A follow-up question made to stand alone, by a model.

use crate::prompt::{Message, Messages, Turn};

const INSTRUCTIONS: &str = "Rewrite the last question so that it can be understood without the conversation. Keep its language. Answer with the rewritten question alone, on one line.";
const MAX_QUERY_CHARS: usize = 1000;

#[must_use]
pub fn rewrite_messages(turns: &[Turn], question: &str) -> Messages {
    let mut messages = vec![Message { role: "system", content: INSTRUCTIONS.to_owned() }];
    for turn in turns {
        messages.push(Message { role: "user", content: turn.prompt.clone() });
        messages.push(Message { role: "assistant", content: turn.response.clone() });
    }
    messages.push(Message { role: "user", content: format!("Question to rewrite: {question}") });
    Messages(messages)
}

/// The rewritten query, where the model gave one.
#[must_use]
pub fn parse_rewrite(answer: &str) -> Option<String> {
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty())?.trim_matches('"').trim();
    (!line.is_empty() && line.chars().count() <= MAX_QUERY_CHARS).then(|| line.to_owned())
}
