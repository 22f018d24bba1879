//! One climb: a candidate's conflicts, unit by unit, each up the rungs that the policy allows.

use std::collections::BTreeMap;

use crate::conflicts::hunk_rules::resolve;
use crate::conflicts::markers::marker_left;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::{conflict_paths, pair_verdict};
use crate::engine::resolve::auto::{Clash, Climb, Ladder};
use crate::engine::resolve::policy::Rung;
use crate::engine::resolve::recorded::{Meeting, recall};
use crate::engine::resolve::tools::{Made, Programs};
use crate::git::Store;
use crate::git::merge_tree::{MergeAnswer, MergeEngine, MergeResult, Stage};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::{Class, Unit};
use crate::model::resolution::{Resolution, Resolver, RungName, TriedRung};

/// One climb.
pub(super) struct Climber<'a> {
    ladder: &'a Ladder,
    clash: &'a Clash,
    store: Store,
    engine: MergeEngine,
    barred: BTreeMap<RungName, String>,
    tried: Vec<TriedRung>,
}

/// What a unit is settled to.
struct Found {
    entries: Vec<(RepoPath, Option<Entry>)>,
    resolution: Resolution,
}

impl<'a> Climber<'a> {
    pub(super) fn new(ladder: &'a Ladder, clash: &'a Clash) -> Result<Climber<'a>, EngineError> {
        let context = &ladder.context;
        let barred = ladder.barred(clash.candidate);
        let tried = barred.iter().map(|(rung, why)| TriedRung {
            rung: *rung,
            why: why.clone(),
        });
        Ok(Climber {
            ladder,
            clash,
            store: Store::open(&context.repo)?,
            engine: MergeEngine::writing(&context.repo, context.base)?,
            tried: tried.collect(),
            barred,
        })
    }

    pub(super) fn climb(mut self) -> Result<Climb, EngineError> {
        let (tip, candidate) = (self.clash.tip, self.clash.candidate);
        let verdict = pair_verdict(&self.ladder.context, tip, candidate)?;
        let (class, paths) = match &verdict {
            Some(pair) => (pair.class, conflict_paths(pair)),
            None => (Class::EngineFailure, Vec::new()),
        };
        let settled = match self.over_own_base(class, &paths)? {
            Some(settled) => Some(settled),
            None => {
                let units = verdict.map(|pair| pair.units).unwrap_or_default();
                self.unit_by_unit(&units)?
            }
        };
        Ok(settled.unwrap_or(Climb::Stuck {
            class,
            paths,
            tried: self.tried,
        }))
    }

    /// A candidate that was built on others has several merge bases with a chain that holds the
    /// same others in another shape. Over the commit it really started from there may be no clash.
    fn over_own_base(
        &mut self,
        class: Class,
        paths: &[RepoPath],
    ) -> Result<Option<Climb>, EngineError> {
        let Some(base) = self.clash.own_base else {
            return Ok(None);
        };
        if self.barred.contains_key(&RungName::OwnBase) {
            return Ok(None);
        }
        let trees = [base, self.clash.tip, self.clash.candidate];
        let [base_tree, ours, theirs] = trees.map(|commit| self.store.tree_of(commit));
        let root = self.engine.commit_tree(base_tree?, &[])?;
        let ours = self.engine.commit_tree(ours?, &[root])?;
        let theirs = self.engine.commit_tree(theirs?, &[root])?;
        let tree = match self.engine.merge(ours, theirs)? {
            MergeAnswer::Done(result) if result.is_sound() => result.tree,
            _ => return Ok(None),
        };
        let resolution = Resolution {
            class,
            paths: paths.to_vec(),
            by: Resolver::OwnBase { base },
        };
        Ok(Some(Climb::Settled {
            tree,
            resolutions: vec![resolution],
        }))
    }

    fn unit_by_unit(&mut self, units: &[Unit]) -> Result<Option<Climb>, EngineError> {
        let answer = self.engine.merge(self.clash.tip, self.clash.candidate)?;
        let result = match answer {
            MergeAnswer::Done(result) if !result.clean => result,
            _ => return Ok(None),
        };
        let units: Vec<&Unit> = units
            .iter()
            .filter(|unit| unit.class.is_conflict())
            .collect();
        let mut entries = Vec::new();
        let mut resolutions = Vec::new();
        let mut anew = Vec::new();
        for unit in &units {
            let rungs = self.ladder.policy.rungs(unit);
            let regenerate = rungs.iter().find_map(|rung| match rung {
                Rung::Regenerate(commands) => Some(commands.clone()),
                _ => None,
            });
            match regenerate.filter(|_| !self.barred.contains_key(&RungName::Regenerated)) {
                Some(commands) => anew.push((*unit, commands)),
                None => match self.settle(unit, &rungs, &result)? {
                    Some(found) => {
                        entries.extend(found.entries);
                        resolutions.push(found.resolution);
                    }
                    None => return Ok(None),
                },
            }
        }
        // On top of everything else: a command reads the other files.
        let made = self.make_anew(&anew, &entries, &result)?;
        for found in match made {
            Some(found) => found,
            None => return Ok(None),
        } {
            entries.extend(found.entries);
            resolutions.push(found.resolution);
        }
        let is_settled = |stage: &Stage| entries.iter().any(|(path, _)| *path == stage.path);
        if units.is_empty() || !result.stages.iter().all(is_settled) {
            return Ok(None);
        }
        let tree = self.store.tree_overlaid(result.tree, &entries)?;
        Ok(Some(Climb::Settled { tree, resolutions }))
    }

    /// The first rung that settles a unit; `None` if none of those that settle anything does.
    fn settle(
        &mut self,
        unit: &Unit,
        rungs: &[Rung],
        result: &MergeResult,
    ) -> Result<Option<Found>, EngineError> {
        let Some(meetings) = meetings(unit, result) else {
            return Ok(None);
        };
        for rung in rungs {
            let found = match rung {
                Rung::Hunks(_) | Rung::SetBit if self.is_barred(RungName::Rules) => None,
                Rung::Hunks(rules) => self.each(&meetings, |meeting| {
                    let Some(base) = meeting.base else {
                        return Ok(None);
                    };
                    let [base, ours, theirs] =
                        [base, meeting.ours, meeting.theirs].map(|oid| self.store.blob(oid));
                    let settled = resolve(&meeting.path, &base?, &ours?, &theirs?, rules);
                    let Some(settled) = settled else {
                        return Ok(None);
                    };
                    let oid = self.store.write_blob(&settled.text)?;
                    Ok(Some((oid, Resolver::Rules { rules: settled.by })))
                })?,
                Rung::SetBit => self.each(&meetings, |meeting| {
                    let by = Resolver::Rules { rules: Vec::new() };
                    Ok(Some((meeting.ours, by)))
                })?,
                Rung::Structural if !self.is_barred(RungName::Structural) => {
                    self.structural(&meetings)?
                }
                Rung::Remembered if !self.is_barred(RungName::Remembered) => {
                    self.each(&meetings, |meeting| {
                        let found = recall(&self.store, meeting)?;
                        Ok(found
                            .map(|(entry, commit)| (entry.oid, Resolver::Remembered { commit })))
                    })?
                }
                _ => None,
            };
            if let Some((entries, by)) = found {
                let resolution = Resolution {
                    class: unit.class,
                    paths: unit.paths.clone(),
                    by,
                };
                return Ok(Some(Found {
                    entries,
                    resolution,
                }));
            }
        }
        Ok(None)
    }

    fn is_barred(&self, rung: RungName) -> bool {
        self.barred.contains_key(&rung)
    }

    /// The same done to every path of a unit; nothing if one of them is not settled.
    #[allow(clippy::type_complexity)]
    fn each(
        &self,
        meetings: &[Meeting],
        settle: impl Fn(&Meeting) -> Result<Option<(Oid, Resolver)>, EngineError>,
    ) -> Result<Option<(Vec<(RepoPath, Option<Entry>)>, Resolver)>, EngineError> {
        let mut entries = Vec::new();
        let mut by = None;
        for meeting in meetings {
            let Some((oid, resolver)) = settle(meeting)? else {
                return Ok(None);
            };
            let mode = meeting.mode;
            entries.push((meeting.path.clone(), Some(Entry { mode, oid })));
            by = Some(resolver);
        }
        Ok(by.map(|by| (entries, by)))
    }

    #[allow(clippy::type_complexity)]
    fn structural(
        &mut self,
        meetings: &[Meeting],
    ) -> Result<Option<(Vec<(RepoPath, Option<Entry>)>, Resolver)>, EngineError> {
        let tool = &self.ladder.context.settings.resolve.structural;
        let mut entries = Vec::new();
        for meeting in meetings {
            let merged = self.programs().merge_structurally(tool, meeting)?;
            let merged = merged.and_then(|text| self.without_markers(meeting, text));
            match merged {
                Ok(text) => {
                    let oid = self.store.write_blob(&text)?;
                    let mode = meeting.mode;
                    entries.push((meeting.path.clone(), Some(Entry { mode, oid })));
                }
                Err(why) => {
                    self.tried.push(TriedRung {
                        rung: RungName::Structural,
                        why: format!("{}: {why}", meeting.path),
                    });
                    return Ok(None);
                }
            }
        }
        let tool = tool.first().cloned().unwrap_or_default();
        Ok(Some((entries, Resolver::Structural { tool })))
    }

    fn without_markers(&self, meeting: &Meeting, text: Vec<u8>) -> Made<Vec<u8>> {
        let sides = [meeting.base, Some(meeting.ours), Some(meeting.theirs)];
        let sides = sides.into_iter().flatten();
        let sides: Vec<Vec<u8>> = sides.filter_map(|oid| self.store.blob(oid).ok()).collect();
        let sides: Vec<&[u8]> = sides.iter().map(Vec::as_slice).collect();
        match marker_left(&text, &sides) {
            Some(marker) => Err(format!("the result has a conflict marker, `{marker}`")),
            None => Ok(text),
        }
    }

    /// Makes generated files anew on top of what is settled. Where that fails, the other rungs of
    /// these units are tried.
    fn make_anew(
        &mut self,
        anew: &[(&Unit, Vec<String>)],
        settled: &[(RepoPath, Option<Entry>)],
        result: &MergeResult,
    ) -> Result<Option<Vec<Found>>, EngineError> {
        if anew.is_empty() {
            return Ok(Some(Vec::new()));
        }
        match self.run_commands(anew, settled, result)? {
            Ok(found) => return Ok(Some(found)),
            Err(why) => self.tried.push(TriedRung {
                rung: RungName::Regenerated,
                why,
            }),
        }
        let mut all = Vec::new();
        for (unit, _) in anew {
            let rungs = self.ladder.policy.rungs(unit);
            match self.settle(unit, &rungs, result)? {
                Some(found) => all.push(found),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    fn run_commands(
        &self,
        anew: &[(&Unit, Vec<String>)],
        settled: &[(RepoPath, Option<Entry>)],
        result: &MergeResult,
    ) -> Result<Made<Vec<Found>>, EngineError> {
        let mut commands: Vec<String> = Vec::new();
        for command in anew.iter().flat_map(|(_, commands)| commands) {
            if !commands.contains(command) {
                commands.push(command.clone());
            }
        }
        // The command finds the file as it was in before, without markers.
        let mut entries = settled.to_vec();
        let mut meetings_of = Vec::new();
        for (unit, _) in anew {
            let Some(meetings) = meetings(unit, result) else {
                return Ok(Err("it is no ordinary file on both sides".to_owned()));
            };
            entries.extend(meetings.iter().map(|meeting| {
                let entry = Entry {
                    mode: meeting.mode,
                    oid: meeting.ours,
                };
                (meeting.path.clone(), Some(entry))
            }));
            meetings_of.push(meetings);
        }
        let tree = self.store.tree_overlaid(result.tree, &entries)?;
        let all: Vec<&Meeting> = meetings_of.iter().flatten().collect();
        let paths: Vec<RepoPath> = all.iter().map(|meeting| meeting.path.clone()).collect();
        let made = match self.programs().make_anew(&commands, tree, &paths)? {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        for (meeting, entry) in all.iter().zip(&made) {
            let text = self.store.blob(entry.oid)?;
            if let Err(why) = self.without_markers(meeting, text) {
                return Ok(Err(format!("{}: {why}", meeting.path)));
            }
        }
        let mut made = made.into_iter();
        let found = anew
            .iter()
            .zip(&meetings_of)
            .map(|((unit, own), meetings)| {
                let entries = meetings.iter().zip(&mut made);
                Found {
                    entries: entries
                        .map(|(meeting, entry)| (meeting.path.clone(), Some(entry)))
                        .collect(),
                    resolution: Resolution {
                        class: unit.class,
                        paths: unit.paths.clone(),
                        by: Resolver::Regenerated {
                            commands: own.clone(),
                        },
                    },
                }
            });
        Ok(Ok(found.collect()))
    }

    fn programs(&self) -> Programs<'_> {
        Programs {
            context: &self.ladder.context,
            store: &self.store,
            leash: &self.ladder.leash,
            runtime: &self.ladder.runtime,
        }
    }
}

/// The files that meet at the paths of a unit; `None` if one is no ordinary file on both sides.
pub(crate) fn meetings(unit: &Unit, result: &MergeResult) -> Option<Vec<Meeting>> {
    let staged = |path: &RepoPath| -> Vec<&Stage> {
        let stages = result.stages.iter();
        stages.filter(|stage| stage.path == *path).collect()
    };
    let paths = unit.paths.iter().map(|path| (path, staged(path)));
    let meetings = paths.filter(|(_, stages)| !stages.is_empty());
    let meetings = meetings.map(|(path, stages)| {
        let side = |number: u8| stages.iter().find(|stage| stage.stage == number);
        let is_file = |stage: &&Stage| stage.mode & 0o170_000 == 0o100_000;
        let (base, ours, theirs) = (side(1), side(2)?, side(3)?);
        if !stages.iter().all(is_file) {
            return None;
        }
        let mode = match base {
            Some(base) if base.mode == ours.mode => theirs.mode,
            Some(base) if base.mode == theirs.mode => ours.mode,
            // The executable bit is the larger of the two modes a file can have.
            _ => ours.mode.max(theirs.mode),
        };
        Some(Meeting {
            path: path.clone(),
            class: unit.class,
            mode,
            base: base.map(|stage| stage.oid),
            ours: ours.oid,
            theirs: theirs.oid,
        })
    });
    let meetings: Option<Vec<Meeting>> = meetings.collect();
    meetings.filter(|meetings| !meetings.is_empty())
}
