//! `tasks.md` of spec-kit: phases, ids, `[P]` for parallel, `[US1]` for user stories.
//!
//! Phases before the user stories block everything after them, stories are independent of each other,
//! and a phase after the stories waits for all of them. In a phase a task without `[P]` waits for
//! those before it.

use crate::plan::import::check_list::{Skipped, add_text, state};
use crate::plan::import::markdown::{Line, lines, paths, split_dependencies};
use crate::plan::import::sequence::Sequence;
use crate::plan::import::{Document, Item, Mark, State};

/// Reads the tasks.
pub(super) fn read(name: &str, text: &str) -> Document {
    let mut document = Document {
        context: vec![format!(
            "The specification of this work is beside {name}: read the documents there first"
        )],
        ..Document::default()
    };
    let mut phases = Phases::default();
    let mut skipped = Skipped::default();
    let mut last_box: Option<usize> = None;
    for (number, line) in lines(text) {
        match line {
            Line::Heading { level: 1, text } if document.title.is_none() => {
                let title = text.strip_prefix("Tasks:").unwrap_or(text).trim();
                document.title = Some(title.to_owned());
            }
            Line::Heading { level: 2, text } => {
                phases.start(text);
                last_box = None;
            }
            Line::Heading { .. } => last_box = None,
            Line::Box {
                indent,
                mark,
                span,
                text,
                ..
            } => {
                let Some(task) = task(text) else {
                    skipped.add(number);
                    last_box = None;
                    continue;
                };
                let mut item = Item {
                    state: state(mark),
                    files: paths(task.title),
                    mark: Some(Mark { span, done: "X" }),
                    ..Item::new(task.id, number, task.title)
                };
                if item.state == State::Open {
                    item.depends_on = phases.next(task.id, task.is_parallel);
                }
                item.depends_on.extend(task.depends_on);
                if let Some(phase) = &phases.name {
                    item.prompt = format!("{}\n\nPart of: {phase}\n", task.title);
                }
                last_box = Some(indent);
                document.items.push(item);
            }
            Line::Text { indent, text } => match (last_box, document.items.last_mut()) {
                (Some(outer), Some(item)) if indent > outer => {
                    add_text(&mut item.prompt, text, outer);
                }
                _ => skipped.add(number),
            },
            Line::Blank => {}
        }
    }
    skipped.note(&mut document);
    document
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
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
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

    fn next(&mut self, id: &str, is_parallel: bool) -> Vec<String> {
        self.sequence.next(id, is_parallel)
    }
}
