//! A shortage of disk space or of configured capacity that keeps tasks from starting.

use serde::{Deserialize, Serialize};

/// A shortage of a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shortage {
    /// The resource.
    pub resource: Resource,
    /// The mount point; for a configured limit the folder of the worktrees.
    pub place: String,
    /// The free bytes or files; for a configured limit the amount in use.
    pub has: u64,
    /// The amount needed, or the limit.
    pub needs: u64,
    /// The worktrees of this run that dispatch cannot remove to stay below a configured limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptWorktree>,
}

/// A worktree that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptWorktree {
    /// Its folder.
    pub path: String,
    /// The reason, such as `has uncommitted changes`.
    pub reason: String,
}

/// The number of kept worktrees that a message names.
const NAMED: usize = 3;

/// A resource that can run short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Free bytes of a file system.
    Bytes,
    /// Free files (inodes) of a file system.
    Files,
    /// Worktrees, limited by `max_worktrees`.
    Worktrees,
    /// Disk space used by dispatch, limited by `max_total_disk`.
    TotalDisk,
}

impl Shortage {
    /// Renders the shortage as one sentence with place and amounts.
    pub fn message(&self) -> String {
        let Shortage {
            resource,
            place,
            has,
            needs,
            kept: _,
        } = self;
        match resource {
            Resource::Bytes => format!(
                "the disk is full: {} free at {place}, {} needed",
                bytes(*has),
                bytes(*needs)
            ),
            Resource::Files => {
                format!("the disk is full: {has} free inodes at {place}, {needs} needed")
            }
            Resource::Worktrees => {
                let exist = if *has == 1 {
                    "worktree exists"
                } else {
                    "worktrees exist"
                };
                format!("{has} {exist} in {place}, and max_worktrees is {needs}")
            }
            Resource::TotalDisk => format!(
                "dispatch uses {} in {place} and in the repository, and max_total_disk is {}",
                bytes(*has),
                bytes(*needs)
            ),
        }
    }

    /// Names the kept worktrees with their reasons, if there are any.
    pub fn kept_message(&self) -> Option<String> {
        let named = self.kept.iter().take(NAMED);
        let named = named.map(|kept| format!("{} {}", kept.path, kept.reason));
        let mut named: Vec<String> = named.collect();
        if self.kept.len() > NAMED {
            named.push(format!("{} more are kept", self.kept.len() - NAMED));
        }
        (!named.is_empty()).then(|| format!("not removed: {}", named.join("; ")))
    }

    /// Returns `true` if a limit that the user has set is reached.
    pub fn is_of_a_limit(&self) -> bool {
        matches!(self.resource, Resource::Worktrees | Resource::TotalDisk)
    }

    /// Returns a hint for the user.
    pub fn hint(&self) -> &'static str {
        match self.resource {
            Resource::Bytes | Resource::Files => "free some space",
            Resource::Worktrees | Resource::TotalDisk if self.kept.is_empty() => {
                "remove a finished run with `dispatch clean`, or raise the limit"
            }
            Resource::Worktrees if self.kept.len() as u64 == self.has => {
                "commit or discard what keeps the worktrees of this run, or raise the limit"
            }
            Resource::Worktrees | Resource::TotalDisk => {
                "commit or discard what keeps worktrees of this run, remove a finished run with `dispatch \
                 clean`, or raise the limit"
            }
        }
    }
}

/// Renders `512 B`, `1.5 KiB`, `64 MiB`, rounded down.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut unit = 0;
    while unit + 1 < UNITS.len() && count >> (10 * (unit + 2)) > 0 {
        unit += 1;
    }
    let tenths = (u128::from(count) * 10) >> (10 * (unit + 1));
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {}", UNITS[unit]),
        (whole, _) if whole >= 100 => format!("{whole} {}", UNITS[unit]),
        (whole, tenth) => format!("{whole}.{tenth} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_names_the_place_and_the_amounts() {
        let say = |of, has, needs| {
            let place = "/data".to_owned();
            Shortage {
                resource: of,
                place,
                has,
                needs,
                kept: Vec::new(),
            }
            .message()
        };
        let said = [
            say(Resource::Bytes, 12 << 20, 64 << 20),
            say(Resource::Files, 3, 1400),
            say(Resource::Worktrees, 1, 1),
            say(Resource::Worktrees, 5, 5),
            say(Resource::TotalDisk, 3_300_000_000, 3 << 30),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the disk is full: 12 MiB free at /data, 64 MiB needed
        the disk is full: 3 free inodes at /data, 1400 needed
        1 worktree exists in /data, and max_worktrees is 1
        5 worktrees exist in /data, and max_worktrees is 5
        dispatch uses 3 GiB in /data and in the repository, and max_total_disk is 3 GiB
        ");
    }

    #[test]
    fn the_worktrees_that_cannot_be_removed_are_named_with_the_reason() {
        let mut shortage = Shortage {
            resource: Resource::Worktrees,
            place: "/data".to_owned(),
            has: 5,
            needs: 5,
            kept: Vec::new(),
        };
        assert_eq!(shortage.kept_message(), None);
        let kept = ["has uncommitted changes", "is the work of #2", "x", "y"];
        shortage.kept = kept
            .iter()
            .enumerate()
            .map(|(number, reason)| KeptWorktree {
                path: format!("/data/{number}"),
                reason: (*reason).to_owned(),
            })
            .collect();
        let all_hints = [4, 5].map(|has| {
            shortage.has = has;
            shortage.hint()
        });
        insta::assert_snapshot!(all_hints.join("\n"), @r"
        commit or discard what keeps the worktrees of this run, or raise the limit
        commit or discard what keeps worktrees of this run, remove a finished run with `dispatch clean`, or raise the limit
        ");
        insta::assert_snapshot!(shortage.kept_message().unwrap_or_default(), @"not removed: /data/0 has uncommitted changes; /data/1 is the work of #2; /data/2 x; 1 more are kept");
    }

    #[test]
    fn bytes_are_never_rounded_up() {
        let sizes = [0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 20, u64::MAX];
        assert_eq!(
            sizes.map(bytes).join(" · "),
            "0 B · 1023 B · 1 KiB · 1.5 KiB · 1023 KiB · 1 MiB · 16777215 TiB"
        );
    }
}
