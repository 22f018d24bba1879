//! Checks that files which a worker or a stranger could have made are read through
//! `base::regular_file`: a plain read of a pipe waits forever.

use std::fs;
use std::path::Path;

/// Calls that read whatever is at a path.
const PLAIN_READS: [&str; 4] = [
    "fs::read(",
    "fs::read_to_string(",
    "File::open(",
    "fs::copy(",
];

/// Lines that may read like that, and why.
const ALLOWED: [(&str, &str, &str); 17] = [
    ("base/files.rs", "/dev/urandom", "made by the kernel"),
    ("process/ancestry.rs", "/proc/", "made by the kernel"),
    (
        "base/files.rs",
        "File::open(folder)",
        "a folder, to sync it",
    ),
    (
        "libgit2/loose_object.rs",
        "File::open(folder)",
        "a folder, to sync it",
    ),
    ("base/golden.rs", "", "compiled for tests only"),
    (
        "cli/land/message.rs",
        "fs::read(file)",
        "a file that the user named",
    ),
    (
        "cli/plan_new/goal.rs",
        "File::open(file)",
        "a file that the user named",
    ),
    (
        "cli/plugin/skill.rs",
        "self.folder",
        "the user's home folder",
    ),
    (
        "cli/retry/mod.rs",
        "fs::read(&file)",
        "a file that the user named",
    ),
    (
        "config/load.rs",
        "std::fs::read(path)",
        "a file that the user named",
    ),
    (
        "exec/cgroup/group.rs",
        "fs::read_to_string(file)",
        "made by the kernel",
    ),
    (
        "exec/cgroup/mod.rs",
        "fs::read_to_string(file)",
        "made by the kernel",
    ),
    ("exec/cgroup/mod.rs", "/proc/self/", "made by the kernel"),
    ("exec/linux.rs", "/proc/", "made by the kernel"),
    ("exec/linux.rs", "join(\"children\")", "made by the kernel"),
    ("exec/engine/ssh.rs", "current_exe()", "this program"),
    ("journal/runs.rs", "/proc/", "made by the kernel"),
];

#[test]
fn files_of_others_are_read_as_regular_files_with_a_limit() {
    let mut files = Vec::new();
    list(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 300, "only {} files were found", files.len());
    let texts: Vec<String> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let all = || files.iter().zip(&texts);
    let plain: Vec<String> = all()
        .flat_map(|(file, text)| plain_reads(file, text))
        .collect();
    assert!(plain.is_empty(), "plain reads:\n{}\n", plain.join("\n"));
    for (place, part, why) in ALLOWED {
        assert!(!why.is_empty());
        let is_used = all().any(|(file, text)| {
            file.ends_with(place) && reads(text).any(|(_, line)| line.contains(part))
        });
        assert!(is_used, "nothing in {place} needs to be allowed: {part:?}");
    }
}

#[test]
fn a_plain_read_is_found() {
    let text = "fn a() {\n    let text = fs::read(path);\n}\n";
    assert_eq!(plain_reads(Path::new("src/git/new.rs"), text).len(), 1);
}

/// Lists the lines of a file that read plainly, those of its tests aside.
fn plain_reads(file: &Path, text: &str) -> Vec<String> {
    let is_allowed = |line: &str| {
        let mut allowed = ALLOWED.iter();
        allowed.any(|(place, part, _)| file.ends_with(place) && line.contains(part))
    };
    let found = reads(text).filter(|(_, line)| !is_allowed(line));
    let shown =
        found.map(|(number, line)| format!("{}:{}: {}", file.display(), number + 1, line.trim()));
    shown.collect()
}

/// Lists the lines of a text that read plainly, those of its tests aside, each with its place.
fn reads(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let own = text.split("\nmod tests {").next().unwrap_or_default();
    own.lines().enumerate().filter(|(_, line)| {
        let reads = PLAIN_READS.iter().any(|call| line.contains(call));
        reads && !line.trim_start().starts_with("//")
    })
}

fn list(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            list(&path, files);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            files.push(path);
        }
    }
}
