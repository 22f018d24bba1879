#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;
use crate::exec::ResourceLimits;

/// Creates a folder with the files of a cgroup, in which nothing is a member.
fn imitation(controllers: &str, enabled: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("cgroup.controllers", controllers);
    write(ENABLED, enabled);
    write(PROCESSES, "");
    folder
}

#[test]
fn the_folder_of_a_process_is_found_in_its_mount() {
    let of = |membership: &str, mount: &str| {
        let mounts = format!("25 30 0:22 / /proc rw - proc proc rw\n{mount}\n");
        folder_of(membership, &mounts).map_or("none".to_owned(), |it| it.display().to_string())
    };
    let plain = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
    let found = [
        of("0::/user.slice/run-1.scope\n", plain),
        of(
            "9:pids:/x\n0::/y\n",
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        ),
        of(
            "0::/box/inner\n",
            "35 24 0:30 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        ),
        of(
            "0::/other\n",
            "35 24 0:30 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        ),
        of("0::/../above\n", plain),
        of(
            "0::/x\n",
            "35 24 0:30 / /my\\040groups rw - cgroup2 cgroup2 rw",
        ),
        of("9:pids:/x\n", plain),
        of(
            "0::/x\n",
            "35 24 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
        ),
    ];
    insta::assert_snapshot!(found.join("\n"), @r"
    /sys/fs/cgroup/user.slice/run-1.scope
    /sys/fs/cgroup/unified/y
    /sys/fs/cgroup/inner
    none
    none
    none
    none
    none
    ");
}

#[test]
fn a_cgroup_that_is_not_delegated_is_left_alone() {
    let folder = imitation("cpu memory pids", "");
    assert_eq!(delegated_by_systemd(folder.path()), None);
    let named = Delegation::find(Some(folder.path())).unwrap();
    assert_eq!(named.folder(), folder.path());
    let plain = tempfile::tempdir().unwrap();
    assert_eq!(Delegation::find(Some(plain.path())), None);
}

#[test]
fn limits_are_enabled_where_no_process_of_others_is_in_the_way() {
    let can = |controllers: &str, enabled: &str, processes: &str| {
        let folder = imitation(controllers, enabled);
        fs::write(folder.path().join(PROCESSES), processes).unwrap();
        let found = Delegation::find(Some(folder.path())).unwrap();
        let can = found.can_limit(Controller::Cpu);
        found.enable();
        let now = fs::read_to_string(folder.path().join(ENABLED)).unwrap();
        format!("{can} {now:?}")
    };
    let own = std::process::id().to_string();
    insta::assert_snapshot!(
        [
            can("cpu", "", ""),
            can("cpu", "", &own),
            can("cpu", "", "1"),
            can("cpu", "cpu", "1"),
            can("memory", "memory", ""),
        ].join("\n"),
        @r#"
    true "+cpu"
    true "+cpu"
    false "+cpu"
    true "cpu"
    false "memory"
    "#
    );
}

#[test]
fn the_limits_of_a_job_are_written_into_its_cgroup() {
    let parent = imitation("cpu memory pids", "cpu memory pids");
    let limits = ResourceLimits {
        memory: Some(8 << 30),
        processes: Some(1),
        cpu_thousandths: Some(1500),
        cpu_weight: Some(50),
        ..ResourceLimits::default()
    };
    let home = parent.path().to_owned();
    let mut group = Group::create_in(parent.path(), home, &limits, "shop-7k3q/2/1:47.99").unwrap();
    let inside = group.around(|| fs::read_to_string(group_processes(parent.path())).unwrap());
    // The number 0 is the process that writes it: it entered before it started the worker, and left.
    assert_eq!(inside, "0");
    assert_eq!(
        fs::read_to_string(parent.path().join(PROCESSES)).unwrap(),
        "0"
    );
    let mut files: Vec<String> = fs::read_dir(group.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| format!("{}: {}", name(&path), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    insta::assert_snapshot!(format!("{}\n{}", name(group.folder()), files.join("\n")), @r"
    dispatch-shop-7k3q-2-1-47-99
    cgroup.procs: 0
    cpu.max: 150000 100000
    cpu.weight: 50
    memory.max: 8589934592
    memory.swap.max: 0
    pids.max: 2
    ");
}

fn group_processes(parent: &Path) -> PathBuf {
    let mut entries = fs::read_dir(parent).unwrap().map(|it| it.unwrap().path());
    entries.find(|path| path.is_dir()).unwrap().join(PROCESSES)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_forged_record_of_a_cgroup_kills_and_removes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let victim = parent.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join(PROCESSES), std::process::id().to_string()).unwrap();
    let link = parent.path().join("dispatch-link");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    for forged in [&victim, &link, &parent.path().join("dispatch-gone")] {
        assert!(kill_abandoned(forged).is_empty());
    }
    assert!(victim.join(PROCESSES).is_file());
}

#[test]
fn only_empty_cgroups_of_jobs_are_abandoned() {
    let parent = imitation("", "");
    for (name, populated) in [
        ("dispatch-a", "0"),
        ("dispatch-b", "1"),
        ("other", "0"),
        (OWN, "0"),
    ] {
        let folder = parent.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(
            folder.join("cgroup.events"),
            format!("populated {populated}\nfrozen 0\n"),
        )
        .unwrap();
    }
    let found = Delegation::find(Some(parent.path())).unwrap().abandoned();
    assert_eq!(found, [parent.path().join("dispatch-a")]);
}
