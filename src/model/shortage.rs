//! Why nothing more is started for want of room: on a disk, or below a limit of the user's.

use serde::{Deserialize, Serialize};

/// What there is too little of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shortage {
    /// Of what.
    pub resource: Resource,
    /// The top folder of the file system; the folder of the worktrees where a limit is reached.
    pub place: String,
    /// How much there is: free bytes or files, or what is in use where a limit is reached.
    pub has: u64,
    /// How much is needed, or the limit.
    pub needs: u64,
}

/// Something there can be too little of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Bytes of a file system.
    Bytes,
    /// Files of a file system (inodes).
    Files,
    /// Worktrees, of which there may be `max_worktrees`.
    Worktrees,
    /// Bytes of what dispatch keeps, which may be `max_total_disk`.
    TotalDisk,
}

impl Shortage {
    /// Which file system, how much is free, how much is needed: one sentence.
    pub fn message(&self) -> String {
        let Shortage {
            resource,
            place,
            has,
            needs,
        } = self;
        match resource {
            Resource::Bytes => format!(
                "the disk is full: {} free at {place}, {} needed",
                bytes(*has),
                bytes(*needs)
            ),
            Resource::Files => {
                format!("the disk is full: {has} more files can be made at {place}, {needs} needed")
            }
            Resource::Worktrees => {
                format!("{has} worktrees are kept at {place}, and max_worktrees is {needs}")
            }
            Resource::TotalDisk => format!(
                "{} are kept at {place} and in the repository, and max_total_disk is {}",
                bytes(*has),
                bytes(*needs)
            ),
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self.resource {
            Resource::Bytes | Resource::Files => "free some space",
            Resource::Worktrees | Resource::TotalDisk => {
                "`dispatch clean` a run that has ended, or raise the limit"
            }
        }
    }
}

/// `512 B`, `1.5 KiB`, `64 MiB`: three digits at most, never rounded up to more than there is.
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
    fn a_shortage_says_where_and_how_much() {
        let say = |of, has, needs| {
            let place = "/data".to_owned();
            Shortage {
                resource: of,
                place,
                has,
                needs,
            }
            .message()
        };
        let said = [
            say(Resource::Bytes, 12 << 20, 64 << 20),
            say(Resource::Files, 3, 1400),
            say(Resource::Worktrees, 5, 5),
            say(Resource::TotalDisk, 3_300_000_000, 3 << 30),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the disk is full: 12 MiB free at /data, 64 MiB needed
        the disk is full: 3 more files can be made at /data, 1400 needed
        5 worktrees are kept at /data, and max_worktrees is 5
        3 GiB are kept at /data and in the repository, and max_total_disk is 3 GiB
        ");
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
