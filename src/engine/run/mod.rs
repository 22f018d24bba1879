//! The loop: records events, decides, publishes, and carries out what is decided.

pub mod admission;
mod allowance;
pub mod cooldowns;
pub mod detection;
pub mod disk;
pub mod driver;
pub mod live;
pub mod notice;
pub mod notify;
pub mod quota;
pub mod requests;
pub mod slots;
pub mod throttle;
pub mod timers;
