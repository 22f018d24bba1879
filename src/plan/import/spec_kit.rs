//! `tasks.md` of spec-kit: phases, ids, `[P]` for parallel, `[US1]` for user stories.
//!
//! Phases before the user stories block everything after them, stories are independent of each other,
//! and a phase after the stories waits for all of them. In a phase a task without `[P]` waits for
//! those before it.

use crate::plan::import::check_list::{Names, state};
use crate::plan::import::markdown::{paths, split_dependencies};
use crate::plan::import::sequence::Sequence;
use crate::plan::import::task_file::{CheckBox, Reader, read_tasks};
use crate::plan::import::{Document, Item, Mark, State};

/// The id of a task whose number is still open.
const PLACEHOLDER: &str = "TXXX";

/// Reads the tasks.
pub(super) fn read(name: &str, text: &str) -> Document {
    let context =
        format!("The specification of this work is beside {name}: read the documents there first");
    read_tasks(text, context, &mut Phases::default())
}

impl Reader for Phases {
    fn title(&self, heading: &str) -> String {
        let title = heading.strip_prefix("Tasks:").unwrap_or(heading);
        title.trim().to_owned()
    }

    fn heading(&mut self, level: usize, text: &str) {
        if level == 2 {
            self.start(text);
        }
    }

    fn item(&mut self, found: CheckBox<'_>, _items: &[Item]) -> Option<Item> {
        let task = task(found.text)?;
        let id = match task.id {
            // The template leaves the numbers of the last tasks open.
            PLACEHOLDER => self.names.unique(task.title),
            id => id.to_owned(),
        };
        let mut item = Item {
            state: state(found.mark),
            files: paths(task.title),
            mark: Some(Mark {
                span: found.span,
                done: "X",
            }),
            ..Item::new(id.clone(), found.line, task.title)
        };
        if item.state == State::Open {
            item.depends_on = self.sequence.next(&id, task.is_parallel);
        }
        item.depends_on.extend(task.depends_on);
        if let Some(phase) = &self.name {
            item.prompt = format!("{}\n\nPart of: {phase}\n", task.title);
        }
        Some(item)
    }
}

struct SpecTask<'a> {
    id: &'a str,
    title: &'a str,
    is_parallel: bool,
    depends_on: Vec<String>,
}

/// Parses `T012 [P] [US1] Create the model (depends on T011)`.
fn task(text: &str) -> Option<SpecTask<'_>> {
    let (id, mut rest) = text.split_once(' ')?;
    let digits = id.strip_prefix('T')?;
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    if !is_number && id != PLACEHOLDER {
        return None;
    }
    let mut is_parallel = false;
    loop {
        rest = rest.trim_start();
        let Some((mark, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        else {
            break;
        };
        match mark {
            "P" => is_parallel = true,
            story if story.starts_with("US") => {}
            _ => break,
        }
        rest = after;
    }
    let (title, depends_on) = split_dependencies(rest.trim());
    Some(SpecTask {
        id,
        title,
        is_parallel,
        depends_on,
    })
}

/// The phases so far.
#[derive(Default)]
struct Phases {
    name: Option<String>,
    /// The ids of the tasks without a number.
    names: Names,
    is_story: bool,
    sequence: Sequence,
    /// The tasks that a story waits for.
    before_stories: Vec<String>,
    /// The last tasks of the stories since then.
    after_stories: Vec<String>,
}

impl Phases {
    fn start(&mut self, heading: &str) {
        self.end();
        self.name = Some(heading.to_owned());
        self.is_story = heading.contains("User Story") || heading.contains("(Priority:");
        let stories_are_over = !self.is_story && !self.after_stories.is_empty();
        self.sequence = Sequence::after(match stories_are_over {
            true => std::mem::take(&mut self.after_stories),
            false => self.before_stories.clone(),
        });
    }

    fn end(&mut self) {
        let last = std::mem::take(&mut self.sequence).last();
        match self.is_story {
            // A story without open tasks adds nothing.
            true if last != self.before_stories => self.after_stories.extend(last),
            true => {}
            false => self.before_stories = last,
        }
    }
}
