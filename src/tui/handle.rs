//! Handles input: changes the state of the board, and says what is to be done outside.
//!
//! Nothing here reads a clock, a file or the terminal.

use crate::control::Request;
use crate::model::ids::TaskNumber;
use crate::model::run::RunPhase;
use crate::model::task_state::TaskPhase;
use crate::report::suggest;
use crate::tui::action::Action;
use crate::tui::command::{Command, command_of};
use crate::tui::content::Loaded;
use crate::tui::key::{Input, Key};
use crate::tui::palette::{Palette, command_line};
use crate::tui::state::{Mode, Pane, Question, State};
use crate::tui::view::RunView;

/// The lines of a page, where the height of a pane does not matter.
const PAGE: i64 = 10;

/// Handles one input.
pub(super) fn handle(state: &mut State, input: Input, view: &RunView) -> Vec<Action> {
    match input {
        Input::Loaded(wanted, content) => {
            state.content = Some(Loaded::new(wanted, content));
            Vec::new()
        }
        Input::Said(text) => {
            state.message = Some(text);
            Vec::new()
        }
        Input::Changed => changed(state, view),
        // A log grows without an event of the run.
        Input::Tick if state.pane() == Some(Pane::Log) => load(state),
        Input::Tick => Vec::new(),
        Input::Scroll(lines) => {
            state.move_by(i64::from(lines), view);
            load(state)
        }
        Input::Click(line) => {
            let top = crate::tui::draw::list_top(state, view);
            let first = crate::tui::draw::first_row(state, view);
            let rows = state.rows(view);
            let at = usize::from(line).checked_sub(usize::from(top));
            if let Some(row) = at.and_then(|at| rows.get(first + at)) {
                state.selected = Some(row.number);
            }
            load(state)
        }
        Input::Key(key) => {
            state.message = None;
            match state.mode.clone() {
                Mode::Keys => pressed(state, key, view),
                Mode::Filter => filter_key(state, key, view),
                Mode::Palette(palette) => palette_key(state, palette, key, view),
                Mode::Question(question) => question_key(state, question, key, view),
            }
        }
    }
}

/// Handles a change of the run: a text may have grown, and at the end the report comes in front.
fn changed(state: &mut State, view: &RunView) -> Vec<Action> {
    state.keep_selection(view);
    if view.is_over() && !state.has_seen_end {
        state.has_seen_end = true;
        state.message = match state.panes.is_empty() {
            true => {
                open(state, Pane::Report);
                None
            }
            false => Some("the run has ended; e shows the report".to_owned()),
        };
    }
    if !view.is_over() && state.has_seen_end {
        // It was resumed: there is no report any more.
        state.has_seen_end = false;
        state.panes.retain(|pane| *pane != Pane::Report);
    }
    let is_running = |task| view.state.task(task).phase == TaskPhase::Running;
    match state.pane() {
        Some(Pane::Log) => load(state),
        // The work of a running task is read when it is asked for: that takes git some time.
        Some(Pane::Diff) if !state.selected.is_some_and(is_running) => load(state),
        // The others do not change while they are open.
        _ => Vec::new(),
    }
}

fn load(state: &State) -> Vec<Action> {
    state.wanted().map(Action::Load).into_iter().collect()
}

fn pressed(state: &mut State, key: Key, view: &RunView) -> Vec<Action> {
    match key {
        Key::Ctrl('c') if view.is_driven && !view.is_over() => {
            state.mode = Mode::Question(Question::Stop);
            return Vec::new();
        }
        Key::Ctrl('c') => return vec![Action::Leave],
        Key::Ctrl('z') => return vec![Action::Suspend],
        Key::Ctrl('l') => return vec![Action::Repaint],
        Key::Up | Key::Char('k') => state.move_by(-1, view),
        Key::Down | Key::Char('j') => state.move_by(1, view),
        Key::PageUp => state.move_by(-PAGE, view),
        Key::PageDown | Key::Char(' ') => state.move_by(PAGE, view),
        Key::Home => state.move_by(i64::MIN / 2, view),
        Key::End | Key::Char('G') => state.move_by(i64::MAX / 2, view),
        Key::Char('n') => state.select_by(1, view),
        Key::Char('N') => state.select_by(-1, view),
        Key::Tab => return next_pane(state, view, 1),
        Key::BackTab => return next_pane(state, view, TABS.len() - 1),
        _ => match command_of(key) {
            Some(command) => return run(state, command, view),
            None => return Vec::new(),
        },
    }
    load(state)
}

/// The panes of a task, in the order of Tab.
const TABS: &[(Pane, Command)] = &[
    (Pane::Task, Command::Open),
    (Pane::Log, Command::Log),
    (Pane::Diff, Command::Diff),
    (Pane::Prompt, Command::Prompt),
];

/// Opens the next pane of the task that is possible.
fn next_pane(state: &mut State, view: &RunView, step: usize) -> Vec<Action> {
    let at = TABS
        .iter()
        .position(|(pane, _)| state.pane() == Some(*pane));
    let start = at.map_or(0, |at| at + step);
    let order = (0..TABS.len()).map(|offset| {
        let offset = if step == 1 {
            offset
        } else {
            TABS.len() - offset
        };
        TABS[(start + offset) % TABS.len()]
    });
    let possible =
        |(_, command): &(Pane, Command)| command.hindrance(view, state.selected).is_none();
    if let Some((pane, _)) = order.into_iter().find(possible) {
        state.panes.clear();
        open(state, pane);
    }
    load(state)
}

/// Opens a pane in front; one that is open already comes to the front.
fn open(state: &mut State, pane: Pane) {
    state.panes.retain(|open| *open != pane);
    state.panes.push(pane);
    state.scroll = 0;
    state.is_at_end = pane == Pane::Log;
}

fn run(state: &mut State, command: Command, view: &RunView) -> Vec<Action> {
    if let Some(why) = command.hindrance(view, state.selected) {
        state.message = Some(format!("not possible: {why}"));
        return Vec::new();
    }
    let pane = match (command, state.selected) {
        (Command::Open, _) => return open_selected(state, view),
        (Command::Log, _) => Pane::Log,
        (Command::Diff, _) => Pane::Diff,
        (Command::Prompt, _) => Pane::Prompt,
        (Command::Conflicts, _) => Pane::Conflicts,
        (Command::Graph, _) => Pane::Graph,
        (Command::Timeline, _) => Pane::Timeline,
        (Command::Report, _) => Pane::Report,
        (Command::Help, _) => Pane::Help,
        (Command::Back, _) => {
            back(state);
            return load(state);
        }
        (Command::Leave, _) => return vec![Action::Leave],
        (Command::Pause, _) => return pause(state, view),
        (Command::Raise, Some(task)) => return prioritize(state, task, 1, view),
        (Command::Lower, Some(task)) => return prioritize(state, task, -1, view),
        (Command::Cancel, Some(task)) => return ask(state, Question::Cancel(task)),
        (Command::Retry, Some(task)) => return ask(state, Question::Retry(task)),
        (Command::Shell, Some(task)) => return vec![Action::Shell(task)],
        (Command::Attach, Some(task)) => {
            let words = ["attach".to_owned(), view.state.run.to_string()];
            let words = words.into_iter().chain([task.0.to_string()]);
            return vec![Action::Run(words.collect())];
        }
        (Command::Copy, _) => return copy(state, view),
        (Command::Filter, _) => {
            state.mode = Mode::Filter;
            return Vec::new();
        }
        (Command::Palette, _) => {
            state.mode = Mode::Palette(Palette::default());
            return Vec::new();
        }
        (Command::Mouse, _) => {
            state.mouse = !state.mouse;
            state.message = Some(match state.mouse {
                true => "the mouse is on; m turns it off, so that text can be selected".to_owned(),
                false => "the mouse is off; text can be selected".to_owned(),
            });
            return vec![Action::Mouse(state.mouse)];
        }
        // Without a task they were refused above.
        (_, None) => return Vec::new(),
    };
    open(state, pane);
    load(state)
}

fn open_selected(state: &mut State, view: &RunView) -> Vec<Action> {
    match state.pane() {
        Some(Pane::Conflicts) => {
            if let Some((a, b)) = view.pairs().get(state.pair).copied() {
                open(state, Pane::Pair(a, b));
            }
        }
        Some(Pane::Task) => return run(state, Command::Log, view),
        None if state.selected.is_some() => open(state, Pane::Task),
        _ => {}
    }
    load(state)
}

fn prioritize(state: &mut State, task: TaskNumber, by: i32, view: &RunView) -> Vec<Action> {
    let before = view.state.plan.task(task).fields.priority;
    let words = if by > 0 { "raised" } else { "lowered" };
    let after = before.saturating_add(by);
    state.message = Some(format!(
        "the priority of {task} is {words} from {before} to {after}"
    ));
    vec![Action::Request(Request::Prioritize { task, by })]
}

/// Closes the pane in front, then the filter.
fn back(state: &mut State) {
    if state.panes.pop().is_none() && !state.filter.is_empty() {
        state.filter.clear();
    }
    state.scroll = 0;
    state.is_at_end = state.pane() == Some(Pane::Log);
}

fn ask(state: &mut State, question: Question) -> Vec<Action> {
    state.mode = Mode::Question(question);
    Vec::new()
}

fn pause(state: &mut State, view: &RunView) -> Vec<Action> {
    let (request, words) = match view.state.phase {
        RunPhase::Paused => (Request::Resume, "the run continues"),
        _ => (
            Request::Pause,
            "nothing new starts; running tasks continue; p continues the run",
        ),
    };
    state.message = Some(words.to_owned());
    vec![Action::Request(request)]
}

fn copy(state: &mut State, view: &RunView) -> Vec<Action> {
    let command = equivalent(state, view);
    // No terminal tells whether it took it.
    state.message = Some(format!("sent to the clipboard of the terminal: {command}"));
    vec![Action::Copy(command)]
}

/// Returns the command that shows the same as the board does.
fn equivalent(state: &State, view: &RunView) -> String {
    let run = &view.state.run;
    let of_task = |name: fn(&crate::model::ids::RunId, TaskNumber) -> String| {
        state.selected.map(|task| name(run, task))
    };
    let command = match state.pane() {
        Some(Pane::Task) => of_task(suggest::show),
        Some(Pane::Log) => of_task(suggest::logs),
        Some(Pane::Diff) => of_task(suggest::diff),
        Some(Pane::Prompt) => state
            .selected
            .map(|task| format!("dispatch prompt {run} {}", task.0)),
        Some(Pane::Conflicts) => Some(suggest::conflicts(run)),
        Some(Pane::Pair(a, b)) => Some(format!(
            "{} --explain {}:{}",
            suggest::conflicts(run),
            a.0,
            b.0
        )),
        Some(Pane::Report) => Some(suggest::report(run)),
        _ => None,
    };
    command.unwrap_or_else(|| suggest::status(run))
}

fn filter_key(state: &mut State, key: Key, view: &RunView) -> Vec<Action> {
    match key {
        Key::Char(c) => state.filter.push(c),
        Key::Backspace => {
            state.filter.pop();
        }
        Key::Esc | Key::Ctrl('c') => {
            state.filter.clear();
            state.mode = Mode::Keys;
        }
        Key::Enter => state.mode = Mode::Keys,
        Key::Up => state.select_by(-1, view),
        Key::Down => state.select_by(1, view),
        _ => {}
    }
    state.keep_selection(view);
    load(state)
}

fn palette_key(state: &mut State, mut palette: Palette, key: Key, view: &RunView) -> Vec<Action> {
    let count = palette.matches(&state.commands).len();
    match key {
        Key::Esc | Key::Ctrl('c') => {
            state.mode = Mode::Keys;
            return Vec::new();
        }
        Key::Enter => {
            let run = &view.state.run;
            let Some(words) = palette.arguments(&state.commands, run, state.selected) else {
                state.message = Some(format!("there is no command {:?}", palette.text));
                return Vec::new();
            };
            state.mode = Mode::Keys;
            state.message = Some(command_line(&words));
            return vec![Action::Run(words)];
        }
        Key::Tab => {
            if let Some(chosen) = palette.matches(&state.commands).get(palette.selected) {
                palette.text = format!("{} ", chosen.name);
                palette.selected = 0;
            }
        }
        Key::Up => palette.selected = palette.selected.saturating_sub(1),
        Key::Down => palette.selected = (palette.selected + 1).min(count.saturating_sub(1)),
        Key::Backspace => {
            palette.selected = 0;
            palette.text.pop();
        }
        Key::Char(c) => {
            palette.selected = 0;
            palette.text.push(c);
        }
        _ => {}
    }
    state.mode = Mode::Palette(palette);
    Vec::new()
}

fn question_key(state: &mut State, question: Question, key: Key, view: &RunView) -> Vec<Action> {
    state.mode = Mode::Keys;
    let is_yes = matches!(key, Key::Char('y' | 'Y'));
    match (question, key) {
        (Question::Stop, Key::Char('s')) => {
            state.message =
                Some("stopping: nothing new starts, workers are asked to end".to_owned());
            vec![Action::Request(Request::Stop)]
        }
        (Question::Stop, Key::Char('q')) => vec![Action::Leave],
        // A second Ctrl-C is meant.
        (Question::Stop, Key::Ctrl('c')) => vec![Action::Leave],
        (Question::Cancel(task), _) if is_yes => {
            state.message = Some(format!("{task} is cancelled"));
            vec![Action::Request(Request::Cancel { task: Some(task) })]
        }
        (Question::Retry(task), _) if is_yes => match Command::Retry.hindrance(view, Some(task)) {
            None => {
                state.message = Some(format!("{task} is tried again"));
                vec![Action::Retry(task)]
            }
            Some(why) => {
                state.message = Some(format!("not possible: {why}"));
                Vec::new()
            }
        },
        _ => {
            state.message = Some("nothing was done".to_owned());
            Vec::new()
        }
    }
}

impl State {
    /// Moves through the list, the conflicts, or the text of the pane in front.
    fn move_by(&mut self, lines: i64, view: &RunView) {
        match self.pane() {
            None => self.select_by(lines, view),
            Some(Pane::Conflicts) => {
                let last = view.pairs().len().saturating_sub(1);
                self.pair = moved(self.pair, lines, last);
            }
            Some(_) => {
                let last = crate::tui::draw::last_scroll(self, view);
                let from = match self.is_at_end {
                    true => last,
                    false => self.scroll.min(last),
                };
                self.scroll = moved(from, lines, last);
                self.is_at_end = self.pane() == Some(Pane::Log) && self.scroll == last;
            }
        }
    }

    /// Selects another task of the list.
    fn select_by(&mut self, lines: i64, view: &RunView) {
        let rows = self.rows(view);
        let at = rows
            .iter()
            .position(|row| Some(row.number) == self.selected);
        let next = moved(at.unwrap_or(0), lines, rows.len().saturating_sub(1));
        self.selected = rows.get(next).map(|row| row.number);
        if matches!(
            self.pane(),
            Some(Pane::Task | Pane::Log | Pane::Diff | Pane::Prompt)
        ) {
            self.scroll = 0;
        }
    }

    /// Selects a task that is listed.
    fn keep_selection(&mut self, view: &RunView) {
        let rows = self.rows(view);
        let is_listed = rows.iter().any(|row| Some(row.number) == self.selected);
        if !is_listed {
            self.selected = rows.first().map(|row| row.number);
        }
        self.pair = self.pair.min(view.pairs().len().saturating_sub(1));
    }
}

fn moved(from: usize, by: i64, last: usize) -> usize {
    let to = i64::try_from(from).unwrap_or(i64::MAX).saturating_add(by);
    usize::try_from(to.max(0)).unwrap_or(0).min(last)
}
