//! Stores the output of a worker as bytes, in bounded space.
//!
//! The first half of the room is `output.log`, written straight through. When that is full, the
//! newest output continues in segments of a quarter each, `output.tail.<offset>`; when a segment is
//! full a new one begins, and the one before the last is deleted. The offset in the name is the
//! place of its first byte in the whole output, so a reader sees what is missing in between.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::base::regular_file;

const HEAD: &str = "output.log";
const TAIL: &str = "output.tail.";

/// Writes the end of the output of a job that runs on another machine, which begins at this byte of it, so that
/// it is read like any other. Readers follow the files, so they only grow; output that never came here is a gap.
///
/// # Errors
/// When it cannot be written.
pub fn write_copy(folder: &Path, from: u64, output: &[u8]) -> io::Result<()> {
    let known = pieces(folder)?;
    let last = known.last();
    let end = last.map_or(0, Piece::end);
    let (path, new) = match (last, from.checked_sub(end)) {
        (Some(_), Some(1..)) => (segment(folder, from), output),
        (None, Some(1..)) => {
            // A log has a beginning.
            create_private(&folder.join(HEAD))?;
            (segment(folder, from), output)
        }
        (last, _) => {
            let skipped = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
            let path = last.map_or_else(|| folder.join(HEAD), |last| last.path.clone());
            (path, output.get(skipped..).unwrap_or_default())
        }
    };
    if new.is_empty() {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(&path)?;
    file.write_all(new)
}

/// Writes a log; used by the shim only. It never fails: bytes that cannot be written are counted,
/// so that a full disk does not become a failure of the worker.
#[derive(Debug)]
pub(super) struct LogWriter {
    folder: PathBuf,
    head_limit: u64,
    segment_limit: u64,
    /// The segments on disk with their offsets and lengths, oldest first.
    segments: VecDeque<(u64, u64)>,
    file: Option<File>,
    /// The number of bytes written, later deleted ones included.
    position: u64,
    dropped: u64,
}

impl LogWriter {
    /// Creates an empty log that keeps about `limit` bytes.
    pub(super) fn create(folder: &Path, limit: u64) -> LogWriter {
        LogWriter {
            folder: folder.to_owned(),
            head_limit: limit / 2,
            segment_limit: (limit / 4).max(1),
            segments: VecDeque::new(),
            file: create_private(&folder.join(HEAD)).ok(),
            position: 0,
            dropped: 0,
        }
    }

    /// Writes all of these bytes, deleting old segments where necessary.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.write_some(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(_) => {
                    self.dropped += bytes.len() as u64;
                    return;
                }
            }
        }
    }

    /// Returns the number of output bytes that are not in the log.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::full("log")?;
        if self.room() == 0 {
            self.begin_segment()?;
        }
        let length = bytes
            .len()
            .min(usize::try_from(self.room()).unwrap_or(usize::MAX));
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let written = file.write(&bytes[..length])?;
        self.position += written as u64;
        if let Some((_, length)) = self.segments.back_mut() {
            *length += written as u64;
        }
        match written {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(written),
        }
    }

    fn room(&self) -> u64 {
        match self.segments.back() {
            Some((_, length)) => self.segment_limit - length,
            None => self.head_limit - self.position,
        }
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        // The oldest segment goes first, so that a full disk has space for the new one.
        if self.segments.len() == 2 {
            let (offset, length) = self.segments[0];
            fs::remove_file(segment(&self.folder, offset))?;
            self.segments.pop_front();
            self.dropped += length;
        }
        self.file = Some(create_private(&segment(&self.folder, self.position))?);
        self.segments.push_back((self.position, 0));
        Ok(())
    }
}

/// Creates or empties a file that only its owner may read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

fn segment(folder: &Path, offset: u64) -> PathBuf {
    folder.join(format!("{TAIL}{offset}"))
}

/// Replaces the log by the output of a program that ran without a shim. Like the log of a job it
/// never fails.
pub fn store(folder: &Path, output: &[u8], limit: u64) {
    for piece in pieces(folder).unwrap_or_default() {
        let _ = fs::remove_file(piece.path);
    }
    if fs::create_dir_all(folder).is_ok() {
        LogWriter::create(folder, limit).write(output);
    }
}

/// Reads everything that was kept, with a line in place of each gap.
///
/// # Errors
/// When the folder cannot be read; one without output gives an empty log.
pub fn read(folder: &Path) -> io::Result<Vec<u8>> {
    Follower::new(folder).read()
}

/// Reads the last `limit` bytes, with a line in place of each gap among them.
///
/// # Errors
/// When the folder cannot be read; one without output gives an empty log.
pub fn tail(folder: &Path, limit: u64) -> io::Result<Vec<u8>> {
    Ok(end(folder, limit)?.0)
}

/// Reads the last `limit` bytes as [`tail`] does, and returns the number of bytes before them, too.
///
/// # Errors
/// As [`tail`].
pub fn end(folder: &Path, limit: u64) -> io::Result<(Vec<u8>, u64)> {
    let before = length(folder)?.saturating_sub(limit);
    let mut follower = Follower::new(folder);
    follower.position = before;
    Ok((follower.read()?, before))
}

/// Returns the length of the whole output, with what was not kept of it.
///
/// # Errors
/// When the folder cannot be read.
pub fn length(folder: &Path) -> io::Result<u64> {
    Ok(pieces(folder)?.last().map_or(0, Piece::end))
}

/// Follows a log while it grows.
#[derive(Clone, Debug)]
pub struct Follower {
    folder: PathBuf,
    position: u64,
}

impl Follower {
    /// Creates a follower that begins at the first byte of the log in this folder.
    pub fn new(folder: &Path) -> Follower {
        Follower {
            folder: folder.to_owned(),
            position: 0,
        }
    }

    /// Reads the bytes written since the last call, possibly none, without waiting.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // A segment may be deleted between listing and reading; then this lists again. The writer
        // would have to fill a whole segment in that time, so the loop ends.
        for _ in 0..100 {
            match self.read_pieces(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(bytes)
    }

    fn read_pieces(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        for piece in pieces(&self.folder)? {
            if piece.end() <= self.position {
                continue;
            }
            let mut file = regular_file::open(&piece.path)?;
            if piece.offset > self.position {
                let missing = piece.offset - self.position;
                write!(
                    bytes,
                    "\n[dispatch: {missing} bytes of output were not kept]\n"
                )?;
                self.position = piece.offset;
            }
            file.seek(SeekFrom::Start(self.position - piece.offset))?;
            // Bytes beyond the listed length are left out: a file that grew meanwhile may have a
            // successor.
            let wanted = piece.end() - self.position;
            self.position += file.take(wanted).read_to_end(bytes)? as u64;
        }
        Ok(())
    }
}

/// One file of a log.
#[derive(Debug)]
struct Piece {
    path: PathBuf,
    offset: u64,
    length: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Lists the files of a log in the order of the output.
fn pieces(folder: &Path) -> io::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(offset) = name.to_str().and_then(offset) else {
            continue;
        };
        // A segment that is being deleted is no longer needed: newer ones exist.
        if let Ok(metadata) = entry.metadata() {
            pieces.push(Piece {
                path: entry.path(),
                offset,
                length: metadata.len(),
            });
        }
    }
    pieces.sort_by_key(|piece| piece.offset);
    Ok(pieces)
}

fn offset(name: &str) -> Option<u64> {
    match name.strip_prefix(TAIL) {
        Some(digits) => digits.parse().ok(),
        None => (name == HEAD).then_some(0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn show(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// Writes these texts to a log that keeps 16 bytes.
    fn written(writes: &[&str]) -> (tempfile::TempDir, LogWriter) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::create(folder.path(), 16);
        writes.iter().for_each(|text| log.write(text.as_bytes()));
        (folder, log)
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let (folder, log) = written(&["one\n", "two\n"]);
        assert_eq!(show(read(folder.path()).unwrap()), "one\ntwo\n");
        assert_eq!(log.dropped(), 0);
        assert_eq!(fs::read(folder.path().join(HEAD)).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn of_more_than_fits_head_and_tail_are_kept_and_the_gap_is_said() {
        let (folder, log) = written(&["abcdefghijklmnopqrstuvwxyz"]);
        insta::assert_snapshot!(show(read(folder.path()).unwrap()), @r"
        abcdefgh
        [dispatch: 12 bytes of output were not kept]
        uvwxyz
        ");
        assert_eq!(log.dropped(), 12);
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 3);
    }

    #[test]
    fn the_tail_is_the_end_of_the_whole_output() {
        let (folder, _log) = written(&["abcdefghijklmnopqrstuvwxyz"]);
        assert_eq!(show(tail(folder.path(), 3).unwrap()), "xyz");
        assert_eq!(show(tail(folder.path(), 5).unwrap()), "vwxyz");
        let (text, before) = end(folder.path(), 3).unwrap();
        assert_eq!((show(text).as_str(), before), ("xyz", 23));
        assert_eq!(end(folder.path(), 100).unwrap().1, 0);
        assert_eq!(length(folder.path()).unwrap(), 26);
    }

    #[test]
    fn a_tail_that_reaches_into_the_gap_says_so() {
        let (folder, _log) = written(&["abcdefghijklmnopqrstuvwxyz"]);
        assert_eq!(
            show(tail(folder.path(), 7).unwrap()),
            "\n[dispatch: 1 bytes of output were not kept]\nuvwxyz"
        );
    }

    #[test]
    fn a_follower_gets_every_byte_once_if_it_is_quick_enough() {
        let (folder, mut log) = written(&[]);
        let mut follower = Follower::new(folder.path());
        let mut seen = Vec::new();
        for chunk in "abcdefghijklmnopqrstuvwxyz".as_bytes().chunks(5) {
            log.write(chunk);
            seen.extend(follower.read().unwrap());
        }
        assert_eq!(show(seen), "abcdefghijklmnopqrstuvwxyz");
        assert!(follower.read().unwrap().is_empty());
    }

    #[test]
    fn a_slow_follower_is_told_what_it_missed() {
        let (folder, mut log) = written(&["abcd"]);
        let mut follower = Follower::new(folder.path());
        assert_eq!(show(follower.read().unwrap()), "abcd");
        log.write(b"efghijklmnopqrstuvwxyz");
        assert_eq!(
            show(follower.read().unwrap()),
            "efgh\n[dispatch: 12 bytes of output were not kept]\nuvwxyz"
        );
    }

    #[test]
    fn a_copy_grows_by_the_end_of_the_output_and_shows_what_never_came() {
        let folder = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(folder.path());
        let mut seen = String::new();
        for (from, output) in [(0, "abc"), (1, "bcdef"), (2, "cd"), (9, "jkl"), (10, "klm")] {
            write_copy(folder.path(), from, output.as_bytes()).unwrap();
            seen.push_str(&show(follower.read().unwrap()));
        }
        insta::assert_snapshot!(seen, @r"
        abcdef
        [dispatch: 3 bytes of output were not kept]
        jklm
        ");
        assert_eq!(show(read(folder.path()).unwrap()), seen);
        // The whole output comes at last.
        write_copy(folder.path(), 0, b"abcdefghijklmno").unwrap();
        assert_eq!(show(follower.read().unwrap()), "no");
        let late = tempfile::tempdir().unwrap();
        write_copy(late.path(), 4, b"e").unwrap();
        assert_eq!(
            show(read(late.path()).unwrap()),
            "\n[dispatch: 4 bytes of output were not kept]\ne"
        );
    }

    #[test]
    fn a_log_that_cannot_be_written_counts_what_it_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::create(&folder.path().join("absent"), 16);
        log.write(b"twelve bytes");
        assert_eq!(log.dropped(), 12);
    }
}
