//! Landings, pull requests and what is tidied up.

use crate::base::text::plural;
use crate::model::event::Event;
use crate::model::integration::Landing;
use crate::report::event_sentence::quoted;

pub(super) fn of_delivery(event: &Event) -> String {
    let places = |landing: &Landing| (landing.target.clone(), landing.from.short());
    match event {
        Event::LandingStarting { landing } => {
            let (target, from) = places(landing);
            format!("the landing on {target} starts from {from}")
        }
        Event::Landed { landing } => {
            format!("landed: {} moved to {}", landing.target, landing.to.short())
        }
        Event::LandingUndoStarting { landing } => {
            format!("the landing on {} is being undone", landing.target)
        }
        Event::LandingUndone { landing } => {
            let (target, from) = places(landing);
            format!("the landing was undone: {target} moved back to {from}")
        }
        Event::PullRequestStarting { pull_request } => {
            format!(
                "{} is pushed for a pull request",
                quoted(&pull_request.head)
            )
        }
        Event::PullRequestOpened { pull_request } => {
            let place = pull_request.url.as_ref().unwrap_or(&pull_request.head);
            format!("the pull request is open: {}", quoted(place))
        }
        Event::Cleaned {
            worktrees,
            branches,
        } => format!(
            "cleaned up: {} and {} removed",
            plural(worktrees.len(), "worktree"),
            match branches.len() {
                1 => "1 branch".to_owned(),
                count => format!("{count} branches"),
            }
        ),
        Event::Repaired { repairs } => {
            let repairs: Vec<String> = repairs.iter().map(|repair| quoted(repair)).collect();
            format!("repaired: {}", repairs.join("; "))
        }
        _ => String::new(),
    }
}
