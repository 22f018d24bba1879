//! The keys of `[executors.NAME]`.

use crate::config::keys::profile_keys;
use crate::config::kind::{
    Count, ExecutorCommand, Flag, Hosts, List, Maybe, Program, Text, Time, VariableName,
};
use crate::model::executor::{ExecutorKind, ExecutorProfile};

profile_keys! {
    EXECUTOR_KEYS, set_executor, ExecutorProfile, "executors.NAME";
    /// The kind: "ssh" for hosts, "slurm" for a cluster, "command" for any engine that four commands
    /// describe, "local" for this machine. "container" is not built yet.
    kind: ExecutorKind,
    /// The git remote through which base and results travel: a name such as "origin", an address or a
    /// path; "" is the remote to which git pushes by default.
    remote: Maybe<Text>,
    /// The address of that remote as the nodes reach it, if it is another one.
    node_remote: Maybe<Text>,
    /// The program `dispatch` on the nodes: a name, or a path there.
    program: Text,
    /// Copy this program to hosts that lack it, with "ssh".
    copy: Flag,
    /// The hosts of "ssh", such as "build1 slots=4 labels=gpu,large": a name that `ssh` knows, the
    /// attempts that run there at once (1), and labels by which tasks choose.
    hosts: Hosts,
    /// The program `ssh` with its options, such as ["ssh", "-F", "/path/to/config"].
    ssh: Program,
    /// The words in front of each command of "slurm", such as ["ssh", "login"], whose shell gets the
    /// command; [] is none.
    prefix: Program,
    /// The partition of "slurm"; "" is the default.
    partition: Maybe<Text>,
    /// The account of "slurm"; "" is the default.
    account: Maybe<Text>,
    /// Processors of an attempt, with "slurm"; "" is the default.
    cpus: Maybe<Count>,
    /// Memory of an attempt in Slurm's words, such as "4G"; "" is the default.
    mem: Maybe<Text>,
    /// Generic resources of an attempt in Slurm's words, such as "gpu:1"; "" is none.
    gres: Maybe<Text>,
    /// Time limit of a job in Slurm's words, such as "2:00:00"; "" is the default.
    time: Maybe<Text>,
    /// Further options of `sbatch`, one a word.
    options: List<Text>,
    /// The command of "command" that starts a job and may print its id: {name} is a name for it, {script}
    /// a file with its shell script.
    start: ExecutorCommand,
    /// The command that prints one word about a job: queued, running, ended, ended N with its exit code,
    /// lost or unknown. {name} and {id} are filled in.
    status: ExecutorCommand,
    /// The command that stops a job, with {name} and {id}.
    stop: ExecutorCommand,
    /// The command that prints the output of a job, with {name} and {id}; [] is none.
    logs: ExecutorCommand,
    /// Names of variables that travel to the hosts of "ssh", over the encrypted connection; never values.
    env: List<VariableName>,
    /// A file on the nodes that sets variables in the words of a shell, such as
    /// "~/.config/dispatch/env"; "" is none.
    env_file: Maybe<Text>,
    /// Time between two questions about the state of jobs.
    poll: Time,
    /// Time after which an unreachable host is lost and its attempts start elsewhere.
    lost_after: Time,
}
