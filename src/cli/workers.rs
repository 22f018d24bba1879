//! `dispatch workers`: lists the worker profiles and those that this machine can run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::clock::render_duration;
use crate::base::markdown::plain_line;
use crate::base::process::{Program, find_program};
use crate::base::table::wrapped_table;
use crate::base::text::one_line;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::cli::status::pretty;
use crate::config::variable::Overrides;
use crate::config::{self, Settings, builtin};
use crate::journal::runs;
use crate::model::ids::RunId;
use crate::model::worker::Worker;
use crate::report::words::minute;
use crate::ui::Ui;

/// The longest wait for an agent's version; some load a whole runtime for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of runs that are searched for parked workers.
const NEWEST: usize = 20;

/// List the workers with their installed versions and settings
#[derive(Args, Debug, Clone)]
pub(crate) struct WorkersArgs {
    /// Print them as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the configuration is invalid.
pub(crate) fn run(args: WorkersArgs, ui: &Ui) -> CommandResult {
    let place = RepoContext::open_if_any()?;
    let folder = match &place {
        Some(place) => place.repo.top.clone(),
        None => std::env::current_dir().unwrap_or_default(),
    };
    let settings = config::load(&folder, None, &Overrides::default())?;
    let found = survey(&settings, &folder);
    let parked = place.as_ref().map(parked).unwrap_or_default();
    let rows: Vec<Row<'_>> = settings
        .workers
        .values()
        .zip(found)
        .map(|(worker, found)| Row {
            settings: &settings,
            worker,
            found,
            parked: parked.get(&worker.name),
        })
        .collect();
    match args.json {
        true => {
            let workers: Vec<Value> = rows.iter().map(Row::value).collect();
            let all = json!({"version": 1, "default": settings.run.worker, "workers": workers});
            ui.answer(&pretty(&all));
        }
        false => ui.answer(&render(&rows, ui.columns())),
    }
    Ok(ExitStatus::Ok)
}

/// The run that recorded a worker's rate limit, and the end of that limit.
type Parked = (RunId, Timestamp);

/// Finds the workers that the newest runs wait for. An ended run counts, too, because the limit
/// belongs to the account.
fn parked(here: &RepoContext) -> BTreeMap<String, Parked> {
    let now = here.clock.now();
    let runs = runs::list(&here.store).unwrap_or_default();
    let mut parked: BTreeMap<String, Parked> = BTreeMap::new();
    for entry in runs.iter().rev().take(NEWEST) {
        // A run that cannot be read tells nothing about workers.
        let Ok(state) = here.read_state(&entry.run) else {
            continue;
        };
        for (worker, parking) in state.worker_health.parked(now) {
            let said = (entry.run.clone(), parking.until);
            parked.entry(worker.to_owned()).or_insert(said);
        }
    }
    parked
}

/// The program of a worker on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    /// The worker has no program of its own: its command is the task's, or a placeholder.
    NoProgram,
    /// It is not on `PATH`.
    Missing,
    /// It is installed. Only agents known by name are asked for their version, because another
    /// program may do anything with that option.
    Here {
        path: PathBuf,
        version: Option<Result<String, String>>,
    },
}

/// Looks up the programs of all workers, in order, and asks them in parallel for their versions. A program
/// that the repository names or holds is never started.
fn survey(settings: &Settings, top: &Path) -> Vec<Found> {
    let brought = settings.brought.as_ref();
    let is_brought = |name: &String| brought.is_some_and(|brought| brought.workers.contains(name));
    let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    let programs = settings.workers.values().map(|worker| {
        let program = worker.command.first()?;
        let may_ask = !program.contains('/') || !is_brought(&worker.name);
        (!program.contains('{')).then(|| (program.clone(), may_ask))
    });
    let asking = programs.map(|program| {
        let top = top.clone();
        let look = move |(name, may_ask): (String, bool)| look_for(&name, may_ask.then_some(&top));
        thread::spawn(move || program.map(look))
    });
    // All are asked before the first answer is awaited.
    let asking: Vec<_> = asking.collect();
    let found = asking.into_iter().map(|asked| asked.join().ok().flatten());
    found
        .map(|found| found.unwrap_or(Found::NoProgram))
        .collect()
}

/// Finds a program; without `top`, or below it, it is not asked for its version.
fn look_for(name: &str, top: Option<&PathBuf>) -> Found {
    // The version is asked for in another folder.
    let found = find_program(name).and_then(|path| std::path::absolute(path).ok());
    let Some(path) = found else {
        return Found::Missing;
    };
    let is_known = |agent: &builtin::KnownAgent| {
        path.file_name()
            .is_some_and(|file| file.to_string_lossy() == agent.program)
    };
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    let is_foreign = top.is_none_or(|top| real.starts_with(top));
    let is_asked = builtin::AGENTS.iter().any(is_known) && !is_foreign;
    let version = is_asked.then(|| version(&path));
    Found::Here { path, version }
}

/// Runs `--version` in an empty folder and without network, so that the program cannot update
/// itself.
fn version(path: &PathBuf) -> Result<String, String> {
    const NOWHERE: &str = "http://127.0.0.1:9";
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let quiet = [
        ("CI", "1"),
        ("NO_COLOR", "1"),
        ("NO_UPDATE_NOTIFIER", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("HTTP_PROXY", NOWHERE),
        ("HTTPS_PROXY", NOWHERE),
        ("ALL_PROXY", NOWHERE),
        ("http_proxy", NOWHERE),
        ("https_proxy", NOWHERE),
        ("all_proxy", NOWHERE),
    ];
    let program = Program::new(path).arg("--version").folder(folder.path());
    let program = quiet
        .into_iter()
        .fold(program, |program, (name, value)| program.env(name, value));
    let program = program.env_remove("NO_PROXY").env_remove("no_proxy");
    match program.output_within(PATIENCE) {
        Err(error) => Err(one_line(&crate::base::text::error_chain(&error))),
        Ok(None) => Err(format!("no answer within {}", render_duration(PATIENCE))),
        Ok(Some(ended)) if !ended.status.success() => Err(ended.status.to_string()),
        Ok(Some(ended)) => {
            let said = [ended.stdout, ended.stderr].concat();
            version_in(&String::from_utf8_lossy(&said))
                .ok_or_else(|| "printed no version".to_owned())
        }
    }
}

/// Extracts the first word with numbers and dots: `2.1.330 (Claude Code)`, `codex-cli 0.169.0`,
/// `v1.18.33`.
fn version_in(said: &str) -> Option<String> {
    let words = said.split_whitespace().map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        word.strip_prefix('v').unwrap_or(word)
    });
    let is_version = |word: &&str| {
        let mut parts = word.split('.');
        let is_number = |part: &str| part.parse::<u64>().is_ok();
        parts.next().is_some_and(is_number)
            && parts
                .next()
                .is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut versions = words.filter(is_version);
    versions.next().map(|word| plain_line(word, 40))
}

/// A row of the output.
struct Row<'a> {
    settings: &'a Settings,
    worker: &'a Worker,
    found: Found,
    parked: Option<&'a Parked>,
}

impl Row<'_> {
    fn is_default(&self) -> bool {
        self.worker.name == self.settings.run.worker
    }

    /// Returns the origin of the profile.
    fn origin(&self) -> &'static str {
        match builtin::workers().get(&self.worker.name) {
            None => "configured",
            Some(known) if known == self.worker => "built-in",
            Some(_) => "changed",
        }
    }

    /// Lists the limits of an attempt by their configuration names; `null` for no limit.
    fn limits(&self) -> Vec<(&'static str, Value)> {
        let (worker, run) = (self.worker, &self.settings.run);
        let time = |own: Option<Duration>, usual| json!(render_duration(own.unwrap_or(usual)));
        vec![
            ("timeout", time(worker.timeout, run.timeout)),
            (
                "stall_timeout",
                time(worker.stall_timeout, run.stall_timeout),
            ),
            ("max_turns", json!(worker.max_turns)),
            ("max_cost", json!(worker.max_cost)),
            ("concurrency", json!(worker.concurrency)),
            ("stagger", json!(worker.stagger.map(render_duration))),
        ]
    }

    fn value(&self) -> Value {
        let worker = self.worker;
        let (installed, path, version, why) = match &self.found {
            Found::NoProgram => (None, None, None, None),
            Found::Missing => (Some(false), None, None, None),
            Found::Here { path, version } => {
                let path = Some(path.display().to_string());
                let said = version.as_ref();
                let good = said.and_then(|said| said.as_ref().ok());
                let bad = said.and_then(|said| said.as_ref().err());
                (Some(true), path, good, bad)
            }
        };
        json!({
            "name": worker.name,
            "default": self.is_default(),
            "profile": self.origin(),
            "program": worker.command.first(),
            "installed": installed,
            "path": path,
            "version": version,
            "version_error": why,
            "command": worker.command,
            "resume": worker.resume,
            "attach": worker.attach,
            "prompt": worker.prompt,
            "dialect": worker.dialect,
            "model": worker.model,
            "permission_mode": worker.permission_mode,
            "env": worker.env,
            "limits": Value::from_iter(self.limits()),
            "fallback": worker.fallback,
            "parked_until": self.parked.map(|(_, until)| until.to_string()),
            "parked_by": self.parked.map(|(run, _)| run.as_str()),
            "retry_in_place": worker.retry_in_place,
        })
    }

    fn cells(&self) -> [String; 7] {
        let name = match self.is_default() {
            true => format!("{} (default)", self.worker.name),
            false => self.worker.name.clone(),
        };
        let program = self.worker.command.first().map(String::as_str);
        let (program, version) = match (&self.found, program) {
            (Found::Missing, Some(program)) => (program, "not installed".to_owned()),
            (Found::Here { version, .. }, Some(program)) => match version {
                Some(Ok(version)) => (program, version.clone()),
                Some(Err(why)) => (program, format!("unknown ({why})")),
                None => (program, "installed".to_owned()),
            },
            (Found::NoProgram, Some(program)) => (program, "-".to_owned()),
            (_, None) => ("the task's run", "-".to_owned()),
        };
        let limits = self.limits().into_iter();
        let limits: Vec<String> = limits
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name} {text}"),
                None => format!("{name} {value}"),
            })
            .collect();
        let fallback = match self.worker.fallback.as_slice() {
            [] => String::new(),
            names => format!(", then {}", names.join(", ")),
        };
        let parked = self
            .parked
            .map(|(run, until)| format!(", parked until {} (says {run})", minute(*until)));
        let parked = parked.unwrap_or_default();
        [
            name,
            self.origin().to_owned(),
            plain_line(program, 40),
            plain_line(&version, 60),
            self.worker.dialect.name().to_owned(),
            self.worker.prompt.name().to_owned(),
            format!("{}{fallback}{parked}", limits.join(", ")),
        ]
    }
}

fn render(rows: &[Row<'_>], columns: usize) -> String {
    let header = [
        "WORKER", "PROFILE", "PROGRAM", "VERSION", "DIALECT", "PROMPT", "LIMITS",
    ];
    let mut all = vec![header.map(str::to_owned)];
    all.extend(rows.iter().map(Row::cells));
    wrapped_table(&all, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_agents_say() {
        let said = [
            "2.1.330 (Claude Code)\n",
            "codex-cli 0.169.0\n",
            "aider 0.86.2",
            "v1.18.33",
            "goose  1.9.3",
            "2025.09.18-39624ef\n",
            "Warning: node 18 is old. See x.y\n0.61.0",
            "usage: agent [options]",
        ];
        let found = said.map(|said| version_in(said).unwrap_or_else(|| "none".to_owned()));
        assert_eq!(
            found.join(" "),
            "2.1.330 0.169.0 0.86.2 1.18.33 1.9.3 2025.09.18-39624ef 0.61.0 none"
        );
    }
}
