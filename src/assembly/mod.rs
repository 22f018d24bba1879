//! Choices while branches are put together: which go in and in which order, who is to blame for a
//! failing check, and what may be done about a conflict. Pure.

pub mod culprit;
pub mod exclusion;
pub mod order;
pub mod selection;
