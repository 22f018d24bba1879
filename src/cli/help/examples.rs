//! Examples for the help of every command.

use clap::Command;
use clap::builder::StyledStr;
use unicode_width::UnicodeWidthStr;

use crate::cli::help::program_header;

/// The examples of one command.
#[derive(Debug)]
pub struct Examples {
    /// The words of the command, below `dispatch`.
    pub command: &'static str,
    /// Command lines, each with its meaning.
    pub lines: &'static [(&'static str, &'static str)],
}

macro_rules! examples {
    ($($command:literal { $($line:literal => $meaning:literal,)* })*) => {
        &[$(Examples { command: $command, lines: &[$(($line, $meaning),)*] },)*]
    };
}

/// The examples of all commands.
pub const EXAMPLES: &[Examples] = examples! {
    "" {
        "dispatch run plan.md" => "run the tasks, find conflicts, assemble and check",
        "dispatch status" => "the board of the latest run",
        "dispatch land" => "move your branch to the result",
    }
    "demo" {
        "dispatch demo" => "in a new temporary folder",
        "dispatch demo garden" => "in the folder garden",
    }
    "init" {
        "dispatch init" => "write .dispatch.toml",
        "dispatch init --print" => "only print it",
    }
    "plan" {
        "dispatch plan new 'Build auth, API and tests'" => "let an agent make one",
        "dispatch plan import checklist TODO.md -o plan.md" => "from a check list",
        "dispatch plan check plan.md" => "report every problem",
        "dispatch plan convert plan.md --to toml -o plan.toml" => "write it as TOML",
    }
    "plan new" {
        "dispatch plan new 'Build auth, API and tests'" => "show the plan and ask",
        "dispatch plan new --from goal.md --worker claude -o plan.toml" => "a long goal, another worker",
        "dispatch plan new 'Build auth, API and tests' --run --yes" => "run it without a question",
    }
    "plan import" {
        "dispatch plan import spec-kit specs/001-shop/tasks.md -o plan.md" => "the tasks of a specification",
        "dispatch plan import github --label ready > plan.md" => "issues with a label",
        "dispatch plan import --tick" => "mark what the latest run finished",
    }
    "plan check" {
        "dispatch plan check plan.md" => "a file",
        "dispatch plan check - < plan.md" => "standard input",
    }
    "plan show" {
        "dispatch plan show plan.toml" => "in Markdown",
        "dispatch plan show plan.md --json" => "in JSON",
    }
    "plan convert" {
        "dispatch plan convert plan.md --to toml" => "print it as TOML",
        "dispatch plan convert plan.toml --to md -o plan.md" => "write it to a file",
    }
    "plan schema" {
        "dispatch plan schema" => "print it",
        "dispatch plan schema > plan.schema.json" => "keep it for an editor",
    }
    "prompt" {
        "dispatch prompt plan.md API" => "before a run",
        "dispatch prompt API" => "what the worker was given in the latest run",
        "dispatch prompt API --next" => "what `dispatch retry API` would give its worker",
    }
    "run" {
        "dispatch run plan.md --dry-run" => "show the plan, start nothing",
        "dispatch run plan.md -j 8" => "eight tasks at once",
        "dispatch run plan.md --only 1,API" => "two tasks of the plan",
        "dispatch run - --yes < plan.md" => "no question, for scripts",
    }
    "resume" {
        "dispatch resume" => "the latest unfinished run",
        "dispatch resume --dry-run" => "only report what it would do",
        "dispatch resume shop-7k --plan plan.md" => "with an edited plan",
    }
    "watch" {
        "dispatch watch" => "the latest run on the whole screen",
        "dispatch watch shop-7k" => "any run, also one that has ended",
        "dispatch watch --plain" => "lines, until the run has ended",
    }
    "wait" {
        "dispatch wait" => "until the latest unfinished run has ended",
        "dispatch wait shop-7k API --timeout 30m" => "at most 30 minutes for one task",
    }
    "pause" {
        "dispatch pause" => "the latest unfinished run",
        "dispatch pause shop-7k" => "this run",
    }
    "cancel" {
        "dispatch cancel shop-7k API" => "one task",
        "dispatch cancel shop-7k" => "everything that is not over",
    }
    "status" {
        "dispatch status" => "the latest run",
        "dispatch status shop-7k --json" => "this run, for programs",
        "dispatch status --disk" => "disk use, and the commands that free it",
    }
    "board" {
        "dispatch board" => "the latest run",
        "dispatch board shop-7k > board.md" => "keep it as a file",
    }
    "report" {
        "dispatch report" => "the latest run",
        "dispatch report shop-7k --json" => "this run, for programs",
        "dispatch report --html=report.html" => "one file for a browser",
    }
    "output" {
        "dispatch output SIZE" => "a task of the latest run",
        "dispatch output shop-7k 5" => "a task of this run",
    }
    "logs" {
        "dispatch logs -f API" => "while its worker runs",
        "dispatch logs API --attempt 1" => "of the first attempt",
        "dispatch logs shop-7k 2 --setup" => "of the set-up of its worktree",
    }
    "show" {
        "dispatch show API" => "a task of the latest run",
        "dispatch show shop-7k 2 --json" => "a task of this run, for programs",
    }
    "diff" {
        "dispatch diff API" => "in your pager",
        "dispatch diff shop-7k 2 --stat" => "only files and counts",
    }
    "tell" {
        "dispatch tell API 'Keep the old route, too'" => "a task of the latest unfinished run",
        "dispatch tell shop-7k 2 - < note.md" => "a text from a file",
    }
    "retry" {
        "dispatch retry API" => "after you changed what was wrong",
        "dispatch retry API --prompt 'Use the v2 client'" => "with this in its prompt",
        "dispatch retry API --continue" => "in the agent's own session and worktree",
        "dispatch retry shop-7k 2 --worker codex" => "with another worker",
    }
    "attach" {
        "dispatch attach API" => "a task of the latest unfinished run",
        "dispatch attach shop-7k 2 --yes" => "offer the changes without a question",
    }
    "skip" {
        "dispatch skip API" => "with everything that depends on it",
        "dispatch skip API --no-cascade" => "start what depends on it anyway",
    }
    "conflicts" {
        "dispatch conflicts" => "the results of the latest run",
        "dispatch conflicts shop-7k3q --matrix" => "a run, as a table",
        "dispatch conflicts --explain 1:2" => "two tasks of a run, in full",
        "dispatch conflicts --watch" => "a run in progress, until it ends",
        "dispatch conflicts main feature/x" => "two branches",
        "dispatch conflicts 'refs/pull/*/head'" => "pull requests that were fetched",
    }
    "assemble" {
        "dispatch assemble --dry-run" => "what would go in, what not, and why",
        "dispatch assemble --leave-out 2,API" => "without these and what depends on them",
        "dispatch assemble --config .dispatch.toml" => "with the checks of the file as it is now",
    }
    "resolve" {
        "dispatch resolve API" => "open the conflict of a task",
        "dispatch resolve shop-7k 2 --tool" => "start git's merge tool there",
        "dispatch resolve --continue" => "take the result of the open one",
    }
    "review" {
        "dispatch review" => "the latest run that has not landed",
        "dispatch review shop-7k --json" => "this run, for programs",
        "dispatch review --take API=2" => "another variant of a task than the chosen one",
    }
    "land" {
        "dispatch land" => "the latest run that has not landed, on its target",
        "dispatch land shop-7k --ff" => "no merge commit, no board",
        "dispatch land --into release" => "on another branch",
        "dispatch land --pr" => "by a pull request on GitHub; nothing moves here",
    }
    "unland" {
        "dispatch unland --dry-run" => "show what would move",
        "dispatch unland shop-7k" => "undo the landing of this run",
    }
    "push" {
        "dispatch push" => "the latest run, to the usual remote",
        "dispatch push origin shop-7k" => "another remote or run",
    }
    "fetch" {
        "dispatch fetch" => "every run of the usual remote",
        "dispatch fetch origin shop-7k" => "one run",
    }
    "clean" {
        "dispatch clean --dry-run" => "show what would be removed",
        "dispatch clean shop-7k" => "this run",
    }
    "doctor" {
        "dispatch doctor" => "find and explain problems",
        "dispatch doctor --fix" => "repair them",
    }
    "workers" {
        "dispatch workers" => "as a table",
        "dispatch workers --json" => "with their commands, for programs",
    }
    "trust" {
        "dispatch trust" => "show what .dispatch.toml runs, and ask",
        "dispatch trust --yes" => "agree without a question, such as in CI",
        "dispatch trust --revoke" => "take the consent back",
    }
    "plugin" {
        "dispatch plugin install --dry-run" => "show what would be written and run",
        "dispatch plugin uninstall --user --dry-run" => "the same for removing it",
    }
    "plugin install" {
        "dispatch plugin install --dry-run" => "show what would be written and run",
        "dispatch plugin install --project --skill-only --dry-run" => "only the skill, in this project",
    }
    "plugin uninstall" {
        "dispatch plugin uninstall --dry-run" => "show what would be removed",
        "dispatch plugin uninstall --user --dry-run" => "the same for all your projects",
    }
    "plugin export" {
        "dispatch plugin export dispatch-plugin" => "as a marketplace for agents",
        "dispatch plugin export ../dispatch-plugin" => "beside the project",
    }
    "github" {
        "dispatch github sync --dry-run" => "print what would be made, as commands of gh",
        "dispatch github sync --project new" => "issues and a new board for the latest run",
        "dispatch github clean shop-7k3q" => "close what was made for a run",
    }
    "github sync" {
        "dispatch github sync" => "bring GitHub to the state of the latest run",
        "dispatch github sync --project octo/7 --watch" => "on this board, until the run has ended",
        "dispatch github sync --pull" => "take over closed issues, priorities, comments",
    }
    "github clean" {
        "dispatch github clean shop-7k3q --dry-run" => "print the commands",
        "dispatch github clean shop-7k3q" => "show what will be closed, and ask",
    }
    "web" {
        "dispatch web --open" => "all runs, in your browser",
        "dispatch web shop-7k --port 8080" => "one run, on this port",
        "dispatch web --allow-actions" => "with buttons that ask first",
        "dispatch web --export pages" => "the latest run, as files",
    }
    "mcp" {
        "dispatch mcp" => "started by a coding agent",
        "dispatch mcp < /dev/null" => "check that it starts",
    }
    "log" {
        "dispatch log" => "of the latest run",
        "dispatch log --task API" => "of one task",
    }
    "stats" {
        "dispatch stats" => "over all runs",
        "dispatch stats --since 2026-11-01 --json" => "of a month, for a program",
    }
    "blame" {
        "dispatch blame src/app.ts:2" => "one line",
        "dispatch blame src/app.ts" => "every line of a file",
    }
    "history" {
        "dispatch history" => "as a table",
        "dispatch history --json" => "for programs",
    }
    "help" {
        "dispatch help" => "list all commands and chapters",
        "dispatch help land" => "the help of a command",
        "dispatch help plans" => "a chapter of the manual",
    }
    "completions" {
        "dispatch completions bash > ~/.local/share/bash-completion/completions/dispatch" => "for bash",
        "dispatch completions fish > ~/.config/fish/completions/dispatch.fish" => "for fish",
    }
    "man" {
        "dispatch man --dir ~/.local/share/man/man1" => "where `man dispatch` finds them",
        "dispatch man --dir out" => "in a folder of your own",
    }
};

/// Adds its examples to the help of every command, after other notes, for a terminal of `columns`.
pub(crate) fn with_examples(program: Command, columns: usize) -> Command {
    EXAMPLES.iter().fold(program, |program, examples| {
        let words: Vec<&str> = examples.command.split_whitespace().collect();
        at(program, &words, &|command| {
            let before = command
                .get_after_help()
                .map(|notes| format!("{}\n\n", join_prose(&notes.ansi().to_string())));
            let text = before.unwrap_or_default() + &render(examples.lines, columns);
            command.after_help(StyledStr::from(text))
        })
    })
}

/// Joins the lines of a paragraph, so that it is wrapped at the width of the terminal. Indented lines
/// stay.
fn join_prose(text: &str) -> String {
    let mut joined = String::new();
    let mut before = "";
    for line in text.lines() {
        let continues = !before.is_empty() && !before.starts_with(' ') && !line.starts_with(' ');
        if !joined.is_empty() {
            joined.push(if continues && !line.is_empty() {
                ' '
            } else {
                '\n'
            });
        }
        joined.push_str(line);
        before = line;
    }
    joined
}

/// Changes the subcommand that these words name.
fn at(command: Command, words: &[&str], change: &dyn Fn(Command) -> Command) -> Command {
    match words {
        [] => change(command),
        [name, rest @ ..] => command.mut_subcommand(name, |inner| at(inner, rest, change)),
    }
}

/// Renders command lines and meanings in two columns, or below each other if too wide.
fn render(lines: &[(&str, &str)], columns: usize) -> String {
    let left = lines
        .iter()
        .map(|(line, _)| line.width())
        .max()
        .unwrap_or(0);
    let right = lines
        .iter()
        .map(|(_, meaning)| meaning.width())
        .max()
        .unwrap_or(0);
    let fits = 2 + left + 2 + right <= columns;
    let row = |(line, meaning): &(&str, &str)| match fits {
        true => format!("  {line:left$}  {meaning}"),
        false => format!("  {line}\n      {meaning}"),
    };
    let rows: Vec<String> = lines.iter().map(row).collect();
    format!("{}\n{}", program_header("Examples:"), rows.join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli;

    use super::*;

    /// Splits a command line into words, without redirections.
    fn words(line: &str) -> Vec<String> {
        let line = line.split([';', '>', '<']).next().unwrap();
        let mut words = Vec::new();
        for (at, part) in line.split('\'').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn the_lines_of_a_paragraph_are_joined() {
        let text = "One\ntwo.\n\nThree:\n  a\n  b\nfour\nfive";
        assert_eq!(join_prose(text), "One two.\n\nThree:\n  a\n  b\nfour five");
    }

    #[test]
    fn every_example_is_understood() {
        for examples in EXAMPLES {
            for (line, _) in examples.lines {
                let parsed = cli::command().try_get_matches_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                assert!(
                    line.starts_with(&format!("dispatch {}", examples.command)),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn every_command_has_two_examples_or_more() {
        let mut open = vec![(String::new(), cli::command())];
        while let Some((name, command)) = open.pop() {
            for inner in command
                .get_subcommands()
                .filter(|inner| !inner.is_hide_set())
            {
                let name = format!("{name} {}", inner.get_name());
                open.push((name.trim().to_owned(), inner.clone()));
            }
            let found = EXAMPLES.iter().find(|examples| examples.command == name);
            let count = found.map_or(0, |examples| examples.lines.len());
            assert!(count >= 2, "dispatch {name} has {count} examples");
            let help = command.clone().render_long_help().to_string();
            let (_, last) = help.rsplit_once("\n\n").unwrap();
            assert!(last.starts_with("Examples:"), "dispatch {name}: {last}");
        }
    }
}
