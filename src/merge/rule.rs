//! Rules that resolve conflicts without the user.

use serde::{Deserialize, Serialize};

use crate::merge::class::HunkClass;

/// A rule that resolves conflicts without the user (`[resolve] policy`): for classes of hunks, and for
/// two classes of files.
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
    /// [`ExecBit`](crate::merge::class::Class::ExecBit): the set bit.
    ExecBit,
    /// [`Generated`](crate::merge::class::Class::Generated): the output of its command.
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

    /// The default rules, which remove nothing of either side.
    pub const CAUTIOUS: [Rule; 5] = [
        Rule::Whitespace,
        Rule::ReformatVsEdit,
        Rule::ContainedInsert,
        Rule::ExecBit,
        Rule::Generated,
    ];

    /// The name in settings and JSON.
    pub fn name(self) -> &'static str {
        match (self, self.hunk()) {
            (_, Some(class)) => class.name(),
            (Rule::ExecBit, None) => "exec-bit",
            (_, None) => "generated",
        }
    }

    /// Returns the rule for a class of hunks.
    pub fn of(class: HunkClass) -> Option<Rule> {
        let mut rules = Rule::ALL.iter().copied();
        rules.find(|rule| rule.hunk() == Some(class))
    }

    /// Returns the class of hunks that it resolves; none for the rules about files.
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
