//! Selects the strategies for a conflict, from the most certain to manual resolution.
//!
//! Each strategy is tried only if the one before it failed. The checks verify everything above a
//! clean merge, and a resolution that fails them is rolled back.

use std::collections::BTreeMap;

use globset::GlobBuilder;

use crate::merge::change::RepoPath;
use crate::merge::class::{Class, HunkClass};
use crate::merge::rule::Rule;
use crate::merge::verdict::Unit;

/// The strategies that the settings allow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// The enabled rules.
    pub rules: Vec<Rule>,
    /// The command that regenerates a file, by path or glob; one without a slash matches in every
    /// folder.
    pub regenerate: BTreeMap<String, String>,
    /// A structural merge tool is configured and installed.
    pub structural: bool,
    /// The later task may be dispatched again.
    pub redispatch: bool,
}

/// A way to resolve a unit of a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// Resolve the hunks by these rules.
    Hunks(Vec<HunkClass>),
    /// Take the side with the executable bit.
    SetBit,
    /// Regenerate the files with these commands, in this order, on top of everything else.
    Regenerate(Vec<String>),
    /// Run the structural merge tool.
    Structural,
    /// Apply the recorded resolution of the same three blobs.
    Recorded,
    /// Dispatch the later task again, on top.
    Redispatch,
    /// Leave it to the user.
    Manual,
}

impl Strategy {
    /// Describes how it resolves a conflict automatically; `None` if it may fail.
    pub fn description(&self) -> Option<String> {
        match self {
            Strategy::Hunks(rules) => {
                let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
                Some(format!("by rule ({})", names.join(", ")))
            }
            Strategy::SetBit => Some("by rule (exec-bit)".to_owned()),
            Strategy::Regenerate(commands) => {
                let commands: Vec<&str> = commands.iter().map(|command| command.trim()).collect();
                Some(format!("with `{}`", commands.join("; ")))
            }
            Strategy::Structural => Some("by the structural merge tool".to_owned()),
            Strategy::Recorded | Strategy::Redispatch | Strategy::Manual => None,
        }
    }
}

impl Policy {
    /// Returns the strategies for a unit, in order: none unless it is a conflict, else
    /// [`Strategy::Manual`] is the last.
    pub fn strategies(&self, unit: &Unit) -> Vec<Strategy> {
        if !unit.class.is_conflict() {
            return Vec::new();
        }
        let mut strategies: Vec<Strategy> = self.by_rule(unit).into_iter().collect();
        if self.structural && is_text(unit.class) {
            strategies.push(Strategy::Structural);
        }
        if has_blobs(unit.class) {
            strategies.push(Strategy::Recorded);
        }
        if self.redispatch && unit.class.is_redoable() {
            strategies.push(Strategy::Redispatch);
        }
        strategies.push(Strategy::Manual);
        strategies
    }

    fn has(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    fn by_rule(&self, unit: &Unit) -> Option<Strategy> {
        match unit.class {
            Class::Content if !unit.hunks.is_empty() => self.hunks(unit).map(Strategy::Hunks),
            Class::ExecBit if self.has(Rule::ExecBit) => Some(Strategy::SetBit),
            Class::Generated if self.has(Rule::Generated) => {
                self.commands(&unit.paths).map(Strategy::Regenerate)
            }
            _ => None,
        }
    }

    /// Returns the rules that the hunks need, if all of them are enabled.
    fn hunks(&self, unit: &Unit) -> Option<Vec<HunkClass>> {
        let allowed = |class: HunkClass| self.rules.iter().any(|rule| rule.hunk() == Some(class));
        let mut classes: Vec<HunkClass> = unit.hunks.iter().map(|hunk| hunk.class).collect();
        classes.sort();
        classes.dedup();
        classes
            .iter()
            .all(|class| allowed(*class))
            .then_some(classes)
    }

    /// Returns the commands for these files, if there is one for each.
    fn commands(&self, paths: &[RepoPath]) -> Option<Vec<String>> {
        let mut commands: Vec<String> = Vec::new();
        for path in paths {
            let command = self.command(path)?;
            if !commands.iter().any(|known| known == command) {
                commands.push(command.to_owned());
            }
        }
        (!commands.is_empty()).then_some(commands)
    }

    /// Returns the command of the longest glob that matches, as the most specific.
    fn command(&self, path: &RepoPath) -> Option<&str> {
        let path = path.to_string();
        let matching = self.regenerate.iter().filter(|(glob, command)| {
            let anywhere = if glob.contains('/') {
                (*glob).clone()
            } else {
                format!("**/{glob}")
            };
            let glob = GlobBuilder::new(&anywhere).literal_separator(true).build();
            !command.is_empty() && glob.is_ok_and(|glob| glob.compile_matcher().is_match(&path))
        });
        let longest = matching.max_by_key(|(glob, _)| glob.len());
        longest.map(|(_, command)| command.as_str())
    }
}

/// Returns `true` for two texts at one path, which a structural tool can merge.
fn is_text(class: Class) -> bool {
    matches!(
        class,
        Class::Content | Class::AddAdd | Class::RenameAdd | Class::RenameRename2to1
    )
}

/// Returns `true` if the same blobs can conflict again, so that a record can apply.
fn has_blobs(class: Class) -> bool {
    is_text(class) || matches!(class, Class::Binary | Class::Generated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::verdict::{Hunk, LineRange};

    fn policy(rules: &[Rule]) -> Policy {
        Policy {
            rules: rules.to_vec(),
            regenerate: BTreeMap::from([
                (
                    "Cargo.lock".to_owned(),
                    "cargo update --workspace".to_owned(),
                ),
                ("*.snap".to_owned(), "npm test -- -u".to_owned()),
                ("web/*.snap".to_owned(), "make snaps".to_owned()),
                ("off.lock".to_owned(), String::new()),
            ]),
            structural: true,
            redispatch: true,
        }
    }

    fn unit(class: Class, paths: &[&str], hunks: &[HunkClass]) -> Unit {
        let range = LineRange { start: 1, count: 1 };
        let hunk = |class: &HunkClass| Hunk {
            class: *class,
            base: range,
            a: range,
            b: range,
        };
        Unit {
            class,
            paths: paths.iter().map(|path| (*path).into()).collect(),
            hunks: hunks.iter().map(hunk).collect(),
        }
    }

    fn show(strategies: &[Strategy]) -> String {
        let name = |strategy: &Strategy| match strategy {
            Strategy::Hunks(classes) => {
                let names: Vec<&str> = classes.iter().map(|class| class.name()).collect();
                format!("hunks ({})", names.join(", "))
            }
            Strategy::Regenerate(commands) => format!("regenerate ({})", commands.join("; ")),
            other => format!("{other:?}").to_lowercase(),
        };
        strategies.iter().map(name).collect::<Vec<_>>().join(" → ")
    }

    #[test]
    fn every_class_has_its_strategies() {
        let policy = policy(&Rule::CAUTIOUS);
        let classes = Class::ALL.iter().filter(|class| class.is_conflict());
        let lines = classes.map(|class| {
            let strategies =
                policy.strategies(&unit(*class, &["Cargo.lock"], &[HunkClass::Whitespace]));
            format!("{class}: {}", show(&strategies))
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
        engine-failure: manual
        dir-rename-split: redispatch → manual
        dir-rename-collision: redispatch → manual
        file-in-way: redispatch → manual
        dir-rename-suggested: redispatch → manual
        file-directory: redispatch → manual
        submodule: manual
        distinct-types: redispatch → manual
        rename-rename: redispatch → manual
        rename-add-delete: redispatch → manual
        rename-collision: redispatch → manual
        rename-delete: redispatch → manual
        modify-delete: redispatch → manual
        binary: recorded → manual
        symlink: manual
        exec-bit: setbit → redispatch → manual
        rename-rename-2to1: structural → recorded → redispatch → manual
        rename-add: structural → recorded → redispatch → manual
        add-add: structural → recorded → redispatch → manual
        generated: regenerate (cargo update --workspace) → recorded → redispatch → manual
        content: hunks (whitespace) → structural → recorded → redispatch → manual
        case-collision: redispatch → manual
        ");
    }

    #[test]
    fn hunks_are_resolved_by_rule_only_if_each_has_an_enabled_rule() {
        let policy = policy(&Rule::CAUTIOUS);
        let strategies =
            |hunks: &[HunkClass]| show(&policy.strategies(&unit(Class::Content, &["a"], hunks)));
        let lines = [
            strategies(&[
                HunkClass::ContainedInsert,
                HunkClass::Whitespace,
                HunkClass::Whitespace,
            ]),
            strategies(&[HunkClass::Whitespace, HunkClass::Imports]),
            strategies(&[HunkClass::Overlap]),
            strategies(&[]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        hunks (whitespace, contained-insert) → structural → recorded → redispatch → manual
        structural → recorded → redispatch → manual
        structural → recorded → redispatch → manual
        structural → recorded → redispatch → manual
        ");
    }

    #[test]
    fn generated_files_need_a_command_each() {
        let policy = policy(&Rule::CAUTIOUS);
        let strategies =
            |paths: &[&str]| show(&policy.strategies(&unit(Class::Generated, paths, &[])));
        let lines = [
            strategies(&["Cargo.lock", "sub/Cargo.lock"]),
            strategies(&["a.snap", "web/a.snap"]),
            strategies(&["Cargo.lock", "go.sum"]),
            strategies(&["off.lock"]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        regenerate (cargo update --workspace) → recorded → redispatch → manual
        regenerate (npm test -- -u; make snaps) → recorded → redispatch → manual
        recorded → redispatch → manual
        recorded → redispatch → manual
        ");
    }

    #[test]
    fn without_permissions_a_conflict_is_left_to_the_user() {
        let policy = Policy::default();
        let content = unit(Class::Content, &["a"], &[HunkClass::Whitespace]);
        assert_eq!(
            policy.strategies(&content),
            [Strategy::Recorded, Strategy::Manual]
        );
        let clean = unit(Class::AutoMerged, &["a"], &[]);
        assert_eq!(policy.strategies(&clean), []);
    }
}
