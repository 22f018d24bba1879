//! Hosts that the program `ssh` reaches, with the user's own configuration, keys and known hosts.
//!
//! One connection to each host is shared by all questions. A job is detached from it, so it goes on when
//! the connection or this process ends. Nothing secret is on a command line: scripts travel on standard
//! input. The agent of the user is never forwarded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::base::files::private_folder;
use crate::base::process::{Finished, Program};
use crate::base::text::{error_chain, shell_word};
use crate::exec::StopSignal;
use crate::exec::engine::{
    Checked, Engine, EngineFault, JobId, JobState, NewJob, run, said, script, ssh_script,
};
use crate::git::object_hash::digest;
use crate::merge::oid::Oid;
use crate::model::executor::{ExecutorProfile, Host};

/// The exit code of `ssh` for a failure of its own.
const SSH_FAILED: i32 = 255;

/// The longest path of a socket that every system allows, less the part that `ssh` adds.
const LONGEST_SOCKET: usize = 58;

/// The hosts of an executor.
#[derive(Debug)]
pub struct SshHosts {
    hosts: Vec<Host>,
    ssh: Vec<String>,
    /// The folder of the sockets of shared connections.
    sockets: Option<PathBuf>,
    copy: bool,
    /// The hosts to which this program was copied.
    copied: Mutex<BTreeMap<String, String>>,
}

impl SshHosts {
    /// Uses the hosts of a profile.
    pub fn new(profile: &ExecutorProfile) -> SshHosts {
        SshHosts {
            hosts: profile.hosts.clone(),
            ssh: profile.ssh.clone(),
            sockets: socket_folder(),
            copy: profile.copy,
            copied: Mutex::default(),
        }
    }

    /// Builds an `ssh` that runs a shell command on a host.
    fn ssh(&self, host: &str, command: &str) -> Program {
        let mut words = self.ssh.iter();
        let mut program = Program::new(words.next().map_or("ssh", String::as_str)).args(words);
        for option in [
            "BatchMode=yes",
            "ForwardAgent=no",
            "ForwardX11=no",
            "ClearAllForwardings=yes",
            "RequestTTY=no",
            "ConnectTimeout=10",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
        ] {
            program = program.args(["-o", option]);
        }
        if let Some(sockets) = &self.sockets {
            let path = format!("ControlPath={}/%C", sockets.display());
            program = program.args(["-o", "ControlMaster=auto", "-o", &path]);
            program = program.args(["-o", "ControlPersist=60"]);
        }
        program.args(["--", host, command])
    }

    /// Runs a script in a shell on a host and returns what it printed.
    fn shell(&self, host: &str, script: &str) -> Result<String, EngineFault> {
        let finished = run(&self.ssh(host, "exec sh -s").stdin(script))?;
        printed(host, &finished)
    }

    /// Returns the command of a job on a host, whose program is copied there if necessary.
    fn command_on(&self, host: &str, command: &[String]) -> Result<Vec<String>, EngineFault> {
        if !self.copy {
            return Ok(command.to_vec());
        }
        let program = self.copy_program(host)?;
        let rest = command.iter().skip(1).cloned();
        Ok(std::iter::once(program).chain(rest).collect())
    }

    /// Copies this program to a host, unless it is there; returns its path on the host.
    fn copy_program(&self, host: &str) -> Result<String, EngineFault> {
        let known = || self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = known().get(host) {
            return Ok(path.clone());
        }
        let bytes = own_program().map_err(|error| {
            EngineFault::Refused(format!(
                "could not read this program: {}",
                error_chain(&error)
            ))
        })?;
        let size = bytes.len();
        let name = Oid::from_bytes(digest(&bytes)).to_string();
        let path = format!(".cache/dispatch/bin/dispatch-{name}");
        let place = shell_word(&path);
        // The name tells the content; the size shows a copy that was cut off.
        let ask = format!("cd; [ -x {place} ] && wc -c < {place}; exit 0\n");
        if self.shell(host, &ask)?.trim() != size.to_string() {
            let store = format!(
                "cd; umask 077; mkdir -p .cache/dispatch/bin && cat > {place}.$$ && \
                 [ $(wc -c < {place}.$$) -eq {size} ] && chmod 700 {place}.$$ && mv -f {place}.$$ {place}"
            );
            let finished = run(&self.ssh(host, &store).stdin(bytes))?;
            printed(host, &finished)?;
        }
        let path = format!("~/{path}");
        known().insert(host.to_owned(), path.clone());
        Ok(path)
    }

    fn states_on(&self, host: &str, jobs: &[&JobId]) -> Vec<JobState> {
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let answer = match self.shell(host, &ssh_script::states(&names)) {
            Ok(answer) => answer,
            Err(fault) => return vec![JobState::Unreachable(fault.to_string()); jobs.len()],
        };
        let mut states: Vec<JobState> = answer.lines().map(ssh_script::parse_state).collect();
        let missing = || JobState::Unreachable(format!("{host} answered only in part"));
        states.resize_with(jobs.len(), missing);
        let place = |state| match state {
            JobState::Running(None) => JobState::Running(Some(host.to_owned())),
            state => state,
        };
        states.into_iter().map(place).collect()
    }
}

impl Engine for SshHosts {
    fn submit(&self, job: &NewJob) -> Result<JobId, EngineFault> {
        let host = job.host.clone().unwrap_or_default();
        let command = self.command_on(&host, &job.command)?;
        let job = NewJob {
            command,
            ..job.clone()
        };
        let text = script::render(&job, &job.env);
        let answer = self.shell(&host, &ssh_script::start(&job.name, &text))?;
        match answer.trim() {
            "started" | "known" => Ok(JobId {
                name: job.name,
                id: host.clone(),
                host: Some(host),
            }),
            _ => Err(EngineFault::Refused(format!(
                "{host} did not start the job"
            ))),
        }
    }

    fn poll(&self, jobs: &[JobId]) -> Vec<JobState> {
        let mut by_host: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, job) in jobs.iter().enumerate() {
            by_host.entry(&job.id).or_default().push(place);
        }
        let mut states = vec![JobState::Vanished; jobs.len()];
        thread::scope(|scope| {
            let asked = by_host.iter().map(|(host, places)| {
                let jobs: Vec<&JobId> = places.iter().map(|place| &jobs[*place]).collect();
                (places, scope.spawn(move || self.states_on(host, &jobs)))
            });
            for (places, answer) in asked.collect::<Vec<_>>() {
                let answers = answer.join().unwrap_or_default();
                for (place, state) in places.iter().zip(answers) {
                    states[*place] = state;
                }
            }
        });
        states
    }

    fn cancel(&self, job: &JobId, signal: StopSignal) -> Result<(), EngineFault> {
        let script = ssh_script::signal(&job.name, signal);
        self.shell(&job.id, &script).map(drop)
    }

    fn find(&self, name: &str, on: Option<&str>) -> Result<Option<JobId>, EngineFault> {
        let is_asked = |host: &&Host| on.is_none_or(|on| host.name == on);
        // A node with another name than those of the profile is not one of its hosts.
        let is_own = on.is_none_or(|on| self.hosts.iter().any(|host| host.name == on));
        let mut unreachable = None;
        let mut ended = None;
        for host in self.hosts.iter().filter(|host| !is_own || is_asked(host)) {
            let answer = match self.shell(&host.name, &ssh_script::states(&[name])) {
                Ok(answer) => answer,
                Err(fault) => {
                    unreachable = Some(fault);
                    continue;
                }
            };
            let job = || JobId {
                name: name.to_owned(),
                id: host.name.clone(),
                host: Some(host.name.clone()),
            };
            match ssh_script::parse_state(answer.trim()) {
                JobState::Vanished => {}
                JobState::Running(_) => return Ok(Some(job())),
                _ => ended = Some(job()),
            }
        }
        // The job may be on the host that did not answer.
        unreachable.map_or(Ok(ended), Err)
    }

    fn discard(&self, job: &JobId) -> Result<bool, EngineFault> {
        let answer = self.shell(&job.id, &ssh_script::discard(&job.name))?;
        Ok(answer.trim() != "runs")
    }

    fn logs(&self, job: &JobId) -> Result<Vec<u8>, EngineFault> {
        let answer = self.shell(&job.id, &ssh_script::output(&job.name))?;
        Ok(answer.into_bytes())
    }

    fn check(&self, program: &[String]) -> Vec<Checked> {
        let check = |host: &Host| {
            let answer = self
                .command_on(&host.name, program)
                .and_then(|command| {
                    self.shell(&host.name, &format!("exec {}\n", script::words(&command)))
                })
                .map(|answer| answer.lines().next().unwrap_or_default().to_owned())
                .map_err(|fault| fault.to_string());
            Checked {
                place: host.name.clone(),
                answer,
            }
        };
        self.hosts.iter().map(check).collect()
    }

    fn loses_places(&self) -> bool {
        true
    }
}

/// Returns what a finished `ssh` printed, or the reason why it failed.
fn printed(host: &str, finished: &Finished) -> Result<String, EngineFault> {
    match finished.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
        // Also of a shell that a signal killed there, which tells nothing either.
        Some(SSH_FAILED) | None => Err(EngineFault::Unreachable(format!(
            "{host}: {}",
            said(finished)
        ))),
        Some(_) => Err(EngineFault::Refused(format!("{host}: {}", said(finished)))),
    }
}

fn own_program() -> io::Result<Vec<u8>> {
    fs::read(std::env::current_exe()?)
}

/// Returns a private folder whose path is short enough for sockets; without one, connections are not
/// shared.
fn socket_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let runtime = absolute("XDG_RUNTIME_DIR").map(|folder| folder.join("dispatch-ssh"));
    let cache = absolute("XDG_CACHE_HOME").map(|folder| folder.join("dispatch/ssh"));
    let home = absolute("HOME").map(|folder| folder.join(".cache/dispatch/ssh"));
    let is_short = |path: &PathBuf| path.as_os_str().len() <= LONGEST_SOCKET;
    let places = [runtime, cache, home].into_iter().flatten();
    places.filter(is_short).find(|path| is_usable(path))
}

fn is_usable(folder: &Path) -> bool {
    private_folder(folder).is_ok()
}
