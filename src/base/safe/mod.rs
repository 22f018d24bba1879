//! Text is data: makes foreign text safe for the place where it goes.
//!
//! Foreign is everything that dispatch did not write: plans, settings, names, prompts, output of
//! workers, file names, messages of git. Nothing else in the program turns such text into a part of a
//! line, a document or a command.
//!
//! | place | function |
//! |---|---|
//! | a terminal | [`terminal_safe`], and once more [`terminal::for_terminal`] in `ui` |
//! | JSON | [`json::json_safe`] |
//! | Markdown and its HTML | [`crate::base::markdown`] |
//! | a shell word | [`crate::base::text::shell_word`] |
//! | a ref name, a folder | [`crate::base::text::slug`] |
//! | anything that is kept | [`secrets::Secrets::mask`] |
//! | a command, a name | [`hidden::find_hidden`]: refused, because it cannot be shown |

pub mod hidden;
pub mod json;
pub mod secrets;
pub mod terminal;

pub use terminal::terminal_safe;
