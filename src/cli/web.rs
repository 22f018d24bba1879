//! `dispatch web`: shows runs in a browser, or writes the pages to a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::base::process::Program;
use crate::base::text::error_chain;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::ui::Ui;
use crate::ui::waiting::Waiting;
use crate::web::WebError;
use crate::web::export::{Pages, export};
use crate::web::server::serve;

const AFTER_HELP: &str = "\
The first line of standard output is the address with its token. Only this machine can open it, and only a
browser that has opened the whole address sees anything. The pages follow the run while it goes on, and
change nothing without --allow-actions. Ctrl-C ends the server; the run goes on.";

/// Show runs in a browser: board, timeline, conflicts, tasks, report, history
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct WebArgs {
    /// The run [default: a list of all runs; with --export the latest]
    run: Option<String>,
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Let the pages change runs: retry, cancel, pause, review, land; each asks first
    #[arg(long, conflicts_with = "export")]
    allow_actions: bool,
    /// Open the page in your browser
    #[arg(long)]
    open: bool,
    /// Write the pages to this folder instead: they open without a server
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    export: Option<PathBuf>,
}

/// Runs the subcommand until a signal ends it, or until the pages are written.
///
/// # Errors
/// When there is no such run, the port cannot be used, or a page cannot be written.
pub(crate) fn run(args: WebArgs, ui: &Ui) -> CommandResult {
    let here = match args.allow_actions {
        true => RepoContext::open()?,
        false => RepoContext::open_to_read()?,
    };
    if args.allow_actions {
        here.refuse_worker()?;
    }
    if let Some(folder) = &args.export {
        return write_pages(&here, &args, folder, ui);
    }
    let run = args.run.as_deref();
    let run = run.map(|name| here.find_run(Some(name), DefaultRun::Latest));
    let run = run.transpose()?;
    let announce = |address: &str| {
        ui.answer(&format!("{address}\n"));
        ui.hint("open this address in a browser; Ctrl-C ends the server");
        if args.open {
            // A program that opens the browser may wait for its end.
            let (address, ui) = (address.to_owned(), *ui);
            std::thread::spawn(move || open(&address, &ui));
        }
    };
    let place = (here.repo, here.clock);
    serve(place, run, args.port, args.allow_actions, announce)?;
    Ok(ExitStatus::Ok)
}

fn write_pages(here: &RepoContext, args: &WebArgs, folder: &Path, ui: &Ui) -> CommandResult {
    let run = here.find_and_announce_run(args.run.as_deref(), DefaultRun::Latest, ui)?;
    let pages = Arc::new(Pages::default());
    let shown = Arc::clone(&pages);
    let waiting = Waiting::new(ui, "writing pages", move || shown.read());
    let page = export(&here.repo, here.clock, &[run], folder, &pages)?;
    drop(waiting);
    ui.answer(&format!("{}\n", page.display()));
    if args.open {
        open(&page.display().to_string(), ui);
    }
    Ok(ExitStatus::Ok)
}

/// Opens an address or a file with the program that the desktop uses for it.
fn open(target: &str, ui: &Ui) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    if let Err(error) = Program::new(program).arg(target).output() {
        ui.warning(&format!(
            "could not open a browser: {}",
            error_chain(&error)
        ));
    }
}

impl From<WebError> for CommandError {
    fn from(error: WebError) -> CommandError {
        let command = CommandError::failed(error_chain(&error));
        match error {
            WebError::Listen(..) => command.hint("`--port 0` takes a free port"),
            WebError::Occupied(_) => command.hint("name a new or empty folder"),
            WebError::Engine(error) => error.into(),
            WebError::Store(error) => error.into(),
            WebError::Start(_) | WebError::Write(..) => command,
        }
    }
}
