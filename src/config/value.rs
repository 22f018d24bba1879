//! Kinds of values: how each is read from TOML, and what makes it wrong.
//!
//! A kind is a type without values that names one meaning (a count, a glob, a command). What it
//! reads is an ordinary type, so the settings hold no wire types.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::clock::parse_duration;
use crate::base::text::did_you_mean;
use crate::config::check;
use crate::model::conflict::HunkClass;
use crate::model::integration::History;
use crate::model::worker::{Dialect, PromptBy};

use crate::config::settings::{OnNewConflict, SandboxMode, Scope};

/// A finding about one value, before it is known in which file it stands.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// The bytes that are meant, if they are not the whole value.
    pub(super) span: Option<Range<usize>>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Wrong {
    /// Without a place of its own.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Wrong {
        Wrong {
            span: None,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// A value of TOML with its place.
pub(super) type Toml<'a> = Spanned<DeValue<'a>>;

/// A meaning of a value.
pub(super) trait Kind {
    /// What it is in the settings.
    type Value;

    /// Reads it; says everything that is wrong with it.
    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Wrong>>;

    /// What holds when it is given in two places, the first one above the second.
    fn over(above: Self::Value, _below: Self::Value) -> Self::Value {
        above
    }
}

fn wrong<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Vec<Wrong>> {
    Err(vec![Wrong::new(message, hint)])
}

fn expected<T>(what: &str, example: &str, value: &Toml<'_>) -> Result<T, Vec<Wrong>> {
    let found = match value.get_ref() {
        DeValue::Array(_) => "a list",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        other => return wrong_type(what, example, &format!("a {}", other.type_str())),
    };
    wrong_type(what, example, found)
}

fn wrong_type<T>(what: &str, example: &str, found: &str) -> Result<T, Vec<Wrong>> {
    wrong(
        format!("expected {what}, found {found}"),
        format!("write it like {example}"),
    )
}

/// A text that is not empty.
pub(super) struct Text;

impl Kind for Text {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Wrong>> {
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => {
                wrong("the text is empty", "leave the key out to get its default")
            }
            Some(text) => Ok(text.to_owned()),
            None => expected("a text", "\"text\"", value),
        }
    }
}

/// Declares kinds of texts that a function looks at.
macro_rules! checked_texts {
    ($($(#[$doc:meta])* $name:ident: $check:path;)*) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            type Value = String;

            fn read(value: &Toml<'_>) -> Result<String, Vec<Wrong>> {
                let text = Text::read(value)?;
                $check(&text).map_err(|wrong| vec![wrong])?;
                Ok(text)
            }
        })*
    };
}

checked_texts! {
    /// First part of branch and ref names.
    BranchPrefix: check::branch_prefix;
    /// Where worktrees are.
    PathTemplate: check::path_template;
    /// A path inside the repository.
    RepoFile: check::repo_path;
    /// A glob of paths inside the repository.
    Glob: check::glob;
    /// The name of an environment variable.
    VariableName: check::variable_name;
}

/// A project board on GitHub: a text, or a number.
pub(super) struct Project;

impl Kind for Project {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Wrong>> {
        match value.get_ref() {
            DeValue::Integer(number) => Ok(number.to_string()),
            _ => Text::read(value),
        }
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(value: &Toml<'_>) -> Result<bool, Vec<Wrong>> {
        match value.get_ref().as_bool() {
            Some(flag) => Ok(flag),
            None => expected("true or false", "true", value),
        }
    }
}

fn whole(value: &Toml<'_>) -> Result<i64, Vec<Wrong>> {
    match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .or_else(|_| wrong("the number is too large", "write a smaller one")),
        _ => expected("a whole number", "3", value),
    }
}

/// How many of something there may be; at least 1.
pub(super) struct Count;

impl Kind for Count {
    type Value = usize;

    fn read(value: &Toml<'_>) -> Result<usize, Vec<Wrong>> {
        match usize::try_from(whole(value)?) {
            Ok(0) | Err(_) => wrong("it must be at least 1", "write 1 for one at a time"),
            Ok(count) => Ok(count),
        }
    }
}

/// How often something may be repeated; 0 is allowed.
pub(super) struct Times;

impl Kind for Times {
    type Value = u32;

    fn read(value: &Toml<'_>) -> Result<u32, Vec<Wrong>> {
        u32::try_from(whole(value)?).or_else(|_| wrong("it must be 0 or more", "write 0 for never"))
    }
}

/// An amount of dollars above zero.
pub(super) struct Dollars;

impl Kind for Dollars {
    type Value = f64;

    fn read(value: &Toml<'_>) -> Result<f64, Vec<Wrong>> {
        let dollars = match value.get_ref() {
            DeValue::Integer(_) => whole(value)? as f64,
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN),
            _ => return expected("an amount of dollars", "20.0", value),
        };
        if dollars.is_finite() && dollars > 0.0 {
            Ok(dollars)
        } else {
            wrong(
                "the limit must be above zero",
                "write \"\" for no limit at all",
            )
        }
    }
}

/// A length of time above zero.
pub(super) struct Time;

impl Kind for Time {
    type Value = Duration;

    fn read(value: &Toml<'_>) -> Result<Duration, Vec<Wrong>> {
        const EXAMPLES: &str = "\"90s\", \"30m\", \"2h\" or \"1h30m\"";
        let Some(text) = value.get_ref().as_str() else {
            return expected("a duration", EXAMPLES, value);
        };
        parse_duration(text).or_else(|_| {
            wrong(
                format!("{text:?} is no duration"),
                format!("write it like {EXAMPLES}"),
            )
        })
    }
}

/// A number of bytes above zero.
pub(super) struct Size;

impl Kind for Size {
    type Value = u64;

    fn read(value: &Toml<'_>) -> Result<u64, Vec<Wrong>> {
        const EXAMPLES: &str = "\"512KiB\", \"8MiB\", \"1GiB\" or a number of bytes";
        let bytes = match value.get_ref() {
            DeValue::Integer(_) => u64::try_from(whole(value)?).ok(),
            DeValue::String(text) => parse_size(text),
            _ => return expected("a size", EXAMPLES, value),
        };
        match bytes {
            Some(bytes) if bytes > 0 => Ok(bytes),
            _ => wrong(
                "it is no size above zero",
                format!("write it like {EXAMPLES}"),
            ),
        }
    }
}

/// Reads `512KiB`, `8 MiB`, `1GB` or a plain number of bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - digits.len()].parse().ok()?;
    let unit = match digits.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A value that may be absent: the empty text takes back what a file below says.
pub(super) struct Maybe<K>(PhantomData<K>);

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Wrong>> {
        match value.get_ref().as_str() {
            Some("") => Ok(None),
            _ => K::read(value).map(Some),
        }
    }
}

/// A list of values of one kind; everything wrong in it is found at once.
pub(super) struct List<K>(PhantomData<K>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Wrong>> {
        let Some(items) = value.get_ref().as_array() else {
            return expected("a list", "[\"one\", \"two\"]", value);
        };
        collected(items.iter().map(|item| at(item.span(), K::read(item))))
    }
}

fn collected<T>(items: impl Iterator<Item = Result<T, Vec<Wrong>>>) -> Result<Vec<T>, Vec<Wrong>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => good.push(item),
            Err(wrong) => bad.extend(wrong),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Gives a finding without a place of its own this one.
fn at<T>(span: Range<usize>, read: Result<T, Vec<Wrong>>) -> Result<T, Vec<Wrong>> {
    read.map_err(|mut all| {
        for wrong in &mut all {
            wrong.span.get_or_insert(span.clone());
        }
        all
    })
}

/// Shell commands: a list, or a single one as a text.
pub(super) struct Commands;

impl Kind for Commands {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Wrong>> {
        if value.get_ref().is_str() {
            return Text::read(value).map(|command| vec![command]);
        }
        List::<Text>::read(value)
    }
}

/// A program and its arguments, never a line for a shell. The empty list means none.
pub(super) struct Program;

impl Kind for Program {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Wrong>> {
        let Some(items) = value.get_ref().as_array() else {
            let example = "[\"program\", \"argument\"]; for a shell: [\"sh\", \"-c\", \"line\"]";
            return expected("a program and its arguments", example, value);
        };
        let argument = |(place, item): (usize, &Toml<'_>)| {
            let text = item.get_ref().as_str();
            let read = match text {
                Some("") if place == 0 => wrong("the program has no name", "name it first"),
                Some(text) => Ok(text.to_owned()),
                None => expected("a text", "\"argument\"", item),
            };
            at(item.span(), read)
        };
        collected(items.iter().enumerate().map(argument))
    }
}

/// The command of a worker: a [`Program`] with the placeholders of [`check::WORKER_PLACES`].
pub(super) struct WorkerCommand;

impl Kind for WorkerCommand {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Wrong>> {
        let command = Program::read(value)?;
        let items = value
            .get_ref()
            .as_array()
            .into_iter()
            .flat_map(|a| a.iter());
        let looked_at = items.zip(&command).map(|(item, argument)| {
            let checked = check::places(argument, check::WORKER_PLACES);
            at(item.span(), checked.map_err(|wrong| vec![wrong]))
        });
        collected(looked_at)?;
        Ok(command)
    }
}

/// The structural merge tool: a [`Program`] that is told the three files and where to write.
pub(super) struct MergeTool;

impl Kind for MergeTool {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Wrong>> {
        let command = Program::read(value)?;
        let missing = ["{base}", "{ours}", "{theirs}", "{result}"]
            .into_iter()
            .find(|place| !command.iter().any(|argument| argument.contains(place)));
        match missing {
            Some(place) if !command.is_empty() => wrong(
                format!("the merge tool is never told {place}"),
                format!("put {place} among its arguments"),
            ),
            _ => Ok(command),
        }
    }
}

/// Commands by path or glob. Two places add up; an empty command takes one out again.
pub(super) struct CommandByGlob;

impl Kind for CommandByGlob {
    type Value = BTreeMap<String, String>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Wrong>> {
        let Some(table) = value.get_ref().as_table() else {
            return expected("a table", "\"Cargo.lock\" = \"command\"", value);
        };
        collected(entries(table)).map(BTreeMap::from_iter)
    }

    fn over(above: Self::Value, mut below: Self::Value) -> Self::Value {
        below.extend(above);
        below
    }
}

fn entries(table: &DeTable<'_>) -> impl Iterator<Item = Result<(String, String), Vec<Wrong>>> {
    table.iter().map(|(glob, command)| {
        let named = check::glob(glob.get_ref()).map_err(|wrong| vec![wrong]);
        at(glob.span(), named)?;
        let command = match command.get_ref().as_str() {
            Some(text) => text.to_owned(),
            None => at(
                command.span(),
                expected("a command", "\"make lock\"", command),
            )?,
        };
        Ok((glob.get_ref().to_string(), command))
    })
}

/// A choice between a few words.
pub(super) trait Choice: Copy + 'static {
    /// Each word and what it means.
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Choice> Kind for T {
    type Value = T;

    fn read(value: &Toml<'_>) -> Result<T, Vec<Wrong>> {
        let words = || T::WORDS.iter().map(|(word, _)| *word);
        let Some(text) = value.get_ref().as_str() else {
            let first = format!("{:?}", T::WORDS[0].0);
            return expected("a word", &first, value);
        };
        if let Some((_, choice)) = T::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*choice);
        }
        let all: Vec<_> = words().collect();
        let hint = match did_you_mean(text, words()) {
            Some(near) => format!("did you mean {near:?}? it is one of {}", all.join(", ")),
            None => format!("it is one of {}", all.join(", ")),
        };
        wrong(format!("{text:?} is not known"), hint)
    }
}

/// Says which words stand for which values.
macro_rules! choices {
    ($($kind:ty { $($word:literal => $value:expr,)* })*) => {
        $(impl Choice for $kind {
            const WORDS: &'static [(&'static str, $kind)] = &[$(($word, $value)),*];
        })*
    };
}

choices! {
    PromptBy {
        "file" => PromptBy::File,
        "stdin" => PromptBy::Stdin,
        "argument" => PromptBy::Argument,
    }
    Dialect {
        "text" => Dialect::Text,
        "claude" => Dialect::Claude,
        "codex" => Dialect::Codex,
        "gemini" => Dialect::Gemini,
        "opencode" => Dialect::Opencode,
        "aider" => Dialect::Aider,
    }
    History {
        "merge" => History::Merge,
        "squash" => History::Squash,
    }
    OnNewConflict {
        "note" => OnNewConflict::Note,
        "pause" => OnNewConflict::Pause,
    }
    Scope {
        "ignore" => Scope::Ignore,
        "warn" => Scope::Warn,
        "fail" => Scope::Fail,
    }
    SandboxMode {
        "auto" => SandboxMode::Auto,
        "off" => SandboxMode::Off,
        "require" => SandboxMode::Require,
    }
    // The other classes are real disagreements, which no rule may settle.
    HunkClass {
        "whitespace" => HunkClass::Whitespace,
        "reformat-vs-edit" => HunkClass::ReformatVsEdit,
        "imports" => HunkClass::Imports,
        "version" => HunkClass::Version,
        "contained-insert" => HunkClass::ContainedInsert,
        "insert-insert" => HunkClass::InsertInsert,
        "adjacent" => HunkClass::Adjacent,
        "comment" => HunkClass::Comment,
    }
}
