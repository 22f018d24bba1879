//! `dispatch plugin`: makes dispatch usable from inside coding agents.

mod content;
mod created_files;
mod registration;
mod skill;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::content::{FILES, SKILL};
use self::registration::Agent;
use self::skill::{InstalledSkill, SkillHome, SkillState};
use crate::base::text::{shell_word, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
The skill goes into .claude/skills and .agents/skills. The server is registered by the command of each
agent that is installed, such as `claude mcp add`. A file that dispatch did not write, or that you have
changed, is never touched.";

/// Make dispatch usable from inside coding agents: its skill and its tools
#[derive(Args, Debug)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Subcommand, Debug)]
enum PluginCommand {
    Install(InstallArgs),
    Uninstall(UninstallArgs),
    Export(ExportArgs),
}

/// Install the skill and register the tools
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
struct InstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only for this agent; may be repeated [default: every agent that is installed]
    #[arg(long, value_name = "NAME")]
    agent: Vec<Agent>,
    /// Do not register the tools: the skill works with the command line alone
    #[arg(long)]
    skill_only: bool,
    /// Only show what would be written and run
    #[arg(long)]
    dry_run: bool,
    /// The answer given in advance.
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Remove the skill and the registrations that `dispatch plugin install` made
#[derive(Args, Debug)]
struct UninstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only show what would be removed and run
    #[arg(long)]
    dry_run: bool,
    /// The answer given in advance.
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Write the whole plugin into a new folder, which agents take as a marketplace
#[derive(Args, Debug)]
struct ExportArgs {
    /// The folder, which must not exist
    dir: PathBuf,
}

#[derive(Args, Debug)]
struct PlaceArgs {
    /// For the project around the current folder [default inside a repository]
    #[arg(long, conflicts_with = "user")]
    project: bool,
    /// For all your projects [default outside a repository]
    #[arg(long)]
    user: bool,
}

/// The reach of an installation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Project,
    User,
}

impl Scope {
    /// Returns the word for it on the command lines of agents.
    fn word(self) -> &'static str {
        match self {
            Scope::Project => "project",
            Scope::User => "user",
        }
    }
}

/// The folder below which the plugin is installed.
struct Place {
    scope: Scope,
    root: PathBuf,
}

impl PlaceArgs {
    fn find(&self) -> Result<Place, CommandError> {
        let here = match self.user {
            true => None,
            false => RepoContext::open_if_any()?,
        };
        match here {
            Some(here) => Ok(Place {
                scope: Scope::Project,
                root: here.repo.top,
            }),
            None if self.project => Err(CommandError::failed(
                "the current folder is not in a repository",
            )
            .hint("go to the project, or install for all projects with `--user`")),
            None => Ok(Place {
                scope: Scope::User,
                root: home()?,
            }),
        }
    }
}

fn home() -> Result<PathBuf, CommandError> {
    let home = std::env::home_dir().filter(|home| home.is_absolute() && home.is_dir());
    home.ok_or_else(|| {
        CommandError::failed("the home folder is unknown").hint("set the variable HOME")
    })
}

impl Place {
    /// Renders the reach for a question.
    fn words(&self) -> &'static str {
        match self.scope {
            Scope::Project => "in this project",
            Scope::User => "for all your projects",
        }
    }

    /// Tells the reach where the user has not named it.
    fn say(&self, args: &PlaceArgs, ui: &Ui) {
        if self.scope == Scope::User && !args.user {
            ui.status("not in a repository: this is about all your projects, as with `--user`");
        }
    }

    fn skill(&self, home: SkillHome) -> InstalledSkill {
        let shown = match self.scope {
            Scope::Project => "",
            Scope::User => "~/",
        };
        InstalledSkill::new(&self.root, shown, home)
    }
}

/// Runs `dispatch plugin`.
///
/// # Errors
/// When something cannot be written, or the user declines.
pub(crate) fn run(args: PluginArgs, ui: &Ui) -> CommandResult {
    match args.command {
        PluginCommand::Install(args) => install(&args, ui),
        PluginCommand::Uninstall(args) => uninstall(&args, ui),
        PluginCommand::Export(args) => export(&args.dir, ui),
    }
}

fn install(args: &InstallArgs, ui: &Ui) -> CommandResult {
    let place = args.place.find()?;
    place.say(&args.place, ui);
    let agents = agents(args)?;
    let homes: BTreeSet<SkillHome> = match args.agent.is_empty() {
        true => BTreeSet::from([SkillHome::Claude, SkillHome::Agents]),
        false => agents.iter().map(|agent| agent.skill_home()).collect(),
    };
    let skills: Vec<InstalledSkill> = homes.into_iter().map(|home| place.skill(home)).collect();
    let mut written = Vec::new();
    for skill in &skills {
        refuse_outside(&place, skill)?;
        let state = state(skill)?;
        say_install(skill, state, ui);
        if matches!(state, SkillState::Absent | SkillState::Outdated) {
            written.push(skill);
        }
    }
    let known: BTreeSet<String> = skills.iter().flat_map(InstalledSkill::agents).collect();
    let is_new = |agent: &Agent| !args.skill_only && !known.contains(agent.name());
    let new: Vec<Agent> = agents.into_iter().filter(is_new).collect();
    for agent in &new {
        let line = agent.add(place.scope).join(" ");
        ui.answer(&format!("run    {line}{}\n", agent.reach(place.scope)));
    }
    if written.is_empty() && new.is_empty() {
        ui.answer("nothing to do\n");
        return Ok(ExitStatus::Ok);
    }
    if args.dry_run {
        return Ok(ExitStatus::Ok);
    }
    let question = format!("Install the plugin {}?", place.words());
    args.consent.confirm(ui, &question)?;
    let before = created_files::existing(&place.root);
    let registered = register(&place, &new, ui);
    let after = created_files::existing(&place.root);
    let mut created = created_by(&skills);
    created.extend(after.difference(&before).cloned());
    let failed_all = !new.is_empty() && registered.is_empty();
    let all: Vec<String> = known.into_iter().chain(registered).collect();
    // An unchanged skill gets a record with the new registrations, too.
    let own = |skill: &&InstalledSkill| {
        matches!(
            state(skill),
            Ok(SkillState::Absent | SkillState::Outdated | SkillState::Current)
        )
    };
    for skill in skills.iter().filter(own) {
        skill
            .write(SKILL, &all, &created)
            .map_err(|error| failed(&skill.shown, &error))?;
    }
    if failed_all {
        return Err(by_hand(
            "the tools are not registered with any agent",
            new.iter().map(|agent| agent.add(place.scope)),
        ));
    }
    ui.hint("start the agent again; `dispatch plugin uninstall` removes it");
    Ok(ExitStatus::Ok)
}

/// Lists the configuration files that registrations created.
fn created_by(skills: &[InstalledSkill]) -> BTreeSet<String> {
    let created = skills.iter().flat_map(InstalledSkill::created_files);
    created.collect()
}

/// Returns the agents of the command line, or those that are installed.
fn agents(args: &InstallArgs) -> Result<Vec<Agent>, CommandError> {
    if args.agent.is_empty() {
        return Ok(Agent::ALL
            .into_iter()
            .filter(|agent| agent.is_installed())
            .collect());
    }
    let missing = args.agent.iter().find(|agent| !agent.is_installed());
    if let Some(agent) = missing.filter(|_| !args.skill_only) {
        let name = agent.name();
        return Err(CommandError::failed(format!(
            "the program {name:?} was not found on PATH, so that it cannot register the tools"
        ))
        .hint("install it, or write only the skill with `--skill-only`"));
    }
    Ok(args.agent.clone())
}

fn state(skill: &InstalledSkill) -> Result<SkillState, CommandError> {
    skill
        .state(SKILL)
        .map_err(|error| failed(&skill.shown, &error))
}

/// Refuses a folder of skills that is linked to a place outside of the project: what is written there
/// would not be where it is shown.
fn refuse_outside(place: &Place, skill: &InstalledSkill) -> Result<(), CommandError> {
    if place.scope == Scope::User {
        return Ok(());
    }
    let outside = skill.link_outside(&place.root);
    let Some((link, to)) = outside.map_err(|error| failed(&skill.shown, &error))? else {
        return Ok(());
    };
    let name = |path: &Path| terminal_safe(&path.display().to_string());
    Err(CommandError::failed(format!(
        "{} is a link to {}, outside of the project; nothing was changed",
        name(&link),
        name(&to)
    ))
    .hint("replace the link by a folder, or install for all projects with `--user`"))
}

fn failed(shown: &str, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!("could not use {shown}: {error}"))
}

fn say_install(skill: &InstalledSkill, state: SkillState, ui: &Ui) {
    let shown = &skill.shown;
    match state {
        SkillState::Absent => ui.answer(&format!("write  {shown}\n")),
        SkillState::Outdated => ui.answer(&format!("update {shown}\n")),
        SkillState::Current => ui.answer(&format!("keep   {shown}: it is up to date\n")),
        SkillState::Changed => say_changed(shown, ui),
        SkillState::Foreign => say_foreign(shown, ui),
    }
}

fn say_changed(shown: &str, ui: &Ui) {
    ui.warning(&format!(
        "{shown} was changed after it was written, and stays as it is"
    ));
}

fn say_foreign(shown: &str, ui: &Ui) {
    ui.warning(&format!(
        "{shown} was not written by dispatch, and stays as it is"
    ));
}

/// Makes an error that names the commands to run by hand.
fn by_hand(what: &str, commands: impl Iterator<Item = Vec<&'static str>>) -> CommandError {
    let commands: Vec<String> = commands
        .map(|command| format!("`{}`", command.join(" ")))
        .collect();
    CommandError::failed(what).hint(format!("run by hand: {}", commands.join(", ")))
}

/// Registers the server with the agents, and returns the names of those that took it.
fn register(place: &Place, agents: &[Agent], ui: &Ui) -> Vec<String> {
    let mut registered = Vec::new();
    for agent in agents {
        match registration::run(&agent.add(place.scope), &place.root) {
            Ok(()) => registered.push(agent.name().to_owned()),
            Err(said) => {
                let (name, said) = (agent.name(), terminal_safe(&said));
                ui.warning(&format!("{name} did not register the tools: {said}"));
            }
        }
    }
    registered
}

fn uninstall(args: &UninstallArgs, ui: &Ui) -> CommandResult {
    let place = args.place.find()?;
    place.say(&args.place, ui);
    let skills = [SkillHome::Claude, SkillHome::Agents].map(|home| place.skill(home));
    let known: BTreeSet<String> = skills.iter().flat_map(InstalledSkill::agents).collect();
    let mut removed = Vec::new();
    for skill in &skills {
        refuse_outside(&place, skill)?;
        match state(skill)? {
            SkillState::Current | SkillState::Outdated => {
                ui.answer(&format!("remove {}\n", skill.shown));
                removed.push(skill);
            }
            SkillState::Changed => say_changed(&skill.shown, ui),
            SkillState::Foreign => say_foreign(&skill.shown, ui),
            SkillState::Absent if skill.is_only_record() => removed.push(skill),
            SkillState::Absent => {}
        }
    }
    let agents = Agent::ALL
        .into_iter()
        .filter(|agent| known.contains(agent.name()));
    let mut commands = Vec::new();
    for agent in agents {
        match agent.remove(place.scope) {
            Some(command) => {
                ui.answer(&format!("run    {}\n", command.join(" ")));
                commands.push((agent, command));
            }
            None => ui.warning(&format!(
                "{} has no command that removes a server: remove `dispatch` under `mcp` from its \
                 configuration",
                agent.name()
            )),
        }
    }
    if removed.is_empty() && commands.is_empty() {
        ui.answer("nothing to do\n");
        return Ok(ExitStatus::Ok);
    }
    if args.dry_run {
        return Ok(ExitStatus::Ok);
    }
    let question = format!("Remove the plugin {}?", place.words());
    args.consent.confirm(ui, &question)?;
    let created = created_by(&skills);
    let left = unregister(&place, commands, ui);
    created_files::remove_empty(&place.root, &created)
        .map_err(|error| failed("the configuration of an agent", &error))?;
    remove_skills(&skills, &removed, &left)?;
    match left.is_empty() {
        true => Ok(ExitStatus::Ok),
        false => {
            let left = left.into_iter().map(|(_, command)| command);
            let error = by_hand("some registrations are still there", left);
            Err(error.hint("or make the agent work, then run `dispatch plugin uninstall` again"))
        }
    }
}

/// An agent, with the command that removes its registration.
type Removal = (Agent, Vec<&'static str>);

/// Removes the registrations, and returns those that could not be removed.
fn unregister(place: &Place, commands: Vec<Removal>, ui: &Ui) -> Vec<Removal> {
    let is_left = |(agent, command): &Removal| match registration::run(command, &place.root) {
        Ok(()) => false,
        Err(said) => {
            let (name, said) = (agent.name(), terminal_safe(&said));
            ui.warning(&format!("{name} did not remove the tools: {said}"));
            true
        }
    };
    commands.into_iter().filter(is_left).collect()
}

/// Removes the skills. While a registration is left, one record of it stays.
fn remove_skills(
    skills: &[InstalledSkill],
    removed: &[&InstalledSkill],
    left: &[Removal],
) -> Result<(), CommandError> {
    let names: Vec<String> = left
        .iter()
        .map(|(agent, _)| agent.name().to_owned())
        .collect();
    for skill in skills {
        let done = match (removed.contains(&skill), names.is_empty()) {
            (true, true) => skill.remove(),
            (true, false) => skill.remove_but_record(&names),
            // A skill that the user has changed stays; its record is of what is still registered.
            (false, _) => skill.record_agents(&names),
        };
        done.map_err(|error| failed(&skill.shown, &error))?;
    }
    Ok(())
}

/// Writes the files of the plugin into a new folder.
fn export(folder: &Path, ui: &Ui) -> CommandResult {
    let name = terminal_safe(&folder.display().to_string());
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::failed(format!("{name} exists already"))
            .hint("choose another name or remove it first"),
        _ => CommandError::failed(format!("could not write {name}: {error}")),
    };
    fs::create_dir(folder).map_err(failed)?;
    for (path, text) in FILES {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
        fs::write(path, text).map_err(failed)?;
    }
    ui.answer(&format!("{name}\n"));
    // A path without a folder in front is read as OWNER/REPO.
    let is_plain = folder.is_relative() && !name.starts_with('.');
    let place = if is_plain { format!("./{name}") } else { name };
    ui.hint(&format!(
        "`claude plugin marketplace add {}` takes it; its README names the others",
        shell_word(&place)
    ));
    Ok(ExitStatus::Ok)
}
