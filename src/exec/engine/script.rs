//! The shell script of a job, the same for every engine.

use crate::base::text::shell_word;
use crate::exec::engine::NewJob;

/// Sets what an engine may leave out.
const HOME: &str = "\
[ -n \"$HOME\" ] || HOME=$(eval echo \"~$(id -un)\")
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
export HOME PATH
";

/// Renders the script of a job for a POSIX shell. `env` is what the engine may carry in the script.
///
/// The script becomes the program, so that a signal reaches that.
pub fn render(job: &NewJob, env: &[(String, String)]) -> String {
    let mut text = String::from("#!/bin/sh\numask 077\n");
    text.push_str(HOME);
    if let Some(file) = &job.env_file {
        let file = home_path(file);
        text.push_str(&format!(
            "if [ -r {file} ]; then set -a; . {file}; set +a; fi\n"
        ));
    }
    for (name, value) in env {
        text.push_str(&format!("export {name}={}\n", shell_word(value)));
    }
    text.push_str(&format!("exec {}\n", words(&job.command)));
    text
}

/// Renders a command as shell words; a program below `~/` or `$HOME/` is in the home folder of the node.
pub(super) fn words(command: &[String]) -> String {
    let mut words = command.iter();
    let program = words.next().map(|program| home_path(program));
    let rest = words.map(|word| shell_word(word));
    program
        .into_iter()
        .chain(rest)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Renders a path of the node.
fn home_path(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("\"$HOME\"/{}", shell_word(rest)),
        None => shell_word(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_sets_variables_and_becomes_the_program() {
        let job = NewJob {
            name: "dispatch/r/1/1".to_owned(),
            host: None,
            command: ["~/bin/dispatch", "node-attempt", "a b"]
                .map(str::to_owned)
                .to_vec(),
            env: Vec::new(),
            env_file: Some("~/.env".to_owned()),
        };
        let env = [("TOKEN".to_owned(), "it's".to_owned())];
        insta::assert_snapshot!(render(&job, &env), @r#"
        #!/bin/sh
        umask 077
        [ -n "$HOME" ] || HOME=$(eval echo "~$(id -un)")
        PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
        export HOME PATH
        if [ -r "$HOME"/.env ]; then set -a; . "$HOME"/.env; set +a; fi
        export TOKEN='it'\''s'
        exec "$HOME"/bin/dispatch node-attempt 'a b'
        "#);
    }
}
