//! Choices while branches are put together: in which order, and what to do with a conflict. Pure.

pub mod order;
