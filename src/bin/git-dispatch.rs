//! The program `git-dispatch`, so that `git dispatch …` works; the same as `dispatch`.

use std::process::ExitCode;

#[path = "../main.rs"]
mod program;

fn main() -> ExitCode {
    program::main()
}
