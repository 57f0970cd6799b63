//! Two runs beside each other, question by question.

use std::{collections::HashMap, fs, path::Path};

use serde_json::{Value, json};

use super::Gate;

/// A question's score moved when it moved by more than this.
const MOVED: f64 = 1e-6;
/// Questions that a text report names on each side.
const MAX_NAMED: usize = 20;

pub struct Comparison {
    better: Vec<Value>,
    worse: Vec<Value>,
    missing: usize,
}

/// The scores that an earlier report holds under `scores`, by question.
pub fn baseline(gate: &Gate) -> Result<Option<HashMap<String, f64>>, String> {
    gate.baseline.as_deref().map(read).transpose()
}

fn read(file: &Path) -> Result<HashMap<String, f64>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| format!("{} is no report: {error}", file.display()))?;
    let rows = report["questions"].as_array().ok_or_else(|| format!("{} is no report of twig eval --json", file.display()))?;
    Ok(rows.iter().filter_map(|row| Some((row["id"].as_str()?.to_owned(), row["score"].as_f64()?))).collect())
}

impl Comparison {
    /// `scores` are (id, text, score).
    pub fn of(before: &HashMap<String, f64>, scores: &[(String, String, f64)]) -> Self {
        let mut comparison = Self { better: Vec::new(), worse: Vec::new(), missing: 0 };
        for (id, text, score) in scores {
            let Some(old) = before.get(id) else {
                comparison.missing += 1;
                continue;
            };
            let row = json!({"id": id, "text": text, "from": old, "to": score});
            if score > &(old + MOVED) {
                comparison.better.push(row);
            } else if score < &(old - MOVED) {
                comparison.worse.push(row);
            }
        }
        comparison
    }

    pub fn json(&self) -> Value {
        json!({"better": self.better, "worse": self.worse, "notInBaseline": self.missing})
    }

    pub fn text(&self) -> String {
        let named = |what: &str, rows: &[Value]| {
            let line = |row: &Value| {
                format!(
                    "  {what} {:.2} → {:.2}  {}",
                    row["from"].as_f64().unwrap_or(0.0),
                    row["to"].as_f64().unwrap_or(0.0),
                    row["text"].as_str().unwrap_or_default()
                )
            };
            rows.iter().take(MAX_NAMED).map(line).collect::<Vec<_>>()
        };
        let head = format!("Beside the baseline: {} better, {} worse, {} not in it", self.better.len(), self.worse.len(), self.missing);
        [vec![head], named("worse ", &self.worse), named("better", &self.better)].concat().join("\n")
    }

    pub fn failure(&self, gate: &Gate) -> Option<String> {
        let most = gate.max_regressions?;
        (self.worse.len() > most).then(|| format!("{} questions are worse than in the baseline, and {most} are allowed", self.worse.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_question_that_moved_is_named() {
        let before = HashMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 0.5), ("c".to_owned(), 0.2)]);
        let now = [("a", 0.9), ("b", 0.5), ("c", 0.3), ("d", 1.0)].map(|(id, score)| (id.to_owned(), id.to_owned(), score));
        let comparison = Comparison::of(&before, &now);
        assert_eq!((comparison.worse.len(), comparison.better.len(), comparison.missing), (1, 1, 1));
        let gate = |most| Gate { baseline: None, max_regressions: most };
        assert!(comparison.failure(&gate(Some(0))).is_some() && comparison.failure(&gate(Some(1))).is_none() && comparison.failure(&gate(None)).is_none());
    }
}
