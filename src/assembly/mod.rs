//! The pure decisions of an assembly: selection, order, exclusions and the search for culprits.

pub mod culprit;
pub mod exclusion;
pub mod order;
pub mod selection;
pub mod variant_rule;
