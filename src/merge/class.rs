//! Classes of conflicts and of their hunks, with severities and suggestions.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => ($text:literal, $severity:expr),)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every class, in decision order.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The name in JSON and on the board.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// 0 none, 1 trivial, 2 mechanical, 3 semantic risk, 4 structural, 5 blocked. For a
            /// class with a range, the highest.
            pub fn severity(self) -> u8 {
                match self { $($name::$variant => $severity,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

classes! {
    /// The class of a unit of paths, clean classes first, then conflicts in decision order.
    Class {
        /// No shared path, or no merge needed.
        Independent => ("independent", 0),
        /// The same content on both sides: duplicate work.
        Identical => ("identical", 0),
        /// A file that both sides changed and git merged.
        AutoMerged => ("auto-merged", 1),
        /// An edit that git applied to a renamed file.
        AutoMergedRename => ("auto-merged-rename", 1),
        /// Clean only because of a merge driver or attribute.
        CleanByAttribute => ("clean-by-attribute", 2),
        /// A failure of git: crash, unrelated histories, missing object.
        EngineFailure => ("engine-failure", 5),
        /// `CONFLICT(directory rename unclear split)`.
        DirRenameSplit => ("dir-rename-split", 4),
        /// `CONFLICT(directory rename collision)`.
        DirRenameCollision => ("dir-rename-collision", 4),
        /// `CONFLICT (file in way of directory rename)`.
        FileInWay => ("file-in-way", 4),
        /// `CONFLICT (directory rename suggested)`.
        DirRenameSuggested => ("dir-rename-suggested", 3),
        /// A file on one side, a directory on the other.
        FileDirectory => ("file-directory", 4),
        /// Any conflict on a submodule.
        Submodule => ("submodule", 4),
        /// Different kinds of entries (file, symlink, submodule).
        DistinctTypes => ("distinct-types", 4),
        /// One file, two new names.
        RenameRename => ("rename-rename", 3),
        /// A rename that lands on an addition while its source is deleted.
        RenameAddDelete => ("rename-add-delete", 4),
        /// A rename with a content conflict that collides with another path.
        RenameCollision => ("rename-collision", 4),
        /// Renamed on one side, deleted on the other.
        RenameDelete => ("rename-delete", 3),
        /// Modified on one side, deleted on the other.
        ModifyDelete => ("modify-delete", 3),
        /// Binary content that both sides changed.
        Binary => ("binary", 5),
        /// Two targets for one symlink.
        Symlink => ("symlink", 3),
        /// Different executable bits.
        ExecBit => ("exec-bit", 1),
        /// Two files renamed to one name.
        #[serde(rename = "rename-rename-2to1")]
        RenameRename2to1 => ("rename-rename-2to1", 3),
        /// A rename lands on an added file.
        RenameAdd => ("rename-add", 3),
        /// Both sides added the path with different content.
        AddAdd => ("add-add", 3),
        /// A lock file, snapshot or other generated file.
        Generated => ("generated", 2),
        /// Both sides changed the text of one file at one place.
        Content => ("content", 3),
        /// Two names that differ only by case or Unicode form.
        CaseCollision => ("case-collision", 3),
    }
}

impl Class {
    /// Returns `true` for a conflict, which the user or a policy has to resolve.
    pub fn is_conflict(self) -> bool {
        self >= Class::EngineFailure
    }

    /// Returns the reason for which a class counts as a conflict although git merges it.
    pub fn counts_though_merged(self) -> Option<&'static str> {
        let why = "git merges it, but a file system that ignores case, or how Unicode writes an \
                   accent, holds only one of the names";
        (self == Class::CaseCollision).then_some(why)
    }

    /// Returns `true` if an agent that sees the other side can redo its task without the conflict.
    pub fn is_redoable(self) -> bool {
        use Class as C;
        self.is_conflict()
            && !matches!(
                self,
                C::EngineFailure | C::Submodule | C::Symlink | C::Binary
            )
    }

    /// Suggests what to do, in a few words.
    pub fn suggestion(self) -> &'static str {
        use Class as C;
        match self {
            C::Independent => "nothing to do",
            C::Identical => "duplicate work: keep one",
            C::AutoMerged | C::AutoMergedRename | C::CleanByAttribute => "verify",
            C::EngineFailure | C::Submodule => "needs attention",
            C::DirRenameSplit | C::DirRenameCollision | C::FileInWay => {
                "re-dispatch the adder on top of the mover"
            }
            C::DirRenameSuggested => "accept the suggested path and verify",
            C::FileDirectory | C::DistinctTypes | C::RenameAddDelete | C::RenameCollision => {
                "re-dispatch the later task"
            }
            C::RenameRename => "pick one of the two names",
            C::RenameDelete => "re-dispatch the renamer on top",
            C::ModifyDelete => "re-dispatch the modifier on top of the deleter",
            C::Binary => "regenerate it or pick a side",
            C::Symlink => "pick a target",
            C::ExecBit => "take the set bit",
            C::RenameRename2to1 | C::RenameAdd | C::AddAdd | C::Content => {
                "re-dispatch the later task on top"
            }
            C::Generated => "regenerate it with its command",
            C::CaseCollision => "rename one of the two",
        }
    }
}

classes! {
    /// The kind of one hunk of a content conflict, mildest first.
    HunkClass {
        /// The sides are equal without whitespace.
        Whitespace => ("whitespace", 1),
        /// One side equals the base without whitespace.
        ReformatVsEdit => ("reformat-vs-edit", 1),
        /// Every line is an import of the language.
        Imports => ("imports", 1),
        /// One line, equal after replacing the number.
        Version => ("version", 1),
        /// One side's lines contain the other's.
        ContainedInsert => ("contained-insert", 1),
        /// Both insert at one point and share nothing.
        InsertInsert => ("insert-insert", 2),
        /// The edits touch without overlapping.
        Adjacent => ("adjacent", 2),
        /// Comments only.
        Comment => ("comment", 2),
        /// One side deletes what the other edits.
        DeleteEdit => ("delete-edit", 3),
        /// The rest.
        Overlap => ("overlap", 3),
    }
}
