//! Receives the signals that end a run early or detach it from its terminal.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::base::interrupt::end_at_questions;

/// Listens for the signals that end a run early.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// A request that a signal makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignalRequest {
    /// Stop the run (SIGINT, SIGTERM).
    Stop,
    /// Continue without the terminal, which is gone (SIGHUP).
    Detach,
}

impl Signals {
    /// Starts listening. The signals still end the process at a later question.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Signals> {
        end_at_questions(&[SIGINT, SIGTERM, SIGHUP])?;
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next request.
    pub async fn next(&mut self) -> SignalRequest {
        match self.next_number().await {
            SIGHUP => SignalRequest::Detach,
            _ => SignalRequest::Stop,
        }
    }

    /// Waits for the next signal and returns its number.
    pub async fn next_number(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SIGINT,
            _ = self.terminate.recv() => SIGTERM,
            _ = self.hangup.recv() => SIGHUP,
        }
    }
}
