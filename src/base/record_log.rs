//! An append-only file of records: a cache that any process may delete and that is never wrong.
//!
//! One line a record: `<checksum> <key> <value>`, checksum and key in hexadecimal digits. A line with
//! a wrong checksum (cut off by a full disk, overwritten, half of it from another process) is
//! ignored. Of several records with one key the last counts. There is no lock: records are appended
//! with one write, and old ones are dropped by replacing the file; a record lost meanwhile is only
//! computed again.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::PathBuf;

use crate::base::files::{open_nonblocking, replace};

/// The key of a record.
pub type Key = [u8; 20];

/// Digits of a checksum, a space, digits of a key, a space.
const HEAD: usize = 16 + 1 + 40 + 1;

/// A file of records.
#[derive(Clone, Debug)]
pub struct RecordLog {
    path: PathBuf,
    limit: usize,
}

/// The records in the file at one moment.
#[derive(Debug, Default)]
pub struct Records {
    text: Vec<u8>,
    lines: HashMap<Key, Range<usize>>,
}

impl RecordLog {
    /// Uses the file at this path, which the first record creates. Beyond `limit` bytes old records
    /// are dropped.
    pub fn new(path: PathBuf, limit: usize) -> RecordLog {
        RecordLog { path, limit }
    }

    /// Reads all records. A file that cannot be read, or is far larger than the limit, counts as
    /// empty.
    pub fn read(&self) -> Records {
        let text = self.text().unwrap_or_default();
        let mut lines = HashMap::new();
        for line in lines_of(&text) {
            if let Some(key) = key_of(&text[line.clone()]) {
                lines.insert(key, line);
            }
        }
        Records { text, lines }
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let file = open_nonblocking(&self.path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() > 2 * self.limit as u64 {
            return Ok(Vec::new());
        }
        let mut text = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
        file.take(2 * self.limit as u64).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Appends records. A value with a line end is skipped, and so is everything beyond half of the
    /// limit.
    ///
    /// # Errors
    /// When the file cannot be written; then all, some or none of the records are in it.
    pub fn add(&self, records: &[(Key, String)]) -> io::Result<()> {
        // Half a line at the end of the file must not join the first record.
        let mut text = b"\n".to_vec();
        for (key, value) in records.iter().filter(|(_, value)| !value.contains('\n')) {
            let line = line(key, value);
            if text.len() + line.len() > self.limit / 2 {
                break;
            }
            text.extend_from_slice(&line);
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)?;
        file.write_all(&text)?;
        if file.metadata()?.len() > self.limit as u64 {
            replace(&self.path, &self.newest()?)?;
        }
        Ok(())
    }

    /// Returns the newest records that fit into half of the limit, in their order.
    fn newest(&self) -> io::Result<Vec<u8>> {
        let text = self.text()?;
        let lines: Vec<Range<usize>> = lines_of(&text).collect();
        let mut seen = HashSet::new();
        let (mut kept, mut size) = (Vec::new(), 0);
        for line in lines.into_iter().rev() {
            let line = &text[line];
            let Some(key) = key_of(line).filter(|_| value_of(line).is_some()) else {
                continue;
            };
            if size + line.len() >= self.limit / 2 {
                break;
            }
            if seen.insert(key) {
                size += line.len() + 1;
                kept.push(line);
            }
        }
        kept.reverse();
        let mut text = kept.join(&b'\n');
        text.push(b'\n');
        Ok(text)
    }
}

impl Records {
    /// Returns the value of a key.
    pub fn get(&self, key: &Key) -> Option<&str> {
        value_of(&self.text[self.lines.get(key)?.clone()])
    }
}

fn line(key: &Key, value: &str) -> Vec<u8> {
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let checked = format!("{key} {value}");
    format!("{:016x} {checked}\n", checksum(checked.as_bytes())).into_bytes()
}

/// Splits whole lines; another process may still write the text behind the last line end.
fn lines_of(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(move |(end, _)| std::mem::replace(&mut from, end + 1)..end)
}

fn key_of(line: &[u8]) -> Option<Key> {
    let digits = std::str::from_utf8(line.get(17..HEAD - 1)?).ok()?;
    let mut key = Key::default();
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(key)
}

fn value_of(line: &[u8]) -> Option<&str> {
    let written = std::str::from_utf8(line.get(..16)?).ok()?;
    let expected = format!("{:016x}", checksum(line.get(17..)?));
    let value = line.get(HEAD..).filter(|_| written == expected)?;
    std::str::from_utf8(value).ok()
}

/// Computes FNV-1a, which detects accidents, not attacks.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        [n; 20]
    }

    fn log(limit: usize) -> (tempfile::TempDir, RecordLog) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/records");
        (folder, RecordLog::new(path, limit))
    }

    fn add(log: &RecordLog, records: &[(u8, &str)]) {
        let records = records
            .iter()
            .map(|(n, value)| (key(*n), (*value).to_owned()));
        log.add(&records.collect::<Vec<_>>()).unwrap();
    }

    fn shown(log: &RecordLog) -> String {
        let records = log.read();
        let found = (0..=255).filter_map(|n| Some(format!("{n} {}", records.get(&key(n))?)));
        found.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_last_record_of_a_key_counts() {
        let (_folder, log) = log(4000);
        assert_eq!(shown(&log), "");
        add(&log, &[(1, "one"), (2, "{\"two\": \"\u{e9}\"}")]);
        add(&log, &[(1, "uno"), (3, "")]);
        assert_eq!(shown(&log), "1 uno, 2 {\"two\": \"\u{e9}\"}, 3 ");
    }

    #[test]
    fn a_file_cut_anywhere_or_with_any_byte_changed_gives_nothing_wrong() {
        let (_folder, log) = log(4000);
        add(&log, &[(1, "one"), (2, "two")]);
        let whole = fs::read(&log.path).unwrap();
        let right = ["", "1 one", "2 two", "1 one, 2 two"];
        for at in 0..whole.len() {
            fs::write(&log.path, &whole[..at]).unwrap();
            assert!(right.contains(&shown(&log).as_str()), "cut at {at}");
            add(&log, &[(2, "two"), (1, "one")]);
            assert_eq!(shown(&log), "1 one, 2 two", "added behind the cut at {at}");
            for byte in [b'\n', b'0', b' ', 0, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                fs::write(&log.path, &changed).unwrap();
                let found = shown(&log);
                assert!(right.contains(&found.as_str()), "{byte} at {at}: {found}");
            }
        }
    }

    #[test]
    fn the_file_stays_within_its_limit_and_keeps_the_newest() {
        let (_folder, log) = log(2000);
        for n in 0..200 {
            add(&log, &[(n, "some words of one record"), (0, "every time")]);
            let size = fs::metadata(&log.path).unwrap().len();
            assert!(size <= 2000, "{size}");
            let found = shown(&log);
            assert!(found.starts_with("0 every time"), "{found}");
            assert!(n == 0 || found.ends_with(&format!("{n} some words of one record")));
        }
        let many: Vec<_> = (0..200).map(|n| (n, "word")).collect();
        add(&log, &many);
        assert!(fs::metadata(&log.path).unwrap().len() <= 2000);
    }

    #[test]
    fn a_folder_or_an_oversized_file_counts_as_empty() {
        let (folder, log) = log(100);
        fs::create_dir_all(&log.path).unwrap();
        assert_eq!(shown(&log), "");
        assert!(log.add(&[(key(1), "one".to_owned())]).is_err());
        fs::remove_dir(&log.path).unwrap();
        fs::write(&log.path, vec![b'x'; 1000]).unwrap();
        assert_eq!(shown(&log), "");
        drop(folder);
    }

    #[test]
    fn many_writers_at_once_lose_nothing() {
        let (_folder, log) = log(1_000_000);
        std::thread::scope(|scope| {
            for n in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    for round in 0..20 {
                        add(log, &[(n * 20 + round, "a value that is not short")]);
                    }
                });
            }
        });
        assert_eq!(shown(&log).split(", ").count(), 160);
    }
}
