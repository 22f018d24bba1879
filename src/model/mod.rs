//! Plain data that every layer above shares. No clock, file, process or git in here.

pub mod again;
pub mod by_hand;
pub mod change;
pub mod conflict;
pub mod event;
#[cfg(test)]
pub(crate) mod fixture;
pub mod found;
pub mod ids;
pub mod integration;
pub mod isolation;
pub mod merge;
pub mod plan;
pub mod pull_request;
pub mod resolution;
pub mod roster;
pub mod run;
pub mod scope;
pub mod shared_cause;
pub mod shortage;
pub mod spending;
pub mod status;
pub mod stoppers;
pub mod suggest;
pub mod transcript;
pub mod usage;
pub mod words;
pub mod worker;
