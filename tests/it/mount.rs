//! Mounts small file systems for tests, if the system allows it.

use std::fs;

use crate::harness::Scene;

/// A small file system of its own; unmounted when dropped.
pub(crate) struct Mount<'a>(&'a Scene, String);

impl<'a> Mount<'a> {
    /// Mounts it at this folder below the scene's; prints a note and returns `None` if that is not
    /// allowed.
    pub(crate) fn new(scene: &'a Scene, name: &str, options: &str) -> Option<Mount<'a>> {
        let path = scene.root.join(name).to_str().unwrap().to_owned();
        fs::create_dir_all(&path).unwrap();
        let args = ["-t", "tmpfs", "-o", options, "none", &path];
        let mounted = scene.command("mount").args(args).output();
        let works = mounted.is_ok_and(|output| output.status.success());
        if !works {
            skipped("no file system can be mounted here");
        }
        works.then_some(Mount(scene, path))
    }

    /// Changes its mount options.
    pub(crate) fn remount(&self, options: &str) {
        let args = ["-o", &format!("remount,{options}"), &self.1];
        let output = self.0.command("mount").args(args).output().unwrap();
        assert!(output.status.success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = self.0.command("umount").arg("--lazy").arg(&self.1).output();
    }
}

/// Prints that a test was skipped.
#[allow(clippy::print_stderr)]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
