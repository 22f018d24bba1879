//! Validates the fields of one task.

use std::collections::HashSet;
use std::collections::btree_map::Entry;

use crate::base::text::{did_you_mean, one_line};
use crate::model::ids::TaskNumber;
use crate::model::plan::{Isolation, Produces, Strategy, Task, TaskFields, Variants};
use crate::model::worker::Confinement;
use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::draft::{DraftTask, Member, Value};
use crate::plan::fields::{KNOWN, LISTS, split_commas, split_names};
use crate::plan::normal;
use crate::plan::span::{At, Span};
use crate::plan::validate::glob::check_glob;
use crate::plan::validate::value::{
    DraftVariants, boolean, choice, clean, count, dollars, duration, filled, integer, shown, text,
    texts, variants,
};
use crate::plan::validate::{Checked, ParseContext};

/// The worker of a task with `run`.
const SHELL: &str = "shell";

/// A task during validation.
pub(super) struct TaskReader<'a> {
    repeatable: bool,
    context: &'a ParseContext<'a>,
    findings: &'a mut Collector,
    fields: TaskFields,
    title: Option<At<String>>,
    /// `true` if the title has the wrong kind, which is reported already.
    has_bad_title: bool,
    tag: Option<At<String>>,
    label: Option<String>,
    prompt: Option<String>,
    depends_on: Vec<At<String>>,
    files: Vec<Span>,
    worker: Option<At<String>>,
    /// The workers of the variants.
    variant_workers: Vec<At<String>>,
    judge: Option<At<String>>,
}

impl<'a> TaskReader<'a> {
    /// Starts the validation of a task.
    pub(super) fn new(
        repeatable: bool,
        context: &'a ParseContext<'a>,
        findings: &'a mut Collector,
    ) -> TaskReader<'a> {
        TaskReader {
            repeatable,
            context,
            findings,
            fields: TaskFields::default(),
            title: None,
            has_bad_title: false,
            tag: None,
            label: None,
            prompt: None,
            depends_on: Vec::new(),
            files: Vec::new(),
            worker: None,
            variant_workers: Vec::new(),
            judge: None,
        }
    }

    /// Validates all fields and reports the errors.
    pub(super) fn read(mut self, draft: DraftTask, place: u64) -> Checked {
        let number = draft.number.unwrap_or(At::new(place, draft.span.clone()));
        self.title = draft.title;
        self.tag = draft.tag;
        self.label = draft.label.map(|label| label.value);
        self.depends_on = draft.blocked_by;
        self.prompt = draft.prompt.map(|prompt| clean(&prompt, self.findings));
        let mut seen = HashSet::new();
        for Member { key, value } in &draft.members {
            let may_repeat = self.repeatable && LISTS.contains(&key.value.as_str());
            if !seen.insert(key.value.as_str()) && !may_repeat {
                self.findings.add(RawDiagnostic::duplicate_field(key));
            } else {
                self.field(key, value);
            }
        }
        self.check_worker();
        self.check_variants();
        self.check_judge();
        let tag = self.tag(&number);
        let title = self.title(&draft.span, number.value);
        Checked {
            task: Task {
                number: TaskNumber(u32::try_from(number.value).unwrap_or(u32::MAX)),
                tag,
                title,
                label: self.label.filter(|label| !label.is_empty()),
                prompt: normal::prompt(&self.prompt.unwrap_or_default()),
                depends_on: Vec::new(),
                fields: self.fields,
            },
            span: draft.span,
            number,
            tag: self.tag.map(|tag| tag.span),
            depends_on: self.depends_on,
            after_independent: draft.after_independent,
            files: self.files,
        }
    }

    fn field(&mut self, key: &At<String>, value: &At<Value>) {
        let name = key.value.as_str();
        let findings = &mut *self.findings;
        let fields = &mut self.fields;
        match name {
            "tag" => {
                self.tag = filled(key, value, findings).map(|tag| At::new(tag, value.span.clone()))
            }
            "title" => {
                let title = text(name, value, findings);
                self.title = title.map(|title| At::new(one_line(&title), value.span.clone()));
                self.has_bad_title = self.title.is_none();
            }
            "label" => self.label = shown(key, value, findings).map(|label| one_line(&label)),
            "worker" => {
                let worker = shown(key, value, findings);
                self.worker = worker.map(|worker| At::new(one_line(&worker), value.span.clone()));
            }
            "run" => fields.run = shown(key, value, findings),
            "judge" => {
                let judge = shown(key, value, findings);
                self.judge = judge.map(|judge| At::new(one_line(&judge), value.span.clone()));
            }
            "executor" => {
                let executor = shown(key, value, findings);
                fields.executor = executor.map(|executor| one_line(&executor));
            }
            "variants" => match variants(key, value, findings) {
                Some(DraftVariants::Count(count)) => {
                    fields.variants = Some(Variants::Count(count));
                }
                Some(DraftVariants::Workers(workers)) => self.variant_workers = workers,
                None => {}
            },
            "depends_on" => self.depends_on(value),
            "files" => self.files(value),
            "strategy" => fields.strategy = choice(name, STRATEGIES, value, findings),
            "produces" => {
                fields.produces = choice(name, PRODUCES, value, findings).unwrap_or_default()
            }
            "check" => self.check(key, value),
            "timeout" => fields.timeout = duration(name, value, findings),
            "stall_timeout" => fields.stall_timeout = duration(name, value, findings),
            "max_turns" => fields.max_turns = count(name, value, findings),
            "max_cost" => fields.max_cost = dollars(name, value, findings),
            "retries" => fields.retries = integer(name, "a number from 0", value, findings),
            "env" => self.env(value),
            "output" => fields.output = filled(key, value, findings),
            "priority" => {
                fields.priority = integer(name, "a whole number", value, findings).unwrap_or(0);
            }
            "expected" => fields.expected = duration(name, value, findings),
            "allow_empty" => fields.allow_empty = boolean(name, value, findings).unwrap_or(false),
            "fresh" => fields.fresh = boolean(name, value, findings).unwrap_or(false),
            "source" => fields.source = filled(key, value, findings).map(|text| one_line(&text)),
            "isolation" => fields.isolation = choice(name, ISOLATIONS, value, findings),
            "sandbox" => fields.sandbox = choice(name, CONFINEMENTS, value, findings),
            "prompt" => {
                let prompt = text(name, value, findings);
                self.prompt(key, prompt);
            }
            "prompt_file" => self.prompt_file(key, value),
            _ => findings.add(RawDiagnostic::unknown_field(key, KNOWN)),
        }
    }

    fn prompt(&mut self, key: &At<String>, prompt: Option<String>) {
        if self.prompt.is_some() {
            let message = "this task has two prompts";
            let hint = "keep one of prose, `prompt` and `prompt_file`";
            let finding = RawDiagnostic::error(Code::PromptTwice, key.span.clone(), message);
            self.findings.add(finding.hint(hint));
        } else {
            self.prompt = prompt;
        }
    }

    fn prompt_file(&mut self, key: &At<String>, value: &At<Value>) {
        let Some(path) = filled(key, value, self.findings) else {
            return;
        };
        match (self.context.read_prompt)(&path) {
            Ok(prompt) => {
                let prompt = clean(&At::new(prompt, value.span.clone()), self.findings);
                self.prompt(key, Some(prompt));
            }
            Err(reason) => {
                let message = format!("could not read the prompt file {}: {reason}", quoted(&path));
                let hint = "the path is relative to the folder of the plan";
                let finding = RawDiagnostic::error(Code::PromptFile, value.span.clone(), message);
                self.findings.add(finding.hint(hint));
            }
        }
    }

    fn depends_on(&mut self, value: &At<Value>) {
        let number = |at: &At<Value>| match at.value {
            Value::Integer(number) => At::new(Value::Text(number.to_string()), at.span.clone()),
            _ => at.clone(),
        };
        let value = match &value.value {
            Value::List(list) => {
                let list = Value::List(list.iter().map(number).collect());
                At::new(list, value.span.clone())
            }
            _ => number(value),
        };
        let names = texts("depends_on", &value, split_names, self.findings);
        self.depends_on.extend(names);
    }

    fn files(&mut self, value: &At<Value>) {
        for glob in texts("files", value, split_commas, self.findings) {
            match check_glob(&glob) {
                Ok(pattern) => {
                    self.fields.files.push(pattern);
                    self.files.push(glob.span);
                }
                Err(finding) => self.findings.add(finding),
            }
        }
    }

    fn check(&mut self, key: &At<String>, value: &At<Value>) {
        let entries = match &value.value {
            Value::List(list) => list.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for entry in entries {
            let key = match &value.value {
                Value::List(_) => &At::new(key.value.clone(), entry.span.clone()),
                _ => key,
            };
            let command = shown(key, entry, self.findings);
            self.fields.check.extend(command);
        }
    }

    fn env(&mut self, value: &At<Value>) {
        let entries = match &value.value {
            Value::Table(members) => members
                .iter()
                .filter_map(|member| {
                    let public = text("env", &member.value, self.findings)?;
                    let name = &member.key;
                    Some((At::new(name.value.clone(), name.span.clone()), Some(public)))
                })
                .collect(),
            _ => texts("env", value, split_commas, self.findings)
                .into_iter()
                .map(|At { value, span }| match value.split_once('=') {
                    Some((name, public)) => (
                        At::new(name.trim().to_owned(), span),
                        Some(public.to_owned()),
                    ),
                    None => (At::new(value.trim().to_owned(), span), None),
                })
                .collect::<Vec<_>>(),
        };
        for (name, public) in entries {
            self.variable(name, public);
        }
    }

    fn variable(&mut self, name: At<String>, public: Option<String>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = name.value.chars().all(plain)
            && name
                .value
                .starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        let message = if !is_name {
            format!("invalid variable name {}", quoted(&name.value))
        } else if let Entry::Vacant(vacant) = self.fields.env.entry(name.value.clone()) {
            vacant.insert(public);
            return;
        } else {
            format!("the variable {} is given twice", quoted(&name.value))
        };
        let hint = "write `NAME` to pass a variable on, or `NAME=value`";
        let finding = RawDiagnostic::error(Code::BadValue, name.span, message);
        self.findings.add(finding.hint(hint));
    }

    /// Checks the worker: the shell for a task with `run`, an existing one otherwise.
    fn check_worker(&mut self) {
        let worker = self.worker.take();
        if self.fields.run.is_some() {
            self.fields.worker = Some(SHELL.to_owned());
            if let Some(worker) = worker.filter(|worker| worker.value != SHELL) {
                let message = format!(
                    "a task with `run` cannot have the worker {}",
                    quoted(&worker.value)
                );
                let hint = "remove one of the two: the shell runs `run`";
                let finding = RawDiagnostic::error(Code::RunWithWorker, worker.span, message);
                self.findings.add(finding.hint(hint));
            }
            return;
        }
        let Some(worker) = worker else { return };
        self.check_known(&worker);
        self.fields.worker = Some(worker.value);
    }

    /// Checks the workers of the variants, which replace the worker of the task.
    fn check_variants(&mut self) {
        let workers = std::mem::take(&mut self.variant_workers);
        let Some(first) = workers.first() else {
            return;
        };
        let other = match (&self.fields.run, &self.fields.worker) {
            (Some(_), _) => Some(("run", "the shell runs `run`")),
            (None, Some(_)) => Some((
                "worker",
                "each variant has the worker that `variants` names",
            )),
            (None, None) => None,
        };
        if let Some((field, why)) = other {
            let message = format!("a task with `{field}` cannot name workers in `variants`");
            let hint = format!("write how many variants, or remove `{field}`: {why}");
            let finding = RawDiagnostic::error(Code::RunWithWorker, first.span.clone(), message);
            self.findings.add(finding.hint(hint));
        }
        workers.iter().for_each(|worker| self.check_known(worker));
        let names = workers.into_iter().map(|worker| worker.value);
        self.fields.variants = Some(Variants::Workers(names.collect()));
    }

    /// Checks the judge: an agent, and only for a task with variants.
    fn check_judge(&mut self) {
        let Some(judge) = self.judge.take() else {
            return;
        };
        let problem = if self.fields.variants.is_none() {
            Some((
                "`judge` needs `variants`",
                "add `variants: 3`, or remove `judge`",
            ))
        } else if judge.value == SHELL {
            Some((
                "the shell cannot be a judge",
                "name a worker with a command of its own",
            ))
        } else {
            None
        };
        if let Some((message, hint)) = problem {
            let finding = RawDiagnostic::error(Code::BadValue, judge.span.clone(), message);
            self.findings.add(finding.hint(hint));
        }
        self.check_known(&judge);
        self.fields.judge = Some(judge.value);
    }

    fn check_known(&mut self, worker: &At<String>) {
        if let Some(known) = self.context.workers
            && worker.value != SHELL
            && !known.contains(&worker.value)
        {
            let names: Vec<_> = known.iter().map(String::as_str).collect();
            let message = format!("unknown worker {}", quoted(&worker.value));
            let hint = match did_you_mean(&worker.value, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known workers: {}", names.join(", ")),
            };
            let finding = RawDiagnostic::error(Code::UnknownWorker, worker.span.clone(), message);
            self.findings.add(finding.hint(hint));
        }
    }

    /// Checks the tag, which must differ from a number, because commands accept both.
    fn tag(&mut self, number: &At<u64>) -> String {
        let Some(tag) = &self.tag else {
            return format!("T{}", number.value);
        };
        let plain = |c: char| c.is_alphanumeric() || "-_./+&:@".contains(c);
        let is_good = tag.value.chars().all(plain)
            && !tag.value.chars().all(|c| c.is_ascii_digit())
            && tag.value.chars().count() <= 40;
        if !is_good {
            let message = format!("invalid tag {}", quoted(&tag.value));
            let hint = "a tag is one word of letters, digits and `-_./+&:@`, such as `API-DOCS`";
            let finding = RawDiagnostic::error(Code::BadTag, tag.span.clone(), message);
            self.findings.add(finding.hint(hint));
        }
        tag.value.clone()
    }

    fn title(&mut self, place: &Span, number: u64) -> String {
        let title = self
            .title
            .take()
            .unwrap_or(At::new(String::new(), place.clone()));
        let clean = clean(&title, self.findings);
        if clean.is_empty() && !self.has_bad_title {
            let message = format!("task #{number} has no title");
            let hint = "add a title of one line";
            let finding = RawDiagnostic::error(Code::EmptyTitle, place.clone(), message);
            self.findings.add(finding.hint(hint));
        }
        clean
    }
}

const STRATEGIES: &[(&str, Strategy)] = &[
    ("agent", Strategy::Agent),
    ("task", Strategy::Task),
    ("auto", Strategy::Auto),
];

const PRODUCES: &[(&str, Produces)] = &[("files", Produces::Files), ("info", Produces::Info)];

const CONFINEMENTS: &[(&str, Confinement)] = &[
    ("write", Confinement::Write),
    ("strict", Confinement::Strict),
];

const ISOLATIONS: &[(&str, Isolation)] = &[
    ("worktree", Isolation::Worktree),
    ("clone", Isolation::Clone),
];
