//! Says where the worktrees of a run come from.

use crate::config::Settings;
use crate::engine::pool::prepare::may_have_pool;
use crate::engine::pool::template::{Source, Template, source};
use crate::git::Repo;

/// Renders a line about the worktrees of a run, if one task after another uses them.
pub(super) fn line(repo: &Repo, settings: &Settings) -> Option<String> {
    may_have_pool(repo, settings).then(|| {
        let has_set_up = !settings.worktree.setup.is_empty();
        format!(
            "worktrees: those of the pool; further ones are {}",
            words(&source(repo, settings), has_set_up)
        )
    })
}

fn words(source: &Source, has_set_up: bool) -> String {
    match source {
        Source::Checkout if !has_set_up => "checked out".to_owned(),
        Source::Checkout => "checked out and set up".to_owned(),
        Source::NoSharedBlocks(folder) => format!(
            "checked out and set up, because files in {} cannot share their blocks (no reflinks)",
            folder.display()
        ),
        Source::Obstacle(reason) => format!(
            "checked out and set up, because {reason}; with `worktree.pool_template = \"always\"` they are copies"
        ),
        Source::Template(None) => "copies of a template, as soon as one is set up".to_owned(),
        Source::Template(Some(Template { made, copied, .. })) => measured(*made, *copied),
    }
}

fn measured(made: u64, copied: Option<u64>) -> String {
    let took = seconds(made);
    match copied {
        None => format!("copies of the template, whose checkout and set-up took {took}"),
        Some(u64::MAX) => {
            "checked out and set up, because the template cannot be copied".to_owned()
        }
        Some(copied) => {
            let way = match copied <= made {
                true => "copies of the template",
                false => "checked out and set up",
            };
            let copied = seconds(copied);
            format!("{way}, which is faster: a copy took {copied}, checkout and set-up {took}")
        }
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_faster_way_and_the_reason_for_another() {
        assert_eq!(
            measured(4120, Some(70)),
            "copies of the template, which is faster: a copy took 0.07 s, checkout and set-up 4.12 s"
        );
        assert_eq!(
            measured(70, Some(4120)),
            "checked out and set up, which is faster: a copy took 4.12 s, checkout and set-up 0.07 s"
        );
        assert_eq!(
            measured(70, None),
            "copies of the template, whose checkout and set-up took 0.07 s"
        );
        let source = Source::NoSharedBlocks("/home/me".into());
        assert_eq!(
            words(&source, true),
            "checked out and set up, because files in /home/me cannot share their blocks (no reflinks)"
        );
        assert_eq!(words(&Source::Checkout, false), "checked out");
    }
}
