//! Finds the paths in a worker's output that the system refused to change.

/// Texts with which programs report a refusal.
const REFUSALS: [&str; 4] = [
    "permission denied",
    "eacces",
    "operation not permitted",
    "read-only file system",
];

/// Characters around a path that do not belong to it.
const AROUND: &[char] = &['\'', '"', '`', ',', ';', ':', '(', ')', '[', ']', '<', '>'];

/// Lists the absolute paths in the lines that report a refusal, the last line first.
pub fn denied_paths(output: &str) -> Vec<String> {
    let refused = output.lines().rev().filter(|line| {
        let line = line.to_lowercase();
        REFUSALS.iter().any(|refusal| line.contains(refusal))
    });
    let mut paths: Vec<String> = Vec::new();
    for path in refused.flat_map(paths_in) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Lists the absolute paths in a line; a quoted one may have spaces.
fn paths_in(line: &str) -> Vec<String> {
    let quoted = ['\'', '"', '`'].into_iter().flat_map(|quote| {
        let parts = line.split(quote).skip(1).step_by(2);
        parts.filter(|part| part.starts_with('/'))
    });
    let words = line
        .split_whitespace()
        .map(|word| word.trim_matches(AROUND));
    let words = words.filter(|word| word.starts_with('/') && word.len() > 1);
    quoted.chain(words).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refused_path_comes_first() {
        let output = "\
sh: 1: cannot create /home/u/.bashrc: Permission denied
fatal: Unable to create '/srv/my shop/.git/index.lock': Permission denied
/usr/bin/tool: all is well
Error: EACCES: permission denied, open '/home/u/.npmrc'
rm: cannot remove 'relative.txt': Permission denied
";
        insta::assert_snapshot!(denied_paths(output).join("\n"), @r"
        /home/u/.npmrc
        /srv/my shop/.git/index.lock
        /srv/my
        /home/u/.bashrc
        ");
    }
}
