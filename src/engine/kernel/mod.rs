//! What every effect of a run uses: its context, errors, cancelling, signals, disk space.

pub mod cancel;
pub mod context;
pub mod disk_space;
pub mod effect;
pub mod error;
pub mod signals;
pub mod sweep;
