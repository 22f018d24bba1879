//! Normalises texts, so that a plan stays equal when it is converted between formats.

/// Converts line ends to `\n`.
pub(super) fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Normalises a prompt.
///
/// Removes empty lines at the start, white space at the end, and a common indentation of one to
/// three spaces; four make a code block in Markdown and stay.
pub(super) fn prompt(text: &str) -> String {
    let text = lines(text);
    let text = without_empty_lines(text.trim_end());
    match common_indent(text) {
        shift @ 1..=3 => dedent(text, shift),
        _ => text.to_owned(),
    }
}

fn without_empty_lines(text: &str) -> &str {
    let mut text = text;
    while let Some((first, rest)) = text.split_once('\n') {
        if !first.trim().is_empty() {
            break;
        }
        text = rest;
    }
    text
}

/// Returns the common indentation in columns; blank lines do not count.
fn common_indent(text: &str) -> usize {
    let lines = text.split('\n').filter(|line| !line.trim().is_empty());
    lines.map(indent_of).min().unwrap_or(0)
}

/// Returns the indentation of a line in columns; a tab advances to the next multiple of four.
pub(super) fn indent_of(line: &str) -> usize {
    let mut column = 0;
    for byte in line.bytes() {
        column = match byte {
            b' ' => column + 1,
            b'\t' => column / 4 * 4 + 4,
            _ => break,
        };
    }
    column
}

/// Removes up to `columns` of indentation from every line.
pub(super) fn dedent(text: &str, columns: usize) -> String {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| dedent_line(line, columns))
        .collect();
    lines.join("\n")
}

fn dedent_line(line: &str, columns: usize) -> String {
    let mut column = 0;
    for (i, byte) in line.bytes().enumerate() {
        if column >= columns {
            return line[i..].to_owned();
        }
        match byte {
            b' ' => column += 1,
            // The rest of a partly removed tab becomes spaces.
            b'\t' => {
                column = column / 4 * 4 + 4;
                if column > columns {
                    return format!("{}{}", " ".repeat(column - columns), &line[i + 1..]);
                }
            }
            _ => return line[i..].to_owned(),
        }
    }
    String::new()
}

/// Indents every line except empty ones.
pub(super) fn indent(text: &str, columns: usize) -> String {
    let margin = " ".repeat(columns);
    let line = |line: &str| match line {
        "" => String::new(),
        line => format!("{margin}{line}"),
    };
    let lines: Vec<_> = text.split('\n').map(line).collect();
    lines.join("\n")
}
