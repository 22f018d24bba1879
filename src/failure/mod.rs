//! Failed attempts: what class they belong to, whether two are the same, and the report about them.

pub mod agent_exit;
pub mod classify;
pub mod evidence;
pub mod excerpt;
pub mod exit_status;
pub mod patterns;
pub mod reset_time;
pub mod signature;
