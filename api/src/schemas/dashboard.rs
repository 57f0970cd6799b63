//! The dashboard's figures.

use serde_json::{Value, json};

use super::{count, fraction, list_of, named, nullable, position, shape, string, strings, time};

const RATES: [&str; 2] = ["answerRate", "satisfaction"];
const COUNTS: [&str; 3] = ["interactions", "sessions", "tokens"];

pub fn all() -> Vec<(&'static str, Value)> {
    let number = || json!({"type": ["number", "null"]});
    vec![
        ("Dashboard", dashboard()),
        ("Figure", shape(&[], json!({"value": number(), "previous": number()}))),
        ("Point", shape(&[], json!({"start": time(), "value": number()}))),
        ("LatencyPoint", shape(&[], json!({"start": time(), "p50": number(), "p95": number(), "p99": number()}))),
        ("GroupFigures", group()),
        (
            "CitedSource",
            shape(&[], json!({"documentId": string(), "title": {"type": ["string", "null"]}, "url": {"type": ["string", "null"]}, "citations": count()})),
        ),
        (
            "UnansweredQuestion",
            shape(&[], json!({"question": {"type": ["string", "null"]}, "count": count(), "lastSeen": time(), "interactionIds": strings()})),
        ),
    ]
}

fn dashboard() -> Value {
    let span = || json!({"start": time(), "end": time()});
    let mut range = span();
    for (name, schema) in [("granularity", json!({"enum": ["hour", "day", "week", "month"]})), ("timezone", string()), ("previous", shape(&[], span()))] {
        range[name] = schema;
    }
    let (mut summary, mut charts) = (json!({"users": named("Figure"), "failures": named("Figure")}), json!({}));
    for name in RATES.into_iter().chain(COUNTS) {
        summary[name] = named("Figure");
        charts[name] = list_of("Point");
    }
    summary["latencyMs"] = shape(&[], json!({"p50": named("Figure"), "p95": named("Figure"), "p99": named("Figure")}));
    let reviews = shape(&[], json!({"accurate": count(), "edited": count(), "inaccurate": count(), "no_answer": count()}));
    let more = json!({
        "latency": list_of("LatencyPoint"), "byAgent": list_of("GroupFigures"), "byModel": list_of("GroupFigures"), "topSources": list_of("CitedSource"),
        "unansweredQuestions": list_of("UnansweredQuestion"), "feedback": shape(&[], json!({"positive": count(), "negative": count(), "byReviewStatus": reviews})),
    });
    for (name, schema) in more.as_object().into_iter().flatten() {
        charts[name] = schema.clone();
    }
    let freshness = json!({"position": position(), "recordedAt": nullable(time()), "lagMs": count()});
    shape(&[], json!({"range": shape(&[], range), "freshness": shape(&[], freshness), "summary": shape(&[], summary), "charts": shape(&[], charts)}))
}

fn group() -> Value {
    let rate = || nullable(fraction());
    shape(
        &[],
        json!({
            "id": string(), "name": {"type": ["string", "null"]}, "interactions": count(), "answerRate": rate(), "satisfaction": rate(), "p95": {"type": ["number", "null"]},
        }),
    )
}
