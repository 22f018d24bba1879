//! A dispatch on a terminal of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr, tcgetwinsize, tcsetwinsize};

use crate::harness::{Scene, open_terminal};

/// The sequence with which a program takes the whole screen.
const TAKES: &str = "\u{1b}[?1049h";

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A dispatch on a terminal of its own.
pub(crate) struct OnTerminal {
    child: Child,
    master: File,
    /// The side of the program, which keeps the modes of the terminal readable.
    slave: File,
    sent: Vec<u8>,
}

impl OnTerminal {
    pub(crate) fn start(scene: &Scene, args: &[&str]) -> OnTerminal {
        let (master, slave) = open_terminal();
        let mut size = tcgetwinsize(&slave).unwrap();
        (size.ws_row, size.ws_col) = (ROWS, COLUMNS);
        tcsetwinsize(&slave, size).unwrap();
        let mut command = scene.command(env!("CARGO_BIN_EXE_dispatch"));
        command.args(args).env("TERM", "xterm");
        let end = || slave.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        OnTerminal {
            child: command.spawn().unwrap(),
            master,
            slave,
            sent: Vec::new(),
        }
    }

    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.sent).into_owned()
    }

    /// Reads what the program writes until it has written this.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.shown().contains(text) {
            let count = self.master.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "never: {text}\n{}", self.shown());
            self.sent.extend(&buffer[..count]);
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Closes the terminal, and waits for the end of the program.
    pub(crate) fn close(self) -> ExitStatus {
        let OnTerminal {
            mut child,
            master,
            slave,
            ..
        } = self;
        drop((master, slave));
        child.wait().unwrap()
    }

    /// Waits for the end. Returns it, and everything that was written.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut master = self.master;
        let rest = std::thread::spawn(move || {
            let mut rest = Vec::new();
            // Linux reports the end of a terminal as an error, other systems as an end of file.
            let _ = master.read_to_end(&mut rest);
            rest
        });
        let status = self.child.wait().unwrap();
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO));
        drop(self.slave);
        self.sent.extend(rest.join().unwrap());
        let text = String::from_utf8_lossy(&self.sent).into_owned();
        assert!(text.contains(TAKES), "{text}");
        (status, text)
    }

    /// Reads what the program writes until the screen is as wanted. The board writes at least once a
    /// second.
    #[track_caller]
    pub(crate) fn wait_for_screen(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let mut buffer = [0; 4096];
        for _ in 0..200 {
            if is_wanted(&self.screen()) {
                return;
            }
            let mut ready = [PollFd::new(&self.master, PollFlags::IN)];
            let minute = Timespec {
                tv_sec: 60,
                tv_nsec: 0,
            };
            let found = poll(&mut ready, Some(&minute)).unwrap();
            assert!(found > 0, "nothing changes any more:\n{}", self.screen());
            let count = self.master.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "the board has ended:\n{}", self.screen());
            self.sent.extend(&buffer[..count]);
        }
        panic!("the screen never became as wanted:\n{}", self.screen());
    }

    /// Returns what the screen shows: characters and moves of the cursor to a place, which is all that
    /// the board writes besides colours and modes.
    pub(crate) fn screen(&self) -> String {
        let mut cells = vec![vec![' '; usize::from(COLUMNS)]; usize::from(ROWS)];
        let (mut row, mut column) = (0, 0);
        let text = self.shown();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '\u{1b}' {
                if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                    *cell = c;
                }
                column += 1;
                continue;
            }
            rest.next();
            let sequence = rest.as_str();
            let end = sequence.find(|c: char| c.is_ascii_alphabetic());
            let Some(end) = end else { break };
            let (numbers, end) = sequence.split_at(end);
            rest = end[1..].chars();
            match end.as_bytes()[0] {
                b'H' => {
                    let mut places = numbers.split(';').map(|number| number.parse().unwrap_or(1));
                    let mut next = || places.next().unwrap_or(1_usize).saturating_sub(1);
                    (row, column) = (next(), next());
                }
                b'J' => cells.iter_mut().flatten().for_each(|cell| *cell = ' '),
                _ => {}
            }
        }
        let lines = cells
            .into_iter()
            .map(|line| line.into_iter().collect::<String>());
        lines
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }
}
