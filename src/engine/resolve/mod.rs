//! Resolution of conflicts: by rule, tool and record, by re-dispatch, and by hand.

pub mod accept;
pub mod auto;
pub mod error;
pub mod manual;
pub mod policy;
pub mod recorded;
pub mod strategies;
pub mod tools;
