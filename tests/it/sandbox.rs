//! The confinement of workers: what they can change, what they are told, and what outlives them.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use git_dispatch::exec::{Support, sandbox_support};

use crate::harness::{Scene, has_reftable};

/// Creates a scene in which workers may change only their own files; `None` where the kernel has no
/// Landlock.
fn confined() -> Option<Scene> {
    if sandbox_support() != Support::FilesAndSignals {
        return None;
    }
    let mut scene = Scene::new();
    scene.unset_env("DISPATCH_SANDBOX_WRITE");
    scene.set_env("DISPATCH_SANDBOX_WRITE", "[]");
    Some(scene)
}

/// Writes the user's own configuration.
fn configure_user(scene: &Scene, toml: &str) {
    let folder = scene.root.join("home/config/dispatch");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), toml).unwrap();
}

/// Writes a script of `name: command` lines that records each as allowed or denied in `tried.txt`.
fn script(scene: &Scene, lines: &[(&str, &str)]) -> String {
    let shop = scene.repo.display();
    let mut text = format!("M='{shop}'; C='{shop}/.git'\n");
    text.push_str("R=$C/dispatch/runs/$DISPATCH_RUN\n");
    for (name, command) in lines {
        text.push_str(&format!(
            "if ( {command} ) >/dev/null 2>&1; then echo '{name}: allowed'; else echo '{name}: denied'; fi \
             >> tried.txt\n"
        ));
    }
    let path = scene.root.join("work.sh");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn tried(scene: &Scene, slug: &str) -> String {
    scene.git(&["show", &format!("{}:tried.txt", scene.branch(slug))])
}

#[test]
fn a_worker_changes_its_worktree_and_nothing_else() {
    let Some(scene) = confined() else { return };
    let script = script(
        &scene,
        &[
            (
                "its worktree",
                "echo 1 > one.txt && mkdir d && mv one.txt d/",
            ),
            ("a temporary file", "echo 1 > \"$TMPDIR/x\" && mktemp"),
            (
                "its report",
                "echo '{\"summary\": \"done\"}' > \"$DISPATCH_RESULT_FILE\"",
            ),
            ("/dev/null", "echo 1 > /dev/null"),
            ("the main checkout", "echo 1 >> \"$M/README.md\""),
            ("a new file of the checkout", "echo 1 > \"$M/new.txt\""),
            ("the truncation of a file", "truncate -s 0 \"$M/README.md\""),
            ("the home folder", "echo 1 >> \"$HOME/.profile\""),
            (
                "a hook",
                "mkdir -p \"$C/hooks\" && echo 1 > \"$C/hooks/pre-commit\"",
            ),
            (
                "the configuration",
                "git config --file \"$C/config\" core.fsmonitor x",
            ),
            (
                "attributes",
                "mkdir -p \"$C/info\" && echo 1 > \"$C/info/attributes\"",
            ),
            (
                "settings that do not exist yet",
                "echo 1 > \"$C/config.worktree\"",
            ),
            (
                "a file behind a link of its own",
                "ln -sf \"$M/README.md\" behind && echo 1 >> behind",
            ),
            (
                "a new file behind a link of its own",
                "ln -sfn \"$C/hooks\" hooks && mkdir -p hooks/ && echo 1 > hooks/pre-push",
            ),
            (
                "a second name of a file",
                "ln \"$M/README.md\" second && echo 1 >> second",
            ),
            (
                "the branch main",
                "git --git-dir=\"$C\" update-ref refs/heads/main HEAD",
            ),
            (
                "a new branch",
                "git --git-dir=\"$C\" update-ref refs/heads/mine HEAD",
            ),
            (
                "a worktree",
                "git --git-dir=\"$C\" worktree add --detach \"$TMPDIR/worktree\"",
            ),
            ("a tag", "git --git-dir=\"$C\" tag mine main"),
            (
                "the stash",
                "git --git-dir=\"$C\" update-ref refs/stash HEAD",
            ),
            (
                "the journal",
                "git --git-dir=\"$C\" update-ref -d refs/dispatch/runs/$DISPATCH_RUN",
            ),
            ("an object", "echo 1 > \"$C/objects/x\""),
            ("the folder of the run", "echo 1 > \"$R/x\""),
            (
                "the folder of the attempt",
                "echo 1 > \"$R/attempts/1-1/worker/exit.json\"",
            ),
            ("the control socket", "rm \"$R/control.sock\""),
            (
                "its supervisor",
                "kill -STOP $(sed 's/.*\"shim\":{\"pid\":\\([0-9]*\\).*/\\1/' \"$R/attempts/1-1/worker/proc.json\")",
            ),
            (
                "the process of the run",
                "kill -STOP $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' \"$R/holder.json\")",
            ),
        ],
    );
    let before = scene.fingerprint();
    let plan = format!("1. [A] a\n   - run: sh {script}\n");
    let ended = scene.run(&plan, &["--no-assemble"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    before.assert_same(&scene.fingerprint());
    insta::assert_snapshot!(tried(&scene, "a"), @r"
    its worktree: allowed
    a temporary file: allowed
    its report: allowed
    /dev/null: allowed
    the main checkout: denied
    a new file of the checkout: denied
    the truncation of a file: denied
    the home folder: denied
    a hook: denied
    the configuration: denied
    attributes: denied
    settings that do not exist yet: denied
    a file behind a link of its own: denied
    a new file behind a link of its own: denied
    a second name of a file: denied
    the branch main: denied
    a new branch: denied
    a worktree: denied
    a tag: denied
    the stash: denied
    the journal: denied
    an object: denied
    the folder of the run: denied
    the folder of the attempt: denied
    the control socket: denied
    its supervisor: denied
    the process of the run: denied
    ");
}

#[test]
fn a_worker_commits_amends_merges_and_rebases_inside_the_sandbox() {
    let Some(scene) = confined() else { return };
    let script = script(
        &scene,
        &[
            (
                "commit",
                "echo 1 > a.txt && git add a.txt && git commit -qm one",
            ),
            ("amend", "git commit -q --amend -m two"),
            ("merge", "git merge -q --no-ff -m three HEAD~1; git log -1"),
            ("reset", "git reset -q --soft HEAD~0"),
            ("status", "git status --porcelain"),
            (
                "branch of its run",
                "git branch dispatch/$DISPATCH_RUN/mine",
            ),
            ("clone", "git clone -q . \"$TMPDIR/clone\""),
            ("revert", "git revert --no-edit HEAD"),
            (
                "rebase",
                "git add tried.txt && git commit -qm tried && git rebase -q HEAD~1",
            ),
        ],
    );
    let plan = format!("1. [A] a\n   - run: sh {script} && git add -A && git commit -qm last\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    insta::assert_snapshot!(tried(&scene, "a"), @r"
    commit: allowed
    amend: allowed
    merge: allowed
    reset: allowed
    status: allowed
    branch of its run: allowed
    clone: allowed
    revert: allowed
    rebase: allowed
    ");
    scene.git(&["fsck", "--no-dangling"]);
}

#[test]
fn picks_rebases_and_merges_inside_the_sandbox_leave_no_mark() {
    let Some(scene) = confined() else { return };
    scene.git(&["switch", "-qc", "other"]);
    for file in ["one.txt", "two.txt"] {
        scene.write(file, "other\n");
        scene.commit(file);
    }
    scene.git(&["switch", "-q", "main"]);
    let plan = "1. [A] picks two
   - run: git cherry-pick other~1 other
2. [B] rebases
   - run: echo b > b.txt && git add b.txt && git commit -qm b && git rebase -q other
3. [C] fails for another reason
   - run: git cherry-pick other; exit 7
4. [D] stops at a conflict
   - run: echo d > one.txt && git add one.txt && git commit -qm d; git cherry-pick other~1; true
5. [E] picks, then merges
   - run: git cherry-pick other~1 && git merge -q --no-edit other
";
    scene.run(plan, &["--no-assemble"]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 DONE · 2 DONE · 3 FAILED · 4 FAILED · 5 DONE"
    );
    let status = scene.dispatch(&["status"]).expect(0).out;
    assert!(!status.contains("packed-refs"), "{status}");
    assert!(!status.contains("(blocker)"), "{status}");
    let subjects = scene.git(&[
        "log",
        "--format=%s",
        &format!("main..{}", scene.branch("a")),
    ]);
    assert_eq!(subjects, "two.txt\none.txt");
    let place = scene.worktree("a").display().to_string();
    let said = scene.git(&["-C", &place, "status"]);
    assert!(!said.contains("cherry-pick"), "{said}");
}

#[test]
fn without_commits_the_whole_git_folder_is_closed() {
    let Some(scene) = confined() else { return };
    configure_user(&scene, "[sandbox]\ncommits = false\n");
    let script = script(
        &scene,
        &[
            ("status", "echo 1 > a.txt && git status --porcelain"),
            ("commit", "git add a.txt && git commit -qm one"),
            ("an object", "rm -rf \"$C/objects\""),
            (
                "a branch of the run",
                "git update-ref refs/heads/dispatch/$DISPATCH_RUN/b HEAD",
            ),
        ],
    );
    let plan = format!("1. [A] a\n   - run: sh {script}\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    insta::assert_snapshot!(tried(&scene, "a"), @r"
    status: allowed
    commit: denied
    an object: denied
    a branch of the run: denied
    ");
    assert_eq!(
        scene.git(&["show", &format!("{}:a.txt", scene.branch("a"))]),
        "1"
    );
    scene.git(&["fsck", "--no-dangling"]);
}

#[test]
fn a_denied_change_is_named_with_the_line_that_allows_it() {
    let Some(mut scene) = confined() else { return };
    let plan = "1. [A] a\n   - run: echo 1 > a.txt && echo 1 > $HOME/tool/cache\n";
    let cache = scene.root.join("home/tool");
    fs::create_dir_all(&cache).unwrap();
    let said = scene.run(plan, &[]).expect(3).out;
    let said = scene.normal(&said.replace(&scene.run_name(), "RUN"));
    let told = ["Error type", "Initial", "Suggested"];
    let lines = said
        .lines()
        .filter(|line| told.iter().any(|told| line.contains(told)));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    • Error type: Blocker (non-retryable until it is fixed)
      1. Initial (<time>): Failed — `the sandbox denied a change of <root>/home/tool/cache`
    • Suggested resolution: if it may, add "<root>/home/tool" to `write` under [sandbox], or to `state` of [workers.shell], in your own configuration (`dispatch help sandbox`), then `dispatch retry RUN 1`
    "#);
    scene.unset_env("DISPATCH_SANDBOX_WRITE");
    scene.set_env("DISPATCH_SANDBOX_WRITE", "[\"~/tool\"]");
    let run = scene.run_name();
    scene.dispatch(&["retry", &run, "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE");
}

#[test]
fn the_temporary_folder_of_a_worker_is_its_own_and_is_removed() {
    let Some(scene) = confined() else { return };
    let plan = "1. [A] a\n   - run: test -d \"$TMPDIR\" && echo x > \"$TMPDIR/x\" && echo \"$TMPDIR\" > where.txt\n";
    scene.run(plan, &["--no-assemble"]).expect(0);
    let folder = scene.git(&["show", &format!("{}:where.txt", scene.branch("a"))]);
    assert!(folder.contains("/dispatch-"), "{folder}");
    assert!(!fs::exists(&folder).unwrap(), "{folder}");
}

#[test]
fn a_worker_cannot_control_runs_without_its_variables_either() {
    let Some(scene) = confined() else { return };
    let dispatch = env!("CARGO_BIN_EXE_dispatch");
    let script = script(
        &scene,
        &[
            (
                "pause",
                &format!("env -u DISPATCH_DEPTH {dispatch} pause $DISPATCH_RUN"),
            ),
            (
                "cancel",
                &format!("env -i PATH=\"$PATH\" HOME=\"$HOME\" {dispatch} cancel $DISPATCH_RUN 1"),
            ),
        ],
    );
    let plan = format!("1. [A] a\n   - run: sh {script}\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    assert_eq!(tried(&scene, "a"), "pause: denied\ncancel: denied");
}

#[test]
fn a_worker_that_allows_itself_more_depth_lands_nothing() {
    let scene = Scene::new();
    configure_user(&scene, "[sandbox]\nmode = \"off\"\n");
    scene
        .run("1. [A] a\n   - run: echo 1 > a.txt\n", &[])
        .expect(0);
    let (dispatch, first) = (env!("CARGO_BIN_EXE_dispatch"), scene.run_name());
    let land = format!("{dispatch} land {first} --yes");
    let script = script(
        &scene,
        &[
            (
                "the setting",
                "printf '[run]\\nmax_depth = 9\\n' > .dispatch.toml",
            ),
            ("land", &format!("{land} 2>&1 | tee said.txt; {land}")),
            ("resume", &format!("{dispatch} resume {first}")),
        ],
    );
    let before = scene.fingerprint();
    let plan = format!("1. [B] b\n   - run: sh {script}\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    before.assert_same(&scene.fingerprint());
    let second = scene.run_names().into_iter().find(|run| *run != first);
    let branch = format!("dispatch/{}/b", second.unwrap());
    assert_eq!(
        scene.git(&["show", &format!("{branch}:tried.txt")]),
        "the setting: allowed\nland: denied\nresume: denied"
    );
    let said = scene.git(&["show", &format!("{branch}:said.txt")]);
    assert!(said.contains("that you have not agreed to"), "{said}");
}

#[test]
fn the_runs_folder_and_its_socket_belong_to_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let dispatch = env!("CARGO_BIN_EXE_dispatch");
    let plan = scene.plan("1. [A] a\n   - run: stat -c '%a %n' $(dirname $DISPATCH_RESULT_FILE)/../../../control.* > modes.txt\n");
    let line = format!("umask 000; exec {dispatch} run {plan} --yes --no-assemble");
    let ended = scene.command("sh").args(["-c", &line]).output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let modes = scene.git(&["show", &format!("{}:modes.txt", scene.branch("a"))]);
    assert_eq!(modes.lines().count(), 2, "{modes}");
    assert!(
        modes.lines().all(|line| line.starts_with("600 ")),
        "{modes}"
    );
    let folder = scene.repo.join(".git/dispatch/runs").join(scene.run_name());
    let mode = fs::metadata(folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_worker_that_kills_its_supervisor_is_tried_a_few_times_and_fails() {
    let scene = Scene::new();
    let count = scene.root.join("count");
    let plan = format!(
        "1. [A] a\n   - run: echo x >> {}; kill -KILL $PPID; sleep 600\n",
        count.display()
    );
    configure_user(&scene, "[sandbox]\nmode = \"off\"\n");
    scene.run(&plan, &[]).expect(3);
    // A failure that repeats itself is not tried again.
    assert_eq!(fs::read_to_string(&count).unwrap().lines().count(), 2);
    let note = scene.json()["tasks"][0]["note"].to_string();
    assert!(
        note.contains("supervisor of the worker was killed"),
        "{note}"
    );
}

#[test]
fn a_daemon_that_killed_the_supervisor_is_killed_without_a_trace_of_its_environment() {
    let scene = Scene::new();
    configure_user(
        &scene,
        "[sandbox]\nmode = \"off\"\n[retry]\ntransient = 0\n",
    );
    let pid = scene.root.join("pid");
    let daemon = format!("echo $$ > {}; exec sleep 600", pid.display());
    let script = scene.root.join("work.sh");
    let text = format!(
        "setsid env -i PATH=\"$PATH\" sh -c '{daemon}' >/dev/null 2>&1 &\n\
         while [ ! -s {} ]; do sleep 0.01; done\nkill -KILL $PPID; sleep 600\n",
        pid.display()
    );
    fs::write(&script, text).unwrap();
    let plan = format!("1. [A] a\n   - run: exec sh {}\n", script.display());
    scene.run(&plan, &[]).expect(3);
    assert!(!crate::process::is_alive(crate::process::pid_in(&pid)));
}

/// A program in place of bubblewrap that records its arguments and runs the command behind `--`.
const BUBBLEWRAP: &str = "#!/bin/sh\nfor word; do echo \"$word\"; done > \"$0.args\"\n\
                          while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n";

#[test]
fn a_strict_sandbox_is_built_with_bubblewrap() {
    // All references of a reftable are in the same files.
    if has_reftable() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let mut scene = Scene::new();
    let bin = scene.root.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("bwrap");
    fs::write(&program, BUBBLEWRAP).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(scene.root.join("home/.ssh")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", bin.display());
    scene.set_env("PATH", &path);
    scene.set_env("DISPATCH_SANDBOX_WRITE", "[\"~/.m2\"]");
    configure_user(&scene, "[sandbox]\nkind = \"strict\"\nnetwork = \"none\"\n");
    scene
        .run("1. [A] a\n   - run: echo 1 > a.txt\n", &["--no-assemble"])
        .expect(0);
    let given = fs::read_to_string(bin.join("bwrap.args")).unwrap();
    let given = scene.normal(&given).replace(&scene.run_name(), "RUN");
    let tmp = given
        .split_once("/dispatch-")
        .map(|(_, rest)| rest[..6].to_owned());
    let given = given.replace(&tmp.unwrap(), "TMP");
    let given: Vec<&str> = given.lines().collect();
    let given = given.join(" ").replace(" --", "\n--");
    // Folders of programs below /tmp are bound, too; which these are depends on the machine.
    let programs: Vec<String> = std::env::split_paths(&path)
        .map(|folder| scene.normal(&folder.display().to_string()))
        .map(|folder| format!("--ro-bind-try {folder} {folder}"))
        .collect();
    // Root keeps some capabilities, other users have none.
    let is_general =
        |line: &&str| !line.starts_with("--cap-") && !programs.contains(&(*line).to_owned());
    let given: Vec<&str> = given.lines().filter(is_general).collect();
    let given = given.join("\n");
    insta::assert_snapshot!(given, @r"
    --die-with-parent
    --new-session
    --unshare-pid
    --unshare-ipc
    --unshare-net
    --ro-bind / /
    --dev /dev
    --proc /proc
    --tmpfs /tmp
    --tmpfs <root>/home
    --ro-bind-try <root>/home/.gitconfig <root>/home/.gitconfig
    --ro-bind-try <root>/home/.config/git <root>/home/.config/git
    --ro-bind-try <root>/shop/.git <root>/shop/.git
    --bind-try <root>/shop.dispatch/RUN/a <root>/shop.dispatch/RUN/a
    --bind-try <root>/shop/.git/dispatch/private/RUN-a <root>/shop/.git/dispatch/private/RUN-a
    --bind-try <root>/shop/.git/worktrees/RUN-a/modules <root>/shop/.git/worktrees/RUN-a/modules
    --bind-try <root>/shop/.git/dispatch/runs/RUN/attempts/1-1/exchange <root>/shop/.git/dispatch/runs/RUN/attempts/1-1/exchange
    --bind-try <root>/home/.m2 <root>/home/.m2
    --bind-try <root>/dispatch-TMP <root>/dispatch-TMP
    --tmpfs <root>/home/.ssh
    --ro-bind /dev/null <root>/shop/.git/dispatch/runs/RUN/control.sock
    --ro-bind /dev/null <root>/shop/.git/dispatch/runs/RUN/control.secret
    --chdir <root>/shop.dispatch/RUN/a
    -- sh -c echo 1 > a.txt
    ");
}

/// Returns `true` if bubblewrap is installed and may make namespaces here.
fn has_bubblewrap() -> bool {
    let mut bwrap = std::process::Command::new("bwrap");
    bwrap.args([
        "--ro-bind",
        "/",
        "/",
        "--unshare-pid",
        "--proc",
        "/proc",
        "true",
    ]);
    bwrap.output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_worker_under_the_real_bubblewrap_reaches_only_its_own() {
    if !has_bubblewrap() || has_reftable() {
        let why = "skipped: bubblewrap is not installed, or may not make namespaces here";
        let _ = writeln!(std::io::stderr(), "{why}");
        return;
    }
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_SANDBOX_WRITE", "[]");
    let home = scene.root.join("home");
    fs::create_dir_all(home.join(".ssh")).unwrap();
    fs::write(home.join(".ssh/id"), "private-key\n").unwrap();
    fs::write(home.join(".netrc"), "private-password\n").unwrap();
    fs::write(home.join("letter.txt"), "private-letter\n").unwrap();
    configure_user(
        &scene,
        "[sandbox]\nkind = \"strict\"\nnetwork = \"loopback\"\n",
    );
    let script = "\
cat ~/.ssh/id ~/.netrc ~/letter.txt > read.txt 2>&1
ls /proc | grep -c '^[0-9]' > processes.txt
cat /proc/net/dev | grep -c : > devices.txt
mount -o remount,rw / >/dev/null 2>&1; mount -o remount,rw,bind / >/dev/null 2>&1
main=../../../shop
echo x > $main/evil.txt; echo x > $main/.git/hooks/evil; git config evil.evil x
git branch evil; git update-ref refs/heads/main HEAD~1
echo x > ~/evil; touch /evil-of-dispatch-test
kill -9 $(sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p' $main/.git/dispatch/runs/*/holder.json)
echo 1 > a.txt; git add -A; git commit -qm 'by the worker'
exit 0
";
    scene.write("evil.sh", script);
    scene.commit("Script");
    let main = scene.rev("main");
    let user = scene.fingerprint();
    scene.run("1. [A] a\n   - run: sh evil.sh\n", &[]).expect(0);
    user.assert_same(&scene.fingerprint());
    assert_eq!(scene.rev("main"), main);
    let file = |name: &str| scene.git(&["show", &format!("{}:{name}", scene.branch("a"))]);
    let read = file("read.txt");
    assert!(!read.contains("private"), "{read}");
    let processes: u32 = file("processes.txt").parse().unwrap();
    assert!(processes < 8, "{processes} processes");
    assert_eq!(file("devices.txt"), "1");
    let subject = scene.git(&["log", "-1", "--format=%s", &scene.branch("a")]);
    assert_eq!(subject, "by the worker");
    assert!(!home.join("evil").exists() && !Path::new("/evil-of-dispatch-test").exists());
}

#[test]
fn a_program_of_the_user_can_confine_workers() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let program = scene.root.join("wrap");
    fs::write(
        &program,
        "#!/bin/sh\necho \"in $1\" > wrapped.txt; shift; exec \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let toml =
        format!("[sandbox]\nkind = \"command\"\ncommand = [{program:?}, \"{{worktree}}\"]\n");
    configure_user(&scene, &toml);
    scene
        .run("1. [A] a\n   - run: echo 1 > a.txt\n", &["--no-assemble"])
        .expect(0);
    let said = scene.git(&["show", &format!("{}:wrapped.txt", scene.branch("a"))]);
    assert_eq!(said, format!("in {}", scene.worktree("a").display()));
}

/// Runs a worker under a program of the user that records the words it gets, and returns them.
fn words_of_wrapper(scene: &Scene, isolation: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let program = scene.root.join("home/wrap");
    let script = "#!/bin/sh\nfor word; do shift; [ \"$word\" = -- ] && break; echo \"$word\"; done > words.txt\n\
                  exec \"$@\"\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let words = "\"~/wrap\", \"~/\", \"--bind=~/\", \"--git={git}\", \"{repository_git}:{worktree}\", \"${HOME}\", \"{tmp}\"";
    let toml = format!(
        "[worktree]\nisolation = \"{isolation}\"\n[sandbox]\nkind = \"command\"\ncommand = [{words}, \"--\"]\n"
    );
    configure_user(scene, &toml);
    let plan = "1. [A] a\n   - run: test -d \"$TMPDIR\" && echo 1 > a.txt && git add . && git commit -qm own\n";
    scene.run(plan, &["--no-assemble"]).expect(0);
    let said = scene.git(&["show", &format!("{}:words.txt", scene.branch("a"))]);
    // git names the entry of a worktree after its folder, dispatch after run and task.
    let said = said.replace(&format!("/{}-a\n", scene.run_name()), "/a\n");
    let said = said.replace(&scene.run_name(), "RUN");
    let said = said.replace(scene.root.to_str().unwrap(), "<root>");
    let lines = said
        .lines()
        .map(|line| match line.split_once("/dispatch-") {
            Some((_, rest)) if rest.len() == 6 => "<tmp>",
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_program_of_the_user_gets_the_folders_that_a_worker_needs() {
    let own = words_of_wrapper(&Scene::new(), "clone");
    let shared = words_of_wrapper(&Scene::new(), "worktree");
    insta::assert_snapshot!(format!("clone:\n{own}\n\nworktree:\n{shared}"), @r"
    clone:
    <root>/home/
    --bind=~/
    --git=<root>/shop/.git/dispatch/private/a
    <root>/shop/.git:<root>/shop.dispatch/RUN/a
    ${HOME}
    <tmp>

    worktree:
    <root>/home/
    --bind=~/
    --git=<root>/shop/.git/worktrees/a
    <root>/shop/.git:<root>/shop.dispatch/RUN/a
    ${HOME}
    <tmp>
    ");
}

#[test]
fn an_unknown_placeholder_of_the_sandbox_is_refused() {
    let scene = Scene::new();
    configure_user(
        &scene,
        "[sandbox]\nkind = \"command\"\ncommand = [\"wrap\", \"--git={gitt}\"]\n",
    );
    let refused = scene
        .run("1. [A] a\n   - run: echo 1 > a.txt\n", &[])
        .expect(1);
    let lines: Vec<&str> = refused
        .err
        .lines()
        .filter(|line| line.contains("placeholder"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: command: unknown placeholder {gitt}
    hint: did you mean {git}? valid placeholders are {worktree}, {tmp}, {git}, {repository_git}
    ");
}

#[test]
fn the_limits_of_the_settings_hold_for_a_worker() {
    let scene = Scene::new();
    scene.configure("[limits]\nopen_files = 100\nfile_size = \"9MiB\"\ncpu_time = \"90s\"\n");
    let script = "ulimit -n > n.txt; ulimit -f > f.txt; ulimit -t > t.txt";
    let plan = format!("1. [A] a\n   - run: {script}\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    let of = |file: &str| scene.git(&["show", &format!("{}:{file}", scene.branch("a"))]);
    assert_eq!(
        [of("n.txt"), of("f.txt"), of("t.txt")],
        ["100", "18432", "90"]
    );
}

#[test]
fn a_worker_whose_worktree_outgrows_its_limit_is_stopped_and_its_work_is_kept() {
    for mode in ["auto", "off"] {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_SANDBOX_MODE", mode);
        scene.configure("[limits]\ndisk = \"4MiB\"\n");
        // It ends by the limit only.
        let plan = "1. [A] a\n   - run: echo 1 > one.txt; head -c 8000000 /dev/urandom > big.bin; mkfifo \
                    ${TMPDIR:-.}/f; read x < ${TMPDIR:-.}/f\n";
        let ended = scene.run(plan, &[]).expect(3);
        let words = "stopped because its worktree took ";
        assert!(ended.err.contains(words), "{mode}: {}", ended.err);
        assert!(
            ended.out.contains("disk limit of 4 MiB"),
            "{mode}: {}",
            ended.out
        );
        let kept = format!("refs/dispatch/attempts/{}/a/1:one.txt", scene.run_name());
        assert!(scene.has(&kept), "{mode}");
    }
}

#[test]
fn a_usual_place_that_holds_the_repository_is_not_opened() {
    let Some(mut scene) = confined() else { return };
    scene.unset_env("DISPATCH_SANDBOX_WRITE");
    // One of these usual places is, by a link, the folder of the repository and of the worktrees.
    std::os::unix::fs::symlink(&scene.root, scene.root.join("home/.cache")).unwrap();
    fs::create_dir_all(scene.root.join("home/.npm")).unwrap();
    scene.set_env("DISPATCH_SANDBOX_WRITE", "[\"~/.cache\", \"~/.npm\"]");
    let script = script(
        &scene,
        &[
            ("another usual place", "echo 1 > \"$HOME/.npm/x\""),
            ("the checkout", "echo 1 >> \"$HOME/.cache/shop/README.md\""),
            ("a hook", "echo 1 > \"$C/hooks/pre-commit\""),
            ("the folder of the worktrees", "echo 1 > ../x"),
        ],
    );
    let plan = format!("1. [A] a\n   - run: sh {script}\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    insta::assert_snapshot!(tried(&scene, "a"), @r"
    another usual place: allowed
    the checkout: denied
    a hook: denied
    the folder of the worktrees: denied
    ");
}
