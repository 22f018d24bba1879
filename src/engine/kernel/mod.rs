//! Provides what every effect of a run uses: context, errors, cancelling, signals, disk space.

pub mod blocking;
pub mod cancel;
pub mod context;
pub mod disk_space;
pub mod disk_use;
pub mod error;
pub mod integration_record;
pub mod interruptible;
pub mod kept_commit;
pub mod known_settings;
pub mod layout;
pub mod masking;
pub mod message;
pub mod remote_refs;
pub mod sealed_file;
pub mod signals;
pub mod sweep;
pub mod under_way;
pub mod worktree_size;
