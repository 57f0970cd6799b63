//! Measuring side by side: contenders take turns within a round, and only the ratios of one round are compared.
//!
//! Invariant: absolute figures drift with the machine, so none is ever compared with one of another round. A pass that loses, repeats or reorders
//! anything panics, and its row has no figure.

pub mod disk;
pub mod document;
pub mod figures;
pub mod leak;
pub mod machine;
pub mod rounds;
pub mod statistics;
