//! What a question means, as a vector of the small transformer: questions in other words have one near it.

use twig_retrieval::BuiltIn;

use crate::{Embeddings, Knowledge, fault::Fault};

impl Knowledge {
    /// Whether the small transformer may run.
    #[must_use]
    pub fn knows_meaning(&self) -> bool {
        self.settings.embeddings != Embeddings::Static
    }

    /// A vector of length one, made in the background and kept nowhere: a question is personal.
    pub async fn meaning(&self, question: String) -> Result<Vec<f32>, Fault> {
        Ok(tokio::task::spawn_blocking(move || BuiltIn::MiniLm.embed_passage(&question)).await?)
    }
}
