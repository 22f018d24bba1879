//! Splits Rust text into names and signs with their lines, without comments, strings and
//! characters.

/// A name, or one other character; `::` is one token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// Splits a file.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner {
        rest: text,
        line: 1,
        tokens: Vec::new(),
    };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.tokens
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        let first = rest.chars().next().unwrap();
        let (length, is_token) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if let Some(length) = quoted(rest) {
            (length, false)
        } else if is_name(first) {
            (rest.find(|c| !is_name(c)).unwrap_or(rest.len()), true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        if is_token {
            self.tokens.push(Token {
                text: rest[..length].to_owned(),
                line: self.line,
            });
        }
        self.line += rest[..length].matches('\n').count();
        self.rest = &rest[length..];
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Measures a block comment, which may be nested.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().unwrap().len_utf8();
        }
    }
    text.len()
}

/// Measures the string or character literal that starts here, if there is one. A lifetime is none.
fn quoted(text: &str) -> Option<usize> {
    let bare = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let prefix = text.len() - bare.len();
    if let Some(raw) = bare.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = &raw[hashes + 1..];
            let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
            return Some(prefix + 1 + hashes + 1 + length);
        }
    }
    if bare.starts_with('"') {
        return Some(prefix + escaped(bare, '"'));
    }
    let inside = bare.strip_prefix('\'')?;
    let mut chars = inside.chars();
    let is_character = match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    };
    is_character.then(|| prefix + escaped(bare, '\''))
}

/// Measures text up to and including the first closing sign without a backslash.
fn escaped(text: &str, close: char) -> usize {
    let mut skip = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if skip => skip = false,
            '\\' => skip = true,
            c if c == close => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[test]
fn only_code_is_left() {
    let text =
        "a::b // c\n'x' '\\'' 'life \"d \\\" e\" r#\"f \" g\"# br\"h\" /* i /* j */ k\n */ l!";
    let texts: Vec<_> = tokens(text).into_iter().map(|token| token.text).collect();
    assert_eq!(texts, ["a", "::", "b", "'", "life", "l", "!"]);
    assert_eq!(tokens(text).last().unwrap().line, 3);
}
