//! Foreign text in JSON that is shown.

/// Escapes the hidden characters of JSON text as `\u202e`. The value stays the same, and a terminal that
/// shows the text is not changed by it.
///
/// Outside of strings JSON has ASCII only, and serialised strings have no control characters below
/// U+0020, so a replacement of the characters is enough.
pub fn json_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c == '\u{7f}' || !c.is_ascii() && super::hidden::is_hidden_after(c, None) {
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_has_the_same_value_and_nothing_hidden() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{200b}\u{e0041}\u{fdd0}\\ \"é🦀\n";
        let json = json_safe(&serde_json::to_string(text).unwrap());
        assert_eq!(
            json,
            r#""a\u001b\u007f\u009b\u202e\u200b\udb40\udc41\ufdd0\\ \"é🦀\n""#
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
