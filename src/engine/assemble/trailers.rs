//! Adds trailers to a commit message as `git interpret-trailers` does.

/// Adds trailers to a message in any encoding that extends ASCII, byte for byte.
pub(super) fn with_trailers_as_stored(message: &[u8], trailers: &str) -> Vec<u8> {
    let chars = |bytes: &[u8]| -> String { bytes.iter().copied().map(char::from).collect() };
    let text = with_trailers(&chars(message), &chars(trailers.as_bytes()));
    let bytes = text.chars().map(|char| u8::try_from(char).unwrap_or(b'?'));
    bytes.collect()
}

/// Adds trailers to a message, in one block with its own trailers. Those that are there already are
/// not repeated.
pub(crate) fn with_trailers(message: &str, trailers: &str) -> String {
    let message = message.trim_end_matches(|char: char| char.is_ascii_whitespace());
    let last = last_paragraph(message).filter(|last| is_trailer_block(last));
    let is_known = |line: &&str| last.is_some_and(|last| last.lines().any(|known| known == *line));
    let new: Vec<&str> = trailers.lines().filter(|line| !is_known(line)).collect();
    match (new.is_empty(), last.is_some()) {
        (true, _) => format!("{message}\n"),
        (false, true) => format!("{message}\n{}\n", new.join("\n")),
        (false, false) => format!("{message}\n\n{}\n", new.join("\n")),
    }
}

/// Returns the text after the last empty line; the first paragraph is the subject.
fn last_paragraph(message: &str) -> Option<&str> {
    let mut start = None;
    let mut place = 0;
    for line in message.split_inclusive('\n') {
        place += line.len();
        if line.trim().is_empty() {
            start = Some(place);
        }
    }
    start.map(|start| &message[start..])
}

/// Returns `true` for a paragraph that git takes for trailers: all its lines are, or at least a quarter
/// and one of them is git's own. Indented lines continue the one above.
fn is_trailer_block(paragraph: &str) -> bool {
    let lines = paragraph
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']));
    let (trailers, others): (Vec<&str>, Vec<&str>) = lines.partition(|line| is_trailer(line));
    let has_own = trailers.iter().any(|line| is_of_git(line));
    !trailers.is_empty() && (others.is_empty() || has_own && 3 * trailers.len() >= others.len())
}

fn is_of_git(line: &str) -> bool {
    line.starts_with("Signed-off-by: ") || line.starts_with("(cherry picked from commit ")
}

fn is_trailer(line: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    is_of_git(line)
        || line
            .split_once(':')
            .is_some_and(|(name, _)| is_name(name.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_join_those_that_are_there_and_are_not_repeated() {
        let ours = "Dispatch-Run: r\nDispatch-Task: 1 T1\n";
        let add = |message: &str| with_trailers(message, ours);
        insta::assert_snapshot!(add("Fix it\n"), @r"
        Fix it

        Dispatch-Run: r
        Dispatch-Task: 1 T1
        ");
        insta::assert_snapshot!(add("Fix it\n\nSee: the notes\n\nand more\n"), @r"
        Fix it

        See: the notes

        and more

        Dispatch-Run: r
        Dispatch-Task: 1 T1
        ");
        insta::assert_snapshot!(add("Fix it\n\nSigned-off-by: Ada <a@b>\n"), @r"
        Fix it

        Signed-off-by: Ada <a@b>
        Dispatch-Run: r
        Dispatch-Task: 1 T1
        ");
        assert_eq!(add(&add("Fix it")), add("Fix it"));
    }

    #[test]
    fn a_block_is_one_where_git_sees_one() {
        let joins = |last: &str| {
            let message = format!("Subject\n\n{last}");
            !with_trailers(&message, "Dispatch-Run: r\n").contains("\n\nDispatch-Run")
        };
        let blocks = [
            "Signed-off-by: Ada <a@b>\nReviewed-by: Bob <b@c>",
            "Fixes: #12\n  and what came with it",
            "(cherry picked from commit 0123456)",
            "Signed-off-by: Ada <a@b>\n[ada: fixed a typo]",
            "Refs:#12",
        ];
        for block in blocks {
            assert!(joins(block), "{block}");
        }
        let texts = [
            "just words",
            "Note: this\nand that",
            "a sentence with: a colon",
        ];
        for text in texts {
            assert!(!joins(text), "{text}");
        }
        let subject = with_trailers("fix: a subject", "Dispatch-Run: r\n");
        assert_eq!(subject, "fix: a subject\n\nDispatch-Run: r\n");
    }

    #[test]
    fn the_bytes_of_a_message_stay_as_they_are() {
        for message in [
            &b"R\xe9sum\xe9\x85\n"[..],
            "déjà\n".as_bytes(),
            b"x\xff\xa0\n",
        ] {
            let added = with_trailers_as_stored(message, "Dispatch-Task: 1 É\n");
            let trailers = "\n\nDispatch-Task: 1 É\n".as_bytes();
            let kept = message.trim_ascii_end();
            assert_eq!(added, [kept, trailers].concat());
        }
    }
}
