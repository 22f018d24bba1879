//! Writes the profile with which macOS confines a process (Seatbelt), and its command line.
//!
//! A profile allows everything, forbids changes of files, and allows some of them again: the last rule
//! that fits an operation holds. Rules are about real paths, so links must be resolved before.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::config::reaction::Network;

/// The program that applies a profile. It belongs to the system.
const PROGRAM: &str = "/usr/bin/sandbox-exec";

/// The name by which a profile knows the folder for temporary files.
const TMP: &str = "TMP";

/// Devices that every program may use, as rules.
const DEVICES: &str = r##"(literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty")
  (literal "/dev/ptmx") (regex #"^/dev/ttys[0-9]+$") (regex #"^/dev/fd/")"##;

/// The rules of a confinement, with real paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Profile {
    /// Files and folders that may be changed, besides those for temporary files.
    pub write: Vec<PathBuf>,
    /// The limits of reading and of the network; none with `write`.
    pub strict: Option<StrictRules>,
}

/// The rules that `strict` adds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StrictRules {
    /// Folders of which only the rest is visible.
    pub emptied: Vec<PathBuf>,
    /// Files and folders in them that may be read; those that may be changed may be read, too.
    pub read: Vec<PathBuf>,
    /// Files and folders that may not be read, wherever they are.
    pub hidden: Vec<PathBuf>,
    /// The network.
    pub network: Network,
}

/// Returns the program if this system confines with it.
pub(super) fn program() -> Option<PathBuf> {
    let program = PathBuf::from(PROGRAM);
    (cfg!(target_os = "macos") && program.is_file()).then_some(program)
}

/// Builds the command in front of a worker's own. `{tmp}` stands for its folder for temporary files.
pub(super) fn command(program: &Path, profile: &Profile) -> Vec<String> {
    let define = format!("{TMP}={{tmp}}");
    let program = program.to_string_lossy();
    [&program, "-p", &render(profile), "-D", &define]
        .map(str::to_owned)
        .to_vec()
}

fn render(profile: &Profile) -> String {
    let mut text = String::from("(version 1)\n(allow default)\n");
    // Another process could make changes for it.
    text.push_str("(deny signal)\n(allow signal (target same-sandbox))\n");
    if let Some(strict) = &profile.strict {
        render_reading(&mut text, profile, strict);
        render_network(&mut text, strict.network);
    }
    text.push_str("(deny file-write*)\n");
    let _ = writeln!(text, "(allow file-write* {DEVICES})");
    rule(&mut text, "allow file-write*", &profile.write);
    let _ = writeln!(text, "(allow file-write* (subpath (param \"{TMP}\")))");
    let hidden = profile.strict.as_ref().map(|strict| &strict.hidden);
    rule(
        &mut text,
        "deny file-read* file-write*",
        hidden.into_iter().flatten(),
    );
    text
}

fn render_reading(text: &mut String, profile: &Profile, strict: &StrictRules) {
    text.push_str("(deny process-info*)\n(allow process-info* (target same-sandbox))\n");
    rule(text, "deny file-read*", &strict.emptied);
    let shown = || strict.read.iter().chain(&profile.write);
    // Programs look up every folder on the way to a file.
    let is_emptied = |path: &&Path| strict.emptied.iter().any(|empty| path.starts_with(empty));
    let above: BTreeSet<&Path> = shown()
        .flat_map(|path| path.ancestors().skip(1))
        .filter(is_emptied)
        .collect();
    let above = above
        .into_iter()
        .chain(strict.emptied.iter().map(PathBuf::as_path));
    let above: BTreeSet<String> = above
        .map(|path| format!("(literal {})", quoted(path)))
        .collect();
    for place in above {
        let _ = writeln!(text, "(allow file-read-metadata {place})");
    }
    rule(text, "allow file-read*", shown());
    let _ = writeln!(text, "(allow file-read* (subpath (param \"{TMP}\")))");
}

fn render_network(text: &mut String, network: Network) {
    if network == Network::Open {
        return;
    }
    text.push_str("(deny network*)\n");
    if network == Network::Loopback {
        text.push_str(
            "(allow network-bind (local ip \"localhost:*\"))\n\
             (allow network-inbound (local ip \"localhost:*\"))\n\
             (allow network-outbound (remote ip \"localhost:*\"))\n",
        );
    }
}

/// Writes a rule about files and everything below them, one line each.
fn rule<'a>(text: &mut String, action: &str, paths: impl IntoIterator<Item = &'a PathBuf>) {
    for path in paths {
        let _ = writeln!(text, "({action} (subpath {}))", quoted(path));
    }
}

/// Quotes a path as a string of a profile, which is a program in Scheme.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn with_write_only_changes_are_confined() {
        let profile = Profile {
            write: paths(&["/Users/me/shop.dispatch/7k3q/a", "/Users/me/.claude.json"]),
            strict: None,
        };
        let command = command(Path::new("/usr/bin/sandbox-exec"), &profile);
        insta::assert_snapshot!(command.join("\n"), @r#"
        /usr/bin/sandbox-exec
        -p
        (version 1)
        (allow default)
        (deny signal)
        (allow signal (target same-sandbox))
        (deny file-write*)
        (allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty")
          (literal "/dev/ptmx") (regex #"^/dev/ttys[0-9]+$") (regex #"^/dev/fd/"))
        (allow file-write* (subpath "/Users/me/shop.dispatch/7k3q/a"))
        (allow file-write* (subpath "/Users/me/.claude.json"))
        (allow file-write* (subpath (param "TMP")))

        -D
        TMP={tmp}
        "#);
    }

    #[test]
    fn strict_shows_only_what_is_named_and_hides_what_must_not_be_read() {
        let profile = |network| Profile {
            write: paths(&["/Users/me/code/shop.dispatch/7k3q/a", "/opt/cache"]),
            strict: Some(StrictRules {
                emptied: paths(&["/Users/me", "/private/tmp"]),
                read: paths(&["/Users/me/.gitconfig", "/Users/me/.local/bin"]),
                hidden: paths(&["/Users/me/.ssh"]),
                network,
            }),
        };
        insta::assert_snapshot!(render(&profile(Network::Open)), @r#"
        (version 1)
        (allow default)
        (deny signal)
        (allow signal (target same-sandbox))
        (deny process-info*)
        (allow process-info* (target same-sandbox))
        (deny file-read* (subpath "/Users/me"))
        (deny file-read* (subpath "/private/tmp"))
        (allow file-read-metadata (literal "/Users/me"))
        (allow file-read-metadata (literal "/Users/me/.local"))
        (allow file-read-metadata (literal "/Users/me/code"))
        (allow file-read-metadata (literal "/Users/me/code/shop.dispatch"))
        (allow file-read-metadata (literal "/Users/me/code/shop.dispatch/7k3q"))
        (allow file-read-metadata (literal "/private/tmp"))
        (allow file-read* (subpath "/Users/me/.gitconfig"))
        (allow file-read* (subpath "/Users/me/.local/bin"))
        (allow file-read* (subpath "/Users/me/code/shop.dispatch/7k3q/a"))
        (allow file-read* (subpath "/opt/cache"))
        (allow file-read* (subpath (param "TMP")))
        (deny file-write*)
        (allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty")
          (literal "/dev/ptmx") (regex #"^/dev/ttys[0-9]+$") (regex #"^/dev/fd/"))
        (allow file-write* (subpath "/Users/me/code/shop.dispatch/7k3q/a"))
        (allow file-write* (subpath "/opt/cache"))
        (allow file-write* (subpath (param "TMP")))
        (deny file-read* file-write* (subpath "/Users/me/.ssh"))
        "#);
        let only = |network| {
            let (open, closed) = (render(&profile(Network::Open)), render(&profile(network)));
            let lines = closed.lines().filter(|line| !open.contains(line));
            lines.collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(only(Network::None), @"(deny network*)");
        insta::assert_snapshot!(only(Network::Loopback), @r#"
        (deny network*)
        (allow network-bind (local ip "localhost:*"))
        (allow network-inbound (local ip "localhost:*"))
        (allow network-outbound (remote ip "localhost:*"))
        "#);
    }

    #[test]
    fn no_path_can_end_its_string() {
        let hostile = [
            "/a\")) (allow default) (allow file-write* (subpath \"/",
            "/back\\slash",
            "/ends\\",
            "/new\nline\r\ttab",
            "/sp ace ; (comment) #| |#",
            "/ü{tmp}",
        ];
        let profile = Profile {
            write: paths(&hostile),
            strict: None,
        };
        let text = render(&profile);
        let rules = text
            .lines()
            .filter(|line| line.starts_with("(allow file-write* (subpath \""));
        let rules: Vec<&str> = rules.collect();
        insta::assert_snapshot!(rules.join("\n"), @r#"
        (allow file-write* (subpath "/a\")) (allow default) (allow file-write* (subpath \"/"))
        (allow file-write* (subpath "/back\\slash"))
        (allow file-write* (subpath "/ends\\"))
        (allow file-write* (subpath "/new\nline\r\ttab"))
        (allow file-write* (subpath "/sp ace ; (comment) #| |#"))
        (allow file-write* (subpath "/ü{tmp}"))
        "#);
        let back: Vec<String> = rules.iter().map(|rule| string_of(rule)).collect();
        assert_eq!(back, hostile);
    }

    /// Reads the string of a rule back, as a reader of Scheme does; nothing may follow it.
    fn string_of(rule: &str) -> String {
        let rest = rule
            .strip_prefix("(allow file-write* (subpath \"")
            .unwrap_or_default();
        let (mut read, mut chars) = (String::new(), rest.chars());
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => read.extend(chars.next().map(|escaped| match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                })),
                _ => read.push(c),
            }
        }
        assert_eq!(chars.as_str(), "))");
        read
    }
}
