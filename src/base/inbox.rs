//! A folder in which one process leaves messages for another, each read once.
//!
//! The reader closes the folder when it has nothing more to do with messages. A message is either left
//! before that, and read, or refused: none is lost between the two.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::regular_file::{self, RECORD_LIMIT};

/// The end of the name of a message that is complete.
const COMPLETE: &str = ".message";

/// A folder of messages.
#[derive(Clone, Debug)]
pub struct Inbox {
    folder: PathBuf,
}

impl Inbox {
    /// Names the inbox in a folder, which may not exist.
    pub fn at(folder: impl Into<PathBuf>) -> Inbox {
        Inbox {
            folder: folder.into(),
        }
    }

    /// Opens the inbox for messages.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn open(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)
    }

    /// Leaves a message; `false` if the inbox is closed.
    ///
    /// # Errors
    /// When the message cannot be written.
    pub fn leave(&self, text: &str) -> io::Result<bool> {
        // Complete before it gets the name under which it is found.
        let written = tempfile::Builder::new()
            .prefix("part-")
            .tempfile_in(&self.folder)
            .and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
        let file = match written {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let mut file = file;
        for number in self.next_number()?.. {
            let name = self.folder.join(format!("{number:06}{COMPLETE}"));
            match file.persist_noclobber(name) {
                Ok(_) => return Ok(true),
                Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                    file = failed.file;
                }
                Err(failed) if failed.error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(failed) => return Err(failed.error),
            }
        }
        Ok(false)
    }

    /// Takes the oldest message out.
    ///
    /// # Errors
    /// When the folder or a message cannot be read.
    pub fn take(&self) -> io::Result<Option<String>> {
        let Some(path) = self.messages()?.into_iter().next() else {
            return Ok(None);
        };
        let text = regular_file::read_text(&path, RECORD_LIMIT)?;
        fs::remove_file(&path)?;
        Ok(Some(text))
    }

    /// Takes the oldest message out; closes the inbox when there is none. Messages that come in between
    /// are returned as one.
    ///
    /// # Errors
    /// When the folder or a message cannot be read.
    pub fn take_or_close(&self) -> io::Result<Option<String>> {
        if let Some(message) = self.take()? {
            return Ok(Some(message));
        }
        let last = self.close()?;
        Ok((!last.is_empty()).then(|| last.join("\n\n")))
    }

    /// Closes the inbox, and returns the messages that were left until then.
    ///
    /// # Errors
    /// When it cannot be closed or a message cannot be read.
    pub fn close(&self) -> io::Result<Vec<String>> {
        let closed = Inbox::at(self.folder.with_extension("closed"));
        match fs::rename(&self.folder, &closed.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            renamed => renamed?,
        }
        let read = closed.messages()?.into_iter();
        let read = read.map(|file| regular_file::read_text(&file, RECORD_LIMIT));
        let read: io::Result<Vec<String>> = read.collect();
        fs::remove_dir_all(&closed.folder)?;
        read
    }

    /// Lists the complete messages, the oldest first.
    fn messages(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths: io::Result<Vec<PathBuf>> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect();
        let mut paths = paths?;
        paths.retain(|path| is_message(path));
        paths.sort();
        Ok(paths)
    }

    fn next_number(&self) -> io::Result<u32> {
        let last = self.messages()?.pop();
        let last = last.and_then(|path| path.file_stem()?.to_str()?.parse::<u32>().ok());
        Ok(last.map_or(1, |last| last + 1))
    }
}

fn is_message(path: &Path) -> bool {
    path.to_string_lossy().ends_with(COMPLETE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::at(folder.path().join("messages"));
        inbox.open().unwrap();
        assert!(inbox.leave("one").unwrap());
        assert!(inbox.leave("two\nlines").unwrap());
        assert_eq!(inbox.take().unwrap().unwrap(), "one");
        assert!(inbox.leave("three").unwrap());
        assert_eq!(inbox.take().unwrap().unwrap(), "two\nlines");
        assert_eq!(inbox.take().unwrap().unwrap(), "three");
        assert_eq!(inbox.take().unwrap(), None);
    }

    #[test]
    fn a_closed_inbox_refuses_messages_and_loses_none_that_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::at(folder.path().join("messages"));
        assert!(!inbox.leave("too early").unwrap());
        inbox.open().unwrap();
        assert!(inbox.leave("in time").unwrap());
        assert_eq!(inbox.close().unwrap(), ["in time"]);
        assert!(!inbox.leave("too late").unwrap());
        assert_eq!(inbox.take().unwrap(), None);
        assert!(inbox.close().unwrap().is_empty());
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::at(folder.path().join("messages"));
        inbox.open().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let inbox = &inbox;
                scope.spawn(move || {
                    (0..25).for_each(|n| assert!(inbox.leave(&format!("{writer}-{n}")).unwrap()));
                });
            }
        });
        let all: std::collections::BTreeSet<String> =
            std::iter::from_fn(|| inbox.take().unwrap()).collect();
        assert_eq!(all.len(), 100);
    }
}
