//! Any engine that four commands describe: start, status, stop and logs.

use std::io::Write as _;

use crate::base::process::Program;
use crate::exec::StopSignal;
use crate::exec::engine::{
    Checked, Engine, EngineFault, JobExit, JobId, JobState, NewJob, run, said, script,
};
use crate::model::executor::ExecutorProfile;

/// The exit code of a command that cannot reach its engine (EX_TEMPFAIL).
const TEMPORARY: i32 = 75;

/// An engine behind the commands of a profile.
#[derive(Debug)]
pub struct Commands {
    profile: ExecutorProfile,
}

impl Commands {
    /// Uses the commands of a profile.
    pub fn new(profile: &ExecutorProfile) -> Commands {
        Commands {
            profile: profile.clone(),
        }
    }

    /// Runs a command with its placeholders filled in, and returns what it printed.
    fn ask(
        &self,
        command: &[String],
        name: &str,
        id: &str,
        file: &str,
    ) -> Result<String, EngineFault> {
        let fill = |word: &String| {
            let word = word.replace("{name}", &plain_name(name));
            word.replace("{id}", id).replace("{script}", file)
        };
        let mut words = command.iter().map(fill);
        let program = Program::new(words.next().unwrap_or_default()).args(words);
        let finished = run(&program)?;
        match finished.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
            Some(TEMPORARY) | None => Err(EngineFault::Unreachable(said(&finished))),
            Some(_) => Err(EngineFault::Refused(said(&finished))),
        }
    }

    fn state(&self, job: &JobId) -> JobState {
        match self.ask(&self.profile.status, &job.name, &job.id, "") {
            Ok(answer) => parse_state(&answer),
            // A status that cannot be asked for says nothing about the job.
            Err(fault) => JobState::Unreachable(fault.to_string()),
        }
    }
}

impl Engine for Commands {
    fn submit(&self, job: &NewJob) -> Result<JobId, EngineFault> {
        let text = script::render(job, &[]);
        let failed = |error: std::io::Error| EngineFault::Refused(error.to_string());
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        let path = file.path().to_string_lossy().into_owned();
        let answer = self.ask(&self.profile.start, &job.name, "", &path)?;
        let id = answer.lines().last().unwrap_or_default().trim().to_owned();
        Ok(JobId {
            name: job.name.clone(),
            id,
            host: None,
        })
    }

    fn poll(&self, jobs: &[JobId]) -> Vec<JobState> {
        jobs.iter().map(|job| self.state(job)).collect()
    }

    fn cancel(&self, job: &JobId, _signal: StopSignal) -> Result<(), EngineFault> {
        self.ask(&self.profile.stop, &job.name, &job.id, "")
            .map(drop)
    }

    fn find(&self, name: &str, _on: Option<&str>) -> Result<Option<JobId>, EngineFault> {
        let job = JobId {
            name: name.to_owned(),
            id: String::new(),
            host: None,
        };
        match self.state(&job) {
            JobState::Vanished => Ok(None),
            JobState::Unreachable(said) => Err(EngineFault::Unreachable(said)),
            _ => Ok(Some(job)),
        }
    }

    fn logs(&self, job: &JobId) -> Result<Vec<u8>, EngineFault> {
        if self.profile.logs.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.ask(&self.profile.logs, &job.name, &job.id, "")?;
        Ok(answer.into_bytes())
    }

    fn check(&self, _program: &[String]) -> Vec<Checked> {
        let state = self
            .find("dispatch/check/0/0", None)
            .map_err(|fault| fault.to_string());
        vec![Checked {
            place: self.profile.status.first().cloned().unwrap_or_default(),
            answer: state.map(|_| "its status command answers".to_owned()),
        }]
    }
}

/// Returns a name in letters that every engine takes, such as Kubernetes does.
fn plain_name(name: &str) -> String {
    name.replace('/', "-").to_lowercase()
}

/// Parses what a status command printed.
fn parse_state(answer: &str) -> JobState {
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let (word, rest) = (words.next().unwrap_or_default(), words.next());
    match (word, rest) {
        ("queued", reason) => JobState::Queued(reason.unwrap_or_default().to_owned()),
        ("running", node) => JobState::Running(node.map(str::to_owned)),
        ("ended", None) => JobState::Ended(JobExit::Unknown),
        ("ended", Some(code)) => match code.parse() {
            Ok(code) if code > 128 => JobState::Ended(JobExit::Signal(code - 128)),
            Ok(code) => JobState::Ended(JobExit::Code(code)),
            Err(_) => JobState::Ended(JobExit::Unknown),
        },
        ("lost", _) => JobState::Lost("its engine lost it".to_owned()),
        ("unknown", _) => JobState::Vanished,
        _ => JobState::Unreachable(format!("its status command printed {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(status: &str) -> Commands {
        let sh = |line: &str| vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()];
        Commands::new(&ExecutorProfile {
            start: sh("grep -c exec {script} && echo id-of-{name}"),
            status: sh(status),
            stop: sh("exit 1"),
            ..ExecutorProfile::named("any")
        })
    }

    #[test]
    fn a_job_is_started_by_its_script_and_its_state_is_a_word() {
        let job = NewJob {
            name: "dispatch/shop-7k3q/2/1".to_owned(),
            host: None,
            command: vec!["dispatch".to_owned(), "node-attempt".to_owned()],
            env: Vec::new(),
            env_file: None,
        };
        let id = engine("echo running n1").submit(&job).expect("started");
        assert_eq!(id.id, "id-of-dispatch-shop-7k3q-2-1");
        let states: Vec<String> = [
            "echo queued soon",
            "echo running n1",
            "echo ended 0",
            "echo ended 137",
            "echo ended",
            "echo lost",
            "echo unknown",
            "echo what",
            "echo down >&2; exit 75",
            "exit 1",
        ]
        .iter()
        .map(|status| format!("{:?}", engine(status).poll(std::slice::from_ref(&id))[0]))
        .collect();
        insta::assert_snapshot!(states.join("\n"), @r#"
        Queued("soon")
        Running(Some("n1"))
        Ended(Code(0))
        Ended(Signal(9))
        Ended(Unknown)
        Lost("its engine lost it")
        Vanished
        Unreachable("its status command printed \"what\"")
        Unreachable("down")
        Unreachable("exit status: 1")
        "#);
        assert_eq!(
            engine("echo unknown").find("dispatch/r/1/1", None),
            Ok(None)
        );
    }
}
