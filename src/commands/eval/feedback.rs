//! `twig eval from-feedback`: interactions that people judged, as questions to measure by, so that a team can keep its own answers from getting worse.
//!
//! An answer judged good names its cited documents as the right ones; a corrected one adds the correction; one judged to have no answer must be refused.
//! An answer that was only judged wrong says nothing of what is right, and is left out.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use twig_domain::id::AgentId;
use twig_projections::{Cursor, InteractionFilter};

use super::{find_org, open, org_id};
use crate::settings::Settings;

const PAGE_ROWS: u32 = 500;

#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    org: String,
    /// Only this agent's
    #[arg(long)]
    agent: Option<AgentId>,
    /// Where the questions go; else standard output
    #[arg(long)]
    out: Option<PathBuf>,
}

pub async fn run(settings: &Settings, options: Options, as_json: bool) -> Result<(), String> {
    let node = open(settings).await?;
    let organization = org_id(&find_org(&node, &options.org).await?)?;
    let filter = InteractionFilter { agent_id: options.agent, status: Some("completed".to_owned()), ..InteractionFilter::default() };
    let (mut lines, mut left_out, mut after) = (Vec::new(), 0, None::<Cursor>);
    loop {
        let (rows, next) = node.views.interactions_after(organization, filter.clone(), after, PAGE_ROWS).await.map_err(|error| error.to_string())?;
        for row in rows.iter().filter(|row| row["feedback"].is_object()) {
            match question(row) {
                Some(question) => lines.push(question),
                None => left_out += 1,
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    match &options.out {
        Some(file) => {
            fs::write(file, text).map_err(|error| format!("{} can't be written: {error}", file.display()))?;
            super::super::say(as_json, &json!({"questions": lines.len(), "leftOut": left_out}), &format!("{} questions, {left_out} left out", lines.len()));
        }
        None if as_json => println!("{}", json!({"questions": lines, "leftOut": left_out})),
        None => print!("{text}"),
    }
    Ok(())
}

fn question(row: &Value) -> Option<Value> {
    let prompt = row["prompt"].as_str()?;
    let answered = row["answered"] == true;
    let feedback = &row["feedback"];
    let review = feedback["reviewStatus"].as_str().or_else(|| row["reviewStatus"].as_str());
    let corrected = feedback["correctedResponse"].as_str();
    let (answerable, documents) = match (review, feedback["rating"].as_str()) {
        (Some("no_answer"), _) => (false, Vec::new()),
        (Some("accurate"), _) | (None, Some("positive")) => (answered, if answered { cited(row) } else { Vec::new() }),
        (Some("edited"), _) => (true, if answered { cited(row) } else { Vec::new() }),
        _ if corrected.is_some() => (true, Vec::new()),
        _ => return None,
    };
    let mut question = json!({"id": row["id"], "text": prompt, "relevant": documents, "answerable": answerable, "source": row["agentId"]});
    if let Some(corrected) = corrected.filter(|_| answerable) {
        question["answer"] = corrected.into();
    }
    Some(question)
}

/// The documents whose markers stand in the answer; all of them where none does.
fn cited(row: &Value) -> Vec<Value> {
    let sources = row["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let response = row["response"].as_str().unwrap_or_default();
    let marked: Vec<&Value> = sources.iter().filter(|source| response.contains(&format!("[{}]", source["index"]))).collect();
    let chosen = if marked.is_empty() { sources.iter().collect() } else { marked };
    let mut documents: Vec<Value> = Vec::new();
    for source in chosen {
        if !documents.contains(&source["documentId"]) {
            documents.push(source["documentId"].clone());
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answered: bool, feedback: Value) -> Value {
        let sources = json!([{"index": 1, "documentId": "doc_1"}, {"index": 2, "documentId": "doc_2"}]);
        json!({"id": "int_1", "agentId": "agent_1", "prompt": "How?", "response": "So [2].", "answered": answered, "sources": sources, "feedback": feedback})
    }

    #[test]
    fn what_was_judged_good_names_the_documents_it_cited() {
        let asked = question(&row(true, json!({"rating": "positive"}))).unwrap_or_default();
        assert_eq!((&asked["relevant"], &asked["answerable"]), (&json!(["doc_2"]), &json!(true)));
    }

    #[test]
    fn a_correction_is_the_answer_and_no_answer_is_to_be_refused() {
        let edited = question(&row(true, json!({"rating": "negative", "reviewStatus": "edited", "correctedResponse": "Thus."}))).unwrap_or_default();
        assert_eq!(edited["answer"], "Thus.");
        let none = question(&row(true, json!({"rating": "negative", "reviewStatus": "no_answer"}))).unwrap_or_default();
        assert_eq!((&none["relevant"], &none["answerable"]), (&json!([]), &json!(false)));
        assert!(question(&row(true, json!({"rating": "negative"}))).is_none());
    }
}
