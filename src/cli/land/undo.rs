//! `dispatch unland RUN`: moves the target back to its commit before the run landed.

use clap::Args;

use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::land::session::{Opened, Preview};
use crate::cli::repo_context::DefaultRun;
use crate::engine::land::undo::{Undo, move_back, prepare};
use crate::engine::publish::catch_up;
use crate::model::event::Event;
use crate::model::integration::Landing;
use crate::report::suggest;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Works only if no commit came after the landing. A target that is checked out moves together with its
checkout; if local changes would be overwritten, nothing moves. The old commit of the target is kept
under refs/dispatch/backups/, and the run can land again.";

/// Move the target branch back to its commit before the run landed
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct UnlandArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Only show what would move
    #[arg(long)]
    dry_run: bool,
    /// The answer given in advance.
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Runs the subcommand.
///
/// # Errors
/// When the landing cannot be undone; the target has not moved then.
pub(crate) fn run(args: UnlandArgs, ui: &Ui) -> CommandResult {
    let mut opened = Opened::open(args.run.as_deref(), DefaultRun::Latest, ui)?;
    let preview = Preview::new(ui, args.dry_run);
    let landing = match prepare(&opened.context, &opened.state, opened.now)? {
        Undo::IsBack(landing) => {
            if args.dry_run {
                preview.say(&format!("{} is already back", landing.target));
                return Ok(ExitStatus::Ok);
            }
            landing
        }
        Undo::Due(prepared) => {
            let landing = prepared.landing.clone();
            let (from, to) = (landing.to.short(), landing.from.short());
            preview.say(&format!("{} {from} -> {to}", landing.target));
            preview.say_checkout(&prepared);
            if args.dry_run {
                return Ok(ExitStatus::Ok);
            }
            let question = format!("Take {} back from {}?", opened.run, landing.target);
            args.consent.confirm(ui, &question)?;
            opened.record(Event::LandingUndoStarting {
                landing: landing.clone(),
            })?;
            move_back(&opened.context, &opened.lock, &prepared)?;
            landing
        }
    };
    opened.record(Event::LandingUndone {
        landing: landing.clone(),
    })?;
    let state = opened.here.read_state(&opened.run)?;
    catch_up(&opened.context, &state)?;
    say(&landing, ui);
    ui.hint(&format!("`{}` lands it again", suggest::land(&opened.run)));
    Ok(ExitStatus::Ok)
}

fn say(landing: &Landing, ui: &Ui) {
    let (target, now, was) = (&landing.target, landing.from.short(), landing.to.short());
    ui.answer_text(&format!("{target} is back at {now} (was {was})\n"));
    if let Some(backup) = &landing.backup {
        ui.status(&format!("its old commit is kept as {backup}"));
    }
}
