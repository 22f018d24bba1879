//! Reads the state of a run, without the right to change it.

use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::runs::load::{SETTINGS_FILE, fold, parse_settings, start};
use crate::engine::runs::state_cache::StateCache;
use crate::git::{Repo, Store};
use crate::journal::{Replayed, latest_file, replay, replay_after};
use crate::merge::oid::Oid;
use crate::model::event::Recorded;
use crate::model::ids::RunId;
use crate::model::run::RunState;

/// The number of events beyond the cached state after which the new state is cached.
const WORTH_CACHING: usize = 100;

/// Reads the state of a run once. Needs no lock, and writes nothing but the cache.
///
/// # Errors
/// When the journal or the plan cannot be read; nothing is guessed.
pub fn read_state(repo: &Repo, store: &Store, run: &RunId) -> Result<RunState, EngineError> {
    let mut reader = StateReader::new(repo, store, run);
    reader.update()?;
    let known = reader.known.map(|(_, state)| state);
    known.ok_or_else(|| EngineError::Broken(format!("no state of {run}")))
}

/// Reads the settings that a run was started with, to show something; nothing they name may be run.
///
/// # Errors
/// When the journal or the settings cannot be read.
pub fn read_settings(store: &Store, run: &RunId) -> Result<Settings, EngineError> {
    parse_settings(run, &latest_file(store, run, SETTINGS_FILE)?)
}

/// Reads the state of a run again and again: each time only the events since the last time.
#[derive(Debug)]
pub struct StateReader<'a> {
    store: &'a Store,
    run: &'a RunId,
    cache: StateCache,
    /// The last commit that was read, with the state after it.
    known: Option<(Oid, RunState)>,
}

impl<'a> StateReader<'a> {
    /// Creates a reader of this run.
    pub fn new(repo: &Repo, store: &'a Store, run: &'a RunId) -> StateReader<'a> {
        StateReader {
            store,
            run,
            cache: StateCache::new(repo, run),
            known: None,
        }
    }

    /// Returns the state as of now.
    ///
    /// # Errors
    /// When the journal or the plan cannot be read; nothing is guessed.
    pub fn read(&mut self) -> Result<&RunState, EngineError> {
        Ok(self.read_with_news()?.0)
    }

    /// Returns the state as of now with the events since the last call; the first call may have more
    /// than what is new.
    ///
    /// # Errors
    /// When the journal or the plan cannot be read; nothing is guessed.
    pub fn read_with_news(&mut self) -> Result<(&RunState, Vec<Recorded>), EngineError> {
        let news = self.update()?;
        let known = self.known.as_ref().map(|(_, state)| state);
        let state =
            known.ok_or_else(|| EngineError::Broken(format!("no state of {}", self.run)))?;
        Ok((state, news))
    }

    fn update(&mut self) -> Result<Vec<Recorded>, EngineError> {
        let known = self.known.take().or_else(|| self.cache.load());
        let (state, replayed) = match known.and_then(|known| self.since(known)) {
            Some(found) => found,
            None => self.whole()?,
        };
        if replayed.records.len() >= WORTH_CACHING {
            // Without the cache the next reader replays the same events, which is only slower.
            let _ = self.cache.save(replayed.tip, &state);
        }
        self.known = Some((replayed.tip, state));
        Ok(replayed.records)
    }

    fn whole(&self) -> Result<(RunState, Replayed), EngineError> {
        let replayed = replay(self.store, self.run)?;
        let state = fold(self.store, start(self.store, &replayed)?, &replayed)?;
        Ok((state, replayed))
    }

    /// Folds the events since a known state; `None` if it is not a state of this journal.
    fn since(&self, (tip, state): (Oid, RunState)) -> Option<(RunState, Replayed)> {
        let replayed = replay_after(self.store, self.run, tip, state.seq).ok()?;
        let is_whole = replayed.records.first().is_some_and(|first| first.seq == 1);
        let state = match is_whole {
            true => start(self.store, &replayed).ok()?,
            false => state,
        };
        Some((fold(self.store, state, &replayed).ok()?, replayed))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use jiff::Timestamp;

    use super::*;
    use crate::config::Settings;
    use crate::engine::runs::load::{
        PLAN_FILE, PLAN_TEXT_FILE, SETTINGS_FILE, load, settings_text,
    };
    use crate::git::Git;
    use crate::journal::Journal;
    use crate::merge::class::Class;
    use crate::model::event::Event;
    use crate::model::failure::FailureClass;
    use crate::model::fixture::{RunFixture, conflict, failure};
    use crate::model::ids::TaskNumber;
    use crate::model::outcome::{End, Outcome};
    use crate::model::plan::Plan;
    use crate::model::recovery::{Finding, FindingKind};
    use crate::plan::{Format, render};

    const TASKS: u32 = 7;

    /// A run of seven tasks with its journal, and a source of random events.
    struct Scene {
        _folder: tempfile::TempDir,
        repo: Repo,
        store: Store,
        run: RunId,
        base: Oid,
        plan: Plan,
        journal: Journal,
        random: fastrand::Rng,
    }

    impl Scene {
        fn new(seed: u64) -> Scene {
            let folder = tempfile::tempdir().unwrap();
            let git = Git::at(folder.path());
            git.run(&["init", "--quiet"]).unwrap();
            let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
            let commit = ["commit", "--quiet", "--allow-empty", "-m", "first"];
            git.run(&[&who[..], &commit].concat()).unwrap();
            let repo = Repo::discover(folder.path()).unwrap();
            let store = Store::open(&repo).unwrap();
            let base = store.resolve("HEAD").unwrap().unwrap();
            let plan = RunFixture::new("a · b · c <- a, b · d <- c · e · f <- d · g");
            let plan = plan.state().plan;
            let run = RunId::new("trial-abcd");
            let started = Event::RunStarted {
                title: "Trial".to_owned(),
                base,
                base_name: "main".to_owned(),
                target: None,
                only: None,
                assemble: true,
                plan_file: None,
            };
            let files = files_of(&plan);
            let journal = Journal::create(&repo, &run, &named(&files), started, now()).unwrap();
            Scene {
                _folder: folder,
                repo,
                store,
                run,
                base,
                plan,
                journal: journal.0,
                random: fastrand::Rng::with_seed(seed),
            }
        }

        /// Records so many random events, in commits of one to nine.
        fn grow(&mut self, count: usize) {
            let mut left = count;
            while left > 0 {
                let size = self.random.usize(1..10).min(left);
                let events = (0..size).map(|_| self.event()).collect();
                self.journal.append(events, now()).unwrap();
                left -= size;
            }
        }

        /// Records a new plan, in which one task has another title.
        fn edit_plan(&mut self) {
            let mut tasks = self.plan.tasks().to_vec();
            tasks[3].title = format!("changed {}", self.random.u32(..));
            self.plan = Plan::new("Trial".to_owned(), Vec::new(), tasks).unwrap();
            let files = files_of(&self.plan);
            self.journal.replace_files(&named(&files)).unwrap();
            let edits = vec![Finding {
                task: Some(TaskNumber(4)),
                kind: FindingKind::Changed,
                name: String::new(),
            }];
            let edited = vec![Event::PlanEdited { edits }];
            self.journal.append(edited, now()).unwrap();
        }

        fn event(&mut self) -> Event {
            let task = TaskNumber(self.random.u32(1..=TASKS));
            let attempt = self.random.u32(1..4);
            match self.random.u8(0..10) {
                0 | 1 => Event::AttemptStarting {
                    task,
                    attempt,
                    worker: "claude".to_owned(),
                    branch: "dispatch/trial-abcd/t".to_owned(),
                    worktree: "../t \u{e9}\"\n".to_owned(),
                    variant: None,
                },
                2 => Event::AttemptStarted {
                    task,
                    attempt,
                    base: self.base,
                    warm: false,
                },
                3 | 4 => Event::AttemptEnded {
                    task,
                    attempt,
                    outcome: Box::new(self.outcome()),
                    jitter: self.random.f64(),
                },
                5 => Event::RetryScheduled {
                    task,
                    due: now(),
                    variant: None,
                },
                6 => Event::ConflictsFound {
                    conflicts: vec![conflict(
                        1,
                        task.0.max(2),
                        Class::Content,
                        &["a \u{e9}", "b"],
                    )],
                },
                7 => Event::WorkerParked {
                    worker: "claude".to_owned(),
                    task,
                    until: now(),
                    reason: "limit".to_owned(),
                },
                8 => Event::TaskSkipped {
                    task,
                    cascade: self.random.bool(),
                },
                _ => Event::RetryRequested {
                    task,
                    extra_prompt: Some("again".to_owned()),
                    new_prompt: None,
                    worker: None,
                    continue_session: false,
                    by_hand: None,
                    attempt: None,
                },
            }
        }

        fn outcome(&mut self) -> Outcome {
            let passed = RunFixture::new("a")
                .begin(1, "claude")
                .pass(1, "done")
                .state();
            let mut outcome = passed.tasks[0].outcome().unwrap().clone();
            outcome.millis = self.random.u64(..);
            outcome.end = match self.random.u8(0..3) {
                0 => End::Failed(failure(FailureClass::Transient, "no network")),
                1 => End::Interrupted {},
                _ => End::Passed {
                    candidate: Some(self.base),
                    stat: Default::default(),
                    info: None,
                },
            };
            outcome
        }

        fn replayed(&self) -> RunState {
            load(&self.store, &self.run).unwrap().state
        }

        fn read(&self) -> RunState {
            read_state(&self.repo, &self.store, &self.run).unwrap()
        }

        fn cache(&self) -> StateCache {
            StateCache::new(&self.repo, &self.run)
        }

        fn tip(&self) -> Oid {
            replay(&self.store, &self.run).unwrap().tip
        }

        fn file(&self) -> PathBuf {
            self.repo.dispatch_folder().join("cache/states/trial-abcd")
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T09:14:00.123456789Z".parse().unwrap()
    }

    fn files_of(plan: &Plan) -> [(&'static str, String); 3] {
        [
            (PLAN_FILE, render(plan, Format::Json)),
            (PLAN_TEXT_FILE, render(plan, Format::Markdown)),
            (SETTINGS_FILE, settings_text(&Settings::default()).unwrap()),
        ]
    }

    fn named<'a>(files: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
        files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect()
    }

    #[test]
    fn a_cached_state_is_the_state_that_a_replay_gives() {
        for seed in 0..4 {
            let mut scene = Scene::new(seed);
            scene.grow(WORTH_CACHING);
            assert_eq!(scene.read(), scene.replayed(), "seed {seed}");
            let (tip, cached) = scene.cache().load().unwrap();
            assert_eq!(
                (tip, &cached),
                (scene.tip(), &scene.replayed()),
                "seed {seed}"
            );
            scene.grow(10);
            scene.edit_plan();
            scene.grow(10);
            assert_eq!(scene.read(), scene.replayed(), "seed {seed}");
            // So few events do not pay for another file.
            assert_eq!(scene.cache().load().unwrap().0, tip);
            scene.grow(WORTH_CACHING);
            assert_eq!(scene.read(), scene.replayed(), "seed {seed}");
            assert_eq!(scene.cache().load().unwrap().0, scene.tip());
        }
    }

    #[test]
    fn a_reader_follows_the_journal() {
        let mut scene = Scene::new(3);
        let (repo, run) = (scene.repo.clone(), scene.run.clone());
        let store = Store::open(&repo).unwrap();
        let mut reader = StateReader::new(&repo, &store, &run);
        for _ in 0..5 {
            scene.grow(7);
            scene.edit_plan();
            assert_eq!(reader.read().unwrap(), &scene.replayed());
        }
        assert!(!scene.file().exists());
    }

    #[test]
    fn a_file_that_is_damaged_or_of_another_build_or_run_is_ignored() {
        let mut scene = Scene::new(1);
        scene.grow(WORTH_CACHING);
        scene.read();
        let sound = fs::read(scene.file()).unwrap();
        let end = sound.iter().position(|byte| *byte == b'\n').unwrap();
        let (head, body) = (&sound[..end], &sound[end..]);
        let replaced = |from: &str, to: &str| {
            let head = String::from_utf8(head.to_vec()).unwrap();
            assert!(head.contains(from));
            [head.replace(from, to).as_bytes(), body].concat()
        };
        let mut flipped = sound.clone();
        flipped[end + 100] ^= 1;
        for content in [
            Vec::new(),
            b"\n".to_vec(),
            head.to_vec(),
            sound[..sound.len() / 2].to_vec(),
            [&sound[..], b" "].concat(),
            flipped,
            replaced(env!("DISPATCH_SOURCES"), "0123456789abcdef"),
            replaced("trial-abcd", "other-abcd"),
        ] {
            fs::write(scene.file(), &content).unwrap();
            assert!(scene.cache().load().is_none());
            assert_eq!(scene.read(), scene.replayed());
            assert_eq!(scene.cache().load().unwrap().0, scene.tip());
        }
        let elsewhere = replaced(&scene.tip().to_string(), &scene.base.to_string());
        fs::write(scene.file(), elsewhere).unwrap();
        assert_eq!(scene.read(), scene.replayed());
    }

    #[test]
    fn a_state_of_another_journal_is_ignored() {
        let mut scene = Scene::new(1);
        scene.grow(20);
        let state = scene.replayed();
        let elsewhere = scene.base;
        scene.cache().save(elsewhere, &state).unwrap();
        scene.grow(20);
        assert_eq!(scene.read(), scene.replayed());
    }

    #[test]
    fn a_state_with_a_wrong_number_is_ignored() {
        let mut scene = Scene::new(1);
        scene.grow(20);
        let mut state = scene.replayed();
        let tip = scene.tip();
        state.seq -= 1;
        scene.cache().save(tip, &state).unwrap();
        scene.grow(20);
        assert_eq!(scene.read(), scene.replayed());
    }

    #[test]
    fn readers_that_write_at_once_leave_a_whole_file() {
        let mut scene = Scene::new(2);
        scene.grow(WORTH_CACHING);
        let (repo, run, expected) = (&scene.repo, &scene.run, scene.replayed());
        let file = scene.file();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let store = Store::open(repo).unwrap();
                    for _ in 0..10 {
                        assert_eq!(read_state(repo, &store, run).unwrap(), expected);
                        let _ = fs::remove_file(&file);
                    }
                });
            }
        });
        assert_eq!(scene.read(), expected);
        assert_eq!(scene.cache().load().unwrap().1, expected);
    }

    #[test]
    fn where_nothing_can_be_written_the_journal_is_read() {
        let mut scene = Scene::new(2);
        scene.grow(WORTH_CACHING);
        let folder = scene.repo.dispatch_folder().join("cache");
        fs::create_dir_all(&folder).unwrap();
        // The user root may write anywhere, but not below a file.
        fs::write(folder.join("states"), "").unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(scene.read(), scene.replayed());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
