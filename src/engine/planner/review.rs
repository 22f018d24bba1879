//! Warns about a plan before it is saved: little parallelism, shared files, files that change together.

use crate::engine::EngineError;
use crate::engine::planner::map::paths;
use crate::engine::start::resolve;
use crate::git::{Repo, Store};
use crate::model::ids::TaskNumber;
use crate::model::plan::Plan;
use crate::plan::declared_files::DeclaredFiles;
use crate::schedule::priority::path_lengths;

/// The number of last commits in which files that change together are searched.
pub const HISTORY: usize = 500;

/// The number of independent tasks below which a plan is hardly worth a run.
const FEW: usize = 3;

/// The mark before the files of a commit (`%x01`).
const COMMIT: char = '\u{1}';

/// Returns `true` if no two tasks of a plan can run at the same time.
pub fn is_chain(plan: &Plan) -> bool {
    let longest = path_lengths(plan).into_iter().max();
    longest.is_some_and(|longest| longest as usize == plan.tasks().len())
}

/// The warnings about a plan.
#[derive(Clone, Default, Debug)]
pub struct Warnings {
    /// One sentence each.
    pub sentences: Vec<String>,
    /// The tasks that declare the same existing files, which a sentence names.
    pub sharing: Vec<(TaskNumber, TaskNumber)>,
}

/// Returns the warnings about a plan.
///
/// # Errors
/// When the repository or its history cannot be read.
pub fn warnings(repo: &Repo, plan: &Plan) -> Result<Warnings, EngineError> {
    let mut warnings = Warnings::default();
    let ready = plan
        .tasks()
        .iter()
        .filter(|task| task.depends_on.is_empty());
    let ready = ready.count();
    if ready < FEW {
        let tasks = if ready == 1 { "1 task" } else { "2 tasks" };
        warnings.sentences.push(format!(
            "only {tasks} can start at once; one agent alone may be as fast"
        ));
    }
    let store = Store::open(repo)?;
    let Some(head) = resolve(repo, &store, "HEAD")? else {
        return Ok(warnings);
    };
    let declared = DeclaredFiles::of(plan);
    let shared = declared.shared(&paths(repo, head)?);
    warnings.sharing = shared.iter().map(|found| found.tasks).collect();
    let together = declared.co_changes(&history(repo)?);
    let shared = shared.iter().map(ToString::to_string);
    let together = together.iter().map(ToString::to_string);
    warnings.sentences.extend(shared.chain(together));
    Ok(warnings)
}

/// Lists the files that each of the last commits changed.
fn history(repo: &Repo) -> Result<Vec<Vec<String>>, EngineError> {
    let count = format!("-{HISTORY}");
    let args = [
        "log",
        &count,
        "--no-merges",
        "--no-renames",
        "--no-show-signature",
        "--name-only",
        "--format=%x01",
        "HEAD",
    ];
    let git = repo.git().setting("core.quotePath=false");
    let listed = git.run(&args)?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let commits = listed.split(COMMIT).skip(1);
    let files = |commit: &str| {
        let lines = commit.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    Ok(commits.map(files).collect())
}
