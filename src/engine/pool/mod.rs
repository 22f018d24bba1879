//! Keeps worktrees from task to task (`[worktree] pool`).
//!
//! A worktree of the pool stays at one path, so that tools that record absolute paths stay warm, and
//! keeps the ignored folders that `[worktree] keep` names. A run knows it by a link at the path where
//! the attempt's own worktree would be ([`PoolEntry`]).
//!
//! | state | lease | next |
//! |---|---|---|
//! | in use | of the attempt | released when the attempt has passed, or was interrupted, and the journal says so |
//! | released | of the attempt, with the mark `released` | taken over by another attempt, or given back |
//! | free | none | taken, if nothing was changed in it meanwhile |
//!
//! A worktree is reset before another attempt gets it: tracked files as the commit has them, untracked
//! files gone, ignored ones gone but for the kept folders. What a user or a worker left in it is treated
//! as `dispatch clean` treats it: work keeps the worktree as it is, and what can be kept is kept.
//!
//! Tracked files are compared with a copy of the index that was made before the worker started
//! ([`written_files`]): git writes those whose time, size or number has changed, and no others, so that
//! builds see which files are new. Neither a worker's index nor its flags are believed.
//!
//! While workers run, one that has been released, or a new one, is made free at the base of the run and set
//! up ([`ahead`]). No attempt waits for that: one that is being prepared is in use for it.
//!
//! One of them may be the template ([`template`]): no attempt gets it, and new ones are made as copies of it
//! where their blocks can be shared.
//!
//! Every step holds the lock of the worktree's record, and can be repeated: the lease changes last when
//! a worktree is given back, and first when it is taken; a lease without its link does not count.
//!
//! [`PoolEntry`]: crate::git::pool_entry::PoolEntry

pub mod ahead;
mod copy;
pub mod examine;
pub mod free;
pub mod give_back;
mod ignored_paths;
mod movement;
pub mod prepare;
mod recorded_path;
pub mod release;
mod reset;
pub mod set_up_ahead;
pub mod set_up_mark;
mod take_back;
pub mod template;
mod use_mark;
pub mod written_files;
