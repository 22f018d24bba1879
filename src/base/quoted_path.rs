//! Paths as git prints them: in double quotes with escapes, if they have unusual bytes (`core.quotePath`).

/// Reads a path; one without quotes stands for itself.
pub fn unquoted(printed: &[u8]) -> Vec<u8> {
    let inner = printed
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return printed.to_vec();
    };
    let mut path = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            path.push(*first);
        } else if let Some(byte) = rest.get(..3).and_then(octal) {
            path.push(byte);
            rest = &rest[3..];
        } else {
            // A backslash at the end stands for itself.
            let (letter, after) = rest.split_first().unwrap_or((&b'\\', &[]));
            path.push(control(*letter));
            rest = after;
        }
    }
    path
}

fn octal(digits: &[u8]) -> Option<u8> {
    let are_octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let digits = std::str::from_utf8(digits).ok().filter(|_| are_octal)?;
    u8::from_str_radix(digits, 8).ok()
}

/// Returns the byte that a letter after a backslash stands for.
fn control(letter: u8) -> u8 {
    match letter {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes_and_other_paths_stay() {
        let read =
            |printed: &str| String::from_utf8_lossy(&unquoted(printed.as_bytes())).into_owned();
        assert_eq!(read("src/a b.rs"), "src/a b.rs");
        assert_eq!(read("\"t\\303\\244g\""), "täg");
        assert_eq!(read("\"a\\tb\\\"c\\\\d\""), "a\tb\"c\\d");
        assert_eq!(read("a\\t"), "a\\t");
        assert_eq!(read("\""), "\"");
        assert_eq!(read("\"a\\\""), "a\\");
        assert_eq!(unquoted(b"\"\\377\""), [0xff]);
    }
}
