//! The transformer, run by rten: [CLS] text [SEP], at most 256 tokens, mean of the last hidden state, length one.
//!
//! It is loaded at its first use, so that a start without it is fast and holds no memory for it. Activations are quantised for each call, so a call holds
//! one text: its vector then never depends on a neighbour's.

use super::{ModelError, dot, normalise};
use moka::sync::Cache;
use rten::{Model, NodeId, RunOptions, ThreadPool};
use rten_tensor::{NdTensor, prelude::*};
use std::sync::{Arc, OnceLock};
use tokenizers::{Encoding, Tokenizer, TruncationParams};

pub(crate) const DIMENSION: usize = 384;
const NAME: &str = "minilm";
/// What the model was made to read of a text.
const TOKENS_OF_A_TEXT: usize = 256;

static MODEL: &[u8] = include_bytes!("../../models/minilm-en/model.onnx");
static TOKENIZER: &[u8] = include_bytes!("../../models/minilm-en/tokenizer.json");

/// Whose threads a text runs on. The background never has more than half of the cores, at least one, and yields them to whoever else wants them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    Request,
    Background,
}

/// Bytes of states that are kept, so that what is read again and again is read once.
const MAX_STATES_BYTES: u64 = 48 << 20;

/// A text as the transformer reads it: its vector, and each of its tokens in the light of the others, all of length one.
pub(crate) struct States {
    pub(crate) vector: Vec<f32>,
    /// Word pieces, the first and the last of them the model's own marks.
    pub(crate) tokens: Vec<String>,
    rows: Vec<f32>,
}

impl States {
    pub(crate) fn row(&self, token: usize) -> &[f32] {
        &self.rows[token * DIMENSION..(token + 1) * DIMENSION]
    }

    /// How near any token comes to the given row.
    pub(crate) fn nearest(&self, row: &[f32]) -> f32 {
        self.rows.chunks_exact(DIMENSION).map(|own| dot(own, row)).fold(-1.0, f32::max)
    }
}

/// Read on a request's threads.
pub(crate) fn states(text: &str) -> Arc<States> {
    static STATES: OnceLock<Cache<String, Arc<States>>> = OnceLock::new();
    let weigh = |text: &String, states: &Arc<States>| u32::try_from(text.len() + states.rows.len() * size_of::<f32>()).unwrap_or(u32::MAX);
    let cache = STATES.get_or_init(|| Cache::builder().max_capacity(MAX_STATES_BYTES).weigher(weigh).build());
    cache.get_with_by_ref(text, || {
        let model = model().expect("the embedded transformer is read in a test of every build");
        Arc::new(model.states(text).expect("the embedded transformer takes every tokenized text"))
    })
}

pub(crate) struct MiniLm {
    model: Model,
    tokenizer: Tokenizer,
    inputs: [NodeId; 3],
    output: NodeId,
    request: Arc<ThreadPool>,
    background: Arc<ThreadPool>,
}

pub(crate) fn model() -> Result<&'static MiniLm, ModelError> {
    static LOADED: OnceLock<Result<MiniLm, String>> = OnceLock::new();
    LOADED.get_or_init(MiniLm::load).as_ref().map_err(|reason| ModelError { model: NAME, reason: reason.clone() })
}

pub(crate) fn embed(text: &str, lane: Lane) -> Vec<f32> {
    let model = model().expect("the embedded transformer is read in a test of every build");
    model.embed(text, lane).expect("the embedded transformer takes every tokenized text")
}

impl MiniLm {
    fn load() -> Result<Self, String> {
        let model = Model::load_static_slice(MODEL).map_err(|error| error.to_string())?;
        let mut tokenizer = Tokenizer::from_bytes(TOKENIZER).map_err(|error| error.to_string())?;
        let truncation = TruncationParams { max_length: TOKENS_OF_A_TEXT, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| error.to_string())?.with_padding(None);
        let node = |name: &str| model.node_id(name).map_err(|error| error.to_string());
        let inputs = [node("input_ids")?, node("attention_mask")?, node("token_type_ids")?];
        let output = node("last_hidden_state")?;
        let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        let request = Arc::new(ThreadPool::with_num_threads(threads));
        let background = std::thread::spawn(move || quiet_pool(threads)).join().map_err(|_| "the background threads could not be started".to_owned())?;
        Ok(Self { model, tokenizer, inputs, output, request, background: Arc::new(background) })
    }

    fn embed(&self, text: &str, lane: Lane) -> Result<Vec<f32>, String> {
        let (hidden, encoding) = self.run(text, lane)?;
        Ok(mean_of_rows(&hidden, encoding.len()))
    }

    fn states(&self, text: &str) -> Result<States, String> {
        let (mut rows, encoding) = self.run(text, Lane::Request)?;
        let vector = mean_of_rows(&rows, encoding.len());
        rows.chunks_exact_mut(DIMENSION).for_each(normalise);
        Ok(States { vector, tokens: encoding.get_tokens().to_vec(), rows })
    }

    /// The last hidden state of each token, row by row.
    fn run(&self, text: &str, lane: Lane) -> Result<(Vec<f32>, Encoding), String> {
        let encoding = self.tokenizer.encode(text, true).map_err(|error| error.to_string())?;
        let ids: Vec<i32> = encoding.get_ids().iter().map(|&id| id.cast_signed()).collect();
        let length = ids.len();
        let row = |values: Vec<i32>| NdTensor::from_data([1, length], values);
        let [id_node, mask_node, type_node] = self.inputs;
        let inputs = vec![(id_node, row(ids).into()), (mask_node, row(vec![1; length]).into()), (type_node, row(vec![0; length]).into())];
        let pool = match lane {
            Lane::Request => &self.request,
            Lane::Background => &self.background,
        };
        let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let [hidden] = self.model.run_n(inputs, [self.output], Some(options)).map_err(|error| error.to_string())?;
        let hidden: NdTensor<f32, 3> = hidden.try_into().map_err(|_| "the output has another shape".to_owned())?;
        Ok((hidden.to_vec(), encoding))
    }
}

/// Threads inherit how much of the processor their maker leaves to others: these have what no request wants.
fn quiet_pool(threads: usize) -> ThreadPool {
    const LEAST_WANTED: i32 = 19;
    // Where it is not allowed, the background still has no more than its threads.
    let _ = rustix::process::setpriority_process(None, LEAST_WANTED);
    ThreadPool::with_num_threads(threads)
}

fn mean_of_rows(rows: &[f32], count: usize) -> Vec<f32> {
    let mut mean = vec![0.0; DIMENSION];
    for row in rows.chunks_exact(DIMENSION).take(count) {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    normalise(&mut mean);
    mean
}
