//! Regenerates files in conflict with the configured commands, on top of everything resolved so far.

use crate::engine::EngineError;
use crate::engine::resolve::file_conflict::{FileConflict, ToolResult, file_conflicts};
use crate::engine::resolve::merge_conflict::{ResolvedUnit, TreeEdits};
use crate::engine::resolve::tools::Tools;
use crate::merge::answer::MergeResult;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::verdict::Unit;
use crate::model::resolution::{Resolution, Resolver};

/// A unit of generated files with the commands that regenerate them.
pub(super) struct GeneratedUnit<'a> {
    pub(super) unit: &'a Unit,
    pub(super) commands: Vec<String>,
}

/// Regenerates the files of these units; the commands see the edits made so far.
pub(super) fn regenerate(
    tools: &Tools<'_>,
    generated: &[GeneratedUnit<'_>],
    edits: &TreeEdits,
    result: &MergeResult,
) -> Result<ToolResult<Vec<ResolvedUnit>>, EngineError> {
    let files = generated
        .iter()
        .map(|generated| file_conflicts(generated.unit, result));
    let Some(files) = files.collect::<Option<Vec<Vec<FileConflict>>>>() else {
        return Ok(Err("it is not a regular file on both sides".to_owned()));
    };
    // The command sees the file as merged before, without markers.
    let mut edits = edits.clone();
    edits.extend(files.iter().flatten().map(|file| file.edit(file.ours)));
    let tree = tools.store.tree_overlaid(result.tree, &edits)?;
    let paths: Vec<RepoPath> = files.iter().flatten().map(|f| f.path.clone()).collect();
    let entries = match tools.regenerate(&commands(generated), tree, &paths)? {
        Ok(entries) => entries,
        Err(why) => return Ok(Err(why)),
    };
    for (file, entry) in files.iter().flatten().zip(&entries) {
        let text = tools.store.blob(entry.oid)?;
        if let Err(why) = file.without_markers(tools.store, text) {
            return Ok(Err(format!("{}: {why}", file.path)));
        }
    }
    Ok(Ok(resolved_units(generated, &files, entries)))
}

/// Returns the commands of all units in order, each once.
fn commands(generated: &[GeneratedUnit<'_>]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for command in generated.iter().flat_map(|generated| &generated.commands) {
        if !commands.contains(command) {
            commands.push(command.clone());
        }
    }
    commands
}

fn resolved_units(
    generated: &[GeneratedUnit<'_>],
    files: &[Vec<FileConflict>],
    entries: Vec<Entry>,
) -> Vec<ResolvedUnit> {
    let mut entries = entries.into_iter();
    let units = generated.iter().zip(files);
    let units = units.map(|(GeneratedUnit { unit, commands }, files)| ResolvedUnit {
        edits: files
            .iter()
            .zip(&mut entries)
            .map(|(file, entry)| (file.path.clone(), Some(entry)))
            .collect(),
        resolution: Resolution {
            class: unit.class,
            paths: unit.paths.clone(),
            by: Resolver::Regenerated {
                commands: commands.clone(),
            },
        },
    });
    units.collect()
}
