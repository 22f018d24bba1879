//! The engine: one loop that records facts, decides, and carries out what is decided.
//!
//! [`drive`] is the loop; everything else is one kind of effect. Every effect is announced in the
//! journal before it happens and can be checked against the world afterwards, so that taking a run
//! up again ([`recover`]) is replay plus the same loop.

pub mod ask;
pub mod assemble;
pub mod attempt;
pub mod base;
pub mod bounds;
pub mod briefing;
mod built_on;
pub mod checks;
pub mod clean;
mod content;
pub mod context;
pub mod crew;
mod cut_short;
pub mod doctor;
pub mod drive;
pub mod error;
mod flaky;
pub mod furnish;
mod history;
pub mod hooks;
pub mod in_place;
mod isolation;
pub mod ladder;
pub mod land;
pub mod leash;
pub mod live;
pub mod matches;
pub mod memory;
pub mod met;
pub mod moving;
pub mod notice;
pub mod notify;
pub mod outcome;
pub mod output;
pub mod pace;
mod ports;
pub mod publish;
pub mod pull_request;
pub mod rebuild;
pub mod recover;
pub mod replan;
pub mod resolve;
pub mod room;
pub mod set_up;
pub mod settled;
pub mod shutdown;
pub mod slots;
pub mod start;
pub mod starts;
pub mod survey;
mod suspects;
pub mod tally;
pub mod timers;
mod trial;
pub mod unland;
pub mod verify;
pub mod worktree;

pub use error::EngineError;
pub mod candidates;
pub mod commands;
