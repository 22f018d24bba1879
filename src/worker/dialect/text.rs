//! Any program: its output says nothing that could be relied on.

use crate::worker::dialect::Language;
use crate::worker::dialect::seen::Seen;

pub(super) struct Text;

impl Language for Text {
    fn line(&mut self, line: &str, seen: &mut Seen) {
        seen.stray(line);
    }
}
