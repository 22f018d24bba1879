//! The text of commits.

use jiff::Timestamp;

use crate::merge::oid::Oid;

/// A commit as it is stored; text that no header or message explains is left out.
pub(super) struct CommitObject {
    pub(super) tree: Oid,
    pub(super) parents: Vec<Oid>,
    pub(super) author: Signature,
    pub(super) committer: Signature,
    /// The encoding of names and message, where it is not UTF-8.
    pub(super) encoding: Option<String>,
    pub(super) message: Vec<u8>,
}

/// The name, address and time in a commit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Signature {
    pub(super) name: Vec<u8>,
    pub(super) email: Vec<u8>,
    /// Seconds since 1970.
    pub(super) seconds: i64,
    /// The time zone as git writes it, such as `+0130`.
    pub(super) zone: String,
}

impl CommitObject {
    /// Parses a commit; `None` if it names no tree.
    pub(super) fn parse(bytes: &[u8]) -> Option<CommitObject> {
        let mut rest = bytes;
        let tree = oid(header(&mut rest, b"tree ")?)?;
        let mut parents = Vec::new();
        while let Some(parent) = header(&mut rest, b"parent ") {
            parents.push(oid(parent)?);
        }
        let mut signature = |name: &[u8]| header(&mut rest, name).map(Signature::parse);
        let author = signature(b"author ").unwrap_or_default();
        let committer = signature(b"committer ").unwrap_or_default();
        let encoding = header(&mut rest, b"encoding ");
        let encoding = encoding.map(|name| String::from_utf8_lossy(name).into_owned());
        let end = rest.windows(2).position(|pair| pair == b"\n\n");
        let message = match (rest.first(), end) {
            (Some(b'\n'), _) => &rest[1..],
            (_, Some(end)) => &rest[end + 2..],
            (_, None) => &[],
        };
        let start = message.iter().position(|byte| *byte != b'\n');
        let message = message[start.unwrap_or(message.len())..].to_vec();
        Some(CommitObject {
            tree,
            parents,
            author,
            committer,
            encoding,
            message,
        })
    }
}

impl Signature {
    /// Parses `Ann <ann@example.com> 1700000000 +0100`. What cannot be read stays empty.
    fn parse(line: &[u8]) -> Signature {
        let open = line.iter().rposition(|byte| *byte == b'<');
        let close = line.iter().rposition(|byte| *byte == b'>');
        let (Some(open), Some(close)) = (open, close) else {
            let name = line.trim_ascii().to_vec();
            return Signature {
                name,
                ..Signature::default()
            };
        };
        let when = String::from_utf8_lossy(&line[close + 1..]);
        let mut words = when.split_ascii_whitespace();
        Signature {
            name: line[..open].trim_ascii().to_vec(),
            email: line[(open + 1).min(close)..close].trim_ascii().to_vec(),
            seconds: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
            zone: words.next().unwrap_or("+0000").to_owned(),
        }
    }

    /// Returns the time, or the start of 1970 for one that is out of range.
    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_second(self.seconds).unwrap_or_default()
    }

    /// Renders seconds and zone, as git writes and reads them.
    pub(super) fn when(&self) -> String {
        format!("{} {}", self.seconds, self.zone)
    }

    /// Renders the header `role` of a commit.
    pub(super) fn render(&self, role: &str) -> Vec<u8> {
        let mut line = format!("{role} ").into_bytes();
        line.extend_from_slice(&self.name);
        line.extend_from_slice(b" <");
        line.extend_from_slice(&self.email);
        line.extend_from_slice(format!("> {}\n", self.when()).as_bytes());
        line
    }
}

/// Splits off the line of a header.
fn header<'a>(rest: &mut &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let line = rest.strip_prefix(name)?;
    let end = line.iter().position(|byte| *byte == b'\n')?;
    *rest = &line[end + 1..];
    Some(&line[..end])
}

fn oid(digits: &[u8]) -> Option<Oid> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_message_are_read() {
        let (tree, parent) = ("1".repeat(64), "2".repeat(64));
        let text = format!(
            "tree {tree}\nparent {parent}\nauthor Ann Lee <ann@x> 5 +0130\n\
             committer  <> 6 -0000\nencoding latin1\nmergetag object\n a\n\n\nfirst\n\nrest\n"
        );
        let commit = CommitObject::parse(text.as_bytes()).unwrap();
        assert_eq!(commit.tree.to_string(), tree);
        assert_eq!(commit.parents.len(), 1);
        let line = commit.author.render("author");
        assert_eq!(line, b"author Ann Lee <ann@x> 5 +0130\n");
        assert_eq!(commit.committer.when(), "6 -0000");
        assert_eq!(commit.encoding.as_deref(), Some("latin1"));
        assert_eq!(commit.message, b"first\n\nrest\n");
    }

    #[test]
    fn a_damaged_commit_is_read_as_far_as_it_goes() {
        assert!(CommitObject::parse(b"blob").is_none());
        let text = format!("tree {}\nauthor unsigned\n\nm", "1".repeat(40));
        let commit = CommitObject::parse(text.as_bytes()).unwrap();
        assert_eq!(commit.author.name, b"unsigned");
        assert_eq!(commit.author.seconds, 0);
        assert_eq!(commit.message, b"m");
    }
}
