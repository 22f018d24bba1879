//! Gives the program a name for what it was built from, so that it knows verdicts that were kept by
//! another build of the same sources, and no others.
//!
//! Not the time of the file nor its place counts: what is installed, copied or built again from the
//! same sources is the same program.
//!
//! Links debug builds, of which tests start thousands, at a fixed address: the program loader has
//! 200,000 addresses to adjust otherwise, which is a third of what a start costs.

// What a build script has to say it says on standard output.
#![allow(clippy::print_stdout)]

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// All that decides what the program does.
const SOURCES: [&str; 3] = ["src", "Cargo.toml", "Cargo.lock"];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        collect(Path::new(source), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = fs::read(&file)?;
        for part in [file.as_os_str().as_encoded_bytes(), &content] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
    }
    println!("cargo::rustc-env=DISPATCH_SOURCES={:016x}", hasher.finish());
    if links_at_fixed_address() {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
    Ok(())
}

/// A debug build for Linux with the C library of GNU, whose compiler driver knows the option.
fn links_at_fixed_address() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    is("PROFILE", "debug")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
}

/// Every file at or below a path; a path that is not there has none.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
    } else if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    }
    Ok(())
}
