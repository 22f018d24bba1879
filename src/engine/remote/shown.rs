//! The progress of an attempt as its node has pushed it, and the end of its log.

use std::time::{Duration, Instant};

use crate::merge::oid::Oid;

/// The shortest time between two pushes.
pub(super) const SHORTEST: Duration = Duration::from_secs(2);

/// The longest time in which new output is not noticed.
pub(super) const LONGEST: Duration = Duration::from_secs(15);

/// The most of the log that travels with each push, in bytes.
const LOG_END: usize = 64 * 1024;

/// The progress of a node, as it was pushed.
pub(super) struct Shown {
    /// The progress that was pushed last.
    pub(super) pushed: Option<Oid>,
    /// The number of changed facts then.
    pub(super) changes: u64,
    /// The number of the last heartbeat, and its time.
    pub(super) beat: (u64, Instant),
    pub(super) log: LogEnd,
    /// The pause to the next push.
    pub(super) pause: Duration,
}

/// The result of a push in the background.
pub(super) enum Pushed {
    /// The remote has it, after this time.
    Yes(Oid, Duration),
    /// It may have it later.
    No(Duration),
    /// The attempt is over: the run has given it up.
    Over,
}

/// The end of a masked log that grows.
pub(super) struct LogEnd {
    /// All bytes up to the last end of a line, of which only the last ones are kept.
    pub(super) bytes: Vec<u8>,
    /// The number of bytes before them.
    pub(super) before: u64,
    /// The begun line.
    rest: Vec<u8>,
}

impl LogEnd {
    /// Adds output: whole lines are masked and shown, so that no part of a secret is. Returns `true` if there is
    /// more to show.
    pub(super) fn add(&mut self, new: Vec<u8>, mask: impl FnOnce(Vec<u8>) -> Vec<u8>) -> bool {
        self.rest.extend(new);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return false;
        };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        self.bytes.extend(mask(lines));
        let surplus = self.bytes.len().saturating_sub(LOG_END);
        // From the start of a line, unless that one is longer than all that is kept.
        let tail = self.bytes[surplus..].iter().position(|byte| *byte == b'\n');
        let cut = match (surplus, tail) {
            (0, _) => 0,
            (_, Some(line)) if surplus + line + 1 < self.bytes.len() => surplus + line + 1,
            _ => surplus,
        };
        self.bytes.drain(..cut);
        self.before += cut as u64;
        true
    }
}

impl Shown {
    pub(super) fn new() -> Shown {
        Shown {
            pushed: None,
            changes: 0,
            beat: (0, Instant::now()),
            log: LogEnd {
                bytes: Vec::new(),
                before: 0,
                rest: Vec::new(),
            },
            pause: Duration::ZERO,
        }
    }

    /// Returns the time to the next look, with this time between two heartbeats.
    pub(super) fn pause(&self, heartbeat: Duration) -> Duration {
        let to_beat = heartbeat.saturating_sub(self.beat.1.elapsed());
        self.pause.min(to_beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> LogEnd {
        Shown::new().log
    }

    #[test]
    fn only_the_last_whole_lines_of_a_log_travel() {
        let mut log = empty();
        let same = |lines| lines;
        assert!(!log.add(b"begun".to_vec(), same));
        assert!(log.add(b" line\nnext".to_vec(), same));
        assert_eq!((&log.bytes[..], log.before), (&b"begun line\n"[..], 0));
        let long = "0123456789\n".repeat(10_000);
        assert!(log.add(long.as_bytes().to_vec(), same));
        let all = format!("begun line\nnext{long}");
        assert!(log.bytes.len() <= LOG_END && log.bytes.len() >= LOG_END - 11);
        let before = usize::try_from(log.before).expect("small");
        assert_eq!(log.bytes, &all.as_bytes()[before..]);
        assert!(log.bytes.starts_with(b"0123456789\n"));
        // A line that is longer than all that is kept is cut.
        let mut log = empty();
        let line = format!("{}\n", "x".repeat(2 * LOG_END));
        assert!(log.add(line.into_bytes(), same));
        assert_eq!(log.bytes.len(), LOG_END);
    }

    #[test]
    fn a_secret_is_masked_also_if_it_came_in_parts() {
        let mut log = empty();
        let mask = |lines: Vec<u8>| {
            let text = String::from_utf8_lossy(&lines).replace("secret", "[masked]");
            text.into_bytes()
        };
        log.add(b"a sec".to_vec(), mask);
        log.add(b"ret b\n".to_vec(), mask);
        assert_eq!(log.bytes, b"a [masked] b\n");
    }
}
