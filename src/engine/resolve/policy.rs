//! What may be done about a conflict: the rungs of the ladder, from the surest to a person.
//!
//! Each rung is tried only if the one above did not do it. Everything above a clean merge is
//! verified by the checks and rolled back when they fail.

use std::collections::BTreeMap;

use globset::GlobBuilder;

use crate::merge::change::RepoPath;
use crate::merge::verdict::{Class, HunkClass, Rule, Unit};

/// What the settings allow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// The rules that are on.
    pub rules: Vec<Rule>,
    /// The command that makes a generated file anew, by path or glob; one without a slash matches in
    /// every folder.
    pub regenerate: BTreeMap<String, String>,
    /// Whether a structural merge tool is configured and installed.
    pub structural: bool,
    /// Whether the later task may be dispatched again: its author is there and has tries left.
    pub redispatch: bool,
}

/// One rung of the ladder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rung {
    /// Settle the hunks by these rules.
    Hunks(Vec<HunkClass>),
    /// Take the side with the executable bit.
    SetBit,
    /// Make the files anew with these commands, in this order, on top of everything else.
    Regenerate(Vec<String>),
    /// Ask the structural merge tool.
    Structural,
    /// Replay what a person did with the same three blobs before.
    Remembered,
    /// Dispatch the later task again, on top.
    Redispatch,
    /// Ask a person.
    Person,
}

impl Rung {
    /// How it settles a conflict without anybody, in a few words; `None` for those that may not.
    pub fn settles(&self) -> Option<String> {
        match self {
            Rung::Hunks(rules) => {
                let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
                Some(format!("by rule ({})", names.join(", ")))
            }
            Rung::SetBit => Some("by rule (exec-bit)".to_owned()),
            Rung::Regenerate(commands) => {
                let commands: Vec<&str> = commands.iter().map(|command| command.trim()).collect();
                Some(format!("with `{}`", commands.join("; ")))
            }
            Rung::Structural => Some("by the structural merge tool".to_owned()),
            Rung::Remembered | Rung::Redispatch | Rung::Person => None,
        }
    }
}

impl Policy {
    /// What may be tried on a unit, in order. Empty for a unit that is no conflict; else the last
    /// rung is a person.
    pub fn rungs(&self, unit: &Unit) -> Vec<Rung> {
        if !unit.class.is_conflict() {
            return Vec::new();
        }
        let mut rungs: Vec<Rung> = self.by_rule(unit).into_iter().collect();
        if self.structural && is_text(unit.class) {
            rungs.push(Rung::Structural);
        }
        if has_blobs(unit.class) {
            rungs.push(Rung::Remembered);
        }
        if self.redispatch && unit.class.is_for_its_author() {
            rungs.push(Rung::Redispatch);
        }
        rungs.push(Rung::Person);
        rungs
    }

    fn has(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    fn by_rule(&self, unit: &Unit) -> Option<Rung> {
        match unit.class {
            Class::Content if !unit.hunks.is_empty() => self.hunks(unit).map(Rung::Hunks),
            Class::ExecBit if self.has(Rule::ExecBit) => Some(Rung::SetBit),
            Class::Generated if self.has(Rule::Generated) => {
                self.commands(&unit.paths).map(Rung::Regenerate)
            }
            _ => None,
        }
    }

    /// The rules the hunks need, if all of them are on.
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

    /// The commands for these files, if there is one for each.
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

    /// The command of the longest glob that matches: it says the most about the file.
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

/// Whether it is two texts at one path, which a structural tool can merge.
fn is_text(class: Class) -> bool {
    matches!(
        class,
        Class::Content | Class::AddAdd | Class::RenameAdd | Class::RenameRename2to1
    )
}

/// Whether the same blobs can come again: then so can what was made of them.
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
        let nowhere = LineRange { start: 1, count: 1 };
        let hunk = |class: &HunkClass| Hunk {
            class: *class,
            base: nowhere,
            a: nowhere,
            b: nowhere,
        };
        Unit {
            class,
            paths: paths.iter().map(|path| (*path).into()).collect(),
            hunks: hunks.iter().map(hunk).collect(),
        }
    }

    fn show(rungs: &[Rung]) -> String {
        let rung = |rung: &Rung| match rung {
            Rung::Hunks(classes) => {
                let names: Vec<&str> = classes.iter().map(|class| class.name()).collect();
                format!("hunks ({})", names.join(", "))
            }
            Rung::Regenerate(commands) => format!("regenerate ({})", commands.join("; ")),
            other => format!("{other:?}").to_lowercase(),
        };
        rungs.iter().map(rung).collect::<Vec<_>>().join(" → ")
    }

    #[test]
    fn every_class_has_its_ladder() {
        let policy = policy(&Rule::CAUTIOUS);
        let classes = Class::ALL.iter().filter(|class| class.is_conflict());
        let lines = classes.map(|class| {
            let rungs = policy.rungs(&unit(*class, &["Cargo.lock"], &[HunkClass::Whitespace]));
            format!("{class}: {}", show(&rungs))
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
        engine-failure: person
        dir-rename-split: redispatch → person
        dir-rename-collision: redispatch → person
        file-in-way: redispatch → person
        dir-rename-suggested: redispatch → person
        file-directory: redispatch → person
        submodule: person
        distinct-types: redispatch → person
        rename-rename: redispatch → person
        rename-add-delete: redispatch → person
        rename-collision: redispatch → person
        rename-delete: redispatch → person
        modify-delete: redispatch → person
        binary: remembered → person
        symlink: person
        exec-bit: setbit → redispatch → person
        rename-rename-2to1: structural → remembered → redispatch → person
        rename-add: structural → remembered → redispatch → person
        add-add: structural → remembered → redispatch → person
        generated: regenerate (cargo update --workspace) → remembered → redispatch → person
        content: hunks (whitespace) → structural → remembered → redispatch → person
        case-collision: redispatch → person
        ");
    }

    #[test]
    fn hunks_are_settled_by_rule_only_if_every_one_has_its_rule() {
        let policy = policy(&Rule::CAUTIOUS);
        let rungs = |hunks: &[HunkClass]| show(&policy.rungs(&unit(Class::Content, &["a"], hunks)));
        let lines = [
            rungs(&[
                HunkClass::ContainedInsert,
                HunkClass::Whitespace,
                HunkClass::Whitespace,
            ]),
            rungs(&[HunkClass::Whitespace, HunkClass::Imports]),
            rungs(&[HunkClass::Overlap]),
            rungs(&[]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        hunks (whitespace, contained-insert) → structural → remembered → redispatch → person
        structural → remembered → redispatch → person
        structural → remembered → redispatch → person
        structural → remembered → redispatch → person
        ");
    }

    #[test]
    fn generated_files_need_a_command_each() {
        let policy = policy(&Rule::CAUTIOUS);
        let rungs = |paths: &[&str]| show(&policy.rungs(&unit(Class::Generated, paths, &[])));
        let lines = [
            rungs(&["Cargo.lock", "sub/Cargo.lock"]),
            rungs(&["a.snap", "web/a.snap"]),
            rungs(&["Cargo.lock", "go.sum"]),
            rungs(&["off.lock"]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        regenerate (cargo update --workspace) → remembered → redispatch → person
        regenerate (npm test -- -u; make snaps) → remembered → redispatch → person
        remembered → redispatch → person
        remembered → redispatch → person
        ");
    }

    #[test]
    fn without_any_permission_a_person_is_asked() {
        let policy = Policy::default();
        let content = unit(Class::Content, &["a"], &[HunkClass::Whitespace]);
        assert_eq!(policy.rungs(&content), [Rung::Remembered, Rung::Person]);
        let clean = unit(Class::AutoMerged, &["a"], &[]);
        assert_eq!(policy.rungs(&clean), []);
    }
}
