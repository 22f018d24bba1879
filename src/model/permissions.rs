//! The actions that a worker's agent may take without asking, where dispatch itself is asked.

use std::fmt;

/// The permissions of an agent whose requests dispatch answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Permissions {
    /// It may read and search.
    Read,
    /// It may also change files inside its worktree.
    #[default]
    Edit,
    /// It may do everything, commands included.
    All,
}

impl Permissions {
    /// Every value, the one with the fewest permissions first.
    pub const ALL: [Permissions; 3] = [Permissions::Read, Permissions::Edit, Permissions::All];

    /// Parses a name in the configuration.
    pub fn parse(text: &str) -> Option<Permissions> {
        Permissions::ALL
            .into_iter()
            .find(|permissions| permissions.name() == text)
    }

    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Permissions::Read => "read",
            Permissions::Edit => "edit",
            Permissions::All => "all",
        }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
