//! Tells which branches of a git repository conflict, and how.
//!
//! Every verdict is that of git's own merge engine: a pair that this module calls clean merges with
//! `git merge`, to the same tree. Pairs whose result is certain are not merged at all, so a thousand
//! branches take seconds. Nothing in the repository changes, and no file of a checkout is read.
//!
//! [`detect`] judges every pair of a list of [`Branch`]es once. A [`Detector`] does so repeatedly
//! while branches move, explains one pair in full ([`Detector::explain`]), and finds conflicts that
//! only more than two branches have together ([`Detector::multiway_conflicts`]).
//!
//! A verdict is a value: [`Verdict`] for git's answer, and one [`Class`] with a severity for each
//! [`Unit`] of connected paths, down to the [`Hunk`]s of a file.
//!
//! # Example
//!
//! Two branches that change one line in two ways:
//!
//! ```
//! use std::path::Path;
//! use std::process::Command;
//!
//! use git_dispatch::conflicts::{Branch, Class, Detector, Options, Repo, Verdict, detect};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let top = folder.path();
//! # let git = |args: &[&str]| -> std::io::Result<()> {
//! #     let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
//! #     let status = Command::new("git").args(who).args(args).current_dir(top).status()?;
//! #     assert!(status.success(), "git {args:?}");
//! #     Ok(())
//! # };
//! # let commit = |text: &str| -> std::io::Result<()> {
//! #     std::fs::write(top.join("greeting.txt"), text)?;
//! #     git(&["add", "greeting.txt"])?;
//! #     git(&["commit", "--quiet", "--message", text])
//! # };
//! # git(&["init", "--quiet", "--initial-branch=main"])?;
//! # commit("Hello\n")?;
//! # git(&["switch", "--quiet", "--create", "polite", "main"])?;
//! # commit("Good morning\n")?;
//! # git(&["switch", "--quiet", "--create", "short", "main"])?;
//! # commit("Hi\n")?;
//! let repo = Repo::discover(top)?;
//! let branches = [
//!     Branch::resolve(&repo, "polite")?,
//!     Branch::resolve(&repo, "short")?,
//! ];
//!
//! let detection = detect(&repo, &branches, &Options::default())?;
//! let pair = &detection.pairs[0];
//! assert_eq!((pair.a, pair.b), (0, 1));
//! assert_eq!(pair.verdict, Verdict::Conflict);
//! assert_eq!(pair.class, Class::Content);
//! assert_eq!(pair.units[0].paths[0].to_string(), "greeting.txt");
//! assert_eq!(pair.units[0].hunks[0].base.start, 1);
//!
//! let explanation = Detector::new(&repo, &Options::default())?
//!     .explain(&branches[0], &branches[1])?;
//! let file = &explanation.files[0];
//! assert_eq!(file.a.as_deref(), Some(&b"Good morning\n"[..]));
//! assert_eq!(file.b.as_deref(), Some(&b"Hi\n"[..]));
//! # Ok(())
//! # }
//! ```

mod base_walk;
pub(crate) mod blob_merges;
mod branch;
mod branch_changes;
mod candidate_pairs;
mod classify;
mod comparison;
mod detection;
mod detector;
mod disjoint_edits;
mod error;
mod explain;
mod footprint;
pub(crate) mod hunk_rules;
mod hunks;
pub(crate) mod incremental_merge;
mod language;
pub(crate) mod markers;
mod merge_bases;
pub(crate) mod merge_sequence;
mod merged_footprint;
pub(crate) mod minimize;
mod multiway;
mod multiway_conflict;
mod multiway_risk;
mod name_collisions;
mod options;
mod pair;
mod pair_table;
mod progress;
mod prune;
mod reproduce;
mod shared_edit_merges;
mod shared_edits;
mod verdict_cache;
mod verdicts;

pub use crate::conflicts::branch::Branch;
pub use crate::conflicts::detection::Detection;
pub use crate::conflicts::detector::{Detector, detect};
pub use crate::conflicts::error::DetectError;
pub use crate::conflicts::explain::Explanation;
pub use crate::conflicts::multiway::{DIVERGED_MERGES, SEQUENCE_MERGES};
pub use crate::conflicts::multiway_conflict::{MultiwayConflict, MultiwayReport};
pub use crate::conflicts::options::Options;
pub use crate::conflicts::progress::Progress;
pub use crate::conflicts::reproduce::Reproduction;
pub use crate::git::Repo;
pub use crate::git::discover::DiscoverError;
pub use crate::merge::change::RepoPath;
pub use crate::merge::class::{Class, HunkClass};
pub use crate::merge::oid::Oid;
pub use crate::merge::rule::Rule;
pub use crate::merge::verdict::{Hunk, LineRange, PairVerdict, Unit, Verdict};
pub use crate::merge::versions::FileVersions;
