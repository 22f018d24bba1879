//! The git folder of its own that a worker in the sandbox uses: git works there, nothing of it reaches the
//! repository but what dispatch takes over.
#![cfg(target_os = "linux")]

use std::fs;

use git_dispatch::exec::{Support, sandbox_support};
use rustix::process::Signal;

use crate::harness::{Gate, Scene};
use crate::process::{Background, is_alive, pid_in, send, until};

/// Creates a scene whose workers may write nothing but what is theirs; `None` where the kernel has no
/// Landlock.
fn confined() -> Option<Scene> {
    if sandbox_support() != Support::FilesAndSignals {
        return None;
    }
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_SANDBOX_WRITE", "[]");
    Some(scene)
}

/// Writes a worker's script; `$C` is the git folder of the repository.
fn script(scene: &Scene, lines: &str) -> String {
    let path = scene.root.join("work.sh");
    let common = scene.repo.join(".git");
    fs::write(&path, format!("C='{}'\n{lines}", common.display())).unwrap();
    format!("sh {}", path.display())
}

fn plan(scene: &Scene, lines: &str) -> String {
    format!("1. [A] a\n   - run: {}\n", script(scene, lines))
}

/// Returns the references that keep what the attempts at the task left.
fn kept(scene: &Scene) -> Vec<String> {
    let below = format!("refs/dispatch/attempts/{}/a", scene.run_name());
    let listed = scene.git(&["for-each-ref", "--format=%(refname)", &below]);
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn all_of_git_works_and_nothing_of_it_is_in_the_repository() {
    let Some(scene) = confined() else { return };
    scene.git(&["branch", "other"]);
    scene.write(".gitignore", "wt/\n");
    scene.commit("Ignore");
    let before = scene.fingerprint();
    let lines = "set -e
git worktree add -q --detach $TMPDIR/t && (cd $TMPDIR/t && echo t > t.txt && git add -A && git commit -qm temporary)
git log --format=%s other main >log.txt
git diff main >>log.txt
echo a > a.txt && git add -A && git commit -qm one
git checkout -q -b side && echo s > side.txt && git add -A && git commit -qm side && git checkout -q -
git tag mine && git branch spare && git config user.name Worker
echo b > b.txt && git add -A && git stash -q && test ! -e b.txt && git stash pop -q
echo left > left.txt && git add -A && git stash -q
git worktree add -q -b nested wt && (cd wt && echo w > w.txt && git add -A && git commit -qm nested)
git gc -q && git pack-refs --all && git fetch -q . main
git update-ref -d refs/heads/other
";
    let ended = scene
        .run(&plan(&scene, lines), &["--no-assemble"])
        .expect(0);
    before.assert_same(&scene.fingerprint());
    scene.git(&["fsck", "--no-dangling"]);
    let branch = scene.branch("a");
    let files = scene.git(&["ls-tree", "--name-only", &branch]);
    let files: Vec<&str> = files
        .lines()
        .filter(|name| name.ends_with(".txt"))
        .collect();
    assert_eq!(files, ["a.txt", "log.txt"], "left.txt is in the stash");
    let words = [
        "on the branch side",
        "a stash entry",
        "on the branch nested",
    ];
    for words in words {
        assert!(ended.out.contains(words), "{words}\n{}", ended.out);
    }
    let kept = kept(&scene);
    for file in ["side.txt", "left.txt", "w.txt", "t.txt"] {
        let has = |name: &String| scene.has(&format!("{name}:{file}"));
        assert!(kept.iter().any(has), "{file} in {kept:?}");
    }
    // The user finds an ordinary worktree.
    let worktree = scene.worktree("a");
    let path = worktree.to_str().unwrap();
    let common = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
    let found = scene.git(&[&["-C", path], &common[..]].concat());
    assert_eq!(found, scene.repo.join(".git").display().to_string());
    let status = ["-C", path, "status", "--porcelain", "--untracked-files=no"];
    assert_eq!(scene.git(&status), "");
    scene.git(&["-C", path, "log", "-g", "HEAD"]);
}

#[test]
fn references_of_a_worker_are_named_and_kept() {
    let Some(scene) = confined() else { return };
    scene.git(&["tag", "of-user"]);
    scene.git(&["tag", "-a", "-m", "of the user", "annotated"]);
    let lines = "set -e
echo a > a.txt && git add -A && git commit -qm one
git tag -a -m release v1.0 && git tag light && git notes add -m noted
commit() { git commit-tree -m $1 $(git mktree </dev/null); }
git update-ref refs/worktree/mine $(commit own) && git update-ref refs/wip/x $(commit wip)
git update-ref refs/remotes/o/x $(commit fetched)
echo r > r.txt && git add -A && git commit -qm left && git reset -q --hard HEAD~
echo s > s.txt && git add -A && git commit -qm soft && git reset -q --soft HEAD~ && git commit -qm again
git tag only $(commit hidden) && git pack-refs --all && git repack -qad
";
    let ended = scene.run(&plan(&scene, lines), &[]).expect(0);
    for what in [
        "the tag light",
        "the tag only",
        "the tag v1.0",
        "the notes refs/notes/commits",
        "the reference refs/wip/x",
    ] {
        let words =
            format!("besides its change it left {what}, which it made or moved: `git update-ref ");
        assert_eq!(
            ended.out.matches(&words).count(),
            1,
            "{what}: {}",
            ended.out
        );
    }
    for words in ["of-user", "annotated", "refs/remotes"] {
        assert!(!ended.out.contains(words), "{}", ended.out);
    }
    let own = "the reference refs/worktree/mine; it is kept below";
    assert!(ended.out.contains(own), "{}", ended.out);
    assert_eq!(
        ended.out.matches(" on no branch; ").count(),
        1,
        "{}",
        ended.out
    );
    let place = scene.worktree("a").display().to_string();
    let subject = [
        "-C",
        &place,
        "log",
        "-1",
        "--format=%s",
        "refs/worktree/mine",
    ];
    assert_eq!(scene.git(&subject), "own");
    scene.git(&["gc", "--quiet", "--prune=now"]);
    let subjects = kept(&scene)
        .iter()
        .map(|name| scene.git(&["log", "-1", "--format=%s", name]))
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        subjects.contains("own") && subjects.contains("left"),
        "{subjects}"
    );
    for tag in ["v1.0", "only"] {
        let command = ended.out.split('`').find(|text| {
            text.ends_with(char::is_alphanumeric) && text.contains(&format!("refs/tags/{tag} "))
        });
        let words: Vec<&str> = command.unwrap().split(' ').skip(1).collect();
        scene.git(&words);
        assert!(scene.has(&format!("refs/tags/{tag}")), "{tag}");
    }
    assert_eq!(
        scene.git(&["tag", "-l", "--format=%(contents:subject)", "v1.0"]),
        "release"
    );
    assert_eq!(scene.git(&["log", "-1", "--format=%s", "only"]), "hidden");
}

#[test]
fn a_clone_that_borrows_the_objects_of_its_worker_can_be_read_afterwards() {
    let Some(scene) = confined() else { return };
    scene.write(".gitignore", "ig/\n");
    scene.commit("Ignore");
    let lines = "set -e
echo a > a.txt && git add -A && git commit -qm one && git clone -q -s . ig/c
";
    scene.run(&plan(&scene, lines), &[]).expect(0);
    let clone = scene.worktree("a").join("ig/c").display().to_string();
    scene.git(&["-C", &clone, "fsck", "--no-dangling"]);
    assert_eq!(
        scene.git(&["-C", &clone, "log", "-1", "--format=%s"]),
        "one"
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.root.join("shop.dispatch").exists());
}

#[test]
fn objects_references_and_worktrees_of_others_are_out_of_reach() {
    let Some(scene) = confined() else { return };
    let blob = scene.git(&["rev-parse", "main:README.md"]);
    let object = format!("$C/objects/{}/{}", &blob[..2], &blob[2..]);
    let attempts = [
        ("delete", format!("rm -f {object} && ! test -e {object}")),
        ("write", "echo 1 > $C/objects/x".to_owned()),
        (
            "alternates",
            "mkdir -p $C/objects/info && echo /tmp > $C/objects/info/alternates".to_owned(),
        ),
        (
            "sibling",
            "git --git-dir=$C update-ref refs/heads/dispatch/$DISPATCH_RUN/b HEAD".to_owned(),
        ),
        (
            "integration",
            "mkdir -p $C/refs/heads/dispatch/$DISPATCH_RUN && git rev-parse HEAD \
             > $C/refs/heads/dispatch/$DISPATCH_RUN/integration"
                .to_owned(),
        ),
        (
            "its own entry",
            "echo / > $(ls -d $C/worktrees/*-a)/commondir".to_owned(),
        ),
        (
            "its mark",
            "rm $(ls -d $C/worktrees/*-a)/dispatch-private".to_owned(),
        ),
        (
            "its own object",
            "rm -rf $(git rev-parse --git-common-dir)/hooks".to_owned(),
        ),
    ];
    let lines: String = attempts
        .iter()
        .map(|(name, command)| {
            format!("if ( {command} ) 2>/dev/null; then echo {name}: allowed; else echo {name}: denied; fi >> tried.txt\n")
        })
        .collect();
    scene
        .run(&plan(&scene, &lines), &["--no-assemble"])
        .expect(0);
    let tried = scene.git(&["show", &format!("{}:tried.txt", scene.branch("a"))]);
    insta::assert_snapshot!(tried, @r"
    delete: denied
    write: denied
    alternates: denied
    sibling: denied
    integration: denied
    its own entry: denied
    its mark: denied
    its own object: allowed
    ");
    scene.git(&["fsck", "--no-dangling"]);
}

#[test]
fn what_git_refuses_is_not_taken_over_and_stays_where_it_is() {
    let cases = [
        (
            "a tree with a file named .git",
            "b=$(echo x | git hash-object -w --stdin)
t=$(printf '100644 blob %s\\tagit\\n' $b | git mktree)
t=$(git cat-file tree $t | LC_ALL=C sed s/agit/.git/ | git hash-object -w -t tree --stdin --literally)
c=$(git commit-tree -m evil -p HEAD $t) && git update-ref HEAD $c",
        ),
        (
            "an object with another content",
            "echo a > a.txt && git add a.txt && git commit -qm one
o=$(git rev-parse HEAD:a.txt); p=$(git rev-parse --git-common-dir)/objects
f=$p/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-); o=$(echo b | git hash-object -w --stdin)
chmod u+w $f; cp $p/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-) $f",
        ),
        (
            "a pipe in place of an object",
            "echo a > a.txt && git add a.txt && git commit -qm one
o=$(git rev-parse HEAD:a.txt); p=$(git rev-parse --git-common-dir)/objects
f=$p/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-); rm -f $f; mkfifo $f",
        ),
        (
            "a missing object",
            "echo a > a.txt && git add a.txt && git commit -qm one
o=$(git rev-parse HEAD:a.txt); p=$(git rev-parse --git-common-dir)/objects
rm -f $p/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-)",
        ),
    ];
    for (name, lines) in cases {
        let Some(scene) = confined() else { return };
        let main = scene.rev("main");
        let ended = scene
            .run(&plan(&scene, lines), &["--no-assemble"])
            .expect(3);
        let said = "the commits of the worker could not be taken over";
        assert!(ended.out.contains(said), "{name}\n{}", ended.out);
        assert_eq!(scene.statuses(), "1 FAILED", "{name}");
        assert_eq!(scene.rev(&scene.branch("a")), main, "{name}");
        scene.git(&["fsck", "--strict", "--no-dangling"]);
        assert!(kept(&scene).is_empty(), "{name}");
        // The worktree is the only place of that work, so it stays.
        scene.dispatch(&["clean"]);
        assert!(scene.worktree("a").exists(), "{name}");
    }
}

#[test]
fn a_worker_that_removes_its_commits_leaves_its_files() {
    let Some(scene) = confined() else { return };
    let lines = "echo a > a.txt && git add a.txt && git commit -qm one
rm -rf $(git rev-parse --git-common-dir)/objects/??";
    scene
        .run(&plan(&scene, lines), &["--no-assemble"])
        .expect(0);
    let branch = scene.branch("a");
    assert_eq!(scene.git(&["show", &format!("{branch}:a.txt")]), "a");
    assert_ne!(scene.git(&["log", "-1", "--format=%s", &branch]), "one");
}

#[test]
fn commits_of_a_worker_are_found_after_dispatch_was_killed() {
    for with_supervisor in [false, true] {
        let Some(scene) = confined() else { return };
        let mut scene = scene;
        let root = format!("[{:?}]", scene.root);
        scene.set_env("DISPATCH_SANDBOX_WRITE", &root);
        let mut gate = Gate::new(&scene, "gate");
        let lines = format!(
            "[ $DISPATCH_ATTEMPT = 1 ] || {{ echo b > b.txt; exit; }}
echo a > a.txt && git add -A && git commit -qm one && git branch spare HEAD~0
echo $$ > {}; {}",
            scene.root.join("pid").display(),
            gate.script()
        );
        let dispatch = Background::run(&scene, &plan(&scene, &lines), &["--no-assemble"]);
        gate.wait_until_reached();
        let worker = pid_in(&scene.root.join("pid"));
        dispatch.crash();
        if with_supervisor {
            let run = scene.run_name();
            let record = format!(".git/dispatch/runs/{run}/attempts/1-1/worker/proc.json");
            let record = fs::read(scene.repo.join(record)).unwrap();
            let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
            send(record["shim"]["pid"].as_i64().unwrap() as i32, Signal::KILL);
        } else {
            gate.open();
            until("the worker ends", || !is_alive(worker));
        }
        scene.dispatch(&["resume"]).expect(0);
        assert_eq!(scene.statuses(), "1 DONE");
        let place = match with_supervisor {
            true => format!("refs/dispatch/attempts/{}/a/1", scene.run_name()),
            false => scene.branch("a"),
        };
        assert_eq!(scene.git(&["log", "-1", "--format=%s", &place]), "one");
        assert_eq!(scene.git(&["show", &format!("{place}:a.txt")]), "a");
        scene.git(&["fsck", "--no-dangling"]);
    }
}

#[test]
fn what_is_only_staged_survives_a_collection_of_the_worker() {
    let Some(scene) = confined() else { return };
    let lines = "set -e
echo staged > a.txt && git add a.txt && git rev-parse :a.txt > id.txt
echo later > a.txt && git gc -q --prune=now
test -z \"$(find $(git rev-parse --git-path objects) -path '*/??/*' -type f)\"
";
    scene
        .run(&plan(&scene, lines), &["--no-assemble"])
        .expect(0);
    let id = scene.git(&["show", &format!("{}:id.txt", scene.branch("a"))]);
    assert_eq!(scene.git(&["cat-file", "-p", &id]), "staged");
}

#[test]
fn a_clone_is_isolated_without_a_sandbox() {
    let lines = "set -e
git branch mine && git tag mine && git config user.name Worker
echo s > s.txt && git add -A && git stash -q
echo a > a.txt && git add -A && git commit -qm one
git gc -q --prune=now && git update-ref -d refs/heads/main
";
    let ways = [
        ("", "   - isolation: clone\n"),
        ("[worktree]\nisolation = \"clone\"\n", ""),
        (
            "[run]\nworker = \"mine\"\n[workers.mine]\ncommand = [\"sh\", \"WORK\"]\nisolation = \"clone\"\n",
            "",
        ),
        (
            "[worktree]\nisolation = \"clone\"\n",
            "   - isolation: worktree\n",
        ),
    ];
    for (settings, field) in ways {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_SANDBOX_MODE", "off");
        let path = scene.root.join("work.sh");
        if !settings.is_empty() {
            scene.configure(&settings.replace("WORK", path.to_str().unwrap()));
        }
        let before = scene.fingerprint();
        let work = script(&scene, lines);
        let work = match settings.contains("mine") {
            true => String::new(),
            false => format!("   - run: {work}\n"),
        };
        let plan = format!("1. [A] a\n{work}{field}");
        let ended = scene.run(&plan, &[]).expect(0);
        before.assert_same(&scene.fingerprint());
        assert!(!ended.err.contains("ignores"), "{}", ended.err);
        assert!(ended.out.contains("a stash entry"), "{}", ended.out);
        let branch = scene.branch("a");
        assert_eq!(scene.git(&["log", "-1", "--format=%an", &branch]), "Worker");
        assert_eq!(scene.git(&["show", &format!("{branch}:a.txt")]), "a");
        scene.git(&["fsck", "--no-dangling"]);
        scene.dispatch(&["land", "--yes"]).expect(0);
        scene.dispatch(&["clean"]).expect(0);
        let left = fs::read_dir(scene.repo.join(".git/dispatch/private")).unwrap();
        assert_eq!(left.count(), 0, "{settings}");
    }
}

#[test]
fn a_link_in_place_of_the_worktrees_entry_moves_nothing_of_the_user() {
    let Some(scene) = confined() else { return };
    for (name, made) in [
        ("entry", "rm -rf $A; ln -s $D $A"),
        (
            "parent",
            "P=$(dirname $A); rm -rf $P; mkdir $D/$(basename $A); ln -s $D $P",
        ),
        ("beside", "ln -s $D $(dirname $A)/beside"),
    ] {
        let docs = scene.root.join(name);
        fs::create_dir_all(docs.join("sub")).unwrap();
        // Names that git knows, so that they would be taken for the worktree's own.
        for file in ["ORIG_HEAD", "sub/note", "index"] {
            fs::write(docs.join(file), "precious\n").unwrap();
        }
        let lines = format!(
            "D='{}'; A=$(git rev-parse --absolute-git-dir); {made}; echo 2 >> README.md",
            docs.display()
        );
        scene.run(&plan(&scene, &lines), &[]);
        let run = scene.run_name();
        scene.dispatch(&["clean", &run, "--force", "all"]);
        for file in ["ORIG_HEAD", "sub/note", "index"] {
            let content = fs::read_to_string(docs.join(file));
            assert_eq!(
                content.ok().as_deref(),
                Some("precious\n"),
                "{name}: {file}"
            );
        }
        scene.git(&["fsck"]);
    }
}
