//! Failed attempts: what class they belong to, whether two are the same, and the report about them.

mod adapter;
pub mod classify;
mod explain;
pub mod patterns;
pub mod report;
mod report_json;
mod report_markdown;
pub mod reset;
pub mod signature;
pub mod telling;
