//! Splits arriving bytes into lines, in bounded memory.

/// The longest line, in bytes; a longer one is skipped. An agent may print a whole file as one line,
/// and its result may list every refused permission.
pub(super) const LINE_LIMIT: usize = 2 * 1024 * 1024;

/// An incomplete line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Passes on every line that these bytes complete, without its end.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            self.finish(&mut take);
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.begun.len() + bytes.len() > LINE_LIMIT {
            self.too_long = true;
        }
        match self.too_long {
            true => self.begun = Vec::new(),
            false => self.begun.extend_from_slice(bytes),
        }
    }

    /// Passes on the incomplete line, if there is one.
    pub(super) fn finish(&mut self, take: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.begun);
        let is_whole = !std::mem::take(&mut self.too_long);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        if is_whole && !line.is_empty() {
            take(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        let mut take = |line: &str| found.push(line.to_owned());
        for chunk in chunks {
            lines.feed(chunk, &mut take);
        }
        lines.finish(&mut take);
        found
    }

    #[test]
    fn lines_come_out_whole_however_the_bytes_are_cut() {
        let text = "one\r\ntwö\n\nthree".as_bytes();
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(split(&[text]), ["one", "twö", "three"]);
        assert_eq!(split(&single), ["one", "twö", "three"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(split(&[b"a\xff\xc3\nb"]), ["a\u{fffd}\u{fffd}", "b"]);
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory_and_spoils_no_other() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        lines.feed(b"before\n", |line| found.push(line.to_owned()));
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            lines.feed(&chunk, |line| found.push(line.to_owned()));
            assert!(lines.begun.capacity() <= 2 * LINE_LIMIT);
        }
        lines.feed(b"\nafter\n", |line| found.push(line.to_owned()));
        assert_eq!(found, ["before", "after"]);
    }
}
