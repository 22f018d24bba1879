//! Repositories through the `git` program: in every format that it reads.
//!
//! Objects are read by `cat-file --batch-command` and written by `hash-object --stdin-paths`, trees are
//! compared by `diff-tree --stdin`; these processes stay. References and history take a process each.

use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::process::Finished;
use crate::git::backend::{Backend, Header, ObjectKind};
use crate::git::command::{Git, GitError};
use crate::git::program::session::{Session, Sessions};
use crate::git::store_error::StoreError;
use crate::merge::answer::Lineage;
use crate::merge::change::FileStat;
use crate::merge::oid::{ObjectFormat, Oid};

mod history;
mod refs;
pub(super) mod session;
mod trees;

/// The command that reads objects.
const READ: [&str; 2] = ["cat-file", "--batch-command"];

/// The most objects in one question: their answers fit into a pipe.
const HEADERS_AT_ONCE: usize = 200;

/// Settings that write objects and references durably.
const DURABLE: [&str; 2] = [
    "core.fsync=committed,loose-object,reference",
    "core.fsyncMethod=fsync",
];

/// Settings of throwaway objects: no disk is waited for, nothing is compressed.
const THROWAWAY: [&str; 3] = [
    "core.fsync=none",
    "core.compression=0",
    "core.looseCompression=0",
];

/// A repository, and the processes that answer for it.
pub(super) struct Program {
    git: Git,
    folder: PathBuf,
    format: ObjectFormat,
    sessions: Arc<Sessions>,
    settings: &'static [&'static str],
}

impl Program {
    /// Uses a git folder.
    pub(super) fn new(folder: &Path, format: ObjectFormat, sessions: &Arc<Sessions>) -> Program {
        let git = Git::at(folder).env("GIT_DIR", folder.as_os_str());
        Program {
            git,
            folder: folder.to_owned(),
            format,
            sessions: Arc::clone(sessions),
            settings: &[],
        }
    }

    /// Makes writes durable: objects and references are fsynced before a call returns.
    pub(super) fn durable(mut self) -> Program {
        self.settings = &DURABLE;
        self
    }

    /// Reads and writes the objects in this folder, which names the repository's as an alternate.
    pub(super) fn in_quarantine(mut self, objects: &Path) -> Program {
        self.git = self.git.env("GIT_OBJECT_DIRECTORY", objects.as_os_str());
        self.settings = &THROWAWAY;
        self
    }

    /// Returns git with the settings of writing.
    fn writer(&self) -> Git {
        let git = self.git.clone();
        self.settings.iter().fold(git, |git, set| git.setting(set))
    }

    /// Runs a command that answers "no" by exit code 1 and says nothing then.
    fn try_run(&self, args: &[&str]) -> Result<Option<Finished>, GitError> {
        let finished = self.git.finish(args)?;
        match finished.status.code() {
            Some(0) => Ok(Some(finished)),
            Some(1) => Ok(None),
            _ => Err(self.git.failed(args, &finished)),
        }
    }

    fn ask<T>(
        &self,
        args: &[&str],
        question: &[u8],
        answer: impl Fn(&mut Session) -> io::Result<T>,
    ) -> Result<T, StoreError> {
        Ok(self.sessions.ask(&self.git, args, question, answer)?)
    }

    fn read_once(&self, oid: Oid) -> Result<Option<(ObjectKind, Vec<u8>)>, StoreError> {
        let question = format!("contents {oid}\n");
        self.ask(&READ, question.as_bytes(), |session| {
            let Some((_, (kind, size))) = read_header(session)? else {
                return Ok(None);
            };
            let content = session.bytes(size)?;
            session.bytes(1)?;
            Ok(Some((kind, content)))
        })
    }

    /// Asks what a name that has no line end stands for.
    fn look_up(&self, name: &str) -> Result<Option<(Oid, Header)>, StoreError> {
        if name.contains(['\n', '\0']) {
            return Ok(None);
        }
        let question = format!("info {name}\n");
        self.ask(&READ, question.as_bytes(), read_header)
    }
}

impl Backend for Program {
    fn format(&self) -> ObjectFormat {
        self.format
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn read(&self, oid: Oid) -> Result<Option<(ObjectKind, Vec<u8>)>, StoreError> {
        let found = self.read_once(oid)?;
        if found.is_some() {
            return Ok(found);
        }
        // A process reads the list of alternates when it starts.
        self.sessions.renew(&READ);
        self.read_once(oid)
    }

    fn headers(&self, oids: &[Oid]) -> Result<Vec<Option<Header>>, StoreError> {
        let mut headers = Vec::with_capacity(oids.len());
        for some in oids.chunks(HEADERS_AT_ONCE) {
            let question: String = some.iter().map(|oid| format!("info {oid}\n")).collect();
            let answers = self.ask(&READ, question.as_bytes(), |session| {
                let answer = |_| Ok(read_header(session)?.map(|(_, header)| header));
                some.iter().map(answer).collect::<io::Result<Vec<_>>>()
            })?;
            headers.extend(answers);
        }
        Ok(headers)
    }

    fn write(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, StoreError> {
        let failed = |error| StoreError::Folder(std::env::temp_dir().display().to_string(), error);
        let file = tempfile::Builder::new()
            .prefix("dispatch-object-")
            .tempfile();
        let mut file = file.map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        let path = file.path().canonicalize().map_err(failed)?;
        let settings = self.settings.iter().flat_map(|setting| ["-c", *setting]);
        let write = ["hash-object", "-w", "-t", kind.word()];
        let rest = ["--no-filters", "--stdin-paths"];
        let args: Vec<&str> = settings.chain(write).chain(rest).collect();
        let question = [path.as_os_str().as_bytes(), b"\n"].concat();
        self.ask(&args, &question, |session| {
            let line = session.line()?;
            line.parse().map_err(|_| io::ErrorKind::InvalidData.into())
        })
    }

    fn resolve(&self, revision: &str) -> Result<Option<Oid>, StoreError> {
        let found = self.look_up(&format!("{revision}^{{commit}}"))?;
        Ok(found.map(|(oid, _)| oid))
    }

    fn is_object(&self, revision: &str) -> bool {
        self.look_up(revision).is_ok_and(|found| found.is_some())
    }

    fn reference(&self, name: &str) -> Result<Option<Oid>, StoreError> {
        self.read_reference(name)
    }

    fn move_reference(&self, name: &str, old: Oid, new: Oid, why: &str) -> Result<(), StoreError> {
        self.move_from(name, old, new, why)
    }

    fn force_reference(&self, name: &str, new: Oid, why: &str) -> Result<(), StoreError> {
        self.move_from_anywhere(name, new, why)
    }

    fn delete_reference(&self, name: &str, old: Oid) -> Result<(), StoreError> {
        self.delete_at(name, old)
    }

    fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError> {
        self.list_references(prefix)
    }

    fn is_set(&self, key: &str) -> bool {
        let said = self.git.line(&["config", "--type=bool", "--get", key]);
        said.is_ok_and(|said| said == "true")
    }

    fn settings(&self, keys: &str) -> Result<Vec<(String, String)>, StoreError> {
        let listed = self.try_run(&["config", "-z", "--get-regexp", keys])?;
        let listed = listed.map(|finished| finished.stdout).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let entries = listed.split(|byte| *byte == 0);
        let setting = |entry: &[u8]| match entry.iter().position(|byte| *byte == b'\n') {
            Some(end) => (text(&entry[..end]), text(&entry[end + 1..])),
            None => (text(entry), "true".to_owned()),
        };
        let entries = entries.filter(|entry| !entry.is_empty());
        Ok(entries.map(setting).collect())
    }

    fn is_ancestor(&self, old: Oid, new: Oid) -> Result<bool, StoreError> {
        self.descends(new, old)
    }

    fn merge_bases(&self, a: Oid, b: Oid) -> Result<Vec<Oid>, StoreError> {
        self.list_bases(&["--all"], &[a, b])
    }

    fn common_ancestor(&self, tips: &[Oid]) -> Result<Option<Oid>, StoreError> {
        let bases = self.list_bases(&["--octopus"], tips)?;
        Ok(bases.first().copied())
    }

    fn commits_above(&self, tip: Oid, base: Option<Oid>) -> Result<Vec<Lineage>, StoreError> {
        self.list_commits(tip, base)
    }

    fn file_stats(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        self.count_lines(old, new)
    }

    fn index_tree(&self, _index: &Path) -> Option<Oid> {
        None
    }
}

/// Reads `<oid> <kind> <size>`, or a line that says why there is no object.
fn read_header(session: &mut Session) -> io::Result<Option<(Oid, Header)>> {
    let line = session.read_until(b'\n')?;
    let line = String::from_utf8_lossy(&line);
    let mut words = line.split(' ');
    let header = (|| {
        let oid = words.next()?.parse().ok()?;
        let kind = ObjectKind::parse(words.next()?)?;
        let size = words.next()?.parse().ok()?;
        words.next().is_none().then_some((oid, (kind, size)))
    })();
    Ok(header)
}

/// Returns an argument list with object ids at its end.
fn with_oids(args: &[&str], oids: &[Oid]) -> Vec<String> {
    let args = args.iter().map(|arg| (*arg).to_owned());
    args.chain(oids.iter().map(Oid::to_string)).collect()
}
