//! Renders the prompt of an attempt: its task, the shared context, and an earlier conflict.

pub mod both_sides;
pub mod brief;
pub mod render;
