//! Finds the blockers of every task of a run in one pass.

use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// The maximum number of blockers reported for one task.
pub const MAX_BLOCKERS: usize = 4;

impl RunState {
    /// Returns for every task the failed, skipped, cancelled or conflicting tasks that block it.
    ///
    /// These are the roots of [`RunState::root_causes`], lowest numbers first, at most four a task,
    /// found in one pass over the plan.
    pub fn blockers(&self) -> Vec<Vec<TaskNumber>> {
        let mut blockers = vec![Vec::new(); self.tasks.len()];
        let numbers = self.plan.tasks().iter().map(|task| task.number);
        for root in numbers.filter(|number| self.is_blocker(*number)) {
            let mut open = vec![root];
            while let Some(task) = open.pop() {
                for dependent in self.plan.dependents(task).map(|task| task.number) {
                    let known: &mut Vec<TaskNumber> = &mut blockers[dependent.index()];
                    let waits = self.task(dependent).phase == TaskPhase::Queued;
                    if waits && known.len() < MAX_BLOCKERS && known.last() != Some(&root) {
                        known.push(root);
                        open.push(dependent);
                    }
                }
            }
        }
        blockers
    }

    fn is_blocker(&self, number: TaskNumber) -> bool {
        match self.task(number).phase {
            TaskPhase::Queued
            | TaskPhase::Running
            | TaskPhase::RetryAt(_)
            | TaskPhase::Choosing
            | TaskPhase::Done => false,
            TaskPhase::Skipped { satisfied } => !satisfied,
            TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } | TaskPhase::Cancelled => {
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;
    use crate::model::ids::TaskNumber;

    #[test]
    fn blockers_are_the_root_causes_of_every_task() {
        let state = RunFixture::new("a · b · c <- a · d <- c, b · e <- d · f")
            .fail(1, "broken")
            .fail(2, "broken")
            .state();
        let roots: Vec<_> = (1..=6).map(|n| state.root_causes(TaskNumber(n))).collect();
        assert_eq!(state.blockers(), roots);
        assert_eq!(state.blockers()[4], [TaskNumber(1), TaskNumber(2)]);
    }

    #[test]
    fn a_chain_of_ten_thousand_tasks_is_one_pass() {
        let chain: Vec<_> = (1..=10_000)
            .map(|n| match n {
                1 => "t1".to_owned(),
                n => format!("t{n} <- t{}", n - 1),
            })
            .collect();
        let state = RunFixture::new(&chain.join(" · ")).fail(1, "x").state();
        assert_eq!(state.blockers()[9_999], [TaskNumber(1)]);
    }
}
