//! Interprets exit codes and signals.

use crate::model::failure::FailureClass::{self, Blocker, Input, Logic, Transient};

/// Renders `exit code 75 (EX_TEMPFAIL)` or `signal 9 (SIGKILL)`.
pub(crate) fn exit_text(exit: Exit) -> String {
    let (kind, number, name) = match exit {
        Exit::Code(code) => ("exit code", code, code_name(code)),
        Exit::Signal(signal) => ("signal", signal, signal_name(signal)),
    };
    match name {
        Some(name) => format!("{kind} {number} ({name})"),
        None => format!("{kind} {number}"),
    }
}

/// Returns class and text of an exit status with a general meaning.
pub(crate) fn meaningful_exit(exit: Exit) -> Option<(FailureClass, String)> {
    let class = match exit {
        Exit::Signal(signal) => signal_class(signal)?,
        Exit::Code(code) => code_class(code)?,
    };
    Some((class, exit_text(exit)))
}

/// Classifies the codes of sysexits.h, timeout(1) and shells.
fn code_class(code: i32) -> Option<FailureClass> {
    match code {
        64..=67 | 78 => Some(Input),
        68 | 69 | 71 | 74..=76 => Some(Transient),
        70 => Some(Logic),
        72 | 73 | 77 => Some(Blocker),
        124 => Some(Transient),
        125..=127 => Some(Blocker),
        129..=159 => signal_class(code - 128),
        _ => None,
    }
}

/// Classifies signals: a kill from outside (memory, terminal) is transient, a crash is not.
fn signal_class(signal: i32) -> Option<FailureClass> {
    match signal {
        1 | 2 | 9 | 13 | 15 => Some(Transient),
        3 | 4 | 5 | 6 | 7 | 8 | 11 | 24 | 25 | 31 => Some(Logic),
        _ => None,
    }
}

fn code_name(code: i32) -> Option<&'static str> {
    Some(match code {
        64 => "EX_USAGE",
        65 => "EX_DATAERR",
        66 => "EX_NOINPUT",
        67 => "EX_NOUSER",
        68 => "EX_NOHOST",
        69 => "EX_UNAVAILABLE",
        70 => "EX_SOFTWARE",
        71 => "EX_OSERR",
        72 => "EX_OSFILE",
        73 => "EX_CANTCREAT",
        74 => "EX_IOERR",
        75 => "EX_TEMPFAIL",
        76 => "EX_PROTOCOL",
        77 => "EX_NOPERM",
        78 => "EX_CONFIG",
        124 => "timed out",
        125 => "timeout failed",
        126 => "not executable",
        127 => "command not found",
        129..=159 => return signal_name(code - 128),
        _ => return None,
    })
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// The exit status of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}
