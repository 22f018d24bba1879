//! Whole runs: the sample plan, what the checkout sees of them, and their commits.

use crate::harness::{Scene, assert_golden};

/// The plan of the sample, with shell workers that report as `report` says.
fn sample(api: &str) -> String {
    let reports = |summary: &str, decision: &str| {
        let report = serde_json::json!({"summary": summary, "decisions": [decision]});
        format!("printf '%s' '{report}' > \"$DISPATCH_RESULT_FILE\"")
    };
    format!(
        "# Checkout v2

## Dispatch Plan

### Independent (parallel)
1. [AUTH] Implement authentication module — Worker 1
   - run: mkdir -p src/auth && echo jwt > src/auth/jwt.ts && {auth}
   - files: src/auth/**
   - check: test -s src/auth/jwt.ts
2. [API] Build API route handlers — Worker 2
   - run: {api}
3. [TEST] Set up test infrastructure — Worker 3
   - run: echo ok > vitest.config.ts

### Dependent (sequential, after above)
4. [DOCS] Write API documentation — blocked by #2
   - run: cat src/routes.ts > API.md

### Shared Context
- Project uses TypeScript + Express
- Auth strategy: JWT with refresh tokens
",
        auth = reports(
            "JWT auth with refresh tokens at `src/auth`",
            "Worker 1 chose jose over jsonwebtoken (works in edge runtimes)"
        ),
    )
}

#[test]
fn the_sample_plan_ends_with_the_board_and_the_completion_report() {
    let scene = Scene::new();
    scene
        .run(&sample("echo routes > src/routes.ts"), &[])
        .expect(0);
    assert_golden("runs/sample-board.md", &scene.normal(&scene.board()));
}
