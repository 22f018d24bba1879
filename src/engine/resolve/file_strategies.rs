//! Strategies that resolve the files of one unit: rules, a structural merge tool, a recorded
//! resolution.

use crate::conflicts::hunk_rules::resolve;
use crate::engine::EngineError;
use crate::engine::resolve::file_conflict::{FileConflict, ToolResult};
use crate::engine::resolve::merge_conflict::TreeEdits;
use crate::engine::resolve::recorded::recall;
use crate::engine::resolve::tools::Tools;
use crate::git::Store;
use crate::merge::class::HunkClass;
use crate::merge::oid::Oid;
use crate::model::resolution::Resolver;

/// The edits that resolve the files of a unit, and the strategy they come from.
pub(super) type ResolvedFiles = (TreeEdits, Resolver);

/// Resolves each hunk by these rules.
pub(super) fn by_rules(
    store: &Store,
    files: &[FileConflict],
    rules: &[HunkClass],
) -> Result<Option<ResolvedFiles>, EngineError> {
    each(files, |file| {
        let Some(base) = file.base else {
            return Ok(None);
        };
        let [base, ours, theirs] = [base, file.ours, file.theirs].map(|oid| store.blob(oid));
        let Some(resolved) = resolve(&file.path, &base?, &ours?, &theirs?, rules) else {
            return Ok(None);
        };
        let oid = store.write_blob(&resolved.text)?;
        Ok(Some((oid, Resolver::Rules { rules: resolved.by })))
    })
}

/// Keeps the executable bit of either side.
pub(super) fn with_exec_bit(files: &[FileConflict]) -> Result<Option<ResolvedFiles>, EngineError> {
    each(files, |file| {
        let by = Resolver::Rules { rules: Vec::new() };
        Ok(Some((file.ours, by)))
    })
}

/// Applies the user's earlier resolutions of the same blobs.
pub(super) fn by_record(
    store: &Store,
    files: &[FileConflict],
) -> Result<Option<ResolvedFiles>, EngineError> {
    each(files, |file| {
        let recorded = recall(store, file)?;
        Ok(recorded.map(|(entry, commit)| (entry.oid, Resolver::Recorded { commit })))
    })
}

/// Merges each file with the configured structural merge tool.
pub(super) fn by_structural_tool(
    tools: &Tools<'_>,
    files: &[FileConflict],
) -> Result<ToolResult<ResolvedFiles>, EngineError> {
    let argv = &tools.context.settings.resolve.structural;
    let mut edits = TreeEdits::new();
    for file in files {
        let merged = tools.merge_structurally(argv, file)?;
        match merged.and_then(|text| file.without_markers(tools.store, text)) {
            Ok(text) => edits.push(file.edit(tools.store.write_blob(&text)?)),
            Err(why) => return Ok(Err(format!("{}: {why}", file.path))),
        }
    }
    let tool = argv.first().cloned().unwrap_or_default();
    Ok(Ok((edits, Resolver::Structural { tool })))
}

/// Resolves every file the same way; `None` if that fails for one of them.
fn each(
    files: &[FileConflict],
    resolve: impl Fn(&FileConflict) -> Result<Option<(Oid, Resolver)>, EngineError>,
) -> Result<Option<ResolvedFiles>, EngineError> {
    let mut edits = TreeEdits::new();
    let mut by = None;
    for file in files {
        let Some((oid, resolver)) = resolve(file)? else {
            return Ok(None);
        };
        edits.push(file.edit(oid));
        by = Some(resolver);
    }
    Ok(by.map(|by| (edits, by)))
}
