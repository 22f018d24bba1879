//! Makes foreign text visible as it is. `maud` escapes the result for HTML.

use crate::base::ansi::strip_escapes;
use crate::base::safe::terminal_safe;

/// Returns a text with its hidden characters escaped, so that it cannot pretend to be another one.
pub(super) fn shown(text: &str) -> String {
    terminal_safe(text)
}

/// Returns the output of a program without its colours, and with hidden characters escaped.
pub(super) fn output(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    terminal_safe(&strip_escapes(&text))
}
