//! The shell scripts that the hosts of [`super::ssh`] run, and their answers.
//!
//! Each job has a folder on its host: `run.sh` until it starts, `boot` with the id of that boot, `pid` of
//! its supervisor, `job` with the pid of the program, `out` with its output and `exit` with its exit code.
//! The folder is made before the job starts, so a name starts once on a host.

use crate::base::text::shell_word;
use crate::exec::StopSignal;
use crate::exec::engine::{JobExit, JobState};

/// Sets `jobs` to the folder of all jobs.
const JOBS: &str = "jobs=\"${XDG_STATE_HOME:-$HOME/.local/state}/dispatch/jobs\"\n";

/// Prints the id of this boot, where the system has one.
const BOOT: &str = "boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo -; }\n";

/// The supervisor of a job: it notes the pid of the program and its exit code. Signals are for the program.
const SUPERVISOR: &str = r#"echo $$ > pid.new; mv pid.new pid
sh ./run.sh > out 2>&1 < /dev/null & child=$!
echo $child > job.new; mv job.new job
wait $child; code=$?
echo $code > exit.new; mv exit.new exit
"#;

/// Returns the name of a job's folder: the job's name without slashes.
pub(super) fn folder_name(name: &str) -> String {
    name.replace('/', ".")
}

/// Renders the script that starts a job, with the job's own script inside. It prints `started` or `known`.
pub(super) fn start(name: &str, job: &str) -> String {
    let folder = shell_word(&folder_name(name));
    // The script removes itself, because it may hold secrets; the shell has it open.
    let job = job.replacen("umask 077\n", "umask 077\nrm -f ./run.sh\n", 1);
    format!(
        "umask 077\n{JOBS}{BOOT}mkdir -p \"$jobs\" || exit 1\nd=\"$jobs\"/{folder}\n\
         if ! mkdir \"$d\" 2>/dev/null; then [ -d \"$d\" ] && echo known && exit 0; exit 1; fi\n\
         cd \"$d\" || exit 1\nboot > boot\n\
         cat > run.sh <<'DISPATCH_JOB_END'\n{job}DISPATCH_JOB_END\n\
         cat > supervise.sh <<'DISPATCH_JOB_END'\n{SUPERVISOR}DISPATCH_JOB_END\n\
         if command -v setsid >/dev/null 2>&1; then setsid sh ./supervise.sh </dev/null >/dev/null 2>&1 &\n\
         else nohup sh ./supervise.sh </dev/null >/dev/null 2>&1 &\nfi\n\
         i=0; while [ ! -f pid ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done\n\
         [ -f pid ] && echo started\n"
    )
}

/// Renders the script that prints one line for each job: its state, and a number.
pub(super) fn states(names: &[&str]) -> String {
    let mut text = format!(
        "{JOBS}{BOOT}now=$(boot)\n\
         state() {{\n\
         d=\"$jobs/$1\"; [ -d \"$d\" ] || {{ echo absent; return; }}\n\
         [ -f \"$d/exit\" ] && {{ echo \"exit $(cat \"$d/exit\")\"; return; }}\n\
         if [ \"$(cat \"$d/boot\" 2>/dev/null)\" != \"$now\" ]; then echo rebooted; return; fi\n\
         p=$(cat \"$d/pid\" 2>/dev/null)\n\
         if [ -n \"$p\" ] && kill -0 \"$p\" 2>/dev/null; then echo running; return; fi\n\
         [ -f \"$d/exit\" ] && {{ echo \"exit $(cat \"$d/exit\")\"; return; }}\n\
         echo gone\n}}\n"
    );
    for name in names {
        text.push_str(&format!("state {}\n", shell_word(&folder_name(name))));
    }
    text
}

/// Renders the script that signals a job.
pub(super) fn signal(name: &str, signal: StopSignal) -> String {
    let folder = shell_word(&folder_name(name));
    let number = match signal {
        StopSignal::Interrupt => "INT",
        StopSignal::Terminate => "TERM",
        StopSignal::Kill => "KILL",
    };
    format!(
        "{JOBS}{BOOT}cd \"$jobs\"/{folder} || exit 0\n[ -f exit ] && exit 0\n\
         [ \"$(cat boot)\" = \"$(boot)\" ] || exit 0\n\
         p=$(cat job 2>/dev/null) && kill -{number} \"$p\" 2>/dev/null\nexit 0\n"
    )
}

/// Renders the script that prints the last output of a job.
pub(super) fn output(name: &str) -> String {
    let folder = shell_word(&folder_name(name));
    format!("{JOBS}tail -c 65536 \"$jobs\"/{folder}/out 2>/dev/null\nexit 0\n")
}

/// Renders the script that removes the folder of a job that has ended. It prints `runs` if that has not. Only files
/// of dispatch are removed, never through a link, and a folder with anything else in it stays.
pub(super) fn discard(name: &str) -> String {
    let folder = shell_word(&folder_name(name));
    format!(
        "{JOBS}d=\"$jobs\"/{folder}\n[ -d \"$d\" ] && [ ! -L \"$d\" ] || {{ echo gone; exit 0; }}\n\
         [ -f \"$d/exit\" ] || {{ echo runs; exit 0; }}\n\
         jobs=$(cd \"$jobs\" && pwd -P) && cd \"$d\" && [ \"$(pwd -P)\" = \"$jobs\"/{folder} ] || exit 1\n\
         rm -f run.sh supervise.sh boot pid pid.new job job.new out exit.new exit\n\
         cd .. && rmdir {folder} && echo gone\nexit 0\n"
    )
}

/// Parses one line of the answer to [`states`].
pub(super) fn parse_state(line: &str) -> JobState {
    let mut words = line.split_whitespace();
    match (
        words.next(),
        words.next().and_then(|code| code.parse().ok()),
    ) {
        (Some("running"), _) => JobState::Running(None),
        (Some("exit"), Some(code)) if code > 128 => JobState::Ended(JobExit::Signal(code - 128)),
        (Some("exit"), Some(code)) => JobState::Ended(JobExit::Code(code)),
        (Some("rebooted"), _) => JobState::Lost("the host was restarted".to_owned()),
        (Some("gone"), _) => JobState::Lost("its supervisor on the host is gone".to_owned()),
        (Some("absent"), _) => JobState::Vanished,
        _ => JobState::Unreachable(format!("unexpected answer {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs a script in a shell whose state folder is this one.
    fn sh(folder: &std::path::Path, script: &str) -> String {
        let mut child = Command::new("sh")
            .arg("-s")
            .env("XDG_STATE_HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), script.as_bytes())
            .expect("written");
        let output = child.wait_with_output().expect("ended");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn a_job_starts_once_and_its_exit_code_and_output_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, name) = (folder.path(), "dispatch/r/1/1");
        assert_eq!(
            parse_state(&sh(folder, &states(&[name]))),
            JobState::Vanished
        );
        let script = "#!/bin/sh\numask 077\necho one; ls; exit 7\n";
        assert_eq!(sh(folder, &start(name, script)), "started");
        assert_eq!(sh(folder, &start(name, script)), "known");
        let ended = JobState::Ended(JobExit::Code(7));
        while parse_state(&sh(folder, &states(&[name]))) != ended {}
        let output = sh(folder, &output(name));
        assert!(output.starts_with("one"), "{output}");
        assert!(!output.contains("run.sh"), "it may hold secrets: {output}");
    }

    #[test]
    fn a_stopped_job_has_ended_by_the_signal_and_a_lost_one_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, name) = (folder.path(), "dispatch/r/2/1");
        sh(
            folder,
            &start(name, "#!/bin/sh\numask 077\nexec sleep 600\n"),
        );
        assert_eq!(
            parse_state(&sh(folder, &states(&[name]))),
            JobState::Running(None)
        );
        while !folder.join("dispatch/jobs/dispatch.r.2.1/job").exists() {}
        sh(folder, &signal(name, StopSignal::Terminate));
        let ended = JobState::Ended(JobExit::Signal(15));
        while parse_state(&sh(folder, &states(&[name]))) != ended {}
        let job = folder.join("dispatch/jobs/dispatch.r.2.1");
        std::fs::remove_file(job.join("exit")).expect("removed");
        let lost = |state| matches!(state, JobState::Lost(_));
        // Its supervisor ends soon after it has written the exit.
        let looks = (0..1000).map(|_| parse_state(&sh(folder, &states(&[name]))));
        assert!(looks.into_iter().any(lost));
        std::fs::write(job.join("boot"), "another").expect("written");
        assert!(lost(parse_state(&sh(folder, &states(&[name])))));
    }

    #[test]
    fn the_folder_of_an_ended_job_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, name) = (folder.path(), "dispatch/r/3/1");
        let jobs = folder.join("dispatch/jobs");
        let job = jobs.join("dispatch.r.3.1");
        assert_eq!(sh(folder, &discard(name)), "gone");
        sh(folder, &start(name, "#!/bin/sh\numask 077\nsleep 600\n"));
        assert_eq!(sh(folder, &discard(name)), "runs");
        while !job.join("job").exists() {}
        sh(folder, &signal(name, StopSignal::Kill));
        while !job.join("exit").exists() {}
        assert_eq!(sh(folder, &discard(name)), "gone");
        assert!(!job.exists());
        // A folder of someone else behind a link, and a file that is not of dispatch.
        let other = folder.join("other");
        std::fs::create_dir(&other).expect("a folder");
        std::fs::write(other.join("exit"), "0").expect("written");
        std::os::unix::fs::symlink(&other, &job).expect("a link");
        sh(folder, &discard(name));
        assert!(other.join("exit").exists() && job.exists());
        let mixed = jobs.join("dispatch.r.3.2");
        std::fs::create_dir(&mixed).expect("a folder");
        std::fs::write(mixed.join("exit"), "0").expect("written");
        std::fs::write(mixed.join("notes"), "mine").expect("written");
        sh(folder, &discard("dispatch/r/3/2"));
        assert!(mixed.join("notes").exists());
    }
}
