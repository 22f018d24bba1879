//! Defines one moment as a value.

use std::time::Instant;

use jiff::Timestamp;

/// One moment by both clocks. Decisions get it from outside and read no clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock, for durations.
    pub instant: Instant,
    /// The time of day, for records.
    pub time: Timestamp,
}
