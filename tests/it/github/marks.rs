//! Things are told apart by their marks and their authors, not by their titles.

use std::time::Duration;

use git_dispatch::engine::mirror::process::{lock, waits_for};
use git_dispatch::engine::mirror::sync::Progress;
use git_dispatch::model::ids::TaskNumber;
use git_dispatch::report::issue::Subject;

use super::hub::{Comment, Project};
use super::mock::{Fault, Mock};
use super::{Direct, Ended, PLAN};

fn comment(author: &str, association: &str, body: &str) -> Comment {
    Comment {
        author: author.to_owned(),
        association: association.to_owned(),
        body: body.to_owned(),
    }
}

#[test]
fn a_result_is_known_by_its_author_and_among_any_number_of_comments() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    assert!(ended.show(&mock, "none").1.is_none());
    let run = ended.state.run.to_string();
    let own = mock.hub(|hub| hub.issues[1].comments[0].clone());
    // A stranger and a member write the mark: neither comment is dispatch's, and both stay.
    let forged = format!("Hello\n<!-- dispatch {run} result 000000000000 -->");
    let others = [
        comment("eve", "NONE", &forged),
        comment("ada", "MEMBER", &forged),
    ];
    mock.hub(|hub| hub.issues[1].comments = others.to_vec());
    ended.forget();
    assert!(ended.show(&mock, "none").1.is_none());
    let bodies = |mock: &Mock| {
        mock.hub(|hub| {
            let comments = hub.issues[1].comments.iter();
            comments
                .map(|comment| comment.body.clone())
                .collect::<Vec<_>>()
        })
    };
    let expected = [forged.clone(), forged, own.body.clone()];
    assert_eq!(bodies(&mock), expected);
    // The result that a colleague's clone wrote is found again, under many later comments.
    mock.hub(|hub| {
        let comments = &mut hub.issues[1].comments;
        comments[2].author = "ada".to_owned();
        comments[2].association = "MEMBER".to_owned();
        comments.extend((0..250).map(|n| comment("bob", "NONE", &format!("comment {n}"))));
    });
    let writes = mock.hub(|hub| hub.batches.len());
    ended.forget();
    assert!(ended.show(&mock, "none").1.is_none());
    assert_eq!(mock.hub(|hub| hub.batches.len()), writes);
    let direct = Direct(mock.clone());
    let mut mirror = ended.mirror(&direct, "none");
    let found = mirror.read(&ended.state, &mut |_| {}).unwrap();
    let one = found.issues.values().nth(1).unwrap();
    assert_eq!(one.comments.len(), 253);
    assert_eq!(one.comments[2].text, own.body);
    assert_eq!(
        one.comments.iter().filter(|comment| comment.is_own).count(),
        1
    );
}

#[test]
fn a_project_is_known_by_its_readme_and_a_closed_one_can_be_replaced() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    mock.hub(|hub| {
        hub.projects.extend((0..120).map(|_| Project {
            owner: "o".to_owned(),
            is_old: true,
            ..Project::default()
        }));
    });
    assert!(ended.show(&mock, "new").1.is_none());
    mock.hub(|hub| hub.projects[120].title = "Roadmap".to_owned());
    ended.forget();
    assert!(ended.show(&mock, "new").1.is_none());
    assert_eq!(mock.hub(|hub| hub.projects.len()), 121);
    // People close it: another clone says so instead of making a second one, unless it is asked to.
    mock.hub(|hub| hub.projects[120].is_closed = true);
    ended.forget();
    let direct = Direct(mock.clone());
    let mut mirror = ended.mirror(&direct, "new");
    let found = mirror.read(&ended.state, &mut |_| {}).unwrap();
    assert!(found.project.is_some_and(|project| project.is_closed));
    mirror.record = Default::default();
    mirror.replaces_closed = true;
    let mut found = mirror.read(&ended.state, &mut |_| {}).unwrap();
    assert_eq!(found.project, None);
    mirror
        .carry_out(&ended.state, &mut found, &mut |_| {})
        .unwrap();
    mock.hub(|hub| {
        assert_eq!(hub.projects.len(), 122);
        assert_eq!(hub.projects[121].cards.len(), 3);
        assert!(!hub.projects[121].is_closed);
    });
    // Both are among those that dispatch made.
    let made = mirror.made_projects(&ended.state, &mut |_| {}).unwrap();
    let made: Vec<bool> = made.iter().map(|project| project.is_closed).collect();
    assert_eq!(made, [false, true]);
}

#[test]
fn an_issue_that_was_made_twice_is_named_once() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    assert!(ended.show(&mock, "none").1.is_none());
    // Another clone made the same at the same time, and was first with one of them.
    mock.hub(|hub| {
        let issue = hub.issues[2].clone();
        hub.issues.push(issue);
    });
    let direct = Direct(mock.clone());
    let mut mirror = ended.mirror(&direct, "none");
    let record = &mut mirror.record;
    for id in record.issues.values_mut() {
        if id == "I_3" {
            *id = "I_5".to_owned();
        }
    }
    let found = mirror.read(&ended.state, &mut |_| {}).unwrap();
    let numbers: Vec<u64> = found.duplicates.iter().map(|issue| issue.number).collect();
    assert_eq!(numbers, [5]);
}

#[test]
fn a_reason_that_people_gave_stays() {
    let ended = Ended::new(PLAN);
    let mock = Mock::default();
    let direct = Direct(mock.clone());
    let mut mirror = ended.mirror(&direct, "none");
    let mut found = mirror.read(&ended.state, &mut |_| {}).unwrap();
    mirror
        .carry_out(&ended.state, &mut found, &mut |_| {})
        .unwrap();
    // What was found is old: they have closed the issue of the first task for another reason meanwhile.
    let first = Subject::Task(TaskNumber(1));
    found.issues.get_mut(&first).unwrap().reopen();
    mirror.record.columns.remove("1");
    found.issues.get_mut(&first).unwrap().reason = String::new();
    mock.hub(|hub| hub.issues[1].reason = Some("NOT_PLANNED".to_owned()));
    mirror
        .refresh(&ended.state, &mut found, &mut |_| {})
        .unwrap();
    mirror
        .carry_out(&ended.state, &mut found, &mut |_| {})
        .unwrap();
    let reason = mock.hub(|hub| hub.issues[1].reason.clone());
    assert_eq!(reason.as_deref(), Some("NOT_PLANNED"));
}

#[test]
fn a_long_limit_is_an_error_for_a_user_and_a_wait_that_is_told_in_the_background() {
    let ended = Ended::new("# Small\n1. One\n   - run: echo 1 > 1\n");
    let mock = Mock::default();
    let limit = || {
        let headers = "Retry-After: 3000\r\n";
        Some(Fault::Answer(429, headers, "{\"message\":\"slow\"}"))
    };
    mock.on_writes([limit()]);
    let (_, error) = ended.show(&mock, "none");
    assert_eq!(error.unwrap().wait(), Some(Duration::from_secs(3000)));
    mock.on_writes([limit()]);
    let direct = Direct(mock.clone());
    let mut mirror = ended.mirror(&direct, "none");
    mirror.is_alone = true;
    let _lock = lock(&ended.repo, &ended.state.run).unwrap();
    let told = || waits_for(&ended.repo, &ended.state.run);
    let mut waits = Vec::new();
    let mut say = |progress| {
        if let Progress::Waiting(wait, _) = progress {
            waits.push((wait, told().unwrap()));
        }
    };
    let mut found = mirror.read(&ended.state, &mut say).unwrap();
    mirror
        .carry_out(&ended.state, &mut found, &mut say)
        .unwrap();
    let [(wait, told_then)] = &waits[..] else {
        panic!("{waits:?}");
    };
    assert_eq!(*wait, Duration::from_secs(3000));
    let words = "GitHub rate limit exceeded: slow; the next request is in ";
    assert!(told_then.starts_with(words), "{told_then}");
    assert_eq!(told(), None);
    assert_eq!(mock.hub(|hub| hub.issues.len()), 2);
}
