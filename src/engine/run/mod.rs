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
//! | `refill` | when a worktree of the pool is prepared ahead |
//! | `notifications` | which notifications are sent |
//! | `shutdown` | when the loop is left |
//!
//! `scheduling`, `choices`, `shortages` and `stopping` are parts of the driver. [`now`] is the time as they get it.
//!
//! [`effect`] lists what they may ask for; `outside` carries it out, with `compare`, [`live_work`],
//! [`notify`], [`quota`] and [`slots`]; [`event_loop`] is the loop around both, and [`watcher`] shows it to
//! the user. [`control`] and [`tell`] ask a loop in another process for something, which takes it as
//! [`requests`].

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
mod preparation;
pub mod quota;
mod recorder;
mod refill;
pub mod requests;
mod scheduling;
mod shortages;
mod shutdown;
pub mod slots;
mod stopping;
pub mod tell;
#[cfg(test)]
mod tests;
pub mod throttle;
pub mod timers;
pub mod watcher;
mod webhook;
