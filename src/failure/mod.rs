//! Classifies failed attempts, compares failures and extracts the lines that explain them.

pub mod agent_exit;
pub mod classify;
pub mod denied_path;
pub mod evidence;
pub mod excerpt;
pub mod exit_status;
pub mod patterns;
pub mod reset_time;
pub mod signature;
