//! An executor profile: where attempts run.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The name of the executor that needs no profile: this machine.
pub const LOCAL: &str = "local";

/// A configured executor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutorProfile {
    /// The name in plans and in the configuration.
    pub name: String,
    /// The kind.
    pub kind: ExecutorKind,
    /// The git remote through which base and results travel: a name, an address or a path.
    pub remote: Option<String>,
    /// The address of the same repository as the nodes reach it, if it is another one.
    pub node_remote: Option<String>,
    /// The program `dispatch` on the nodes.
    pub program: String,
    /// `true` if this program is copied to hosts that lack it.
    pub copy: bool,
    /// The SSH hosts, each with its slots and labels.
    pub hosts: Vec<Host>,
    /// The `ssh` program and its options.
    pub ssh: Vec<String>,
    /// The words in front of each command of Slurm.
    pub prefix: Vec<String>,
    /// Slurm's partition.
    pub partition: Option<String>,
    /// Slurm's account.
    pub account: Option<String>,
    /// Processors of an attempt, for Slurm.
    pub cpus: Option<usize>,
    /// Memory of an attempt, in Slurm's words.
    pub mem: Option<String>,
    /// Generic resources of an attempt, in Slurm's words.
    pub gres: Option<String>,
    /// Time limit of a job, in Slurm's words.
    pub time: Option<String>,
    /// Further options of `sbatch`.
    pub options: Vec<String>,
    /// The command that starts a job.
    pub start: Vec<String>,
    /// The command that prints the state of a job.
    pub status: Vec<String>,
    /// The command that stops a job.
    pub stop: Vec<String>,
    /// The command that prints the output of a job.
    pub logs: Vec<String>,
    /// The names of variables that travel to the nodes.
    pub env: Vec<String>,
    /// A file on the nodes that sets variables, in the words of a shell.
    pub env_file: Option<String>,
    /// The time between two questions about the state of jobs.
    pub poll: Duration,
    /// The time after which an unreachable host is lost.
    pub lost_after: Duration,
}

impl Default for ExecutorProfile {
    fn default() -> ExecutorProfile {
        ExecutorProfile::named("")
    }
}

impl ExecutorProfile {
    /// Returns a profile with this name and defaults otherwise.
    pub fn named(name: &str) -> ExecutorProfile {
        ExecutorProfile {
            name: name.to_owned(),
            kind: ExecutorKind::Local,
            remote: None,
            node_remote: None,
            program: "dispatch".to_owned(),
            copy: false,
            hosts: Vec::new(),
            ssh: vec!["ssh".to_owned()],
            prefix: Vec::new(),
            partition: None,
            account: None,
            cpus: None,
            mem: None,
            gres: None,
            time: None,
            options: Vec::new(),
            start: Vec::new(),
            status: Vec::new(),
            stop: Vec::new(),
            logs: Vec::new(),
            env: Vec::new(),
            env_file: None,
            poll: Duration::from_secs(1),
            lost_after: Duration::from_secs(5 * 60),
        }
    }

    /// Returns `true` if one of its hosts has this label.
    pub fn has_label(&self, label: &str) -> bool {
        self.hosts.iter().any(|host| host.labels.contains(label))
    }
}

/// The kind of an executor.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ExecutorKind {
    /// This machine.
    #[default]
    Local,
    /// Hosts that `ssh` reaches.
    Ssh,
    /// Containers on this machine.
    Container,
    /// A Slurm cluster.
    Slurm,
    /// Any engine that four commands describe.
    Command,
}

impl ExecutorKind {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            ExecutorKind::Local => "local",
            ExecutorKind::Ssh => "ssh",
            ExecutorKind::Container => "container",
            ExecutorKind::Slurm => "slurm",
            ExecutorKind::Command => "command",
        }
    }
}

/// A host that runs attempts: `build1 slots=4 labels=gpu,large`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Host {
    /// The name that `ssh` knows.
    pub name: String,
    /// The number of attempts that run at once.
    pub slots: usize,
    /// The labels by which tasks choose it.
    pub labels: BTreeSet<String>,
}

impl Host {
    /// Parses a host as the configuration writes it.
    ///
    /// # Errors
    /// A message and a hint, when it has an unknown word or an invalid number.
    pub fn parse(text: &str) -> Result<Host, (String, String)> {
        let example = "write it like \"build1 slots=4 labels=gpu,large\"".to_owned();
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        // A name like an option would be one.
        if name.is_empty() || name.starts_with('-') || name.contains('=') {
            return Err((format!("invalid host {text:?}"), example));
        }
        let mut host = Host {
            name: name.to_owned(),
            slots: 1,
            labels: BTreeSet::new(),
        };
        for word in words {
            match word.split_once('=') {
                Some(("slots", number)) => {
                    let slots = number.parse().ok().filter(|slots| *slots > 0);
                    host.slots = slots.ok_or_else(|| {
                        let message = format!("invalid number of slots {number:?} of host {name}");
                        (message, "write 1 for one attempt at a time".to_owned())
                    })?;
                }
                Some(("labels", labels)) => {
                    host.labels = labels
                        .split(',')
                        .filter(|label| !label.is_empty())
                        .map(str::to_owned)
                        .collect();
                }
                _ => return Err((format!("unknown word {word:?} of host {name}"), example)),
            }
        }
        Ok(host)
    }

    /// Renders it as the configuration writes it.
    pub fn render(&self) -> String {
        let mut text = self.name.clone();
        if self.slots != 1 {
            text.push_str(&format!(" slots={}", self.slots));
        }
        if !self.labels.is_empty() {
            let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
            text.push_str(&format!(" labels={}", labels.join(",")));
        }
        text
    }
}

/// The executor that a task asks for: `hosts`, or `hosts:gpu` for a host with that label.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecutorChoice {
    /// The name of the executor.
    pub name: String,
    /// The label that its host must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl ExecutorChoice {
    /// Parses a choice as plans and settings write it.
    pub fn parse(text: &str) -> ExecutorChoice {
        let (name, label) = match text.split_once(':') {
            Some((name, label)) => (name, Some(label.to_owned())),
            None => (text, None),
        };
        ExecutorChoice {
            name: name.to_owned(),
            label: label.filter(|label| !label.is_empty()),
        }
    }

    /// Returns `true` if attempts run on this machine, without a profile.
    pub fn is_local(&self) -> bool {
        self.name == LOCAL
    }

    /// Renders it as plans and settings write it.
    pub fn render(&self) -> String {
        match &self.label {
            Some(label) => format!("{}:{label}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_slots_and_labels_and_reads_as_it_is_written() {
        let host = Host::parse("build1 slots=4 labels=gpu,large").unwrap();
        assert_eq!((host.slots, host.labels.len()), (4, 2));
        assert_eq!(host.render(), "build1 slots=4 labels=gpu,large");
        assert_eq!(Host::parse("me@one").unwrap().render(), "me@one");
        let said = |text| Host::parse(text).unwrap_err().0;
        insta::assert_snapshot!(
            [said(""), said("-oProxyCommand=x"), said("a slots=0"), said("a gpu")].join("\n"),
            @r#"
        invalid host ""
        invalid host "-oProxyCommand=x"
        invalid number of slots "0" of host a
        unknown word "gpu" of host a
        "#
        );
    }

    #[test]
    fn a_choice_may_name_a_label() {
        let choice = ExecutorChoice::parse("hosts:gpu");
        assert_eq!(
            (choice.name.as_str(), choice.render()),
            ("hosts", "hosts:gpu".to_owned())
        );
        assert!(ExecutorChoice::parse("local").is_local());
        assert_eq!(ExecutorChoice::parse("hosts:").label, None);
    }
}
