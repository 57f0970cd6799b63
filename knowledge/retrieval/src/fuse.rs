//! Keyword and vector scores made one: relative-score fusion, with a weight for each model that was measured (docs/quality.md).
//!
//! A candidate's vector part is where its cosine lies between the pool's last and its best, its keyword part its BM25 beside the best. Cosines of two
//! models are never compared: each model's part is relative to its own best, scaled by how strong that best is on the model's own scale.

/// A passage found by keywords, by vector, or by both.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) index: usize,
    pub(crate) passage: u32,
    pub(crate) model: &'a str,
    pub(crate) cosine: Option<f32>,
    pub(crate) keyword: Option<f32>,
    pub(crate) fused: f32,
}

/// What is known of a model's cosines: those of unrelated texts, those of texts that surely belong together, and what a BM25 part weighs beside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) unrelated: f32,
    pub(crate) certain: f32,
    pub(crate) keyword_weight: f32,
}

pub(crate) fn scale(model: &str) -> Scale {
    match model {
        "static" => Scale { unrelated: 0.10, certain: 0.60, keyword_weight: 1.6 },
        "minilm" => Scale { unrelated: 0.05, certain: 0.60, keyword_weight: 1.0 },
        // Providers' models: strong, with a high floor under their cosines.
        _ => Scale { unrelated: 0.15, certain: 0.65, keyword_weight: 0.7 },
    }
}

/// One model's best cosines in this search.
pub(crate) struct Group {
    model: String,
    best: f32,
    last: f32,
    strength: f32,
}

/// A pool whose cosines hardly differ does not rank by them.
const LEAST_SPREAD: f32 = 0.1;

impl Group {
    /// `cosines` fall; fewer than the pool holds means that all passages are in it, and then unrelated texts are where the scale ends.
    pub(crate) fn new(model: &str, cosines: &[f32]) -> Self {
        let scale = scale(model);
        let best = cosines.first().copied().unwrap_or(0.0);
        let last = if cosines.len() >= crate::search::POOL { cosines.last().copied().unwrap_or(0.0) } else { scale.unrelated };
        let strength = ((best - scale.unrelated) / (scale.certain - scale.unrelated)).clamp(0.05, 1.0);
        Self { model: model.to_owned(), best, last: last.min(best - LEAST_SPREAD), strength }
    }

    fn part(&self, cosine: f32) -> f32 {
        ((cosine - self.last) / (self.best - self.last)).max(0.0)
    }
}

pub(crate) fn fuse<'a>(mut candidates: Vec<Candidate<'a>>, groups: &[Group]) -> Vec<Candidate<'a>> {
    let best_keyword = candidates.iter().filter_map(|candidate| candidate.keyword).fold(0.0, f32::max);
    let strongest = groups.iter().filter(|group| group.best > 0.0).map(|group| group.strength).fold(0.0, f32::max);
    for candidate in &mut candidates {
        let keyword = candidate.keyword.map(|score| if best_keyword > 0.0 { score / best_keyword } else { 0.0 });
        let group = groups.iter().find(|group| group.model == candidate.model);
        let vector = candidate.cosine.zip(group).map(|(cosine, group)| group.part(cosine) * group.strength / strongest.max(f32::EPSILON));
        let weight = scale(candidate.model).keyword_weight;
        candidate.fused = match (vector, keyword) {
            (Some(vector), Some(keyword)) => (vector + weight * keyword) / (1.0 + weight),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 0.0,
        };
    }
    candidates.sort_by(|a, b| b.fused.total_cmp(&a.fused).then(a.index.cmp(&b.index)).then(a.passage.cmp(&b.passage)));
    candidates
}
