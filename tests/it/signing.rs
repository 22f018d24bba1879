//! If the user's git signs, commits of dispatch in the user's name are signed.

use crate::harness::Scene;

const TWO: &str = "# Two
1. [A] First
   - run: echo a > a.txt && git add a.txt && git -c commit.gpgSign=false commit -qm Own
2. [B] Second
   - run: sed -i s/two/TWO/ src/app.ts
";

/// Creates a scene whose user signs with an SSH key; `None` if this machine cannot create one.
fn signing(more: &str) -> Option<Scene> {
    let scene = Scene::new();
    let key = scene.root.join("key");
    let made = scene
        .command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f"])
        .arg(&key)
        .output()
        .ok()?;
    assert!(made.status.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let allowed = scene.root.join("allowed");
    std::fs::write(&allowed, format!("ada@example.com {public}")).unwrap();
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingKey", key.to_str().unwrap()),
        ("gpg.ssh.allowedSignersFile", allowed.to_str().unwrap()),
    ] {
        scene.git(&["config", name, value]);
    }
    if !more.is_empty() {
        scene.configure(more);
    }
    scene.git(&["config", "commit.gpgSign", "true"]);
    Some(scene)
}

fn is_signed(scene: &Scene, commit: &str) -> bool {
    let verified = scene.try_git(&["verify-commit", commit]);
    let text = scene.git(&["cat-file", "commit", commit]);
    let claims = text
        .replace("gpgsig-sha256", "gpgsig")
        .contains("\ngpgsig ");
    assert_eq!(verified.code == 0, claims, "{}", verified.err);
    claims
}

/// Lists the commits of a range, oldest first: subject, and `true` if it is signed.
fn signatures(scene: &Scene, range: &str) -> Vec<(String, bool)> {
    let log = scene.git(&["log", "--reverse", "--topo-order", "--format=%H %s", range]);
    let signature = |line: &str| {
        let (commit, subject) = line.split_once(' ').unwrap();
        (subject.to_owned(), is_signed(scene, commit))
    };
    log.lines().map(signature).collect()
}

#[test]
fn what_is_assembled_and_landed_is_signed_in_every_shape() {
    for history in ["merge", "squash", "linear"] {
        let Some(scene) = signing(&format!("[assemble]\nhistory = \"{history}\"\n")) else {
            return;
        };
        let start = scene.rev("main");
        scene.run(TWO, &[]).expect(0);
        let assembled = scene.json()["integration"]["tip"]
            .as_str()
            .unwrap()
            .to_owned();
        for (subject, signed) in signatures(&scene, &format!("{start}..{assembled}")) {
            let by_person =
                subject.starts_with("Merge") || (history == "linear" && subject == "Own");
            // The worker's own commit is the worker's business.
            let is_own = history != "linear" && subject == "Own";
            if by_person {
                assert!(signed, "{history}: {subject}");
            } else if is_own || subject.starts_with("board") {
                assert!(!signed, "{history}: {subject}");
            }
        }
        let journal = format!("refs/dispatch/runs/{}", scene.run_name());
        assert!(!is_signed(&scene, &journal), "the journal is dispatch's");
        let shape = if history == "linear" {
            "--ff"
        } else {
            "--squash"
        };
        scene.dispatch(&["land", "--yes", shape]).expect(0);
        assert!(is_signed(&scene, "main"));
        let author = scene.git(&["log", "-1", "--format=%an <%ae> %cn", "main"]);
        assert_eq!(author, "Ada <ada@example.com> Ada");
    }
}

#[test]
fn a_key_that_does_not_work_stops_the_assembly_cleanly() {
    let Some(scene) = signing("") else { return };
    scene.git(&["config", "user.signingKey", "/nowhere/key"]);
    let before = scene.fingerprint();
    let ended = scene.run(TWO, &[]).expect(4);
    assert!(
        ended
            .err
            .contains("not assembled: a commit could not be signed")
            && ended.err.contains("blocker")
            && ended.err.contains("/nowhere/key"),
        "{}",
        ended.err
    );
    assert!(
        ended.out.contains("make `git commit -S` work") || ended.out.contains("git commit -S"),
        "{}",
        ended.out
    );
    before.assert_same(&scene.fingerprint());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    // With a key that works it goes on.
    let key = scene.root.join("key");
    scene.git(&["config", "user.signingKey", key.to_str().unwrap()]);
    scene.dispatch(&["assemble"]).expect(0);
    let tip = scene.json()["integration"]["tip"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(is_signed(&scene, &tip));
    // And a key that is gone again stops the landing.
    scene.git(&["config", "user.signingKey", "/nowhere/key"]);
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    assert!(
        ended.err.contains("a commit could not be signed")
            && ended.err.contains("git config commit.gpgSign false"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
}
