//! Parses the output of `git merge-tree --stdin -z --messages`.
//!
//! ```text
//! <status> NUL <tree> NUL { <mode> SP <oid> SP <stage> TAB <path> NUL }* NUL
//!     { <n> NUL path{n} NUL <type> NUL <text> NUL }* NUL
//! ```
//!
//! once for every merge. `status` is 1 for clean and 0 for a conflict, the opposite of the exit code
//! of a single merge. Paths are bytes and may hold anything but NUL.

use crate::merge::answer::{MergeResult, Message, Stage};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// Advice on submodules that older git (2.39, not 2.47) prints between the last message and the NUL
/// that ends the messages.
const SUBMODULE_ADVICE: &[u8] = b"Recursive merging with submodules currently";

/// Parses every complete answer, in order. Parsing stops at a truncated answer and at anything that
/// does not fit the grammar.
pub fn parse_answers(output: &[u8]) -> Vec<MergeResult> {
    let mut reader = Reader { rest: output };
    let mut answers = Vec::new();
    while let Some(answer) = reader.answer() {
        answers.push(answer);
    }
    answers
}

/// Counts the complete answers of an output that arrives in pieces.
#[derive(Debug, Default)]
pub struct AnswerCount {
    next: Awaited,
    /// The token read so far.
    token: Vec<u8>,
}

/// The kind of the next token.
#[derive(Clone, Copy, Debug, Default)]
enum Awaited {
    #[default]
    Status,
    Tree,
    Stage,
    Message,
    /// The remaining tokens of a message.
    Rest(usize),
    /// Not countable: the output does not fit the grammar.
    Unknown,
}

impl AnswerCount {
    /// Reads the next piece and returns the number of answers that end in it.
    pub fn add(&mut self, piece: &[u8]) -> usize {
        let mut count = 0;
        for &byte in piece {
            if byte != 0 {
                self.token.push(byte);
                continue;
            }
            self.next = after(self.next, &self.token);
            count += usize::from(matches!(self.next, Awaited::Status));
            self.token.clear();
        }
        count
    }
}

fn after(awaited: Awaited, token: &[u8]) -> Awaited {
    let ends = token.is_empty() || token.starts_with(SUBMODULE_ADVICE);
    let paths = || std::str::from_utf8(token).ok()?.parse::<usize>().ok();
    match awaited {
        Awaited::Status => Awaited::Tree,
        Awaited::Tree => Awaited::Stage,
        Awaited::Stage if ends => Awaited::Message,
        Awaited::Stage => Awaited::Stage,
        Awaited::Message if ends => Awaited::Status,
        // The paths, the type and the text.
        Awaited::Message => match paths().and_then(|paths| paths.checked_add(2)) {
            Some(rest) => Awaited::Rest(rest),
            None => Awaited::Unknown,
        },
        Awaited::Rest(1) => Awaited::Message,
        Awaited::Rest(more) => Awaited::Rest(more - 1),
        Awaited::Unknown => Awaited::Unknown,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn answer(&mut self) -> Option<MergeResult> {
        let clean = match self.token()? {
            b"1" => true,
            b"0" => false,
            _ => return None,
        };
        let tree = parse_oid(self.token()?)?;
        let stages = self.list(|reader, first| reader.stage(first))?;
        let messages = self.list(|reader, first| reader.message(first))?;
        Some(MergeResult {
            clean,
            tree,
            stages,
            messages,
        })
    }

    /// Parses items up to an empty token; `item` takes the first token of each.
    fn list<T>(&mut self, item: impl Fn(&mut Self, &'a [u8]) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        loop {
            match self.token()? {
                b"" => return Some(items),
                advice if advice.starts_with(SUBMODULE_ADVICE) => return Some(items),
                first => items.push(item(self, first)?),
            }
        }
    }

    fn stage(&mut self, token: &[u8]) -> Option<Stage> {
        let tab = token.iter().position(|byte| *byte == b'\t')?;
        let (meta, path) = (std::str::from_utf8(&token[..tab]).ok()?, &token[tab + 1..]);
        let mut words = meta.split(' ');
        let stage = Stage {
            mode: u32::from_str_radix(words.next()?, 8).ok()?,
            oid: words.next()?.parse().ok()?,
            stage: words.next()?.parse().ok()?,
            path: RepoPath::new(path),
        };
        words.next().is_none().then_some(stage)
    }

    fn message(&mut self, count: &[u8]) -> Option<Message> {
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        // No capacity is reserved: a wrong count must not allocate memory.
        let paths = (0..count)
            .map(|_| self.token().map(RepoPath::new))
            .collect::<Option<Vec<_>>>()?;
        let kind = String::from_utf8_lossy(self.token()?).into_owned();
        let text = String::from_utf8_lossy(self.token()?).trim_end().to_owned();
        Some(Message { paths, kind, text })
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let token = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(token)
    }
}

fn parse_oid(token: &[u8]) -> Option<Oid> {
    std::str::from_utf8(token).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::merge::change::Entry;

    fn random_path(rng: &mut fastrand::Rng) -> RepoPath {
        let pieces: [&[u8]; 9] = [
            b"a",
            b"src/",
            b"\t",
            b"\n",
            b"\"",
            b" ",
            b"\xff\xfe",
            b"~",
            b"\xc3\xa9",
        ];
        let length = rng.usize(1..8);
        let mut path = Vec::new();
        for _ in 0..length {
            path.extend_from_slice(pieces[rng.usize(..pieces.len())]);
        }
        RepoPath::new(path)
    }

    fn random_oid(rng: &mut fastrand::Rng) -> Oid {
        let mut bytes = [0; 20];
        rng.fill(&mut bytes);
        Oid::from_bytes(bytes)
    }

    fn random_answer(rng: &mut fastrand::Rng) -> MergeResult {
        let modes = [0o100_644, 0o100_755, 0o120_000, Entry::SUBMODULE];
        let kinds = [
            "Auto-merging",
            "CONFLICT (contents)",
            "CONFLICT(directory rename unclear split)",
        ];
        let stages = (0..rng.usize(..4)).map(|_| Stage {
            mode: modes[rng.usize(..4)],
            oid: Oid::ZERO,
            stage: rng.u8(1..4),
            path: RepoPath::from("x"),
        });
        let stages: Vec<_> = stages.collect();
        let stages = stages
            .into_iter()
            .map(|stage| Stage {
                oid: random_oid(rng),
                path: random_path(rng),
                ..stage
            })
            .collect();
        let count = rng.usize(..4);
        let messages = (0..count)
            .map(|_| Message {
                paths: (0..rng.usize(..3))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(|_| random_path(rng))
                    .collect(),
                kind: kinds[rng.usize(..3)].to_owned(),
                text: "said so".to_owned(),
            })
            .collect();
        MergeResult {
            clean: rng.bool(),
            tree: random_oid(rng),
            stages,
            messages,
        }
    }

    fn print(answer: &MergeResult) -> Vec<u8> {
        let mut out = format!("{}\0{}\0", u8::from(answer.clean), answer.tree).into_bytes();
        for stage in &answer.stages {
            let meta = format!("{:06o} {} {}\t", stage.mode, stage.oid, stage.stage);
            out.extend_from_slice(meta.as_bytes());
            out.extend_from_slice(stage.path.as_bytes());
            out.push(0);
        }
        out.push(0);
        for message in &answer.messages {
            out.extend_from_slice(format!("{}\0", message.paths.len()).as_bytes());
            for path in &message.paths {
                out.extend_from_slice(path.as_bytes());
                out.push(0);
            }
            out.extend_from_slice(format!("{}\0{}\n\0", message.kind, message.text).as_bytes());
        }
        out.push(0);
        out
    }

    #[test]
    fn generated_answers_are_parsed_back() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let answers: Vec<_> = (0..rng.usize(..5))
                .collect::<Vec<_>>()
                .iter()
                .map(|_| random_answer(&mut rng))
                .collect();
            let output: Vec<u8> = answers.iter().flat_map(print).collect();
            assert_eq!(parse_answers(&output), answers);
            let mut count = AnswerCount::default();
            let pieces = output.chunks(rng.usize(1..60));
            let counted: usize = pieces.map(|piece| count.add(piece)).sum();
            assert_eq!(counted, answers.len());
        }
    }

    #[test]
    fn truncated_output_gives_the_complete_answers_before_the_cut() {
        let mut rng = fastrand::Rng::with_seed(8);
        let answers: Vec<_> = (0..4).map(|_| random_answer(&mut rng)).collect();
        let printed: Vec<Vec<u8>> = answers.iter().map(print).collect();
        let output = printed.concat();
        for cut in 0..=output.len() {
            let mut end = 0;
            let whole = printed.iter().take_while(|one| {
                end += one.len();
                end <= cut
            });
            let whole = whole.count();
            assert_eq!(parse_answers(&output[..cut]), answers[..whole], "cut {cut}");
            let counted = AnswerCount::default().add(&output[..cut]);
            assert_eq!(counted, whole, "cut {cut}");
        }
    }

    #[test]
    fn a_conflict_without_staged_files_is_parsed() {
        let output = b"0\x004b825dc642cb6eb9a060e54bf8d69288fbee4904\0\x001\0d\0CONFLICT(directory rename unclear split)\0which?\n\0\0";
        let answers = parse_answers(output);
        assert!(!answers[0].clean && answers[0].stages.is_empty());
        assert_eq!(
            answers[0].messages[0].kind,
            "CONFLICT(directory rename unclear split)"
        );
    }

    #[test]
    fn advice_between_answers_is_skipped() {
        let answer = b"0\x004b825dc642cb6eb9a060e54bf8d69288fbee4904\0\x001\0sm\0CONFLICT (submodule)\0no\n\0Recursive merging with submodules currently only supports trivial cases.\n - come back\n\0";
        let twice = [&answer[..], &answer[..]].concat();
        let answers = parse_answers(&twice);
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[1].messages.len(), 1);
        assert_eq!(AnswerCount::default().add(&twice), 2);
    }

    #[test]
    fn parsing_stops_at_invalid_output() {
        assert!(parse_answers(b"2\0x\0\0\0").is_empty());
        assert!(parse_answers(b"fatal: no\n").is_empty());
        let huge = b"1\x004b825dc642cb6eb9a060e54bf8d69288fbee4904\0\x0099999999999\0a\0";
        assert!(parse_answers(huge).is_empty());
    }
}
