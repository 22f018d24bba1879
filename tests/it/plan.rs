//! `dispatch plan` as a program: exit codes, streams, and unreadable files.

use crate::harness::temp_folder;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const SAMPLE: &str = include_str!("../../fixtures/plans/ok/sample.md");

/// Runs it in a folder with this standard input; returns exit code, output and errors.
fn dispatch(folder: &Path, args: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dispatch"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(ended.stdout), text(ended.stderr));
    format!("{out}{err}exit {}", ended.status.code().unwrap())
}

fn folder() -> tempfile::TempDir {
    let folder = temp_folder();
    fs::write(folder.path().join("plan.md"), SAMPLE).unwrap();
    folder
}

#[test]
fn check_counts_what_a_good_plan_has() {
    let folder = folder();
    let check = |input: &str| dispatch(folder.path(), &["plan", "check", input], SAMPLE);
    insta::assert_snapshot!(check("plan.md"), @r"
    plan.md: 4 tasks, 3 can start at once
    exit 0
    ");
    insta::assert_snapshot!(check("-"), @r"
    <stdin>: 4 tasks, 3 can start at once
    exit 0
    ");
}

#[test]
fn check_shows_warnings_and_all_errors() {
    let folder = folder();
    let check = |text: &str| dispatch(folder.path(), &["plan", "check", "-"], text);
    insta::assert_snapshot!(check("1. a\n2. b (blocked by #1)\n"), @r"
    <stdin>: 2 tasks, 2 can start at once, 1 warning
    warning: this reads like a dependency, but is part of the title
     --> <stdin>:2:4
      |
    2 | 2. b (blocked by #1)
      |    ^^^^^^^^^^^^^^^^^
    hint: write `— blocked by #2` at the end of the line, or a field `depends_on: #2`

    exit 0
    ");
    insta::assert_snapshot!(check("1. a\n   - chek: x\n2. b — blocked by #3\n"), @r"
    error: <stdin>: 2 errors

    error: unknown field `chek`
     --> <stdin>:2:6
      |
    2 |    - chek: x
      |      ^^^^
    hint: did you mean `check`?

    error: there is no task `#3`
     --> <stdin>:3:19
      |
    3 | 2. b — blocked by #3
      |                   ^^
    hint: use a number from #1 to #2, or a tag
    exit 2
    ");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("folder.md")).unwrap();
    fs::write(path.join("plan.txt"), SAMPLE).unwrap();
    fs::write(path.join("latin.md"), b"1. a\n2. gr\xfc\xdfe\n").unwrap();
    fs::write(path.join("large.md"), vec![b' '; 16 * 1024 * 1024 + 1]).unwrap();
    let made = Command::new("mkfifo").arg(path.join("pipe.md")).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", path.join("device.md")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket.md")).unwrap();
    let names = [
        "no.md",
        "folder.md",
        "plan.txt",
        "latin.md",
        "large.md",
        "pipe.md",
        "device.md",
        "socket.md",
    ];
    let said: Vec<_> = names
        .iter()
        .map(|name| dispatch(path, &["plan", "check", name], ""))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    error: could not read no.md: no such file
    exit 1
    error: could not read folder.md: it is a folder, not a file
    hint: name the file of the plan in it
    exit 1
    error: plan.txt has no known extension
    hint: a plan is .md, .markdown, .toml or .json; `-` reads Markdown from standard input
    exit 1
    error: latin.md: line 2 is not valid UTF-8
    hint: save the file as UTF-8
    exit 2
    error: could not read large.md: it is larger than 4 MiB
    hint: a plan holds tasks; put data into files of the repository
    exit 2
    error: could not read pipe.md: it is a pipe, not a file
    hint: `-` reads Markdown from standard input
    exit 1
    error: could not read device.md: it is a device, not a file
    exit 1
    error: could not read socket.md: it is a socket, not a file
    exit 1
    ");
}

#[test]
fn a_plan_converted_there_and_back_is_shown_the_same() {
    let folder = folder();
    let path = folder.path();
    let shown = dispatch(path, &["plan", "show", "plan.md"], "");
    let steps = [
        ("plan.md", "toml", "a.toml"),
        ("a.toml", "json", "b.json"),
        ("b.json", "md", "c.md"),
    ];
    for (from, format, to) in steps {
        let args = ["plan", "convert", from, "--to", format, "--output", to];
        assert_eq!(dispatch(path, &args, ""), "exit 0");
    }
    assert_eq!(dispatch(path, &["plan", "show", "c.md"], ""), shown);
    let json = fs::read_to_string(path.join("b.json")).unwrap();
    let shown_json = dispatch(path, &["plan", "show", "plan.md", "--json"], "");
    assert_eq!(shown_json, format!("{json}exit 0"));
    let again = ["plan", "convert", "plan.md", "--to", "toml", "-o", "a.toml"];
    insta::assert_snapshot!(dispatch(path, &again, ""), @r"
    error: a.toml exists already
    hint: choose another name or remove it first
    exit 1
    ");
}

fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git").current_dir(folder).args(args).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_prompt_file_is_one_that_git_tracks() {
    let outer = folder();
    let repository = outer.path().join("repository");
    let plans = repository.join("plans");
    fs::create_dir_all(&plans).unwrap();
    fs::write(repository.join("inside.md"), "Inside.").unwrap();
    fs::write(repository.join(".env"), "KEY=1").unwrap();
    fs::write(repository.join(".gitignore"), ".env\n").unwrap();
    std::os::unix::fs::symlink("../../plan.md", plans.join("link.md")).unwrap();
    std::os::unix::fs::symlink("../.env", plans.join("env.md")).unwrap();
    git(&repository, &["init", "-q"]);
    git(&repository, &["add", "."]);
    fs::write(repository.join("new.md"), "New.").unwrap();
    let check = |prompt: &str| {
        let text = format!("[[task]]\ntitle = \"a\"\nprompt_file = \"{prompt}\"\n");
        fs::write(plans.join("plan.toml"), text).unwrap();
        let said = dispatch(&plans, &["plan", "check", "plan.toml"], "");
        let sentence = said
            .lines()
            .find(|line| line.contains("prompt file"))
            .unwrap_or("fine");
        sentence.to_owned()
    };
    let prompts = [
        "../inside.md",
        "../new.md",
        "../.env",
        "../.git/config",
        "env.md",
        "../../plan.md",
        "link.md",
        "/etc/hostname",
        "no.md",
        ".",
    ];
    let said: Vec<_> = prompts.iter().map(|prompt| check(prompt)).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    fine
    error: could not read the prompt file `../new.md`: git does not track it; `git add` it if a worker may read it
    error: could not read the prompt file `../.env`: git does not track it; `git add` it if a worker may read it
    error: could not read the prompt file `../.git/config`: git does not track it; `git add` it if a worker may read it
    error: could not read the prompt file `env.md`: git does not track it; `git add` it if a worker may read it
    error: could not read the prompt file `../../plan.md`: it is outside of the plan's folder and of the repository
    error: could not read the prompt file `link.md`: it is outside of the plan's folder and of the repository
    error: could not read the prompt file `/etc/hostname`: the path is absolute
    error: could not read the prompt file `no.md`: no such file
    error: could not read the prompt file `.`: git does not track it; `git add` it if a worker may read it
    ");
}

#[test]
fn the_schema_is_json() {
    let folder = folder();
    let said = dispatch(folder.path(), &["plan", "schema"], "");
    let schema = said.strip_suffix("exit 0").unwrap();
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    assert_eq!(schema["title"], "Plan");
}
