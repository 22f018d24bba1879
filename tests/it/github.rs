//! `dispatch github`: a run on a GitHub of the test's own, without and with the real `gh`.

mod document;
mod hub;
mod marks;
mod mock;
mod mutations;
mod real;
mod selection;

use std::collections::BTreeMap;
use std::fs;

use git_dispatch::base::safe::secrets::Secrets;
use git_dispatch::engine::mirror::error::MirrorError;
use git_dispatch::engine::mirror::pace::Pace;
use git_dispatch::engine::mirror::record::Record;
use git_dispatch::engine::mirror::steps::closing_steps;
use git_dispatch::engine::mirror::sync::{Mirror, Progress};
use git_dispatch::engine::runs::read::read_state;
use git_dispatch::forge::Repository;
use git_dispatch::forge::graphql::{Answer, GraphQl, GraphQlError, parse_answer};
use git_dispatch::git::{Repo, Store};
use git_dispatch::model::ids::RunId;
use git_dispatch::model::run::RunState;
use serde_json::{Value, json};

use crate::harness::Scene;
use hub::{Hub, Issue, Project, ProjectField};
use mock::{Fault, Mock};

/// One task passes, one fails, one is blocked.
const PLAN: &str = "\
# Shop, see #4
1. [A] First for @ada
   - run: echo a > a.txt
2. [B] Second — blocked by #1
   - run: echo broken >&2; exit 3
   - priority: 2
3. [C] Third — blocked by #1, #2
   - run: echo c > c.txt
";

/// A mock that is called in this process.
struct Direct(Mock);

impl GraphQl for Direct {
    fn call(&self, document: &str, variables: &Value) -> Result<Answer, GraphQlError> {
        let request = json!({"query": document, "variables": variables});
        let cut = || GraphQlError::NoAnswer("EOF".to_owned());
        let answer = self.0.respond(&request).ok_or_else(cut)?;
        parse_answer(&answer, self.host(), jiff::Timestamp::UNIX_EPOCH)
    }

    fn host(&self) -> &str {
        "github.com"
    }
}

/// A run that has ended, to be shown again and again.
struct Ended {
    _scene: Scene,
    repo: Repo,
    state: RunState,
}

impl Ended {
    fn new(plan: &str) -> Ended {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_RETRY_TRANSIENT", "0");
        scene.run(plan, &[]);
        let repo = Repo::discover(&scene.repo).unwrap();
        let store = Store::open(&repo).unwrap();
        let run = RunId::new(scene.run_name());
        let state = read_state(&repo, &store, &run).unwrap();
        Ended {
            _scene: scene,
            repo,
            state,
        }
    }

    fn forget(&self) {
        let folder = self.repo.run_folder(self.state.run.as_str());
        let _ = fs::remove_file(folder.join("github.json"));
    }

    /// Shows the run on a GitHub. Returns messages and the error.
    fn show(&self, mock: &Mock, project: &str) -> (Vec<String>, Option<MirrorError>) {
        let direct = Direct(mock.clone());
        let mut mirror = self.mirror(&direct, project);
        let mut messages = Vec::new();
        let mut say = |progress| match progress {
            Progress::Left(_) => {}
            other => messages.push(format!("{other:?}")),
        };
        let shown = mirror
            .read(&self.state, &mut say)
            .and_then(|mut found| mirror.carry_out(&self.state, &mut found, &mut say));
        (messages, shown.err())
    }

    fn mirror<'a>(&'a self, direct: &'a Direct, project: &str) -> Mirror<'a> {
        Mirror {
            repo: &self.repo,
            graphql: direct,
            repository: Repository {
                host: "github.com".to_owned(),
                owner: "o".to_owned(),
                name: "r".to_owned(),
            },
            project: project.parse().ok(),
            secrets: Secrets::default(),
            record: Record::load(&self.repo, &self.state.run),
            pace: Pace::new(false),
            failures: BTreeMap::new(),
            replaces_closed: false,
            is_alone: false,
            has_lock: true,
        }
    }
}

/// Renders everything on a GitHub.
fn whole(mock: &Mock) -> String {
    mock.hub(|hub| format!("{:#?}\n{:#?}\n{:?}", hub.issues, hub.projects, hub.labels))
}

/// Renders what a reader of a GitHub sees.
fn seen(hub: &Hub) -> String {
    let mut lines = Vec::new();
    for (at, issue) in hub.issues.iter().enumerate() {
        let state = match (&issue.is_closed, &issue.reason) {
            (true, Some(reason)) => reason.clone(),
            _ => "open".to_owned(),
        };
        let id = format!("I_{}", at + 1);
        let cards = hub.projects.iter().flat_map(|project| &project.cards);
        let card = cards.into_iter().find(|(issue, _)| *issue == id);
        let values = card.map(|(_, values)| json!(values).to_string());
        lines.push(format!(
            "{id} {}: {state}, in {}, by {}, {} comments, card {}",
            issue.title,
            issue.parent.as_deref().unwrap_or("none"),
            issue.blocked_by.join("+"),
            issue.comments.len(),
            values.unwrap_or_else(|| "none".to_owned()),
        ));
    }
    lines.join("\n")
}

#[test]
fn a_run_is_shown_once_whoever_shows_it_again() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    let (messages, error) = ended.show(&mock, "new");
    assert!(
        messages.is_empty() && error.is_none(),
        "{messages:?} {error:?}"
    );
    let run = ended.state.run.to_string();
    let shown = mock.hub(|hub| seen(hub)).replace(&run, "RUN");
    insta::assert_snapshot!(shown);
    let project = mock.hub(|hub| hub.projects[0].clone());
    assert_eq!(project.title, format!("Shop, see # 4 ({run})"));
    assert!(project.readme.contains(&run));
    assert_eq!(project.fields[0].options.len(), 7);
    let texts = mock.hub(|hub| {
        let texts = hub.issues.iter().map(|issue| {
            let comments = issue.comments.iter().map(|comment| comment.body.clone());
            let comments: Vec<String> = comments.collect();
            format!("{}\n--\n{}", issue.body, comments.join("\n--\n"))
        });
        texts.collect::<Vec<_>>().join("\n====\n")
    });
    // In a block of code nobody is notified.
    let texts = texts.replace("```text\nFirst for @ada\n```", "");
    assert!(
        !texts.contains("@ada") && texts.contains("**FAILED:**"),
        "{texts}"
    );
    // Again, and from another clone, nothing is written.
    let writes = mock.hub(|hub| hub.batches.len());
    for _ in 0..2 {
        let (messages, error) = ended.show(&mock, "new");
        assert!(
            messages.is_empty() && error.is_none(),
            "{messages:?} {error:?}"
        );
        assert_eq!(mock.hub(|hub| hub.batches.len()), writes);
        ended.forget();
    }
    // Closing what was made takes nothing away.
    let direct = Direct(mock.clone());
    let mut mirror = ended.mirror(&direct, "new");
    let mut found = mirror.read(&ended.state, &mut |_| {}).unwrap();
    found.made = mirror.made_projects(&ended.state, &mut |_| {}).unwrap();
    mirror
        .carry_out_steps(&ended.state, &mut found, &mut |_| {}, &|_, found| {
            closing_steps(found)
        })
        .unwrap();
    mock.hub(|hub| {
        assert!(hub.issues.iter().all(|issue| issue.is_closed));
        assert!(hub.projects[0].is_closed);
    });
}

#[test]
fn a_fault_while_everything_is_closed_leaves_nothing_open() {
    let ended = Ended::new(PLAN);
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        ended.forget();
        let mock = Mock::default();
        assert!(ended.show(&mock, "new").1.is_none());
        let direct = Direct(mock.clone());
        let mut mirror = ended.mirror(&direct, "none");
        let mut found = mirror.read(&ended.state, &mut |_| {}).unwrap();
        found.made = mirror.made_projects(&ended.state, &mut |_| {}).unwrap();
        mock.on_writes([Some(fault)]);
        mirror
            .carry_out_steps(&ended.state, &mut found, &mut |_| {}, &|_, found| {
                closing_steps(found)
            })
            .unwrap();
        mock.hub(|hub| {
            assert!(hub.issues.iter().all(|issue| issue.is_closed), "{hub:?}");
            assert!(hub.projects[0].is_closed, "{hub:?}");
        });
    }
}

#[test]
fn a_fault_at_any_request_leads_to_the_same_end() {
    let ended = Ended::new(PLAN);
    let calm = Mock::default();
    assert!(ended.show(&calm, "new").1.is_none());
    let (expected, requests) = (whole(&calm), calm.hub(|hub| hub.batches.len()));
    assert!(requests >= 4, "{requests}");
    let limit = "{\"message\":\"You have exceeded a secondary rate limit\"}";
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::BrokenAfter,
        Fault::Answer(403, "Retry-After: 30\r\n", limit),
        Fault::Answer(429, "", "{}"),
        Fault::Answer(
            200,
            "",
            "{\"errors\":[{\"type\":\"RATE_LIMITED\",\"message\":\"limit\"}]}",
        ),
        Fault::Answer(503, "", ""),
    ];
    for fault in faults {
        for at in 0..requests {
            ended.forget();
            let mock = Mock::default();
            let mut writes = vec![None; at];
            writes.push(Some(fault.clone()));
            mock.on_writes(writes);
            mock.on_reads([Some(fault.clone())]);
            let (messages, error) = ended.show(&mock, "new");
            assert!(error.is_none(), "{fault:?} at {at}: {error:?}");
            assert_eq!(messages.len(), 2, "{fault:?} at {at}: {messages:?}");
            assert_eq!(whole(&mock), expected, "{fault:?} at {at}");
        }
    }
}

#[test]
fn a_failure_for_good_is_an_error_and_the_next_call_goes_on() {
    let ended = Ended::new(PLAN);
    let calm = Mock::default();
    assert!(ended.show(&calm, "new").1.is_none());
    let expected = whole(&calm);
    let scopes = "{\"data\":null,\"errors\":[{\"type\":\"INSUFFICIENT_SCOPES\",\"message\":\"requires project\"}]}";
    let mut all = Vec::new();
    for fault in [
        Fault::Answer(401, "", "{\"message\":\"Bad credentials\"}"),
        Fault::Answer(403, "", "{\"message\":\"Must have admin rights\"}"),
        Fault::Answer(404, "", "{\"message\":\"Not Found\"}"),
        Fault::Answer(422, "", "{\"message\":\"Validation Failed\"}"),
        Fault::Answer(200, "", scopes),
        Fault::Answer(429, "Retry-After: 7200\r\n", "{}"),
    ] {
        ended.forget();
        let mock = Mock::default();
        mock.on_writes([None, None, None, Some(fault)]);
        let (_, error) = ended.show(&mock, "new");
        all.push(error.unwrap().to_string());
        assert!(ended.show(&mock, "new").1.is_none());
        assert_eq!(whole(&mock), expected);
    }
    // Faults without an end are given up.
    ended.forget();
    let mock = Mock::default();
    mock.on_writes(vec![Some(Fault::CutBefore); 50]);
    let (messages, error) = ended.show(&mock, "new");
    all.push(format!("{} after {}", error.unwrap(), messages.len()));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_project_that_is_gone_or_foreign_is_an_error_before_anything_is_made() {
    let ended = Ended::new(PLAN);
    let mut all = Vec::new();
    let mut show = |mock: &Mock, project: &str| {
        let before = mock.hub(|hub| hub.batches.len());
        let (_, error) = ended.show(mock, project);
        all.push(error.unwrap().to_string());
        assert_eq!(mock.hub(|hub| hub.batches.len()), before);
    };
    show(&Mock::default(), "octo/7");
    let of = |field: ProjectField| {
        let mock = Mock::default();
        mock.hub(|hub| {
            hub.projects.push(Project {
                owner: "octo".to_owned(),
                fields: vec![field],
                ..Project::default()
            });
        });
        mock
    };
    let field = |name: &str, options: &[&str]| ProjectField {
        name: name.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    };
    show(&of(field("Dispatch", &["QUEUED", "IN PROGRESS"])), "octo/1");
    show(&of(field("Dispatch", &[])), "octo/1");
    show(&of(field("Dispatch priority", &["high"])), "1");
    let off = Mock::default();
    off.hub(|hub| hub.has_no_issues = true);
    show(&off, "none");
    // It is deleted meanwhile: between two calls, and between two requests.
    let mock = Mock::default();
    assert!(ended.show(&mock, "new").1.is_none());
    mock.hub(|hub| hub.projects[0].is_deleted = true);
    show(&mock, "new");
    ended.forget();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_project_of_others_gets_cards_and_keeps_its_own_fields() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    mock.hub(|hub| {
        hub.labels.push("dispatch".to_owned());
        hub.projects.push(Project {
            owner: "octo".to_owned(),
            title: "Roadmap".to_owned(),
            fields: vec![ProjectField {
                name: "Status".to_owned(),
                options: vec!["Todo".to_owned()],
            }],
            ..Project::default()
        });
        // An issue of another run.
        hub.issues.push(Issue {
            title: "Other".to_owned(),
            body: "<!-- dispatch other-abcd task 1 -->".to_owned(),
            labels: vec!["dispatch".to_owned()],
            ..Issue::default()
        });
    });
    assert!(ended.show(&mock, "octo/1").1.is_none());
    mock.hub(|hub| {
        assert_eq!(hub.issues.len(), 5);
        let project = &hub.projects[0];
        assert_eq!((project.cards.len(), project.readme.as_str()), (3, ""));
        let names: Vec<&str> = project
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(names, ["Status", "Dispatch", "Dispatch priority"]);
        assert!(!hub.mutations.contains(&"updateProjectV2".to_owned()));
    });
}

#[test]
fn what_github_refuses_alone_is_said_and_the_rest_is_done() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    mock.hub(|hub| hub.refused = vec![("addBlockedBy", "UNPROCESSABLE", "not here")]);
    let (messages, error) = ended.show(&mock, "new");
    assert!(error.is_none());
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(
        messages[0].contains("mark #2 as blocked by #1: not here"),
        "{messages:?}"
    );
    mock.hub(|hub| {
        assert_eq!(hub.issues.len(), 4);
        assert_eq!(hub.issues[0].comments.len(), 1);
    });
    ended.forget();
    let mock = Mock::default();
    mock.hub(|hub| hub.refused = vec![("createProjectV2", "FORBIDDEN", "o does not allow it")]);
    let (_, error) = ended.show(&mock, "new");
    let error = error.unwrap().to_string();
    assert_eq!(error, "GitHub does not allow it: o does not allow it");
}

#[test]
fn a_large_run_is_read_in_pages_and_written_in_batches() {
    let tasks = (1..=130)
        .map(|n| format!("{n}. [T{n}] Task {n}\n     - run: 'true'\n     - allow_empty: true\n"));
    let plan = format!("# Large\n{}", tasks.collect::<String>());
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_RUN_MAX_PARALLEL", "1");
    // Only its beginning is needed.
    let only = ["--only", "1", "--no-assemble"];
    scene.run(&plan, &only);
    let repo = Repo::discover(&scene.repo).unwrap();
    let store = Store::open(&repo).unwrap();
    let state = read_state(&repo, &store, &RunId::new(scene.run_name())).unwrap();
    let ended = Ended {
        _scene: scene,
        repo,
        state,
    };
    let mock = Mock::default();
    let (messages, error) = ended.show(&mock, "new");
    assert!(
        error.is_none() && messages.is_empty(),
        "{messages:?} {error:?}"
    );
    mock.hub(|hub| {
        assert_eq!(hub.issues.len(), 131);
        assert!(
            hub.batches.iter().all(|count| *count <= 20),
            "{:?}",
            hub.batches
        );
        assert_eq!(hub.projects[0].cards.len(), 130);
        let parents = hub.issues.iter().filter(|issue| issue.parent.is_some());
        assert_eq!(parents.count(), 100);
    });
    let writes = mock.hub(|hub| hub.batches.len());
    ended.forget();
    assert!(ended.show(&mock, "new").1.is_none());
    assert_eq!(mock.hub(|hub| hub.batches.len()), writes);
    // The label is taken from an issue: it is still known by its id.
    mock.hub(|hub| hub.issues[7].labels.clear());
    assert!(ended.show(&mock, "new").1.is_none());
    assert_eq!(mock.hub(|hub| hub.issues.len()), 131);
}
