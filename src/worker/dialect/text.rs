//! Any program, whose output has no known meaning.

use crate::worker::dialect::DialectParser;
use crate::worker::dialect::transcript_builder::TranscriptBuilder;

pub(super) struct Text;

impl DialectParser for Text {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        builder.stray(line);
    }
}
