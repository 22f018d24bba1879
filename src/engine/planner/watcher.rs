//! Follows a planner while it works.

/// Receives what happens while a planner works.
pub trait Watcher {
    /// The agent has begun another step, such as reading a file.
    fn step(&mut self, step: &str);

    /// Something needs the user's attention.
    fn warning(&mut self, text: &str);
}
