//! The pages in a real browser: no error on its console, and the script follows the run.
//!
//! A machine without a browser skips these tests, unless `DISPATCH_TEST_BROWSER=required`.

use std::path::PathBuf;
use std::process::Command;

use git_dispatch::base::process::find_program;

use super::client::Site;
use super::{PLAN, scene};

/// Finds a browser that runs without a screen.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find_map(find_program);
    let is_required = std::env::var("DISPATCH_TEST_BROWSER").is_ok_and(|word| word == "required");
    assert!(
        found.is_some() || !is_required,
        "DISPATCH_TEST_BROWSER=required, but there is no browser"
    );
    if found.is_none() {
        eprintln!("skipped: there is no browser ({})", names.join(", "));
    }
    found
}

/// Opens an address, waits until the page is at rest, and returns its content.
#[track_caller]
fn open(browser: &PathBuf, home: &std::path::Path, address: &str) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args([
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            home.join("browser").display()
        ))
        .arg(address)
        .env("HOME", home)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!log.contains("CONSOLE"), "{address}: {log}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn pages_open_in_a_browser_without_an_error() {
    let Some(browser) = browser() else { return };
    let scene = scene();
    scene.run(PLAN, &[]).expect(3);
    let run = scene.run_name();
    let site = Site::start(&scene, &[&run]);
    let board = open(&browser, &scene.root, &site.address);
    assert!(
        board.contains("task-4.html") && board.contains("role=\"status\">up to date<"),
        "{board}"
    );
    site.stop();
    let folder = scene.root.join("pages");
    scene
        .dispatch(&["web", "--export", folder.to_str().unwrap()])
        .expect(0);
    for file in [
        "board.html",
        "conflicts.html",
        "pair-1-2.html",
        "task-1.html",
        "timeline.html",
    ] {
        let path = folder.join(&run).join(file);
        let page = open(&browser, &scene.root, &format!("file://{}", path.display()));
        assert!(page.contains("<main"), "{file}: {page}");
    }
}
