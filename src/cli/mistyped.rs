//! Suggestions for mistyped command lines that clap does not recognise: two letters swapped.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::base::text::did_you_mean;

/// Suggests the word that was probably meant, which clap misses in short words.
pub(crate) fn with_suggestion(mut error: Error, program: &Command, args: &[OsString]) -> Error {
    let command = innermost(program, args);
    let (typed, suggested, known) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let commands = command
                .get_subcommands()
                .filter(|inner| !inner.is_hide_set());
            let names = commands.map(|inner| inner.get_name().to_owned());
            (
                ContextKind::InvalidSubcommand,
                ContextKind::SuggestedSubcommand,
                names.collect(),
            )
        }
        ErrorKind::UnknownArgument => {
            let flags = command.get_opts().chain(command.get_arguments());
            let flags = flags.filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
            (
                ContextKind::InvalidArg,
                ContextKind::SuggestedArg,
                flags.collect::<Vec<_>>(),
            )
        }
        ErrorKind::InvalidValue => {
            let known = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(values)) => values.clone(),
                _ => Vec::new(),
            };
            (
                ContextKind::InvalidValue,
                ContextKind::SuggestedValue,
                known,
            )
        }
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(typed) else {
        return error;
    };
    let near = did_you_mean(word, known.iter().map(String::as_str)).map(str::to_owned);
    if let Some(near) = near {
        let value = match suggested {
            ContextKind::SuggestedSubcommand => ContextValue::Strings(vec![near]),
            _ => ContextValue::String(near),
        };
        error.insert(suggested, value);
    }
    error
}

/// The subcommand that a command line reaches.
fn innermost<'a>(program: &'a Command, args: &[OsString]) -> &'a Command {
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    words.fold(program, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    })
}

#[cfg(test)]
mod tests {
    use crate::cli;

    use super::*;

    fn said(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let program = cli::command();
        let error = program.clone().try_get_matches_from(&args);
        let error = error
            .err()
            .map(|error| with_suggestion(error, &program, &args));
        error.map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn two_swapped_letters_are_recognised() {
        assert!(said("dispatch rnu plan.md").contains("similar subcommand exists: 'run'"));
        assert!(said("dispatch plan chekc plan.md").contains("'check'"));
        assert!(said("dispatch run plan.md --itno main").contains("'--into'"));
        assert!(said("dispatch plan convert plan.md --ot md").contains("'--to'"));
        assert!(said("dispatch plan convert plan.md --to dm").contains("'md'"));
    }

    #[test]
    fn other_words_get_no_suggestion() {
        assert!(!said("dispatch xyzzy").contains("similar"));
    }
}
