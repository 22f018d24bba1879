//! Keys, independent of the package that reads them.

/// A key press that the board knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// A character.
    Char(char),
    /// Ctrl with a character.
    Ctrl(char),
    Enter,
    Esc,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// Everything that can happen to the board.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Input {
    /// A key press.
    Key(Key),
    /// The mouse wheel, in lines; up is negative.
    Scroll(i32),
    /// A click on a line of the screen, counted from 0.
    Click(u16),
    /// The content of a pane was loaded.
    Loaded(super::content::Wanted, super::content::Content),
    /// An action ended with this message.
    Said(String),
    /// The run has changed.
    Changed,
    /// A second has passed while the run goes on.
    Tick,
}
