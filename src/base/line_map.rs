//! Finds the lines that two texts have alike.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Maps each line of `new` to the line of `old` (both from 0) that it is; none for a line that is new or
/// changed.
pub fn line_map(old: &[&[u8]], new: &[&[u8]]) -> Vec<Option<usize>> {
    let mut map = vec![None; new.len()];
    for operation in capture_diff_slices(Algorithm::Myers, old, new) {
        if let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = operation
        {
            for step in 0..len {
                map[new_index + step] = Some(old_index + step);
            }
        }
    }
    map
}

/// Splits a text into lines without their ends, `\r` included.
pub fn lines(text: &[u8]) -> Vec<&[u8]> {
    let whole = text.split_inclusive(|byte| *byte == b'\n');
    let bare = |line| -> &[u8] {
        let line: &[u8] = line;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    };
    whole.map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_again_below_new_ones() {
        let old = lines(b"one\ntwo\nthree");
        let new = lines(b"zero\r\none\r\n2\r\nthree\r\n");
        assert_eq!(line_map(&old, &new), [None, Some(0), None, Some(2)]);
        assert_eq!(line_map(&old, &lines(b"")), []);
    }
}
