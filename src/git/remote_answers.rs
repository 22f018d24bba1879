//! Reads what git prints when it speaks to a remote.

use crate::base::text::one_line;
use crate::merge::oid::Oid;

/// Parses the output of `git ls-remote`: each reference with its object.
pub fn parse_references(output: &[u8]) -> Vec<(String, Oid)> {
    let reference = |line: &str| {
        let (oid, name) = line.split_once('\t')?;
        Some((name.to_owned(), oid.parse().ok()?))
    };
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(reference).collect()
}

/// Returns the last lines of a message, at most this many. The reason stands at the end, under the progress and
/// the output of hooks.
pub fn last_lines(said: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = said
        .lines()
        .map(one_line)
        .filter(|line| !line.is_empty())
        .collect();
    lines.drain(..lines.len().saturating_sub(most));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_references_is_read_line_by_line() {
        let oid = "1".repeat(40);
        let output = format!("warning: slow\n{oid}\trefs/heads/a\nnot an id\trefs/heads/b\n");
        let expected = vec![("refs/heads/a".to_owned(), oid.parse().expect("an id"))];
        assert_eq!(parse_references(output.as_bytes()), expected);
    }

    #[test]
    fn the_end_of_a_message_is_kept() {
        assert_eq!(last_lines("a\n\n  b\r\nc \n", 2), ["b", "c"]);
        assert_eq!(last_lines("\n", 2), Vec::<String>::new());
    }
}
