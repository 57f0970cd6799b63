//! Lines of the files that are measured by: questions with the passages or documents that answer them, and with the words an answer must hold.
//!
//! One form serves both commands. `text` is what is asked; `relevant` names the passages or documents that answer it, by chunk id, document id, file name
//! (with or without its ending), address or title; `expected` the words that an answer must hold, each a string or a list of which one is enough;
//! `answer` a correct answer in words of its own; `answerable` says outright whether the documents hold an answer.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde_json::Value;
use twig_retrieval::Passage;

pub struct Asked {
    pub id: String,
    pub text: String,
    pub relevant: Vec<String>,
    pub expected: Vec<Vec<String>>,
    pub answer: Option<String>,
    pub answerable: bool,
}

const TEXT: [&str; 4] = ["text", "question", "prompt", "query"];
const RELEVANT: [&str; 5] = ["relevant", "documents", "document", "relevantDocuments", "source_document"];
const EXPECTED: [&str; 5] = ["expected", "expect", "expectedWords", "words", "contains"];

pub fn read(file: &Path) -> Result<Vec<Asked>, String> {
    let reader = BufReader::new(File::open(file).map_err(|error| format!("{} can't be read: {error}", file.display()))?);
    let mut asked = Vec::new();
    for (number, line) in reader.lines().enumerate() {
        let line = line.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
        if !line.trim().is_empty() {
            asked.push(one(&line, number + 1).map_err(|reason| format!("{} line {}: {reason}", file.display(), number + 1))?);
        }
    }
    if asked.is_empty() { Err(format!("{} holds no questions", file.display())) } else { Ok(asked) }
}

fn one(line: &str, number: usize) -> Result<Asked, String> {
    let row: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let member = |names: &[&str]| names.iter().find_map(|name| row.get(*name)).cloned().unwrap_or_default();
    let text = member(&TEXT).as_str().filter(|text| !text.trim().is_empty()).ok_or("text is missing")?.to_owned();
    let relevant: Vec<String> = strings(&member(&RELEVANT));
    let expected: Vec<Vec<String>> = match member(&EXPECTED) {
        Value::Array(each) => each.iter().map(strings).filter(|words| !words.is_empty()).collect(),
        one => strings(&one).into_iter().map(|word| vec![word]).collect(),
    };
    let answer = row["answer"].as_str().map(str::to_owned);
    let answerable = row["answerable"].as_bool().unwrap_or(!relevant.is_empty() || !expected.is_empty() || answer.is_some());
    let id = row["id"].as_str().map_or_else(|| row["id"].as_u64().map_or_else(|| format!("line {number}"), |id| id.to_string()), str::to_owned);
    Ok(Asked { id, text, relevant, expected, answer, answerable })
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What a question may call a passage or its document.
pub struct Names(Vec<String>);

impl Names {
    pub fn of_passage(passage: &Passage) -> Self {
        Self::of(&passage.chunk_id, &passage.document_id, passage.url.as_deref(), &passage.title)
    }

    pub fn of(chunk: &str, document: &str, url: Option<&str>, title: &str) -> Self {
        let mut names = vec![chunk.to_owned(), document.to_owned(), title.to_owned()];
        if let Some(url) = url {
            let whole = url.split_once("#page=").map_or(url, |(whole, _)| whole);
            let last = whole.rsplit('/').next().unwrap_or(whole);
            names.extend([url, whole, last].map(str::to_owned));
            // Without its ending, and within an archive without the archive.
            names.extend(last.rsplit_once('.').map(|(stem, _)| stem.to_owned()));
            names.extend(whole.split_once('/').map(|(_, inside)| inside.to_owned()));
        }
        Self(names)
    }

    pub fn into_iter(self) -> impl Iterator<Item = String> {
        self.0.into_iter()
    }

    /// The name it has among these.
    pub fn among<'a>(&self, relevant: &'a [String]) -> Option<&'a String> {
        relevant.iter().find(|name| self.0.contains(name))
    }
}

/// Whether a text holds every expected word, however it is spaced, cased or marked up.
pub fn holds(text: &str, expected: &[Vec<String>]) -> bool {
    let text = plain(text);
    expected.iter().all(|words| words.iter().any(|word| text.contains(&plain(word))))
}

fn plain(text: &str) -> String {
    let kept: String = text.to_lowercase().chars().map(|c| if matches!(c, '*' | '`' | '|' | '’') { if c == '’' { '\'' } else { ' ' } } else { c }).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_query_and_a_question_have_one_form() {
        let query = one(r#"{"id": "q1", "text": "How?", "relevant": ["p1"], "source": "x"}"#, 1).unwrap();
        assert!(query.answerable && query.relevant == ["p1"]);
        let question = one(r#"{"question": "Why?", "document": "a.pdf", "expected": ["64", ["days", "d"]]}"#, 7).unwrap();
        assert_eq!((question.id.as_str(), question.relevant[0].as_str(), question.expected.len()), ("line 7", "a.pdf", 2));
        assert!(!one(r#"{"text": "Who?", "relevant": []}"#, 1).unwrap().answerable);
        assert!(one(r#"{"id": "q1"}"#, 1).is_err());
    }

    #[test]
    fn a_document_is_known_by_any_of_its_names() {
        let names = Names::of("chk_1", "doc_1", Some("library.zip/tea/green.pdf#page=3"), "Green tea");
        for name in ["chk_1", "doc_1", "Green tea", "green.pdf", "green", "library.zip/tea/green.pdf", "tea/green.pdf"] {
            assert!(names.among(&[name.to_owned()]).is_some(), "{name}");
        }
        assert!(names.among(&["tea".to_owned()]).is_none());
    }

    #[test]
    fn words_are_held_however_they_are_marked_up() {
        let expected = [vec!["sixty-four days".to_owned(), "64 days".to_owned()], vec!["sea ice".to_owned()]];
        assert!(holds("It takes **64\n days** [1], on | Sea `ice` |", &expected));
        assert!(!holds("It takes 64 days", &expected));
    }
}
