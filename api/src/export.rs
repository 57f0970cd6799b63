//! Lists as CSV or NDJSON: all that match, streamed page by page, so that an export of any size needs the memory of one page.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;
use twig_commands::ids::new_id;
use twig_domain::{
    access::{Access, AccessCommand, Export, Exported},
    id::EventId,
};

use crate::{problem::Problem, reply::Reply, request::Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Ndjson,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// The format that `Accept` asks for, if it asks for one.
    pub fn asked(request: &Request) -> Option<Self> {
        if request.wants("text/csv") {
            Some(Self::Csv)
        } else if request.wants("application/x-ndjson") {
            Some(Self::Ndjson)
        } else {
            None
        }
    }
}

/// Filters whose values may name a person; a record of the export says only that they were given.
const PERSONAL_FILTERS: [&str; 3] = ["userId", "sessionId", "q"];

/// Records in the audit log that data is taken out. An export that can't be recorded is not made.
pub async fn record(request: &Request, what: Exported, format: Format) -> Result<(), Problem> {
    let given = request.query.iter().filter(|(name, _)| !["limit", "offset", "cursor"].contains(&name.as_str()));
    let filters = given.map(|(name, value)| (name.clone(), if PERSONAL_FILTERS.contains(&name.as_str()) { "***".into() } else { value.clone() })).collect();
    let export = Export { what, format: format.name().to_owned(), filters };
    let id: EventId = new_id(request.now);
    request.app.bus.execute::<Access>(id, vec![AccessCommand::RecordExport { export }], request.command(None)?).await?;
    Ok(())
}

/// Columns of nested members, dotted: the same in every row, so that the header can go out first.
fn columns(members: &[&'static str]) -> Vec<String> {
    let nested = |name: &str| -> &'static [&'static str] {
        match name {
            "usage" => &["promptTokens", "completionTokens", "totalTokens"],
            "error" => &["code", "message"],
            "feedback" => &["rating", "comment", "reviewStatus", "correctedResponse", "createdAt"],
            "actor" => &["type", "id", "name"],
            "target" => &["type", "id"],
            "context" => &["requestId", "ip", "userAgent", "eventSha256"],
            _ => &[],
        }
    };
    members
        .iter()
        .flat_map(|name| if nested(name).is_empty() { vec![(*name).to_owned()] } else { nested(name).iter().map(|inner| format!("{name}.{inner}")).collect() })
        .collect()
}

/// Streams pages of rows; a page that fails ends the export with a broken connection, so that nobody takes a part for the whole.
pub fn stream(format: Format, members: &[&'static str], pages: impl Stream<Item = Result<Vec<Value>, Problem>> + 'static) -> Reply {
    let columns = columns(members);
    let head = match format {
        Format::Csv => csv_rows(std::iter::once(columns.clone())),
        Format::Ndjson => Ok(Bytes::new()),
    };
    let body = pages.map(move |page| {
        let rows = page.map_err(std::io::Error::other)?;
        match format {
            Format::Csv => csv_rows(rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect())),
            Format::Ndjson => Ok(Bytes::from(rows.iter().map(|row| format!("{row}\n")).collect::<String>())),
        }
    });
    let media_type = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Ndjson => "application/x-ndjson",
    };
    Reply::stream(Box::pin(stream::once(std::future::ready(head)).chain(body)), media_type)
}

fn csv_rows(rows: impl Iterator<Item = Vec<String>>) -> Result<Bytes, std::io::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map(Bytes::from).map_err(|error| std::io::Error::other(error.to_string()))
}

/// A member's text: nothing for null, JSON for what is no scalar.
fn cell(row: &Value, column: &str) -> String {
    match row.pointer(&format!("/{}", column.replace('.', "/"))) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_members_are_dotted_columns() {
        assert_eq!(columns(&["id", "error"]), ["id", "error.code", "error.message"]);
        assert_eq!(cell(&json!({"error": {"code": "x"}}), "error.code"), "x");
        assert_eq!(cell(&json!({"error": null}), "error.code"), "");
        assert_eq!(cell(&json!({"sources": [1]}), "sources"), "[1]");
    }
}
