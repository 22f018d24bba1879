//! The processes above a process, and the process at the other end of a socket.

use std::os::unix::net::UnixStream;

/// The process at the other end of a Unix socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its pid.
    pub pid: u32,
    /// `true` if it belongs to the user of this process, or to root.
    pub is_own_user: bool,
}

/// Returns the process that connected; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn peer_of(stream: &UnixStream) -> Option<Peer> {
    let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
    Some(Peer {
        pid: u32::try_from(peer.pid.as_raw_pid()).ok()?,
        is_own_user: peer.uid.is_root() || peer.uid == rustix::process::geteuid(),
    })
}

/// Returns the process that connected; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn peer_of(_stream: &UnixStream) -> Option<Peer> {
    None
}

/// Counts the processes above a process whose first argument is this word. A system without `/proc`
/// lists none.
pub fn count_above(pid: u32, argument: &str) -> u32 {
    let mut count = 0;
    let mut seen = vec![pid];
    while let Some(parent) = seen.last().and_then(|pid| parent_of(*pid)) {
        // Pids are reused, so a chain that is read while processes end may turn back.
        if parent == 0 || seen.contains(&parent) {
            break;
        }
        count += u32::from(has_first_argument(parent, argument));
        seen.push(parent);
    }
    count
}

fn parent_of(pid: u32) -> Option<u32> {
    stat_field(pid, 4)?.parse().ok()
}

/// Reads a field of `/proc/PID/stat` after the name, by its number in proc(5).
pub fn stat_field(pid: u32, number: usize) -> Option<String> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let after_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[after_name + 1..]).ok()?;
    let field = rest.split_whitespace().nth(number.checked_sub(3)?);
    field.map(str::to_owned)
}

fn has_first_argument(pid: u32, argument: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(argument.as_bytes())
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::base::process::Program;

    #[test]
    fn a_parent_is_known_by_its_first_argument() {
        let script = "sh -c 'echo $$; read line'; true";
        let mut child = Program::new("sh")
            .args(["-c", script])
            .command()
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let inner = line.trim().parse().unwrap();
        let above_this_test = count_above(std::process::id(), "-c");
        assert_eq!(count_above(inner, "-c"), above_this_test + 1);
        assert_eq!(count_above(inner, "__stranger"), 0);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn the_peer_of_a_socket_is_the_process_that_connected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let peer = peer_of(&stream).unwrap();
        assert_eq!((peer.pid, peer.is_own_user), (std::process::id(), true));
    }
}
/// Returns `true` if this process has the rights of root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
