//! The prompt of an attempt: its task, the shared context, and the conflict it returns from.

pub mod both_sides;
pub mod brief;
pub mod render;
