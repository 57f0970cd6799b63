//! From a source's configuration to chunks of text: fetch documents, extract their text, cut it. The invariants: nothing outward is reached but through [`EgressClient`]; a bad document is
//! an item of the result and never its end; the same bytes always give the same text and the same chunks. Knows nothing of the event log, the HTTP API or the domain.

mod chunk;
mod config;
mod connect;
mod egress;
mod extract;
mod filters;
mod pace;
mod text;

pub use chunk::{Chunk, ChunkOptions, chunk};
pub use config::{FieldError, SourceKind, SourceSettings, UnknownSourceKind, secret_fields, validate_config};
pub use connect::{BlobReader, Document, FetchError, Found, Source, Upload, fetch};
pub use egress::{EgressClient, EgressError, EgressOptions, Names, NetworkPolicy, Reply};
pub use extract::{ExtractError, ExtractLimits, Extraction, PARSER_VERSION, extract, extract_isolated, extract_worker_main};
pub use filters::Filters;
pub use ipnet::IpNet;
