//! Turns order and marks of parallel items into dependencies, without those that others imply.

/// A sequence of items, in which some may run at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    /// The ids that the next group waits for.
    current: Vec<String>,
    /// The parallel items since then.
    group: Vec<String>,
}

impl Sequence {
    /// Starts after these items.
    pub(super) fn after(ids: Vec<String>) -> Sequence {
        Sequence {
            current: ids,
            group: Vec::new(),
        }
    }

    /// Adds an item and returns the ids it waits for. A parallel item waits for the last one that is
    /// not; any other waits for all before it.
    pub(super) fn next(&mut self, id: &str, is_parallel: bool) -> Vec<String> {
        if is_parallel {
            self.group.push(id.to_owned());
            return self.current.clone();
        }
        self.close_group();
        std::mem::replace(&mut self.current, vec![id.to_owned()])
    }

    /// Lets the items that follow wait for the parallel ones before them.
    pub(super) fn close_group(&mut self) {
        if !self.group.is_empty() {
            self.current = std::mem::take(&mut self.group);
        }
    }

    /// Returns the ids that whatever follows the sequence waits for.
    pub(super) fn last(mut self) -> Vec<String> {
        self.close_group();
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_items_wait_for_the_one_before_and_the_next_for_all_of_them() {
        let mut sequence = Sequence::after(vec!["s".to_owned()]);
        let mut said = Vec::new();
        for (id, is_parallel) in [
            ("a", false),
            ("b", true),
            ("c", true),
            ("d", false),
            ("e", true),
        ] {
            said.push(format!(
                "{id} <- {}",
                sequence.next(id, is_parallel).join(" ")
            ));
        }
        said.push(format!("after <- {}", sequence.last().join(" ")));
        assert_eq!(
            said.join(", "),
            "a <- s, b <- a, c <- a, d <- b c, e <- d, after <- e"
        );
    }
}
