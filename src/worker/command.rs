//! The command line of a worker.

use crate::model::plan::Task;
use crate::model::worker::{PromptBy, Worker};

/// The longest prompt on a command line, in bytes. Linux takes no argument above 128 KiB.
pub const ARGUMENT_LIMIT: usize = 120 * 1024;

/// The values of the placeholders of a command.
#[derive(Clone, Copy, Debug)]
pub struct Vars<'a> {
    /// `{prompt_file}`: the file with the prompt.
    pub prompt_file: &'a str,
    /// `{prompt}`: the prompt itself.
    pub prompt_text: &'a str,
    /// `{worktree}`: the working directory.
    pub worktree: &'a str,
    /// `{run}`: the run.
    pub run: &'a str,
    /// `{task}`: the number of the task.
    pub task: &'a str,
    /// `{attempt}`: the number of the attempt.
    pub attempt: &'a str,
    /// `{model}`: the model, if one is set.
    pub model: Option<&'a str>,
    /// `{permission_mode}`: the permissions of the agent, if set.
    pub permission_mode: Option<&'a str>,
    /// `{max_turns}`: the limit of turns, if there is one.
    pub max_turns: Option<&'a str>,
    /// `{max_cost}`: the limit of dollars, if there is one.
    pub max_cost: Option<&'a str>,
    /// `{session}`: the session to continue, if there is one.
    pub session: Option<&'a str>,
}

/// The placeholder of the model.
pub const MODEL: &str = "{model}";

/// The placeholder of the agent's permissions.
pub const PERMISSION_MODE: &str = "{permission_mode}";

/// The placeholder of the limit of turns.
pub const MAX_TURNS: &str = "{max_turns}";

/// The placeholder of the limit of dollars.
pub const MAX_COST: &str = "{max_cost}";

/// The placeholder of the session to continue.
pub const SESSION: &str = "{session}";

/// A command line to execute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandLine {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// `true` if the prompt is standard input, which is empty otherwise.
    pub stdin_is_prompt: bool,
}

/// A worker that cannot do a task.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandLineError {
    /// A worker without a command needs a task with `run`.
    #[error("worker {worker} needs run; give the task a line such as `- run: make test`")]
    NeedsRun {
        /// The worker profile.
        worker: String,
    },
    /// The prompt does not fit on a command line.
    #[error(
        "the prompt of {kib} KiB is too long for an argument of worker {worker}; \
         set prompt = \"file\" or \"stdin\" for it"
    )]
    PromptTooLong {
        /// The worker profile.
        worker: String,
        /// The length of the prompt.
        kib: usize,
    },
    /// An argument cannot hold a NUL.
    #[error(
        "the prompt has a NUL character, which an argument cannot hold; \
         set prompt = \"file\" or \"stdin\" for worker {worker}"
    )]
    NulInPrompt {
        /// The worker profile.
        worker: String,
    },
}

/// Returns the script of a worker without a command; `None` for one with a command.
fn script<'a>(worker: &Worker, task: &'a Task) -> Result<Option<&'a str>, CommandLineError> {
    if !worker.command.is_empty() {
        return Ok(None);
    }
    let run = task.fields.run.as_deref();
    let given = run.filter(|run| !run.trim().is_empty());
    given.map(Some).ok_or_else(|| CommandLineError::NeedsRun {
        worker: worker.name.clone(),
    })
}

/// Builds the command line of an attempt.
///
/// Placeholders are replaced inside each argument, once, and never by a shell: a title or a prompt
/// stays text. A script (`run`) is passed to `sh -c` as written, without replacements; it reads
/// everything from its environment.
///
/// # Errors
/// When the worker cannot do the task, or the prompt does not fit on a command line.
pub fn command_line(
    worker: &Worker,
    task: &Task,
    vars: &Vars<'_>,
) -> Result<CommandLine, CommandLineError> {
    let stdin_is_prompt = matches!(worker.prompt, PromptBy::Stdin | PromptBy::Stream);
    if let Some(run) = script(worker, task)? {
        let argv = ["sh", "-c", run].map(str::to_owned).to_vec();
        return Ok(CommandLine {
            argv,
            stdin_is_prompt,
        });
    }
    let continues = vars.session.is_some() && !worker.resume.is_empty();
    let chosen = if continues {
        &worker.resume
    } else {
        &worker.command
    };
    let mut command = without_absent(chosen, vars);
    let names_prompt = command.iter().any(|arg| arg.contains("{prompt}"));
    let appended = worker.prompt == PromptBy::Argument && !names_prompt;
    if appended {
        command.push("{prompt}".to_owned());
    }
    if names_prompt || appended {
        check_argument(worker, vars.prompt_text)?;
    }
    Ok(CommandLine {
        argv: command.iter().map(|arg| fill_in(arg, vars)).collect(),
        stdin_is_prompt,
    })
}

/// Builds the command line that opens a session on a terminal, in the worktree; `None` if the profile has
/// no such command.
pub fn attach_line(worker: &Worker, session: Option<&str>, worktree: &str) -> Option<Vec<String>> {
    let vars = Vars {
        prompt_file: "",
        prompt_text: "",
        worktree,
        run: "",
        task: "",
        attempt: "",
        model: worker.model.as_deref(),
        permission_mode: worker.permission_mode.as_deref(),
        max_turns: None,
        max_cost: None,
        session,
    };
    let command = without_absent(&worker.attach, &vars);
    let line: Vec<String> = command.iter().map(|arg| fill_in(arg, &vars)).collect();
    (!line.is_empty()).then_some(line)
}

/// Removes the arguments whose placeholder has no value, and the option before an argument that is
/// only a placeholder: `--max-turns {max_turns}`.
fn without_absent(command: &[String], vars: &Vars<'_>) -> Vec<String> {
    let places = [
        (MODEL, vars.model),
        (PERMISSION_MODE, vars.permission_mode),
        (MAX_TURNS, vars.max_turns),
        (MAX_COST, vars.max_cost),
        (SESSION, vars.session),
    ];
    let mut kept: Vec<String> = Vec::new();
    for argument in command {
        let is_absent =
            |(place, value): &&(&str, Option<&str>)| value.is_none() && argument.contains(place);
        match places.iter().find(is_absent) {
            None => kept.push(argument.clone()),
            Some((place, _)) if argument == place => {
                kept.pop_if(|option| option.starts_with('-'));
            }
            Some(_) => {}
        }
    }
    kept
}

fn check_argument(worker: &Worker, prompt: &str) -> Result<(), CommandLineError> {
    let worker = worker.name.clone();
    if prompt.len() > ARGUMENT_LIMIT {
        let kib = prompt.len().div_ceil(1024);
        return Err(CommandLineError::PromptTooLong { worker, kib });
    }
    match prompt.contains('\0') {
        true => Err(CommandLineError::NulInPrompt { worker }),
        false => Ok(()),
    }
}

/// Replaces in one pass, so that a placeholder inside a value stays as it is. Other braces stay.
fn fill_in(arg: &str, vars: &Vars<'_>) -> String {
    let places = [
        ("{prompt_file}", vars.prompt_file),
        ("{prompt}", vars.prompt_text),
        ("{worktree}", vars.worktree),
        ("{run}", vars.run),
        ("{task}", vars.task),
        ("{attempt}", vars.attempt),
        (MODEL, vars.model.unwrap_or_default()),
        (PERMISSION_MODE, vars.permission_mode.unwrap_or_default()),
        (MAX_TURNS, vars.max_turns.unwrap_or_default()),
        (MAX_COST, vars.max_cost.unwrap_or_default()),
        (SESSION, vars.session.unwrap_or_default()),
    ];
    let mut filled = String::new();
    let mut rest = arg;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let place = places.iter().find(|(name, _)| rest.starts_with(name));
        let (length, value) = place.map_or((1, "{"), |(name, value)| (name.len(), *value));
        filled.push_str(value);
        rest = &rest[length..];
    }
    filled + rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::ids::TaskNumber;
    use crate::model::plan::TaskFields;
    use crate::model::worker::Dialect;

    fn worker(command: &[&str], prompt: PromptBy) -> Worker {
        Worker {
            command: command.iter().map(|arg| (*arg).to_owned()).collect(),
            prompt,
            dialect: Dialect::Text,
            ..Worker::named(if command.is_empty() { "shell" } else { "agent" })
        }
    }

    fn line_for(worker: &Worker, run: Option<&str>, prompt: &str) -> String {
        let task = Task {
            number: TaskNumber(2),
            tag: "API".to_owned(),
            title: "Build".to_owned(),
            label: None,
            prompt: String::new(),
            depends_on: Vec::new(),
            fields: TaskFields {
                run: run.map(str::to_owned),
                ..TaskFields::default()
            },
        };
        let vars = Vars {
            prompt_file: "/a/prompt.md",
            prompt_text: prompt,
            worktree: "/w/api",
            run: "shop-7k3q",
            task: "2",
            attempt: "1",
            model: None,
            permission_mode: None,
            max_turns: Some("12"),
            max_cost: None,
            session: None,
        };
        match command_line(worker, &task, &vars) {
            Ok(line) => format!("{:?} stdin={}", line.argv, line.stdin_is_prompt),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn placeholders_become_parts_of_arguments_and_are_replaced_once() {
        let worker = worker(
            &[
                "agent",
                "--in={worktree}",
                "{run}/{task}/{attempt}",
                "{prompt}",
                "{\"a\": {b}}",
                "{",
            ],
            PromptBy::File,
        );
        insta::assert_snapshot!(
            line_for(&worker, None, "use {task}; $(rm -rf /) \"quoted\""),
            @r#"["agent", "--in=/w/api", "shop-7k3q/2/1", "use {task}; $(rm -rf /) \"quoted\"", "{\"a\": {b}}", "{"] stdin=false"#
        );
    }

    #[test]
    fn an_unset_limit_is_left_out_with_its_option() {
        let worker = worker(
            &[
                "agent",
                "--turns",
                "{max_turns}",
                "--budget",
                "{max_cost}",
                "--cost={max_cost}",
                "run",
                "{max_cost}",
                "-",
            ],
            PromptBy::Stdin,
        );
        insta::assert_snapshot!(
            line_for(&worker, None, ""),
            @r#"["agent", "--turns", "12", "run", "-"] stdin=true"#
        );
    }

    #[test]
    fn the_prompt_arrives_as_the_profile_says() {
        let ways = [
            line_for(
                &worker(&["a", "{prompt_file}"], PromptBy::File),
                None,
                "do it",
            ),
            line_for(&worker(&["a", "-"], PromptBy::Stdin), None, "do it"),
            line_for(&worker(&["a", "-p"], PromptBy::Argument), None, "do it"),
            line_for(
                &worker(&["a", "-p={prompt}", "-x"], PromptBy::Argument),
                None,
                "do it",
            ),
        ];
        insta::assert_snapshot!(ways.join("\n"), @r#"
        ["a", "/a/prompt.md"] stdin=false
        ["a", "-"] stdin=true
        ["a", "-p", "do it"] stdin=false
        ["a", "-p=do it", "-x"] stdin=false
        "#);
    }

    #[test]
    fn a_worker_without_a_command_runs_the_tasks_script_as_written() {
        let shell = worker(&[], PromptBy::File);
        insta::assert_snapshot!(
            [Some("make {task} && echo $HOME"), Some("  "), None]
                .map(|run| line_for(&shell, run, "")).join("\n"),
            @r#"
        ["sh", "-c", "make {task} && echo $HOME"] stdin=false
        worker shell needs run; give the task a line such as `- run: make test`
        worker shell needs run; give the task a line such as `- run: make test`
        "#
        );
    }

    #[test]
    fn a_prompt_that_is_too_long_for_an_argument_is_refused() {
        let argument = worker(&["a"], PromptBy::Argument);
        insta::assert_snapshot!(
            [line_for(&argument, None, &"x".repeat(ARGUMENT_LIMIT + 1)), line_for(&argument, None, "\0")].join("\n"),
            @r#"
        the prompt of 121 KiB is too long for an argument of worker agent; set prompt = "file" or "stdin" for it
        the prompt has a NUL character, which an argument cannot hold; set prompt = "file" or "stdin" for worker agent
        "#
        );
        let file = worker(&["a", "{prompt_file}"], PromptBy::File);
        assert!(line_for(&file, None, &"x".repeat(ARGUMENT_LIMIT + 1)).starts_with('['));
    }
}
