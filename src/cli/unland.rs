//! `dispatch unland RUN`: move the target back to what it was before the run landed.

use clap::Args;

use crate::cli::Answer;
use crate::cli::driving::context;
use crate::cli::error::Exit;
use crate::cli::land::record;
use crate::cli::place::{Default, Place};
use crate::cli::question::Consent;
use crate::engine::EngineError;
use crate::engine::publish::catch_up;
use crate::engine::recover::{free_references, free_target, load};
use crate::engine::unland::{Taken, carry_out, prepare};
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::integration::Landing;
use crate::model::suggest;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Only if nothing came after the landing. A target that is checked out moves together with its
checkout; local changes that are in the way stop it before anything moves. What the target was is
kept under refs/dispatch/backups/, and the run can land again.";

/// Move the target branch back to what it was before the run landed
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub struct UnlandArgs {
    /// The run [default: the latest]
    pub run: Option<String>,
    /// Only show what would move
    #[arg(long)]
    pub dry_run: bool,
    /// Whether to ask
    #[command(flatten)]
    pub consent: Consent,
}

/// Runs the subcommand.
///
/// # Errors
/// Why the landing cannot be taken back; the target has not moved then.
pub fn run(args: UnlandArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let run = place.find_run(args.run.as_deref(), Default::Latest)?;
    let _lock = place.lock(&run)?;
    let loaded = place.load(&run)?;
    let state = loaded.state;
    free_references(&place.repo, &run, &loaded.settings)?;
    free_target(&place.repo, &state)?;
    let mut journal = Journal::reopen(&place.repo, &loaded.replayed).map_err(EngineError::from)?;
    let context = context(&place.repo, &state, loaded.settings, place.clock)?;
    let now = place.clock.now();
    let landing = match prepare(&context, &state, now)? {
        Taken::IsBack(landing) => {
            if args.dry_run {
                ui.status(&format!("{} is back already", landing.target));
                return Ok(Exit::Ok);
            }
            landing
        }
        Taken::Due(prepared) => {
            let landing = prepared.landing.clone();
            let (from, to) = (landing.to.short(), landing.from.short());
            ui.status(&format!("{} {from} -> {to}", landing.target));
            if let Some(checkout) = &prepared.checkout {
                let checkout = checkout.display();
                ui.status(&format!("the checkout in {checkout} moves with it"));
            }
            if args.dry_run {
                return Ok(Exit::Ok);
            }
            args.consent
                .confirm(ui, &format!("Take {run} back from {}?", landing.target))?;
            let starting = Event::UnlandingStarting {
                landing: landing.clone(),
            };
            record(&mut journal, starting, now)?;
            carry_out(&context, &prepared)?;
            landing
        }
    };
    let unlanded = Event::Unlanded {
        landing: landing.clone(),
    };
    record(&mut journal, unlanded, place.clock.now())?;
    let state = load(&place.store, &run)?.state;
    catch_up(&context, &state)?;
    say(&landing, ui);
    ui.hint(&format!("`{}` lands it again", suggest::land(&run)));
    Ok(Exit::Ok)
}

fn say(landing: &Landing, ui: &Ui) {
    let (target, now, was) = (&landing.target, landing.from.short(), landing.to.short());
    ui.answer(&format!("{target} is back at {now} (was {was})\n"));
    if let Some(backup) = &landing.backup {
        ui.status(&format!("what it was is kept as {backup}"));
    }
}
