//! `dispatch conflicts`: tells which branches conflict, and how.

use clap::Args;

mod compare;
mod explain;
mod filter;
mod json;
mod matrix;
mod pair_arg;
mod results;
pub(crate) mod run;
mod subject;
mod table;
mod watch;

const AFTER_HELP: &str = "\
git's own merge engine judges every pair, and nothing in the repository changes. Globs need quotes;
they match branches, then remote branches and other fetched references. Filters apply to the list and
to the exit code: 0 without a conflict, 4 with one or if git failed on a pair.";

/// Show which branches conflict, before they are merged
#[derive(Args, Debug, Default)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ConflictsArgs {
    /// A run, or branches, revisions, globs of branches [default: the latest run]
    #[arg(value_name = "RUN | REF")]
    pub(crate) targets: Vec<String>,
    /// Compare over this commit [default: the merge base of each pair]
    #[arg(long, value_name = "REV")]
    pub(crate) base: Option<String>,
    /// Only pairs of at least this severity, 0 to 5
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) severity: Option<u8>,
    /// Only pairs with this class of conflict or of hunk; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Vec<String>,
    /// Only pairs that both change a path like this; may be given again
    #[arg(long, value_name = "GLOB")]
    pub(crate) paths: Vec<String>,
    /// List independent pairs as well
    #[arg(long)]
    pub(crate) all: bool,
    /// Complete the search for conflicts that only more than two branches have together
    #[arg(long, conflicts_with = "explain")]
    pub(crate) together: bool,
    /// Show one pair in full, `A:B` or `A B`: branches, or tasks of a run
    #[arg(long, value_name = "PAIR", num_args = 1..=2, conflicts_with_all = ["json", "matrix", "all"])]
    pub(crate) explain: Vec<String>,
    /// Draw all pairs as a table of severities
    #[arg(long, conflicts_with = "json")]
    pub(crate) matrix: bool,
    /// Redraw until the run ends, with the work in progress
    #[arg(long, conflicts_with_all = ["json", "explain", "base"])]
    pub(crate) watch: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the JSON Schema of that object
    #[arg(long, exclusive = true)]
    pub(crate) schema: bool,
}
