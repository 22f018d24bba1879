//! A Slurm cluster of two nodes on this machine.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Scene;

/// A running cluster.
pub(super) struct Cluster {
    lab: PathBuf,
    port: u16,
    /// A file that sets the variables of a node.
    env_file: PathBuf,
}

impl Cluster {
    /// Starts a cluster; `None` without Slurm skips a test.
    pub(super) fn start(scene: &Scene) -> Option<Cluster> {
        let is_there = ["slurmctld", "slurmd", "munged"].iter().all(|name| {
            let places = ["/usr/sbin", "/usr/bin", "/sbin"];
            places
                .iter()
                .any(|place| Path::new(place).join(name).exists())
        });
        let is_required =
            std::env::var("DISPATCH_TEST_SLURM").is_ok_and(|value| value == "required");
        assert!(is_there || !is_required, "no Slurm was found");
        if !is_there {
            return None;
        }
        // Paths of sockets are short.
        let lab = scene.root.join("slurm");
        let node = scene.root.join("node");
        fs::create_dir_all(&node).unwrap();
        let env_file = scene.root.join("node.env");
        let place = node.display();
        let text = format!(
            "HOME={place}\nXDG_CACHE_HOME={place}/cache\nXDG_STATE_HOME={place}/state\n\
             GIT_CONFIG_NOSYSTEM=1\nGIT_CONFIG_GLOBAL=/dev/null\nDISPATCH_CLOCK={}\n",
            crate::harness::NOW
        );
        fs::write(&env_file, text).unwrap();
        let cluster = Cluster {
            lab,
            port: free_ports(),
            env_file,
        };
        cluster.script("start");
        Some(cluster)
    }

    fn script(&self, verb: &str) {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/executors/slurm-cluster.sh");
        let ended = Command::new("bash")
            .arg(script)
            .arg(verb)
            .env("LAB", &self.lab)
            .env("PORT", self.port.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() || verb == "stop", "{verb}: {said}");
    }

    /// The file by which Slurm's commands find the cluster.
    pub(super) fn configuration(&self) -> String {
        self.lab.join("slurm.conf").to_str().unwrap().to_owned()
    }

    /// Renders the executor `cluster`.
    pub(super) fn settings(&self) -> String {
        let program = env!("CARGO_BIN_EXE_dispatch");
        let env_file = self.env_file.display();
        format!(
            "[executors.cluster]\nkind = \"slurm\"\nremote = \"origin\"\nprogram = {program:?}\n\
             env_file = \"{env_file}\"\npoll = \"200ms\"\n"
        )
    }

    /// Returns `true` if the controller stores this text.
    pub(super) fn stores(&self, text: &str) -> bool {
        let found = Command::new("grep")
            .args(["-r", "-q", text])
            .arg(self.lab.join("state"))
            .status();
        found.unwrap().success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// Returns the first of three ports that are free now.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let are_free =
            (port + 1..=port + 2).all(|port| TcpListener::bind(("0.0.0.0", port)).is_ok());
        if port < 65_000 && are_free {
            return port;
        }
    }
}
