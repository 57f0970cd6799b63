//! The child's side of an extraction in a process of its own: read one file from standard input, answer on standard output, end. The invariants: the limits hold before the first byte is
//! read; nothing but the answer reaches the parent, whatever a parser prints.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use nix::{
    sys::{
        prctl::set_pdeathsig,
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
    unistd,
};
use serde::{Deserialize, Serialize};

use super::{ExtractError, ExtractLimits, Extraction, extract};

/// The hidden subcommand of the binary.
pub(super) const SUBCOMMAND: &str = "extract-worker";
const MAX_HEADER_BYTES: u32 = 64 * 1024;
const CANNOT_START: i32 = 3;

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) media_type: Option<String>,
    pub(super) limits: ExtractLimits,
    pub(super) bytes: u64,
}

pub(super) type Answer = Result<Extraction, ExtractError>;

/// What the binary runs for its hidden subcommand `extract-worker`, first thing in `main` and before any other thread. Returns the exit status.
#[must_use]
pub fn extract_worker_main() -> i32 {
    match serve() {
        Ok(()) => 0,
        Err(_) => CANNOT_START,
    }
}

fn serve() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut answer_to = File::from(unistd::dup(io::stdout())?);
    // Parsers print; their words go where standard error goes.
    unistd::dup2_stdout(io::stderr())?;
    let mut input = io::stdin().lock();
    let header = read_header(&mut input)?;
    confine(&header.limits)?;
    let length = usize::try_from(header.bytes).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    input.take(header.bytes).read_to_end(&mut bytes)?;
    if bytes.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    std::panic::set_hook(Box::new(|_| {}));
    let answer: Answer = std::panic::catch_unwind(|| extract(&header.name, header.media_type.as_deref(), &bytes, &header.limits))
        .unwrap_or_else(|_| Err(ExtractError::Failed("its content is not understood".to_owned())));
    serde_json::to_writer(&mut answer_to, &answer)?;
    answer_to.flush()
}

fn read_header(input: &mut impl Read) -> io::Result<Header> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut header = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut header)?;
    serde_json::from_slice(&header).map_err(io::Error::other)
}

fn confine(limits: &ExtractLimits) -> io::Result<()> {
    for (resource, wanted) in [
        (Resource::RLIMIT_AS, limits.memory_bytes),
        (Resource::RLIMIT_CPU, limits.cpu_s),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, 32),
    ] {
        let (_, most) = getrlimit(resource)?;
        let value = wanted.min(most);
        setrlimit(resource, value, value)?;
    }
    Ok(())
}
