//! The command line: one file per subcommand.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::CompleteEnv;

mod acceptance;
mod agent_client;
mod assemble;
mod attach;
mod attempt;
mod blame;
mod branches;
mod clean;
mod completions;
mod confirm;
mod conflicts;
mod control;
mod demo;
mod diff;
mod disk;
mod doctor;
mod drive;
mod editor;
pub mod error;
mod github;
pub mod help;
mod init;
mod land;
mod log;
mod logs;
mod man;
mod mcp;
mod mistyped;
mod node_attempt;
mod output;
mod plan;
mod plan_import;
mod plan_new;
mod plan_source;
mod plugin;
mod pool;
mod prompt;
mod repo_context;
mod resolve;
mod resume;
mod retry;
mod review;
pub mod run;
mod share;
mod show;
mod stats;
mod status;
mod tell;
mod trust;
mod wait;
mod watch;
mod web;
mod workers;

use error::{CommandError, CommandResult, ExitStatus};

use crate::exec::{SHIM_ARGUMENT, shim};
use crate::ui::{Ui, trace};

/// Run a plan of tasks in parallel git worktrees, find conflicts, assemble, land
#[derive(Parser, Debug)]
#[command(
    name = "dispatch",
    version,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
RUN is the name of a run, such as shop-7k3q, or a unique beginning of it. Without one, a command uses the latest run, or the latest one it can apply to. TASK is a number or a tag.

Exit codes:
  0    everything that was asked for happened
  1    the command failed, or a question was answered no
  2    invalid command line or plan
  3    the run ended and a task did not pass
  4    the run needs attention: a conflict or a failed check
  5    another dispatch process holds the run
  130  interrupted

`dispatch help` lists the chapters of the manual. `dispatch demo` shows a whole run.";

#[derive(Subcommand, Debug)]
enum Command {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Plan(plan::PlanArgs),
    Prompt(prompt::PromptArgs),
    Run(run::RunArgs),
    Resume(resume::ResumeArgs),
    Watch(watch::WatchArgs),
    Wait(wait::WaitArgs),
    Pause(control::PauseArgs),
    Cancel(control::CancelArgs),
    Status(status::StatusArgs),
    Board(status::BoardArgs),
    Report(status::ReportArgs),
    Output(output::OutputArgs),
    Logs(logs::LogsArgs),
    Show(show::ShowArgs),
    Diff(diff::DiffArgs),
    Tell(tell::TellArgs),
    Attach(attach::AttachArgs),
    Retry(retry::RetryArgs),
    Skip(retry::SkipArgs),
    Conflicts(conflicts::ConflictsArgs),
    Assemble(assemble::AssembleArgs),
    Resolve(resolve::ResolveArgs),
    Review(review::ReviewArgs),
    Land(land::LandArgs),
    Unland(land::undo::UnlandArgs),
    Clean(clean::CleanArgs),
    Doctor(doctor::DoctorArgs),
    Workers(workers::WorkersArgs),
    Trust(trust::TrustArgs),
    History(status::HistoryArgs),
    Log(log::LogArgs),
    Stats(stats::StatsArgs),
    Blame(blame::BlameArgs),
    Push(share::PushArgs),
    Fetch(share::FetchArgs),
    Github(github::GithubArgs),
    Web(web::WebArgs),
    Mcp(mcp::McpArgs),
    Plugin(plugin::PluginArgs),
    Help(help::HelpArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Drive a run away from the terminal; started by dispatch itself
    #[command(name = "__drive", hide = true)]
    Drive {
        /// The run
        run: String,
        /// Compare the run with the repository first
        #[arg(long)]
        resume: bool,
    },
    /// Show a run on GitHub while it is driven; started by dispatch itself
    #[command(name = "__mirror", hide = true)]
    Mirror {
        /// The run
        run: String,
    },
    /// Supervise one attempt; started by dispatch itself
    #[command(name = "__attempt", hide = true)]
    Attempt {
        /// The folder of the attempt
        folder: PathBuf,
    },
    /// Carry out one attempt on this node; started by the executor of another machine
    #[command(name = "node-attempt", hide = true)]
    NodeAttempt(node_attempt::NodeAttemptArgs),
    /// Speak to an agent by the Agent Client Protocol; started by dispatch itself
    #[command(name = "__acp", hide = true)]
    Acp(agent_client::AcpArgs),
    /// Feed an agent with a stream of prompts; started by dispatch itself
    #[command(name = "__feed", hide = true)]
    Feed(agent_client::FeedArgs),
}

/// Runs the program: parses the command line, runs the subcommand, reports an error.
pub fn main() -> ExitCode {
    match answer_completion() {
        Ok(true) => return ExitCode::SUCCESS,
        // A shell that completes a line shows no messages.
        Err(_) => return ExitCode::FAILURE,
        Ok(false) => {}
    }
    let ui = Ui::new().drawing(!start_trace(&Ui::new()));
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match parse(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is not an error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match cli.command.run(&ui) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            ui.error(&error.message);
            error.hints.iter().for_each(|hint| ui.hint(hint));
            ExitCode::from(error.exit as u8)
        }
    }
}

/// Completes a command line if a shell asks for that.
fn answer_completion() -> clap::error::Result<bool> {
    let program = || completions::candidates::with_candidates(command());
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(program)
        .var(completions::VARIABLE)
        .bin("dispatch")
        .try_complete(std::env::args_os(), folder.as_deref())
}

fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    // Each attempt starts a supervisor.
    if let [_, word, folder] = args
        && word == SHIM_ARGUMENT
        && Path::new(folder).is_absolute()
    {
        let folder = PathBuf::from(folder);
        let command = Command::Attempt { folder };
        return Ok(Cli { command });
    }
    // The help of all commands takes longer to render than most commands take to run.
    if let Ok(matches) = bare_command().try_get_matches_from(args) {
        return Cli::from_arg_matches(&matches);
    }
    let program = command_within(help::width(&Ui::new()));
    let matches = program.clone().try_get_matches_from(args);
    let matches = matches.map_err(|error| mistyped::with_suggestion(error, &program, args))?;
    Cli::from_arg_matches(&matches)
}

/// Builds the command line of the program, with its whole help as it is outside of a terminal.
pub fn command() -> clap::Command {
    command_within(help::PLAIN_WIDTH)
}

/// Builds the command line of the program, with help that is `columns` wide.
fn command_within(columns: usize) -> clap::Command {
    let program = help::examples::with_examples(bare_command(), columns);
    help::groups::with_groups(program, columns).term_width(columns)
}

/// Builds the command line without groups and examples in its help.
pub(crate) fn bare_command() -> clap::Command {
    Cli::command()
}

/// Starts the trace output that `DISPATCH_LOG` asks for; `true` if it is on.
fn start_trace(ui: &Ui) -> bool {
    let filter = std::env::var(trace::VARIABLE).unwrap_or_default();
    if filter.is_empty() {
        return false;
    }
    match trace::start(&filter) {
        Ok(()) => true,
        Err(error) => {
            ui.warning(&error.to_string());
            false
        }
    }
}

impl Command {
    fn run(self, ui: &Ui) -> CommandResult {
        match self {
            Command::Run(args) => run::run(args, ui),
            Command::Plan(args) => plan::run(args, ui),
            Command::Prompt(args) => prompt::run(args, ui),
            Command::Watch(args) => watch::run(args, ui),
            Command::Wait(args) => wait::run(args, ui),
            Command::Pause(args) => control::pause(args, ui),
            Command::Cancel(args) => control::cancel(args, ui),
            Command::Output(args) => output::run(args, ui),
            Command::Status(args) => status::status(args, ui),
            Command::Board(args) => status::board(args, ui),
            Command::Logs(args) => logs::run(args, ui),
            Command::Show(args) => show::run(args, ui),
            Command::Diff(args) => diff::run(args, ui),
            Command::Report(args) => status::report(args, ui),
            Command::Conflicts(args) => conflicts::run::run(args, ui),
            Command::Resolve(args) => resolve::run(args, ui),
            Command::Review(args) => review::run(args, ui),
            Command::Land(args) => land::run(args, ui),
            Command::Unland(args) => land::undo::run(args, ui),
            Command::Resume(args) => resume::resume(args, ui),
            Command::Attach(args) => attach::run(args, ui),
            Command::Tell(args) => tell::run(args, ui),
            Command::Retry(args) => retry::retry(args, ui),
            Command::Skip(args) => retry::skip(args, ui),
            Command::Assemble(args) => assemble::run(args, ui),
            Command::Clean(args) => clean::run(args, ui),
            Command::Doctor(args) => doctor::run(args, ui),
            Command::Workers(args) => workers::run(args, ui),
            Command::Trust(args) => trust::run(args, ui),
            Command::History(args) => status::history(args, ui),
            Command::Log(args) => log::run(args, ui),
            Command::Stats(args) => stats::run(args, ui),
            Command::Blame(args) => blame::run(args, ui),
            Command::Push(args) => share::push_run(args, ui),
            Command::Fetch(args) => share::fetch_runs(args, ui),
            Command::Github(args) => github::run(args, ui),
            Command::Web(args) => web::run(args, ui),
            Command::Mcp(args) => mcp::run(args, ui),
            Command::Plugin(args) => plugin::run(args, ui),
            Command::Help(args) => help::run(&args, command_within(help::width(ui)), ui),
            Command::Completions(args) => completions::run(&args, ui),
            Command::Man(args) => man::run(&args, bare_command(), ui),
            Command::Init(args) => init::run(args, ui),
            Command::Demo(args) => demo::run(args, ui),
            Command::Drive { run, resume: true } => resume::resume_detached(&run, ui),
            Command::Drive { run, resume: false } => drive::reopen::drive_detached(&run, ui),
            Command::Mirror { run } => github::mirror_detached(&run, ui),
            Command::NodeAttempt(args) => node_attempt::run(args, ui),
            Command::Acp(args) => agent_client::run(args),
            Command::Feed(args) => agent_client::feed(args),
            Command::Attempt { folder } => match shim::main(&folder) {
                0 => Ok(ExitStatus::Ok),
                _ => Err(CommandError::failed("the attempt could not be supervised")),
            },
        }
    }
}
