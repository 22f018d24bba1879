//! The loop of the board: waits for keys, changes of the run and signals, and draws what changed.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::base::process::{ProcessError, Program};
use crate::base::terminal::wait_for_hang_up;
use crate::model::run::RunState;
use crate::tui::action::Action;
use crate::tui::draw::draw;
use crate::tui::handle::handle;
use crate::tui::key::Input;
use crate::tui::loader::Loader;
use crate::tui::message::Message;
use crate::tui::outside::Outside;
use crate::tui::palette::command_line;
use crate::tui::screen::{Occurred, Screen, give_back, next, terminal_size};
use crate::tui::source::{follow, read};
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::RunView;
use crate::tui::{Watch, WatchError};
use crate::ui::Ui;

/// The longest wait for a key before messages and signals are looked at.
const WAIT: Duration = Duration::from_millis(100);

/// The signals that the loop handles.
const SIGNALS: [i32; 3] = [SIGINT, SIGTSTP, SIGCONT];

/// The signals after which the process ends.
const ENDS: [i32; 7] = [SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGALRM, SIGUSR1, SIGUSR2];

/// Shows the board until the user leaves it. Returns the last state of the run.
///
/// # Errors
/// When the run cannot be read, or there is no terminal.
pub(super) fn show(watch: Watch, ui: &Ui) -> Result<Arc<RunState>, WatchError> {
    let (repo, run) = (watch.repo.clone(), watch.run.clone());
    let view = read(&repo, &run)?;
    let mut signals = Signals::new(SIGNALS)?;
    let (to, inbox) = channel();
    let mut session = Session {
        ui,
        state: State::new(&view, terminal_size(), watch.commands),
        loader: Loader::start(repo.clone(), to.clone()),
        outside: Outside {
            repo: repo.clone(),
            run: run.clone(),
            clock: watch.clock,
        },
        rings: watch.rings,
        theme: Theme {
            has_color: watch.has_color,
        },
        is_changed: true,
        drawn_at: 0,
        to: to.clone(),
        inbox,
        view,
    };
    follow(repo, run, session.view.state.seq, to);
    end_with_the_terminal()?;
    let mut screen = Screen::open()?;
    let left = session.run(&mut screen, &mut signals);
    drop(screen);
    left.map(|()| session.view.state)
}

/// Ends this process on every signal that would end it, and when the terminal is gone, as it would end
/// without the board, but with the terminal given back. The run goes on.
///
/// The loop cannot do that: reading keys of a terminal that is gone never returns.
fn end_with_the_terminal() -> io::Result<()> {
    let mut signals = Signals::new(ENDS)?;
    let end = |signal| {
        give_back();
        // It does not return; if it did, the board would go on.
        let _ = emulate_default_handler(signal);
    };
    thread::spawn(move || signals.forever().for_each(end));
    thread::spawn(move || {
        if wait_for_hang_up().is_ok() {
            end(SIGHUP);
        }
    });
    Ok(())
}

struct Session<'a> {
    ui: &'a Ui,
    state: State,
    view: RunView,
    loader: Loader,
    outside: Outside,
    theme: Theme,
    /// Rings the bell of the terminal when the run needs attention.
    rings: bool,
    /// `true` if the screen is out of date.
    is_changed: bool,
    /// The second of the last frame, because running tasks show their time.
    drawn_at: i64,
    to: Sender<Message>,
    inbox: Receiver<Message>,
}

impl Session<'_> {
    fn run(&mut self, screen: &mut Screen, signals: &mut Signals) -> Result<(), WatchError> {
        loop {
            self.receive(screen)?;
            self.heed(screen, signals)?;
            self.draw(screen)?;
            let Some(occurred) = next(WAIT)? else {
                continue;
            };
            self.is_changed = true;
            let input = match occurred {
                Occurred::Input(input) => input,
                Occurred::Resized(columns, lines) => {
                    self.state.size = (columns, lines);
                    continue;
                }
            };
            for action in handle(&mut self.state, input, &self.view) {
                if action == Action::Leave {
                    return Ok(());
                }
                self.carry_out(action, screen, signals)?;
            }
        }
    }

    /// Takes the messages of the other threads.
    fn receive(&mut self, screen: &mut Screen) -> Result<(), WatchError> {
        loop {
            let input = match self.inbox.try_recv() {
                Ok(Message::View(view, calls)) => {
                    self.view = view;
                    if calls && self.rings {
                        screen.send("\u{7}")?;
                    }
                    Input::Changed
                }
                Ok(Message::Input(input)) => input,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            };
            self.is_changed = true;
            self.handle_quietly(input);
        }
    }

    /// Handles an input that does not come from the user: all that it can cause is to load a text.
    fn handle_quietly(&mut self, input: Input) {
        for action in handle(&mut self.state, input, &self.view) {
            if let Action::Load(wanted) = action {
                self.loader.load(wanted, Arc::clone(&self.view.state));
            }
        }
    }

    fn draw(&mut self, screen: &mut Screen) -> Result<(), WatchError> {
        let now = self.outside.clock.now();
        let ticks = !self.view.is_over() && now.as_second() != self.drawn_at;
        if ticks {
            self.handle_quietly(Input::Tick);
        }
        if self.is_changed || ticks {
            self.is_changed = false;
            self.drawn_at = now.as_second();
            self.draw_at(screen, now)?;
        }
        Ok(())
    }

    fn draw_at(&self, screen: &mut Screen, now: Timestamp) -> io::Result<()> {
        let (state, view, theme) = (&self.state, &self.view, self.theme);
        screen.draw(|frame| {
            // The size of the frame is newer than the last event of the terminal.
            let size = (frame.area().width, frame.area().height);
            match size == state.size {
                true => draw(frame, state, view, now, theme),
                false => {
                    let state = State {
                        size,
                        ..state.clone()
                    };
                    draw(frame, &state, view, now, theme);
                }
            }
        })
    }

    /// Handles the signals that have come in.
    fn heed(&mut self, screen: &mut Screen, signals: &mut Signals) -> Result<(), WatchError> {
        for signal in signals.pending() {
            match signal {
                SIGTSTP => suspend(screen)?,
                SIGCONT => screen.take()?,
                // It ends this process, as it would without the board; the run goes on.
                signal => {
                    screen.leave();
                    emulate_default_handler(signal)?;
                }
            }
            self.state.size = terminal_size();
            self.is_changed = true;
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        action: Action,
        screen: &mut Screen,
        signals: &mut Signals,
    ) -> Result<(), WatchError> {
        let state = Arc::clone(&self.view.state);
        match action {
            Action::Leave => {}
            Action::Load(wanted) => self.loader.load(wanted, state),
            Action::Request(request) => {
                self.in_background(move |outside| outside.request(&request));
            }
            Action::Retry(task) => self.in_background(move |outside| outside.retry(task)),
            Action::Shell(task) => match self.outside.worktree(&state, task) {
                Some(folder) => {
                    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
                    let words =
                        format!("a shell in the worktree of {task}; exit returns to the board");
                    let program = Program::new(shell).folder(folder);
                    self.on_terminal(&program, Some(&words), screen, signals)?;
                }
                None => self.state.message = Some(format!("the worktree of {task} is gone")),
            },
            Action::Run(words) => {
                let program = std::env::current_exe()?;
                let program = Program::new(program).args(&words);
                let program = program.folder(&self.outside.repo.top);
                self.state.message = Some(format!("ran {}", command_line(&words)));
                self.on_terminal(&program, None, screen, signals)?;
            }
            Action::Copy(text) => screen.send(&crate::tui::clipboard::copy_sequence(&text))?,
            Action::Mouse(is_on) => screen.set_mouse(is_on)?,
            Action::Suspend => suspend(screen)?,
            Action::Repaint => screen.repaint()?,
        }
        Ok(())
    }

    /// Does something that can take a while; a failure becomes a message.
    fn in_background(&self, work: impl FnOnce(&Outside) -> Result<(), String> + Send + 'static) {
        let (outside, to) = (self.outside.clone(), self.to.clone());
        thread::spawn(move || {
            if let Err(why) = work(&outside) {
                let said = Input::Said(format!("not done: {why}"));
                // The board may have been left meanwhile.
                let _ = to.send(Message::Input(said));
            }
        });
    }

    /// Gives the terminal to a program until it ends. Its output stays until the user has read it,
    /// unless it is a program to talk to, which has an introduction instead.
    fn on_terminal(
        &mut self,
        program: &Program,
        introduction: Option<&str>,
        screen: &mut Screen,
        signals: &mut Signals,
    ) -> Result<(), WatchError> {
        screen.leave();
        introduction.iter().for_each(|words| self.ui.status(words));
        let ended = attended(program, signals);
        match ended {
            Err(error) => {
                self.state.message = Some(format!("{error}: {}", error.source));
            }
            Ok(_) if introduction.is_none() => {
                // The answer does not matter, and neither does its absence.
                let _ = self.ui.ask_line("enter returns to the board ");
            }
            Ok(_) => {}
        }
        self.state.size = terminal_size();
        Ok(screen.take()?)
    }
}

/// Runs a program on the terminal until it ends. Ctrl-C is for the program; Ctrl-Z stops this process
/// with it.
fn attended(program: &Program, signals: &mut Signals) -> Result<ExitStatus, ProcessError> {
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| program.on_terminal_with_ctrl_c());
        while !running.is_finished() {
            thread::sleep(WAIT / 2);
            if signals.pending().any(|signal| signal == SIGTSTP) {
                // A failure leaves this process running, which harms nothing.
                let _ = emulate_default_handler(SIGTSTP);
            }
        }
        running.join()
    });
    match ended {
        Ok(ended) => ended,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Gives the terminal back to the shell until it continues this process.
fn suspend(screen: &mut Screen) -> io::Result<()> {
    screen.leave();
    emulate_default_handler(SIGTSTP)?;
    screen.take()
}
