//! What is done with a plan: the pure decisions of the layers below carried out.

pub mod detect;
