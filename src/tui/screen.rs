//! The terminal while the board is on it. Whatever happens, it is given back as it was: on leaving,
//! on an error, a panic, a signal, and while another program uses it.

use std::io::{self, Stdout, Write as _, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{
    self, DisableMouseCapture, EnableMouseCapture, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers, MouseButton, MouseEventKind,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use std::time::Duration;

use crate::tui::basic_colors::BasicColors;
use crate::tui::key::{Input, Key};

/// `true` while the board has the terminal.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

static PANICS: Once = Once::new();

/// The terminal, taken until this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BasicColors<Stdout>>>,
    /// The columns and lines that are drawn.
    size: (u16, u16),
    mouse: bool,
}

/// An event of the terminal.
pub(super) enum Occurred {
    Input(Input),
    Resized(u16, u16),
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn open() -> io::Result<Screen> {
        PANICS.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        let size = terminal_size();
        let mut screen = Screen {
            terminal: blank(size)?,
            size,
            mouse: false,
        };
        screen.take()?;
        Ok(screen)
    }

    /// Takes the terminal again after [`Screen::leave`].
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn take(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        self.set_mouse(self.mouse)?;
        self.repaint()
    }

    /// Gives the terminal back for a while.
    pub(super) fn leave(&mut self) {
        give_back();
    }

    /// Draws a frame; only what differs from the last one is written.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<()> {
        if terminal_size() != self.size {
            self.repaint()?;
        }
        self.terminal.draw(render).map(|_| ())
    }

    /// Draws everything again at the next frame.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        self.size = terminal_size();
        self.terminal = blank(self.size)?;
        execute!(stdout(), Clear(ClearType::All))
    }

    /// Lets the mouse control the board, or select text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn set_mouse(&mut self, is_on: bool) -> io::Result<()> {
        self.mouse = is_on;
        match is_on {
            true => execute!(stdout(), EnableMouseCapture),
            false => execute!(stdout(), DisableMouseCapture),
        }
    }

    /// Writes a control sequence that draws nothing.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn send(&mut self, sequence: &str) -> io::Result<()> {
        let mut out = stdout();
        out.write_all(sequence.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Returns the size of the terminal in columns and lines.
pub(super) fn terminal_size() -> (u16, u16) {
    size().unwrap_or((80, 24))
}

/// Creates the drawing of an empty screen. Its size is fixed, because the one that follows the terminal
/// asks that for the position of the cursor, which not every terminal answers.
fn blank(
    (columns, lines): (u16, u16),
) -> io::Result<Terminal<CrosstermBackend<BasicColors<Stdout>>>> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, columns, lines));
    let backend = CrosstermBackend::new(BasicColors::new(stdout()));
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// Gives the terminal back, once.
pub(super) fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // The terminal may be gone; nothing can be done about it then.
        let _ = execute!(stdout(), DisableMouseCapture, Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Waits for an event of the terminal, at most this long.
///
/// # Errors
/// When the terminal is gone.
pub(super) fn next(wait: Duration) -> io::Result<Option<Occurred>> {
    if !event::poll(wait)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(pressed) if pressed.kind != KeyEventKind::Release => {
            key(pressed).map(|key| Occurred::Input(Input::Key(key)))
        }
        Event::Resize(columns, lines) => Some(Occurred::Resized(columns, lines)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollUp => Some(Occurred::Input(Input::Scroll(-3))),
            MouseEventKind::ScrollDown => Some(Occurred::Input(Input::Scroll(3))),
            MouseEventKind::Down(MouseButton::Left) => {
                Some(Occurred::Input(Input::Click(mouse.row)))
            }
            _ => None,
        },
        _ => None,
    })
}

fn key(pressed: KeyEvent) -> Option<Key> {
    Some(match pressed.code {
        KeyCode::Char(c) if pressed.modifiers.contains(KeyModifiers::CONTROL) => {
            Key::Ctrl(c.to_ascii_lowercase())
        }
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
