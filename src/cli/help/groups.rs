//! Groups the commands in the order in which a run needs them.

use clap::Command;
use unicode_width::UnicodeWidthStr;

use crate::cli::help::program_header;

/// The groups of commands, each with its heading.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "Start a run:",
        &[
            "demo", "init", "trust", "workers", "plan", "prompt", "run", "resume",
        ],
    ),
    (
        "Watch it:",
        &[
            "watch", "status", "logs", "show", "output", "diff", "board", "report", "log",
            "history", "stats", "blame", "wait", "web",
        ],
    ),
    (
        "Decide:",
        &[
            "pause",
            "cancel",
            "tell",
            "retry",
            "attach",
            "skip",
            "conflicts",
            "resolve",
            "review",
        ],
    ),
    (
        "Deliver:",
        &["assemble", "land", "unland", "push", "fetch", "github"],
    ),
    ("Tidy up:", &["clean", "doctor"]),
    ("For coding agents:", &["plugin", "mcp"]),
    ("Learn more:", &["help", "completions", "man"]),
];

/// Gives the program a help text with its commands in groups, `columns` wide.
pub(crate) fn with_groups(program: Command, columns: usize) -> Command {
    let listed = GROUPS.iter().map(|(heading, names)| {
        let commands = names
            .iter()
            .filter_map(|name| program.find_subcommand(name));
        let rows = commands.map(|command| {
            let about = command.get_about().map(ToString::to_string);
            (command.get_name().to_owned(), about.unwrap_or_default())
        });
        format!(
            "{}\n{}\n",
            program_header(heading),
            render_rows(rows, columns)
        )
    });
    let groups: String = listed.collect();
    let options = program_header("Options:");
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{options}\n{{options}}{{after-help}}"
    );
    program.help_template(template)
}

/// Renders names and short descriptions in two columns.
pub(crate) fn render_rows(
    rows: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    columns: usize,
) -> String {
    let style = clap::builder::Styles::styled();
    let literal = style.get_literal();
    let mut text = String::new();
    for (name, about) in rows {
        let (name, about) = (name.as_ref(), about.as_ref());
        let gap = " ".repeat(INDENT.saturating_sub(2 + name.width()).max(1));
        text.push_str(&format!("  {literal}{name}{literal:#}{gap}"));
        let lines = crate::base::table::wrap_to_width(about, columns.saturating_sub(INDENT));
        text.push_str(&lines.join(&format!("\n{}", " ".repeat(INDENT))));
        text.push('\n');
    }
    text
}

/// The column at which the second text starts.
const INDENT: usize = 17;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::cli;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let program = cli::command();
        let known = program
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        let known: BTreeSet<&str> = known.map(Command::get_name).collect();
        assert_eq!(grouped.len(), known.len());
        assert_eq!(BTreeSet::from_iter(grouped), known);
    }
}
