//! The loop: records events, decides, publishes, and carries out what is decided.
//!
//! | part | decides |
//! |---|---|
//! | [`driver`] | takes messages, returns effects; owns the parts below |
//! | `recorder` | when facts are written, and which effects wait for them |
//! | `attempts` | which attempts are alive, and which signals they get |
//! | `admission`, `disk_watch` | whether one more attempt may start |
//! | `pacing`, [`cooldowns`], [`timers`] | when the next one starts |
//! | `detection`, [`throttle`], [`notice`] | when candidates and running work are compared |
//! | `outbox` | when a board is committed |
//! | `notifications` | which notifications are sent |
//! | `shutdown` | when the loop is left |
//!
//! `scheduling`, `choices` and `shortages` are parts of the driver.
//!
//! [`effect`] lists what they may ask for; `outside` carries it out; [`event_loop`] is the loop
//! around both. [`control`] asks a loop in another process for something.

mod admission;
mod attempts;
mod choices;
mod compare;
pub mod control;
pub mod cooldowns;
mod detection;
mod disk_watch;
pub mod driver;
pub mod effect;
pub mod event_loop;
pub mod live_work;
pub mod notice;
mod notifications;
pub mod notify;
pub mod now;
mod outbox;
mod outside;
mod pacing;
pub mod quota;
mod recorder;
pub mod requests;
mod scheduling;
mod shortages;
mod shutdown;
pub mod slots;
pub mod tell;
#[cfg(test)]
mod tests;
pub mod throttle;
pub mod timers;
pub mod watcher;
