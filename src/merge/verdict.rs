//! Verdicts on branches that may not merge: classes, severities, units, hunks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

macro_rules! classes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => ($text:literal, $severity:expr),)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every class, in decision order.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The word for it in JSON and on the board.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// 0 none, 1 trivial, 2 mechanical, 3 semantic risk, 4 structural, 5 blocked. Where the
            /// class has a range, the highest.
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
    /// What kind of meeting two branches have at a unit of paths, clean classes first, then the
    /// conflicts in decision order.
    Class {
        /// No shared path, or skipped by the sound rule.
        Independent => ("independent", 0),
        /// Every shared path ends the same on both sides: duplicate work.
        Identical => ("identical", 0),
        /// git merged a file that both sides changed.
        AutoMerged => ("auto-merged", 1),
        /// git carried an edit through a rename.
        AutoMergedRename => ("auto-merged-rename", 1),
        /// Clean only because of a merge driver or attribute.
        CleanByAttribute => ("clean-by-attribute", 2),
        /// git could not merge: crash, unrelated histories, missing object.
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
        /// The sides are different kinds of entries (file, symlink, submodule).
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
        /// Only the executable bit differs.
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
    /// Whether git would stop at this, so that a person or a policy has to act.
    pub fn is_conflict(self) -> bool {
        self >= Class::EngineFailure
    }

    /// Why it counts as a conflict although git merges it; nothing for all that git stops at.
    pub fn counts_though_merged(self) -> Option<&'static str> {
        let why = "git merges it, but a file system that ignores case, or how Unicode writes an \
                   accent, holds only one of the names";
        (self == Class::CaseCollision).then_some(why)
    }

    /// Whether its author, told about the other side, can do the task again without the conflict.
    pub fn is_for_its_author(self) -> bool {
        use Class as C;
        self.is_conflict()
            && !matches!(
                self,
                C::EngineFailure | C::Submodule | C::Symlink | C::Binary
            )
    }

    /// What to do about it, in a few words.
    pub fn recommended(self) -> &'static str {
        use Class as C;
        match self {
            C::Independent => "nothing to do",
            C::Identical => "duplicate work: keep one",
            C::AutoMerged | C::AutoMergedRename | C::CleanByAttribute => "verify",
            C::EngineFailure | C::Submodule => "needs a person",
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

/// What may be settled without a person (`[resolve] policy`): kinds of hunks, and two kinds of
/// files.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// [`HunkClass::Whitespace`]: our side.
    Whitespace,
    /// [`HunkClass::ReformatVsEdit`]: the edit.
    ReformatVsEdit,
    /// [`HunkClass::Imports`]: the ordered union.
    Imports,
    /// [`HunkClass::Version`]: the larger.
    Version,
    /// [`HunkClass::ContainedInsert`]: the larger.
    ContainedInsert,
    /// [`HunkClass::InsertInsert`]: both.
    InsertInsert,
    /// [`HunkClass::Adjacent`]: both edits.
    Adjacent,
    /// [`HunkClass::Comment`]: both.
    Comment,
    /// [`Class::ExecBit`]: the set bit.
    ExecBit,
    /// [`Class::Generated`]: the file is made anew by its command.
    Generated,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 10] = [
        Rule::Whitespace,
        Rule::ReformatVsEdit,
        Rule::Imports,
        Rule::Version,
        Rule::ContainedInsert,
        Rule::InsertInsert,
        Rule::Adjacent,
        Rule::Comment,
        Rule::ExecBit,
        Rule::Generated,
    ];

    /// The rules that are on unless configured otherwise: those that take nothing from either side.
    pub const CAUTIOUS: [Rule; 5] = [
        Rule::Whitespace,
        Rule::ReformatVsEdit,
        Rule::ContainedInsert,
        Rule::ExecBit,
        Rule::Generated,
    ];

    /// The word for it in settings and JSON.
    pub fn name(self) -> &'static str {
        match (self, self.hunk()) {
            (_, Some(class)) => class.name(),
            (Rule::ExecBit, None) => "exec-bit",
            (_, None) => "generated",
        }
    }

    /// The rule for hunks of this kind, if there is one.
    pub fn of(class: HunkClass) -> Option<Rule> {
        let mut rules = Rule::ALL.iter().copied();
        rules.find(|rule| rule.hunk() == Some(class))
    }

    /// The hunks it settles; none for the rules about whole files.
    pub fn hunk(self) -> Option<HunkClass> {
        match self {
            Rule::Whitespace => Some(HunkClass::Whitespace),
            Rule::ReformatVsEdit => Some(HunkClass::ReformatVsEdit),
            Rule::Imports => Some(HunkClass::Imports),
            Rule::Version => Some(HunkClass::Version),
            Rule::ContainedInsert => Some(HunkClass::ContainedInsert),
            Rule::InsertInsert => Some(HunkClass::InsertInsert),
            Rule::Adjacent => Some(HunkClass::Adjacent),
            Rule::Comment => Some(HunkClass::Comment),
            Rule::ExecBit | Rule::Generated => None,
        }
    }
}

/// A run of lines, counted from 1; `count` 0 is the place before line `start`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LineRange {
    /// First line.
    pub start: u32,
    /// How many lines.
    pub count: u32,
}

/// One place of a content conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hunk {
    /// Its kind.
    pub class: HunkClass,
    /// Where it stands in the common base.
    pub base: LineRange,
    /// Where it stands in the first branch.
    pub a: LineRange,
    /// Where it stands in the second branch.
    pub b: LineRange,
}

/// A connected group of paths with exactly one class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unit {
    /// What it is.
    pub class: Class,
    /// The paths, sorted.
    #[schemars(with = "Vec<String>")]
    pub paths: Vec<RepoPath>,
    /// Line ranges, for the class `content` where they are known.
    #[serde(default)]
    pub hunks: Vec<Hunk>,
}

impl Unit {
    /// The rules that settle it without a person if `[resolve] policy` has all of them; none where
    /// no rule can.
    pub fn rules(&self) -> Vec<Rule> {
        match self.class {
            Class::ExecBit => vec![Rule::ExecBit],
            Class::Generated => vec![Rule::Generated],
            Class::Content if !self.hunks.is_empty() => {
                let rule = |hunk: &Hunk| Rule::of(hunk.class);
                let rules: Option<Vec<Rule>> = self.hunks.iter().map(rule).collect();
                let mut rules = rules.unwrap_or_default();
                rules.sort();
                rules.dedup();
                rules
            }
            _ => Vec::new(),
        }
    }
}

/// Whether two branches merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// `git merge` makes a commit.
    Clean,
    /// `git merge` stops.
    Conflict,
    /// git itself failed on this pair.
    EngineFailure,
}

/// The verdict on two branches, which are named by their place in the list that was asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairVerdict {
    /// Place of the first branch.
    pub a: usize,
    /// Place of the second branch, after the first.
    pub b: usize,
    /// The merge bases: one, or several after criss-cross merges, or none.
    pub bases: Vec<Oid>,
    /// The commit whose `.gitattributes` held, where it was merged.
    pub attributes: Option<Oid>,
    /// Whether they merge.
    pub verdict: Verdict,
    /// The class of the worst unit.
    pub class: Class,
    /// The worst severity.
    pub severity: u8,
    /// The merged tree where git wrote one; with conflict markers when it is a conflict.
    pub tree: Option<Oid>,
    /// What meets where.
    pub units: Vec<Unit>,
    /// What git said when it failed on this pair.
    pub failure: Option<String>,
}

impl PairVerdict {
    /// Whether it counts as a conflict: git stops at it, or something of it is one all the same.
    pub fn is_conflict(&self) -> bool {
        self.verdict != Verdict::Clean || self.class.is_conflict()
    }

    /// Why it counts as a conflict although git merges it.
    pub fn counts_though_merged(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Clean => self.class.counts_though_merged(),
            Verdict::Conflict | Verdict::EngineFailure => None,
        }
    }
}
