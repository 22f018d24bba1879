//! Repositories in every format that git reads: of the index, of objects, of references.

use crate::harness::Scene;

/// Two tasks, one that leaves its change to dispatch and one that commits.
const PLAN: &str = "# Formats

1. [LEFT] Left uncommitted
   - run: echo x >> README.md
2. [OWN] Committed
   - run: echo y > own.txt && git add own.txt && git commit --quiet -m own
";

#[test]
fn results_are_taken_from_a_split_index() {
    let scene = Scene::new();
    scene.git(&["config", "core.splitIndex", "true"]);
    for number in 0..30 {
        scene.write(&format!("files/{number}"), "content\n");
    }
    scene.commit("Many files");
    scene.git(&["update-index", "--split-index"]);
    scene.run(PLAN, &[]).expect(0);
    let changed = |slug: &str| scene.git(&["diff", "--name-only", "main", &scene.branch(slug)]);
    assert_eq!(changed("left"), "README.md");
    assert_eq!(changed("own"), "own.txt");
}
