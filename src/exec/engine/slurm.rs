//! A Slurm cluster, by its commands and their text output, with words such as `ssh login` in front.
//!
//! JSON is not read: its types differ from version to version. Slurm never starts a job again
//! (`--no-requeue`), and gets no variable of this process (`--export=NIL`), because the controller stores
//! what it gets.

use std::collections::BTreeMap;

use crate::base::process::{Finished, Program};
use crate::base::text::shell_word;
use crate::exec::StopSignal;
use crate::exec::engine::slurm_state::{FIELDS, parse_sacct, parse_squeue, says_unreachable};
use crate::exec::engine::{
    Checked, Engine, EngineFault, JobId, JobState, NewJob, run, said, script,
};
use crate::model::executor::ExecutorProfile;

/// Variables that change what the commands do or print.
const OWN_VARIABLES: [&str; 5] = ["SBATCH_", "SQUEUE_", "SCANCEL_", "SACCT_", "SLURM_"];

/// A variable that names the configuration of the cluster, which stays.
const CONFIGURATION: &str = "SLURM_CONF";

/// A Slurm cluster.
#[derive(Debug)]
pub struct Slurm {
    profile: ExecutorProfile,
}

impl Slurm {
    /// Uses the cluster of a profile.
    pub fn new(profile: &ExecutorProfile) -> Slurm {
        Slurm {
            profile: profile.clone(),
        }
    }

    /// Builds a command of Slurm.
    fn command(&self, words: &[String]) -> Program {
        let mut line = self.profile.prefix.clone();
        match line.is_empty() {
            true => line.extend_from_slice(words),
            // `ssh` gives the words to a shell.
            false => line.extend(words.iter().map(|word| shell_word(word))),
        }
        let mut words = line.iter();
        let mut program = Program::new(words.next().map_or("", String::as_str)).args(words);
        for (name, _) in std::env::vars_os() {
            let is_own = name.to_str().is_some_and(|name| {
                name != CONFIGURATION && OWN_VARIABLES.iter().any(|own| name.starts_with(own))
            });
            if is_own {
                program = program.env_remove(&name);
            }
        }
        program
    }

    fn ask(&self, words: &[String]) -> Result<String, EngineFault> {
        printed(&run(&self.command(words))?)
    }

    /// Returns the options of `sbatch`.
    fn options(&self, name: &str) -> Vec<String> {
        let profile = &self.profile;
        let mut words: Vec<String> = [
            "sbatch",
            "--parsable",
            "--no-requeue",
            "--export=NIL",
            "--output=/dev/null",
            "--ntasks=1",
        ]
        .map(str::to_owned)
        .to_vec();
        words.push(format!("--job-name={name}"));
        let cpus = profile.cpus.map(|cpus| cpus.to_string());
        for (option, value) in [
            ("partition", &profile.partition),
            ("account", &profile.account),
            ("cpus-per-task", &cpus),
            ("mem", &profile.mem),
            ("gres", &profile.gres),
            ("time", &profile.time),
        ] {
            words.extend(value.as_ref().map(|value| format!("--{option}={value}")));
        }
        words.extend(profile.options.iter().cloned());
        words
    }

    fn squeue(&self, by: &str) -> Result<Vec<(String, JobState)>, EngineFault> {
        let words = ["squeue", "-h", "-r", "-t", "all", by, "-O", FIELDS];
        let words = words.map(str::to_owned);
        match self.ask(&words) {
            Ok(text) => Ok(parse_squeue(&text)),
            // So it says of a single job that it has forgotten.
            Err(EngineFault::Refused(said)) if said.contains("Invalid job id") => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Asks the accounting about jobs that the controller has forgotten, where there is one.
    fn sacct(&self, ids: &[&str]) -> Vec<(String, JobState)> {
        let words = ["sacct", "-X", "-P", "-n", "-D", "-j", &ids.join(",")];
        let words = words
            .into_iter()
            .chain(["-o", "JobIDRaw,State,ExitCode,NodeList"]);
        let words: Vec<String> = words.map(str::to_owned).collect();
        self.ask(&words)
            .map_or(Vec::new(), |text| parse_sacct(&text))
    }
}

impl Engine for Slurm {
    fn submit(&self, job: &NewJob) -> Result<JobId, EngineFault> {
        let text = script::render(job, &[]);
        let program = self.command(&self.options(&job.name)).stdin(text);
        let answer = printed(&run(&program)?)?;
        // Behind a semicolon stands the name of the cluster.
        let id = answer.trim().split(';').next().unwrap_or_default();
        match id.parse::<u64>() {
            Ok(_) => Ok(JobId {
                name: job.name.clone(),
                id: id.to_owned(),
                host: None,
            }),
            Err(_) => Err(EngineFault::Refused(format!("sbatch printed {answer:?}"))),
        }
    }

    fn poll(&self, jobs: &[JobId]) -> Vec<JobState> {
        let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
        let found = match self.squeue(&format!("--jobs={}", ids.join(","))) {
            Ok(found) => found,
            Err(fault) => return vec![JobState::Unreachable(fault.to_string()); jobs.len()],
        };
        let mut states: BTreeMap<String, JobState> = found.into_iter().collect();
        let forgotten = ids.iter().filter(|id| !states.contains_key(**id));
        let forgotten: Vec<&str> = forgotten.copied().collect();
        if !forgotten.is_empty() {
            states.extend(self.sacct(&forgotten));
        }
        let state = |id: &&str| states.get(*id).cloned().unwrap_or(JobState::Vanished);
        ids.iter().map(state).collect()
    }

    fn cancel(&self, job: &JobId, signal: StopSignal) -> Result<(), EngineFault> {
        let mut words = vec!["scancel".to_owned()];
        if signal == StopSignal::Kill {
            words.extend(["--signal=KILL", "--full"].map(str::to_owned));
        }
        words.push(job.id.clone());
        match self.ask(&words) {
            Err(EngineFault::Refused(said)) if said.contains("Invalid job id") => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn find(&self, name: &str, on: Option<&str>) -> Result<Option<JobId>, EngineFault> {
        let found = self.squeue(&format!("--name={name}"))?;
        Ok(choose(found, on).map(|id| JobId {
            name: name.to_owned(),
            id,
            host: None,
        }))
    }

    fn logs(&self, _job: &JobId) -> Result<Vec<u8>, EngineFault> {
        // Output files stay on the node; the log travels through git.
        Ok(Vec::new())
    }

    fn check(&self, _program: &[String]) -> Vec<Checked> {
        let words = ["sinfo", "-h", "-o", "%D nodes, %T"].map(str::to_owned);
        let answer = self.ask(&words).map_err(|fault| fault.to_string());
        vec![Checked {
            place: "slurm".to_owned(),
            answer: answer.map(|text| text.lines().collect::<Vec<_>>().join("; ")),
        }]
    }
}

/// Chooses one of the jobs with the same name, of which git lets only one work: that which runs on this node,
/// else the last one that has not ended, else the last one.
fn choose(found: Vec<(String, JobState)>, on: Option<&str>) -> Option<String> {
    let rank = |state: &JobState| match state {
        JobState::Running(Some(node)) if on == Some(node) => 3,
        JobState::Running(_) => 2,
        JobState::Queued(_) => 1,
        _ => 0,
    };
    let best = found.into_iter().max_by_key(|(_, state)| rank(state));
    best.map(|(id, _)| id)
}

fn printed(finished: &Finished) -> Result<String, EngineFault> {
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    let said = said(finished);
    // 255 is that of an `ssh` in front.
    match says_unreachable(&said) || finished.status.code() == Some(255) {
        true => Err(EngineFault::Unreachable(said)),
        false => Err(EngineFault::Refused(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_jobs_with_one_name_that_of_the_claiming_node_is_chosen() {
        let running =
            |id: &str, node: &str| (id.to_owned(), JobState::Running(Some(node.to_owned())));
        let ended = ("9".to_owned(), JobState::Vanished);
        let jobs = vec![running("7", "n1"), running("8", "n2"), ended.clone()];
        assert_eq!(choose(jobs.clone(), Some("n1")).as_deref(), Some("7"));
        assert_eq!(choose(jobs, None).as_deref(), Some("8"));
        assert_eq!(choose(vec![ended], Some("n1")).as_deref(), Some("9"));
        assert_eq!(choose(Vec::new(), None), None);
    }

    #[test]
    fn a_job_is_submitted_with_the_resources_of_its_profile() {
        let slurm = Slurm::new(&ExecutorProfile {
            partition: Some("gpu".to_owned()),
            cpus: Some(4),
            gres: Some("gpu:1".to_owned()),
            options: vec!["--qos=low".to_owned()],
            ..ExecutorProfile::named("cluster")
        });
        assert_eq!(
            slurm.options("dispatch/r/1/1").join(" "),
            "sbatch --parsable --no-requeue --export=NIL --output=/dev/null --ntasks=1 \
             --job-name=dispatch/r/1/1 --partition=gpu --cpus-per-task=4 --gres=gpu:1 --qos=low"
        );
    }
}
