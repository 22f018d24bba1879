//! The program `git-dispatch`, so that `git dispatch …` works; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    git_dispatch::cli::main()
}
