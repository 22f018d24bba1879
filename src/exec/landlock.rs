//! Confines a thread, and what it starts, with Landlock.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use crate::exec::sandbox::Support;

/// The newest interface whose rights are used. Older kernels enforce what they know of it.
const NEWEST: ABI = ABI::V6;

/// The oldest interface with which a rename across folders can be allowed, as git needs it.
const OLDEST: ABI = ABI::V2;

/// Devices that every program may use.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
];

/// Returns the part of a confinement that the kernel can enforce.
pub(super) fn support() -> Support {
    let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let has_files = strict()
        .handle_access(AccessFs::from_write(OLDEST))
        .and_then(Ruleset::create);
    if has_files.is_err() {
        return Support::None;
    }
    let has_scopes = strict()
        .scope(Scope::from_all(NEWEST))
        .and_then(Ruleset::create);
    match has_scopes {
        Ok(_) => Support::FilesAndSignals,
        Err(_) => Support::Files,
    }
}

/// Lets this thread, and every process that it starts, change only these files and folders, and signal
/// only each other. The error is a message for the user.
pub(super) fn restrict(write: &[PathBuf]) -> Result<(), String> {
    match apply(write) {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("could not confine the worker: {error}")),
    }
}

fn apply(write: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let access = AccessFs::from_write(NEWEST);
    // A device that root makes in its worktree would open the disk behind the rules.
    let below = access & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    let status = Ruleset::default()
        .handle_access(access)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(write, below))?
        .add_rules(path_beneath_rules(DEVICES, access))?
        .restrict_self()?;
    Ok(status.ruleset)
}
