//! Plain data that every layer above shares. No clock, file, process or git in here.

pub mod change;
pub mod conflict;
pub mod event;
pub mod ids;
pub mod integration;
pub mod merge;
pub mod plan;
pub mod run;
pub mod worker;
