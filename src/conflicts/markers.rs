//! Finds conflict markers that a resolution left in a file.

/// The most bytes of a line in a message.
const SHOWN: usize = 60;

/// Finds the first conflict marker in `text` that none of `sides` has. A file about conflict markers
/// may keep those it had before.
pub(crate) fn marker_left(text: &[u8], sides: &[&[u8]]) -> Option<String> {
    let is_known = |line: &[u8]| sides.iter().any(|side| lines(side).any(|own| own == line));
    let mut left = lines(text).filter(|line| is_marker(line));
    let left = left.find(|line| !is_known(line))?;
    Some(String::from_utf8_lossy(&left[..left.len().min(SHOWN)]).into_owned())
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii_end())
}

/// Returns `true` for `<<<<<<< ours`, `||||||| base`, `>>>>>>> theirs`. A line of equal signs may be a
/// heading.
fn is_marker(line: &[u8]) -> bool {
    [b'<', b'|', b'>'].iter().any(|sign| {
        let signs = line.iter().take_while(|byte| *byte == sign).count();
        signs == 7 && line.get(7).is_none_or(|byte| *byte == b' ')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str, sides: &[&str]) -> String {
        let sides: Vec<&[u8]> = sides.iter().map(|side| side.as_bytes()).collect();
        marker_left(text.as_bytes(), &sides).unwrap_or_default()
    }

    #[test]
    fn markers_are_found_and_similar_lines_are_not() {
        assert_eq!(
            left("a\n<<<<<<< HEAD\nb\n=======\nc\n", &[]),
            "<<<<<<< HEAD"
        );
        assert_eq!(left("a\r\n>>>>>>> x\r\n", &[]), ">>>>>>> x");
        assert_eq!(left("|||||||\n", &[]), "|||||||");
        for harmless in [
            "Title\n=======\n",
            "<<<<<<<<\n",
            " <<<<<<< x\n",
            "<<<<<<<x\n",
            "",
        ] {
            assert_eq!(left(harmless, &[]), "", "{harmless:?}");
        }
    }

    #[test]
    fn a_text_about_markers_may_keep_them() {
        let about = "For example:\n<<<<<<< ours\n";
        assert_eq!(left(about, &["x\n", about]), "");
        let both = "<<<<<<< ours\n<<<<<<< HEAD\n";
        assert_eq!(left(both, &[about]), "<<<<<<< HEAD");
    }
}
