//! Renders prompt templates: the built-in one, or the user's own.
//!
//! An unknown variable is an error with its line, even in a branch that is not rendered.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use crate::base::text;

/// A built-in template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Builtin {
    /// Its name in messages.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) text: &'static str,
    /// The chapter that lists its variables.
    pub(super) chapter: &'static str,
}

/// The name of the built-in template: `{% extends "default" %}`.
const DEFAULT_NAME: &str = "default";

/// The longest prompt, in bytes. A plan of 4 MiB fits.
const LONGEST_PROMPT: usize = 32 << 20;

/// The most steps of a template: many times those of the built-in one for a plan of ten thousand tasks.
const MOST_STEPS: u64 = 5_000_000;

/// The internal name of the user's template; messages name its file.
const OWN_NAME: &str = "own";

/// An invalid template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: {message}{}", excerpt_below(*.line, .excerpt))]
pub struct TemplateError {
    /// Its file or its name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The error.
    pub message: String,
    /// The line itself.
    pub excerpt: String,
    /// The fix.
    pub hint: String,
}

fn excerpt_below(line: usize, excerpt: &str) -> String {
    match excerpt.trim().is_empty() {
        true => String::new(),
        false => format!(
            "\n  {line} | {}",
            text::clip(&text::terminal_safe(excerpt), 160)
        ),
    }
}

/// A template of the user.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    /// The file, for messages.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Renders the user's template over the built-in one, or that. The text ends in exactly one line end;
/// `known` are the names of the variables.
///
/// # Errors
/// When the template is invalid.
pub(super) fn render(
    builtin: Builtin,
    template: Option<Template<'_>>,
    variables: &impl Serialize,
    known: &[&str],
) -> Result<String, TemplateError> {
    let source = template.unwrap_or(Template {
        file: builtin.name,
        text: builtin.text,
    });
    let invalid = |error: minijinja::Error| template_error(builtin, source, &error);
    let environment = environment(builtin.text, source.text).map_err(invalid)?;
    let parsed = environment.get_template(OWN_NAME).map_err(invalid)?;
    let mut used: Vec<String> = parsed.undeclared_variables(false).into_iter().collect();
    used.sort();
    let exists = |name: &str| known.contains(&name) || is_global(&environment, name);
    if let Some(name) = used.into_iter().find(|name| !exists(name)) {
        return Err(unknown_variable(source, &name, known));
    }
    let mut rendered = Limited::default();
    let ended = parsed.render_captured_to(Serde(variables), &mut rendered);
    match ended {
        _ if rendered.is_full => Err(too_long(source)),
        Err(error) => Err(invalid(error)),
        Ok(_) => Ok(format!(
            "{}\n",
            String::from_utf8_lossy(&rendered.text).trim_end()
        )),
    }
}

/// The text of a prompt, up to [`LONGEST_PROMPT`].
#[derive(Default)]
struct Limited {
    text: Vec<u8>,
    is_full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > LONGEST_PROMPT {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_long(source: Template<'_>) -> TemplateError {
    TemplateError {
        file: source.file.to_owned(),
        line: 1,
        message: format!("the prompt is longer than {} MiB", LONGEST_PROMPT >> 20),
        excerpt: String::new(),
        hint: "shorten the loops of the template".to_owned(),
    }
}

fn is_global(environment: &Environment<'_>, name: &str) -> bool {
    // The blocks of the template that is extended.
    name == "super" || environment.globals().any(|(global, _)| global == name)
}

fn template_error(
    builtin: Builtin,
    source: Template<'_>,
    error: &minijinja::Error,
) -> TemplateError {
    let message = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    // An error in the template it extends is reported at the line that extends it.
    let own = error.name().is_none_or(|name| name == OWN_NAME);
    let line = error.line().filter(|_| own).unwrap_or(1);
    let hint = match error.kind() {
        ErrorKind::UndefinedError => {
            "test for it first: {% if value is defined %}; an empty list or text counts as false"
                .to_owned()
        }
        ErrorKind::TemplateNotFound => {
            "only \"default\", the built-in template, can be extended or included".to_owned()
        }
        _ => format!(
            "templates are written in Jinja; `dispatch help {}` lists the variables",
            builtin.chapter
        ),
    };
    TemplateError {
        file: source.file.to_owned(),
        line,
        message,
        excerpt: line_of(source, line),
        hint,
    }
}

fn unknown_variable(source: Template<'_>, name: &str, known: &[&str]) -> TemplateError {
    let is_word = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == name)
    };
    let hint = match text::did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("valid variables are {}", known.join(", ")),
    };
    let line = source.text.lines().position(is_word).unwrap_or(0) + 1;
    TemplateError {
        file: source.file.to_owned(),
        line,
        message: format!("unknown variable {name}"),
        excerpt: line_of(source, line),
        hint,
    }
}

fn line_of(source: Template<'_>, line: usize) -> String {
    let found = source.text.lines().nth(line.saturating_sub(1));
    found.unwrap_or_default().to_owned()
}

fn environment<'a>(builtin: &'a str, own: &'a str) -> Result<Environment<'a>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(syntax());
    environment.set_fuel(Some(MOST_STEPS));
    environment.add_filter("hang", |text: &str| indent(text, "  ").trim().to_owned());
    environment.add_filter("quote", |text: &str| indent(text, "  > "));
    environment.add_template(DEFAULT_NAME, builtin)?;
    environment.add_template(OWN_NAME, own)?;
    Ok(environment)
}

/// Removes lines that hold only a block.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    // The standard delimiters cannot be invalid.
    syntax.build().unwrap_or_default()
}

fn indent(text: &str, with: &str) -> String {
    let lines = text.trim().lines().map(|line| format!("{with}{line}"));
    let lines: Vec<_> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
