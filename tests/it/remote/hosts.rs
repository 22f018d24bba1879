//! `sshd`s on this machine, each with folders of its own, as hosts.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::harness::Scene;

/// Running hosts `h1`, `h2`, …
pub(super) struct Hosts {
    root: PathBuf,
    daemons: Mutex<Vec<(String, Child)>>,
}

/// Returns the program `sshd`; `None` skips a test.
pub(super) fn sshd() -> Option<PathBuf> {
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    let is_required = std::env::var("DISPATCH_TEST_SSH").is_ok_and(|value| value == "required");
    // Where no system starts it, root has to make this folder.
    let _ = fs::create_dir_all("/run/sshd");
    let found =
        found.filter(|_| !rustix::process::geteuid().is_root() || Path::new("/run/sshd").exists());
    assert!(found.is_some() || !is_required, "no usable sshd was found");
    found
}

impl Hosts {
    /// Starts this many hosts.
    pub(super) fn start(scene: &Scene, sshd: &Path, count: usize) -> Hosts {
        let root = scene.root.join("ssh");
        fs::create_dir_all(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        for key in ["id", "hostkey"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(root.join(key))
                .status();
            assert!(made.unwrap().success());
        }
        fs::copy(root.join("id.pub"), root.join("authorized_keys")).unwrap();
        let host_key = fs::read_to_string(root.join("hostkey.pub")).unwrap();
        fs::write(root.join("known_hosts"), format!("dispatch-lab {host_key}")).unwrap();
        let hosts = Hosts {
            root,
            daemons: Mutex::default(),
        };
        let mut config = String::new();
        for number in 1..=count {
            config.push_str(&hosts.start_one(sshd, number));
        }
        let root = hosts.root.display();
        config.push_str(&format!(
            "Host *\n  HostName 127.0.0.1\n  HostKeyAlias dispatch-lab\n  IdentityFile {root}/id\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {root}/known_hosts\n  StrictHostKeyChecking yes\n"
        ));
        fs::write(hosts.root.join("config"), config).unwrap();
        hosts
    }

    fn start_one(&self, sshd: &Path, number: usize) -> String {
        let (name, root) = (format!("h{number}"), self.root.display());
        let port = free_port();
        let folder = self.folder(&name);
        fs::create_dir_all(&folder).unwrap();
        let place = folder.display();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {root}/hostkey\nPidFile none\n\
             AuthorizedKeysFile {root}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nLogLevel INFO\n\
             SetEnv HOME={place} XDG_CACHE_HOME={place}/cache XDG_STATE_HOME={place}/state \
             GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null DISPATCH_CLOCK={}\n",
            crate::harness::NOW
        );
        let file = self.root.join(format!("{name}.conf"));
        fs::write(&file, config).unwrap();
        let mut daemon = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(daemon.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("Server listening") {
            let read = said.read_line(&mut line).unwrap();
            assert!(read > 0, "{name} did not start: {line}");
        }
        // It goes on writing there.
        std::thread::spawn(move || drop(said.read_to_end(&mut Vec::new())));
        self.daemons.lock().unwrap().push((name.clone(), daemon));
        format!("Host {name}\n  Port {port}\n")
    }

    /// The folder of everything that a host keeps.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Returns the folder of the only job on a host.
    pub(super) fn job(&self, name: &str) -> PathBuf {
        let jobs = self.folder(name).join("state/dispatch/jobs");
        let mut jobs = fs::read_dir(jobs).unwrap();
        jobs.next().unwrap().unwrap().path()
    }

    /// Renders the executor `far` with these hosts.
    pub(super) fn settings(&self, hosts: &[&str]) -> String {
        let config = self.root.join("config");
        let program = env!("CARGO_BIN_EXE_dispatch");
        format!(
            "[executors.far]\nkind = \"ssh\"\nremote = \"origin\"\nprogram = {program:?}\nhosts = {hosts:?}\n\
             ssh = [\"ssh\", \"-F\", {config:?}]\npoll = \"100ms\"\n"
        )
    }

    /// Stops a host with its connections, as a loss of its network does: its jobs go on.
    pub(super) fn stop(&self, name: &str) {
        let mut daemons = self.daemons.lock().unwrap();
        for (_, daemon) in daemons.iter_mut().filter(|(known, _)| known == name) {
            // The children of the daemon are the connections.
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.id()));
            daemon.kill().unwrap();
            daemon.wait().unwrap();
            for child in children.unwrap_or_default().split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", child]).status();
            }
        }
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let names: Vec<String> = {
            let daemons = self.daemons.lock().unwrap();
            daemons.iter().map(|(name, _)| name.clone()).collect()
        };
        names.iter().for_each(|name| self.stop(name));
    }
}

/// Returns a port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
