//! From what was written to what holds: defaults filled in, values checked against each other.

use std::collections::BTreeMap;

use crate::base::text::did_you_mean;
use crate::config::builtin;
use crate::config::file::ConfigFile;
use crate::config::invalid::Invalid;
use crate::config::settings::{RetrySettings, Settings};
use crate::config::table::{AssembleTable, Finding, Given, ResolveTable, RetryTable, WorkerTable};
use crate::model::worker::Worker;

/// Fills in the defaults; reports values that do not fit together.
pub(super) fn settle(config: ConfigFile, found: &mut Vec<Finding>) -> Settings {
    let mut settings = Settings::default();
    check_workers(&config, found);
    check_delays(&config.retry, found);
    settle_workers(&mut settings.workers, config.workers);

    let (run, given) = (&mut settings.run, config.run);
    put(&mut run.branch_prefix, given.branch_prefix);
    put(&mut run.max_parallel, given.max_parallel);
    put(&mut run.max_parallel_total, given.max_parallel_total);
    put(&mut run.base, given.base);
    put(&mut run.target, given.target);
    put(&mut run.timeout, given.timeout);
    put(&mut run.stall_timeout, given.stall_timeout);
    put(&mut run.max_cost, given.max_cost);
    put(&mut run.quota_wait, given.quota_wait);
    put(&mut run.worker, given.worker);
    put(&mut run.keep_terminal_free, given.keep_terminal_free);
    put(&mut run.max_log, given.max_log);
    put(&mut run.min_free_space, given.min_free_space);
    put(&mut run.max_worktrees, given.max_worktrees);
    put(&mut run.max_total_disk, given.max_total_disk);
    put(&mut run.result_grace, given.result_grace);
    put(&mut run.max_depth, given.max_depth);
    put(&mut run.outside_writes, given.outside_writes);

    put(&mut settings.prompt.template, config.prompt.template);

    let (worktree, given) = (&mut settings.worktree, config.worktree);
    put(&mut worktree.path, given.path);
    put(&mut worktree.copy, given.copy);
    put(&mut worktree.link, given.link);
    put(&mut worktree.setup, given.setup);
    put(&mut worktree.teardown, given.teardown);

    let (retry, given) = (&mut settings.retry, config.retry);
    put(&mut retry.transient, given.transient);
    put(&mut retry.rate_limit, given.rate_limit);
    put(&mut retry.conflict, given.conflict);
    put(&mut retry.base_delay, given.base_delay);
    put(&mut retry.max_delay, given.max_delay);
    put(&mut retry.budget, given.budget);

    put(&mut settings.failure.patterns, config.failure.patterns);

    put(&mut settings.conflicts.on_new, config.conflicts.on_new);
    put(&mut settings.conflicts.scope, config.conflicts.scope);
    put(&mut settings.board.file, config.board.file);
    put(&mut settings.board.land, config.board.land);
    put(&mut settings.notify.command, config.notify.command);
    put(&mut settings.notify.bell, config.notify.bell);
    put(&mut settings.notify.desktop, config.notify.desktop);
    put(&mut settings.sandbox.mode, config.sandbox.mode);
    put(&mut settings.github.project, config.github.project);
    put(&mut settings.github.labels, config.github.labels);
    let (assemble, resolve) = (config.assemble, config.resolve);
    settle_assembly(&mut settings, config.conflicts.generated, assemble, resolve);
    settings
}

/// What an assembly goes by, over what held before.
pub(super) fn settle_assembly(
    settings: &mut Settings,
    generated: Option<Given<Vec<String>>>,
    assemble: AssembleTable,
    resolve: ResolveTable,
) {
    put(&mut settings.conflicts.generated, generated);
    let (slots, given) = (&mut settings.assemble, assemble);
    put(&mut slots.check, given.check);
    put(&mut slots.check_timeout, given.check_timeout);
    put(&mut slots.history, given.history);
    put(&mut slots.flaky_reruns, given.flaky_reruns);
    let (slots, given) = (&mut settings.resolve, resolve);
    put(&mut slots.policy, given.policy);
    put(&mut slots.structural, given.structural);
    let regenerate = given.regenerate.map(|given| given.value);
    slots.regenerate.extend(regenerate.unwrap_or_default());
    slots
        .regenerate
        .retain(|_, command| !command.trim().is_empty());
}

fn put<T>(slot: &mut T, given: Option<Given<T>>) {
    if let Some(given) = given {
        *slot = given.value;
    }
}

fn settle_workers(
    workers: &mut BTreeMap<String, Worker>,
    given: BTreeMap<String, Given<WorkerTable>>,
) {
    for (name, Given { value: given, .. }) in given {
        let worker = workers
            .entry(name)
            .or_insert_with_key(|name| Worker::named(name));
        put(&mut worker.command, given.command);
        put(&mut worker.prompt, given.prompt);
        put(&mut worker.dialect, given.dialect);
        put(&mut worker.model, given.model);
        put(&mut worker.permission_mode, given.permission_mode);
        put(&mut worker.env, given.env);
        put(&mut worker.concurrency, given.concurrency);
        put(&mut worker.stagger, given.stagger);
        put(&mut worker.timeout, given.timeout);
        put(&mut worker.stall_timeout, given.stall_timeout);
        put(&mut worker.max_turns, given.max_turns);
        put(&mut worker.max_cost, given.max_cost);
        put(&mut worker.fallback, given.fallback);
        put(&mut worker.retry_in_place, given.retry_in_place);
    }
}

/// Every named worker exists and has a command.
fn check_workers(config: &ConfigFile, found: &mut Vec<Finding>) {
    let builtin = builtin::workers();
    let mut names: Vec<&str> = builtin.keys().map(String::as_str).collect();
    names.extend(config.workers.keys().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    if let Some(worker) = &config.run.worker {
        found.extend(unknown_worker(worker, &worker.value, &names));
    }
    for (name, table) in &config.workers {
        found.extend(check_command(name, table, builtin.contains_key(name)));
        let Some(fallback) = &table.value.fallback else {
            continue;
        };
        for other in &fallback.value {
            found.extend(unknown_worker(fallback, other, &names));
            found.extend((other == name).then(|| own_fallback(name, fallback)));
            found.extend((other == builtin::SHELL).then(|| shell_fallback(fallback)));
        }
    }
}

fn check_command(name: &str, table: &Given<WorkerTable>, is_builtin: bool) -> Option<Finding> {
    let command = table.value.command.as_ref();
    let written = command.map(|given| &given.value);
    let wrong = if name == builtin::SHELL {
        written.is_some_and(|command| !command.is_empty()).then(|| {
            Invalid::new(
                "the command of the worker shell is the `run` of each task",
                "give a worker with a command of its own another name",
            )
        })
    } else {
        let missing = written.map_or(!is_builtin, Vec::is_empty);
        missing.then(|| {
            Invalid::new(
                format!("the worker {name} has no command"),
                "add one, such as command = [\"program\", \"{prompt_file}\"]",
            )
        })
    };
    let origin = command.map_or(&table.origin, |given| &given.origin);
    wrong.map(|wrong| Finding {
        origin: origin.clone(),
        wrong,
    })
}

fn unknown_worker<T>(given: &Given<T>, name: &str, names: &[&str]) -> Option<Finding> {
    if names.contains(&name) {
        return None;
    }
    let hint = match did_you_mean(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}? or add [workers.{name}]"),
        None => format!("known are {}; or add [workers.{name}]", names.join(", ")),
    };
    Some(Finding {
        origin: given.origin.clone(),
        wrong: Invalid::new(format!("there is no worker {name:?}"), hint),
    })
}

fn own_fallback<T>(name: &str, given: &Given<T>) -> Finding {
    Finding {
        origin: given.origin.clone(),
        wrong: Invalid::new(
            format!("the worker {name} cannot take over from itself"),
            "name another worker",
        ),
    }
}

fn shell_fallback<T>(given: &Given<T>) -> Finding {
    Finding {
        origin: given.origin.clone(),
        wrong: Invalid::new(
            "the worker shell only does tasks with a `run`, so it cannot take over",
            "name a worker with a command of its own",
        ),
    }
}

fn check_delays(retry: &RetryTable, found: &mut Vec<Finding>) {
    let defaults = RetrySettings::default();
    let value = |given: &Option<Given<_>>, default| given.as_ref().map_or(default, |g| g.value);
    let base = value(&retry.base_delay, defaults.base_delay);
    let max = value(&retry.max_delay, defaults.max_delay);
    let given = retry.max_delay.as_ref().or(retry.base_delay.as_ref());
    if let Some(given) = given.filter(|_| base > max) {
        found.push(Finding {
            origin: given.origin.clone(),
            wrong: Invalid::new(
                "base_delay is longer than max_delay",
                "make max_delay at least as long as base_delay",
            ),
        });
    }
}
